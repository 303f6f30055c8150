// SPDX-License-Identifier: Apache-2.0
#include "base/cleanup.h"
#include "copy/run.h"

int copy_scan(const struct copy_config *c, struct ledger *l, struct err *e)
{
	if (copy_check(c, false, e) != 0)
		return -1;
	cleanup(run_fini) struct run r;
	run_init(&r, c, l);
	if (run_slabs(&r, &r.slabs, 16, 2, e) != 0)
		return -1;
	struct stage *recorder = recorder_new(c, l);
	pipeline_add(r.pipeline, recorder, 0);
	run_add_source(&r, recorder);
	return run_go(&r, e);
}
