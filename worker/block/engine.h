// SPDX-License-Identifier: Apache-2.0
/*
 * Private to this folder: how block_disk moves bytes of one descriptor asynchronously. Implementations:
 * engine_uring.c (io_uring) and engine_psync.c (pread and pwrite in a few threads, where io_uring is refused).
 * A request may be of zero length; it completes like any other. Short transfers are continued; a transfer that
 * gets nothing more is EIO. One thread at a time.
 */
#ifndef WHERRY_BLOCK_ENGINE_H
#define WHERRY_BLOCK_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "block/block.h"

struct engine;

struct engine_ops {
	const char *name;
	/* fd stays the caller's and outlives the engine. */
	struct engine *(*open)(int fd, unsigned depth, struct err *e);
	/* Move the first `length` bytes of r. At most `depth` may be under way. */
	int (*submit)(struct engine *n, struct block_request *r, uint32_t length, struct err *e);
	/* As block_ops.wait. */
	struct block_request *(*wait)(struct engine *n, int64_t timeout_ns, struct err *e);
	/* As block_buffers. May be NULL. */
	void (*buffers)(struct engine *n, void *base, size_t size);
	/* Waits for what is under way. */
	void (*close)(struct engine *n);
};

struct engine {
	const struct engine_ops *ops;
};

extern const struct engine_ops engine_uring;
extern const struct engine_ops engine_psync;

/* What is under way: the request and how much of it the engine moves. A free list of `depth`. */
struct engine_slot {
	struct block_request *r;
	uint32_t length;
	unsigned tries;
	struct engine_slot *next_free;
};

#endif
