// SPDX-License-Identifier: Apache-2.0
/*
 * What a run may take of a network and of disks that others use, too: a table of limits with their names and units, from
 * which the job file, the command lines, the worker's API and every text about limits are made.
 *
 * A rate is written as a whole number with its unit: B/s, kB/s, MB/s, GB/s (powers of 1000), KiB/s, MiB/s, GiB/s (powers
 * of 1024), kbit/s, Mbit/s, Gbit/s (an eighth of powers of 1000). IOPS are a whole number.
 */
#ifndef WHERRY_BASE_LIMITS_H
#define WHERRY_BASE_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum limit {
	LIMIT_BANDWIDTH,       /* bytes a second that a source sends, after compression: TCP payload but for TLS's 0.2 % */
	LIMIT_DISK_THROUGHPUT, /* bytes a second that are read of each source disk */
	LIMIT_DISK_IOPS,       /* reads a second of each source disk, of at most 1 MiB (or one chunk, if that is more) */
	LIMIT_WORKER_IOPS,     /* the same over all disks of a worker */
	LIMITS
};

struct limits {
	uint64_t of[LIMITS]; /* 0: no limit */
};

struct limit_info {
	const char *name;     /* "disk_iops": in JSON; with '-' for '_' as an option */
	const char *unit;     /* for help: "RATE" or "N" */
	const char *applies;  /* "from each disk": follows the value in a sentence */
	bool is_rate;         /* bytes a second; else operations a second */
	uint64_t min, max;    /* besides 0; below min a peer would look dead */
};

extern const struct limit_info limit_table[LIMITS];

/* "100MB/s" or "500", whichever l takes; `what` names it in the error (USAGE). */
int limit_parse(enum limit l, const char *text, const char *what, uint64_t *out, struct err *e);
/* "100 MB/s", "12.5 MB/s", "500 IOPS" into out[32]; returns out. */
char *limit_format(enum limit l, uint64_t value, char out[32]);
/* "100 MB/s on the network, 500 IOPS on each disk", or "" when nothing is limited. Returns out. */
#define LIMITS_TEXT 256
char *limits_describe(const struct limits *l, char out[LIMITS_TEXT]);
/* {"bandwidth":100000000}: only what is limited. Returns out. */
char *limits_json(const struct limits *l, char out[LIMITS_TEXT]);
bool limits_equal(const struct limits *a, const struct limits *b);

#endif
