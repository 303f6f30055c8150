// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "copy/greet.h"
#include "copy/stages.h"

struct connector {
	struct stage stage;
	struct session *session;
};

/* Says HELLO on a new connection (taken) and brings it to its channel. -1: that ends the session. */
static int introduce(struct session *s, struct stream *stream, uint16_t named, struct err *e)
{
	struct err why = ERR_INIT;
	uint16_t channel;
	bool stray;

	session_open_door(s, stream);
	int rc = greet_hello(s, stream, named, &channel, &stray, &why);
	if (!session_shut_door(s) && rc != 0)
		err_set(&why, ERR_TIMEOUT, 0, "the other side took longer than %" PRId64 " s to say who it is",
			s->hello_ns / NS_PER_S);
	if (rc == 0) {
		session_offer(s, channel, stream);
		return 0;
	}
	session_close_stream(s, stream);
	bool again = stray || (err_is_retryable(&why) && !atomic_load(&s->remote));
	if (s->link->open != NULL && (again || session_is_over(s))) {
		if (!stray)
			session_note(s, &why);
		return 0;
	}
	*e = why;
	return -1;
}

static int dial(struct session *s, struct err *e)
{
	struct err why = ERR_INIT;
	int64_t wait_ns;
	struct channel *ch = session_next_down(s, &wait_ns);

	if (ch == NULL) {
		session_wait(s, wait_ns);
		return 0;
	}
	struct stream *stream = s->link->open(s->link->ctx, &why);
	if (stream != NULL)
		return introduce(s, stream, (uint16_t)ch->index, e);
	if (!err_is_retryable(&why) && !session_is_over(s)) {
		*e = why;
		return -1;
	}
	session_note(s, &why);
	return 0;
}

/* Nothing is as good as a connection that never came. */
static int answer(struct session *s, struct err *e)
{
	struct err why = ERR_INIT;
	struct stream *stream = s->link->open(s->link->ctx, &why);

	if (stream != NULL)
		return introduce(s, stream, WIRE_ANY_CHANNEL, e);
	if (err_is_retryable(&why) || session_is_over(s))
		return 0;
	*e = why;
	return -1;
}

static int produce(struct stage *stage, struct err *e)
{
	struct session *s = ((struct connector *)stage)->session;
	const struct copy_link *link = s->link;
	struct stream *first = s->first;

	s->first = NULL;
	if (first != NULL && introduce(s, first, link->dials ? 0 : WIRE_ANY_CHANNEL, e) != 0)
		return -1;
	while (!session_is_over(s)) {
		if (link->open == NULL)
			session_wait(s, NS_PER_S);
		else if ((link->dials ? dial(s, e) : answer(s, e)) != 0)
			return -1;
	}
	return 0;
}

static void abandon(struct stage *stage, const struct err *why)
{
	session_abandon_offers(((struct connector *)stage)->session, why);
}

static void close_connector(struct stage *s)
{
	free(s);
}

static const struct stage_ops ops = {
	.name = "connector",
	.produce = produce,
	.abandon = abandon,
	.close = close_connector,
};

struct stage *connector_new(struct session *s)
{
	struct connector *k = mem_alloc(sizeof *k);

	k->stage.ops = &ops;
	k->stage.idle_ns = -1;
	k->session = s;
	return &k->stage;
}
