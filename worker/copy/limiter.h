// SPDX-License-Identifier: Apache-2.0
/*
 * Holds the limits of a run (base/limits.h): whoever is about to send or read asks here and waits as long as it takes.
 * Limits may be changed at any time; those who wait go on at the new rate. Any thread; any number of senders share the
 * one bandwidth. A NULL limiter limits nothing.
 */
#ifndef WHERRY_COPY_LIMITER_H
#define WHERRY_COPY_LIMITER_H

#include <stddef.h>

#include "base/limits.h"

/* More is asked for in pieces, so that a big frame at a low rate is no burst. */
#define LIMITER_SLICE (64u << 10)

struct limiter;

struct limiter *limiter_new(const struct limits *l);
void limiter_free(struct limiter *l); /* nobody may be waiting; NULL is fine */
void limiter_set(struct limiter *l, const struct limits *limits);
void limiter_get(struct limiter *l, struct limits *out);
/* A stop hook: from now on nothing is held back, so that what has begun can end in order. */
void limiter_stop(void *l);

/* About to send `bytes`, at most LIMITER_SLICE. */
void limiter_send(struct limiter *l, size_t bytes);
/* About to read `bytes` of disk `disk` (below WIRE_MAX_DISKS) with one request. */
void limiter_read(struct limiter *l, unsigned disk, size_t bytes);
/* The same by somebody whom a peer waits for: at once. Those who read next wait for that, too. */
void limiter_owe(struct limiter *l, unsigned disk, size_t bytes);

#endif
