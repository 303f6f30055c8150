// SPDX-License-Identifier: Apache-2.0
#include "copy/session.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "copy/greet.h"
#include "copy/pipeline.h"

#define HELLO_NS       (10 * NS_PER_S) /* a peer that says no HELLO keeps others from being heard */
#define FIRST_PAUSE_NS (50 * NS_PER_MS)
#define LAST_PAUSE_NS  (2 * NS_PER_S)
#define WAIT_NS        NS_PER_S

void session_init(struct session *s, const struct copy_config *c, const struct copy_link *link)
{
	pthread_condattr_t attr;

	memset(s, 0, sizeof *s);
	s->c = c;
	s->link = link;
	s->first = link->first;
	s->channels = link->channels < WIRE_MAX_CHANNELS ? link->channels : WIRE_MAX_CHANNELS;
	s->silence_ns = c->silence_ns > 0 ? c->silence_ns : WIRE_SILENCE_NS;
	s->hello_ns = s->silence_ns < HELLO_NS ? s->silence_ns : HELLO_NS;
	s->patience_ns = link->patience_ns > 0 ? link->patience_ns : COPY_DEFAULT_PATIENCE_NS;
	s->status.channels = s->channels;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &attr);
	pthread_cond_init(&s->freed, &attr);
	pthread_condattr_destroy(&attr);
	for (unsigned i = 0; i < s->channels; i++) {
		s->channel[i].index = i;
		s->channel[i].trouble_ns = clock_mono_ns();
		if (c->hello.role == WIRE_SOURCE)
			window_init(&s->channel[i].window, WINDOW_BYTES / s->channels);
	}
}

void session_close_stream(struct session *s, struct stream *stream)
{
	if (stream != NULL && s->link->close != NULL)
		s->link->close(s->link->ctx, stream);
	else
		stream_close(stream);
}

int session_refuse(struct session *s, const struct err *why)
{
	return s->first != NULL ? greet_refuse(s->first, why) : -1;
}

void session_fini(struct session *s)
{
	for (unsigned i = 0; i < s->channels; i++) {
		session_close_stream(s, s->channel[i].stream);
		session_close_stream(s, s->channel[i].next);
		window_fini(&s->channel[i].window);
	}
	session_close_stream(s, s->first);
	pthread_cond_destroy(&s->freed);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
}

/* ---- Waiting; with the lock held ---- */

static void wait_for(struct session *s, pthread_cond_t *what, int64_t ns)
{
	int64_t at = clock_mono_ns() + ns;
	struct timespec until = {.tv_sec = (time_t)(at / NS_PER_S), .tv_nsec = (long)(at % NS_PER_S)};

	pthread_cond_timedwait(what, &s->lock, &until);
}

static void wait_changed(struct session *s, int64_t ns)
{
	wait_for(s, &s->changed, ns);
}

void session_wait_freed(struct session *s, int64_t ns)
{
	wait_for(s, &s->freed, ns);
}

void session_wake(struct session *s)
{
	if (s->link->wake != NULL)
		s->link->wake(s->link->ctx);
}

void session_changed(struct session *s)
{
	pthread_cond_broadcast(&s->changed);
	pthread_cond_broadcast(&s->freed);
}

static bool is_over(const struct session *s)
{
	return s->stopped || s->closed;
}

void session_wait(struct session *s, int64_t ns)
{
	pthread_mutex_lock(&s->lock);
	if (!is_over(s))
		wait_changed(s, ns);
	pthread_mutex_unlock(&s->lock);
}

bool session_is_over(struct session *s)
{
	pthread_mutex_lock(&s->lock);
	bool over = is_over(s);
	pthread_mutex_unlock(&s->lock);
	return over;
}

static void raise_flag(struct session *s, bool *flag)
{
	pthread_mutex_lock(&s->lock);
	*flag = true;
	session_changed(s);
	pthread_mutex_unlock(&s->lock);
}

static bool read_flag(struct session *s, const bool *flag)
{
	pthread_mutex_lock(&s->lock);
	bool value = *flag;
	pthread_mutex_unlock(&s->lock);
	return value;
}

void session_stop(void *session)
{
	struct session *s = session;

	raise_flag(s, &s->stopped);
	session_wake(s);
}

void session_set_sent_end(struct session *s)
{
	raise_flag(s, &s->sent_end);
}

bool session_has_sent_end(struct session *s)
{
	return read_flag(s, &s->sent_end);
}

void session_set_ended(struct session *s)
{
	pthread_mutex_lock(&s->lock);
	s->ended = true;
	s->ended_ns = clock_mono_ns();
	session_changed(s);
	pthread_mutex_unlock(&s->lock);
}

bool session_has_ended(struct session *s)
{
	return read_flag(s, &s->ended);
}

/* ---- A connection comes and goes ---- */

static void report(struct session *s, const struct err *why)
{
	s->status.up = 0;
	for (unsigned i = 0; i < s->channels; i++)
		s->status.up += s->channel[i].state == CHANNEL_UP;
	if (why != NULL)
		s->status.why = *why;
	if (s->link->report != NULL)
		s->link->report(s->link->ctx, &s->status);
}

/* This side gives the connection up; its reader notices by the abort. */
void session_give_up(struct channel *ch, enum err_kind kind, const char *why)
{
	if (ch->fault.kind != ERR_NONE)
		return;
	err_set(&ch->fault, kind, 0, "%s", why);
	ch->fault_ns = clock_mono_ns();
}

void session_offer(struct session *s, unsigned channel, struct stream *stream)
{
	struct channel *ch = &s->channel[channel];

	stream_set_timeout(stream, 0); /* the tick watches instead: it sees slow drips, too */
	pthread_mutex_lock(&s->lock);
	struct stream *older = ch->next;
	ch->next = stream;
	if (ch->stream != NULL && !s->stopped) {
		session_give_up(ch, ERR_NETWORK, "a newer connection took its place");
		stream_abort(ch->stream);
	}
	session_changed(s);
	pthread_mutex_unlock(&s->lock);
	session_close_stream(s, older);
}

/* False: the session is over. */
static bool take_next(struct session *s, struct channel *ch)
{
	pthread_mutex_lock(&s->lock);
	while (ch->next == NULL && !is_over(s) && !(s->ended && s->c->hello.role == WIRE_SOURCE))
		wait_changed(s, WAIT_NS);
	bool ok = ch->next != NULL && !is_over(s);
	if (ok) {
		ch->stream = ch->next;
		ch->next = NULL;
		ch->state = CHANNEL_GREETING;
		ch->fault.kind = ERR_NONE;
		ch->gathered = false;
		ch->wrote_ns = clock_mono_ns();
		ch->told_durable = 0;
		ch->told_end = false;
	}
	pthread_mutex_unlock(&s->lock);
	return ok;
}

static void set_up(struct session *s, struct channel *ch)
{
	pthread_mutex_lock(&s->lock);
	ch->state = CHANNEL_UP;
	report(s, NULL);
	session_changed(s);
	pthread_mutex_unlock(&s->lock);
}

/* With the lock held, which is given away. */
static void drop(struct session *s, struct channel *ch, const struct err *why)
{
	struct stream *old = ch->stream;

	ch->state = CHANNEL_DOWN;
	ch->lost_ns = clock_mono_ns();
	if (ch->trouble_ns == 0)
		ch->trouble_ns = ch->lost_ns;
	stream_abort(old);
	while (ch->claimed)
		session_wait_freed(s, WAIT_NS);
	ch->stream = NULL;
	s->status.cuts++;
	report(s, why);
	session_changed(s);
	pthread_mutex_unlock(&s->lock);
	session_close_stream(s, old);
	pthread_mutex_lock(&s->lock);
}

/* What a reader's failure means. False: it has failed for good, because of *why. *why gets the reason also when it was
 * this side that gave the connection up. */
static bool survives(struct session *s, struct channel *ch, struct err *why)
{
	pthread_mutex_lock(&s->lock);
	/* The connection, not the peer's ERROR, a breach of the protocol or a failure of this side: those are for good. */
	bool lost = !atomic_load(&s->remote) && (err_is_retryable(why) || why->kind == ERR_CANCELED);
	if (lost && ch->fault.kind != ERR_NONE)
		*why = ch->fault;
	bool again = lost && !is_over(s) && err_is_retryable(why) && s->link->open != NULL;
	/* Once all is done, nothing that happens to a connection can undo it. */
	bool done = lost && !again && !s->stopped && (s->closed || s->ended);
	if (again)
		drop(s, ch, why);
	pthread_mutex_unlock(&s->lock);
	if (done && s->c->hello.role == WIRE_TARGET)
		session_close(s);
	return again || done;
}

static int pause_reader(const struct session_reader *r, void *ctx, struct err *e)
{
	return r->pause != NULL ? r->pause(ctx, e) : 0;
}

static int converse(struct session *s, struct channel *ch, const struct session_reader *r, void *ctx, struct err *e)
{
	bool last = false;

	if (r->greet(ctx, ch, e) != 0)
		return -1;
	set_up(s, ch);
	if (r->begin != NULL)
		r->begin(ctx, ch);
	while (!last) {
		struct wire_frame f;

		if (channel_recv_any(s, ch, &f, e) != 0)
			return -1;
		if (session_is_over(s))
			return pipeline_set_stopped(e);
		if (f.type == WIRE_PING) {
			if (pause_reader(r, ctx, e) != 0)
				return -1;
			continue;
		}
		if (r->take(ctx, ch, &f, &last, e) != 0)
			return -1;
	}
	return 0;
}

int session_read(struct session *s, struct channel *ch, const struct session_reader *r, void *ctx, struct err *e)
{
	while (take_next(s, ch)) {
		if (converse(s, ch, r, ctx, e) == 0)
			return 0;
		if (!survives(s, ch, e) || pause_reader(r, ctx, e) != 0)
			return -1;
		*e = (struct err)ERR_INIT;
	}
	return read_flag(s, &s->stopped) ? pipeline_set_stopped(e) : 0;
}

void session_drain(struct session *s, struct channel *ch)
{
	pthread_mutex_lock(&s->lock);
	bool deaf = ch->stream == NULL || atomic_load(&s->remote) || ch->fault.kind != ERR_NONE;
	pthread_mutex_unlock(&s->lock);
	if (!deaf)
		greet_hear_out(ch->stream);
}

/* ---- The connector's ---- */

struct channel *session_next_down(struct session *s, int64_t *wait_ns)
{
	struct channel *due = NULL;
	int64_t now = clock_mono_ns();

	*wait_ns = WAIT_NS;
	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < s->channels && due == NULL; i++) {
		struct channel *ch = &s->channel[i];

		if (ch->state != CHANNEL_DOWN || ch->next != NULL)
			continue;
		if (now >= ch->retry_ns)
			due = ch;
		else if (ch->retry_ns - now < *wait_ns)
			*wait_ns = ch->retry_ns - now;
	}
	if (due != NULL) {
		/* At once after a connection that was of use; then less and less often. */
		due->pause_ns = due->pause_ns == 0 ? FIRST_PAUSE_NS
				: due->pause_ns * 2 < LAST_PAUSE_NS ? due->pause_ns * 2 : LAST_PAUSE_NS;
		due->retry_ns = now + due->pause_ns;
	}
	pthread_mutex_unlock(&s->lock);
	return due;
}

void session_open_door(struct session *s, struct stream *stream)
{
	pthread_mutex_lock(&s->lock);
	s->door = stream;
	s->door_until_ns = clock_mono_ns() + s->hello_ns;
	s->door_late = false;
	if (s->closed)
		stream_abort(stream);
	pthread_mutex_unlock(&s->lock);
}

bool session_shut_door(struct session *s)
{
	pthread_mutex_lock(&s->lock);
	s->door = NULL;
	bool late = s->door_late;
	pthread_mutex_unlock(&s->lock);
	return !late;
}

void session_note(struct session *s, const struct err *why)
{
	pthread_mutex_lock(&s->lock);
	report(s, why);
	pthread_mutex_unlock(&s->lock);
}
