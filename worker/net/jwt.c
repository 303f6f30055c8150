// SPDX-License-Identifier: Apache-2.0
#include "net/jwt.h"

#include <errno.h>
#include <fcntl.h>
#include <mbedtls/pk.h>
#include <mbedtls/psa_util.h>
#include <mbedtls/sha1.h>
#include <mbedtls/x509_crt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "net/mbed.h"
#include "net/pki.h"

#define PEM_MAX (256 << 10)

static void wipe(struct buf *b)
{
	if (b->data != NULL)
		mem_wipe(b->data, b->cap);
	buf_fini(b);
}

static int read_pem(const char *file, struct buf *out, struct err *e)
{
	cleanup(cleanup_fd) int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf_reserve(out, PEM_MAX), PEM_MAX - 1);

	if (n < 0)
		return err_set(e, ERR_CONFIG, errno, "%s cannot be read", file);
	out->len = (size_t)n;
	out->data[n] = '\0';
	return 0;
}

/* RFC 4648 section 5, without padding. */
static void add_base64url(struct buf *out, const void *p, size_t n)
{
	size_t at = out->len;

	base64_encode(p, n, out);
	while (out->len > at && out->data[out->len - 1] == '=')
		out->data[--out->len] = '\0';
	for (char *c = out->data + at; *c != '\0'; c++)
		*c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
}

static int sign(mbedtls_pk_context *key, const mbedtls_x509_crt *crt, const char *claims, struct buf *out, struct err *e)
{
	unsigned char thumb[20], hash[32], signature[MBEDTLS_PK_SIGNATURE_MAX_SIZE];
	cleanup(buf_fini) struct buf header = BUF_INIT;
	size_t begin = out->len, len;

	mbedtls_sha1(crt->raw.p, crt->raw.len, thumb);
	buf_adds(&header, "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"x5t\":\"");
	add_base64url(&header, thumb, sizeof thumb);
	buf_adds(&header, "\"}");
	add_base64url(out, header.data, header.len);
	buf_adds(out, ".");
	add_base64url(out, claims, strlen(claims));
	pki_sha256(out->data + begin, out->len - begin, hash);
	int rc = mbedtls_pk_sign(key, MBEDTLS_MD_SHA256, hash, sizeof hash, signature, sizeof signature, &len,
				 mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
	if (rc != 0)
		return mbed_err(e, ERR_CONFIG, rc, "the private key of a certificate cannot sign");
	buf_adds(out, ".");
	add_base64url(out, signature, len);
	return 0;
}

int jwt_sign(const char *pem_file, const char *claims, struct buf *out, struct err *e)
{
	cleanup(wipe) struct buf pem = BUF_INIT;
	cleanup(mbedtls_x509_crt_free) mbedtls_x509_crt crt;
	cleanup(mbedtls_pk_free) mbedtls_pk_context key;

	mbedtls_x509_crt_init(&crt);
	mbedtls_pk_init(&key);
	if (mbed_start(e) < 0 || read_pem(pem_file, &pem, e) < 0)
		return -1;
	const unsigned char *text = (const unsigned char *)pem.data;
	int rc = mbedtls_x509_crt_parse(&crt, text, pem.len + 1);
	if (rc < 0 || crt.raw.len == 0)
		return mbed_err(e, ERR_CONFIG, rc, "%s holds no certificate in PEM: name a file with the certificate and its private key",
				pem_file);
	rc = mbedtls_pk_parse_key(&key, text, pem.len + 1, NULL, 0, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
	if (rc != 0)
		return mbed_err(e, ERR_CONFIG, rc, "%s holds no private key in PEM without a password: append it to the certificate",
				pem_file);
	if (!mbedtls_pk_can_do(&key, MBEDTLS_PK_RSA))
		return err_set(e, ERR_CONFIG, 0, "the key in %s is not of RSA: make one that is", pem_file);
	return sign(&key, &crt, claims, out, e);
}
