// SPDX-License-Identifier: Apache-2.0
/* The hashes of chunks of zeros, computed once. A disk's last chunk may be shorter than the others. */
#ifndef WHERRY_COPY_ZERO_H
#define WHERRY_COPY_ZERO_H

#include <stdint.h>

#include "copy/copy.h"

/* Keyed BLAKE3 of `length` zeros. */
void zero_hash(const struct manifest_keys *k, uint32_t length, uint8_t out[MANIFEST_HASH]);

struct zero_hashes {
	uint64_t chunks; /* of the disk */
	uint8_t full[MANIFEST_HASH];
	uint8_t last[MANIFEST_HASH];
};
void zero_hashes_init(struct zero_hashes *z, const struct copy_config *c, unsigned disk);
const uint8_t *zero_hashes_of(const struct zero_hashes *z, uint64_t chunk);

#endif
