// SPDX-License-Identifier: Apache-2.0
/*
 * A disk in memory, for tests: it fails, lies and loses power as told. A disk outlives the blocks opened on it, so that
 * a test can cut the power and look at, or open, what was left. Memory is taken only for what is written, so a disk may
 * be huge. Requests are done when they are waited for, in an order that `seed` shuffles. Its blocks may be used in
 * different threads, mem_disk_* while nothing is under way.
 */
#ifndef WHERRY_BLOCK_BLOCK_MEM_H
#define WHERRY_BLOCK_BLOCK_MEM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/extents.h"
#include "block/block.h"

enum mem_op { MEM_READ, MEM_WRITE, MEM_ZERO, MEM_FLUSH, MEM_OPS };

enum mem_effect {
	MEM_FAIL,  /* the operation ends with `error` after its first `partial` bytes took effect */
	MEM_FLIP,  /* it succeeds, but the lowest bit of its byte at `flip_at` is wrong (reads: in the buffer only) */
	MEM_DROP,  /* a write, zero or flush says that it succeeded and did nothing */
	MEM_POWER, /* the power fails in the middle of it: `partial` bytes of it took effect; everything fails with EIO
		    * until mem_disk_power_on */
};

struct mem_fault {
	enum mem_op op;
	enum mem_effect effect;
	uint64_t offset, length; /* operations that touch this range; length 0: all */
	unsigned skip;           /* let so many of them pass first */
	unsigned times;          /* then hit so many; 0: for ever */
	int error;               /* MEM_FAIL: an errno */
	uint32_t partial;        /* MEM_FAIL and MEM_POWER: bytes */
	uint64_t flip_at;        /* MEM_FLIP: offset on the disk */
};

struct mem_counters {
	uint64_t ops[MEM_OPS];   /* completed well or ill */
	uint64_t bytes[MEM_OPS]; /* of those that completed well */
};

struct mem_disk;

/* All zeros, all durable. sector: 512 or 4096. is_file allows an odd size and makes holes of what was never written. */
struct mem_disk *mem_disk_new(const char *name, uint64_t size, uint32_t sector, bool is_file);
void mem_disk_free(struct mem_disk *d);
void mem_disk_seed(struct mem_disk *d, uint64_t seed); /* 0: in the order of submission, as at the start */
void mem_disk_gathers(struct mem_disk *d, uint32_t bytes); /* block_info.gathers of blocks that are opened from now on */
/* Faults are tried in the order of adding; the first that hits acts. Copied. */
void mem_disk_fault(struct mem_disk *d, const struct mem_fault *f);
void mem_disk_clear_faults(struct mem_disk *d);
/* Power fails now (or did by a fault) and comes back: of the sectors written since the last good flush a random half,
 * drawn by `seed`, is lost; seed 0 loses all of them. Everything that is left is durable. */
void mem_disk_power_on(struct mem_disk *d, uint64_t seed);
/* Put bytes on the disk, durable, past all faults and counters; and look at what a read would give now. */
void mem_disk_put(struct mem_disk *d, uint64_t offset, const void *p, uint64_t n);
const uint8_t *mem_disk_bytes(const struct mem_disk *d); /* borrowed; all `size` bytes */
const struct mem_counters *mem_disk_counters(const struct mem_disk *d);
const struct extents *mem_disk_unflushed(const struct mem_disk *d);

/* The disk stays the caller's. */
struct block *block_mem_open(struct mem_disk *d, enum block_mode mode, unsigned depth);

#endif
