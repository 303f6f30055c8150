// SPDX-License-Identifier: Apache-2.0
/*
 * A replica in a place without machines: the source's worker reaches its disks over the network and reads and writes them
 * itself. What that worker is told of them, and fresh tokens in time.
 */
#ifndef WHERRY_CONTROL_REPLICA_ACCESS_H
#define WHERRY_CONTROL_REPLICA_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "replica.h"
#include "worker_client.h"

struct replica_access {
	struct disk_access disks[WIRE_MAX_DISKS];
	unsigned count;  /* 0: not gathered, or the replica is no such one */
	bool read_only;
	int64_t renew_ns; /* monotonic: when half of the shortest token's life is over */
};

/* Is the job's target such a place? */
bool replica_access_is_direct(const struct context *c);
/* For all disks of r; what was there is let go. Nothing to do for other targets. */
int replica_access_gather(struct context *c, const struct replica *r, bool read_only, struct replica_access *a, struct err *e);
/* Once it is time, fresh tokens for the run that `w` was ordered last, which is about the disks of b. */
int replica_access_keep(struct context *c, const struct replica *r, struct batch b, struct replica_access *a,
			struct worker_client *w, struct err *e);
void replica_access_fini(struct replica_access *a); /* wipes */

#endif
