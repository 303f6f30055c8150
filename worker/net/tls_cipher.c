// SPDX-License-Identifier: Apache-2.0
#include "net/tls_cipher.h"

#include <mbedtls/cipher.h>
#include <mbedtls/ssl_ciphersuites.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"

#define TRIAL_BYTES ((size_t)16 << 10)
#define TRIALS      4
#define TAG_BYTES   16

enum {
	AES_128 = MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
	AES_256 = MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
	CHACHA20 = MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256
};

static const int aes_first[] = {AES_128, CHACHA20, AES_256, 0};
static const int chacha20_first[] = {CHACHA20, AES_128, AES_256, 0};
static const int only_aes_128[] = {AES_128, 0};
static const int only_aes_256[] = {AES_256, 0};
static const int only_chacha20[] = {CHACHA20, 0};

/* The shortest of a few records, in time of this thread: other work on the machine does not count. */
static int64_t trial_ns(mbedtls_cipher_type_t type, unsigned key_bits)
{
	cleanup(mbedtls_cipher_free) mbedtls_cipher_context_t c;
	cleanup(cleanup_free) unsigned char *data = mem_alloc(TRIAL_BYTES + TAG_BYTES);
	const unsigned char key[32] = "", iv[12] = "";
	int64_t best = INT64_MAX;
	size_t n;

	mbedtls_cipher_init(&c);
	if (mbedtls_cipher_setup(&c, mbedtls_cipher_info_from_type(type)) != 0 ||
		mbedtls_cipher_setkey(&c, key, (int)key_bits, MBEDTLS_ENCRYPT) != 0)
		return best;
	for (int i = 0; i < TRIALS; i++) {
		int64_t start = clock_thread_ns();

		if (mbedtls_cipher_auth_encrypt_ext(&c, iv, sizeof iv, NULL, 0, data, TRIAL_BYTES, data,
			    TRIAL_BYTES + TAG_BYTES, &n, TAG_BYTES) != 0)
			return INT64_MAX;
		int64_t took = clock_thread_ns() - start;
		best = took < best ? took : best;
	}
	return best;
}

const int *tls_cipher_suites(enum tls_cipher wanted, bool server)
{
	switch (wanted) {
	case TLS_CIPHER_AES_128_GCM:
		return only_aes_128;
	case TLS_CIPHER_AES_256_GCM:
		return only_aes_256;
	case TLS_CIPHER_CHACHA20_POLY1305:
		return only_chacha20;
	case TLS_CIPHER_FASTEST:
		break;
	}
	if (trial_ns(MBEDTLS_CIPHER_AES_128_GCM, 128) < trial_ns(MBEDTLS_CIPHER_CHACHA20_POLY1305, 256))
		return aes_first;
	return server ? only_chacha20 : chacha20_first;
}
