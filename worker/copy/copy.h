// SPDX-License-Identifier: Apache-2.0
/*
 * The engine. Four ways to put the same stages together:
 *
 *   copy_export   reader -> hasher -> filter -> compressor -> sender                (to a peer over wherry/1)
 *   copy_import   receiver -> decompressor -> writer -> flush -> verifier           (from a peer)
 *   copy_local    reader -> hasher -> filter -> writer -> flush -> verifier         (two disks of this host)
 *   copy_scan     reader -> hasher -> recorder                                      (hash what is there)
 *
 * Each call runs the whole job with its own threads and returns when all of it is durable, or at the first error.
 * Several disks are worked on at once and share one chunk pool, whose size is the memory bound.
 *
 * Checkpoints: all pages (manifest.h) of a disk that the reader has passed since the last checkpoint are written,
 * flushed and, with read_back, read again with O_DIRECT and compared with their hashes, before they are recorded in
 * the ledger. A checkpoint is taken at a page boundary, before more than half of checkpoint_bytes wait for it or when
 * checkpoint_ns passed: so at most checkpoint_bytes are ever done again after a crash.
 * A page whose hashes equal its baseline is neither intended nor written nor recorded.
 *
 * Hints (manifest/hints.h): of a disk that has them only their ranges are read; what is outside is taken for what the
 * baseline says, and pages wholly outside are not even asked of the ledger. Before that, a random sample of the chunks
 * outside is read and compared with the baseline (sample.h). When one differs, the hints have lied: the disk is read from
 * its start to its end as if there were none, and the ledger hears of it.
 */
#ifndef WHERRY_COPY_COPY_H
#define WHERRY_COPY_COPY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compression.h"
#include "base/err.h"
#include "block/block.h"
#include "copy/ledger.h"
#include "copy/limiter.h"
#include "copy/link.h"
#include "manifest/hints.h"
#include "manifest/manifest.h"
#include "net/wire.h"

#define COPY_DEFAULT_CHUNK            (UINT32_C(256) << 10)
#define COPY_DEFAULT_CHECKPOINT_BYTES (UINT64_C(1) << 30)
#define COPY_DEFAULT_CHECKPOINT_NS    INT64_C(10000000000)
#define COPY_DEFAULT_POOL_BYTES       (UINT64_C(16) << 20)

/* All in bytes of disk; written by the engine, read by anybody at any time. */
struct copy_progress {
	atomic_uint_fast64_t scanned;   /* read (or known to be a hole) and hashed */
	atomic_uint_fast64_t zero;      /* of these: zeros */
	atomic_uint_fast64_t holes;     /* of these: not even read, because SEEK_DATA said so */
	atomic_uint_fast64_t skipped;   /* not read nor hashed, because the hints said so; counts in `scanned`, too */
	atomic_uint_fast64_t sampled;   /* read and hashed to check the hints; in none of the others */
	atomic_uint_fast64_t unchanged; /* equal to the baseline: not sent */
	atomic_uint_fast64_t sent;      /* handed on as data (export, local) */
	atomic_uint_fast64_t sent_zero; /* handed on as zeros */
	atomic_uint_fast64_t sent_wire; /* payload bytes after compression */
	atomic_uint_fast64_t chunks;    /* chunks handed on, zero or not */
	atomic_uint_fast64_t written;   /* written at the target, zeros included */
	atomic_uint_fast64_t verified;  /* read back and equal */
	atomic_uint_fast64_t durable;   /* of disk: everything up to here is durable and recorded */
	atomic_uint_fast64_t checkpoints;
};

struct copy_disk {
	struct block *block;         /* borrowed */
	struct block *target;        /* copy_local only; borrowed */
	uint64_t size;               /* bytes of the copy; the target may be larger, its tail is zeroed and verified */
	struct copy_progress *progress; /* borrowed */
	const struct hints *hints;   /* borrowed, NULL: none. Its chunk size is the run's; not for copy_import */
	/* Filled by the engine: */
	bool refuted;                /* the hints lied */
	uint64_t refuted_at;         /* offset of a chunk they left out */
	uint8_t root[MANIFEST_HASH]; /* on success: over the source's pages that were read, so of all of the disk unless
				      * there were hints and they were not refuted (not by copy_import) */
};

/* How an export sent its data: written by the engine, read by anybody at any time. */
#define COPY_LEVELS 4
struct copy_packing {
	atomic_uint_fast64_t raw_chunks, raw_bytes; /* as they were */
	struct copy_level {
		atomic_int level;                    /* of zstd; 0: this one and those behind it are not in use */
		atomic_uint_fast64_t chunks, bytes, packed; /* bytes: before, packed: after */
	} levels[COPY_LEVELS];
};

struct copy_config {
	const struct manifest_keys *keys;
	uint32_t chunk_size;
	uint64_t checkpoint_bytes;
	int64_t checkpoint_ns;
	uint64_t pool_bytes;
	enum compression compression; /* AUTO: see pack_choice.h */
	int level;                   /* of ZSTD */
	struct copy_packing *packing; /* borrowed; NULL: nobody wants to know */
	bool read_back;
	struct copy_disk *disks;
	unsigned disk_count;
	unsigned threads;            /* that hash and pack; 0: one per processor */
	int64_t silence_ns;          /* of a peer, before it counts as dead; 0: WIRE_SILENCE_NS (tests shorten it) */
	struct wire_hello hello;     /* export and import; the engine fills in the channel */
	struct limiter *limiter;     /* of reads, sampled and repeated ones, too, and of what an export sends; borrowed;
				      * NULL: none */
	atomic_bool *cancel;         /* borrowed; set from any thread or a signal handler: ends with CANCELED soon */
};

int copy_export(const struct copy_config *c, const struct copy_link *link, struct ledger *l, struct err *e);
int copy_import(const struct copy_config *c, const struct copy_link *link, struct err *e);
int copy_local(const struct copy_config *c, struct ledger *l, struct err *e);
int copy_scan(const struct copy_config *c, struct ledger *l, struct err *e);

/* The ranges to read of a disk; NULL: all of it. Settled once its sample was checked. */
const struct extents *copy_disk_ranges(const struct copy_disk *d);

/* Checks everything that can be wrong with a config before a byte is written: chunk size, sizes, sector sizes. */
int copy_check(const struct copy_config *c, bool writes, struct err *e);
int copy_check_link(const struct copy_link *link, struct err *e);

#endif
