// SPDX-License-Identifier: Apache-2.0
/*
 * A byte stream between two ends: the one thing http.c and the chunk stream talk over. Implementations:
 * stream_tcp.c (a socket), stream_tls.c (TLS 1.3 over another stream), stream_mem.c (a pair in memory, with faults,
 * for tests). One thread may read while another writes; two readers or two writers must not meet (a flush counts as a
 * write). A stream is owned by whoever opened it; stream_close() frees it and everything below it.
 *
 * Writes may be gathered: the peer is sure to get them only after stream_flush().
 */
#ifndef WHERRY_NET_STREAM_H
#define WHERRY_NET_STREAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct stream;

struct stream_ops {
	/* At least one byte, 0 at the peer's orderly end, -1 with *e (TIMEOUT after the read timeout). */
	ssize_t (*read)(struct stream *s, void *p, size_t n, struct err *e);
	/* All n bytes are taken, though some may wait for a flush; or -1. */
	int (*write)(struct stream *s, const void *p, size_t n, struct err *e);
	/* Whatever is buffered goes out. */
	int (*flush)(struct stream *s, struct err *e);
	/* From any thread: makes reads and writes under way and later ones fail soon, CANCELED. Idempotent. */
	void (*abort)(struct stream *s);
	/* Longest wait of one read or write; 0 = for ever (as at the start). */
	void (*set_timeout)(struct stream *s, int64_t ns);
	/* See stream_ready(). NULL: it cannot be told. */
	bool (*ready)(struct stream *s);
	/* Flushes if that takes no longer than a second; not after an abort. */
	void (*close)(struct stream *s);
};

struct stream {
	const struct stream_ops *ops;
	atomic_uint_fast64_t bytes_in, bytes_out; /* at this layer; for the lowest one: on the wire; any thread reads */
};

ssize_t stream_read(struct stream *s, void *p, size_t n, struct err *e);
int stream_read_full(struct stream *s, void *p, size_t n, struct err *e); /* early end: NETWORK "closed by peer" */
int stream_write(struct stream *s, const void *p, size_t n, struct err *e);
int stream_flush(struct stream *s, struct err *e);
/* Some of what is to be read next is there, or has begun to come; false: a read would wait, or it cannot be told. By
 * the thread that reads. */
bool stream_ready(struct stream *s);
void stream_abort(struct stream *s);
void stream_set_timeout(struct stream *s, int64_t ns);
void stream_close(struct stream *s); /* NULL is fine */

#endif
