// SPDX-License-Identifier: Apache-2.0
#include "base/cleanup.h"
#include "copy/run.h"

/* Who reads and writes alone may use what two workers would, where that makes larger requests to a target far away. */
static unsigned slab_parts(const struct copy_config *c)
{
	for (unsigned i = 0; i < c->disk_count; i++)
		if (c->disks[i].target->info.gathers > 0)
			return 28;
	return 12;
}

int copy_local(const struct copy_config *c, struct ledger *l, struct err *e)
{
	if (copy_check(c, true, e) != 0)
		return -1;
	cleanup(run_fini) struct run r;
	run_init(&r, c, l);
	if (run_slabs(&r, &r.slabs, slab_parts(c), 2, e) != 0 || run_slabs(&r, &r.read_back, 4, 1, e) != 0)
		return -1;
	struct stage *filter = filter_new(c, l, r.checkpoints);
	struct stage *writer = writer_new(c);
	struct stage *settler = settler_new(r.checkpoints);
	pipeline_add(r.pipeline, filter, 0);
	pipeline_add(r.pipeline, writer, 0);
	pipeline_add(r.pipeline, settler, 1);
	run_add_source(&r, filter);
	pipeline_link(filter, writer);
	run_add_lanes(&r, writer, settler);
	return run_go(&r, e);
}
