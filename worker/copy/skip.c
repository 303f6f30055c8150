// SPDX-License-Identifier: Apache-2.0
#include "copy/skip.h"

#include <inttypes.h>

static void count(const struct copy_config *c, const struct copy_disk *d, uint64_t from, uint64_t to)
{
	uint64_t end = to * c->chunk_size;

	end = end < d->size ? end : d->size;
	atomic_fetch_add(&d->progress->scanned, end - from * c->chunk_size);
	atomic_fetch_add(&d->progress->skipped, end - from * c->chunk_size);
}

uint64_t skip_pages(const struct copy_config *c, const struct copy_disk *d, uint64_t next, uint64_t to, uint64_t chunks)
{
	uint64_t end = to == chunks ? chunks : to - to % MANIFEST_PAGE_CHUNKS;

	if (next % MANIFEST_PAGE_CHUNKS != 0 || end <= next)
		return next;
	count(c, d, next, end);
	return end;
}

int skip_chunk(const struct copy_config *c, const struct copy_disk *d, uint64_t chunk,
	       const uint8_t known[MANIFEST_HASH], struct err *e)
{
	if (manifest_is_unknown(known))
		return err_set(e, ERR_CORRUPT, 0,
			       "the manifest of %s does not know the chunk at %" PRIu64 ", which the hints leave out; run again "
			       "without hints", d->block->info.name, chunk * c->chunk_size);
	count(c, d, chunk, chunk + 1);
	return 0;
}
