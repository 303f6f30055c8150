// SPDX-License-Identifier: Apache-2.0
/*
 * A job file: one machine to replicate. JSON, strictly checked (json_read.h).
 *
 *   { "job": "web1",                                      letters, digits, '-', at most 32
 *     "source":  {"provider": "qemu", "cloud": "/srv/cloud-a", "machine": "web1"},
 *     "target":  {"provider": "qemu", "cloud": "/srv/cloud-b", "machine": "web1"},
 *     "options": {"chunk_size": "256K", "checkpoint_size": "1G", "checkpoint_seconds": 10,
 *                 "compression": "auto"|"none"|"zstd"|"zstd:LEVEL", "read_back": true,
 *                 "connections": 1, "reconnect_seconds": 300,
 *                 "control_path": "dial-in"|"dial-out", "data_path": "auto"|"source-dials"|"target-dials"|"relay",
 *                 "worker_timeout_seconds": 300, "resource_timeout_seconds": 3600, "lease_seconds": 300,
 *                 "hints": "use"|"ignore", "full_scan_every": 10, "copy": "worker"|"cloud"},
 *     "limits":  {"bandwidth": "100MB/s", "disk_throughput": "200MB/s", "disk_iops": 500, "worker_iops": 2000} }
 *
 * checkpoint_size is the most that is ever copied again after a crash: a checkpoint is made at each half of it, or when
 * checkpoint_seconds passed. hints: of disks for which the source cloud says what has changed since the last generation,
 * only that is read, and a random sample of the rest; one in full_scan_every generations is made without (1: all).
 * copy: "cloud" lets the cloud itself make the replica, without workers and hashes (replica_copy.h).
 * What the limits mean is in base/limits.h; those not named do not limit.
 */
#ifndef WHERRY_CONTROL_CONFIG_H
#define WHERRY_CONTROL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compression.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "provider.h"

enum control_path { CONTROL_DIAL_IN, CONTROL_DIAL_OUT };
enum copy_by { COPY_BY_WORKER, COPY_BY_CLOUD };
enum data_path { DATA_AUTO, DATA_SOURCE_DIALS, DATA_TARGET_DIALS, DATA_RELAY };
const char *data_path_name(enum data_path d);

struct job {
	char name[64];
	char machine[RES_NAME_SIZE];         /* source machine */
	char target_machine[RES_NAME_SIZE];  /* name `promote` gives; default: the source's name */
	char *source_json, *target_json;     /* the blocks, for the journal; owned */
	struct limits limits;                /* of the file; job_limits.h tells what holds */
	uint32_t chunk_size;
	uint64_t checkpoint_bytes;
	uint32_t checkpoint_seconds;
	enum compression compression;
	int level;
	bool read_back;
	enum control_path control_path;
	enum data_path data_path;
	uint32_t connections;                /* between the workers */
	uint32_t reconnect_seconds;          /* a broken one is made again so long without progress */
	uint32_t worker_timeout_seconds;     /* from creation to "API ready" */
	uint32_t resource_timeout_seconds;   /* a snapshot, disk or machine, until it is ready, or gone */
	uint32_t lease_seconds;
	enum copy_by copy;
	bool use_hints;
	uint32_t full_scan_every;            /* generations */
	char *findings;                      /* after a failed job_load: all of them, one per line; owned */
};

/* Reads and checks everything; opens both providers. The error is CONFIG (a cloud that cannot be opened alone: its own
 * kind) and holds as many findings as fit, one per line; job->findings holds all. Call job_fini after failure, too. */
int job_load(const char *file, struct job *job, struct provider **source, struct provider **target,
	     const struct log *log, struct err *e);
void job_fini(struct job *job);
/* Only the job's name, for commands that need nothing of the clouds. */
int job_peek_name(const char *file, char name[64], struct err *e);
int job_peek_limits(const char *file, char name[64], struct limits *limits, struct err *e);

#endif
