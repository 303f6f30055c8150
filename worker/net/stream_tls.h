// SPDX-License-Identifier: Apache-2.0
/*
 * TLS 1.3 (only) over another stream. Mutual, always: both ends show a certificate and both are verified, either
 * against one pinned key or against the job's CA and an expected role. No PSK, tickets or 0-RTT. Keys are renewed
 * before they are worn out (RFC 8446, 4.6.3 and 5.5), so a connection may carry any number of bytes.
 *
 * Certificates are judged at `now_s` (seconds since 1970, from the pinned controller), not at the system's time.
 */
#ifndef WHERRY_NET_STREAM_TLS_H
#define WHERRY_NET_STREAM_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "net/pki.h"
#include "net/stream.h"

#define TLS_ALPN_HTTP   "http/1.1"
#define TLS_ALPN_CHUNKS "wherry/1"

enum tls_trust_kind { TLS_TRUST_PIN, TLS_TRUST_CA };

struct tls_trust {
	enum tls_trust_kind kind;
	uint8_t pin[PKI_PIN_SIZE]; /* PIN: the one key accepted */
	const char *ca_pem;        /* CA: borrowed; the chain must end here ... */
	const char *role;          /* ... and the leaf's CN be "wherry ROLE" */
	const char *run;           /* ... and its OU this run (NULL: any) */
	int64_t now_s;             /* time certificates are judged at (CA only) */
};

/* Tried at the handshake, or one alone. */
enum tls_cipher {
	TLS_CIPHER_FASTEST, TLS_CIPHER_AES_128_GCM, TLS_CIPHER_AES_256_GCM, TLS_CIPHER_CHACHA20_POLY1305
};

struct tls_config {
	struct pki_key *key;                  /* borrowed */
	const char *cert_pem;                 /* borrowed */
	const struct tls_trust *trust;        /* one of these must match; borrowed */
	size_t trust_count;
	const char *alpn[3];                  /* offered or accepted, NULL-ended; a peer without one is refused */
	int64_t handshake_timeout_ns;
	enum tls_cipher cipher;               /* normally FASTEST */
	uint64_t records_per_key;             /* sent until the key is renewed; 0: as many as are safe (RFC 8446, 5.5) */
};

/* Handshake over `lower`, which is taken (closed on failure, too). *e DENIED: wrong key, role or CA. Whom the *peer*
 * refuses learns it, DENIED with the reason, at the latest from the first read: TLS 1.3 does not wait for that. */
struct stream *stream_tls_client(struct stream *lower, const struct tls_config *c, struct err *e);
struct stream *stream_tls_server(struct stream *lower, const struct tls_config *c, struct err *e);

const char *stream_tls_alpn(const struct stream *s);           /* what was agreed; never NULL */
size_t stream_tls_trust_index(const struct stream *s);         /* which of the trusts matched */
int stream_tls_peer_spki(const struct stream *s, struct buf *der, struct err *e);
struct stream *stream_tls_lower(struct stream *s);             /* for its byte counts */

#endif
