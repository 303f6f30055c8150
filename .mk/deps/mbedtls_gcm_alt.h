/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-GCM of mbedTLS (MBEDTLS_GCM_ALT; installed as gcm_alt.h, the name that mbedtls/gcm.h asks for), made
 * fast: what TLS records are made with, a 12-byte IV, a key of 128 or 256 bits and a few bytes of
 * additional data, is computed by intel-ipsec-mb where the processor can. The rest - other processors,
 * keys, IVs, longer additional data - is left to mbedTLS's own code. Contract of the functions:
 * mbedtls/gcm.h.
 */
#ifndef WHERRY_GCM_ALT_H
#define WHERRY_GCM_ALT_H

#include <stdbool.h>

/* What computes the fast case, slowest first. A processor that has one has those before it, too. */
enum gcm_engine {
	GCM_ENGINE_MBEDTLS, /* any processor; uses AES-NI where there is one */
	GCM_ENGINE_SSE, /* AES-NI and CLMUL */
	GCM_ENGINE_AVX512, /* VAES and VPCLMULQDQ on 512 bits */
	GCM_ENGINES
};

struct gcm_fast;
struct gcm_soft;

typedef struct mbedtls_gcm_context {
	struct gcm_fast *fast; /* NULL: no engine but mbedTLS's for this key; owned */
	struct gcm_soft *soft; /* NULL until there is a key; owned */
	bool by_fast; /* the message under way is its */
} mbedtls_gcm_context;

/* The last one that this processor has and whose registers its operating system keeps. */
enum gcm_engine gcm_engine_best(void);
/* As mbedtls_gcm_setkey() of an AES key, which takes gcm_engine_best(); `engine` must not be beyond that. */
int gcm_engine_setkey(
	mbedtls_gcm_context *ctx, enum gcm_engine engine, const unsigned char *key, unsigned int keybits);

#endif
