// SPDX-License-Identifier: Apache-2.0
#include "base/cleanup.h"
#include "copy/run.h"

static int run_import(struct run *r, struct session *s, struct intake *k, struct err *e)
{
	const struct copy_config *c = r->c;

	/* Three pools, not one: a stage that waits for a buffer must never wait for those before it. */
	if (run_slabs(r, &r->slabs, 8, 2, e) != 0 || run_slabs(r, &r->unpacked, 4, 1, e) != 0 ||
	    run_slabs(r, &r->read_back, 4, 1, e) != 0)
		return -1;
	struct stage *receiver = receiver_new(c, s, k, r->slabs);
	struct stage *decompressor = decompressor_new(c, r->unpacked);
	struct stage *writer = writer_new(c);
	struct stage *replier = replier_new(s, k);
	pipeline_add(r->pipeline, receiver, s->channels);
	pipeline_add(r->pipeline, decompressor, run_spare_threads(r, s->channels + c->disk_count));
	pipeline_add(r->pipeline, writer, 0);
	pipeline_add(r->pipeline, replier, 1);
	pipeline_add(r->pipeline, connector_new(s), 1);
	pipeline_link(receiver, decompressor);
	pipeline_link(decompressor, writer);
	run_add_lanes(r, writer, replier);
	pipeline_on_stop(r->pipeline, session_stop, s);
	pipeline_on_tick(r->pipeline, session_tick, s);
	return run_go(r, e);
}

static void free_intake(struct intake **k)
{
	intake_free(*k);
}

int copy_import(const struct copy_config *c, const struct copy_link *link, struct err *e)
{
	cleanup(session_fini) struct session s;
	session_init(&s, c, link);
	if (copy_check(c, true, e) != 0 || copy_check_link(link, e) != 0)
		return session_refuse(&s, e);
	cleanup(free_intake) struct intake *k = intake_new(c->disk_count, s.channels);
	cleanup(run_fini) struct run r;
	run_init(&r, c, NULL);
	return run_import(&r, &s, k, e);
}
