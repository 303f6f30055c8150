// SPDX-License-Identifier: Apache-2.0
#include <blake3.h>

#include "base/mem.h"
#include "manifest/manifest.h"

static void derive(const char *context, const uint8_t secret[32], uint8_t *out, size_t size)
{
	blake3_hasher h;

	blake3_hasher_init_derive_key(&h, context);
	blake3_hasher_update(&h, secret, 32);
	blake3_hasher_finalize(&h, out, size);
	mem_wipe(&h, sizeof h);
}

void manifest_keys_derive(const uint8_t secret[32], struct manifest_keys *k)
{
	derive("wherry 2026 chunk hash v1", secret, k->chunk, sizeof k->chunk);
	derive("wherry 2026 manifest v1", secret, k->page, sizeof k->page);
	derive("wherry 2026 key id v1", secret, k->id, sizeof k->id);
}

void manifest_hash(const struct manifest_keys *k, const void *p, size_t n, uint8_t out[MANIFEST_HASH])
{
	blake3_hasher h;

	blake3_hasher_init_keyed(&h, k->chunk);
	blake3_hasher_update(&h, p, n);
	blake3_hasher_finalize(&h, out, MANIFEST_HASH);
}

bool manifest_is_unknown(const uint8_t hash[MANIFEST_HASH])
{
	uint8_t any = 0;

	for (size_t i = 0; i < MANIFEST_HASH; i++)
		any |= hash[i];
	return any == 0;
}
