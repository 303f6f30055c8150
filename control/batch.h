// SPDX-License-Identifier: Apache-2.0
/*
 * How a machine's disks are divided among workers. One worker takes only so many, which follows from what it is in its cloud
 * (provider.h, worker_size); a machine with more is copied in batches, one after the other, each by workers of its own that
 * are gone before the next are made, so that no batch needs more of a quota than the first. All disks were snapshot at one
 * instant before, and all are committed as one generation after; until then the run's epoch on the disks of earlier batches
 * keeps others out.
 */
#ifndef WHERRY_CONTROL_BATCH_H
#define WHERRY_CONTROL_BATCH_H

#include <stdbool.h>

#include "base/err.h"
#include "provider.h"

struct context;

#define BATCH_TEXT 32

/* Disks of a machine that are served at one time: those with first <= index < end. */
struct batch {
	unsigned first, end;
};

struct batches {
	unsigned disks; /* of the machine */
	unsigned each;  /* in a batch; the last may have less */
	unsigned count;
	struct worker_size source, target; /* of the workers; 0 disks: that side has none */
};

/* source: export workers take part. Import workers do where the replica's disks have to be attached. Asks both places. */
int batches_divide(struct context *c, unsigned disks, bool source, struct batches *out, struct err *e);
struct batch batches_at(const struct batches *b, unsigned i);
/* "the disks", or, where there are several batches, "disks 2-3 of 5", "disk 4 of 5". Returns out. */
const char *batches_text(const struct batches *b, unsigned i, char out[BATCH_TEXT]);
/* What tells the names of workers apart: "export", or, where there are several batches, "export2". Returns out. */
const char *batches_name(const struct batches *b, unsigned i, const char *role, char out[BATCH_TEXT]);

#endif
