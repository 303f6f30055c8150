// SPDX-License-Identifier: Apache-2.0
/*
 * The inside of a TLS stream, shared by tls_handshake.c, which makes it, and stream_tls.c, which uses it.
 *
 * mbedTLS is gone once the handshake is over. Then the reader and the writer have nothing in common but two
 * atomics by which the reader leaves the writer something to tell the peer, so they never wait for each other.
 * Bytes go up and down in batches, so that a call into the socket serves several records: whatever the socket has is read
 * at once, up to TLS_BATCH, and as much is written at once.
 */
#ifndef WHERRY_NET_TLS_CONN_H
#define WHERRY_NET_TLS_CONN_H

#include <stdatomic.h>

#include "net/stream_tls.h"
#include "net/tls_record.h"

#define TLS_BATCH (16 * (TLS_RECORD_DATA + TLS_RECORD_OVERHEAD))

struct tls {
	struct stream base;
	struct stream *lower;
	atomic_bool aborted;
	atomic_int_fast64_t timeout_ns;

	/* From the reader to the writer. */
	atomic_int alert; /* reading has failed, and this is the peer to hear at the end; 0: nothing has */
	atomic_bool update_owed; /* the peer wants new keys from us (RFC 8446, 4.6.3) */

	/* The writer's. */
	struct tls_keys write_keys;
	uint64_t records_per_key;
	uint8_t *plain; /* less than a record, waiting for more or for a flush; TLS_RECORD_DATA of room */
	size_t plain_len;
	uint8_t *out; /* records on their way down; TLS_BATCH of room */
	size_t out_len;
	bool write_failed;

	/* The reader's. */
	struct tls_keys read_keys;
	uint8_t *in; /* from below; room for TLS_BATCH or one whole record of a peer that pads */
	size_t in_at, in_len;
	const uint8_t *rest; /* decrypted, inside the record before in_at, not given out yet */
	size_t rest_len;
	bool heard; /* data came, so the peer has accepted us */
	bool read_ended; /* orderly */
	bool read_failed;

	/* Unchanged after the handshake. */
	char *alpn;
	size_t trust_index;
	struct buf peer_spki;
};

extern const struct stream_ops tls_ops;

struct tls *tls_new(struct stream *lower); /* lower is taken */
void tls_free(struct tls *t);
/* 1: more came from below behind what is left in `in`; 0: the end; -1. Moves what is left. The reader's. */
int tls_fill(struct tls *t, struct err *e);
/* Fill *e for an alert of the peer's; `what` begins the sentence. -1. */
int tls_alert_err(int alert, const char *what, struct err *e);

#endif
