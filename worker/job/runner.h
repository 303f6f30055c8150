// SPDX-License-Identifier: Apache-2.0
/*
 * One run at a time: idle -> running -> finished | failed, and again running. A failed run keeps nothing: the
 * controller orders another one, which compares against the working manifest. The feed of the last run stays to be
 * read until the next one begins. Any thread.
 */
#ifndef WHERRY_JOB_RUNNER_H
#define WHERRY_JOB_RUNNER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/log.h"
#include "block/disk_source.h"
#include "boot/bootdata.h"
#include "job/link_watch.h"
#include "job/run_engine.h"
#include "job/run_spec.h"

struct runner_config {
	const struct bootdata *boot;     /* all borrowed */
	const struct run_engine *engine;
	struct disk_source *disks;
	const struct log *log;
	/* One attempt to reach the other worker; NETWORK and TIMEOUT are tried again. */
	struct stream *(*dial)(void *ctx, const char *address, struct err *e);
	void *dial_ctx;
	/* What is below a chunk connection, for the bytes on the wire; NULL: itself. */
	struct stream *(*wire)(struct stream *s);
	int64_t peer_timeout_ns;         /* for the peer to come, or to be reached */
	int64_t disk_timeout_ns;         /* for a disk to be plugged in */
};

struct runner;

struct runner *runner_new(const struct runner_config *c);
void runner_free(struct runner *r); /* cancels and waits; nobody may be in a call. NULL is fine */

/* BUSY while a run is under way, REFUSED when it is not for this worker's role. What is in spec may be taken: call
 * run_spec_fini() in any case. */
int runner_start(struct runner *r, struct run_spec *spec, struct err *e);
/* The run, if one is under way, fails with CANCELED; waits for that, up to wait_ns. */
void runner_stop(struct runner *r, int64_t wait_ns);
/* The same for the controller, who means one attempt; nothing to do when there was no run yet. REFUSED as below. */
int runner_stop_attempt(struct runner *r, const char *attempt, int64_t wait_ns, struct err *e);
/* The end is near: cancels the run, wakes long polls, refuses new runs. */
void runner_shut(struct runner *r);
/* A chunk connection that came in (taken). Returns when a run has it, a newer one took its place, or it was refused:
 * the last run has failed, or none was ordered within 15 s. */
void runner_offer_peer(struct runner *r, struct stream *s);

/* For the controller, of the last run; NOT_FOUND when there was none, REFUSED and nothing changed when that is another
 * attempt than the one meant. As of ledger_feed.h. */
int runner_feed(struct runner *r, const char *attempt, uint64_t ack, int64_t wait_ns, struct buf *out, struct err *e);
int runner_put_pages(struct runner *r, const char *attempt, unsigned index, uint64_t first, const void *data,
		     size_t len, struct err *e);

/* New limits for a run that is under way; they hold at once, until its end. */
int runner_set_limits(struct runner *r, const char *attempt, const struct limits *limits, struct err *e);

/* A token for disk `index` of a run that is under way, in place of the one before. */
int runner_set_token(struct runner *r, const char *attempt, unsigned index, const char *token, struct err *e);

enum runner_state { RUNNER_IDLE, RUNNER_RUNNING, RUNNER_FINISHED, RUNNER_FAILED };

/* A copy of copy_progress as it was at one moment. */
struct runner_disk {
	unsigned index;
	uint64_t size, scanned, skipped, zero, holes, unchanged, sent, sent_zero, sent_wire, chunks, written, verified, durable,
		checkpoints;
};

/* And of copy_packing, raw first; then only levels that were used. */
struct runner_packing {
	int level;                  /* 0: raw */
	uint64_t chunks, bytes, packed;
};

struct runner_status {
	enum runner_state state;
	struct err error;           /* FAILED */
	struct limits limits;       /* now */
	unsigned disk_count;
	struct runner_disk disks[WIRE_MAX_DISKS];
	unsigned packing_count;
	struct runner_packing packing[1 + COPY_LEVELS];
	struct link_state link;     /* to the other worker */
};

void runner_status(struct runner *r, struct runner_status *out);
const char *runner_state_name(enum runner_state s); /* as in the API */

#endif
