// SPDX-License-Identifier: Apache-2.0
/* The result of `copy` and `send` on stdout: lines, or one JSON object. */
#ifndef WHERRY_HOST_REPORT_H
#define WHERRY_HOST_REPORT_H

#include "copy/copy.h"
#include "host_hints.h"
#include "host_options.h"

struct host_report {
	const struct host_options *options;
	const struct copy_disk *disk;
	const struct host_hints *hints;
	double seconds;
	uint64_t wire;  /* send: bytes in both directions; 0: there is no wire */
};

void host_report(const struct host_report *r);

#endif
