// SPDX-License-Identifier: Apache-2.0
/*
 * The controller's end of a worker's feed (net/api_names.h): answers baseline pages, makes intents and records durable
 * in the working manifests, and only then acknowledges them. One pump per worker run; one thread.
 */
#ifndef WHERRY_CONTROL_FEED_PUMP_H
#define WHERRY_CONTROL_FEED_PUMP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "manifest/manifest.h"
#include "worker_client.h"

/* What to do with a PAGE record: store it (sync, re-hash) or compare it (verify). */
enum pump_pages { PUMP_STORE, PUMP_COMPARE };

struct pump_disk {
	struct manifest *manifest;  /* STORE: working, open for writing; COMPARE: committed */
	struct manifest *repair;    /* COMPARE: working manifest where differing chunks are marked unknown; may be NULL */
	uint8_t root[MANIFEST_HASH];/* as the worker computed it, once done */
	bool done;
	bool refuted;               /* STORE: the hints leave out what has changed, and the worker reads all ... */
	uint64_t refuted_at;        /* ... as this byte offset shows */
	uint64_t pages_recorded;    /* STORE: pages made durable; COMPARE: pages compared */
	uint64_t differing;         /* COMPARE: chunks that differ */
	uint64_t first_differing;   /* COMPARE: their lowest byte offset */
};

struct pump {
	struct worker_client *worker;
	enum pump_pages pages;
	struct pump_disk *disks;
	unsigned disk_count;
	uint64_t acked;             /* start with 0 for every run of the worker */
	bool finished;
};

/* One exchange: waits up to wait_ms for records, acts on them. -1: the transport failed, the worker reported FAILED
 * (its kind and sentence in *e) or the manifest could not be written. */
int pump_step(struct pump *p, unsigned wait_ms, struct err *e);

#endif
