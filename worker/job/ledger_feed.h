// SPDX-License-Identifier: Apache-2.0
/*
 * The ledger of a run whose manifests are at the controller, and the queue of feed records (net/api_names.h) between
 * the two. The engine works on the ledger; HTTP handlers serve the queue. What the controller acknowledges is durable
 * there. Any thread.
 *
 * Bounds: FEED_QUEUE_BYTES of records not yet acknowledged, then the engine waits; baseline pages are asked for two
 * windows ahead of the reader and no further, of a disk with hints only those expected; and windows shrink when there are
 * many disks.
 */
#ifndef WHERRY_JOB_LEDGER_FEED_H
#define WHERRY_JOB_LEDGER_FEED_H

#include <stdint.h>

#include "base/buf.h"
#include "copy/ledger.h"
#include "net/feed.h"

#define FEED_QUEUE_BYTES   ((size_t)2 << 20)
#define FEED_WINDOW        64  /* pages asked for at a time */
#define FEED_WINDOWS_TOTAL 512 /* pages of all disks' windows together, at most */

struct ledger_feed;

/* A disk of the run: the engine counts them from 0, the controller knows them by `index`. */
struct ledger_feed_disk {
	unsigned index;
	uint64_t pages; /* of its manifest */
};

struct ledger_feed *ledger_feed_new(const struct ledger_feed_disk *disks, unsigned count);
struct ledger *ledger_feed_ledger(struct ledger_feed *f); /* part of f; ledger_close() of it does nothing */
void ledger_feed_free(struct ledger_feed *f);             /* nobody may be in a call */

/* All records after `ack`, waiting up to wait_ns for the first; none is no error. PROTOCOL: that ack cannot be. */
int ledger_feed_collect(struct ledger_feed *f, uint64_t ack, int64_t wait_ns, struct buf *out, struct err *e);
/* Baseline pages from `first`, FEED_PAGE_BYTES each. Pages the reader has passed are ignored; PROTOCOL for pages it
 * never asked for and for odd lengths. */
int ledger_feed_put_pages(struct ledger_feed *f, unsigned index, uint64_t first, const void *data, size_t len,
			  struct err *e);
/* The run is over: the last record is FINISHED, or FAILED with *why. Once. */
void ledger_feed_end(struct ledger_feed *f, const struct err *why);
/* Wakes everybody who waits in collect, for good: another run begins or the worker ends. */
void ledger_feed_abandon(struct ledger_feed *f);

#endif
