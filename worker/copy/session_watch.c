// SPDX-License-Identifier: Apache-2.0
/* What ends connections and sessions from outside: silence, a lack of progress, a failure elsewhere, success. */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "copy/greet.h"
#include "copy/session.h"

/* How long a connection that cannot be written is still read: the reason may be on its way as an ERROR frame. */
#define REASON_NS NS_PER_S

void session_close(struct session *s)
{
	pthread_mutex_lock(&s->lock);
	s->closed = true;
	if (s->door != NULL)
		stream_abort(s->door);
	for (unsigned i = 0; i < s->channels; i++)
		if (s->channel[i].stream != NULL)
			stream_abort(s->channel[i].stream);
	session_changed(s);
	pthread_mutex_unlock(&s->lock);
	session_wake(s);
}

/* For the last frame: whether greeted or not. */
static bool claim_last(struct session *s, struct channel *ch)
{
	pthread_mutex_lock(&s->lock);
	while (ch->state != CHANNEL_DOWN && ch->fault.kind == ERR_NONE && ch->claimed)
		session_wait_freed(s, NS_PER_S);
	bool ok = ch->state != CHANNEL_DOWN && ch->fault.kind == ERR_NONE;
	if (ok)
		ch->claimed = true;
	pthread_mutex_unlock(&s->lock);
	return ok;
}

void session_abandon(struct session *s, const struct err *why)
{
	session_stop(s); /* the pipeline may just be about to: no reader takes another connection */
	for (unsigned i = 0; i < s->channels; i++) {
		struct channel *ch = &s->channel[i];

		if (atomic_load(&s->remote)) {
			pthread_mutex_lock(&s->lock);
			if (ch->stream != NULL)
				stream_abort(ch->stream);
			pthread_mutex_unlock(&s->lock);
		} else if (claim_last(s, ch)) {
			greet_refuse(ch->stream, why);
			session_release(s, ch);
		}
	}
}

void session_abandon_offers(struct session *s, const struct err *why)
{
	session_stop(s);
	/* Only the connector brings them, and readers take none any more. */
	for (unsigned i = 0; i < s->channels; i++)
		if (s->channel[i].next != NULL && !atomic_load(&s->remote)) {
			greet_refuse(s->channel[i].next, why);
			greet_hear_out(s->channel[i].next);
		}
}

/* What is given up at once; what the peer may still be told something on, after a while. */
static void abort_after_stop(struct session *s)
{
	int64_t now = clock_mono_ns();

	if (s->stopped_ns == 0)
		s->stopped_ns = now;
	bool late = now - s->stopped_ns > SESSION_GRACE_NS;
	if (late && s->door != NULL)
		stream_abort(s->door);
	for (unsigned i = 0; i < s->channels; i++) {
		struct channel *ch = &s->channel[i];

		if (ch->stream != NULL && (late || ch->fault.kind != ERR_NONE))
			stream_abort(ch->stream);
		if (late && ch->next != NULL)
			stream_abort(ch->next);
	}
}

/* A peer that says HELLO byte by byte must not keep others out. */
static void watch_door(struct session *s)
{
	if (s->door == NULL || clock_mono_ns() <= s->door_until_ns)
		return;
	s->door_late = true;
	stream_abort(s->door);
}

static void watch_channel(struct session *s, struct channel *ch)
{
	int64_t now = clock_mono_ns(), deadline = atomic_load(&ch->deadline_ns);
	char text[256];

	if (ch->stream == NULL)
		return;
	if (deadline != 0 && now > deadline && ch->fault.kind == ERR_NONE) {
		snprintf(text, sizeof text,
			 "nothing (or far too little) came from the peer for %" PRId64 " s, so it counts as dead; look "
			 "whether the other worker runs and the network between them works", s->silence_ns / NS_PER_S);
		session_give_up(ch, ERR_TIMEOUT, text);
		stream_abort(ch->stream);
	} else if (ch->fault.kind != ERR_NONE && now - ch->fault_ns > REASON_NS) {
		stream_abort(ch->stream);
	}
}

/* A broken connection that is not made again in time. */
static int check_patience(struct session *s, const struct channel *ch, struct err *e)
{
	int64_t now = clock_mono_ns();

	if (s->link->open == NULL || ch->state == CHANNEL_UP || ch->trouble_ns == 0 ||
	    now - ch->trouble_ns <= s->patience_ns)
		return 0;
	return err_set(e, s->status.why.kind == ERR_TIMEOUT ? ERR_TIMEOUT : ERR_NETWORK, 0,
		       "nothing has got through on connection %u of %u between the workers for %" PRId64 " s; the last one ended: "
		       "%s", ch->index + 1, s->channels, (now - ch->trouble_ns) / NS_PER_S,
		       s->status.why.kind != ERR_NONE ? s->status.why.msg : "none was ever made");
}

/* The target has told END_OK; whether the source heard it makes no difference to what is durable. */
static bool has_lingered(const struct session *s)
{
	const struct channel *ch = &s->channel[0];
	int64_t since = ch->lost_ns > s->ended_ns ? ch->lost_ns : s->ended_ns;

	/* Who counts as dead sooner is not waited for longer. */
	int64_t linger_ns = s->silence_ns < WIRE_LINGER_NS ? s->silence_ns : WIRE_LINGER_NS;

	return s->ended && ch->state == CHANNEL_DOWN && clock_mono_ns() - since > linger_ns;
}

int session_tick(void *session, bool stopped, struct err *e)
{
	struct session *s = session;
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	if (stopped)
		abort_after_stop(s);
	else if (!s->closed)
		watch_door(s);
	for (unsigned i = 0; !s->stopped && !s->closed && i < s->channels; i++) {
		watch_channel(s, &s->channel[i]);
		if (rc == 0 && !s->ended)
			rc = check_patience(s, &s->channel[i], e);
	}
	bool lingered = s->c->hello.role == WIRE_TARGET && !s->stopped && !s->closed && has_lingered(s);
	pthread_mutex_unlock(&s->lock);
	if (lingered)
		session_close(s);
	return rc;
}
