// SPDX-License-Identifier: Apache-2.0
/* The options of the commands that work on a plain host, and what follows from them. */
#ifndef WHERRY_HOST_OPTIONS_H
#define WHERRY_HOST_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compression.h"
#include "base/err.h"
#include "base/limits.h"

enum host_command { HOST_SCAN = 1, HOST_COPY = 2, HOST_SEND = 4, HOST_RECEIVE = 8 };

/* What a command does not take stays zero. */
struct host_options {
	const char *path[2];      /* what stands without an option; borrowed like all texts */
	const char *manifest_in;
	const char *hints;
	const char *manifest_out;
	const char *key_file;
	const char *peer;         /* "sha256:...", not yet parsed */
	const char *listen;
	uint64_t chunk_size;      /* 0: not given */
	uint64_t checkpoint_size; /* 0: not given */
	uint64_t sector_size;     /* of the disk that a file stands for; 0: not given */
	struct limits limits;     /* copy: of reading; send: of sending */
	enum compression compression; /* send: AUTO when not given */
	int level;
	bool json;
	bool verify;
	bool no_read_back;
	bool plain;
};

/* USAGE: what is wrong. argv[0] is the command's name. */
int host_options_parse(int argc, char **argv, enum host_command command, struct host_options *o, struct err *e);

#endif
