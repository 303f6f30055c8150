// SPDX-License-Identifier: Apache-2.0
/* The options `scan` and `copy` share, and what follows from them. */
#ifndef WHERRY_HOST_OPTIONS_H
#define WHERRY_HOST_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct host_options {
	const char *path[2];      /* what stands without an option; borrowed like all texts */
	const char *manifest_in;  /* copy */
	const char *manifest_out;
	const char *key_file;
	uint64_t chunk_size;      /* 0: not given */
	uint64_t checkpoint_size; /* copy; 0: not given */
	uint64_t sector_size;     /* copy; of the disk that a file stands for; 0: not given */
	bool json;
	bool verify;              /* copy */
	bool no_read_back;        /* copy */
};

/* paths: how many there must be; copy: its own options are allowed, too. USAGE: what is wrong. */
int host_options_parse(int argc, char **argv, int paths, bool copy, struct host_options *o, struct err *e);

#endif
