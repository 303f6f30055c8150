// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "copy/stages.h"

/* How soon a channel that came back while there is nothing to send gets what it lost. */
#define IDLE_NS (200 * NS_PER_MS)

struct sender {
	struct stage stage;
	const struct copy_config *c;
	struct session *session;
	struct pool *again;
};

/* ---- Sending again ---- */

/* The source is a snapshot, so these are the bytes that were sent before. */
static int read_again(const struct sender *s, const struct window_frame *w, uint8_t *data, struct err *e)
{
	struct block *b = s->c->disks[w->f.disk].block;
	uint8_t hash[MANIFEST_HASH];

	limiter_owe(s->c->limiter, w->f.disk, w->f.length);
	if (block_read_aside(b, w->f.offset, data, (uint32_t)w->f.length, e) != 0)
		return -1;
	manifest_hash(s->c->keys, data, w->f.length, hash);
	if (memcmp(hash, w->hash, sizeof hash) == 0)
		return 0;
	return err_set(e, ERR_CORRUPT, 0,
		       "%s gives other bytes at offset %llu than a moment ago; copy from a snapshot, which nobody writes, or look "
		       "for a fault of the disk or the memory", b->info.name, (unsigned long long)w->f.offset);
}

/* A target that waits for the rest of a frame holds the buffers that the window of whoever has ours waits for: so nothing
 * stays behind while this one waits. */
static struct buffer *get_buffer(struct sender *s, struct channel *ch)
{
	struct buffer *b = pool_try_get(s->again);

	if (b != NULL)
		return b;
	channel_flush(s->session, ch);
	return pool_get(s->again);
}

/* Raw: this is rare, and what is lost to it is bounded in plain bytes. */
static int send_data_again(struct sender *s, struct channel *ch, const struct window_frame *w, bool again,
			   struct err *e)
{
	struct wire_frame f = w->f;
	struct buffer *b = get_buffer(s, ch);

	if (b == NULL)
		return pipeline_set_stopped(e);
	int rc = read_again(s, w, b->data, e);
	if (rc == 0) {
		f.flags = WIRE_RAW;
		f.payload = WIRE_HASH_SIZE + (uint32_t)f.length;
		if (again)
			session_count_resent(s->session, f.payload);
		else /* the connection broke before it was begun */
			atomic_fetch_add(&s->c->disks[f.disk].progress->sent_wire, f.payload);
		channel_send(s->session, ch, &f, w->hash, sizeof w->hash, b->data, f.length);
	}
	buffer_unref(b);
	return rc;
}

/* Everything that was pushed is on its way, or the connection has broken. By whoever has claimed the channel. -1: this
 * side has failed. */
static int catch_up(struct sender *s, struct channel *ch, struct err *e)
{
	struct window_frame w;
	bool again;

	while (session_next_frame(s->session, ch, &w, &again)) {
		if (again)
			session_keep_alive(s->session); /* of the others: this may take a while */
		if (w.f.type == WIRE_CHUNK) {
			if (send_data_again(s, ch, &w, again, e) != 0)
				return -1;
		} else {
			channel_send(s->session, ch, &w.f, NULL, 0, NULL, 0);
		}
	}
	return 0;
}

/* Whatever can be done while nothing comes: what was lost, what waits in a stream, what keeps the peer awake. */
static int serve_all(struct sender *s, struct err *e)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < s->session->channels; i++) {
		struct channel *ch = &s->session->channel[i];

		if (!session_claim_if_waiting(s->session, ch))
			continue;
		rc = catch_up(s, ch, e);
		if (rc == 0)
			channel_flush(s->session, ch);
		session_release(s->session, ch);
	}
	session_keep_alive(s->session);
	return rc;
}

/* ---- Sending ---- */

static struct wire_frame frame_of(const struct chunk *c)
{
	switch (c->kind) {
	case CHUNK_MARK:
		return (struct wire_frame){.type = WIRE_CHECKPOINT, .length = c->count, .id = c->checkpoint};
	case CHUNK_ZERO:
		return (struct wire_frame){.type = WIRE_ZERO, .disk = (uint16_t)c->disk, .offset = c->offset,
					   .length = c->length, .id = c->checkpoint};
	default:
		return (struct wire_frame){
			.type = WIRE_CHUNK,
			.flags = c->packed != NULL ? WIRE_ZSTD : WIRE_RAW,
			.disk = (uint16_t)c->disk,
			.payload = WIRE_HASH_SIZE + (c->packed != NULL ? c->packed_length : (uint32_t)c->length),
			.offset = c->offset,
			.length = c->length,
			.id = c->checkpoint,
		};
	}
}

/* On a channel that has caught up. */
static int send_new(struct sender *s, struct channel *ch, const struct chunk *c, struct err *e)
{
	struct wire_frame f = frame_of(c);
	struct window_frame w;
	bool again;

	session_push_frame(s->session, ch, &f, c->hash);
	if (c->kind != CHUNK_DATA)
		return catch_up(s, ch, e);
	if (!session_next_frame(s->session, ch, &w, &again))
		return 0; /* broken meanwhile */
	channel_send(s->session, ch, &f, c->hash, sizeof c->hash, c->packed != NULL ? c->packed : c->data,
		     f.payload - WIRE_HASH_SIZE);
	atomic_fetch_add(&s->c->disks[c->disk].progress->sent_wire, f.payload);
	return 0;
}

/* While none has room: whatever waits in the channels goes out, so that it is answered. */
static struct channel *claim(struct sender *s, const struct chunk *c, struct err *e)
{
	unsigned end = c->kind == CHUNK_MARK ? 1 : s->session->channels;
	uint64_t bytes = c->kind == CHUNK_DATA ? c->length : 0;
	struct channel *ch = session_claim(s->session, end, bytes, 0);

	while (ch == NULL) {
		if (session_is_over(s->session)) {
			pipeline_set_stopped(e);
			return NULL;
		}
		if (serve_all(s, e) != 0)
			return NULL;
		ch = session_claim(s->session, end, bytes, IDLE_NS);
	}
	return ch;
}

static int send_chunk(struct sender *s, const struct chunk *c, struct err *e)
{
	struct session *n = s->session;
	struct channel *ch = claim(s, c, e);

	if (ch == NULL)
		return -1;
	int rc = catch_up(s, ch, e);
	if (rc == 0)
		rc = send_new(s, ch, c, e);
	if (rc == 0 && (c->kind == CHUNK_MARK || (c->batch == NULL && stage_waiting(&s->stage) == 0)))
		channel_flush(n, ch);
	session_release(n, ch);
	return rc;
}

static int process(struct stage *stage, struct chunk *c, struct err *e)
{
	struct sender *s = (struct sender *)stage;
	int rc = 0;

	for (struct chunk *rest; rc == 0 && c != NULL; c = rest) {
		rc = send_chunk(s, c, e);
		rest = chunk_detach(c);
		chunk_free(c);
	}
	chunk_free(c);
	/* Other channels may have gathered something, and their threads may be waiting for more. */
	return rc == 0 && stage_waiting(stage) == 0 ? serve_all(s, e) : rc;
}

static int idle(struct stage *stage, struct err *e)
{
	return serve_all((struct sender *)stage, e);
}

/* ---- The end ---- */

static int flush(struct stage *stage, struct err *e)
{
	struct sender *s = (struct sender *)stage;
	struct session *n = s->session;
	const struct wire_frame end = {.type = WIRE_END};

	for (unsigned i = 0; i < n->channels; i++)
		session_push_frame(n, &n->channel[i], &end, NULL);
	session_set_sent_end(n);
	while (!session_has_ended(n)) {
		if (session_is_over(n))
			return pipeline_set_stopped(e);
		if (serve_all(s, e) != 0)
			return -1;
		session_wait(n, IDLE_NS);
	}
	if (session_claim_up(n, &n->channel[0])) {
		channel_send_plain(n, &n->channel[0], WIRE_BYE, 0);
		session_release(n, &n->channel[0]);
	}
	session_close(n);
	return 0;
}

static void abandon(struct stage *stage, const struct err *why)
{
	session_abandon(((struct sender *)stage)->session, why);
}

static void close_sender(struct stage *stage)
{
	free(stage);
}

static const struct stage_ops ops = {
	.name = "sender",
	.takes_batches = true,
	.process = process,
	.idle = idle,
	.flush = flush,
	.abandon = abandon,
	.close = close_sender,
};

struct stage *sender_new(const struct copy_config *c, struct session *n, struct pool *again)
{
	struct sender *s = mem_alloc(sizeof *s);

	s->stage.ops = &ops;
	s->stage.idle_ns = IDLE_NS;
	s->c = c;
	s->session = n;
	s->again = again;
	return &s->stage;
}
