// SPDX-License-Identifier: Apache-2.0
#include "base/cleanup.h"
#include "copy/run.h"

static int run_export(struct run *r, struct session *s, struct err *e)
{
	const struct copy_config *c = r->c;

	if (run_slabs(r, &r->slabs, 12, 2, e) != 0 || run_pool(r, &r->packed, 4, 2, c->chunk_size, e) != 0 ||
	    run_pool(r, &r->again, 1, 1, c->chunk_size, e) != 0)
		return -1;
	struct stage *filter = filter_new(c, r->ledger, r->checkpoints);
	struct stage *compressor = compressor_new(c, r->ledger, r->packed, run_threads(r));
	struct stage *sender = sender_new(c, s, r->again);
	pipeline_add(r->pipeline, filter, 0);
	pipeline_add(r->pipeline, compressor, run_threads(r));
	pipeline_add(r->pipeline, sender, s->channels);
	pipeline_add(r->pipeline, listener_new(s, r->checkpoints), s->channels);
	pipeline_add(r->pipeline, connector_new(s), 1);
	run_add_source(r, filter);
	pipeline_link(filter, compressor);
	pipeline_link(compressor, sender);
	pipeline_on_stop(r->pipeline, session_stop, s);
	pipeline_on_tick(r->pipeline, session_tick, s);
	return run_go(r, e);
}

int copy_export(const struct copy_config *c, const struct copy_link *link, struct ledger *l, struct err *e)
{
	cleanup(session_fini) struct session s;
	session_init(&s, c, link);
	if (copy_check(c, false, e) != 0 || copy_check_link(link, e) != 0)
		return session_refuse(&s, e);
	cleanup(run_fini) struct run r;
	run_init(&r, c, l);
	return run_export(&r, &s, e);
}
