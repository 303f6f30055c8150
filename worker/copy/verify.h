// SPDX-License-Identifier: Apache-2.0
/* Reads back what was written (the block's O_DIRECT reaches the medium, not a cache) and compares. */
#ifndef WHERRY_COPY_VERIFY_H
#define WHERRY_COPY_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "block/block.h"
#include "copy/copy.h"
#include "copy/pipeline.h"
#include "copy/pool.h"
#include "copy/written.h"

struct verify {
	struct block *block;
	struct pool *pool; /* buffers of at least a chunk's size */
	const struct manifest_keys *keys;
	const struct pipeline *pipeline; /* looked at for a stop */
	struct copy_progress *progress;    /* counts what verify_written read; may be NULL */
};

/* CORRUPT: something else is there. Neighbours in the list are read at once. Nothing may be under way on the block. */
int verify_written(const struct verify *v, const struct written *list, size_t count, struct err *e);

/* The range must be zeros; what is not is made so and then flushed and, with read_back, checked. */
int verify_tail(const struct verify *v, uint64_t from, uint64_t to, bool read_back, struct err *e);

#endif
