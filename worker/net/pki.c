// SPDX-License-Identifier: Apache-2.0
#include "net/pki.h"

#include <errno.h>
#include <mbedtls/psa_util.h>
#include <mbedtls/sha256.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "net/mbed.h"

#define KEY_TEXT_MAX  512 /* PEM of a P-256 private key: about 230 bytes */
#define SPKI_TEXT_MAX 256 /* DER of its public half: 91 bytes */
#define FILE_PART     65536

static void cleanup_key(struct pki_key **k)
{
	pki_key_free(*k);
}

static struct pki_key *key_alloc(void)
{
	struct pki_key *k = mem_alloc(sizeof *k);

	mbedtls_pk_init(&k->pk);
	return k;
}

struct pki_key *pki_key_new(struct err *e)
{
	cleanup(cleanup_key) struct pki_key *k = key_alloc();

	if (mbed_start(e) < 0)
		return NULL;
	int rc = mbedtls_pk_setup(&k->pk, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
	if (rc == 0)
		rc = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(k->pk),
			mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
	if (rc != 0) {
		mbed_err(e, ERR_INTERNAL, rc, "cannot make a private key");
		return NULL;
	}
	return take_ptr(&k);
}

struct pki_key *pki_key_from_pem(const char *pem, struct err *e)
{
	cleanup(cleanup_key) struct pki_key *k = key_alloc();

	if (mbed_start(e) < 0)
		return NULL;
	int rc = mbedtls_pk_parse_key(&k->pk, (const unsigned char *)pem, strlen(pem) + 1, NULL, 0,
		mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
	if (rc != 0) {
		mbed_err(e, ERR_CONFIG, rc, "this is no unencrypted private key in PEM form");
		return NULL;
	}
	if (mbedtls_pk_get_type(&k->pk) != MBEDTLS_PK_ECKEY ||
		mbedtls_ecp_keypair_get_group_id(mbedtls_pk_ec(k->pk)) != MBEDTLS_ECP_DP_SECP256R1) {
		err_set(e, ERR_CONFIG, 0,
			"the private key is of another kind than elliptic curve P-256, the only one used");
		return NULL;
	}
	return take_ptr(&k);
}

void pki_key_free(struct pki_key *k)
{
	if (k == NULL)
		return;
	mbedtls_pk_free(&k->pk);
	free(k);
}

int pki_key_to_pem(struct pki_key *k, struct buf *pem, struct err *e)
{
	unsigned char text[KEY_TEXT_MAX];
	int rc = mbedtls_pk_write_key_pem(&k->pk, text, sizeof text);

	if (rc == 0)
		buf_adds(pem, (char *)text);
	mem_wipe(text, sizeof text);
	return rc == 0 ? 0 : mbed_err(e, ERR_INTERNAL, rc, "cannot write a private key as text");
}

int pki_key_spki(struct pki_key *k, struct buf *der, struct err *e)
{
	unsigned char text[SPKI_TEXT_MAX];
	int n = mbedtls_pk_write_pubkey_der(&k->pk, text, sizeof text);

	if (n < 0)
		return mbed_err(e, ERR_INTERNAL, n, "cannot write a public key");
	buf_add(der, text + sizeof text - n, (size_t)n); /* mbedTLS writes at the buffer's end */
	return 0;
}

int pki_key_pin(struct pki_key *k, uint8_t pin[PKI_PIN_SIZE], struct err *e)
{
	cleanup(buf_fini) struct buf der = BUF_INIT;

	if (pki_key_spki(k, &der, e) < 0)
		return -1;
	return pki_pin_of_spki(der.data, der.len, pin, e);
}

int pki_pin_of_spki(const void *der, size_t len, uint8_t pin[PKI_PIN_SIZE], struct err *e)
{
	if (len == 0)
		return err_set(e, ERR_CONFIG, 0, "a public key is empty");
	if (pki_sha256(der, len, pin) < 0)
		return err_set(e, ERR_INTERNAL, 0, "mbedTLS cannot compute a SHA-256");
	return 0;
}

int pki_sha256(const void *p, size_t n, uint8_t out[32])
{
	return mbedtls_sha256(p, n, out, 0) == 0 ? 0 : -1;
}

int pki_file_sums(int fd, uint8_t sha256[32], uint8_t sha512[64], struct err *e)
{
	cleanup(cleanup_free) unsigned char *part = mem_alloc(FILE_PART);
	mbedtls_sha256_context small;
	mbedtls_sha512_context large;
	off_t at = 0;
	ssize_t n;

	mbedtls_sha256_init(&small);
	mbedtls_sha512_init(&large);
	int rc = mbedtls_sha256_starts(&small, 0);
	if (rc == 0)
		rc = mbedtls_sha512_starts(&large, 0);
	while ((n = pread(fd, part, FILE_PART, at)) > 0 && rc == 0) {
		rc = mbedtls_sha256_update(&small, part, (size_t)n);
		if (rc == 0)
			rc = mbedtls_sha512_update(&large, part, (size_t)n);
		at += n;
	}
	int sys = errno;
	if (rc == 0)
		rc = mbedtls_sha256_finish(&small, sha256);
	if (rc == 0)
		rc = mbedtls_sha512_finish(&large, sha512);
	mbedtls_sha256_free(&small);
	mbedtls_sha512_free(&large);
	if (n < 0)
		return err_set(e, err_kind_of_errno(sys), sys, "cannot read at byte %lld", (long long)at);
	return rc == 0 ? 0 : mbed_err(e, ERR_INTERNAL, rc, "cannot hash a file");
}

int pki_random(void *p, size_t n, struct err *e)
{
	if (mbed_start(e) < 0)
		return -1;
	for (uint8_t *at = p; n > 0;) {
		size_t piece = n < 1024 ? n : 1024; /* the most mbedTLS's generator gives at once */
		int rc = mbedtls_psa_get_random(MBEDTLS_PSA_RANDOM_STATE, at, piece);

		if (rc != 0)
			return mbed_err(e, ERR_INTERNAL, rc, "no random numbers");
		at += piece;
		n -= piece;
	}
	return 0;
}
