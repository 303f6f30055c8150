// SPDX-License-Identifier: Apache-2.0
/* What `copy` and `send` read: the disk, the hash key, and the manifests of its target. */
#ifndef WHERRY_HOST_SOURCE_H
#define WHERRY_HOST_SOURCE_H

#include "copy/copy.h"
#include "host_hints.h"
#include "host_manifest.h"
#include "host_options.h"

struct host_source {
	struct manifest_keys keys;
	struct block *block;
	struct host_manifest manifest;
	struct host_hints hints;
	struct limiter *limiter;
};

/* The first path of *o, with --key-file, --sector-size, --limit-*, --manifest-in and --hints; settles o->chunk_size. Changes nothing. */
int host_source_open(struct host_source *s, struct host_options *o, struct err *e);
void host_source_close(struct host_source *s);

/* As the options have it. Points to *s and *disk. */
struct copy_config host_source_config(const struct host_source *s, const struct host_options *o, struct copy_disk *disk,
				      atomic_bool *cancel);
/* Makes the working manifest, and settles whether the hints are used. */
int host_source_begin(struct host_source *s, const struct host_options *o, struct err *e);
struct ledger *host_source_ledger(struct host_source *s); /* the caller closes it */

/* The copy of the disk is complete. */
int host_source_commit(struct host_source *s, const struct copy_disk *disk, struct err *e);

/* --sector-size: what a file stands for; a device says it itself (REFUSED when that differs). 0: not given. */
int host_sector_set(struct block *b, uint64_t sector, struct err *e);

#endif
