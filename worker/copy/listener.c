// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include "copy/greet.h"
#include "copy/stages.h"

struct listener {
	struct stage stage;
	struct session *session;
	struct checkpoints *checkpoints;
	atomic_uint readers; /* channels that have one */
	uint64_t durable;    /* channel 0's reader: the last one */
};

static int greet(void *ctx, struct channel *ch, struct err *e)
{
	return greet_as_source(((struct listener *)ctx)->session, ch, e);
}

static int take_durable(struct listener *l, uint64_t id, struct err *e)
{
	uint64_t asked = session_last_asked(l->session);

	/* Before anything is recorded: what is closed here need not have been sent. */
	if (id < l->durable || id > asked)
		return err_set(e, ERR_PROTOCOL, 0,
			       "the target says that checkpoint %" PRIu64 " is durable, after %" PRIu64 " and when %" PRIu64 " was the "
			       "last that it was asked for", id, l->durable, asked);
	while (l->durable < id) {
		if (checkpoints_durable(l->checkpoints, l->durable + 1, e) != 0)
			return -1;
		l->durable++;
	}
	return 0;
}

static int take_end_ok(struct listener *l, bool *last, struct err *e)
{
	if (!session_has_sent_end(l->session) || !checkpoints_all_durable(l->checkpoints))
		return err_set(e, ERR_PROTOCOL, 0, "the target says that all is done before it confirmed every checkpoint");
	*last = true;
	session_set_ended(l->session);
	return 0;
}

static int take(void *ctx, struct channel *ch, const struct wire_frame *f, bool *last, struct err *e)
{
	struct listener *l = ctx;

	if (f->type == WIRE_ACK)
		return session_ack(l->session, ch, f->id, e);
	if (f->type == WIRE_DURABLE && ch->index == 0)
		return take_durable(l, f->id, e);
	if (f->type == WIRE_END_OK && ch->index == 0)
		return take_end_ok(l, last, e);
	return err_set(e, ERR_PROTOCOL, 0, "the target sent a frame of type %u on channel %u, which it may not send there now",
		       f->type, ch->index);
}

static int produce(struct stage *s, struct err *e)
{
	static const struct session_reader reader = {.greet = greet, .take = take};
	struct listener *l = (struct listener *)s;
	struct channel *ch = &l->session->channel[atomic_fetch_add(&l->readers, 1)];

	if (session_read(l->session, ch, &reader, l, e) == 0)
		return 0;
	/* First, so that what the peer said goes before what a broken write says. */
	pipeline_fail(s->pipeline, e);
	session_drain(l->session, ch);
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

struct stage *listener_new(struct session *n, struct checkpoints *k)
{
	struct listener *l = mem_alloc(sizeof *l);

	l->stage.ops = &ops;
	l->stage.idle_ns = -1;
	l->session = n;
	l->checkpoints = k;
	return &l->stage;
}
