// SPDX-License-Identifier: Apache-2.0
/*
 * Hints of the source cloud (provider.h changed_ranges) for one run: whether they may be used, and what they are. They
 * are used when the job allows it and no full scan is due, for the disks of which the cloud knows what was written since
 * the source snapshot of the last committed generation (the baseline), whose size did not change, and whose working
 * manifest counts from that generation, too. A run without them is only slower, so nothing here but an interrupt and a
 * damaged manifest is an error; what keeps hints from being used is told.
 */
#ifndef WHERRY_CONTROL_SOURCE_HINTS_H
#define WHERRY_CONTROL_SOURCE_HINTS_H

#include <stdbool.h>

#include "manifest/hints.h"
#include "replica.h"

struct source_hints {
	struct hints disk[WIRE_MAX_DISKS];
	bool given[WIRE_MAX_DISKS];
	bool refuted[WIRE_MAX_DISKS]; /* the worker found that they leave out what changed: it reads all of that disk */
};

/* Why the run after `generation` reads everything, in words for people; NULL: where the cloud gives hints, they are
 * used. text holds the words. */
const char *source_hints_why_not(struct context *c, uint64_t generation, char text[160], struct err *e);

/* After the snapshots of this run were taken, and before the replica is written. Call source_hints_fini in any case. */
int source_hints_gather(struct context *c, const struct machine *m, struct replica *r, struct source_hints *h,
			struct err *e);
void source_hints_fini(struct source_hints *h);

/* What disk i's source worker is to read; NULL: everything. Before every attempt refresh them: what earlier ones began to
 * write must be read, too. */
int source_hints_refresh(struct source_hints *h, struct replica *r, struct err *e);
const struct hints *source_hints_of(const struct source_hints *h, unsigned i);

/* Disk i is durable, and *root is over what its worker read: checks it against the working manifest and makes it the
 * root of the disk. Marks the disk as hinted where it was. */
int source_hints_root(const struct source_hints *h, struct replica *r, unsigned i, uint8_t root[MANIFEST_HASH],
		      struct err *e);

#endif
