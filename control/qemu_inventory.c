// SPDX-License-Identifier: Apache-2.0
#include "qemu_inventory.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "qemu_file.h"
#include "qemu_machine.h"
#include "qemu_proc.h"
#include "qmp.h"

/* Files that belong to a record; whatever else lies in the cloud is listed by name. */
struct known {
	VEC(char *) files;
	VEC(char *) uids;
};

static void known_fini(struct known *k)
{
	for (size_t i = 0; i < k->files.len; i++)
		free(k->files.at[i]);
	for (size_t i = 0; i < k->uids.len; i++)
		free(k->uids.at[i]);
	vec_fini(&k->files);
	vec_fini(&k->uids);
}

static void know(const struct qemu_cloud *c, struct known *k, const char *file)
{
	if (file[0] != '\0')
		*vec_push(&k->files) = qemu_cloud_resolve(c, file);
}

static bool is_known(const struct known *k, const char *path)
{
	for (size_t i = 0; i < k->files.len; i++)
		if (strcmp(k->files.at[i], path) == 0)
			return true;
	return false;
}

static void add_tags(struct buf *out, const struct res_tags *t)
{
	buf_addf(out, " job=%s run=%s purpose=%s ", t->job, t->run, res_purpose_name(t->purpose));
}

static int add_machine(const struct qemu_cloud *c, const char *name, struct known *k, struct buf *out,
		       struct err *e)
{
	cleanup(qemu_machine_fini) struct qemu_machine m = {0};

	if (qemu_machine_load(c, name, &m, e) < 0)
		return -1;
	buf_addf(out, "machine %s", name);
	for (size_t i = 0; i < m.disks.len; i++) {
		buf_addf(out, " %s=%s", m.disks.at[i].name,
			 m.disks.at[i].disk[0] != '\0' ? m.disks.at[i].disk : m.disks.at[i].image.file);
		know(c, k, m.disks.at[i].image.file);
	}
	know(c, k, m.kernel);
	know(c, k, m.initrd);
	if (m.tagged)
		add_tags(out, &m.tags);
	buf_adds(out, "\n");
	cleanup(cleanup_free) char *record = mem_printf("machines/%s.json", name);
	cleanup(cleanup_free) char *vars = mem_printf("machines/%s.efivars", name);

	know(c, k, record);
	know(c, k, vars);
	return 0;
}

static int add_disk(const struct qemu_cloud *c, const char *name, struct known *k, struct buf *out, struct err *e)
{
	static const char *const own[] = {"disk.json", "lock"};
	struct qemu_disk d;

	if (qemu_disk_load(c, name, &d, e) < 0)
		return -1;
	know(c, k, d.image.file);
	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
		cleanup(cleanup_free) char *file = mem_printf("disks/%s/%s", name, own[i]);

		know(c, k, file);
	}
	buf_addf(out, "disk %s", name);
	add_tags(out, &d.tags);
	buf_addf(out, "epoch=%" PRIu64 " generation=%" PRIu64 " dirty=%d%s\n", d.tags.epoch, d.tags.generation,
		 d.tags.dirty, d.removed ? " removed" : "");
	return 0;
}

static int add_snapshot(const struct qemu_cloud *c, const char *name, struct known *k, struct buf *out,
			struct err *e)
{
	static const char *const own[] = {"snapshot.json", "fleece.qcow2"};
	struct qemu_snapshot s;

	if (qemu_snapshot_load(c, name, &s, e) < 0)
		return -1;
	know(c, k, s.base.file);
	know(c, k, s.over);
	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
		cleanup(cleanup_free) char *file = mem_printf("snapshots/%s/%s", name, own[i]);

		know(c, k, file);
	}
	*vec_push(&k->uids) = mem_strdup(s.uid);
	buf_addf(out, "snapshot %s", name);
	add_tags(out, &s.tags);
	buf_addf(out, "of=%s%s%s\n", s.machine, s.machine[0] != '\0' ? "/" : "", s.disk);
	return 0;
}

static int add_worker(const struct qemu_cloud *c, const char *name, struct known *k, struct buf *out, struct err *e)
{
	struct qemu_worker w;

	(void)k; /* the whole run directory is a worker's */
	if (qemu_worker_load(c, name, &w, e) < 0)
		return -1;
	buf_addf(out, "worker %s", name);
	add_tags(out, &w.tags);
	buf_adds(out, "\n");
	return 0;
}

typedef int add_fn(const struct qemu_cloud *c, const char *name, struct known *k, struct buf *out, struct err *e);

static int add_all(const struct qemu_cloud *c, enum qemu_folder f, add_fn *add, struct known *k, struct buf *out,
		   struct err *e)
{
	cleanup(qemu_names_fini) struct qemu_names names = {0};

	if (qemu_record_names(c, f, &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.list.len; i++)
		if (add(c, names.list.at[i], k, out, e) < 0)
			return -1;
	return 0;
}

static void cleanup_dir(DIR **d)
{
	if (*d != NULL)
		closedir(*d);
}

/* A run directory is a machine's or a worker's as a whole. */
static bool run_dir_known(const struct qemu_cloud *c, const char *name)
{
	return qemu_record_exists(c, QEMU_MACHINES, name) || qemu_record_exists(c, QEMU_RUN, name);
}

static void add_strays(const struct qemu_cloud *c, const char *path, const char *below, const struct known *k,
		       struct buf *out)
{
	cleanup(cleanup_dir) DIR *d = opendir(path);
	struct dirent *entry;
	bool empty = true;

	while (d != NULL && (entry = readdir(d)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		cleanup(cleanup_free) char *sub = mem_printf("%s/%s", path, entry->d_name);
		cleanup(cleanup_free) char *rel = mem_printf("%s%s%s", below, below[0] != '\0' ? "/" : "",
							     entry->d_name);

		empty = false;
		if (strncmp(rel, "run/", 4) == 0 && run_dir_known(c, rel + 4))
			continue;
		if (entry->d_type == DT_DIR)
			add_strays(c, sub, rel, k, out);
		else if (strcmp(rel, "cloud.json") != 0 && strcmp(rel, "lock") != 0 && !is_known(k, sub))
			buf_addf(out, "file %s\n", rel);
	}
	/* "disks" may be empty, "disks/x" may not. */
	if (empty && strchr(below, '/') != NULL)
		buf_addf(out, "file %s/\n", below);
}

/* Is it FILE.<16 digits>.qcow2 of a file that is known? Overlays lie beside disks that lie outside of the cloud. */
static void add_overlays_beside(const char *file, const struct known *k, struct buf *out)
{
	cleanup(cleanup_free) char *dir = mem_strdup(file);
	char *slash = strrchr(dir, '/');

	*slash = '\0';
	cleanup(cleanup_dir) DIR *d = opendir(dir);
	size_t n = strlen(slash + 1);
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL) {
		const char *rest = entry->d_name + n;
		cleanup(cleanup_free) char *path = mem_printf("%s/%s", dir, entry->d_name);

		if (strncmp(entry->d_name, slash + 1, n) == 0 && rest[0] == '.' &&
		    strspn(rest + 1, "0123456789abcdef") == 16 && strcmp(rest + 17, ".qcow2") == 0 &&
		    !is_known(k, path))
			buf_addf(out, "file %s\n", path);
	}
}

static void add_outside(const struct qemu_cloud *c, const struct known *k, struct buf *out)
{
	size_t n = strlen(c->dir);

	for (size_t i = 0; i < k->files.len; i++)
		if (strncmp(k->files.at[i], c->dir, n) != 0 || k->files.at[i][n] != '/')
			add_overlays_beside(k->files.at[i], k, out);
}

/* A process with an argument <cloud>/run/NAME/qemu.pid, where NAME is nobody's. */
static void add_process(const struct qemu_cloud *c, const char *pid, struct buf *out)
{
	cleanup(cleanup_free) char *path = mem_printf("/proc/%s/cmdline", pid);
	cleanup(cleanup_free) char *runs = mem_printf("%s/run/", c->dir);
	cleanup(buf_fini) struct buf text = BUF_INIT;
	struct err e = ERR_INIT;

	if (qemu_file_read(path, 1 << 20, &text, &e) < 0)
		return;
	for (size_t at = 0; at < text.len; at += strlen(text.data + at) + 1) {
		char *arg = text.data + at, *end = strstr(arg, "/qemu.pid");

		if (strncmp(arg, runs, strlen(runs)) != 0 || end == NULL || end[strlen("/qemu.pid")] != '\0')
			continue;
		cleanup(cleanup_free) char *name = mem_printf("%.*s", (int)(end - arg - (ptrdiff_t)strlen(runs)),
							      arg + strlen(runs));

		if (!run_dir_known(c, name))
			buf_addf(out, "process %s run/%s\n", pid, name);
		return;
	}
}

static void add_processes(const struct qemu_cloud *c, struct buf *out)
{
	cleanup(cleanup_dir) DIR *d = opendir("/proc");
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]))
			add_process(c, entry->d_name, out);
}

static bool uid_known(const struct known *k, const char *uid)
{
	for (size_t i = 0; i < k->uids.len; i++)
		if (strcmp(k->uids.at[i], uid) == 0)
			return true;
	return false;
}

/* Ids of ours are a letter, '-' and the uid of a snapshot (qemu_live.h). */
static void add_inside(struct qmp *q, const char *machine, const char *query, const char *key, const char *prefix,
		       const struct known *k, struct buf *out)
{
	cleanup(qmp_doc_cleanup) struct yyjson_doc *doc = NULL;
	struct err ignored = ERR_INIT;
	struct yyjson_val *list, *one;
	yyjson_arr_iter it;

	if (qmp_ask(q, query, NULL, &doc, &list, &ignored) < 0)
		return;
	yyjson_arr_iter_init(list, &it);
	while ((one = yyjson_arr_iter_next(&it)) != NULL) {
		const char *id = yyjson_get_str(yyjson_obj_get(one, key));
		bool ours = id != NULL && strncmp(id, prefix, 2) == 0 && strlen(id) == 2 + QEMU_UID_SIZE - 1;

		if (ours && !uid_known(k, id + 2))
			buf_addf(out, "inside %s %s\n", machine, id);
	}
}

static void look_inside(const struct qemu_cloud *c, const char *machine, const struct known *k, struct buf *out)
{
	cleanup(cleanup_free) char *run_dir = qemu_record_dir(c, QEMU_RUN, machine);
	struct err ignored = ERR_INIT;
	cleanup(qmp_cleanup) struct qmp *q = qemu_proc_alive(run_dir, NULL)
						     ? qmp_open(run_dir, 5 * NS_PER_S, &ignored)
						     : NULL;

	if (q == NULL)
		return;
	add_inside(q, machine, "query-jobs", "id", "j-", k, out);
	add_inside(q, machine, "query-block-exports", "id", "e-", k, out);
	add_inside(q, machine, "query-named-block-nodes", "node-name", "f-", k, out);
}

int qemu_inventory(const struct qemu_cloud *c, struct buf *out, struct err *e)
{
	cleanup(known_fini) struct known k = {0};
	cleanup(qemu_names_fini) struct qemu_names machines = {0};

	if (add_all(c, QEMU_MACHINES, add_machine, &k, out, e) < 0 ||
	    add_all(c, QEMU_DISKS, add_disk, &k, out, e) < 0 ||
	    add_all(c, QEMU_SNAPSHOTS, add_snapshot, &k, out, e) < 0 ||
	    add_all(c, QEMU_RUN, add_worker, &k, out, e) < 0 ||
	    qemu_record_names(c, QEMU_MACHINES, &machines, e) < 0)
		return -1;
	add_strays(c, c->dir, "", &k, out);
	add_outside(c, &k, out);
	add_processes(c, out);
	for (size_t i = 0; i < machines.list.len; i++)
		look_inside(c, machines.list.at[i], &k, out);
	return 0;
}
