// SPDX-License-Identifier: Apache-2.0
/*
 * Hints: the ranges of one disk that may have changed since a committed generation, as its cloud or a person says. They
 * are an accelerator: what is outside of them is not read and taken for what the manifest says. So they are of use only
 * with the working manifest whose header names the same generation (manifest.h), and what that manifest does not vouch
 * for is added to them (hints_add_unsure).
 *
 * Memory is bounded: ranges are kept on the chunk grid, and when there are more than HINTS_MAX_RANGES, on a grid twice as
 * coarse, and so on. That makes them larger, never smaller. Not thread-safe.
 */
#ifndef WHERRY_MANIFEST_HINTS_H
#define WHERRY_MANIFEST_HINTS_H

#include <stdint.h>

#include "base/extents.h"
#include "manifest/manifest.h"

#define HINTS_MAX_RANGES 32768 /* half a MiB */

struct hints {
	struct extents ranges; /* bytes; on the chunk grid, except an end that is the disk's */
	uint64_t size;         /* bytes of disk */
	uint32_t chunk_size;
	uint64_t grain;        /* the grid, a power of two times the chunk size */
};

void hints_init(struct hints *h, uint64_t size, uint32_t chunk_size);
void hints_fini(struct hints *h);

/* Bytes; widened to the grid, cut off at the end of the disk. Cheap in rising order (extents.h). */
void hints_add(struct hints *h, uint64_t offset, uint64_t length);
/* Makes them coarser until there are no more than `most` ranges, which is at least 1. */
void hints_limit(struct hints *h, size_t most);
/* What must be read whatever the hints say: pages touched since m's generation, whole, because a run that died may have
 * written there what the source has taken back since; and pages of the hints of which m does not know every chunk. Costs
 * what is touched and hinted. m is of the same disk and chunk size. */
int hints_add_unsure(struct hints *h, struct manifest *m, struct err *e);

uint64_t hints_chunks(const struct hints *h);
/* The manifest pages that hold these chunks, counted in pages; added to `pages`. */
void hints_pages(const struct hints *h, struct extents *pages);
/* Do m's hashes of these pages give `root`, which is over just them? CORRUPT if not. */
int hints_check_root(const struct hints *h, struct manifest *m, const uint8_t root[MANIFEST_HASH], struct err *e);

#endif
