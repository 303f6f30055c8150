// SPDX-License-Identifier: Apache-2.0
#include "host_target.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host_blob.h"

#define DEPTH 16

static int refuse_source(const char *path, const struct stat *st, const char *source, struct err *e)
{
	struct stat from;

	if (source == NULL || stat(source, &from) != 0)
		return 0; /* on another host, or its name went away while it is open */
	bool same_file = from.st_dev == st->st_dev && from.st_ino == st->st_ino;
	bool same_device = S_ISBLK(from.st_mode) && S_ISBLK(st->st_mode) && from.st_rdev == st->st_rdev;
	if (!same_file && !same_device)
		return 0;
	return err_set(e, ERR_REFUSED, 0, "%s and %s are the same; name another target", source, path);
}

/* Creates it, or lets an empty one grow. Sparse: what is a hole in the source takes no room. */
static int make_file(struct host_target *t, bool exists, uint64_t size, struct err *e)
{
	int flags = O_WRONLY | O_CLOEXEC | (exists ? 0 : O_CREAT | O_EXCL);
	cleanup(cleanup_fd) int fd = open(t->path, flags, 0600);

	if (fd < 0)
		return err_set(e, err_kind_of_errno(errno), errno, "cannot create the target %s", t->path);
	t->created = !exists;
	t->grown = exists;
	if (ftruncate(fd, (off_t)size) != 0)
		return err_set(e, err_kind_of_errno(errno), errno,
			       "cannot give the target %s %llu bytes; choose a file system that can hold a file of that size",
			       t->path, (unsigned long long)size);
	return 0;
}

static int refuse_size(const struct host_target *t, const struct stat *st, uint64_t size, struct err *e)
{
	return err_set(e, ERR_REFUSED, 0,
		       "the file %s has %llu bytes and the source %llu; nothing was written (remove it, or make it the same "
		       "size: truncate -s %llu %s)",
		       t->path, (unsigned long long)st->st_size, (unsigned long long)size, (unsigned long long)size,
		       t->path);
}

static int prepare(struct host_target *t, const char *source, const struct block_info *info, bool must_exist,
		   struct err *e)
{
	struct stat st;
	bool exists = stat(t->path, &st) == 0;

	if (!exists && errno != ENOENT)
		return err_set(e, err_kind_of_errno(errno), errno, "cannot look at the target %s", t->path);
	if (exists && S_ISDIR(st.st_mode))
		return err_set(e, ERR_UNSUPPORTED, 0, "%s is a folder; name a block device, or a file in it", t->path);
	if (exists && refuse_source(t->path, &st, source, e) != 0)
		return -1;
	bool is_file = exists && S_ISREG(st.st_mode);
	bool absent = !exists || (is_file && st.st_size == 0 && info->size > 0);
	if (absent && must_exist)
		return err_set(e, ERR_NOT_FOUND, 0,
			       "the target %s is not there or empty, so --manifest-in cannot say what it holds; copy without "
			       "it", t->path);
	if (absent)
		return make_file(t, exists, info->size, e);
	return is_file && (uint64_t)st.st_size != info->size ? refuse_size(t, &st, info->size, e) : 0;
}

static int open_blob(struct host_target *t, struct err *e)
{
	t->blob = host_blob_new(t->path, e);
	if (t->blob != NULL)
		t->block = sink_blob_open(t->blob, BLOCK_RW, SINK_BLOB_DEPTH, e);
	return t->block != NULL ? 0 : -1;
}

int host_target_open(struct host_target *t, const char *path, const char *source, const struct block_info *info,
		     bool must_exist, struct err *e)
{
	*t = (struct host_target){.path = path};
	if (host_is_url(path))
		return open_blob(t, e);
	if (prepare(t, source, info, must_exist, e) == 0)
		t->block = block_disk_open(path, BLOCK_RW, DEPTH, e);
	if (t->block != NULL)
		return 0;
	host_target_discard(t);
	return -1;
}

void host_target_discard(struct host_target *t)
{
	if (t->created)
		unlink(t->path);
	else if (t->grown && truncate(t->path, 0) != 0)
		return; /* stays as it is, which harms nobody */
	t->created = t->grown = false;
}

void host_target_close(struct host_target *t)
{
	block_close(t->block);
	sink_blob_free(t->blob);
	t->block = NULL;
	t->blob = NULL;
}
