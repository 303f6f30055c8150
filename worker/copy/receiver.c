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
	struct pool *packed, *plain;
	atomic_uint readers; /* channels that have one */
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

static int read_payload(struct receiver *r, struct channel *ch, const struct wire_frame *f, struct chunk *c,
			struct err *e)
{
	uint32_t length = f->payload - WIRE_HASH_SIZE;
	bool packed = f->flags == WIRE_ZSTD;
	struct buffer *b = pool_get(packed ? r->packed : r->plain);

	if (b == NULL)
		return pipeline_set_stopped(e);
	if (packed) {
		c->packed_buffer = b;
		c->packed = b->data;
		c->packed_length = length;
	} else {
		c->buffer = b;
		c->data = b->data;
	}
	if (channel_recv_payload(r->session, ch, c->hash, sizeof c->hash, e) != 0)
		return -1;
	return channel_recv_payload(r->session, ch, b->data, length, e);
}

static int take_data(struct receiver *r, struct channel *ch, const struct wire_frame *f, struct err *e)
{
	if (check_data(r, f, e) != 0)
		return -1;
	struct chunk *c = chunk_new(f->type == WIRE_ZERO ? CHUNK_ZERO : CHUNK_DATA, f->disk, f->offset, f->length);

	c->checkpoint = f->id;
	/* It counts as taken only when all of it is there: the connection may break before. */
	if ((f->type == WIRE_CHUNK && read_payload(r, ch, f, c, e) != 0) || intake_data(r->intake, f, e) != 0) {
		chunk_free(c);
		return -1;
	}
	if (f->type == WIRE_CHUNK)
		ch->taken_bytes += f->length;
	return stage_emit(&r->stage, c, e);
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
	if (ch->taken - ch->acked < WIRE_ACK_FRAMES && ch->taken_bytes < WIRE_ACK_BYTES)
		return 0;
	ch->acked = ch->taken;
	ch->taken_bytes = 0;
	if (!session_claim_up(r->session, ch))
		return 0; /* broken: the next connection's READY says it */
	channel_send_plain(r->session, ch, WIRE_ACK, ch->taken);
	session_release(r->session, ch);
	return 0;
}

static int take_counted(struct receiver *r, struct channel *ch, const struct wire_frame *f, struct err *e)
{
	switch (f->type) {
	case WIRE_CHUNK:
	case WIRE_ZERO:
		return take_data(r, ch, f, e);
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
	struct receiver *r = ctx;

	if (is_counted(ch, f) && !ch->ended)
		return take_counted(r, ch, f, e) != 0 ? -1 : acknowledge(r, ch);
	if (f->type == WIRE_BYE && ch->index == 0 && session_has_ended(r->session))
		return take_bye(r, last);
	return err_set(e, ERR_PROTOCOL, 0,
		       "the peer sent a frame of type %u on channel %u, which a source may not send there now", f->type,
		       ch->index);
}

static int greet(void *ctx, struct channel *ch, struct err *e)
{
	return greet_as_target(((struct receiver *)ctx)->session, ch, e);
}

static void begin(void *ctx, struct channel *ch)
{
	if (ch->index == 0)
		session_tell(((struct receiver *)ctx)->session);
}

static int produce(struct stage *s, struct err *e)
{
	static const struct session_reader reader = {.greet = greet, .begin = begin, .take = take};
	struct receiver *r = (struct receiver *)s;
	struct channel *ch = &r->session->channel[atomic_fetch_add(&r->readers, 1)];

	if (session_read(r->session, ch, &reader, r, e) == 0)
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

struct stage *receiver_new(const struct copy_config *c, struct session *n, struct intake *k, struct pool *packed,
			   struct pool *plain)
{
	struct receiver *r = mem_alloc(sizeof *r);

	r->stage.ops = &ops;
	r->stage.idle_ns = -1;
	r->c = c;
	r->session = n;
	r->intake = k;
	r->packed = packed;
	r->plain = plain;
	return &r->stage;
}
