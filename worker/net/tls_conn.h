// SPDX-License-Identifier: Apache-2.0
/*
 * The inside of a TLS stream, shared by tls_handshake.c and stream_tls.c.
 *
 * mbedTLS contexts must not be used by two threads at once, yet one thread reads while another writes. So
 * mbedTLS never touches the stream below: its callbacks only move bytes from `in` and to `out`, and every
 * call is made under `lock` and is short. The blocking reads and writes of the stream below happen outside of
 * the lock, the former by the reader alone, the latter by the writer alone. An alert that a failing read
 * makes waits in `out` for the next write or close. That also makes the batches: whatever the socket has is
 * read at once, up to TLS_READ_AHEAD, and records are written TLS_WRITE_BATCH at a time.
 */
#ifndef WHERRY_NET_TLS_CONN_H
#define WHERRY_NET_TLS_CONN_H

#include <mbedtls/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "net/tls_verdict.h"

#define TLS_RECORD      ((size_t)16383) /* what mbedTLS puts in a record; with its type 2^14 (RFC 8446, 5.1) */
#define TLS_READ_AHEAD  ((size_t)256 << 10)
#define TLS_WRITE_BATCH ((size_t)256 << 10)

struct tls {
	struct stream base;
	struct stream *lower;
	atomic_bool aborted;
	atomic_int_fast64_t timeout_ns;

	pthread_mutex_t lock;
	mbedtls_ssl_context ssl; /* under lock */
	struct buf out; /* under lock: encrypted, on its way down */

	struct buf sending; /* the writer's: what it took from `out` */
	char *plain; /* the writer's: less than a record, waiting for more or for a flush */
	size_t plain_len;
	uint64_t records_left; /* the writer's: until the cipher's limit */
	bool write_failed; /* the writer's */

	uint8_t *in; /* the reader's: encrypted, TLS_READ_AHEAD of room */
	size_t in_at, in_len;
	bool heard; /* the reader's: data came, so the peer has accepted us */
	bool read_ended; /* the reader's: orderly end */
	bool read_failed; /* the reader's */

	/* Unchanged after the handshake. */
	mbedtls_ssl_config conf;
	mbedtls_x509_crt cert;
	mbedtls_pk_context key;
	const char *alpn_list[4]; /* borrowed until the handshake is over */
	char *alpn;
	struct tls_verdict verdict;
};

extern const struct stream_ops tls_ops;

/* mbedTLS's callbacks; ctx is the struct tls. */
int tls_bio_send(void *ctx, const unsigned char *p, size_t n);
int tls_bio_recv(void *ctx, unsigned char *p, size_t n);
/* What is in `out` goes down. The writer's. */
int tls_push(struct tls *t, struct err *e);
/* 1: more came from below into the empty `in`; 0: the end; -1. The reader's. */
int tls_fill(struct tls *t, struct err *e);
/* Fill *e for the alert that mbedTLS has just met; `what` begins the sentence. -1. */
int tls_alert_err(const struct tls *t, const char *what, struct err *e);
void tls_free(struct tls *t);

#endif
