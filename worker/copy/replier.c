// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/mem.h"
#include "copy/stages.h"

struct replier {
	struct stage stage;
	struct peer *peer;
	bool ready;
};

static int wait_ready(struct replier *r, struct err *e)
{
	if (!r->ready && peer_wait_ready(r->peer, e) != 0)
		return -1;
	r->ready = true;
	return 0;
}

static int process(struct stage *s, struct chunk *c, struct err *e)
{
	struct replier *r = (struct replier *)s;
	uint64_t id = c->checkpoint;

	chunk_free(c);
	if (wait_ready(r, e) != 0)
		return -1;
	/* Before the frame: the source may open another one as soon as it has it. */
	atomic_fetch_sub(&r->peer->open_checkpoints, 1);
	return peer_send_plain(r->peer, WIRE_DURABLE, id, e);
}

static int idle(struct stage *s, struct err *e)
{
	struct replier *r = (struct replier *)s;

	return wait_ready(r, e) == 0 ? peer_send_plain(r->peer, WIRE_PING, 0, e) : -1;
}

static int flush(struct stage *s, struct err *e)
{
	struct replier *r = (struct replier *)s;

	return wait_ready(r, e) == 0 ? peer_send_plain(r->peer, WIRE_END_OK, 0, e) : -1;
}

static void abandon(struct stage *s, const struct err *why)
{
	peer_abandon(((struct replier *)s)->peer, why);
}

static void close_replier(struct stage *s)
{
	free(s);
}

static const struct stage_ops ops = {
	.name = "replier",
	.process = process,
	.idle = idle,
	.flush = flush,
	.abandon = abandon,
	.close = close_replier,
};

struct stage *replier_new(struct peer *p)
{
	struct replier *r = mem_alloc(sizeof *r);

	r->stage.ops = &ops;
	r->stage.idle_ns = WIRE_PING_NS;
	r->peer = p;
	return &r->stage;
}
