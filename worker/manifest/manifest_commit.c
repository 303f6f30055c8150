// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "manifest/manifest_format.h"

static int put_header(struct manifest *copy, struct err *e)
{
	uint8_t header[MANIFEST_PAGE];

	manifest_header_encode(&copy->info, &copy->keys, header);
	if (manifest_put(copy->fd, copy->path, header, 0, e) < 0)
		return -1;
	if (fsync(copy->fd) < 0)
		return err_set(e, err_kind_of_errno(errno), errno, "cannot make durable manifest %s", copy->path);
	return 0;
}

/* The copy is checked, not what it was made from: what is checked is what gets the name. */
static int settle_copy(struct manifest *copy, struct err *e)
{
	uint8_t root[MANIFEST_HASH];
	uint64_t unknown;

	if (manifest_walk(copy, (copy->info.flags & MANIFEST_F_HINTED) == 0, true, root, &unknown, e) < 0)
		return -1;
	if (unknown != 0)
		return err_set(e, ERR_REFUSED, 0,
			"manifest %s cannot be committed: %llu of %llu chunks are not known to be right; run again to "
			"copy them", copy->path, (unsigned long long)unknown,
			(unsigned long long)manifest_chunk_count(&copy->info));
	if (memcmp(root, copy->info.root, MANIFEST_HASH) != 0)
		return err_set(e, ERR_CORRUPT, 0,
			"manifest %s: its chunks do not give the root that the source gave, so the replica is not what was "
			"copied; nothing was committed: run again", copy->path);
	return put_header(copy, e);
}

/* An unnamed copy with i for its future header. NULL, and nothing left, on errors. */
static struct manifest *copy_to(struct manifest *m, const char *temp, const char *path, const struct manifest_info *i,
				struct err *e)
{
	if (i->size != m->info.size || i->chunk_size != m->info.chunk_size) {
		err_set(e, ERR_INTERNAL, 0, "manifest %s is of %llu bytes in chunks of %u, not of %llu in %u", m->path,
			(unsigned long long)m->info.size, m->info.chunk_size, (unsigned long long)i->size, i->chunk_size);
		return NULL;
	}
	if (manifest_info_check(i, path, e) < 0)
		return NULL;
	cleanup(cleanup_fd) int fd = manifest_open_temp(temp, path, e);
	if (fd < 0)
		return NULL;
	if (manifest_copy_file(m, fd, path, i, e) < 0) {
		unlink(temp);
		return NULL;
	}
	return manifest_new(take_fd(&fd), MANIFEST_WRITE, path, i, &m->keys);
}

struct manifest *manifest_clone(struct manifest *m, const char *path, const struct manifest_info *i, struct err *e)
{
	cleanup(cleanup_free) char *temp = mem_printf("%s.new", path);
	struct manifest *copy = copy_to(m, temp, path, i, e);

	if (copy == NULL)
		return NULL;
	int rc = put_header(copy, e);
	if (rc < 0)
		unlink(temp);
	if (rc == 0 && manifest_publish(temp, path, e) == 0)
		return copy;
	manifest_close(copy);
	return NULL;
}

int manifest_commit(struct manifest *m, const char *path, const struct manifest_info *i, struct err *e)
{
	cleanup(cleanup_free) char *temp = mem_printf("%s.new", path);
	struct manifest *copy = copy_to(m, temp, path, i, e);

	if (copy == NULL)
		return -1;
	int rc = settle_copy(copy, e);
	/* Replaces what is there: a run that died between this rename and its journal entry commits again. */
	if (rc == 0 && rename(temp, path) < 0)
		rc = err_set(e, err_kind_of_errno(errno), errno, "cannot rename %s to %s", temp, path);
	if (rc < 0)
		unlink(temp);
	manifest_close(copy); /* the lock was ours until the name was */
	return rc < 0 ? -1 : manifest_sync_folder(path, e);
}
