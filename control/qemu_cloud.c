// SPDX-License-Identifier: Apache-2.0
#include "qemu_cloud.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/mem.h"
#include "json_read.h"
#include "qemu_file.h"
#include "json_format.h"

#define LOCK_WAIT_NS (60 * NS_PER_S)
#define LOCK_LOOK_NS (20 * NS_PER_MS)
#define CLOUD_FORMAT 1

static const struct {
	const char *name;
	const char *record; /* NULL: the record is <name>.json in the folder */
} folders[] = {
	[QEMU_MACHINES] = {"machines", NULL},
	[QEMU_DISKS] = {"disks", "disk.json"},
	[QEMU_SNAPSHOTS] = {"snapshots", "snapshot.json"},
	[QEMU_RUN] = {"run", "worker.json"},
};

const char *qemu_folder_name(enum qemu_folder f)
{
	return folders[f].name;
}

char *qemu_cloud_path(const struct qemu_cloud *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	cleanup(cleanup_free) char *rest = mem_vprintf(fmt, ap);
	va_end(ap);
	return mem_printf("%s/%s", c->dir, rest);
}

char *qemu_cloud_resolve(const struct qemu_cloud *c, const char *file)
{
	return file[0] == '/' ? mem_strdup(file) : mem_printf("%s/%s", c->dir, file);
}

static int check_mark(const struct qemu_cloud *c, struct err *e)
{
	cleanup(cleanup_free) char *mark = qemu_cloud_path(c, "cloud.json");

	if (!qemu_file_exists(mark))
		return err_set(e, ERR_NOT_FOUND, 0,
			       "%s is not a qemu cloud, for it has no cloud.json: correct \"cloud\", or make it "
			       "one with "
			       "echo '{\"wherry_cloud\":1}' > %s",
			       c->dir, mark);
	struct json_doc *doc = json_load(mark, e);

	if (doc == NULL)
		return -1;
	struct json_at at = json_root(doc);

	json_number(&at, "wherry_cloud", JSON_REQUIRED, CLOUD_FORMAT, CLOUD_FORMAT, CLOUD_FORMAT);
	json_string(&at, "note", JSON_OPTIONAL, "");
	json_no_more(&at);
	int rc = json_finish(doc, e);

	json_free(doc);
	return rc;
}

int qemu_cloud_open(const char *dir, struct qemu_cloud *c, struct err *e)
{
	char *real = realpath(dir, NULL);

	if (real == NULL)
		return err_set(e, err_kind_of_errno(errno), errno,
			       "cannot open the qemu cloud %s: correct \"cloud\", or make it with mkdir -p %s && "
			       "echo "
			       "'{\"wherry_cloud\":1}' > %s/cloud.json",
			       dir, dir, dir);
	c->dir = real;
	if (check_mark(c, e) == 0)
		return 0;
	qemu_cloud_fini(c);
	return -1;
}

void qemu_cloud_fini(struct qemu_cloud *c)
{
	free(c->dir);
	c->dir = NULL;
}

int qemu_cloud_init(const char *dir, struct err *e)
{
	static const char text[] = "{\"wherry_cloud\":1}\n";
	cleanup(cleanup_free) char *mark = mem_printf("%s/cloud.json", dir);

	if (qemu_file_mkdir(dir, e) < 0)
		return -1;
	for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
		cleanup(cleanup_free) char *sub = mem_printf("%s/%s", dir, folders[i].name);

		if (qemu_file_mkdir(sub, e) < 0)
			return -1;
	}
	return qemu_file_exists(mark) ? 0 : qemu_file_write(mark, text, sizeof text - 1, 0644, e);
}

static int open_lock(const struct qemu_cloud *c)
{
	cleanup(cleanup_free) char *path = qemu_cloud_path(c, "lock");

	return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
}

int qemu_cloud_try_lock(const struct qemu_cloud *c)
{
	cleanup(cleanup_fd) int fd = open_lock(c);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -1;
	return take_fd(&fd);
}

int qemu_cloud_lock(const struct qemu_cloud *c, const char *what, struct err *e)
{
	cleanup(cleanup_fd) int fd = open_lock(c);
	int64_t deadline = clock_mono_ns() + LOCK_WAIT_NS;
	char holder[120] = "";

	if (fd < 0)
		return err_set(e, err_kind_of_errno(errno), errno,
			       "cannot open %s/lock: run this as a user who may write to that directory", c->dir);
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_set(e, ERR_IO, errno, "cannot lock %s/lock", c->dir);
		if (clock_mono_ns() > deadline) {
			ssize_t n = pread(fd, holder, sizeof holder - 1, 0);

			holder[n > 0 ? strcspn(holder, "\n") : 0] = '\0';
			return err_set(e, ERR_BUSY, 0,
				       "the qemu cloud %s has been locked for a minute by %s: wait for it to end, "
				       "then "
				       "run again",
				       c->dir, holder[0] != '\0' ? holder : "somebody");
		}
		clock_sleep_ns(LOCK_LOOK_NS);
	}
	/* Only for the sentence above: not written, no harm. */
	int n = snprintf(holder, sizeof holder, "pid %ld (%s)\n", (long)getpid(), what);

	if (ftruncate(fd, 0) == 0 && pwrite(fd, holder, (size_t)n, 0) != n)
		return take_fd(&fd);
	return take_fd(&fd);
}

int qemu_name_check(const char *name, struct err *e)
{
	static const char ok[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

	if (name[0] != '\0' && name[0] != '.' && strlen(name) < RES_NAME_SIZE && name[strspn(name, ok)] == '\0')
		return 0;
	return err_set(e, ERR_CONFIG, 0,
		       "\"%.80s\" cannot be a name in a qemu cloud: use letters, digits, '-', '_' and '.', at most "
		       "%d, not "
		       "beginning with '.'",
		       name, RES_NAME_SIZE - 1);
}

void qemu_uid_make(char uid[QEMU_UID_SIZE])
{
	uint64_t r[1];

	if (getrandom(r, sizeof r, 0) != sizeof r) /* cannot fail for 8 bytes on any kernel that has it */
		r[0] = (uint64_t)clock_wall_ns() ^ (uint64_t)getpid() << 48;
	hex_encode(r, sizeof r, uid);
}

char *qemu_record_dir(const struct qemu_cloud *c, enum qemu_folder f, const char *name)
{
	return qemu_cloud_path(c, "%s/%s", folders[f].name, name);
}

char *qemu_record_file(const struct qemu_cloud *c, enum qemu_folder f, const char *name)
{
	if (folders[f].record == NULL)
		return qemu_cloud_path(c, "%s/%s.json", folders[f].name, name);
	return qemu_cloud_path(c, "%s/%s/%s", folders[f].name, name, folders[f].record);
}

bool qemu_record_exists(const struct qemu_cloud *c, enum qemu_folder f, const char *name)
{
	cleanup(cleanup_free) char *file = qemu_record_file(c, f, name);

	return qemu_file_exists(file);
}

int qemu_record_save(const struct qemu_cloud *c, enum qemu_folder f, const char *name, const char *json,
		     struct err *e)
{
	cleanup(cleanup_free) char *file = qemu_record_file(c, f, name);
	cleanup(cleanup_free) char *text = mem_printf("%s\n", json);

	return qemu_file_write(file, text, strlen(text), 0644, e);
}

int qemu_record_publish(const struct qemu_cloud *c, enum qemu_folder f, const char *name, const char *json,
			struct err *e)
{
	cleanup(cleanup_free) char *folder = qemu_cloud_path(c, "%s", folders[f].name);
	cleanup(cleanup_free) char *fresh = mem_printf("%s/.new-%s", folder, name);
	cleanup(cleanup_free) char *dir = qemu_record_dir(c, f, name);
	cleanup(cleanup_free) char *text = mem_printf("%s\n", json);

	if (qemu_file_mkdir(folder, e) < 0)
		return -1;
	if (folders[f].record == NULL)
		return qemu_record_save(c, f, name, json, e);
	cleanup(cleanup_free) char *file = mem_printf("%s/%s", fresh, folders[f].record);

	if (qemu_file_remove_tree(fresh, e) < 0 || qemu_file_mkdir(fresh, e) < 0)
		return -1;
	if (qemu_file_write(file, text, strlen(text), 0644, e) == 0 && qemu_file_rename(fresh, dir, e) == 0)
		return 0;
	struct err ignored = ERR_INIT;

	qemu_file_remove_tree(fresh, &ignored);
	return -1;
}

int qemu_record_retire(const struct qemu_cloud *c, enum qemu_folder f, const char *name, struct err *e)
{
	cleanup(cleanup_free) char *dir = qemu_record_dir(c, f, name);
	cleanup(cleanup_free) char *old = qemu_cloud_path(c, "%s/.old-%s", folders[f].name, name);

	if (folders[f].record == NULL) {
		cleanup(cleanup_free) char *file = qemu_record_file(c, f, name);

		return qemu_file_unlink(file, e);
	}
	if (qemu_file_remove_tree(old, e) < 0)
		return -1;
	if (!qemu_file_exists(dir))
		return 0;
	if (qemu_file_rename(dir, old, e) < 0)
		return -1;
	return qemu_file_remove_tree(old, e);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What of a directory entry is the record's name, in place; false: it is none. */
static bool record_name(enum qemu_folder f, char *entry)
{
	size_t n = strlen(entry);

	if (entry[0] == '.')
		return false;
	if (folders[f].record != NULL)
		return true;
	if (n < 6 || strcmp(entry + n - 5, ".json") != 0)
		return false;
	entry[n - 5] = '\0';
	return true;
}

static void cleanup_dir(DIR **d)
{
	if (*d != NULL)
		closedir(*d);
}

int qemu_record_names(const struct qemu_cloud *c, enum qemu_folder f, struct qemu_names *out, struct err *e)
{
	cleanup(cleanup_free) char *path = qemu_cloud_path(c, "%s", folders[f].name);
	cleanup(cleanup_dir) DIR *d = opendir(path);
	struct dirent *entry;

	if (d == NULL && errno == ENOENT)
		return 0;
	if (d == NULL)
		return err_set(e, err_kind_of_errno(errno), errno, "cannot list %s", path);
	while ((entry = readdir(d)) != NULL) {
		cleanup(cleanup_free) char *name = mem_strdup(entry->d_name);

		if (record_name(f, name) && qemu_record_exists(c, f, name))
			*vec_push(&out->list) = take_ptr(&name);
	}
	if (out->list.len > 1)
		qsort(out->list.at, out->list.len, sizeof out->list.at[0], by_name);
	return 0;
}

void qemu_names_fini(struct qemu_names *n)
{
	for (size_t i = 0; i < n->list.len; i++)
		free(n->list.at[i]);
	vec_fini(&n->list);
}

/* Half-made and half-removed records, and temporary files of writers that died (all writers hold the lock). */
static bool is_leftover(const char *name)
{
	size_t n = strlen(name);

	return strncmp(name, ".new-", 5) == 0 || strncmp(name, ".old-", 5) == 0 ||
	       (strstr(name, ".json.") != NULL && n > 4 && strcmp(name + n - 4, ".tmp") == 0);
}

static int sweep_dir(const char *path, int depth, struct err *e)
{
	cleanup(cleanup_dir) DIR *d = opendir(path);
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL) {
		cleanup(cleanup_free) char *sub = mem_printf("%s/%s", path, entry->d_name);

		if (is_leftover(entry->d_name)) {
			if ((entry->d_type == DT_DIR ? qemu_file_remove_tree(sub, e) : qemu_file_unlink(sub, e)) <
			    0)
				return -1;
		} else if (entry->d_type == DT_DIR && entry->d_name[0] != '.' && depth > 0) {
			if (sweep_dir(sub, depth - 1, e) < 0)
				return -1;
		}
	}
	return 0;
}

int qemu_cloud_sweep(const struct qemu_cloud *c, struct err *e)
{
	for (size_t f = 0; f < sizeof folders / sizeof folders[0]; f++) {
		cleanup(cleanup_free) char *path = qemu_cloud_path(c, "%s", folders[f].name);

		if (sweep_dir(path, 1, e) < 0)
			return -1;
	}
	return 0;
}
