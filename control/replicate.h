// SPDX-License-Identifier: Apache-2.0
/*
 * The run itself, top to bottom like the picture in ARCHITECTURE "The way of the data". A context holds what a command
 * needs of one job: state, keys, journal, both places.
 */
#ifndef WHERRY_CONTROL_REPLICATE_H
#define WHERRY_CONTROL_REPLICATE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "cloud.h"
#include "config.h"
#include "events.h"
#include "journal.h"
#include "state.h"

struct context {
	struct job job;
	struct state state;
	struct job_keys keys;
	struct journal *journal;
	struct provider *source_p, *target_p;
	struct cloud source, target;
	struct events *events;
	const struct log *log;
	const atomic_bool *cancel;
	int lock;                  /* of the job, -1 when not held */
};

/* Opens everything a command on `file` needs; lock: take the job's lock as `command`. */
int context_open(struct context *c, const char *file, const char *state_dir, bool lock, const char *command,
		 struct events *ev, const struct log *log, const atomic_bool *cancel, struct err *e);
void context_close(struct context *c);

/* Finish or undo what dead runs of this job left (journal and tags). First step of every command that changes. */
int recover(struct context *c, unsigned *removed, struct err *e);
int replicate_sync(struct context *c, struct err *e);
/* Reads the replica back through an import worker and compares with the last committed manifest. */
int replicate_verify(struct context *c, struct err *e);
/* last_good: from the kept generation snapshot when the replica is DIRTY. */
int replicate_promote(struct context *c, bool last_good, bool start, struct err *e);

#endif
