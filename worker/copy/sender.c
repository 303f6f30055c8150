// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/mem.h"
#include "copy/gate.h"
#include "copy/stages.h"

struct sender {
	struct stage stage;
	const struct copy_config *c;
	struct peer *peer;
	struct gate gate;
	bool ready;
};

static int send_data(struct sender *s, const struct chunk *c, struct err *e)
{
	const void *bytes = c->packed != NULL ? c->packed : c->data;
	uint32_t length = c->packed != NULL ? c->packed_length : (uint32_t)c->length;
	struct wire_frame f = {
		.type = WIRE_CHUNK,
		.flags = c->packed != NULL ? WIRE_ZSTD : WIRE_RAW,
		.disk = (uint16_t)c->disk,
		.payload = WIRE_HASH_SIZE + length,
		.offset = c->offset,
		.length = c->length,
	};

	if (peer_send(s->peer, &f, c->hash, sizeof c->hash, bytes, length, e) != 0)
		return -1;
	atomic_fetch_add(&s->c->disks[c->disk].progress->sent_wire, f.payload);
	return 0;
}

static int send_zeros(struct sender *s, const struct chunk *c, struct err *e)
{
	struct wire_frame f = {
		.type = WIRE_ZERO,
		.disk = (uint16_t)c->disk,
		.offset = c->offset,
		.length = c->length,
	};

	return peer_send(s->peer, &f, NULL, 0, NULL, 0, e);
}

static int send_chunk(struct sender *s, const struct chunk *c, struct err *e)
{
	switch (c->kind) {
	case CHUNK_MARK:
		gate_mark(&s->gate, c->checkpoint, c->count);
		return 0;
	case CHUNK_ZERO:
		gate_arrive(&s->gate, c->checkpoint);
		return send_zeros(s, c, e);
	default:
		gate_arrive(&s->gate, c->checkpoint);
		return send_data(s, c, e);
	}
}

static int process(struct stage *stage, struct chunk *c, struct err *e)
{
	struct sender *s = (struct sender *)stage;
	uint64_t id;
	int rc = 0;

	if (!s->ready)
		rc = peer_wait_ready(s->peer, e);
	s->ready = true;
	if (rc == 0)
		rc = send_chunk(s, c, e);
	chunk_free(c);
	while (rc == 0 && gate_pass(&s->gate, &id))
		rc = peer_send_plain(s->peer, WIRE_CHECKPOINT, id, e);
	if (rc == 0 && stage_waiting(stage) == 0)
		rc = stream_flush(s->peer->stream, e);
	return rc;
}

/* Before the first chunk there may be nothing to send for long: a scan of what has not changed. */
static int idle(struct stage *stage, struct err *e)
{
	struct sender *s = (struct sender *)stage;

	if (!s->ready && peer_wait_ready(s->peer, e) != 0)
		return -1;
	s->ready = true;
	return peer_send_plain(s->peer, WIRE_PING, 0, e);
}

static int flush(struct stage *stage, struct err *e)
{
	struct sender *s = (struct sender *)stage;

	if (!s->ready && peer_wait_ready(s->peer, e) != 0)
		return -1;
	s->ready = true;
	return peer_wait_ended(s->peer, e);
}

static void abandon(struct stage *stage, const struct err *why)
{
	peer_abandon(((struct sender *)stage)->peer, why);
}

static void close_sender(struct stage *stage)
{
	free(stage);
}

static const struct stage_ops ops = {
	.name = "sender",
	.process = process,
	.idle = idle,
	.flush = flush,
	.abandon = abandon,
	.close = close_sender,
};

struct stage *sender_new(const struct copy_config *c, struct peer *p)
{
	struct sender *s = mem_alloc(sizeof *s);

	s->stage.ops = &ops;
	s->stage.idle_ns = WIRE_PING_NS;
	s->c = c;
	s->peer = p;
	return &s->stage;
}
