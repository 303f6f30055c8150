// SPDX-License-Identifier: Apache-2.0
/*
 * Two stream ends in memory: what one writes the other reads. For tests, with the faults of a bad network.
 * Each end is closed on its own, from its own thread; closing or aborting one is the orderly end for the
 * other.
 */
#ifndef WHERRY_NET_STREAM_MEM_H
#define WHERRY_NET_STREAM_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "net/stream.h"

/* capacity: bytes that may be on the way, per direction, before a writer waits. */
void stream_mem_pair(size_t capacity, struct stream *end[2]);

enum stream_mem_fault {
	STREAM_MEM_CUT, /* the connection breaks, both ways, once `at` bytes went through */
	STREAM_MEM_FLIP, /* the lowest bit of byte `at` arrives inverted */
	STREAM_MEM_STALL, /* byte `at` and all after it never arrive, yet nothing breaks */
	STREAM_MEM_FAULTS
};

/* Plan a fault in what `writer` sends, at a byte counted from the first one ever sent. One of each kind. */
void stream_mem_fault(struct stream *writer, enum stream_mem_fault fault, uint64_t at);

#endif
