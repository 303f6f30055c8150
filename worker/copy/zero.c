// SPDX-License-Identifier: Apache-2.0
#include "copy/zero.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"

void zero_hash(const struct manifest_keys *k, uint32_t length, uint8_t out[MANIFEST_HASH])
{
	cleanup(cleanup_free) void *zeros = mem_alloc(length);

	manifest_hash(k, zeros, length, out);
}

void zero_hashes_init(struct zero_hashes *z, const struct copy_config *c, unsigned disk)
{
	uint64_t size = c->disks[disk].size;
	uint32_t rest = (uint32_t)(size % c->chunk_size);

	z->chunks = size / c->chunk_size + (rest > 0);
	zero_hash(c->keys, c->chunk_size, z->full);
	if (rest > 0)
		zero_hash(c->keys, rest, z->last);
	else
		memcpy(z->last, z->full, sizeof z->last);
}

const uint8_t *zero_hashes_of(const struct zero_hashes *z, uint64_t chunk)
{
	return chunk + 1 == z->chunks ? z->last : z->full;
}
