// SPDX-License-Identifier: Apache-2.0
/*
 * A bounded first-in first-out queue of pointers between threads (many producers, many consumers). Its bound is the
 * back-pressure of the pipeline. Closing wakes everybody: pushes fail at once, pops drain what is left, then fail.
 */
#ifndef WHERRY_BASE_RING_H
#define WHERRY_BASE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring;

struct ring *ring_new(size_t capacity);
void ring_free(struct ring *r);                     /* does not touch the elements left */
bool ring_push(struct ring *r, void *item);         /* waits for room; false: closed, item stays the caller's */
void *ring_pop(struct ring *r);                     /* waits; NULL: closed and empty */
void *ring_pop_wait(struct ring *r, int64_t timeout_ns, bool *closed); /* NULL after the timeout, too */
void *ring_try_pop(struct ring *r);                 /* NULL when empty */
void ring_close(struct ring *r);                    /* idempotent */
size_t ring_len(struct ring *r);

#endif
