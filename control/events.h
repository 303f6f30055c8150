// SPDX-License-Identifier: Apache-2.0
/*
 * What a command tells while it works: one event per fact. Three ways to show it, chosen once: a live display on a
 * terminal (one line per disk, redrawn), plain lines (no terminal: logs, CI; progress at most every 5 s per disk, never
 * silent longer than 30 s), JSON lines on stdout (--json; {"event":"...","time":"...",...}). Talk goes to stderr.
 */
#ifndef WHERRY_CONTROL_EVENTS_H
#define WHERRY_CONTROL_EVENTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"

struct disk_progress {
	unsigned index;
	char name[80];
	uint64_t size, scanned, skipped, zero, unchanged, sent, sent_wire, written,
		durable; /* bytes; skipped: of `scanned`, not read because of hints */
	uint64_t checkpoints;
};

struct events;

enum events_style { EVENTS_AUTO, EVENTS_PLAIN, EVENTS_JSON, EVENTS_QUIET };
struct events *events_new(enum events_style style, const char *job);
void events_free(struct events *ev); /* ends the live display */
/* Call before the first event. Whoever sets *flag also writes whole lines to stderr: the live display goes on below
 * them instead of over them. The flag outlives the events. */
void events_interrupted_by(struct events *ev, const atomic_bool *flag);

/* "snapshot of 2 disks at one instant": a step begins or is done. Text is a sentence part without a final stop. */
void events_step(struct events *ev, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void events_warn(struct events *ev, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Call often (a few times a second); the display decides what is shown. Rates and ETA are made here. */
void events_progress(struct events *ev, const struct disk_progress *disks, unsigned n);
/* What holds from now on: told when it changes, and shown beside the progress. */
void events_limits(struct events *ev, const struct limits *limits);
void events_error(struct events *ev, const struct err *e);
/* Key/value results at the end of a run, numbers or texts: events_result(ev, "generation", "3"). */
void events_result(struct events *ev, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
