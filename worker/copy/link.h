// SPDX-License-Identifier: Apache-2.0
/*
 * How an export or import gets connections to its peer, and what it tells of them. The caller knows addresses, keys and
 * who dials; the engine knows which channel (net/wire.h) a connection is for and when another one is wanted.
 */
#ifndef WHERRY_COPY_LINK_H
#define WHERRY_COPY_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "net/stream.h"

#define COPY_DEFAULT_PATIENCE_NS INT64_C(300000000000)

struct copy_link_status {
	unsigned channels, up;
	unsigned cuts;    /* connections that broke so far */
	uint64_t resent;  /* payload bytes sent again after that (source) */
	struct err why;   /* up < channels: why the last one that broke did */
};

struct copy_link {
	unsigned channels;     /* connections to use, 1 to WIRE_MAX_CHANNELS; the same on both sides */
	bool dials;            /* this side dials, the other one listens */
	struct stream *first;  /* open already, for channel 0; taken, also on failure; NULL: none yet */
	/* How long a broken connection is made again without a frame getting through, before the copy ends with the reason;
	 * 0: COPY_DEFAULT_PATIENCE_NS. */
	int64_t patience_ns;
	/* One attempt to dial, or the next connection that came in within about 200 ms, authenticated. NETWORK and TIMEOUT
	 * are tried again. From one thread of the engine. NULL: a connection that breaks ends the copy. */
	struct stream *(*open)(void *ctx, struct err *e);
	/* No more connections are wanted: open() returns now, if it can be helped. From any thread of the engine, also more
	 * than once; must not block. NULL: it cannot. */
	void (*wake)(void *ctx);
	void (*close)(void *ctx, struct stream *s);  /* NULL: stream_close() */
	/* Something of it changed. From any thread of the engine, one at a time; must not block. NULL: nobody asks. */
	void (*report)(void *ctx, const struct copy_link_status *st);
	void *ctx;
};

#endif
