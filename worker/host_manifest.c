// SPDX-License-Identifier: Apache-2.0
#include "host_manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "copy/copy.h"

static bool same_file(const char *a, const char *b)
{
	struct stat one, other;

	return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

static int check_in(const struct host_manifest *m, const struct manifest_info *i, const struct block_info *source,
		    uint64_t *chunk_size, struct err *e)
{
	if (i->size != source->size)
		return err_set(e, ERR_REFUSED, 0,
			       "manifest %s is of a disk of %llu bytes and %s has %llu; copy without --manifest-in", m->in_path,
			       (unsigned long long)i->size, source->name, (unsigned long long)source->size);
	if (*chunk_size != 0 && *chunk_size != i->chunk_size)
		return err_set(e, ERR_REFUSED, 0, "manifest %s has chunks of %u bytes; leave --chunk-size away, or copy "
			       "without --manifest-in", m->in_path, i->chunk_size);
	if (i->chunk_size < WIRE_MIN_CHUNK || i->chunk_size > WIRE_MAX_CHUNK)
		return err_set(e, ERR_REFUSED, 0, "manifest %s has chunks of %u bytes, which is not possible; copy without "
			       "--manifest-in", m->in_path, i->chunk_size);
	*chunk_size = i->chunk_size;
	return 0;
}

int host_manifest_open_in(struct host_manifest *m, const char *in, const char *out, const struct manifest_keys *k,
			  const struct block_info *source, uint64_t *chunk_size, struct err *e)
{
	*m = (struct host_manifest){.in_path = in, .out_path = out};
	if (out != NULL)
		m->working_path = mem_printf("%s.working", out);
	if (in != NULL) {
		bool in_place = out == NULL || same_file(in, m->working_path);
		struct manifest *opened = manifest_open(in, in_place ? MANIFEST_WRITE : MANIFEST_READ, k, e);

		if (opened == NULL)
			return -1;
		*(in_place ? &m->working : &m->in) = opened;
		/* A page that a killed run made unknown may be so only in the page cache, and gets no intent again. */
		if (in_place && manifest_sync(opened, e) != 0)
			return -1;
		return check_in(m, manifest_info(opened), source, chunk_size, e);
	}
	if (*chunk_size == 0)
		*chunk_size = COPY_DEFAULT_CHUNK;
	return 0;
}

static int refuse_leftover(const struct host_manifest *m, struct err *e)
{
	if (access(m->working_path, F_OK) != 0)
		return 0;
	return err_set(e, ERR_REFUSED, 0,
		       "%s is left from a copy that did not end; continue it with --manifest-in %s, or remove it and copy "
		       "without --manifest-in", m->working_path, m->working_path);
}

int host_manifest_begin(struct host_manifest *m, const struct manifest_keys *k, const struct block_info *source,
			uint32_t chunk_size, struct err *e)
{
	struct manifest_info info = {
		.size = source->size,
		.chunk_size = chunk_size,
		.sector_size = source->logical_sector,
	};

	if (m->out_path == NULL || m->working != NULL)
		return 0;
	if (refuse_leftover(m, e) != 0)
		return -1;
	if (m->in != NULL) {
		info = *manifest_info(m->in);
		memset(info.root, 0, sizeof info.root);
	}
	m->working = m->in != NULL ? manifest_clone(m->in, m->working_path, &info, e)
				   : manifest_create(m->working_path, &info, k, e);
	m->made = m->working != NULL;
	return m->made ? 0 : -1;
}

int host_manifest_commit(struct host_manifest *m, const uint8_t root[MANIFEST_HASH], bool hinted, struct err *e)
{
	if (m->working == NULL)
		return 0;
	struct manifest_info info = *manifest_info(m->working);
	info.generation++;
	info.flags = hinted ? MANIFEST_F_HINTED : 0;
	memcpy(info.root, root, sizeof info.root);
	if (m->out_path == NULL)
		return manifest_set_info(m->working, &info, e) != 0 ? -1 : manifest_settle(m->working, e);
	if (manifest_commit(m->working, m->out_path, &info, e) != 0)
		return -1;
	unlink(m->working_path);
	return 0;
}

int host_manifest_distrust(struct host_manifest *m, struct err *e)
{
	static const uint8_t unknown[MANIFEST_PAGE_HASHES];

	if (m->working == NULL)
		return 0;
	for (uint64_t p = 0; p < manifest_page_count(manifest_info(m->working)); p++)
		if (manifest_write_page(m->working, p, unknown, e) != 0)
			return -1;
	return manifest_sync(m->working, e);
}

void host_manifest_fail(struct host_manifest *m, bool untouched, struct err *e)
{
	struct err why = *e;

	if (m->working == NULL)
		return;
	if (untouched) {
		if (m->made)
			unlink(m->working_path);
		return;
	}
	if (m->out_path != NULL)
		err_set(e, why.kind, 0, "%s; the target is incomplete: go on with --manifest-in %s --manifest-out %s", why.msg,
			m->working_path, m->out_path);
	else
		err_set(e, why.kind, 0, "%s; the target is incomplete: run the same command again", why.msg);
	e->sys = why.sys;
}

void host_manifest_fini(struct host_manifest *m)
{
	manifest_close(m->in);
	manifest_close(m->working);
	free(m->working_path);
	memset(m, 0, sizeof *m);
}
