// SPDX-License-Identifier: Apache-2.0
/*
 * The copy itself: two enrolled workers, the working manifests between them, and a loop that feeds, watches and, when a
 * connection breaks, starts the workers' run again from what is durable, without a new snapshot or new workers.
 */
#ifndef WHERRY_CONTROL_TRANSFER_H
#define WHERRY_CONTROL_TRANSFER_H

#include "feed_pump.h"
#include "packing.h"
#include "scaffold.h"
#include "source_hints.h"

struct transfer_totals {
	uint64_t read, zero, unchanged, sent, wire, written, checkpoints; /* bytes of disk; wire: payload bytes */
	struct packing packing;
	unsigned attempts; /* how often workers were told to copy: once for a batch where nothing breaks */
	unsigned cuts; /* connections between the workers that broke and were made again */
};

/* All are about the disks of the batch whose workers there are.
 *
 * Hash those that need it on the target worker, into their working manifests. */
int transfer_rehash(struct scaffold *s, struct replica *r, struct err *e);
/* Export and import until every disk is durable; roots[i] is the source's root of disk i. Of disks with hints only these
 * are read, unless they turn out to be wrong. Adds to *out. */
int transfer_copy(struct scaffold *s, struct replica *r, struct source_hints *h, uint8_t (*roots)[MANIFEST_HASH],
		  struct transfer_totals *out, struct err *e);
/* Scan on the target worker against committed manifests; repair[i] (may be NULL): where differences are marked. */
int transfer_compare(struct scaffold *s, struct replica *r, struct pump_disk *disks, struct err *e);

#endif
