// SPDX-License-Identifier: Apache-2.0
/*
 * One run from its order to its end, for runner.c: waits for its disks, meets its peer, lets the engine work, and
 * closes everything again. Private to job/.
 */
#ifndef WHERRY_JOB_RUN_H
#define WHERRY_JOB_RUN_H

#include <stdatomic.h>

#include "job/ledger_feed.h"
#include "job/link_watch.h"
#include "copy/sink_blob.h"
#include "job/runner.h"

struct run {
	const struct runner_config *config; /* borrowed */
	struct run_spec spec;
	struct ledger_feed *feed;
	struct copy_progress progress[WIRE_MAX_DISKS];
	struct copy_packing packing;
	struct sink_blob *blob[WIRE_MAX_DISKS]; /* NULL: none */
	struct link_watch *watch;
	struct limiter *limiter;
	atomic_bool cancel;
	/* Gives a connection that came in, or NULL after timeout_ns; the runner's. */
	struct stream *(*accept)(void *ctx, int64_t timeout_ns);
	/* From now on it returns what is there, at once. From any thread. */
	void (*wake)(void *ctx);
	void *ctx;
};

/* spec: taken, and left empty. */
struct run *run_new(const struct runner_config *config, struct run_spec *spec);
void run_free(struct run *r);
/* From any thread: run_work() returns CANCELED soon. */
void run_cancel(struct run *r);
/* From any thread, once a token has come that holds longer. CONFIG: the run has no such blob. */
int run_set_token(struct run *r, unsigned index, const char *token, struct err *e);
/* All of it, in the calling thread. The feed has its last record afterwards. */
int run_work(struct run *r, struct err *e);

#endif
