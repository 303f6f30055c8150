// SPDX-License-Identifier: Apache-2.0
/* How the data of a run was compressed, level by level, for its record. */
#ifndef WHERRY_CONTROL_PACKING_H
#define WHERRY_CONTROL_PACKING_H

#include <stdint.h>

#define PACKING_LEVELS 8

struct packing {
	unsigned count;
	struct packing_level {
		int level;                      /* of zstd; 0: sent as it was */
		uint64_t chunks, bytes, packed; /* bytes: before, packed: after */
	} levels[PACKING_LEVELS];
};

void packing_add(struct packing *sum, const struct packing *more);
uint64_t packing_raw_bytes(const struct packing *p); /* sent as they were */
/* "none=12 zstd:-1=40 zstd:1=400": chunks of each level that was used, in the job file's words; "" when there were none.
 * Returns out. */
#define PACKING_TEXT 256
char *packing_text(const struct packing *p, char out[PACKING_TEXT]);
/* "2.31": bytes before to bytes after; "1.00" when there were none. Returns out. */
char *packing_ratio(const struct packing *p, char out[32]);

#endif
