// SPDX-License-Identifier: Apache-2.0
/* A list of changed ranges, as any tool may have written it. RUNS: 20000 */
#include "fuzz/fuzz.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "manifest/hints_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(hints_fini) struct hints h;
	struct err e = ERR_INIT;
	uint64_t generation = 0;
	char path[64];

	hints_init(&h, UINT64_C(1) << 40, 65536);
	cleanup(cleanup_file) FILE *f = fopen(fuzz_file(data, size, path), "re");
	fuzz_check(f != NULL);
	if (hints_read_text(&h, f, "input", &generation, &e) < 0)
		fuzz_check(e.kind == ERR_CONFIG && e.msg[0] != '\0');
	fuzz_check(extents_bytes(&h.ranges) <= h.size && h.ranges.list.len <= HINTS_MAX_RANGES);
	fuzz_check(hints_chunks(&h) * h.chunk_size >= extents_bytes(&h.ranges));
	return 0;
}

void fuzz_seeds(struct fuzz_corpus *to)
{
	fuzz_seed_text(to, "# a comment\ngeneration 7\n0 1\n65536 131072\n1099511627775 1\n");
	fuzz_seed_text(to, "  5\t9 # more\r\n\n99 1");
}
