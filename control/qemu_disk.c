// SPDX-License-Identifier: Apache-2.0
#include "qemu_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include <yyjson.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "qemu_args.h"
#include "qemu_chain.h"
#include "qemu_file.h"
#include "qemu_proc.h"
#include "qemu_snapshot.h"
#include "res_tags.h"

/* 0: there; 1: there is none of that name; -1. */
static int load(const struct qemu_cloud *c, const char *name, struct qemu_disk *d, struct err *e)
{
	struct err why = ERR_INIT;

	if (qemu_disk_load(c, name, d, &why) == 0)
		return 0;
	if (why.kind == ERR_NOT_FOUND)
		return 1;
	*e = why;
	return -1;
}

int qemu_disk_usable(const struct qemu_cloud *c, const struct res_ref *ref, struct qemu_disk *d, struct err *e)
{
	if (qemu_disk_load(c, ref->name, d, e) < 0)
		return -1;
	if (d->removed || !qemu_id_matches(ref, d->uid))
		return err_set(e, ERR_NOT_FOUND, 0, "disk %s was removed from the qemu cloud %s", ref->name,
			       c->dir);
	if (!d->ready)
		return err_set(e, ERR_NOT_FOUND, 0,
			       "disk %s is half-made by a process that died: remove it, then run again", ref->name);
	return 0;
}

static int make_file(const struct qemu_cloud *c, const struct qemu_disk *d, const struct qemu_snapshot *from,
		     struct err *e)
{
	cleanup(cleanup_free) char *path = qemu_cloud_resolve(c, d->image.file);
	cleanup(cleanup_free) char *size = mem_printf("%" PRIu64, d->size);
	const char *const argv[] = {"qemu-img", "create", "-q", "-f", qemu_format_names[d->image.format],
				    path, size, NULL};

	if (d->image.file[0] == '\0')
		return 0;
	if (from != NULL) {
		cleanup(cleanup_free) char *base = qemu_cloud_resolve(c, from->base.file);

		return qemu_chain_overlay(base, from->base.format, path, d->size, e);
	}
	return qemu_tool(argv, NULL, NULL, e) < 0 ? -1 : qemu_file_sync(path, e);
}

/* What kind of disk it will be. */
static int plan(const struct qemu_cloud *c, enum qemu_format format, const struct disk_spec *spec,
		struct qemu_disk *d, struct qemu_snapshot *from, struct err *e)
{
	d->size = spec->size;
	d->logical_sector = spec->logical_sector;
	d->image.format = format;
	if (spec->from_snapshot != NULL) {
		if (qemu_snapshot_usable(c, spec->from_snapshot, from, e) < 0)
			return -1;
		d->size = spec->size != 0 ? spec->size : from->size;
		d->logical_sector = from->logical_sector;
		d->image.format = QEMU_QCOW2;
		snprintf(d->snapshot, sizeof d->snapshot, "%s", from->name);
		if (d->size < from->size || (from->live && d->size != from->size))
			return err_set(e, ERR_UNSUPPORTED, 0,
				       "a clone of snapshot %s has %" PRIu64 " bytes, not %" PRIu64, from->name,
				       from->size, d->size);
	}
	if (spec->from_snapshot == NULL || !from->live)
		snprintf(d->image.file, sizeof d->image.file, "disks/%s/data.%s", d->name,
			 qemu_format_names[d->image.format]);
	if (d->size == 0 || d->size % 512 != 0)
		return err_set(e, ERR_UNSUPPORTED, 0,
			       "a disk of %" PRIu64 " bytes cannot be made: only whole sectors of 512", d->size);
	return 0;
}

static int finish(const struct qemu_cloud *c, struct qemu_disk *d, const struct qemu_snapshot *from,
		  struct res_ref *ref, struct err *e)
{
	if (make_file(c, d, from, e) < 0)
		return -1;
	d->ready = true;
	if (qemu_disk_save(c, d, e) < 0)
		return -1;
	qemu_ref_id(ref, d->uid);
	return 0;
}

int qemu_disk_create(const struct qemu_cloud *c, enum qemu_format format, const struct disk_spec *spec,
		     struct res_ref *ref, struct err *e)
{
	cleanup(cleanup_fd) int lock = qemu_cloud_lock(c, "creating a disk", e);
	struct qemu_snapshot from = {0};
	struct qemu_disk d = {0};

	if (lock < 0 || qemu_name_check(ref->name, e) < 0 || qemu_cloud_sweep(c, e) < 0)
		return -1;
	int absent = load(c, ref->name, &d, e);

	if (absent < 0)
		return -1;
	if (!absent && (d.removed || !qemu_tags_same(&d.tags, &ref->tags)))
		return err_set(e, ERR_BUSY, 0,
			       "there is another disk %s in the qemu cloud %s, of job %s, run %s%s, kept by owner %s: run the "
			       "job from there, or choose another job name",
			       d.name, c->dir, d.tags.job, d.tags.run,
			       d.removed ? ", removed but held by a snapshot" : "", d.tags.owner);
	if (!absent && d.ready) {
		qemu_ref_id(ref, d.uid);
		return 0;
	}
	d = (struct qemu_disk){.tags = ref->tags};
	snprintf(d.name, sizeof d.name, "%s", ref->name);
	qemu_uid_make(d.uid);
	if (plan(c, format, spec, &d, &from, e) < 0)
		return -1;
	cleanup(cleanup_free) char *json = qemu_disk_json(&d);

	if ((absent ? qemu_record_publish(c, QEMU_DISKS, d.name, json, e) : qemu_disk_save(c, &d, e)) < 0)
		return -1;
	if (finish(c, &d, spec->from_snapshot != NULL ? &from : NULL, ref, e) == 0)
		return 0;
	struct err ignored = ERR_INIT;

	qemu_record_retire(c, QEMU_DISKS, d.name, &ignored);
	return err_wrap(e, "making disk %s in the qemu cloud %s", d.name, c->dir);
}

int qemu_disk_get(const struct qemu_cloud *c, const struct res_ref *ref, struct machine_disk *out, struct err *e)
{
	struct qemu_disk d;

	*out = (struct machine_disk){0};
	if (qemu_disk_usable(c, ref, &d, e) < 0)
		return -1;
	snprintf(out->id, sizeof out->id, "disks/%s#%s", d.name, d.uid);
	snprintf(out->name, sizeof out->name, "%s", d.name);
	out->logical_sector = d.logical_sector;
	out->size = d.size;
	if (d.image.file[0] == '\0')
		return 0;
	cleanup(cleanup_free) char *path = qemu_cloud_resolve(c, d.image.file);

	return qemu_file_image_size(path, d.image.format == QEMU_QCOW2, &out->size, e);
}

int qemu_disk_resize(const struct qemu_cloud *c, const struct res_ref *ref, uint64_t size, struct err *e)
{
	cleanup(cleanup_fd) int lock = qemu_cloud_lock(c, "resizing a disk", e);
	char user[RES_NAME_SIZE + 16];
	struct qemu_disk d;

	if (lock < 0 || qemu_disk_usable(c, ref, &d, e) < 0)
		return -1;
	if (size < d.size)
		return err_set(e, ERR_REFUSED, 0, "disk %s is not made smaller than its %" PRIu64 " bytes", d.name,
			       d.size);
	if (d.image.file[0] == '\0' || size % d.logical_sector != 0)
		return err_set(e, ERR_UNSUPPORTED, 0, "disk %s cannot be resized to %" PRIu64 " bytes", d.name,
			       size);
	if (qemu_disk_user(c, d.name, user))
		return err_set(e, ERR_BUSY, 0, "disk %s cannot be resized while it is in use by %s", d.name, user);
	cleanup(cleanup_free) char *path = qemu_cloud_resolve(c, d.image.file);
	cleanup(cleanup_free) char *bytes = mem_printf("%" PRIu64, size);
	const char *const argv[] = {"qemu-img", "resize", "-q", "-f", qemu_format_names[d.image.format],
				    path, bytes, NULL};

	if (qemu_tool(argv, NULL, NULL, e) < 0 || qemu_file_sync(path, e) < 0)
		return err_wrap(e, "resizing disk %s", d.name);
	d.size = size;
	return qemu_disk_save(c, &d, e);
}

int qemu_disk_poll(const struct qemu_cloud *c, const struct res_ref *ref, enum res_state *state, struct err *e)
{
	struct qemu_snapshot s;
	struct qemu_disk d;
	struct err why = ERR_INIT;
	int absent = load(c, ref->name, &d, e);

	*state = RES_ABSENT;
	if (absent < 0)
		return -1;
	if (absent || d.removed || !qemu_id_matches(ref, d.uid))
		return 0;
	cleanup(cleanup_free) char *path = qemu_cloud_resolve(c, d.image.file);
	struct res_ref snapshot = {.kind = RES_SNAPSHOT};

	snprintf(snapshot.name, sizeof snapshot.name, "%s", d.snapshot);
	*state = RES_FAILED;
	if (!d.ready)
		err_set(e, ERR_NOT_FOUND, 0, "disk %s is half-made by a process that died: remove it", d.name);
	else if (d.image.file[0] != '\0' && !qemu_file_exists(path))
		err_set(e, ERR_NOT_FOUND, 0, "disk %s has lost its file %s: remove it, or restore the file", d.name,
			path);
	else if (d.image.file[0] == '\0' && qemu_snapshot_usable(c, &snapshot, &s, &why) < 0)
		*e = why;
	else
		*state = RES_READY;
	return 0;
}

/* Is a machine, running or not, made of this disk? */
static bool has_machine(const struct qemu_cloud *c, const char *disk, char out[RES_NAME_SIZE])
{
	cleanup(qemu_names_fini) struct qemu_names names = {0};
	struct err ignored = ERR_INIT;
	bool found = false;

	qemu_record_names(c, QEMU_MACHINES, &names, &ignored);
	for (size_t i = 0; i < names.list.len && !found; i++) {
		struct qemu_machine m;

		if (qemu_machine_load(c, names.list.at[i], &m, &ignored) < 0)
			continue;
		for (size_t k = 0; k < m.disks.len; k++)
			found |= strcmp(m.disks.at[k].disk, disk) == 0;
		qemu_machine_fini(&m);
		if (found)
			snprintf(out, RES_NAME_SIZE, "%s", names.list.at[i]);
	}
	return found;
}

/* Snapshots outlive their disk: they keep its directory, and with it the files they stand on. */
static int remove_for_snapshots(const struct qemu_cloud *c, struct qemu_disk *d, struct err *e)
{
	cleanup(cleanup_free) char *top = qemu_cloud_resolve(c, d->image.file);

	d->removed = true;
	return qemu_disk_save(c, d, e) < 0 ? -1 : qemu_file_unlink(top, e);
}

int qemu_disk_remove(const struct qemu_cloud *c, const struct res_ref *ref, struct err *e)
{
	cleanup(cleanup_fd) int lock = qemu_cloud_lock(c, "removing a disk", e);
	char user[RES_NAME_SIZE + 16], machine[RES_NAME_SIZE], snapshot[RES_NAME_SIZE];
	struct qemu_disk d;

	if (lock < 0 || qemu_snapshots_recover(c, e) < 0)
		return -1;
	int absent = load(c, ref->name, &d, e);

	if (absent != 0)
		return absent < 0 ? -1 : 0;
	if (d.removed || !qemu_id_matches(ref, d.uid))
		return 0;
	if (qemu_disk_user(c, d.name, user))
		return err_set(e, ERR_BUSY, 0, "disk %s cannot be removed while it is in use by %s", d.name, user);
	if (has_machine(c, d.name, machine))
		return err_set(e, ERR_BUSY, 0,
			       "disk %s cannot be removed, for machine %s is made of it: remove that machine first",
			       d.name, machine);
	if (qemu_chain_finish(c, "", d.name, e) < 0)
		return -1;
	if (d.image.file[0] != '\0' && qemu_chain_any(c, "", d.name, snapshot))
		return qemu_disk_load(c, ref->name, &d, e) < 0 ? -1 : remove_for_snapshots(c, &d, e);
	return qemu_record_retire(c, QEMU_DISKS, d.name, e);
}

int qemu_disk_lock(const struct qemu_cloud *c, const struct res_ref *ref, const char *holder, struct err *e)
{
	cleanup(cleanup_free) char *path = qemu_cloud_path(c, "disks/%s/lock", ref->name);
	struct qemu_disk d;

	if (qemu_disk_usable(c, ref, &d, e) < 0)
		return -1;
	cleanup(cleanup_fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0)
		return err_set(e, err_kind_of_errno(errno), errno, "cannot open the lock of replica disk %s, %s",
			       d.name, path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		char text[200] = "";

		/* Who took it in this moment writes the name in the next one; until then the last holder's may stand there. */
		clock_sleep_ns(50 * NS_PER_MS);
		ssize_t n = pread(fd, text, sizeof text - 1, 0);

		text[n > 0 ? strcspn(text, "\n") : 0] = '\0';
		return err_set(e, ERR_BUSY, 0, "replica disk %s is held by %s: wait for that to end, or stop it",
			       d.name, text[0] != '\0' ? text : "somebody who did not leave a name");
	}
	cleanup(cleanup_free) char *line = mem_printf("%s\n", holder);

	if (ftruncate(fd, 0) < 0 || pwrite(fd, line, strlen(line), 0) != (ssize_t)strlen(line))
		return err_set(e, err_kind_of_errno(errno), errno, "cannot write to the lock of replica disk %s",
			       d.name);
	return take_fd(&fd);
}

int qemu_disk_claim(const struct qemu_cloud *c, struct res_ref *ref, const struct res_tags *expect,
		    const struct res_tags *set, struct err *e)
{
	cleanup(cleanup_fd) int lock = qemu_cloud_lock(c, "claiming a replica", e);
	struct qemu_disk d;

	if (lock < 0 || qemu_disk_usable(c, ref, &d, e) < 0)
		return -1;
	struct res_ref there = {.tags = d.tags};
	snprintf(there.name, sizeof there.name, "%s", d.name);
	if (res_check_claim(&there, expect, e) < 0)
		return -1;
	d.tags = *set;
	if (qemu_disk_save(c, &d, e) < 0)
		return -1;
	ref->tags = *set;
	return 0;
}

char *qemu_disk_node(const struct qemu_cloud *c, const struct qemu_disk *d, const char *node, bool read_only,
		     struct err *e)
{
	struct res_ref ref = {.kind = RES_SNAPSHOT};
	struct qemu_snapshot s;

	if (d->image.file[0] != '\0')
		return qemu_node_image(c, &d->image, node, read_only);
	if (!read_only) {
		err_set(e, ERR_UNSUPPORTED, 0,
			"disk %s is a view of a snapshot of a running machine and cannot be written", d->name);
		return NULL;
	}
	snprintf(ref.name, sizeof ref.name, "%s", d->snapshot);
	return qemu_snapshot_usable(c, &ref, &s, e) < 0 ? NULL : qemu_node_live(&s, node);
}

static int flush_file(const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	cleanup(cleanup_free) char *dir = mem_printf("%.*s", (int)(slash - path), path);

	return qemu_file_sync(path, e) < 0 ? -1 : qemu_file_sync(dir[0] != '\0' ? dir : "/", e);
}

/* What QEMU says the chain is. A backing file that is no file of this host has no absolute path; no disk of ours stands
 * on one that was ever written. */
static int flush_chain(const struct buf *json, const char *path, struct err *e)
{
	yyjson_doc *doc = yyjson_read(buf_str(json), json->len, YYJSON_READ_NOFLAG);
	yyjson_arr_iter it;
	yyjson_val *one;
	int rc = 0;

	if (yyjson_arr_size(yyjson_doc_get_root(doc)) == 0) {
		yyjson_doc_free(doc);
		return err_set(e, ERR_PROTOCOL, 0, "qemu-img info does not tell what %s stands on", path);
	}
	yyjson_arr_iter_init(yyjson_doc_get_root(doc), &it);
	while (rc == 0 && (one = yyjson_arr_iter_next(&it)) != NULL) {
		const char *file = yyjson_get_str(yyjson_obj_get(one, "filename"));

		if (file != NULL && file[0] == '/')
			rc = flush_file(file, e);
	}
	yyjson_doc_free(doc);
	return rc;
}

int qemu_disk_flush(const struct qemu_cloud *c, const struct qemu_disk *d, struct err *e)
{
	cleanup(cleanup_free) char *path = qemu_cloud_resolve(c, d->image.file);
	const char *const argv[] = {"qemu-img", "info", "--backing-chain", "--output=json", "-f",
				    qemu_format_names[d->image.format], path, NULL};
	cleanup(buf_fini) struct buf json = BUF_INIT;

	if (d->image.file[0] == '\0')
		return 0;
	if (qemu_tool(argv, NULL, &json, e) < 0 || flush_chain(&json, path, e) < 0)
		return err_wrap(e, "disk %s cannot be written to before what it holds is safe on its storage", d->name);
	return 0;
}
