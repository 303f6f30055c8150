// SPDX-License-Identifier: Apache-2.0
/* What the ends of the source side (filter, recorder) do with chunks that hints leave out: they were not read. */
#ifndef WHERRY_COPY_SKIP_H
#define WHERRY_COPY_SKIP_H

#include "copy/copy.h"

/* `next` is a chunk, and all before `to` are left out: the chunk after the pages that are so as a whole; `next` when there
 * is none. They are counted. chunks: of the disk. */
uint64_t skip_pages(const struct copy_config *c, const struct copy_disk *d, uint64_t next, uint64_t to, uint64_t chunks);
/* One chunk, whose hash is this; counted. CORRUPT when it is unknown: then nobody may leave it out. */
int skip_chunk(const struct copy_config *c, const struct copy_disk *d, uint64_t chunk,
	       const uint8_t known[MANIFEST_HASH], struct err *e);

#endif
