/* SPDX-License-Identifier: Apache-2.0 */
#include "mbedtls/gcm.h"

#include <cpuid.h>
#include <ipsec-mb/gcm.h>
#include <stdlib.h>
#include <string.h>

#include "gcm_soft.h"
#include "mbedtls/constant_time.h"
#include "mbedtls/error.h"
#include "mbedtls/platform_util.h"

#define IV_BYTES   12
#define AAD_MAX    64
#define TAG_BYTES  16
#define TAG_MIN    4
#define LENGTH_MAX ((UINT64_C(1) << 36) - 32) /* under one IV (NIST SP 800-38D, 5.2.1.1) */

typedef void update_fn(const struct gcm_key_data *key, struct gcm_context_data *message, uint8_t *out,
	const uint8_t *in, uint64_t length);
typedef void finish_fn(
	const struct gcm_key_data *key, struct gcm_context_data *message, uint8_t *tag, uint64_t tag_length);

struct engine_ops {
	void (*expand)(const void *key, void *round_keys);
	void (*precompute)(struct gcm_key_data *key); /* of its round keys */
	void (*start)(const struct gcm_key_data *key, struct gcm_context_data *message, const uint8_t *iv,
		const uint8_t *aad, uint64_t aad_length);
	update_fn *update[2]; /* by MBEDTLS_GCM_DECRYPT and _ENCRYPT */
	finish_fn *finish[2];
};

enum {
	KEY_128,
	KEY_256,
	KEY_SIZES
};

static const struct engine_ops engines[GCM_ENGINES][KEY_SIZES] = {
	[GCM_ENGINE_SSE][KEY_128] =
		{
			.expand = aes_keyexp_128_enc_sse,
			.precompute = aes_gcm_precomp_128_sse,
			.start = aes_gcm_init_128_sse,
			.update = {aes_gcm_dec_128_update_sse, aes_gcm_enc_128_update_sse},
			.finish = {aes_gcm_dec_128_finalize_sse, aes_gcm_enc_128_finalize_sse},
		},
	[GCM_ENGINE_SSE][KEY_256] =
		{
			.expand = aes_keyexp_256_enc_sse,
			.precompute = aes_gcm_precomp_256_sse,
			.start = aes_gcm_init_256_sse,
			.update = {aes_gcm_dec_256_update_sse, aes_gcm_enc_256_update_sse},
			.finish = {aes_gcm_dec_256_finalize_sse, aes_gcm_enc_256_finalize_sse},
		},
	[GCM_ENGINE_AVX512][KEY_128] =
		{
			.expand = aes_keyexp_128_enc_sse,
			.precompute = aes_gcm_precomp_128_vaes_avx512,
			.start = aes_gcm_init_128_vaes_avx512,
			.update = {aes_gcm_dec_128_update_vaes_avx512, aes_gcm_enc_128_update_vaes_avx512},
			.finish = {aes_gcm_dec_128_finalize_vaes_avx512,
				aes_gcm_enc_128_finalize_vaes_avx512},
		},
	[GCM_ENGINE_AVX512][KEY_256] =
		{
			.expand = aes_keyexp_256_enc_sse,
			.precompute = aes_gcm_precomp_256_vaes_avx512,
			.start = aes_gcm_init_256_vaes_avx512,
			.update = {aes_gcm_dec_256_update_vaes_avx512, aes_gcm_enc_256_update_vaes_avx512},
			.finish = {aes_gcm_dec_256_finalize_vaes_avx512,
				aes_gcm_enc_256_finalize_vaes_avx512},
		},
};

struct gcm_fast {
	struct gcm_key_data key; /* wants 64 bytes of alignment */
	const struct engine_ops *ops;

	/* The message under way; the engine wants all of its additional data at once, so that waits here. */
	struct gcm_context_data message;
	uint64_t length;
	bool started;
	int mode;
	size_t aad_len;
	unsigned char iv[IV_BYTES], aad[AAD_MAX];
};

/* Leaf 7: the compilers' own tests know these two by name in part only. */
static int has_vector_aes(void)
{
	unsigned a, b, c = 0, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & bit_VAES) && (c & bit_VPCLMULQDQ);
}

/* The compiler's test of AVX-512 also asks whether the operating system keeps the registers (XGETBV); ipsec-mb's
 * does not. */
enum gcm_engine gcm_engine_best(void)
{
	if (!__builtin_cpu_supports("aes") || !__builtin_cpu_supports("pclmul") ||
		!__builtin_cpu_supports("sse4.1"))
		return GCM_ENGINE_MBEDTLS;
	if (has_vector_aes() &&
		__builtin_cpu_supports("bmi2") && __builtin_cpu_supports("avx512f") &&
		__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
		__builtin_cpu_supports("avx512vl"))
		return GCM_ENGINE_AVX512;
	return GCM_ENGINE_SSE;
}

static struct gcm_fast *fast_new(const struct engine_ops *ops, const unsigned char *key)
{
	struct gcm_fast *fast = aligned_alloc(_Alignof(struct gcm_fast), sizeof *fast);

	if (fast == NULL)
		return NULL;
	memset(fast, 0, sizeof *fast);
	fast->ops = ops;
	ops->expand(key, fast->key.expanded_keys);
	ops->precompute(&fast->key);
	return fast;
}

void mbedtls_gcm_init(mbedtls_gcm_context *ctx)
{
	*ctx = (mbedtls_gcm_context){.soft = NULL};
}

void mbedtls_gcm_free(mbedtls_gcm_context *ctx)
{
	if (ctx == NULL)
		return;
	if (ctx->fast != NULL)
		mbedtls_platform_zeroize(ctx->fast, sizeof *ctx->fast);
	free(ctx->fast);
	gcm_soft_delete(ctx->soft);
	mbedtls_gcm_init(ctx);
}

int gcm_engine_setkey(
	mbedtls_gcm_context *ctx, enum gcm_engine engine, const unsigned char *key, unsigned int keybits)
{
	int rc;

	mbedtls_gcm_free(ctx);
	ctx->soft = gcm_soft_new();
	if (ctx->soft == NULL)
		return MBEDTLS_ERR_CIPHER_ALLOC_FAILED;
	rc = gcm_soft_setkey(ctx->soft, MBEDTLS_CIPHER_ID_AES, key, keybits);
	if (rc != 0 || engine == GCM_ENGINE_MBEDTLS || keybits == 192)
		return rc;
	ctx->fast = fast_new(&engines[engine][keybits == 256 ? KEY_256 : KEY_128], key);
	return ctx->fast != NULL ? 0 : MBEDTLS_ERR_CIPHER_ALLOC_FAILED;
}

int mbedtls_gcm_setkey(
	mbedtls_gcm_context *ctx, mbedtls_cipher_id_t cipher, const unsigned char *key, unsigned int keybits)
{
	return cipher == MBEDTLS_CIPHER_ID_AES ? gcm_engine_setkey(ctx, gcm_engine_best(), key, keybits)
					       : MBEDTLS_ERR_GCM_BAD_INPUT;
}

int mbedtls_gcm_starts(mbedtls_gcm_context *ctx, int mode, const unsigned char *iv, size_t iv_len)
{
	struct gcm_fast *fast = ctx->fast;

	if (ctx->soft == NULL)
		return MBEDTLS_ERR_GCM_BAD_INPUT;
	ctx->by_fast = fast != NULL && iv_len == IV_BYTES;
	if (!ctx->by_fast)
		return gcm_soft_starts(ctx->soft, mode, iv, iv_len);
	memcpy(fast->iv, iv, IV_BYTES);
	fast->mode = mode == MBEDTLS_GCM_ENCRYPT ? MBEDTLS_GCM_ENCRYPT : MBEDTLS_GCM_DECRYPT;
	fast->started = false;
	fast->aad_len = 0;
	fast->length = 0;
	return 0;
}

/* A message with more additional data than waits for the engine is begun again by mbedTLS's own code. */
static int leave_to_soft(mbedtls_gcm_context *ctx)
{
	const struct gcm_fast *fast = ctx->fast;
	int rc = gcm_soft_starts(ctx->soft, fast->mode, fast->iv, IV_BYTES);

	ctx->by_fast = false;
	return rc == 0 ? gcm_soft_update_ad(ctx->soft, fast->aad, fast->aad_len) : rc;
}

int mbedtls_gcm_update_ad(mbedtls_gcm_context *ctx, const unsigned char *add, size_t add_len)
{
	struct gcm_fast *fast = ctx->fast;
	int rc;

	if (ctx->by_fast && fast->started)
		return MBEDTLS_ERR_GCM_BAD_INPUT;
	if (ctx->by_fast && add_len > AAD_MAX - fast->aad_len && (rc = leave_to_soft(ctx)) != 0)
		return rc;
	if (!ctx->by_fast)
		return gcm_soft_update_ad(ctx->soft, add, add_len);
	if (add_len > 0)
		memcpy(fast->aad + fast->aad_len, add, add_len);
	fast->aad_len += add_len;
	return 0;
}

static void start_once(struct gcm_fast *fast)
{
	if (!fast->started)
		fast->ops->start(&fast->key, &fast->message, fast->iv, fast->aad, fast->aad_len);
	fast->started = true;
}

int mbedtls_gcm_update(mbedtls_gcm_context *ctx, const unsigned char *input, size_t input_length,
	unsigned char *output, size_t output_size, size_t *output_length)
{
	struct gcm_fast *fast = ctx->fast;

	if (!ctx->by_fast)
		return gcm_soft_update(ctx->soft, input, input_length, output, output_size, output_length);
	*output_length = 0;
	if (output_size < input_length)
		return MBEDTLS_ERR_GCM_BUFFER_TOO_SMALL;
	if (input_length > LENGTH_MAX - fast->length)
		return MBEDTLS_ERR_GCM_BAD_INPUT;
	start_once(fast);
	if (input_length > 0)
		fast->ops->update[fast->mode](&fast->key, &fast->message, output, input, input_length);
	fast->length += input_length;
	*output_length = input_length;
	return 0;
}

int mbedtls_gcm_finish(mbedtls_gcm_context *ctx, unsigned char *output, size_t output_size,
	size_t *output_length, unsigned char *tag, size_t tag_len)
{
	struct gcm_fast *fast = ctx->fast;
	unsigned char whole[TAG_BYTES];

	if (!ctx->by_fast)
		return gcm_soft_finish(ctx->soft, output, output_size, output_length, tag, tag_len);
	*output_length = 0;
	if (tag_len < TAG_MIN || tag_len > TAG_BYTES)
		return MBEDTLS_ERR_GCM_BAD_INPUT;
	start_once(fast);
	fast->ops->finish[fast->mode](&fast->key, &fast->message, whole, TAG_BYTES);
	memcpy(tag, whole, tag_len);
	mbedtls_platform_zeroize(&fast->message, sizeof fast->message);
	ctx->by_fast = false;
	return 0;
}

int mbedtls_gcm_crypt_and_tag(mbedtls_gcm_context *ctx, int mode, size_t length, const unsigned char *iv,
	size_t iv_len, const unsigned char *add, size_t add_len, const unsigned char *input,
	unsigned char *output, size_t tag_len, unsigned char *tag)
{
	size_t done;
	int rc = mbedtls_gcm_starts(ctx, mode, iv, iv_len);

	if (rc == 0)
		rc = mbedtls_gcm_update_ad(ctx, add, add_len);
	if (rc == 0)
		rc = mbedtls_gcm_update(ctx, input, length, output, length, &done);
	return rc == 0 ? mbedtls_gcm_finish(ctx, NULL, 0, &done, tag, tag_len) : rc;
}

int mbedtls_gcm_auth_decrypt(mbedtls_gcm_context *ctx, size_t length, const unsigned char *iv, size_t iv_len,
	const unsigned char *add, size_t add_len, const unsigned char *tag, size_t tag_len,
	const unsigned char *input, unsigned char *output)
{
	unsigned char expected[TAG_BYTES];
	int rc = mbedtls_gcm_crypt_and_tag(
		ctx, MBEDTLS_GCM_DECRYPT, length, iv, iv_len, add, add_len, input, output, tag_len, expected);

	if (rc == 0 && mbedtls_ct_memcmp(tag, expected, tag_len) != 0) {
		mbedtls_platform_zeroize(output, length);
		rc = MBEDTLS_ERR_GCM_AUTH_FAILED;
	}
	return rc;
}
