// SPDX-License-Identifier: Apache-2.0
/* What the four ways to run the stages share: the pipeline, its pools and its source side. */
#ifndef WHERRY_COPY_RUN_H
#define WHERRY_COPY_RUN_H

#include "copy/stages.h"

struct run {
	const struct copy_config *c;
	struct ledger *ledger; /* NULL on the target */
	struct pipeline *pipeline;
	struct checkpoints *checkpoints;
	struct pool *slabs; /* of what is read from a source, or received: the disks' transfers are prepared for them */
	struct pool *packed, *unpacked, *read_back, *again;
};

void run_init(struct run *r, const struct copy_config *c, struct ledger *l);
void run_fini(struct run *r); /* closes all stages */

/* A pool of `parts` sixteenths of the configured memory, closed when the pipeline stops. At least so many buffers are in
 * it, whatever that takes: two where both neighbours of the pool stand still without one; else one, for with chunks of
 * 4 MiB every buffer counts. */
int run_pool(struct run *r, struct pool **pool, unsigned parts, unsigned least, size_t unit, struct err *e);
/* Buffers of a read: as large as a read or a chunk. */
size_t run_slab_bytes(const struct run *r);
int run_slabs(struct run *r, struct pool **pool, unsigned parts, unsigned least, struct err *e);

unsigned run_threads(const struct run *r);
/* Of those, what is left besides `busy` threads that have enough to do. */
unsigned run_spare_threads(const struct run *r, unsigned busy);
/* Readers and hashers that feed `to`. */
void run_add_source(struct run *r, struct stage *to);
/* Lanes and verifiers behind `writer`, which feed `to`. */
void run_add_lanes(struct run *r, struct stage *writer, struct stage *to);

/* Run; on success tell the ledger that the disks are done. */
int run_go(struct run *r, struct err *e);

#endif
