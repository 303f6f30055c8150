// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdlib.h>

#include "base/extents.h"
#include "base/mem.h"
#include "copy/greet.h"
#include "copy/stages.h"

struct receiver {
	struct stage stage;
	const struct copy_config *c;
	struct session *session;
	struct intake *intake;
	struct pool *received;
	atomic_uint readers; /* channels that have one */
};

/* What one channel brings, put together to a batch whose payloads lie in one buffer: raw neighbours side by side, so that
 * they are written with one request. */
struct gathering {
	struct receiver *receiver;
	struct buffer *buffer; /* NULL: not yet */
	size_t used;           /* of it */
	struct chunk *batch, **end;
	uint64_t plain;        /* bytes that its DATA needs when unpacked */
	unsigned chunks;
};

/* ---- Data ---- */

static int check_data(const struct receiver *r, const struct wire_frame *f, struct err *e)
{
	if (f->disk >= r->c->disk_count)
		return err_set(e, ERR_PROTOCOL, 0, "the peer sent data for disk %u, which was not announced", f->disk);
	const struct wire_disk disk = {
		.size = r->c->disks[f->disk].size,
		.chunk_size = r->c->chunk_size,
		.sector_size = r->c->disks[f->disk].block->info.logical_sector,
	};
	return wire_data_check(f, &disk, e);
}

static int hand_on(struct gathering *g, struct err *e)
{
	struct chunk *batch = g->batch;

	buffer_unref(g->buffer);
	*g = (struct gathering){.receiver = g->receiver, .end = &g->batch};
	return batch == NULL ? 0 : stage_emit(&g->receiver->stage, batch, e);
}

static uint32_t payload_of(const struct wire_frame *f)
{
	return f->type == WIRE_CHUNK ? f->payload - WIRE_HASH_SIZE : 0;
}

static bool fits(const struct gathering *g, const struct wire_frame *f)
{
	const struct chunk *first = g->batch;
	size_t room = pool_unit(g->receiver->received);
	uint64_t plain = f->type == WIRE_CHUNK ? buffer_next(f->length) : 0;

	return first == NULL || (first->disk == f->disk && first->checkpoint == f->id &&
				 payload_of(f) <= room - g->used && plain <= room - g->plain);
}

/* Anew for each: a direct write wants its data aligned. */
static int read_payload(struct gathering *g, struct channel *ch, const struct wire_frame *f, struct chunk *c,
			struct err *e)
{
	struct session *s = g->receiver->session;
	uint32_t length = payload_of(f);

	if (g->buffer == NULL)
		g->buffer = pool_get(g->receiver->received);
	if (g->buffer == NULL)
		return pipeline_set_stopped(e);
	uint8_t *data = g->buffer->data + g->used;
	if (channel_recv_payload(s, ch, c->hash, sizeof c->hash, e) != 0 ||
	    channel_recv_payload(s, ch, data, length, e) != 0)
		return -1;
	buffer_ref(g->buffer, 1);
	if (f->flags == WIRE_ZSTD) {
		c->packed_buffer = g->buffer;
		c->packed = data;
		c->packed_length = length;
	} else {
		c->buffer = g->buffer;
		c->data = data;
	}
	g->plain += buffer_next(f->length);
	g->used += buffer_next(length);
	return 0;
}

static int take_data(struct gathering *g, struct channel *ch, const struct wire_frame *f, struct err *e)
{
	struct receiver *r = g->receiver;

	if (check_data(r, f, e) != 0 || (!fits(g, f) && hand_on(g, e) != 0))
		return -1;
	struct chunk *c = chunk_new(f->type == WIRE_ZERO ? CHUNK_ZERO : CHUNK_DATA, f->disk, f->offset, f->length);

	c->checkpoint = f->id;
	/* It counts as taken only when all of it is there: the connection may break before. */
	if ((f->type == WIRE_CHUNK && read_payload(g, ch, f, c, e) != 0) || intake_data(r->intake, f, e) != 0) {
		chunk_free(c);
		return -1;
	}
	if (f->type == WIRE_CHUNK)
		ch->taken_bytes += f->length;
	*g->end = c;
	g->end = &c->batch;
	g->chunks++;
	/* Nothing is held back while waiting for the peer. */
	bool more = g->chunks < CHUNK_BATCH && g->plain < pool_unit(r->received) && stream_ready(ch->stream);
	return more ? 0 : hand_on(g, e);
}

/* ---- The other counted frames ---- */

static int take_checkpoint(struct receiver *r, const struct wire_frame *f, struct err *e)
{
	if (intake_checkpoint(r->intake, f, e) != 0)
		return -1;
	struct chunk *mark = chunk_new(CHUNK_MARK, 0, 0, 0);

	mark->checkpoint = f->id;
	mark->count = f->length;
	return stage_emit(&r->stage, mark, e);
}

static int take_end(struct receiver *r, struct channel *ch, struct err *e)
{
	bool all;

	ch->ended = true;
	if (intake_end(r->intake, &all, e) != 0)
		return -1;
	if (all)
		stage_end_output(&r->stage);
	return 0;
}

static int take_bye(struct receiver *r, bool *last)
{
	*last = true;
	session_close(r->session);
	return 0;
}

static int acknowledge(struct receiver *r, struct channel *ch)
{
	ch->taken++;
	if (ch->taken - ch->acked < WIRE_ACK_FRAMES && ch->taken_bytes < WIRE_ACK_BYTES / r->session->channels)
		return 0;
	ch->acked = ch->taken;
	ch->taken_bytes = 0;
	if (!session_claim_up(r->session, ch))
		return 0; /* broken: the next connection's READY says it */
	channel_send_plain(r->session, ch, WIRE_ACK, ch->taken);
	session_release(r->session, ch);
	return 0;
}

static int take_counted(struct gathering *g, struct channel *ch, const struct wire_frame *f, struct err *e)
{
	struct receiver *r = g->receiver;

	if (f->type == WIRE_CHUNK || f->type == WIRE_ZERO)
		return take_data(g, ch, f, e);
	if (hand_on(g, e) != 0)
		return -1;
	switch (f->type) {
	case WIRE_CHECKPOINT:
		return take_checkpoint(r, f, e);
	default:
		return take_end(r, ch, e);
	}
}

static bool is_counted(const struct channel *ch, const struct wire_frame *f)
{
	return f->type == WIRE_CHUNK || f->type == WIRE_ZERO || f->type == WIRE_END ||
	       (f->type == WIRE_CHECKPOINT && ch->index == 0);
}

static int take(void *ctx, struct channel *ch, const struct wire_frame *f, bool *last, struct err *e)
{
	struct gathering *g = ctx;
	struct receiver *r = g->receiver;

	if (is_counted(ch, f) && !ch->ended)
		return take_counted(g, ch, f, e) != 0 ? -1 : acknowledge(r, ch);
	if (f->type == WIRE_BYE && ch->index == 0 && session_has_ended(r->session))
		return take_bye(r, last);
	return err_set(e, ERR_PROTOCOL, 0,
		       "the peer sent a frame of type %u on channel %u, which a source may not send there now", f->type,
		       ch->index);
}

static int pause(void *ctx, struct err *e)
{
	return hand_on(ctx, e);
}

static int greet(void *ctx, struct channel *ch, struct err *e)
{
	return greet_as_target(((struct gathering *)ctx)->receiver->session, ch, e);
}

static void begin(void *ctx, struct channel *ch)
{
	if (ch->index == 0)
		session_tell(((struct gathering *)ctx)->receiver->session);
}

static int produce(struct stage *s, struct err *e)
{
	static const struct session_reader reader = {.greet = greet, .begin = begin, .take = take, .pause = pause};
	struct receiver *r = (struct receiver *)s;
	struct channel *ch = &r->session->channel[atomic_fetch_add(&r->readers, 1)];

	struct gathering g = {.receiver = r, .end = &g.batch};
	int rc = session_read(r->session, ch, &reader, &g, e);

	chunk_free(g.batch);
	buffer_unref(g.buffer);
	if (rc == 0)
		return 0;
	/* First, so that what the peer said goes before what a broken write says. */
	pipeline_fail(s->pipeline, e);
	session_drain(r->session, ch);
	return -1;
}

static void close_receiver(struct stage *s)
{
	free(s);
}

static const struct stage_ops ops = {
	.name = "receiver",
	.produce = produce,
	.close = close_receiver,
};

struct stage *receiver_new(const struct copy_config *c, struct session *n, struct intake *k, struct pool *received)
{
	struct receiver *r = mem_alloc(sizeof *r);

	r->stage.ops = &ops;
	r->stage.idle_ns = -1;
	r->c = c;
	r->session = n;
	r->intake = k;
	r->received = received;
	return &r->stage;
}
