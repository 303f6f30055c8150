// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "manifest/manifest_format.h"

static int root_differs(const struct manifest *m, struct err *e)
{
	return err_set(e, ERR_CORRUPT, 0,
		"manifest %s: its chunks do not give the root that the source gave, so the replica is not what was "
		"copied; nothing was committed: run again", m->path);
}

static int may_commit(struct manifest *m, const struct manifest_info *i, struct err *e)
{
	uint8_t root[MANIFEST_HASH];
	uint64_t unknown;

	if (i->size != m->info.size || i->chunk_size != m->info.chunk_size)
		return err_set(e, ERR_INTERNAL, 0, "manifest %s is of %llu bytes in chunks of %u, not of %llu in %u",
			m->path, (unsigned long long)m->info.size, m->info.chunk_size,
			(unsigned long long)i->size, i->chunk_size);
	if (manifest_info_check(i, m->path, e) < 0 || manifest_root(m, root, &unknown, e) < 0)
		return -1;
	if (unknown != 0)
		return err_set(e, ERR_REFUSED, 0,
			"manifest %s cannot be committed: %llu of %llu chunks are not known to be right; run again to "
			"copy them", m->path, (unsigned long long)unknown,
			(unsigned long long)manifest_chunk_count(&m->info));
	return memcmp(root, i->root, MANIFEST_HASH) != 0 ? root_differs(m, e) : 0;
}

/* Copies all pages, and makes sure that they are those that may_commit saw. */
static int copy_pages(struct manifest *m, int fd, const char *path, const struct manifest_info *i, struct err *e)
{
	struct manifest_rooter *r = manifest_rooter_new(&m->keys, i->size, i->chunk_size);
	uint64_t pages = manifest_page_count(i);
	uint8_t hashes[MANIFEST_PAGE_HASHES], page[MANIFEST_PAGE], root[MANIFEST_HASH];
	int rc = 0;

	for (uint64_t p = 0; p < pages && rc == 0; p++) {
		rc = manifest_read_page(m, p, hashes, NULL, e);
		if (rc == 0) {
			manifest_rooter_add(r, hashes, manifest_page_used(i, p));
			manifest_page_encode(i, &m->keys, p, hashes, page);
			rc = manifest_put(fd, path, page, manifest_page_offset(p), e);
		}
	}
	manifest_rooter_finish(r, root);
	return rc == 0 && memcmp(root, i->root, MANIFEST_HASH) != 0 ? root_differs(m, e) : rc;
}

static int write_whole(struct manifest *m, int fd, const char *path, const struct manifest_info *i, struct err *e)
{
	uint8_t header[MANIFEST_PAGE];

	manifest_header_encode(i, &m->keys, header);
	if (manifest_put(fd, path, header, 0, e) < 0 || copy_pages(m, fd, path, i, e) < 0)
		return -1;
	if (fsync(fd) < 0)
		return err_set(e, err_kind_of_errno(errno), errno, "cannot make durable manifest %s", path);
	return 0;
}

int manifest_commit(struct manifest *m, const char *path, const struct manifest_info *i, struct err *e)
{
	cleanup(cleanup_free) char *temp = mem_printf("%s.new", path);

	if (may_commit(m, i, e) < 0)
		return -1;
	cleanup(cleanup_fd) int fd = manifest_open_temp(temp, path, e);
	if (fd < 0)
		return -1;
	int rc = write_whole(m, fd, path, i, e);
	/* Replaces what is there: a run that died between this rename and its journal entry commits again. */
	if (rc == 0 && rename(temp, path) < 0)
		rc = err_set(e, err_kind_of_errno(errno), errno, "cannot rename %s to %s", temp, path);
	if (rc < 0)
		unlink(temp);
	return rc < 0 ? -1 : manifest_sync_folder(path, e);
}
