// SPDX-License-Identifier: Apache-2.0
/*
 * Records of the feed (net/api_names.h): what a worker asks of its controller and reports to it. This is only the
 * codec; the queue is job/ledger_feed.c, the consumer control/feed_pump.c.
 */
#ifndef WHERRY_NET_FEED_H
#define WHERRY_NET_FEED_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "net/api_names.h"

#define FEED_PAGE_BYTES (127 * 32)

struct feed_record {
	uint64_t seq;        /* counts from 1 within a run, without gaps */
	uint8_t type;        /* enum api_feed_type */
	uint16_t disk;
	uint64_t page;
	uint32_t count;      /* WANT: pages; REFUTED: number of a chunk within the page */
	const uint8_t *payload; /* PAGE: FEED_PAGE_BYTES, DISK: 32; decode: points into the input */
	uint32_t payload_len;
	enum err_kind kind;  /* FAILED */
	char message[512];   /* FAILED */
};

void feed_encode(const struct feed_record *r, struct buf *out); /* appends */
/* One record from *p (advanced), n bytes left (reduced). 1: got one, 0: end, -1 PROTOCOL. */
int feed_decode(const uint8_t **p, size_t *n, struct feed_record *out, struct err *e);

#endif
