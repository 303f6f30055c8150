// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/mem.h"
#include "copy/stages.h"
#include "copy/verify.h"

#define DEPTH 16
/* Zeros in one call: it cannot be interrupted, and a disk may have to write them all. */
#define MAX_ZERO (UINT64_C(256) << 20)
/* Neighbours in one request, unless the target says how much it likes; a chunk that is larger is written at once. */
#define MAX_WRITE (UINT64_C(1) << 20)
#define MAX_PARTS 64

struct write {
	struct block_request request;
	struct chunk *chunks; /* side by side on the disk, linked by next; NULL: free */
	struct iovec parts[MAX_PARTS];
};

struct lane {
	struct stage stage;
	const struct copy_config *c;
	const struct copy_disk *disk;
	struct block *target;
	struct ledger *ledger;
	struct pool *read_back;
	struct chunk *joined, **joined_end; /* the next write */
	uint64_t joined_length, max_write;
	unsigned joined_parts;        /* in memory; one where the target does not gather */
	const uint8_t *joined_to;     /* the end of the last one */
	struct write write[DEPTH];
	unsigned under_way, depth;
	uint64_t zero_at, zero_len;   /* zeros not yet written */
	struct written_list *written; /* since the last flush; NULL: nothing, or it is not read back */
	bool dirty;                   /* since the last flush */
};

/* As long as anything is under way, an empty ring is the time to finish it: what waits before may need its buffers. */
static void set_idle(struct lane *l)
{
	l->stage.idle_ns = l->joined != NULL || l->under_way > 0 || l->zero_len > 0 ? 0 : -1;
}

static void remember(struct lane *l, uint64_t offset, uint64_t length, const uint8_t *hash)
{
	atomic_fetch_add(&l->disk->progress->written, length);
	l->dirty = true;
	if (!l->c->read_back)
		return;
	if (l->written == NULL)
		l->written = written_list_new();
	written_list_add(l->written, offset, length, hash);
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

static void free_chunks(struct chunk *c)
{
	while (c != NULL) {
		struct chunk *next = c->next;

		chunk_free(c);
		c = next;
	}
}

static void count_sent(struct lane *l, const struct write *w)
{
	if (l->target->info.remote)
		atomic_fetch_add(&l->disk->progress->sent_wire, w->request.length);
}

static int reap(struct lane *l, struct err *e)
{
	struct block_request *q = block_wait(l->target, -1, e);

	if (q == NULL)
		return -1;
	struct write *w = q->user;

	for (const struct chunk *c = w->chunks; c != NULL && q->error == 0; c = c->next)
		remember(l, c->offset, c->length, c->hash);
	if (q->error == 0)
		count_sent(l, w);
	free_chunks(w->chunks);
	w->chunks = NULL;
	l->under_way--;
	return q->error == 0 ? 0 : block_request_error(l->target, q, e);
}

static void fill_parts(struct write *w, const struct chunk *c)
{
	struct iovec *part = w->parts;

	*part = (struct iovec){.iov_base = c->data};
	for (; c != NULL; c = c->next) {
		if ((uint8_t *)part->iov_base + part->iov_len != c->data)
			*++part = (struct iovec){.iov_base = c->data};
		part->iov_len += c->length;
	}
}

static int write_joined(struct lane *l, struct err *e)
{
	if (l->joined == NULL)
		return 0;
	if (l->under_way == l->depth && reap(l, e) != 0)
		return -1;
	struct write *w = l->write;
	while (w->chunks != NULL)
		w++;
	w->request = (struct block_request){
		.op = BLOCK_WRITE,
		.offset = l->joined->offset,
		.length = (uint32_t)l->joined_length,
		.data = l->joined->data,
		.parts = l->joined_parts > 1 ? w->parts : NULL,
		.part_count = l->joined_parts,
		.user = w,
	};
	fill_parts(w, l->joined);
	if (block_submit(l->target, &w->request, e) != 0)
		return -1;
	w->chunks = l->joined;
	l->joined = NULL;
	l->under_way++;
	return 0;
}

/* Takes c. Chunks of one read come in its order, and lie side by side in its buffer; those of the next one elsewhere. */
static int write_data(struct lane *l, struct chunk *c, struct err *e)
{
	const struct chunk *first = l->joined;
	bool beside = l->joined_to == c->data;
	bool joins = first != NULL && first->offset + l->joined_length == c->offset &&
		     (beside || (l->target->info.gathers > 0 && l->joined_parts < MAX_PARTS)) &&
		     l->joined_length + c->length <= l->max_write;

	if (!joins) {
		if (write_joined(l, e) != 0) {
			chunk_free(c);
			return -1;
		}
		l->joined_end = &l->joined;
		l->joined_length = 0;
		l->joined_parts = 0;
	}
	l->joined_parts += !joins || !beside;
	l->joined_to = c->data + c->length;
	*l->joined_end = c;
	l->joined_end = &c->next;
	l->joined_length += c->length;
	return l->joined_length < l->max_write ? 0 : write_joined(l, e);
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
	if (write_joined(l, e) != 0 || write_zeros(l, e) != 0)
		return -1;
	while (l->under_way > 0)
		if (reap(l, e) != 0)
			return -1;
	if (l->dirty && block_flush(l->target, e) != 0)
		return -1;
	l->dirty = false;
	return 0;
}

static int pass_mark(struct lane *l, struct chunk *mark, struct err *e)
{
	if (settle(l, e) != 0) {
		chunk_free(mark);
		return -1;
	}
	mark->written = l->written;
	l->written = NULL;
	return stage_emit(&l->stage, mark, e);
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
		rc = pass_mark(l, c, e);
	} else if (c->kind == CHUNK_DATA) {
		rc = write_data(l, c, e);
	} else {
		rc = add_zeros(l, c, e);
		chunk_free(c);
	}
	set_idle(l);
	return rc;
}

/* What is under way in plenty ends sooner or later, and meanwhile more may come to join what waits. */
static bool may_grow(const struct lane *l)
{
	return l->target->info.gathers > 0 && l->under_way >= (l->depth + 1) / 2;
}

static int idle(struct stage *s, struct err *e)
{
	struct lane *l = (struct lane *)s;
	int rc = l->joined != NULL && !may_grow(l) ? write_joined(l, e) : l->under_way > 0 ? reap(l, e) : write_zeros(l, e);

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
		free_chunks(l->write[i].chunks);
	free_chunks(l->joined);
	written_list_free(l->written);
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
	lane->max_write = lane->target->info.gathers > 0 ? lane->target->info.gathers : MAX_WRITE;
	lane->ledger = l;
	lane->read_back = read_back;
	lane->depth = lane->target->depth < DEPTH ? lane->target->depth : DEPTH;
	return &lane->stage;
}
