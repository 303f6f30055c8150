// SPDX-License-Identifier: Apache-2.0
/*
 * The target of a copy on a plain host. A device must be at least as large as the source. A file that is not there, or
 * is empty, is made with the source's size; any other file must have exactly that size. A page blob must be there, and be at
 * least as large as the source.
 */
#ifndef WHERRY_HOST_TARGET_H
#define WHERRY_HOST_TARGET_H

#include <stdbool.h>

#include "block/block.h"

struct sink_blob;

struct host_target {
	struct block *block;
	struct sink_blob *blob; /* NULL: it is none */
	const char *path; /* borrowed */
	bool created;     /* was not there */
	bool grown;       /* was empty */
};

/* source: its path, NULL when it is on another host. REFUSED: its size, or it is the source. must_exist: a manifest says what it holds. Leaves nothing behind on
 * failure. */
int host_target_open(struct host_target *t, const char *path, const char *source, const struct block_info *info,
		     bool must_exist, struct err *e);
/* Nothing in it is of use: back to what was there before, where that was nothing. */
void host_target_discard(struct host_target *t);
void host_target_close(struct host_target *t);

#endif
