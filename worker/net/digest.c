// SPDX-License-Identifier: Apache-2.0
#include "net/digest.h"

#include <mbedtls/md.h>
#include <stdlib.h>

/* Neither can fail: both algorithms are built in, and all memory is on the stack or mbedTLS's few bytes, without which
 * nothing else would work either. */
static void must(int rc)
{
	if (rc != 0)
		abort();
}

void digest_md5(const void *p, size_t n, uint8_t out[DIGEST_MD5])
{
	must(mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_MD5), p, n, out));
}

void digest_md5_parts(const struct iovec *parts, unsigned count, uint8_t out[DIGEST_MD5])
{
	mbedtls_md_context_t md;

	mbedtls_md_init(&md);
	must(mbedtls_md_setup(&md, mbedtls_md_info_from_type(MBEDTLS_MD_MD5), 0));
	must(mbedtls_md_starts(&md));
	for (unsigned i = 0; i < count; i++)
		must(mbedtls_md_update(&md, parts[i].iov_base, parts[i].iov_len));
	must(mbedtls_md_finish(&md, out));
	mbedtls_md_free(&md);
}

void digest_hmac_sha256(const void *key, size_t key_len, const void *p, size_t n, uint8_t out[DIGEST_SHA256])
{
	must(mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), key, key_len, p, n, out));
}
