// SPDX-License-Identifier: Apache-2.0
/* What the tests of copy share: pairs of disks in memory, a ledger, and runs over them. Asserts on its own failures. */
#ifndef WHERRY_TESTS_COPY_FIXTURE_H
#define WHERRY_TESTS_COPY_FIXTURE_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "block/block_mem.h"
#include "copy/copy.h"
#include "copy/ledger_mem.h"
#include "net/stream_mem.h"

#define FX_CHUNK (UINT32_C(64) << 10)
#define FX_PAGE  (UINT64_C(127) * FX_CHUNK) /* bytes of disk in a page */
#define FX_DISKS 4

struct fx {
	struct manifest_keys keys;
	unsigned disks;
	struct mem_disk *source[FX_DISKS], *target[FX_DISKS];
	uint64_t size[FX_DISKS];
	uint32_t source_sector, target_sector;
	struct ledger *ledger;
	atomic_bool cancel;

	/* Settings of the next runs. */
	uint64_t checkpoint_bytes, pool_bytes;
	enum compression compression;
	bool no_read_back;
	int64_t silence_ns;
	unsigned threads;
	size_t pipe; /* bytes on the way */
	const struct hints *hints[FX_DISKS];
	void (*spoil)(struct stream *source_end, struct stream *target_end, void *ctx); /* before a wire run */
	void *spoil_ctx;

	/* Of the last run. */
	struct copy_packing packing;
	struct copy_progress progress[FX_DISKS], target_progress[FX_DISKS];
	uint8_t root[FX_DISKS][MANIFEST_HASH];
	bool refuted[FX_DISKS];
	uint64_t refuted_at[FX_DISKS];
	struct err source_err, target_err; /* target: wire runs */
};

struct fx *fx_new(void);
void fx_free(struct fx *f);
/* A pair of disks; the target may be larger. Both are files when is_file. */
void fx_add(struct fx *f, uint64_t size, uint64_t target_size, bool is_file);
void fx_start(struct fx *f); /* after the last fx_add: makes the ledger */

/* Bytes that do not compress and differ from seed to seed; never zero as a whole. */
void fx_fill(struct mem_disk *d, uint64_t offset, uint64_t length, uint64_t seed);
void fx_set(struct mem_disk *d, uint64_t offset, uint64_t length, int byte);

int fx_local(struct fx *f);
/* Both ends over a stream in memory; 0 when both ended well. */
int fx_wire(struct fx *f);
int fx_wire_over(struct fx *f, const struct copy_link *source, const struct copy_link *target);
int fx_scan(struct fx *f);
struct wire_hello fx_hello(const struct fx *f, enum wire_role role);

/* Every byte of every target is the source's, and what is behind is zero. */
void fx_assert_equal(const struct fx *f);
/* No durable hash of the ledger says what the target does not hold. */
void fx_assert_true(const struct fx *f);
/* Every chunk is known. */
void fx_assert_complete(const struct fx *f);
uint64_t fx_chunks(const struct fx *f); /* handed on by the last run, over all disks */

#endif
