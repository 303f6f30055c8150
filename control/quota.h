// SPDX-License-Identifier: Apache-2.0
/* Whether a job's places have room for what a run makes in them. */
#ifndef WHERRY_CONTROL_QUOTA_H
#define WHERRY_CONTROL_QUOTA_H

#include "cloud.h"

/* Everything a sync of m needs at once and the places do not allow becomes a finding. replica: disks of it that are there.
 * Where both ends are one place its quotas have to hold for both. */
struct quota_check {
	struct provider *source, *target;
	const struct machine *m;
	unsigned replica;
};
/* How many disks of a job's replica are at the target. */
int quota_count_replica(struct cloud *target, const char *job, unsigned *count, struct err *e);
void quota_check(const struct quota_check *c, struct findings *at_source, struct findings *at_target);

#endif
