// SPDX-License-Identifier: Apache-2.0
#include "net/tls_record.h"

#include <mbedtls/hkdf.h>
#include <mbedtls/ssl.h>
#include <string.h>

#include "base/mem.h"
#include "net/mbed.h"

#define TAG_BYTES 16
#define KEY_MAX   32

struct tls_suite {
	int id;
	mbedtls_cipher_type_t cipher;
	size_t key_len;
	mbedtls_md_type_t hash;
};

static const struct tls_suite suites[] = {
	{MBEDTLS_TLS1_3_AES_128_GCM_SHA256, MBEDTLS_CIPHER_AES_128_GCM, 16, MBEDTLS_MD_SHA256},
	{MBEDTLS_TLS1_3_AES_256_GCM_SHA384, MBEDTLS_CIPHER_AES_256_GCM, 32, MBEDTLS_MD_SHA384},
	{MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256, MBEDTLS_CIPHER_CHACHA20_POLY1305, 32, MBEDTLS_MD_SHA256},
};

/* HKDF-Expand-Label without a context (RFC 8446, 7.1). */
static int expand_label(const struct tls_keys *k, const char *label, uint8_t *out, size_t n)
{
	const mbedtls_md_info_t *md = mbedtls_md_info_from_type(k->suite->hash);
	size_t label_len = strlen(label);
	uint8_t info[32] = {
		(uint8_t)(n >> 8), (uint8_t)n, (uint8_t)(6 + label_len), 't', 'l', 's', '1', '3', ' '};

	memcpy(info + 9, label, label_len);
	return mbedtls_hkdf_expand(md, k->secret, mbedtls_md_get_size(md), info, 10 + label_len, out, n);
}

/* Key and IV of the secret. */
static int derive(struct tls_keys *k, struct err *e)
{
	uint8_t key[KEY_MAX];
	int rc = expand_label(k, "key", key, k->suite->key_len);

	if (rc == 0)
		rc = expand_label(k, "iv", k->iv, sizeof k->iv);
	mbedtls_cipher_free(&k->cipher);
	mbedtls_cipher_init(&k->cipher);
	if (rc == 0)
		rc = mbedtls_cipher_setup(&k->cipher, mbedtls_cipher_info_from_type(k->suite->cipher));
	if (rc == 0)
		rc = mbedtls_cipher_setkey(&k->cipher, key, (int)k->suite->key_len * 8,
			k->sends ? MBEDTLS_ENCRYPT : MBEDTLS_DECRYPT);
	mem_wipe(key, sizeof key);
	k->sequence = 0;
	return rc == 0 ? 0 : mbed_err(e, ERR_INTERNAL, rc, "cannot set up the keys of a TLS connection");
}

int tls_keys_init(struct tls_keys *k, int suite, bool sends, const uint8_t *secret, size_t n, struct err *e)
{
	*k = (struct tls_keys){.sends = sends};
	mbedtls_cipher_init(&k->cipher);
	for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++)
		if (suites[i].id == suite)
			k->suite = &suites[i];
	if (k->suite == NULL || n != mbedtls_md_get_size(mbedtls_md_info_from_type(k->suite->hash)))
		return err_set(e, ERR_INTERNAL, 0, "TLS agreed on a cipher suite that was not asked for");
	memcpy(k->secret, secret, n);
	return derive(k, e);
}

int tls_keys_update(struct tls_keys *k, struct err *e)
{
	uint8_t next[TLS_SECRET_MAX] = "";
	int rc = expand_label(
		k, "traffic upd", next, mbedtls_md_get_size(mbedtls_md_info_from_type(k->suite->hash)));

	if (rc == 0)
		memcpy(k->secret, next, sizeof next);
	mem_wipe(next, sizeof next);
	return rc == 0 ? derive(k, e)
		       : mbed_err(e, ERR_INTERNAL, rc, "cannot renew the keys of a TLS connection");
}

void tls_keys_fini(struct tls_keys *k)
{
	mbedtls_cipher_free(&k->cipher);
	mem_wipe(k, sizeof *k);
}

/* The nonce (5.3) and the header as additional data (5.2). */
static int begin(struct tls_keys *k, const uint8_t header[TLS_RECORD_HEADER])
{
	uint8_t nonce[sizeof k->iv];
	int rc;

	memcpy(nonce, k->iv, sizeof nonce);
	for (int i = 0; i < 8; i++)
		nonce[sizeof nonce - 1 - (size_t)i] ^= (uint8_t)(k->sequence >> 8 * i);
	k->sequence++;
	rc = mbedtls_cipher_set_iv(&k->cipher, nonce, sizeof nonce);
	return rc == 0 ? mbedtls_cipher_update_ad(&k->cipher, header, TLS_RECORD_HEADER) : rc;
}

static int update(struct tls_keys *k, const void *from, size_t n, uint8_t *to)
{
	size_t done;

	return n == 0 ? 0 : mbedtls_cipher_update(&k->cipher, from, n, to, &done);
}

size_t tls_record_seal(struct tls_keys *k, enum tls_content type, const void *a, size_t a_len, const void *b,
	size_t b_len, uint8_t *out, struct err *e)
{
	const uint8_t last = (uint8_t)type;
	size_t n = a_len + b_len, size = n + TLS_RECORD_OVERHEAD, rest = size - TLS_RECORD_HEADER;
	uint8_t *body = out + TLS_RECORD_HEADER;

	out[0] = TLS_CONTENT_DATA;
	out[1] = out[2] = 3;
	out[3] = (uint8_t)(rest >> 8);
	out[4] = (uint8_t)rest;
	int rc = begin(k, out);
	if (rc == 0)
		rc = update(k, a, a_len, body);
	if (rc == 0)
		rc = update(k, b, b_len, body + a_len);
	if (rc == 0)
		rc = update(k, &last, 1, body + n);
	if (rc == 0)
		rc = mbedtls_cipher_write_tag(&k->cipher, body + n + 1, TAG_BYTES);
	if (rc == 0)
		return size;
	mbed_err(e, ERR_INTERNAL, rc, "cannot encrypt for a TLS connection");
	return 0;
}

size_t tls_record_size(const uint8_t *p, size_t n)
{
	size_t size = n < TLS_RECORD_HEADER ? 0 : TLS_RECORD_HEADER + ((size_t)p[3] << 8 | p[4]);

	return size < TLS_RECORD_MAX ? size : TLS_RECORD_MAX; /* a longer one is refused when it is opened */
}

static int refuse(int alert, const char *why, struct err *e)
{
	err_set(e, ERR_PROTOCOL, 0, "the TLS connection failed: the peer broke the protocol: %s", why);
	return alert;
}

/* The type is the last byte that is not 0; what is before it is the content (5.4). */
static int find_type(
	struct tls_opened *o, const uint8_t *to, size_t direct, const uint8_t *body, size_t n, struct err *e)
{
	uint8_t type = 0;

	while (n > 0 && type == 0) {
		n--;
		type = n < direct ? to[n] : body[n];
	}
	if (type == 0)
		return refuse(MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE, "a record of no type", e);
	if (n > TLS_RECORD_DATA)
		return refuse(MBEDTLS_SSL_ALERT_MSG_RECORD_OVERFLOW, "a record longer than allowed", e);
	*o = (struct tls_opened){
		.type = type,
		.direct = n < direct ? n : direct,
		.rest = body + (n < direct ? n : direct),
		.rest_len = n < direct ? 0 : n - direct,
	};
	return 0;
}

static int decrypt(struct tls_keys *k, uint8_t *record, size_t text, uint8_t *to, size_t direct)
{
	uint8_t *body = record + TLS_RECORD_HEADER;
	int rc = begin(k, record);

	if (rc == 0)
		rc = update(k, body, direct, to);
	if (rc == 0)
		rc = update(k, body + direct, text - direct, body + direct);
	return rc == 0 ? mbedtls_cipher_check_tag(&k->cipher, body + text, TAG_BYTES) : rc;
}

int tls_record_open(
	struct tls_keys *k, uint8_t *record, void *to, size_t n, struct tls_opened *o, struct err *e)
{
	size_t rest = (size_t)record[3] << 8 | record[4];
	uint8_t *body = record + TLS_RECORD_HEADER;
	int alert = 0;

	if (record[0] != TLS_CONTENT_DATA)
		return refuse(MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE, "a record that is not encrypted", e);
	if (rest > TLS_RECORD_MAX - TLS_RECORD_HEADER)
		return refuse(MBEDTLS_SSL_ALERT_MSG_RECORD_OVERFLOW, "a record longer than allowed", e);
	if (rest < 1 + TAG_BYTES)
		return refuse(MBEDTLS_SSL_ALERT_MSG_DECODE_ERROR, "a record shorter than possible", e);

	size_t text = rest - TAG_BYTES, direct = n < text ? n : text;
	if (decrypt(k, record, text, to, direct) != 0) {
		err_set(e, ERR_NETWORK, 0, "the TLS connection failed: bytes were changed on the way");
		alert = MBEDTLS_SSL_ALERT_MSG_BAD_RECORD_MAC;
	} else {
		alert = find_type(o, to, direct, body, text, e);
	}
	if (alert == 0 && o->type == TLS_CONTENT_DATA)
		return 0;
	if (alert == 0) {
		memcpy(body, to, o->direct);
		*o = (struct tls_opened){.type = o->type, .rest = body, .rest_len = o->direct + o->rest_len};
	}
	mem_wipe(to, direct);
	return alert;
}
