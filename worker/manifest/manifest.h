// SPDX-License-Identifier: Apache-2.0
/*
 * A manifest: the hash of every chunk of one disk, as a file. One format serves the committed manifest of a
 * generation (never changed again) and the working manifest, which is the truth about a replica while runs write it.
 *
 * File: a header page of 4096 bytes, then pages of 4096 bytes. A page holds the hashes of MANIFEST_PAGE_CHUNKS (127)
 * chunks, 32 bytes each, and its sum: 32 bytes of keyed BLAKE3 over (page number as u64, the hashes). Page p is at
 * 4096 * (p + 1) and covers chunks [127 p, 127 (p + 1)); at the default chunk of 256 KiB that is just under 32 MiB.
 * Hash slots past the last chunk are zero. Behind the pages comes the tree (below).
 *
 *   hash  all zero = *unknown*: nothing is known of what the target holds there (no keyed BLAKE3 is all zero).
 *
 * Tree: pages of the same form over the sums of those below. Page q of level 1 holds the sums of pages [127 q, 127 (q + 1)),
 * one of level 2 the sums of 127 of level 1, and so on up to a level of one page; a disk that is not empty has at least
 * level 1. Levels follow each other in the file, the lowest first; the number under a sum is level << 56 | q.
 *
 *   sum   all zero = *touched*: something below is unknown, or was written since the tree was settled (manifest_settle).
 *
 * Whoever writes a page makes all sums above it zero, durable no later than the page itself. A manifest is settled when a
 * generation was committed with it, and the header's generation says which: so what was touched since that commit, and
 * the root, are found without reading the rest. At 127 to one the whole tree is less than a hundredth of the file. A
 * page of it that is torn or flipped reads as all touched and costs reading what is below.
 *
 * A page is the unit of durability: before the first write into its range its page is durably written as all unknown
 * (an intent), and after the checkpoint that made the range durable, with its hashes (a record). A page that is torn,
 * flipped or past the end of the file reads as unknown and costs a re-hash, never a wrong copy. A page of zeros only is
 * one that was never written (new files are sparse): unknown, but not damaged.
 *
 * Header (4096 bytes, little-endian): magic "WHERRYM1", u32 version, u32 flags (MANIFEST_F_*), u64 size, u32
 * chunk_size, u32 sector_size, u64 generation, u64 epoch, job[64], disk[64], key_id[16], root[32]; the last 32 bytes
 * are the keyed BLAKE3 of the rest. A header that fails its check is CORRUPT (another key fails it, too: the message
 * names both key ids); another version, which keeps magic, version, key_id and checksum in place, is UNSUPPORTED.
 *
 * Root of a disk = keyed BLAKE3 over u64 size, u32 chunk_size, then the sum of the tree's top page (nothing for an empty
 * disk): two sides compare a disk in one message, and the journal's copy of it authenticates a manifest wherever it is
 * kept.
 *
 * Key: 32 random bytes per job. The chunk hash key is BLAKE3 derive_key of it with context
 * "wherry 2026 chunk hash v1"; pages, header and root use "wherry 2026 manifest v1"; key_id is the first 16 bytes under
 * "wherry 2026 key id v1". So a manifest tells nothing about content, and nobody without the key can prepare collisions.
 *
 * New files, and committed ones, are made as <path>.new and get their name when they are durable; a killed run may
 * leave that one file, which the next overwrites.
 *
 * Memory is constant: one page at a time. Not thread-safe; one writer per file.
 */
#ifndef WHERRY_MANIFEST_MANIFEST_H
#define WHERRY_MANIFEST_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define MANIFEST_HASH         32
#define MANIFEST_PAGE         4096
#define MANIFEST_PAGE_CHUNKS  127
#define MANIFEST_PAGE_HASHES  (MANIFEST_PAGE_CHUNKS * MANIFEST_HASH) /* 4064 */
#define MANIFEST_KEY_ID       16
#define MANIFEST_VERSION      2

#define MANIFEST_F_HINTED     1u /* made with hints: not every byte was read */

/* The keys derived from a job's secret. Wipe with mem_wipe. */
struct manifest_keys {
	uint8_t chunk[32];
	uint8_t page[32];
	uint8_t id[MANIFEST_KEY_ID];
};
void manifest_keys_derive(const uint8_t secret[32], struct manifest_keys *k);

/* Keyed BLAKE3 of one chunk. */
void manifest_hash(const struct manifest_keys *k, const void *p, size_t n, uint8_t out[MANIFEST_HASH]);
bool manifest_is_unknown(const uint8_t hash[MANIFEST_HASH]);

struct manifest_info {
	uint64_t size;        /* bytes of disk */
	uint32_t chunk_size;
	uint32_t sector_size;
	uint64_t generation;  /* 0: none committed yet */
	uint64_t epoch;       /* of the last run that wrote */
	uint32_t flags;
	char job[64];
	char disk[64];        /* the provider's stable disk id */
	uint8_t root[MANIFEST_HASH]; /* zero in a working manifest */
};
uint64_t manifest_chunk_count(const struct manifest_info *i);
uint64_t manifest_page_count(const struct manifest_info *i);
/* Bytes of chunk c: chunk_size, less for the last. */
uint32_t manifest_chunk_length(const struct manifest_info *i, uint64_t c);

struct manifest;

/* Make `path` anew (REFUSED if it exists), all unknown, durable; open for WRITE and locked. */
struct manifest *manifest_create(const char *path, const struct manifest_info *i, const struct manifest_keys *k,
				 struct err *e);
enum manifest_mode { MANIFEST_READ, MANIFEST_WRITE };
/* Opens and checks the header (key, version, checksum). Takes an exclusive lock for WRITE (BUSY if held). */
struct manifest *manifest_open(const char *path, enum manifest_mode mode, const struct manifest_keys *k,
			       struct err *e);
void manifest_close(struct manifest *m); /* NULL is fine; does not sync */
const struct manifest_info *manifest_info(const struct manifest *m);
/* Replace the header's changeable part (generation, epoch, flags, root, and size when the disk grew), durably. What is
 * new is unknown, and so is a last chunk that became longer. REFUSED for anything else, and for a disk that shrank. */
int manifest_set_info(struct manifest *m, const struct manifest_info *i, struct err *e);

/* The 127 hashes of page p. A page that fails its check gives zeros and counts in *damaged (may be NULL). */
int manifest_read_page(struct manifest *m, uint64_t p, uint8_t hashes[MANIFEST_PAGE_HASHES], uint64_t *damaged,
		       struct err *e);
/* Written to the file, not yet durable: call manifest_sync once for many pages. */
int manifest_write_page(struct manifest *m, uint64_t p, const uint8_t hashes[MANIFEST_PAGE_HASHES], struct err *e);
int manifest_sync(struct manifest *m, struct err *e);

/* Walk all pages, whatever the tree says: the root, and how many chunks are unknown (then the root means nothing). */
int manifest_root(struct manifest *m, uint8_t root[MANIFEST_HASH], uint64_t *unknown, struct err *e);
/* The same at the price of what was touched: of the rest, the tree's sums are believed. */
int manifest_root_by_tree(struct manifest *m, uint8_t root[MANIFEST_HASH], uint64_t *unknown, struct err *e);
/* The first touched page at or after `from`; the page count when there is none. */
int manifest_next_touched(struct manifest *m, uint64_t from, uint64_t *page, struct err *e);
/* From here on "touched" means: since now. Durable. Call it when the header's generation is committed and durable;
 * before that, it would forget what a run that dies has written. */
int manifest_settle(struct manifest *m, struct err *e);

/* Make `path` anew (REFUSED if it exists) with the pages of m, tree and all, and i for a header; durable; open for WRITE
 * and locked. Costs a copy of the file, which is free where the file system shares blocks. */
struct manifest *manifest_clone(struct manifest *m, const char *path, const struct manifest_info *i, struct err *e);
/* Copy m to `path` as committed manifest, settled: temp file, fsync, rename, fsync of the folder. REFUSED while a chunk
 * is unknown, CORRUPT when root differs from info->root. With MANIFEST_F_HINTED in i->flags the tree is believed where
 * nothing was touched, else all pages are read. */
int manifest_commit(struct manifest *m, const char *path, const struct manifest_info *i, struct err *e);

/* Running root. Pages are added in rising order, slots past the last chunk zero. Those that are left out count as
 * touched: all of them added give the disk's root, some of them that of just these. */
struct manifest_rooter;
struct manifest_rooter *manifest_rooter_new(const struct manifest_keys *k, uint64_t size, uint32_t chunk_size);
void manifest_rooter_add(struct manifest_rooter *r, uint64_t page, const uint8_t hashes[MANIFEST_PAGE_HASHES]);
void manifest_rooter_finish(struct manifest_rooter *r, uint8_t root[MANIFEST_HASH]); /* frees r */
void manifest_rooter_free(struct manifest_rooter *r);

#endif
