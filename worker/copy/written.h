// SPDX-License-Identifier: Apache-2.0
/* What a lane wrote between two flushes: it travels with the MARK to where it is read back. */
#ifndef WHERRY_COPY_WRITTEN_H
#define WHERRY_COPY_WRITTEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/vec.h"
#include "manifest/manifest.h"

struct written {
	uint64_t offset, length;
	bool zero; /* any length; otherwise one chunk with this hash */
	uint8_t hash[MANIFEST_HASH];
};

struct written_list {
	VEC(struct written) list; /* in any order; zeros added next to each other are one */
};

struct written_list *written_list_new(void);
void written_list_free(struct written_list *w); /* NULL is fine */
void written_list_add(struct written_list *w, uint64_t offset, uint64_t length, const uint8_t *hash); /* NULL: zeros */
void written_list_sort(struct written_list *w); /* by offset */

#endif
