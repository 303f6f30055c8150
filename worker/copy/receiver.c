// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include "block/extents.h"
#include "copy/stages.h"

/*
 * Frames of data in one checkpoint: it bounds what the target remembers, whatever its peer does. A source of ours
 * closes a checkpoint with the page that ends after CHECKPOINT_MAX_CHUNKS; of each disk a page may be half done then.
 */
#define MAX_FRAMES (2 * (uint64_t)CHECKPOINT_MAX_CHUNKS)

struct receiver {
	struct stage stage;
	const struct copy_config *c;
	struct peer *peer;
	struct pool *packed, *plain;
	struct wire_disk disk[WIRE_MAX_DISKS];
	struct extents sent[WIRE_MAX_DISKS];  /* since the last checkpoint */
	uint64_t last_id;                     /* of a checkpoint */
	uint64_t frames;                      /* of data since */
};

static int check_data(struct receiver *r, const struct wire_frame *f, struct err *e)
{
	if (f->disk >= r->c->disk_count)
		return err_set(e, ERR_PROTOCOL, 0, "the peer sent data for disk %u, which was not announced", f->disk);
	if (wire_data_check(f, &r->disk[f->disk], e) != 0)
		return -1;
	if (f->type == WIRE_CHUNK &&
	    (f->payload < WIRE_HASH_SIZE || f->payload - WIRE_HASH_SIZE > r->c->chunk_size ||
	     (f->flags == WIRE_RAW && f->payload - WIRE_HASH_SIZE != f->length)))
		return err_set(e, ERR_PROTOCOL, 0, "the peer sent a chunk of %" PRIu64 " bytes with a payload of %u", f->length,
			       f->payload);
	if (extents_overlaps(&r->sent[f->disk], f->offset, f->offset + f->length))
		return err_set(e, ERR_PROTOCOL, 0,
			       "the peer sent offset %" PRIu64 " of disk %u twice within one checkpoint", f->offset, f->disk);
	if (++r->frames > MAX_FRAMES)
		return err_set(e, ERR_PROTOCOL, 0, "the peer sent more than %" PRIu64 " chunks without a checkpoint", MAX_FRAMES);
	extents_add(&r->sent[f->disk], f->offset, f->offset + f->length);
	return 0;
}

static int read_payload(struct receiver *r, const struct wire_frame *f, struct chunk *c, struct err *e)
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
	if (peer_read(r->peer, c->hash, sizeof c->hash, e) != 0)
		return -1;
	return peer_read(r->peer, b->data, length, e);
}

static int take_data(struct receiver *r, const struct wire_frame *f, struct err *e)
{
	if (check_data(r, f, e) != 0)
		return -1;
	struct chunk *c = chunk_new(f->type == WIRE_ZERO ? CHUNK_ZERO : CHUNK_DATA, f->disk, f->offset, f->length);

	c->checkpoint = r->last_id + 1;
	if (f->type == WIRE_CHUNK && read_payload(r, f, c, e) != 0) {
		chunk_free(c);
		return -1;
	}
	return stage_emit(&r->stage, c, e);
}

static int take_checkpoint(struct receiver *r, const struct wire_frame *f, struct err *e)
{
	if (f->id != r->last_id + 1)
		return err_set(e, ERR_PROTOCOL, 0, "the peer sent checkpoint %" PRIu64 " after %" PRIu64, f->id, r->last_id);
	if (atomic_fetch_add(&r->peer->open_checkpoints, 1) >= WIRE_MAX_OPEN_CHECKPOINTS)
		return err_set(e, ERR_PROTOCOL, 0, "the peer opened more than %d checkpoints", WIRE_MAX_OPEN_CHECKPOINTS);
	struct chunk *mark = chunk_new(CHUNK_MARK, 0, 0, 0);

	mark->checkpoint = ++r->last_id;
	mark->count = r->frames;
	r->frames = 0;
	for (unsigned i = 0; i < r->c->disk_count; i++)
		extents_clear(&r->sent[i]);
	return stage_emit(&r->stage, mark, e);
}

static int take(struct receiver *r, const struct wire_frame *f, bool *ended, struct err *e)
{
	switch (f->type) {
	case WIRE_CHUNK:
	case WIRE_ZERO:
		return take_data(r, f, e);
	case WIRE_CHECKPOINT:
		return take_checkpoint(r, f, e);
	case WIRE_END:
		*ended = true;
		if (r->frames == 0)
			return 0;
		return err_set(e, ERR_PROTOCOL, 0, "the peer ended with chunks that belong to no checkpoint");
	default:
		return err_set(e, ERR_PROTOCOL, 0, "the peer sent a frame of type %u, which a source may not send now",
			       f->type);
	}
}

static int receive(struct receiver *r, struct err *e)
{
	bool ended = false;

	if (peer_greet_as_target(r->peer, e) != 0)
		return -1;
	while (!ended) {
		struct wire_frame f;

		if (peer_recv(r->peer, &f, e) != 0)
			return -1;
		if (pipeline_stopped(r->stage.pipeline))
			return pipeline_set_stopped(e);
		if (take(r, &f, &ended, e) != 0)
			return -1;
	}
	return 0;
}

static int produce(struct stage *s, struct err *e)
{
	struct receiver *r = (struct receiver *)s;

	if (receive(r, e) == 0)
		return 0;
	/* First, so that what the peer said goes before what a broken write says. */
	pipeline_fail(s->pipeline, e);
	peer_reader_failed(r->peer);
	return -1;
}

static void close_receiver(struct stage *s)
{
	struct receiver *r = (struct receiver *)s;

	for (unsigned i = 0; i < WIRE_MAX_DISKS; i++)
		extents_fini(&r->sent[i]);
	free(r);
}

static const struct stage_ops ops = {
	.name = "receiver",
	.produce = produce,
	.close = close_receiver,
};

struct stage *receiver_new(const struct copy_config *c, struct peer *p, struct pool *packed, struct pool *plain)
{
	struct receiver *r = mem_alloc(sizeof *r);

	r->stage.ops = &ops;
	r->stage.idle_ns = -1;
	r->c = c;
	r->peer = p;
	r->packed = packed;
	r->plain = plain;
	for (unsigned i = 0; i < c->disk_count; i++) {
		r->disk[i].size = c->disks[i].size;
		r->disk[i].chunk_size = c->chunk_size;
		r->disk[i].sector_size = c->disks[i].block->info.logical_sector;
	}
	return &r->stage;
}
