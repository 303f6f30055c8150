// SPDX-License-Identifier: Apache-2.0
#include "base/cleanup.h"
#include "copy/run.h"

/* One for each read under way and for each thread that hashes. More would be read too early and be gone from the
 * processors' caches when they are hashed, and take time to be made. */
static unsigned slab_parts(const struct run *r)
{
	uint64_t slabs = (uint64_t)r->c->disk_count * READ_DEPTH + run_threads(r);
	uint64_t parts = slabs * run_slab_bytes(r) * 16 / r->c->pool_bytes;

	return parts < 16 ? (unsigned)parts : 16;
}

int copy_scan(const struct copy_config *c, struct ledger *l, struct err *e)
{
	if (copy_check(c, false, e) != 0)
		return -1;
	cleanup(run_fini) struct run r;
	run_init(&r, c, l);
	if (run_slabs(&r, &r.slabs, slab_parts(&r), 2, e) != 0)
		return -1;
	struct stage *recorder = recorder_new(c, l);
	pipeline_add(r.pipeline, recorder, 0);
	run_add_source(&r, recorder);
	return run_go(&r, e);
}
