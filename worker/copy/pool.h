// SPDX-License-Identifier: Apache-2.0
/*
 * A fixed number of equal big buffers, mapped once: the memory bound of a run and its back-pressure. A buffer is
 * counted: the last unref gives it back. Safe from several threads.
 */
#ifndef WHERRY_COPY_POOL_H
#define WHERRY_COPY_POOL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pool;

struct buffer {
	uint8_t *data; /* aligned to 4096; pool_unit() bytes, never cleared */
	struct pool *pool;
	atomic_uint refs;
	struct buffer *next;
};

/* As many buffers of `unit` bytes as fit into `bytes`, but at least `least`. */
struct pool *pool_new(uint64_t bytes, size_t unit, unsigned least, struct err *e);
void pool_free(struct pool *p); /* NULL is fine; nothing may read or write the buffers any more */
size_t pool_unit(const struct pool *p);
unsigned pool_count(const struct pool *p);
void *pool_memory(const struct pool *p, size_t *size); /* all buffers, for block_buffers */

struct buffer *pool_get(struct pool *p);     /* one reference; waits; NULL: closed */
struct buffer *pool_try_get(struct pool *p); /* NULL: none free now, or closed */
void pool_close(struct pool *p);             /* wakes everybody; idempotent */

void buffer_ref(struct buffer *b, unsigned more);
void buffer_unref(struct buffer *b); /* NULL is fine */

/* Where the next of several data in one buffer may begin: direct transfers want them aligned. */
size_t buffer_next(size_t used);

#endif
