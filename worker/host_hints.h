// SPDX-License-Identifier: Apache-2.0
/* --hints FILE of `copy` and `scan` (manifest/hints_text.h): whether they can be used, and what follows from them. */
#ifndef WHERRY_HOST_HINTS_H
#define WHERRY_HOST_HINTS_H

#include <stdbool.h>

#include "copy/copy.h"

struct host_hints {
	const char *path;     /* NULL: none were given; borrowed */
	struct hints hints;
	uint64_t generation;  /* that they count from; 0: they do not say */
	bool used;
	char why_not[160];    /* given and not used */
};

/* path may be NULL. CONFIG: what is wrong with the file. */
int host_hints_load(struct host_hints *h, const char *path, uint64_t size, uint32_t chunk_size, struct err *e);
/* Settles whether they are used, with the working manifest of the run, and adds what that is not sure of. */
int host_hints_use(struct host_hints *h, struct manifest *working, struct err *e);
/* NULL when they are not used. */
const struct hints *host_hints_of(const struct host_hints *h);
/* After the run: were they believed to its end? */
bool host_hints_held(const struct host_hints *h, const struct copy_disk *d);
/* If so, makes d->root, which is over what was read, the root of the disk. CORRUPT: the manifest has other hashes. */
int host_hints_root(const struct host_hints *h, struct manifest *working, struct copy_disk *d, struct err *e);
/* "none", "used", "ignored" or "refuted". */
const char *host_hints_fate(const struct host_hints *h, const struct copy_disk *d);
/* On stderr, when they were ignored or refuted. */
void host_hints_warn(const struct host_hints *h, const struct copy_disk *d);
void host_hints_fini(struct host_hints *h);

#endif
