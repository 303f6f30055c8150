// SPDX-License-Identifier: Apache-2.0
/*
 * The records of a TLS 1.3 connection after its handshake (RFC 8446, 5.1 to 5.5): one direction, from the
 * traffic secret that mbedTLS has agreed on. mbedTLS's own record layer copies each byte twice at each end
 * and wants both directions under one lock; that costs more than the cipher. Here data is encrypted from
 * where it is to where it is sent from, and decrypted from where it was received to where it is wanted. The
 * ciphers are mbedTLS's. One thread at a time for each direction.
 */
#ifndef WHERRY_NET_TLS_RECORD_H
#define WHERRY_NET_TLS_RECORD_H

#include <mbedtls/cipher.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define TLS_RECORD_DATA     ((size_t)1 << 14)       /* most that a record carries */
#define TLS_RECORD_HEADER   ((size_t)5)             /* type, version, length of the rest */
#define TLS_RECORD_OVERHEAD (TLS_RECORD_HEADER + 17) /* and at the end the true type and a tag */
#define TLS_RECORD_MAX      (TLS_RECORD_HEADER + TLS_RECORD_DATA + 256) /* a peer may pad */
#define TLS_SECRET_MAX      48

/* As many as AES-GCM's key takes before it is worn out, and less than 2^24.5 (5.5). */
#define TLS_RECORDS_PER_KEY (UINT64_C(1) << 24)

enum tls_content { TLS_CONTENT_ALERT = 21, TLS_CONTENT_HANDSHAKE = 22, TLS_CONTENT_DATA = 23 };

struct tls_suite;

struct tls_keys {
	const struct tls_suite *suite;
	bool sends;
	mbedtls_cipher_context_t cipher;
	uint8_t secret[TLS_SECRET_MAX];
	uint8_t iv[12];
	uint64_t sequence; /* of the next record under this key */
};

/* suite: mbedTLS's number of a TLS 1.3 suite; secret: as long as the suite's hash. Zeroed keys may be given to fini. */
int tls_keys_init(struct tls_keys *k, int suite, bool sends, const uint8_t *secret, size_t n, struct err *e);
int tls_keys_update(struct tls_keys *k, struct err *e); /* the next generation (7.2) */
void tls_keys_fini(struct tls_keys *k);                 /* wiped */

/* One record of a and then b, together 0 to TLS_RECORD_DATA bytes, into `out`, which has room for TLS_RECORD_OVERHEAD
 * more. Returns what it put there; 0 with *e INTERNAL. */
size_t tls_record_seal(struct tls_keys *k, enum tls_content type, const void *a, size_t a_len, const void *b,
		       size_t b_len, uint8_t *out, struct err *e);

/* The size of the record that begins with these n bytes, TLS_RECORD_MAX at most; 0: too few to tell. */
size_t tls_record_size(const uint8_t *p, size_t n);

struct tls_opened {
	enum tls_content type;
	size_t direct;       /* of its content these first bytes went to `to` */
	const uint8_t *rest; /* and the others are here, inside the record; owned by whoever owns that */
	size_t rest_len;
};

/* Opens a whole record of tls_record_size() bytes. Of data, up to n bytes go to `to`, which is used as scratch whatever
 * becomes of it; other content stays in the record as a whole. Returns 0, or the alert (6.2) that the peer is to
 * hear, with *e NETWORK (changed on the way) or PROTOCOL; nothing of such a record is left in `to`. */
int tls_record_open(struct tls_keys *k, uint8_t *record, void *to, size_t n, struct tls_opened *o, struct err *e);

#endif
