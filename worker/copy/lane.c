// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "copy/stages.h"
#include "copy/verify.h"

#define DEPTH 16
/* Zeros in one call: it cannot be interrupted, and a disk may have to write them all. */
#define MAX_ZERO (UINT64_C(256) << 20)

struct write {
	struct block_request request;
	struct chunk *chunk; /* NULL: free */
};

struct lane {
	struct stage stage;
	const struct copy_config *c;
	const struct copy_disk *disk;
	struct block *target;
	struct ledger *ledger;
	struct pool *read_back;
	struct write write[DEPTH];
	unsigned under_way, depth;
	uint64_t zero_at, zero_len;   /* zeros not yet written */
	VEC(struct written) written;  /* since the last flush; zeros next to each other are one */
	bool dirty;                   /* since the last flush */
};

/* As long as anything is under way, an empty ring is the time to finish it: what waits before may need its buffers. */
static void set_idle(struct lane *l)
{
	l->stage.idle_ns = l->under_way > 0 || l->zero_len > 0 ? 0 : -1;
}

static void remember(struct lane *l, uint64_t offset, uint64_t length, const uint8_t *hash)
{
	struct written *last = l->written.len > 0 ? &l->written.at[l->written.len - 1] : NULL;

	atomic_fetch_add(&l->disk->progress->written, length);
	l->dirty = true;
	if (!l->c->read_back)
		return;
	if (hash == NULL && last != NULL && last->zero && last->offset + last->length == offset) {
		last->length += length;
		return;
	}
	struct written *w = vec_push(&l->written);
	w->offset = offset;
	w->length = length;
	w->zero = hash == NULL;
	if (hash != NULL)
		memcpy(w->hash, hash, sizeof w->hash);
}

static int write_zeros(struct lane *l, struct err *e)
{
	while (l->zero_len > 0) {
		uint64_t n = l->zero_len < MAX_ZERO ? l->zero_len : MAX_ZERO;

		if (pipeline_stopped(l->stage.pipeline))
			return pipeline_set_stopped(e);
		if (block_zero(l->target, l->zero_at, n, e) != 0)
			return -1;
		remember(l, l->zero_at, n, NULL);
		l->zero_at += n;
		l->zero_len -= n;
	}
	return 0;
}

static int reap(struct lane *l, struct err *e)
{
	struct block_request *q = block_wait(l->target, -1, e);

	if (q == NULL)
		return -1;
	struct write *w = q->user;
	struct chunk *c = w->chunk;

	w->chunk = NULL;
	l->under_way--;
	if (q->error == 0)
		remember(l, c->offset, c->length, c->hash);
	chunk_free(c);
	return q->error == 0 ? 0 : block_request_error(l->target, q, e);
}

static int write_data(struct lane *l, struct chunk *c, struct err *e)
{
	if (l->under_way == l->depth && reap(l, e) != 0) {
		chunk_free(c);
		return -1;
	}
	struct write *w = l->write;
	while (w->chunk != NULL)
		w++;
	w->chunk = c;
	w->request = (struct block_request){
		.op = BLOCK_WRITE,
		.offset = c->offset,
		.length = (uint32_t)c->length,
		.data = c->data,
		.user = w,
	};
	if (block_submit(l->target, &w->request, e) != 0) {
		w->chunk = NULL;
		chunk_free(c);
		return -1;
	}
	l->under_way++;
	return 0;
}

static int add_zeros(struct lane *l, const struct chunk *c, struct err *e)
{
	if (l->zero_len > 0 && l->zero_at + l->zero_len != c->offset && write_zeros(l, e) != 0)
		return -1;
	if (l->zero_len == 0)
		l->zero_at = c->offset;
	l->zero_len += c->length;
	return l->zero_len < MAX_ZERO ? 0 : write_zeros(l, e);
}

/* All that was handed to this lane is on the medium. */
static int settle(struct lane *l, struct err *e)
{
	if (write_zeros(l, e) != 0)
		return -1;
	while (l->under_way > 0)
		if (reap(l, e) != 0)
			return -1;
	if (!l->dirty)
		return 0;
	if (block_flush(l->target, e) != 0)
		return -1;
	l->dirty = false;
	struct verify v = {
		.block = l->target,
		.pool = l->read_back,
		.keys = l->c->keys,
		.pipeline = l->stage.pipeline,
		.progress = l->disk->progress,
	};
	if (verify_written(&v, l->written.at, l->written.len, e) != 0)
		return -1;
	l->written.len = 0;
	return 0;
}

static int pass_barrier(struct lane *l, struct chunk *mark, struct err *e)
{
	if (settle(l, e) != 0) {
		chunk_free(mark);
		return -1;
	}
	struct barrier *b = mark->barrier;
	mark->barrier = NULL;
	if (barrier_leave(b, 1))
		return stage_emit(&l->stage, mark, e);
	chunk_free(mark);
	return 0;
}

static int process(struct stage *s, struct chunk *c, struct err *e)
{
	struct lane *l = (struct lane *)s;
	int rc;

	if (c->has_ticket && ledger_wait(l->ledger, c->ticket, e) != 0) {
		chunk_free(c);
		return -1;
	}
	if (c->kind == CHUNK_MARK) {
		rc = pass_barrier(l, c, e);
	} else if (c->kind == CHUNK_DATA) {
		rc = write_data(l, c, e);
	} else {
		rc = add_zeros(l, c, e);
		chunk_free(c);
	}
	set_idle(l);
	return rc;
}

static int idle(struct stage *s, struct err *e)
{
	struct lane *l = (struct lane *)s;
	int rc = l->under_way > 0 ? reap(l, e) : write_zeros(l, e);

	set_idle(l);
	return rc;
}

static int flush(struct stage *s, struct err *e)
{
	struct lane *l = (struct lane *)s;

	if (settle(l, e) != 0)
		return -1;
	if (l->target->info.size <= l->disk->size)
		return 0;
	struct verify v = {
		.block = l->target,
		.pool = l->read_back,
		.keys = l->c->keys,
		.pipeline = s->pipeline,
	};
	return verify_tail(&v, l->disk->size, l->target->info.size, l->c->read_back, e);
}

static void close_lane(struct stage *s)
{
	struct lane *l = (struct lane *)s;
	struct err late = ERR_INIT;

	/* The kernel may still read from buffers. */
	while (l->under_way > 0 && block_wait(l->target, -1, &late) != NULL)
		l->under_way--;
	for (unsigned i = 0; i < DEPTH; i++)
		chunk_free(l->write[i].chunk);
	vec_fini(&l->written);
	free(l);
}

static const struct stage_ops ops = {
	.name = "writer",
	.process = process,
	.idle = idle,
	.flush = flush,
	.close = close_lane,
};

struct stage *lane_new(const struct copy_config *c, unsigned disk, struct ledger *l, struct pool *read_back)
{
	struct lane *lane = mem_alloc(sizeof *lane);

	lane->stage.ops = &ops;
	lane->stage.idle_ns = -1;
	lane->c = c;
	lane->disk = &c->disks[disk];
	lane->target = lane->disk->target != NULL ? lane->disk->target : lane->disk->block;
	lane->ledger = l;
	lane->read_back = read_back;
	lane->depth = lane->target->depth < DEPTH ? lane->target->depth : DEPTH;
	return &lane->stage;
}
