// SPDX-License-Identifier: Apache-2.0
#include "copy/verify.h"

#include <inttypes.h>
#include <string.h>

#include "copy/zero_test.h"

#define DEPTH 8
#define HOLE_GRID UINT64_C(4096) /* reads inside a range of zeros start on it */

struct reading {
	struct block_request request;
	struct buffer *buffer; /* NULL: free */
	const struct written *what;
};

struct run {
	const struct verify *v;
	const struct written *list;
	size_t count, next; /* next: entry to read from */
	uint64_t at;        /* bytes of it passed */
	uint64_t data_end;  /* ZERO: where the data that was found ends */
	struct reading reading[DEPTH];
	unsigned under_way, depth;
};

static int differs(const struct run *r, const struct block_request *q, struct err *e)
{
	return err_set(e, ERR_CORRUPT, 0,
		       "read back, %u bytes of %s at offset %" PRIu64 " are not what was written; the disk, its controller or "
		       "memory is faulty, and nothing since the last checkpoint counts",
		       q->length, r->v->block->info.name, q->offset);
}

/* Skip what the target knows to be a hole: it reads as zeros by definition. */
static int skip_hole(struct run *r, const struct written *w, struct err *e)
{
	uint64_t from = w->offset + r->at, start, end;

	if (from < r->data_end)
		return 0;
	if (block_next_data(r->v->block, from, &start, &end, e) != 0)
		return -1;
	start -= start % HOLE_GRID;
	if (start > from)
		r->at = start - w->offset < w->length ? start - w->offset : w->length;
	r->data_end = end;
	return 0;
}

/* The entry to read next, with holes passed; NULL: all have been read. */
static const struct written *next_entry(struct run *r, struct err *e)
{
	while (r->next < r->count) {
		const struct written *w = &r->list[r->next];

		if (w->zero && r->at < w->length && skip_hole(r, w, e) != 0)
			return NULL;
		if (r->at < w->length)
			return w;
		if (r->v->progress != NULL)
			atomic_fetch_add(&r->v->progress->verified, w->length);
		r->next++;
		r->at = 0;
		r->data_end = 0;
	}
	return NULL;
}

static struct reading *free_reading(struct run *r)
{
	for (unsigned i = 0; i < DEPTH; i++)
		if (r->reading[i].buffer == NULL)
			return &r->reading[i];
	return NULL;
}

static int submit(struct run *r, const struct written *w, struct buffer *b, struct err *e)
{
	struct reading *reading = free_reading(r);
	uint64_t length = w->length - r->at, unit = pool_unit(r->v->pool);

	if (w->zero && length > unit)
		length = unit;
	reading->buffer = b;
	reading->what = w;
	reading->request = (struct block_request){
		.op = BLOCK_READ,
		.offset = w->offset + r->at,
		.length = (uint32_t)length,
		.data = b->data,
		.user = reading,
	};
	if (block_submit(r->v->block, &reading->request, e) != 0) {
		buffer_unref(b);
		reading->buffer = NULL;
		return -1;
	}
	r->at += length;
	r->under_way++;
	return 0;
}

static int fill(struct run *r, struct err *e)
{
	while (r->under_way < r->depth) {
		e->kind = ERR_NONE;
		const struct written *w = next_entry(r, e);
		if (w == NULL)
			return e->kind == ERR_NONE ? 0 : -1;
		/* Holding none, it may wait: whoever holds one waits only for its disk. */
		struct buffer *b = r->under_way == 0 ? pool_get(r->v->pool) : pool_try_get(r->v->pool);
		if (b == NULL)
			return r->under_way == 0 ? pipeline_set_stopped(e) : 0;
		if (submit(r, w, b, e) != 0)
			return -1;
	}
	return 0;
}

static int check(const struct run *r, const struct reading *reading, struct err *e)
{
	const struct block_request *q = &reading->request;
	uint8_t hash[MANIFEST_HASH];

	if (q->error != 0)
		return block_request_error(r->v->block, q, e);
	if (reading->what->zero)
		return zero_test(q->data, q->length) ? 0 : differs(r, q, e);
	manifest_hash(r->v->keys, q->data, q->length, hash);
	return memcmp(hash, reading->what->hash, sizeof hash) == 0 ? 0 : differs(r, q, e);
}

static int wait_for_one(struct run *r, struct err *e)
{
	struct block_request *q = block_wait(r->v->block, -1, e);

	if (q == NULL)
		return -1;
	struct reading *reading = q->user;
	int rc = check(r, reading, e);
	buffer_unref(reading->buffer);
	reading->buffer = NULL;
	r->under_way--;
	return rc;
}

static int read_all(struct run *r, struct err *e)
{
	for (;;) {
		if (pipeline_stopped(r->v->pipeline))
			return pipeline_set_stopped(e);
		if (fill(r, e) != 0)
			return -1;
		if (r->under_way == 0)
			return 0;
		if (wait_for_one(r, e) != 0)
			return -1;
	}
}

int verify_written(const struct verify *v, const struct written *list, size_t count, struct err *e)
{
	struct run r = {.v = v, .list = list, .count = count};
	struct err late = ERR_INIT;

	r.depth = v->block->depth < DEPTH ? v->block->depth : DEPTH;
	int rc = read_all(&r, e);
	/* The kernel may still write into buffers. */
	while (r.under_way > 0 && block_wait(v->block, -1, &late) != NULL)
		r.under_way--;
	for (unsigned i = 0; i < DEPTH; i++)
		buffer_unref(r.reading[i].buffer);
	return rc;
}

/* ---- The part of a target behind the copy ---- */

/* Where the next data of [from, to) is; to when there is none. */
static int next_data(struct block *b, uint64_t from, uint64_t to, uint64_t *start, struct err *e)
{
	uint64_t end;

	if (block_next_data(b, from, start, &end, e) != 0)
		return -1;
	*start = *start < to ? *start - *start % HOLE_GRID : to;
	if (*start < from)
		*start = from;
	return 0;
}

static int clear_piece(const struct verify *v, uint64_t at, uint32_t length, void *buffer, bool *found, struct err *e)
{
	if (block_io(v->block, BLOCK_READ, at, buffer, length, e) != 0)
		return -1;
	if (zero_test(buffer, length))
		return 0;
	*found = true;
	return block_zero(v->block, at, length, e);
}

static int clear(const struct verify *v, uint64_t from, uint64_t to, void *buffer, bool *found, struct err *e)
{
	uint64_t unit = pool_unit(v->pool), at = from;

	for (;;) {
		if (pipeline_stopped(v->pipeline))
			return pipeline_set_stopped(e);
		if (next_data(v->block, at, to, &at, e) != 0)
			return -1;
		if (at >= to)
			return 0;
		uint32_t length = (uint32_t)(to - at < unit ? to - at : unit);
		if (clear_piece(v, at, length, buffer, found, e) != 0)
			return -1;
		at += length;
	}
}

int verify_tail(const struct verify *v, uint64_t from, uint64_t to, bool read_back, struct err *e)
{
	struct buffer *b = pool_get(v->pool);
	bool found = false;

	if (b == NULL)
		return pipeline_set_stopped(e);
	int rc = clear(v, from, to, b->data, &found, e);
	buffer_unref(b);
	if (rc != 0)
		return err_wrap(e, "clearing %s behind the copy", v->block->info.name);
	if (!found)
		return 0;
	if (block_flush(v->block, e) != 0)
		return -1;
	struct written tail = {.offset = from, .length = to - from, .zero = true};
	return read_back ? verify_written(v, &tail, 1, e) : 0;
}

