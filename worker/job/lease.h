// SPDX-License-Identifier: Apache-2.0
/*
 * How long this worker lives without hearing from its controller. Monotonic, so a wrong clock neither kills nor keeps
 * it. Any thread.
 */
#ifndef WHERRY_JOB_LEASE_H
#define WHERRY_JOB_LEASE_H

#include <stdatomic.h>
#include <stdint.h>

struct lease {
	atomic_int_fast64_t length_ns;
	atomic_int_fast64_t deadline_ns; /* monotonic */
};

void lease_set(struct lease *l, uint32_t seconds); /* a new length, counted from now */
void lease_renew(struct lease *l);
int64_t lease_left_ns(struct lease *l);            /* 0 or less: expired */

#endif
