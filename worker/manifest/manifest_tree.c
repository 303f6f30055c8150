// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "manifest/manifest_format.h"

static struct manifest_place above(struct manifest_place at)
{
	return (struct manifest_place){at.level + 1, at.index / MANIFEST_PAGE_CHUNKS};
}

static uint8_t *slot_of(uint8_t *slots, struct manifest_place below)
{
	return slots + below.index % MANIFEST_PAGE_CHUNKS * MANIFEST_HASH;
}

/* All the way up, even where a sum is zero already: after a crash one above it may not be. */
int manifest_touch(struct manifest *m, uint64_t p, struct err *e)
{
	unsigned levels = manifest_levels(&m->info);
	uint8_t slots[MANIFEST_PAGE_HASHES];

	for (struct manifest_place at = {.index = p}; at.level < levels; at = above(at)) {
		if (manifest_get_place(m, above(at), slots, NULL, e) < 0)
			return -1;
		if (manifest_is_unknown(slot_of(slots, at)))
			continue;
		memset(slot_of(slots, at), 0, MANIFEST_HASH);
		if (manifest_put_place(m, above(at), slots, e) < 0)
			return -1;
	}
	return 0;
}

struct walk {
	struct manifest *m;
	bool all, write;
	uint64_t unknown;
};

/* slots of `at`, with the sums of what is below where they are to be computed. */
static int fill(struct walk *w, struct manifest_place at, uint8_t slots[MANIFEST_PAGE_HASHES], struct err *e);

/* Zero when a chunk below is unknown. */
static int sum_of(struct walk *w, struct manifest_place at, uint8_t sum[MANIFEST_HASH], struct err *e)
{
	size_t used = manifest_place_used(&w->m->info, at);
	uint8_t slots[MANIFEST_PAGE_HASHES];
	bool complete = true;

	if (fill(w, at, slots, e) < 0)
		return -1;
	for (size_t s = 0; s < used; s++) {
		bool zero = manifest_is_unknown(slots + s * MANIFEST_HASH);

		w->unknown += zero && at.level == 0;
		complete &= !zero;
	}
	memset(sum, 0, MANIFEST_HASH);
	if (complete)
		manifest_page_sum(&w->m->keys, at, slots, sum);
	return 0;
}

static int fill(struct walk *w, struct manifest_place at, uint8_t slots[MANIFEST_PAGE_HASHES], struct err *e)
{
	bool changed = false;

	if (manifest_get_place(w->m, at, slots, NULL, e) < 0)
		return -1;
	if (at.level == 0)
		return 0;
	for (size_t s = 0; s < manifest_place_used(&w->m->info, at); s++) {
		uint8_t *slot = slots + s * MANIFEST_HASH, sum[MANIFEST_HASH];

		if (!w->all && !manifest_is_unknown(slot))
			continue;
		struct manifest_place below = {at.level - 1, at.index * MANIFEST_PAGE_CHUNKS + s};
		if (sum_of(w, below, sum, e) < 0)
			return -1;
		changed |= memcmp(slot, sum, MANIFEST_HASH) != 0;
		memcpy(slot, sum, MANIFEST_HASH);
	}
	return changed && w->write ? manifest_put_place(w->m, at, slots, e) : 0;
}

int manifest_walk(struct manifest *m, bool all, bool write, uint8_t root[MANIFEST_HASH], uint64_t *unknown,
		  struct err *e)
{
	struct walk w = {.m = m, .all = all, .write = write};
	unsigned levels = manifest_levels(&m->info);
	uint8_t top[MANIFEST_HASH];

	if (levels > 0 && sum_of(&w, (struct manifest_place){.level = levels}, top, e) < 0)
		return -1;
	*unknown = w.unknown;
	manifest_root_of(&m->keys, &m->info, levels > 0 ? top : NULL, root);
	return 0;
}

int manifest_settle(struct manifest *m, struct err *e)
{
	uint8_t root[MANIFEST_HASH];
	uint64_t unknown;

	if (m->mode != MANIFEST_WRITE)
		return err_set(e, ERR_INTERNAL, 0, "manifest %s was opened for reading only", m->path);
	return manifest_walk(m, false, true, root, &unknown, e) < 0 ? -1 : manifest_sync(m, e);
}

/* Pages that a page of that level covers. */
static uint64_t span(unsigned level)
{
	uint64_t n = 1;

	for (; level > 0; level--)
		n *= MANIFEST_PAGE_CHUNKS;
	return n;
}

/* The first touched page at or after *page that is below `at`. *page is past all of them when there is none. */
static int seek(struct manifest *m, struct manifest_place at, uint64_t *page, bool *found, struct err *e)
{
	uint64_t each = span(at.level - 1), first = at.index * span(at.level);
	uint8_t slots[MANIFEST_PAGE_HASHES];

	if (manifest_get_place(m, at, slots, NULL, e) < 0)
		return -1;
	for (uint64_t s = (*page - first) / each; s < manifest_place_used(&m->info, at) && !*found; s++) {
		uint64_t start = first + s * each;

		*page = *page > start ? *page : start;
		if (!manifest_is_unknown(slots + s * MANIFEST_HASH))
			*page = start + each;
		else if (at.level == 1)
			*found = true;
		else if (seek(m, (struct manifest_place){at.level - 1, at.index * MANIFEST_PAGE_CHUNKS + s}, page, found,
			      e) < 0)
			return -1;
	}
	return 0;
}

int manifest_next_touched(struct manifest *m, uint64_t from, uint64_t *page, struct err *e)
{
	uint64_t pages = manifest_page_count(&m->info);
	bool found = false;

	*page = from;
	if (from < pages && seek(m, (struct manifest_place){.level = manifest_levels(&m->info)}, page, &found, e) < 0)
		return -1;
	if (!found || *page > pages)
		*page = pages;
	return 0;
}
