// SPDX-License-Identifier: Apache-2.0
/*
 * The counted frames of one channel (net/wire.h) that the target has not acknowledged: what each of them is, without its
 * bytes, so that it can be sent again. It bounds what a broken connection costs. Frames are numbered from 1. Not
 * thread-safe.
 */
#ifndef WHERRY_COPY_WINDOW_H
#define WHERRY_COPY_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "net/wire.h"

#define WINDOW_BYTES  (UINT64_C(32) << 20) /* plain bytes of all channels of a session: what a cut costs at most */
#define WINDOW_FRAMES 1024                 /* of one channel */

struct window_frame {
	struct wire_frame f;
	uint8_t hash[WIRE_HASH_SIZE]; /* CHUNK */
};

struct window {
	struct window_frame *ring; /* WINDOW_FRAMES */
	uint64_t limit, bytes;     /* plain bytes: at most, now */
	uint64_t acked;            /* frames up to here are forgotten */
	uint64_t sent;             /* up to here they went into the present connection */
	uint64_t begun;            /* up to here into any */
	uint64_t last;             /* pushed */
};

void window_init(struct window *w, uint64_t limit);
void window_fini(struct window *w);

/* Whether a frame of so many plain bytes may be pushed. One frame always may, however large. */
bool window_has_room(const struct window *w, uint64_t bytes);
void window_push(struct window *w, const struct wire_frame *f, const uint8_t *hash); /* hash: of a CHUNK */

/* The next frame to send on the present connection counts as sent from now on; NULL: none is left. *again: it went into
 * an earlier connection. Valid until it is acknowledged. */
const struct window_frame *window_next(struct window *w, bool *again);
bool window_is_behind(const struct window *w); /* window_next() would give one */

/* PROTOCOL: a frame that was not sent, or one taken back. */
int window_ack(struct window *w, uint64_t upto, struct err *e);
/* A new connection: the target has taken the frames up to `taken`, and the rest are to be sent. PROTOCOL as above. */
int window_resume(struct window *w, uint64_t taken, struct err *e);

#endif
