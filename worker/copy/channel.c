// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/clock.h"
#include "copy/pipeline.h"
#include "copy/session.h"

/* So much must come within the silence limit: less is as good as nothing. */
#define PIECE_BYTES (64u << 10)
#define WAIT_NS     NS_PER_S

/* ---- Reading ---- */

static void watch(struct session *s, struct channel *ch)
{
	atomic_store(&ch->deadline_ns, clock_mono_ns() + s->silence_ns);
}

/* A frame behind the greeting: the connection is of use. */
static void note_life(struct session *s, struct channel *ch)
{
	pthread_mutex_lock(&s->lock);
	if (ch->state == CHANNEL_UP)
		ch->trouble_ns = ch->retry_ns = ch->pause_ns = 0;
	pthread_mutex_unlock(&s->lock);
}

int channel_recv_any(struct session *s, struct channel *ch, struct wire_frame *f, struct err *e)
{
	watch(s, ch);
	int rc = wire_recv(ch->stream, f, e);
	atomic_store(&ch->deadline_ns, 0);
	if (rc != 0)
		return -1;
	note_life(s, ch);
	if (f->type != WIRE_ERROR)
		return 0;
	watch(s, ch);
	wire_recv_error(ch->stream, f, e);
	atomic_store(&ch->deadline_ns, 0);
	atomic_store(&s->remote, true);
	return -1;
}

int channel_recv(struct session *s, struct channel *ch, struct wire_frame *f, struct err *e)
{
	int rc;

	do
		rc = channel_recv_any(s, ch, f, e);
	while (rc == 0 && f->type == WIRE_PING);
	return rc;
}

int channel_recv_payload(struct session *s, struct channel *ch, void *to, size_t n, struct err *e)
{
	size_t at = 0, watched = 0;
	ssize_t got = 1;

	watch(s, ch);
	while (got > 0 && at < n) {
		if (at - watched >= PIECE_BYTES) {
			watch(s, ch);
			watched = at;
		}
		got = stream_read(ch->stream, (uint8_t *)to + at, n - at, e);
		at += got > 0 ? (size_t)got : 0;
	}
	/* To say how much is missing. */
	if (got == 0)
		got = stream_read_full(ch->stream, (uint8_t *)to + at, n - at, e);
	atomic_store(&ch->deadline_ns, 0);
	return got < 0 ? -1 : 0;
}

/* ---- Claiming ---- */

/* Once stopped, only session_abandon() writes: ERROR is the last frame. */
static bool is_usable(const struct session *s, const struct channel *ch)
{
	return !s->stopped && ch->state == CHANNEL_UP && ch->fault.kind == ERR_NONE;
}

static bool may_take(const struct session *s, const struct channel *ch, uint64_t bytes)
{
	return is_usable(s, ch) && !ch->claimed &&
	       (s->c->hello.role == WIRE_TARGET || window_has_room(&ch->window, bytes));
}

/* What waits to be sent again first; then where the least is under way. */
static bool is_better(const struct channel *a, const struct channel *b)
{
	if (b == NULL || window_is_behind(&a->window) != window_is_behind(&b->window))
		return b == NULL || window_is_behind(&a->window);
	return a->window.bytes < b->window.bytes;
}

static struct channel *best(struct session *s, unsigned end, uint64_t bytes)
{
	struct channel *found = NULL;

	for (unsigned i = 0; i < end && !s->stopped && !s->closed; i++)
		if (may_take(s, &s->channel[i], bytes) && is_better(&s->channel[i], found))
			found = &s->channel[i];
	return found;
}

struct channel *session_claim(struct session *s, unsigned end, uint64_t bytes, int64_t wait_ns)
{
	pthread_mutex_lock(&s->lock);
	struct channel *ch = best(s, end, bytes);
	if (ch == NULL && wait_ns > 0 && !s->stopped && !s->closed) {
		session_wait_freed(s, wait_ns);
		ch = best(s, end, bytes);
	}
	if (ch != NULL)
		ch->claimed = true;
	pthread_mutex_unlock(&s->lock);
	return ch;
}

bool session_claim_greeting(struct session *s, struct channel *ch)
{
	pthread_mutex_lock(&s->lock);
	bool ok = !s->stopped;
	if (ok)
		ch->claimed = true;
	pthread_mutex_unlock(&s->lock);
	return ok;
}

bool session_claim_up(struct session *s, struct channel *ch)
{
	pthread_mutex_lock(&s->lock);
	while (is_usable(s, ch) && ch->claimed)
		session_wait_freed(s, WAIT_NS);
	bool ok = is_usable(s, ch);
	if (ok)
		ch->claimed = true;
	pthread_mutex_unlock(&s->lock);
	return ok;
}

void session_release(struct session *s, struct channel *ch)
{
	pthread_mutex_lock(&s->lock);
	ch->claimed = false;
	pthread_cond_broadcast(&s->freed);
	pthread_mutex_unlock(&s->lock);
}

bool session_claim_if_waiting(struct session *s, struct channel *ch)
{
	pthread_mutex_lock(&s->lock);
	bool ok = is_usable(s, ch) && !ch->claimed && (ch->gathered || window_is_behind(&ch->window));
	if (ok)
		ch->claimed = true;
	pthread_mutex_unlock(&s->lock);
	return ok;
}

/* ---- The source's window ---- */

void session_push_frame(struct session *s, struct channel *ch, const struct wire_frame *f, const uint8_t *hash)
{
	pthread_mutex_lock(&s->lock);
	window_push(&ch->window, f, hash);
	pthread_mutex_unlock(&s->lock);
}

bool session_next_frame(struct session *s, struct channel *ch, struct window_frame *out, bool *again)
{
	pthread_mutex_lock(&s->lock);
	const struct window_frame *w = is_usable(s, ch) ? window_next(&ch->window, again) : NULL;
	if (w != NULL)
		*out = *w;
	if (w != NULL && w->f.type == WIRE_CHECKPOINT && w->f.id > s->asked)
		s->asked = w->f.id;
	pthread_mutex_unlock(&s->lock);
	return w != NULL;
}

uint64_t session_last_asked(struct session *s)
{
	pthread_mutex_lock(&s->lock);
	uint64_t id = s->asked;
	pthread_mutex_unlock(&s->lock);
	return id;
}

int session_ack(struct session *s, struct channel *ch, uint64_t upto, struct err *e)
{
	pthread_mutex_lock(&s->lock);
	int rc = window_ack(&ch->window, upto, e);
	pthread_cond_broadcast(&s->freed);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

void session_count_resent(struct session *s, uint64_t payload)
{
	pthread_mutex_lock(&s->lock);
	s->status.resent += payload;
	pthread_mutex_unlock(&s->lock);
}

/* ---- Writing ---- */

static int wrote(struct session *s, struct channel *ch, int rc, bool gathered, const struct err *why)
{
	pthread_mutex_lock(&s->lock);
	ch->wrote_ns = clock_mono_ns();
	ch->gathered = gathered;
	if (rc != 0)
		session_give_up(ch, ERR_NETWORK, why->msg);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* No faster than the limiter wants it. Once stopped it lets everything pass: a frame that has begun is always finished. */
static int write_limited(struct session *s, struct channel *ch, const void *data, size_t n, struct err *e)
{
	for (size_t at = 0; at < n; at += LIMITER_SLICE) {
		size_t len = n - at < LIMITER_SLICE ? n - at : LIMITER_SLICE;

		limiter_send(s->c->limiter, len);
		if (stream_write(ch->stream, (const uint8_t *)data + at, len, e) != 0)
			return -1;
	}
	return 0;
}

int channel_send(struct session *s, struct channel *ch, const struct wire_frame *f, const void *a, size_t a_len,
		 const void *b, size_t b_len)
{
	uint8_t head[WIRE_HEADER_SIZE + WIRE_HASH_SIZE];
	struct err why = ERR_INIT;

	wire_frame_encode(f, head);
	if (a_len > 0)
		memcpy(head + WIRE_HEADER_SIZE, a, a_len);
	int rc = write_limited(s, ch, head, WIRE_HEADER_SIZE + a_len, &why);
	if (rc == 0)
		rc = write_limited(s, ch, b, b_len, &why);
	return wrote(s, ch, rc, true, &why);
}

int channel_flush(struct session *s, struct channel *ch)
{
	struct err why = ERR_INIT;

	return wrote(s, ch, stream_flush(ch->stream, &why), false, &why);
}

int channel_send_plain(struct session *s, struct channel *ch, enum wire_type type, uint64_t id)
{
	struct wire_frame f = {.type = (uint8_t)type, .id = id};

	return channel_send(s, ch, &f, NULL, 0, NULL, 0) != 0 ? -1 : channel_flush(s, ch);
}

void session_keep_alive(struct session *s)
{
	for (unsigned i = 0; i < s->channels; i++) {
		struct channel *ch = &s->channel[i];

		pthread_mutex_lock(&s->lock);
		bool due = is_usable(s, ch) && !ch->claimed && !ch->told_end &&
			   clock_mono_ns() - ch->wrote_ns >= WIRE_PING_NS;
		if (due)
			ch->claimed = true;
		pthread_mutex_unlock(&s->lock);
		if (!due)
			continue;
		channel_send_plain(s, ch, WIRE_PING, 0);
		session_release(s, ch);
	}
}

/* ---- The target's news ---- */

void session_set_durable(struct session *s, uint64_t id)
{
	pthread_mutex_lock(&s->lock);
	s->durable = id;
	pthread_mutex_unlock(&s->lock);
}

/* What is to be told on channel 0 and was not told on this connection. */
static enum wire_type next_news(struct session *s, struct channel *ch, uint64_t *id)
{
	enum wire_type type = 0;

	pthread_mutex_lock(&s->lock);
	*id = 0;
	if (ch->told_durable < s->durable) {
		type = WIRE_DURABLE;
		*id = ch->told_durable = s->durable;
	} else if (s->ended && !ch->told_end) {
		type = WIRE_END_OK;
		ch->told_end = true;
	}
	pthread_mutex_unlock(&s->lock);
	return type;
}

void session_tell(struct session *s)
{
	struct channel *ch = &s->channel[0];
	enum wire_type type;
	uint64_t id;

	/* Down: its reader tells it as soon as there is a connection again. */
	if (!session_claim_up(s, ch))
		return;
	while ((type = next_news(s, ch, &id)) != 0)
		channel_send_plain(s, ch, type, id);
	session_release(s, ch);
}
