// SPDX-License-Identifier: Apache-2.0
#include "copy/verify.h"

#include <inttypes.h>
#include <string.h>

#include "copy/zero_test.h"

#define DEPTH 8
#define HOLE_GRID UINT64_C(4096) /* reads inside a range of zeros start on it */

/* One request: a piece of a range of zeros, or whole chunks that lie next to each other. */
struct reading {
	struct block_request request;
	struct buffer *buffer; /* NULL: free */
	const struct written *what;
	size_t count;          /* of entries, from `what` */
};

struct run {
	const struct verify *v;
	const struct written *list;
	size_t count, next; /* next: entry to read from */
	uint64_t at;        /* ZERO: bytes of it passed */
	uint64_t data_end;  /* ZERO: where the data that was found ends */
	struct reading reading[DEPTH];
	unsigned under_way, depth;
};

static int differs(const struct run *r, uint64_t offset, uint64_t length, struct err *e)
{
	return err_set(e, ERR_CORRUPT, 0,
		       "read back, %" PRIu64 " bytes of %s at offset %" PRIu64 " are not what was written; the disk, its controller or "
		       "memory is faulty, and nothing since the last checkpoint counts",
		       length, r->v->block->info.name, offset);
}

static void count_verified(const struct run *r, uint64_t bytes)
{
	if (r->v->progress != NULL)
		atomic_fetch_add(&r->v->progress->verified, bytes);
}

static void next_entry(struct run *r)
{
	r->next++;
	r->at = 0;
	r->data_end = 0;
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
	uint64_t to = start < w->offset + w->length ? start : w->offset + w->length;
	if (to > from) {
		count_verified(r, to - from);
		r->at = to - w->offset;
	}
	r->data_end = end;
	return 0;
}

/* Zeros that are known without reading are passed. -1: error. */
static int pass_holes(struct run *r, struct err *e)
{
	while (r->next < r->count && r->list[r->next].zero) {
		const struct written *w = &r->list[r->next];

		if (r->at < w->length && skip_hole(r, w, e) != 0)
			return -1;
		if (r->at < w->length)
			return 0;
		next_entry(r);
	}
	return 0;
}

/* How many entries from the next one are chunks that fit into one buffer and lie next to each other, and their bytes. */
static size_t count_neighbours(const struct run *r, uint64_t *bytes)
{
	const struct written *w = &r->list[r->next];
	size_t n = 1, left = r->count - r->next;

	*bytes = w->length;
	while (n < left && !w[n].zero && w[n].offset == w->offset + *bytes &&
	       *bytes + w[n].length <= pool_unit(r->v->pool))
		*bytes += w[n++].length;
	return n;
}

static struct reading *free_reading(struct run *r)
{
	for (unsigned i = 0; i < DEPTH; i++)
		if (r->reading[i].buffer == NULL)
			return &r->reading[i];
	return NULL;
}

/* What to read next; what that covers counts as read. */
static struct reading plan(struct run *r)
{
	const struct written *w = &r->list[r->next];
	uint64_t from = w->offset + r->at, length = w->length - r->at;
	struct reading reading = {.what = w, .count = 1};

	if (w->zero) {
		if (length > pool_unit(r->v->pool))
			length = pool_unit(r->v->pool);
		r->at += length;
		if (r->at == w->length)
			next_entry(r);
	} else {
		reading.count = count_neighbours(r, &length);
		r->next += reading.count;
	}
	reading.request = (struct block_request){.op = BLOCK_READ, .offset = from, .length = (uint32_t)length};
	return reading;
}

/* Takes b. */
static int submit(struct run *r, struct buffer *b, struct err *e)
{
	struct reading *reading = free_reading(r);

	*reading = plan(r);
	reading->buffer = b;
	reading->request.data = b->data;
	reading->request.user = reading;
	if (block_submit(r->v->block, &reading->request, e) != 0) {
		buffer_unref(b);
		reading->buffer = NULL;
		return -1;
	}
	r->under_way++;
	return 0;
}

static int fill(struct run *r, struct err *e)
{
	while (r->under_way < r->depth) {
		if (pass_holes(r, e) != 0)
			return -1;
		if (r->next == r->count)
			return 0;
		/* Holding none, it may wait: whoever holds one waits only for its disk. */
		struct buffer *b = r->under_way == 0 ? pool_get(r->v->pool) : pool_try_get(r->v->pool);
		if (b == NULL)
			return r->under_way == 0 ? pipeline_set_stopped(e) : 0;
		if (submit(r, b, e) != 0)
			return -1;
	}
	return 0;
}

static int check_chunks(const struct run *r, const struct reading *reading, struct err *e)
{
	const uint8_t *data = reading->request.data;

	for (size_t i = 0; i < reading->count; i++) {
		const struct written *w = &reading->what[i];
		uint8_t hash[MANIFEST_HASH];

		manifest_hash(r->v->keys, data, w->length, hash);
		if (memcmp(hash, w->hash, sizeof hash) != 0)
			return differs(r, w->offset, w->length, e);
		data += w->length;
	}
	return 0;
}

static int check(const struct run *r, const struct reading *reading, struct err *e)
{
	const struct block_request *q = &reading->request;

	if (q->error != 0)
		return block_request_error(r->v->block, q, e);
	if (!reading->what->zero && check_chunks(r, reading, e) != 0)
		return -1;
	if (reading->what->zero && !zero_test(q->data, q->length))
		return differs(r, q->offset, q->length, e);
	count_verified(r, q->length);
	return 0;
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

