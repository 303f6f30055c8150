// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "manifest/manifest_format.h"

/* More than the largest disk in the smallest chunks needs. */
#define MAX_LEVELS 9

/* The page of each level that is being filled. */
struct growing {
	bool open;
	uint64_t index;
	uint8_t sums[MANIFEST_PAGE_HASHES];
};

struct manifest_rooter {
	struct manifest_keys keys;
	struct manifest_info info;
	unsigned levels;
	struct growing level[MAX_LEVELS + 1];
	uint8_t top[MANIFEST_HASH];
};

struct manifest_rooter *manifest_rooter_new(const struct manifest_keys *k, uint64_t size, uint32_t chunk_size)
{
	struct manifest_rooter *r = mem_alloc(sizeof *r);

	r->keys = *k;
	r->info = (struct manifest_info){.size = size, .chunk_size = chunk_size};
	r->levels = manifest_levels(&r->info);
	return r;
}

/* The page of that level has all its sums: its own goes up, where another page may be complete by that. */
static void complete(struct manifest_rooter *r, unsigned level)
{
	struct growing *g = &r->level[level], *up = &r->level[level + 1];
	uint64_t above = g->index / MANIFEST_PAGE_CHUNKS;
	uint8_t *sum = r->top;

	if (level < r->levels) {
		if (up->open && up->index != above)
			complete(r, level + 1);
		if (!up->open)
			*up = (struct growing){.open = true, .index = above};
		sum = up->sums + g->index % MANIFEST_PAGE_CHUNKS * MANIFEST_HASH;
	}
	manifest_page_sum(&r->keys, (struct manifest_place){level, g->index}, g->sums, sum);
	g->open = false;
}

void manifest_rooter_add(struct manifest_rooter *r, uint64_t page, const uint8_t hashes[MANIFEST_PAGE_HASHES])
{
	struct growing *g = &r->level[1];
	uint64_t above = page / MANIFEST_PAGE_CHUNKS;

	if (g->open && g->index != above)
		complete(r, 1);
	if (!g->open)
		*g = (struct growing){.open = true, .index = above};
	manifest_page_sum(&r->keys, (struct manifest_place){0, page}, hashes,
			  g->sums + page % MANIFEST_PAGE_CHUNKS * MANIFEST_HASH);
}

void manifest_rooter_finish(struct manifest_rooter *r, uint8_t root[MANIFEST_HASH])
{
	for (unsigned level = 1; level <= r->levels; level++)
		if (r->level[level].open)
			complete(r, level);
	manifest_root_of(&r->keys, &r->info, r->levels > 0 ? r->top : NULL, root);
	manifest_rooter_free(r);
}

void manifest_rooter_free(struct manifest_rooter *r)
{
	if (r != NULL)
		mem_wipe(r, sizeof *r); /* holds the key */
	free(r);
}

int manifest_root(struct manifest *m, uint8_t root[MANIFEST_HASH], uint64_t *unknown, struct err *e)
{
	return manifest_walk(m, true, false, root, unknown, e);
}

int manifest_root_by_tree(struct manifest *m, uint8_t root[MANIFEST_HASH], uint64_t *unknown, struct err *e)
{
	return manifest_walk(m, false, false, root, unknown, e);
}
