// SPDX-License-Identifier: Apache-2.0
/*
 * The controller's side of a worker: finding its key on the console, enrolling it, calling its API. One client per
 * worker; calls of one client come from one thread, except client_feed, which has a connection of its own.
 */
#ifndef WHERRY_CONTROL_WORKER_CLIENT_H
#define WHERRY_CONTROL_WORKER_CLIENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "events.h"
#include "packing.h"
#include "net/pki.h"
#include "provider.h"
#include "state.h"

struct worker_client;

struct worker_client_spec {
	const struct job_keys *keys;   /* borrowed */
	const char *run;               /* run id in certificates */
	const char *role;              /* "source" | "target" */
	uint32_t lease_seconds;
	int listener;                  /* dial-out: our listening socket shared by both workers; -1: dial-in */
	char address[192];             /* dial-in: "host:port" */
	uint8_t pin[PKI_PIN_SIZE];     /* from the console */
	const atomic_bool *cancel;
};

/* The key a worker printed on its console; found false while it has not yet. DENIED when two differ. */
int worker_pin_from_console(const char *text, uint8_t pin[PKI_PIN_SIZE], bool *found, bool *ready, struct err *e);

/* Connects (pinned), checks version and identity, enrols, reconnects under the job's CA. */
struct worker_client *worker_client_new(const struct worker_client_spec *spec, struct err *e);
void worker_client_free(struct worker_client *w);

struct worker_disk_info {
	char name[64], serial[64];
	uint64_t size;
	uint32_t logical_sector, physical_sector;
};
int worker_client_disks(struct worker_client *w, struct worker_disk_info *out, unsigned max, unsigned *n, struct err *e);
/* State of the worker's run, with its error when it failed (kind NONE otherwise). */
struct worker_state {
	bool running, finished, failed;
	struct err error;
	struct packing packing;     /* of an export */
	uint64_t wire_in, wire_out; /* bytes on all its connections */
	unsigned cuts;              /* connections to the other worker that broke */
	uint64_t reconnecting_ms;   /* since when one of them is being made again; 0: all are up */
	char why[256];              /* ... and why it broke */
};
int worker_client_status(struct worker_client *w, struct disk_progress *disks, unsigned max, unsigned *n,
			 struct worker_state *state, struct err *e);
/* A new id for the run that is about to be ordered, for the body of that order. From now on the calls below are for that
 * run: the worker refuses (REFUSED) those that the network delivers only after the next one has begun. The client's own,
 * until the next call of this; no client_feed or put_pages may be under way. */
const char *worker_client_attempt_new(struct worker_client *w, struct err *e);
/* body: POST /v1/run as in net/api_names.h, with the id of worker_client_attempt_new(). */
int worker_client_run(struct worker_client *w, const char *body, struct err *e);
/* Everything after `ack`; waits up to wait_ms for the first. Raw feed records (net/feed.h). Reconnects. */
int worker_client_feed(struct worker_client *w, uint64_t ack, unsigned wait_ms, struct buf *out, struct err *e);
int worker_client_put_pages(struct worker_client *w, unsigned disk, uint64_t first, const void *hashes, size_t len,
			    struct err *e);
/* They hold at once, for the run that was ordered last. */
int worker_client_limits(struct worker_client *w, const struct limits *limits, struct err *e);
/* list: [{"index","token"}, ...] without its brackets, for the run that was ordered last. */
int worker_client_tokens(struct worker_client *w, const char *list, struct err *e);
/* Also when the worker has no run, or its run is over. */
int worker_client_stop(struct worker_client *w, struct err *e);
int worker_client_poweroff(struct worker_client *w, struct err *e);

#endif
