// SPDX-License-Identifier: Apache-2.0
/*
 * The sample that checks a disk's hints: chunks that they leave out are read, hashed and compared with the baseline. One
 * in every equal share of those chunks, chosen at random within it: one for SAMPLE_PART chunks to be read anyway, but at
 * least SAMPLE_MIN and at most SAMPLE_MAX; all of them when there are fewer. So checking costs in proportion to the
 * change, and never more than SAMPLE_MAX reads.
 *
 * When a fraction f of the chunks left out has really changed, n samples find that with probability 1 - (1 - f)^n or
 * better:
 *
 *       f         n = 64   256     1024
 *     10 %        99.9 %   100 %   100 %
 *      5 %        96 %     100 %   100 %
 *      1 %        47 %     92 %    100 %
 *      0.1 %       6 %     23 %     64 %
 *
 * A few forgotten chunks are rarely found so: that is why a full scan follows every so many runs.
 */
#ifndef WHERRY_COPY_SAMPLE_H
#define WHERRY_COPY_SAMPLE_H

#include "copy/copy.h"
#include "copy/pipeline.h"
#include "copy/pool.h"

#define SAMPLE_MIN  64
#define SAMPLE_MAX  1024
#define SAMPLE_PART 16

/* How many to read. */
uint64_t sample_count(uint64_t hinted, uint64_t left_out);

/* Samples disk d, and tells the ledger which of its pages will be read afterwards; nothing to do without hints. Fills
 * d->refuted. buffers: of a chunk at least; one is taken meanwhile. In the thread that uses the disk; its end when p is
 * stopped is that of pipeline_set_stopped. */
int sample_check(const struct copy_config *c, unsigned disk, struct ledger *l, struct pool *buffers, struct pipeline *p,
		 struct err *e);

#endif
