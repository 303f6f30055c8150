// SPDX-License-Identifier: Apache-2.0
/*
 * A set of bytes of a disk, kept as sorted ranges [start, end) that neither overlap nor touch: what a cloud says has
 * changed, or what is not flushed yet. Adding in rising order is cheap, in any other order it moves what is behind.
 * `struct extents x = {0}` is empty. Not thread-safe.
 */
#ifndef WHERRY_BASE_EXTENTS_H
#define WHERRY_BASE_EXTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"

struct extent {
	uint64_t start, end;
};

struct extents {
	VEC(struct extent) list;
};

void extents_fini(struct extents *x);
/* Empty ranges and ends before starts add nothing. */
void extents_add(struct extents *x, uint64_t start, uint64_t end);
void extents_clear(struct extents *x);
bool extents_contains(const struct extents *x, uint64_t start, uint64_t end); /* all of it; true when empty */
bool extents_overlaps(const struct extents *x, uint64_t start, uint64_t end); /* any of it */
uint64_t extents_bytes(const struct extents *x);
/* The first bytes of the set at or after `from`; false when there are none. */
bool extents_next(const struct extents *x, uint64_t from, struct extent *out);

#endif
