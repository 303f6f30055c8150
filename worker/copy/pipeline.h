// SPDX-License-Identifier: Apache-2.0
/*
 * Runs stages: owns their threads and the bounded rings between them, keeps the first error, and drains. Order of
 * use: new, add and link everything, run once, free.
 *
 * The first error (or cancel) stops everything: rings are closed, the stop hooks are called once, every thread
 * leaves what it waits for, chunks still under way are dropped.
 */
#ifndef WHERRY_COPY_PIPELINE_H
#define WHERRY_COPY_PIPELINE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "copy/stage.h"

struct pipeline *pipeline_new(const atomic_bool *cancel); /* cancel may be NULL; borrowed */
void pipeline_free(struct pipeline *p);                    /* closes the stages; NULL is fine */

/* Takes the stage. threads 0: runs in the threads of the stages before it. */
void pipeline_add(struct pipeline *p, struct stage *s, unsigned threads);
void pipeline_link(struct stage *from, struct stage *to);
/* fn makes whatever blocks elsewhere return soon. From any thread, without locks of the pipeline. */
void pipeline_on_stop(struct pipeline *p, void (*fn)(void *ctx), void *ctx);
/* fn is called about every 50 ms while threads run, by the thread in pipeline_run; an error of it stops. */
void pipeline_on_tick(struct pipeline *p, int (*fn)(void *ctx, bool stopped, struct err *e), void *ctx);

int pipeline_run(struct pipeline *p, struct err *e);

/* From any thread. Only the first call counts. */
void pipeline_fail(struct pipeline *p, const struct err *why);
bool pipeline_stopped(const struct pipeline *p);
/* Fills *e with "stopped"; it is never the first error. Always -1. */
int pipeline_set_stopped(struct err *e);

#endif
