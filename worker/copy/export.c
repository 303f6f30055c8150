// SPDX-License-Identifier: Apache-2.0
#include "base/cleanup.h"
#include "copy/run.h"

static int run_export(struct run *r, struct peer *p, struct err *e)
{
	const struct copy_config *c = r->c;

	if (run_slabs(r, 12, e) != 0 || run_pool(r, &r->packed, 4, c->chunk_size, e) != 0)
		return -1;
	struct stage *filter = filter_new(c, r->ledger, r->checkpoints);
	struct stage *compressor = compressor_new(c, r->ledger, r->packed);
	struct stage *sender = sender_new(c, p);
	pipeline_add(r->pipeline, filter, 1);
	pipeline_add(r->pipeline, compressor, run_threads(r));
	pipeline_add(r->pipeline, sender, 1);
	pipeline_add(r->pipeline, listener_new(p, r->checkpoints), 1);
	run_add_source(r, filter);
	pipeline_link(filter, compressor);
	pipeline_link(compressor, sender);
	pipeline_on_stop(r->pipeline, peer_stop, p);
	pipeline_on_tick(r->pipeline, peer_tick, p);
	return run_go(r, e);
}

int copy_export(const struct copy_config *c, struct stream *peer, struct ledger *l, struct err *e)
{
	if (copy_check(c, false, e) != 0)
		return peer_refuse(peer, e);
	cleanup(peer_fini) struct peer p;
	peer_init(&p, c, peer);
	cleanup(run_fini) struct run r;
	run_init(&r, c, l);
	return run_export(&r, &p, e);
}
