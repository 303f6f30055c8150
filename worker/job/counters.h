// SPDX-License-Identifier: Apache-2.0
/*
 * What the work costs, for GET /v1/status. CPU is this process's; memory, disks and network are the machine's, which
 * in the appliance is the same. What the kernel does not tell is 0.
 */
#ifndef WHERRY_JOB_COUNTERS_H
#define WHERRY_JOB_COUNTERS_H

#include <stdint.h>

struct counters {
	uint64_t cpu_user_ns, cpu_system_ns;
	uint64_t memory_available;                    /* bytes */
	uint64_t disk_read_bytes, disk_written_bytes; /* whole disks; not loop, ram, zram or dm */
	uint64_t net_in_bytes, net_out_bytes;         /* not lo */
};

void counters_read(const char *root, struct counters *c); /* root: "" or a test's tree with proc/ and sys/block/ */

#endif
