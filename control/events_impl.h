// SPDX-License-Identifier: Apache-2.0
/* The three displays behind events.h and what they share. events.c holds the lock round every call of a display. */
#ifndef WHERRY_CONTROL_EVENTS_IMPL_H
#define WHERRY_CONTROL_EVENTS_IMPL_H

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include "events.h"

#define EVENTS_DISKS   64
#define METER_SAMPLES  32
#define METER_WINDOW_S 10

/* Rates of one disk over a sliding window, so that they neither jump nor remember an hour ago. */
struct meter {
	struct sample {
		int64_t at; /* monotonic */
		uint64_t scanned, sent;
	} samples[METER_SAMPLES];
	unsigned first, count;
};

void meter_add(struct meter *m, int64_t now, const struct disk_progress *d);
/* Bytes a second; 0 while nothing is known. */
uint64_t meter_scan_rate(const struct meter *m);
uint64_t meter_sent_rate(const struct meter *m);
/* Seconds left for the scan of `d`; -1: not known. */
int64_t meter_eta_s(const struct meter *m, const struct disk_progress *d);
/* "1:02:03", "4:05" or "-" into out[16]; returns out. */
char *meter_format_s(int64_t seconds, char out[16]);
unsigned meter_percent(const struct disk_progress *d); /* 100 only when all is scanned */

struct events_ops {
	void (*step)(struct events *ev, const char *name, const char *text);
	void (*warn)(struct events *ev, const char *text);
	void (*progress)(struct events *ev);
	void (*error)(struct events *ev, const struct err *e);
	void (*result)(struct events *ev, const char *key, const char *value);
	void (*tick)(struct events *ev);  /* about once a second, from another thread: nothing may be silent too long */
	void (*end)(struct events *ev);
};

struct events {
	const struct events_ops *ops;
	char job[64];
	FILE *results, *talk;
	int64_t (*mono)(void);
	int64_t (*wall)(void);
	/* The last known of every disk. */
	struct disk_progress disks[EVENTS_DISKS];
	struct meter meters[EVENTS_DISKS];
	unsigned count;
	struct limits limits;
	char limited[LIMITS_TEXT + 16]; /* ", limited to 100 MB/s on the network", or "" */
	char step[200];          /* text of the last step */
	int64_t step_at;
	int64_t shown_at[EVENTS_DISKS]; /* plain, json: when its last line was written */
	uint64_t shown[EVENTS_DISKS];   /* plain: what it said, to say nothing twice */
	int64_t said_at;         /* when anything was last written */
	int lines;               /* tty: lines of the live area now on the screen */
	int64_t drawn_at;
	const atomic_bool *interrupt; /* may be NULL; tty: see events_interrupted_by */
	bool interrupted;        /* tty: it was seen */
	/* The ticker. */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t ticker;
	bool ticking, stop;
};

extern const struct events_ops events_tty_ops, events_plain_ops, events_json_ops, events_quiet_ops;

/* Without a ticker and with clocks of the caller's: what events_new() makes, and what tests make. */
struct events *events_new_on(const struct events_ops *ops, const char *job, FILE *results, FILE *talk,
			     int64_t (*mono)(void), int64_t (*wall)(void));
/* Bytes of a result whose key is one of a run's totals, as people read them; else the value itself. */
const char *events_human_result(const char *key, const char *value, char out[48]);

#endif
