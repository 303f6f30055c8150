// SPDX-License-Identifier: Apache-2.0
/*
 * The source's (or a local copy's) account of checkpoints: which pages wait for which checkpoint, and what is recorded
 * in the ledger once one is durable. A page belongs to the checkpoint in which its last chunk was handed on; chunks of
 * it may have gone with earlier ones, which are durable before.
 *
 * One thread (the filter) adds pages and closes checkpoints, another reports them durable.
 *
 * What was handed on and is not recorded is what a crash makes us do again. It is at most checkpoint_bytes: a
 * checkpoint is due before it outgrows half of that, and only one may be closed and not yet durable while the next one
 * fills. (A page is never split, so below two pages of data the bound is two pages.)
 *
 * Memory is bounded too: a checkpoint is due when CHECKPOINT_MAX_PAGES pages with data wait for it.
 */
#ifndef WHERRY_COPY_CHECKPOINT_H
#define WHERRY_COPY_CHECKPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "copy/copy.h"

#define CHECKPOINT_MAX_PAGES      512
#define CHECKPOINT_MAX_CLOSED     1
#define CHECKPOINT_MAX_ZERO_PAGES 65536  /* kept without their hashes */
#define CHECKPOINT_MAX_CHUNKS     131072 /* handed on: a target refuses more than twice as many */

struct checkpoints;

struct checkpoints *checkpoints_new(const struct copy_config *c, struct ledger *l);
void checkpoints_free(struct checkpoints *k); /* NULL is fine */

/* The one that is open: 1, 2, ... */
uint64_t checkpoints_current(const struct checkpoints *k);
/* A chunk, or a range of zeros, of so many bytes was handed on. Zeros count a sixty-fourth: writing them again costs
 * little. */
void checkpoints_count(struct checkpoints *k, uint64_t bytes, bool zero);
/* A changed page is complete. hashes NULL: all its chunks are zeros and of full length. */
void checkpoints_add(struct checkpoints *k, unsigned disk, uint64_t page, const uint8_t *hashes);
/* The disk was passed up to this page boundary (bytes). */
void checkpoints_passed(struct checkpoints *k, unsigned disk, uint64_t upto);
bool checkpoints_due(const struct checkpoints *k);
bool checkpoints_pending(const struct checkpoints *k); /* pages or bytes wait for the open one */
/* Close the open one, after a place is free among those not yet durable. -1: stopped. */
int checkpoints_close(struct checkpoints *k, struct err *e);

/* Checkpoint `id` is durable at the target: record its pages and sync the ledger. PROTOCOL when out of order. */
int checkpoints_durable(struct checkpoints *k, uint64_t id, struct err *e);
bool checkpoints_all_durable(struct checkpoints *k);
void checkpoints_stop(void *k); /* a stop hook */

#endif
