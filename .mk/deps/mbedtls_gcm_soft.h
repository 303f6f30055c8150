/* SPDX-License-Identifier: Apache-2.0 */
/* mbedTLS's own gcm.c under names of its own. Contract of the functions: mbedtls/gcm.h. */
#ifndef WHERRY_GCM_SOFT_H
#define WHERRY_GCM_SOFT_H

#include "mbedtls/cipher.h"

struct gcm_soft;

struct gcm_soft *gcm_soft_new(void); /* initialised; NULL: out of memory */
void gcm_soft_delete(struct gcm_soft *g); /* wiped; NULL is fine */
int gcm_soft_setkey(
	struct gcm_soft *g, mbedtls_cipher_id_t cipher, const unsigned char *key, unsigned int bits);
int gcm_soft_starts(struct gcm_soft *g, int mode, const unsigned char *iv, size_t iv_len);
int gcm_soft_update_ad(struct gcm_soft *g, const unsigned char *add, size_t add_len);
int gcm_soft_update(struct gcm_soft *g, const unsigned char *input, size_t input_length,
	unsigned char *output, size_t output_size, size_t *output_length);
int gcm_soft_finish(struct gcm_soft *g, unsigned char *output, size_t output_size, size_t *output_length,
	unsigned char *tag, size_t tag_len);

#endif
