// SPDX-License-Identifier: Apache-2.0
#include "manifest/hints.h"

#include <string.h>

#include "base/cleanup.h"
#include "manifest/manifest_format.h"

void hints_init(struct hints *h, uint64_t size, uint32_t chunk_size)
{
	*h = (struct hints){.size = size, .chunk_size = chunk_size, .grain = chunk_size};
}

void hints_fini(struct hints *h)
{
	extents_fini(&h->ranges);
}

static uint64_t page_bytes(const struct hints *h)
{
	return (uint64_t)MANIFEST_PAGE_CHUNKS * h->chunk_size;
}

static void add(const struct hints *h, struct extents *to, uint64_t start, uint64_t end)
{
	uint64_t up = (end + h->grain - 1) / h->grain * h->grain;

	extents_add(to, start - start % h->grain, up < h->size ? up : h->size);
}

void hints_limit(struct hints *h, size_t most)
{
	while (h->ranges.list.len > most) {
		struct extents coarse = {0};

		h->grain *= 2;
		for (size_t i = 0; i < h->ranges.list.len; i++)
			add(h, &coarse, h->ranges.list.at[i].start, h->ranges.list.at[i].end);
		extents_fini(&h->ranges);
		h->ranges = coarse;
	}
}

void hints_add(struct hints *h, uint64_t offset, uint64_t length)
{
	if (offset >= h->size || length == 0)
		return;
	add(h, &h->ranges, offset, length < h->size - offset ? offset + length : h->size);
	/* Half of the room is free afterwards: so it happens seldom, however many are added. */
	if (h->ranges.list.len > HINTS_MAX_RANGES)
		hints_limit(h, HINTS_MAX_RANGES / 2);
}

uint64_t hints_chunks(const struct hints *h)
{
	uint64_t n = 0;

	for (size_t i = 0; i < h->ranges.list.len; i++) {
		const struct extent *x = &h->ranges.list.at[i];

		n += (x->end - x->start) / h->chunk_size + ((x->end - x->start) % h->chunk_size != 0);
	}
	return n;
}

void hints_pages(const struct hints *h, struct extents *pages)
{
	for (size_t i = 0; i < h->ranges.list.len; i++)
		extents_add(pages, h->ranges.list.at[i].start / page_bytes(h),
			    (h->ranges.list.at[i].end - 1) / page_bytes(h) + 1);
}

static int add_touched(struct hints *h, struct manifest *m, struct err *e)
{
	uint64_t pages = manifest_page_count(manifest_info(m)), page = 0;

	for (;; page++) {
		if (manifest_next_touched(m, page, &page, e) < 0)
			return -1;
		if (page >= pages)
			return 0;
		hints_add(h, page * page_bytes(h), page_bytes(h));
	}
}

static bool has_unknown(const uint8_t hashes[MANIFEST_PAGE_HASHES], size_t chunks)
{
	for (size_t i = 0; i < chunks; i++)
		if (manifest_is_unknown(hashes + i * MANIFEST_HASH))
			return true;
	return false;
}

static int add_incomplete(struct hints *h, struct manifest *m, struct err *e)
{
	cleanup(extents_fini) struct extents pages = {0};
	uint8_t hashes[MANIFEST_PAGE_HASHES];
	struct extent x;

	hints_pages(h, &pages);
	for (uint64_t p = 0; extents_next(&pages, p, &x); p = x.start + 1) {
		size_t used = manifest_place_used(&m->info, (struct manifest_place){.index = x.start});

		if (manifest_read_page(m, x.start, hashes, NULL, e) < 0)
			return -1;
		if (has_unknown(hashes, used))
			hints_add(h, x.start * page_bytes(h), page_bytes(h));
	}
	return 0;
}

int hints_add_unsure(struct hints *h, struct manifest *m, struct err *e)
{
	return add_touched(h, m, e) < 0 ? -1 : add_incomplete(h, m, e);
}

int hints_check_root(const struct hints *h, struct manifest *m, const uint8_t root[MANIFEST_HASH], struct err *e)
{
	cleanup(extents_fini) struct extents pages = {0};
	struct manifest_rooter *r = manifest_rooter_new(&m->keys, m->info.size, m->info.chunk_size);
	uint8_t hashes[MANIFEST_PAGE_HASHES], mine[MANIFEST_HASH];
	struct extent x;

	hints_pages(h, &pages);
	for (uint64_t p = 0; extents_next(&pages, p, &x); p = x.start + 1) {
		if (manifest_read_page(m, x.start, hashes, NULL, e) < 0) {
			manifest_rooter_free(r);
			return -1;
		}
		manifest_rooter_add(r, x.start, hashes);
	}
	manifest_rooter_finish(r, mine);
	if (memcmp(mine, root, MANIFEST_HASH) == 0)
		return 0;
	return err_set(e, ERR_CORRUPT, 0,
		       "manifest %s: its chunks do not give the root that the source gave, so the replica is not what was copied; "
		       "nothing was committed: run again", m->path);
}
