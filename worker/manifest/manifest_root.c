// SPDX-License-Identifier: Apache-2.0
#include <blake3.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "manifest/manifest_format.h"

struct manifest_rooter {
	blake3_hasher h;
};

struct manifest_rooter *manifest_rooter_new(const struct manifest_keys *k, uint64_t size, uint32_t chunk_size)
{
	struct manifest_rooter *r = mem_alloc(sizeof *r);
	uint8_t prefix[12];

	manifest_put_le(prefix, size, 8);
	manifest_put_le(prefix + 8, chunk_size, 4);
	blake3_hasher_init_keyed(&r->h, k->page);
	blake3_hasher_update(&r->h, prefix, sizeof prefix);
	return r;
}

void manifest_rooter_add(struct manifest_rooter *r, const uint8_t *hashes, size_t count)
{
	blake3_hasher_update(&r->h, hashes, count * MANIFEST_HASH);
}

void manifest_rooter_finish(struct manifest_rooter *r, uint8_t root[MANIFEST_HASH])
{
	blake3_hasher_finalize(&r->h, root, MANIFEST_HASH);
	manifest_rooter_free(r);
}

void manifest_rooter_free(struct manifest_rooter *r)
{
	if (r != NULL)
		mem_wipe(r, sizeof *r); /* holds the key */
	free(r);
}

static uint64_t count_unknown(const uint8_t *hashes, size_t count)
{
	uint64_t n = 0;

	for (size_t c = 0; c < count; c++)
		n += manifest_is_unknown(hashes + c * MANIFEST_HASH);
	return n;
}

int manifest_root(struct manifest *m, uint8_t root[MANIFEST_HASH], uint64_t *unknown, struct err *e)
{
	struct manifest_rooter *r = manifest_rooter_new(&m->keys, m->info.size, m->info.chunk_size);
	uint64_t pages = manifest_page_count(&m->info);
	uint8_t hashes[MANIFEST_PAGE_HASHES];

	*unknown = 0;
	for (uint64_t p = 0; p < pages; p++) {
		size_t used = manifest_page_used(&m->info, p);

		if (manifest_read_page(m, p, hashes, NULL, e) < 0) {
			manifest_rooter_free(r);
			return -1;
		}
		*unknown += count_unknown(hashes, used);
		manifest_rooter_add(r, hashes, used);
	}
	manifest_rooter_finish(r, root);
	return 0;
}
