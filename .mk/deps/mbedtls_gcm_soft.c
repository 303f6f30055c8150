/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in mbedTLS's library/ and holds its gcm.c as if there were no MBEDTLS_GCM_ALT. */
#include "mbedtls/build_info.h"

#undef MBEDTLS_GCM_ALT
#define mbedtls_gcm_context       gcm_soft
#define mbedtls_gcm_init          gcm_soft_init
#define mbedtls_gcm_setkey        gcm_soft_setkey
#define mbedtls_gcm_crypt_and_tag gcm_soft_crypt_and_tag
#define mbedtls_gcm_auth_decrypt  gcm_soft_auth_decrypt
#define mbedtls_gcm_starts        gcm_soft_starts
#define mbedtls_gcm_update_ad     gcm_soft_update_ad
#define mbedtls_gcm_update        gcm_soft_update
#define mbedtls_gcm_finish        gcm_soft_finish
#define mbedtls_gcm_free          gcm_soft_free
#include "gcm.c"

#include "gcm_soft.h"

struct gcm_soft *gcm_soft_new(void)
{
	struct gcm_soft *g = mbedtls_calloc(1, sizeof *g);

	if (g != NULL)
		gcm_soft_init(g);
	return g;
}

void gcm_soft_delete(struct gcm_soft *g)
{
	gcm_soft_free(g);
	mbedtls_free(g);
}
