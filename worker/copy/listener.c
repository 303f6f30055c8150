// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/mem.h"
#include "copy/stages.h"

struct listener {
	struct stage stage;
	struct peer *peer;
	struct checkpoints *checkpoints;
};

static int take(struct listener *l, const struct wire_frame *f, bool *ended, struct err *e)
{
	*ended = false;
	if (f->type == WIRE_DURABLE)
		return checkpoints_durable(l->checkpoints, f->id, e);
	if (f->type != WIRE_END_OK)
		return err_set(e, ERR_PROTOCOL, 0, "the target sent a frame of type %u, which only a source may send",
			       f->type);
	if (!peer_has_sent_end(l->peer) || !checkpoints_all_durable(l->checkpoints))
		return err_set(e, ERR_PROTOCOL, 0, "the target says that all is done before it confirmed every checkpoint");
	*ended = true;
	return 0;
}

static int listen_until_ended(struct listener *l, struct err *e)
{
	bool ended = false;

	if (peer_greet_as_source(l->peer, e) != 0)
		return -1;
	while (!ended) {
		struct wire_frame f;

		if (peer_recv(l->peer, &f, e) != 0)
			return -1;
		if (pipeline_stopped(l->stage.pipeline))
			return pipeline_set_stopped(e);
		if (take(l, &f, &ended, e) != 0)
			return -1;
	}
	peer_set_ended(l->peer);
	return 0;
}

static int produce(struct stage *s, struct err *e)
{
	struct listener *l = (struct listener *)s;

	if (listen_until_ended(l, e) == 0)
		return 0;
	/* First, so that what the peer said goes before what a broken write says. */
	pipeline_fail(s->pipeline, e);
	peer_reader_failed(l->peer);
	return -1;
}

static void close_listener(struct stage *s)
{
	free(s);
}

static const struct stage_ops ops = {
	.name = "listener",
	.produce = produce,
	.close = close_listener,
};

struct stage *listener_new(struct peer *p, struct checkpoints *k)
{
	struct listener *l = mem_alloc(sizeof *l);

	l->stage.ops = &ops;
	l->stage.idle_ns = -1;
	l->peer = p;
	l->checkpoints = k;
	return &l->stage;
}
