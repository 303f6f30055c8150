// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "copy/sample.h"
#include "copy/stages.h"

/* Pieces in order: reads under way, reads done, holes. More than READ_DEPTH because holes cost nothing. */
#define PIECES 64

struct piece {
	struct block_request request;
	struct buffer *buffer; /* NULL: a hole */
	uint64_t offset, length;
	bool done;
};

struct reader {
	struct stage stage;
	const struct copy_config *c;
	const struct copy_disk *disk;
	unsigned index;
	struct ledger *ledger;
	struct pool *slabs;
	const struct extents *ranges; /* to read; NULL: all */
	uint64_t pos;                /* first byte no piece covers yet */
	uint64_t end;                /* of the range it is in */
	uint64_t data_start, data_end; /* the data range that ends behind pos, on the chunk grid */
	uint64_t seq;
	struct piece piece[PIECES];
	unsigned head, len, under_way;
	unsigned held, share; /* buffers of pieces, and how many they may be, so that every disk gets some */
};

static struct piece *piece_add(struct reader *r, uint64_t length)
{
	struct piece *p = &r->piece[(r->head + r->len++) % PIECES];

	*p = (struct piece){.offset = r->pos, .length = length};
	r->pos += length;
	return p;
}

/* Makes pos a byte that is to be read; false: none is left. */
static bool seek(struct reader *r)
{
	struct extent x = {0, r->disk->size};

	if (r->pos < r->end)
		return true;
	if (r->ranges != NULL && !extents_next(r->ranges, r->pos, &x))
		x.start = r->disk->size;
	r->pos = x.start > r->pos ? x.start : r->pos;
	r->end = x.end;
	return r->pos < r->disk->size;
}

/* Where data is at or after pos. A chunk that is data in part is read as a whole. */
static int find_data(struct reader *r, struct err *e)
{
	uint64_t chunk = r->c->chunk_size, size = r->disk->size, start, end;

	if (block_next_data(r->disk->block, r->pos, &start, &end, e) != 0)
		return -1;
	start = start < size ? start / chunk * chunk : size;
	r->data_start = start > r->pos ? start : r->pos;
	r->data_end = end < size ? (end + chunk - 1) / chunk * chunk : size;
	if (r->data_end > size)
		r->data_end = size;
	if (r->data_end <= r->pos && r->data_start <= r->pos)
		return err_set(e, ERR_INTERNAL, 0, "%s reports a data range that ends before it starts, at %" PRIu64,
			       r->disk->block->info.name, r->pos);
	return 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static int submit(struct reader *r, struct buffer *b, struct err *e)
{
	uint64_t length = least(r->data_end, r->end) - r->pos;

	if (length > pool_unit(r->slabs))
		length = pool_unit(r->slabs);
	struct piece *p = piece_add(r, length);
	p->buffer = b;
	r->held++;
	p->request = (struct block_request){
		.op = BLOCK_READ,
		.offset = p->offset,
		.length = (uint32_t)length,
		.data = b->data,
		.user = p,
	};
	limiter_read(r->c->limiter, r->index, (size_t)length);
	if (block_submit(r->disk->block, &p->request, e) != 0) {
		p->done = true;
		return -1;
	}
	r->under_way++;
	return 0;
}

/* Start as much as there is room, depth and memory for. */
static int fill(struct reader *r, struct err *e)
{
	unsigned depth = r->disk->block->depth < READ_DEPTH ? r->disk->block->depth : READ_DEPTH;

	while (seek(r) && r->len < PIECES && r->under_way < depth && r->held < r->share) {
		if (r->pos >= r->data_end && find_data(r, e) != 0)
			return -1;
		if (r->pos < r->data_start) {
			piece_add(r, least(r->data_start, r->end) - r->pos)->done = true;
			continue;
		}
		/* Waiting for a buffer while holding some would lock up: others may hold all that is left. */
		struct buffer *b = r->len == 0 ? pool_get(r->slabs) : pool_try_get(r->slabs);
		if (b == NULL)
			return r->len == 0 ? pipeline_set_stopped(e) : 0;
		if (submit(r, b, e) != 0)
			return -1;
	}
	return 0;
}

/* The chunks of a read; each holds a reference of its buffer. */
static struct chunk *cut(struct reader *r, struct piece *p)
{
	struct buffer *b = take_ptr(&p->buffer);
	uint32_t size = r->c->chunk_size;
	struct chunk *batch = NULL, **end = &batch;

	for (uint64_t at = 0; at < p->length; at += size) {
		uint64_t length = p->length - at < size ? p->length - at : size;
		struct chunk *c = chunk_new(CHUNK_DATA, r->index, p->offset + at, length);

		if (at > 0)
			buffer_ref(b, 1);
		c->buffer = b;
		c->data = b->data + at;
		*end = c;
		end = &c->batch;
	}
	return batch;
}

static bool head_done(const struct reader *r)
{
	return r->len > 0 && r->piece[r->head].done;
}

/* All that there are buffers for has been read: the disk waits for this thread. */
static bool is_behind(const struct reader *r)
{
	return r->under_way == 0 && head_done(r);
}

/* Hashed in this thread as long as that keeps up with the disk: to wake another one costs more than it helps where the
 * processors are busy anyway. */
static int emit_head(struct reader *r, struct err *e)
{
	struct piece *p = &r->piece[r->head];
	struct chunk *c;

	if (p->buffer != NULL) {
		c = cut(r, p);
		r->held--;
	} else {
		c = chunk_new(CHUNK_ZERO, r->index, p->offset, p->length);
		c->hole = true;
	}
	c->seq = r->seq++;
	r->head = (r->head + 1) % PIECES;
	r->len--;
	return stage_run(&r->stage, c, is_behind(r), e);
}

/* Take back what has been read; wait for it only when there is nothing else to do. */
static int reap(struct reader *r, struct err *e)
{
	while (r->under_way > 0) {
		e->kind = ERR_NONE;
		struct block_request *q = block_wait(r->disk->block, head_done(r) ? 0 : -1, e);
		if (q == NULL)
			return e->kind == ERR_NONE ? 0 : -1;
		struct piece *p = q->user;
		p->done = true;
		r->under_way--;
		/* What cannot be read is never taken for zeros: the copy stops. */
		if (q->error != 0)
			return block_request_error(r->disk->block, q, e);
	}
	return 0;
}

static int read_all(struct reader *r, struct err *e)
{
	while (r->pos < r->disk->size || r->len > 0) {
		if (pipeline_stopped(r->stage.pipeline))
			return pipeline_set_stopped(e);
		if (fill(r, e) != 0 || reap(r, e) != 0)
			return -1;
		if (head_done(r) && emit_head(r, e) != 0)
			return -1;
	}
	return 0;
}

static int produce(struct stage *s, struct err *e)
{
	struct reader *r = (struct reader *)s;
	struct err late = ERR_INIT;
	int rc = sample_check(r->c, r->index, r->ledger, r->slabs, s->pipeline, e);

	r->ranges = copy_disk_ranges(r->disk);
	if (rc == 0)
		rc = read_all(r, e);

	/* The kernel may still write into buffers. */
	while (r->under_way > 0 && block_wait(r->disk->block, -1, &late) != NULL)
		r->under_way--;
	for (unsigned i = 0; i < PIECES; i++) {
		buffer_unref(r->piece[i].buffer);
		r->piece[i].buffer = NULL;
	}
	return rc;
}

static void close_reader(struct stage *s)
{
	free(s);
}

static const struct stage_ops ops = {
	.name = "reader",
	.produce = produce,
	.close = close_reader,
};

struct stage *reader_new(const struct copy_config *c, unsigned disk, struct ledger *l, struct pool *slabs)
{
	struct reader *r = mem_alloc(sizeof *r);

	r->stage.ops = &ops;
	r->stage.idle_ns = -1;
	r->c = c;
	r->disk = &c->disks[disk];
	r->index = disk;
	r->ledger = l;
	r->slabs = slabs;
	r->share = pool_count(slabs) / c->disk_count;
	if (r->share == 0)
		r->share = 1;
	return &r->stage;
}
