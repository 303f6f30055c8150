// SPDX-License-Identifier: Apache-2.0
/*
 * A stage: one step of the way of the data. It owns no threads: pipeline.c runs it. A source has `produce`, all
 * others `process`. Embed `struct stage` first in the stage's own struct.
 */
#ifndef WHERRY_COPY_STAGE_H
#define WHERRY_COPY_STAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"
#include "copy/chunk.h"

struct pipeline;
struct ring;
struct stage;

struct stage_ops {
	const char *name;
	bool takes_batches; /* false: the chunks of a batch are processed one by one */
	/* A source: emit everything, then return. Looks at pipeline_stopped() between waits. */
	int (*produce)(struct stage *s, struct err *e);
	/* Takes c, also on failure. Called by `threads` threads at once, or, with 0 threads, by the threads of the
	 * stages before it. */
	int (*process)(struct stage *s, struct chunk *c, struct err *e);
	/* Nothing came for idle_ns. May be NULL. */
	int (*idle)(struct stage *s, struct err *e);
	/* After the last chunk, once. Not called when the pipeline was stopped. May be NULL. */
	int (*flush)(struct stage *s, struct err *e);
	/* The pipeline was stopped because of *why; called in the stage's last thread before it ends. May be NULL. */
	void (*abandon)(struct stage *s, const struct err *why);
	/* Frees s. Waits for input and output that still uses buffers. All threads have ended. */
	void (*close)(struct stage *s);
};

struct stage {
	const struct stage_ops *ops;
	/* How long to wait for a chunk before idle(): < 0 for ever, 0 not at all. The stage's own thread may change
	 * it; it takes effect with the next wait. */
	int64_t idle_ns;

	/* Private to pipeline.c. */
	struct pipeline *pipeline;
	unsigned threads;
	unsigned live;    /* threads that run */
	unsigned feeders; /* stages before it that have not ended */
	bool output_ended;
	struct ring *in;  /* NULL: a source, or without threads */
	VEC(struct stage *) outs;
};

/* Hand c to the first stage linked behind s, or to one of them. Takes c. -1: the pipeline was stopped. */
int stage_emit(struct stage *s, struct chunk *c, struct err *e);
/* The same towards a stage that runs in any number of threads, but its work is done in this thread, which saves waking
 * another, unless `share` is set and one of its own threads has nothing to do. */
int stage_run(struct stage *s, struct chunk *c, bool share, struct err *e);
int stage_send(struct stage *to, struct chunk *c, struct err *e);
/* A source will emit nothing more, though it has not returned yet: what is behind it may end. */
void stage_end_output(struct stage *s);
/* Chunks that wait before s. */
size_t stage_waiting(struct stage *s);

#endif
