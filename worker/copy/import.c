// SPDX-License-Identifier: Apache-2.0
#include "base/cleanup.h"
#include "copy/run.h"

static int run_import(struct run *r, struct peer *p, struct err *e)
{
	const struct copy_config *c = r->c;

	/* Three pools, not one: a stage that waits for a buffer must never wait for those before it. */
	if (run_pool(r, &r->packed, 4, c->chunk_size, e) != 0 || run_pool(r, &r->plain, 8, c->chunk_size, e) != 0 ||
	    run_read_back(r, 4, e) != 0)
		return -1;
	struct stage *receiver = receiver_new(c, p, r->packed, r->plain);
	struct stage *decompressor = decompressor_new(c, r->plain);
	struct stage *writer = writer_new(c);
	struct stage *replier = replier_new(p);
	pipeline_add(r->pipeline, receiver, 1);
	pipeline_add(r->pipeline, decompressor, run_threads(r));
	pipeline_add(r->pipeline, writer, 0);
	pipeline_add(r->pipeline, replier, 1);
	pipeline_link(receiver, decompressor);
	pipeline_link(decompressor, writer);
	run_add_lanes(r, writer, replier);
	pipeline_on_stop(r->pipeline, peer_stop, p);
	pipeline_on_tick(r->pipeline, peer_tick, p);
	return run_go(r, e);
}

int copy_import(const struct copy_config *c, struct stream *peer, struct err *e)
{
	if (copy_check(c, true, e) != 0)
		return peer_refuse(peer, e);
	cleanup(peer_fini) struct peer p;
	peer_init(&p, c, peer);
	cleanup(run_fini) struct run r;
	run_init(&r, c, NULL);
	return run_import(&r, &p, e);
}
