// SPDX-License-Identifier: Apache-2.0
/*
 * The manifests of a copy on a plain host: which file is the working manifest, the truth about the target while it is
 * written (manifest/manifest.h).
 *
 *   neither IN nor OUT   none
 *   OUT                  OUT.working; becomes OUT when the copy is complete
 *   IN and OUT           OUT.working, begun as a copy of IN; or IN itself, when it is the OUT.working of a copy that
 *                        was interrupted: that is how one resumes
 *   IN                   IN itself, kept up to date: it must not go on saying what the target does not hold any more
 */
#ifndef WHERRY_HOST_MANIFEST_H
#define WHERRY_HOST_MANIFEST_H

#include <stdbool.h>

#include "block/block.h"
#include "manifest/manifest.h"

struct host_manifest {
	struct manifest *in;      /* IN, as long as it is not the working one */
	struct manifest *working; /* NULL: none */
	const char *in_path, *out_path; /* borrowed; may be NULL */
	char *working_path;       /* OUT.working, or NULL */
	bool made;                /* the working one, now */
};

/* Opens IN, if given, and settles *chunk_size (0: not asked for). REFUSED: IN is of another size. */
int host_manifest_open_in(struct host_manifest *m, const char *in, const char *out, const struct manifest_keys *k,
			  const struct block_info *source, uint64_t *chunk_size, struct err *e);
/* Makes the working manifest, durable. */
int host_manifest_begin(struct host_manifest *m, const struct manifest_keys *k, const struct block_info *source,
			uint32_t chunk_size, struct err *e);
/* The copy is complete. hinted: not every byte was read. */
int host_manifest_commit(struct host_manifest *m, const uint8_t root[MANIFEST_HASH], bool hinted, struct err *e);
/* What it says turned out to be wrong: everything unknown, so that the next copy writes all. */
int host_manifest_distrust(struct host_manifest *m, struct err *e);
/* The copy failed; untouched: before anything was written, or the target is gone. Adds to *e how to go on. */
void host_manifest_fail(struct host_manifest *m, bool untouched, struct err *e);
void host_manifest_fini(struct host_manifest *m);

#endif
