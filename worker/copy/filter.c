// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "copy/skip.h"
#include "copy/stages.h"
#include "copy/zero.h"

/* A range of zeros is handed on at this size at the latest: the pieces of progress and of cancelling. */
#define MAX_ZERO_RUN (UINT64_C(1) << 30)

/* One disk: the page being put together, and the zeros not yet handed on. */
struct lane {
	const struct copy_disk *disk;
	unsigned index;
	struct chunk_order order;
	struct zero_hashes zeros;
	struct manifest_rooter *rooter;
	uint64_t next; /* chunk */
	uint8_t page[MANIFEST_PAGE_HASHES];
	uint8_t baseline[MANIFEST_PAGE_HASHES];
	bool changed, intended, all_zero;
	uint64_t ticket;
	struct chunk *run; /* ZERO that may still grow */
};

struct filter {
	struct stage stage;
	const struct copy_config *c;
	struct ledger *ledger;
	struct checkpoints *checkpoints;
	pthread_mutex_t lock; /* everything below */
	struct lane *lanes;
	uint64_t emitted; /* chunks of the open checkpoint */
	struct chunk *out, **out_end; /* the batch that is handed on next */
	unsigned out_chunks;
	struct err why;   /* kind other than NONE: it has failed, and touches nothing any more */
};

static int send_out(struct filter *f, struct err *e)
{
	struct chunk *batch = f->out;

	f->out = NULL;
	f->out_end = &f->out;
	f->out_chunks = 0;
	return batch == NULL ? 0 : stage_emit(&f->stage, batch, e);
}

static void emit(struct filter *f, struct chunk *c)
{
	struct copy_progress *progress = f->c->disks[c->disk].progress;

	atomic_fetch_add(c->kind == CHUNK_ZERO ? &progress->sent_zero : &progress->sent, c->length);
	atomic_fetch_add(&progress->chunks, (c->length + f->c->chunk_size - 1) / f->c->chunk_size);
	c->checkpoint = checkpoints_current(f->checkpoints);
	checkpoints_count(f->checkpoints, c->length, c->kind == CHUNK_ZERO);
	f->emitted++;
	*f->out_end = c;
	f->out_end = &c->batch;
	f->out_chunks++;
}

static void emit_run(struct filter *f, struct lane *l)
{
	if (l->run != NULL)
		emit(f, l->run);
	l->run = NULL;
}

/* Grow the run of zeros by one chunk, or begin another one. */
static void add_zero(struct filter *f, struct lane *l, uint64_t offset, uint64_t length)
{
	struct chunk *run = l->run;

	if (run != NULL && (run->offset + run->length != offset || run->has_ticket != l->intended ||
			    (l->intended && run->ticket != l->ticket) || run->length >= MAX_ZERO_RUN)) {
		emit_run(f, l);
		run = NULL;
	}
	if (run != NULL) {
		run->length += length;
		return;
	}
	l->run = chunk_new(CHUNK_ZERO, l->index, offset, length);
	l->run->has_ticket = l->intended;
	l->run->ticket = l->ticket;
}

static bool all_unknown(const uint8_t hashes[MANIFEST_PAGE_HASHES])
{
	for (unsigned i = 0; i < MANIFEST_PAGE_CHUNKS; i++)
		if (!manifest_is_unknown(hashes + i * MANIFEST_HASH))
			return false;
	return true;
}

static int begin_page(struct filter *f, struct lane *l, struct err *e)
{
	memset(l->page, 0, sizeof l->page);
	l->changed = false;
	l->intended = false;
	l->all_zero = true;
	return ledger_read_page(f->ledger, l->index, l->next / MANIFEST_PAGE_CHUNKS, l->baseline, e);
}

/* The first chunk of this page that differs: nothing of it may be changed before the page is durably unknown. */
static int change_page(struct filter *f, struct lane *l, struct err *e)
{
	l->changed = true;
	if (all_unknown(l->baseline))
		return 0;
	l->intended = true;
	return ledger_intend(f->ledger, l->index, l->next / MANIFEST_PAGE_CHUNKS, &l->ticket, e);
}

/* The open checkpoint ends here, with the zeros of all pages that belong to it. The MARK goes last; on its way it may
 * overtake chunks, which is why it counts them. */
static int close_checkpoint(struct filter *f, struct err *e)
{
	if (send_out(f, e) != 0)
		return -1;
	for (unsigned i = 0; i < f->c->disk_count; i++) {
		emit_run(f, &f->lanes[i]);
		if (send_out(f, e) != 0)
			return -1;
	}
	struct chunk *mark = chunk_new(CHUNK_MARK, 0, 0, 0);

	mark->checkpoint = checkpoints_current(f->checkpoints);
	mark->count = f->emitted;
	f->emitted = 0;
	if (checkpoints_close(f->checkpoints, e) != 0) {
		chunk_free(mark);
		return -1;
	}
	return stage_emit(&f->stage, mark, e);
}

static int end_page(struct filter *f, struct lane *l, struct err *e)
{
	uint64_t page = (l->next - 1) / MANIFEST_PAGE_CHUNKS;
	uint64_t upto = l->next * f->c->chunk_size;
	unsigned chunks = (unsigned)(l->next - page * MANIFEST_PAGE_CHUNKS);
	bool full = chunks == MANIFEST_PAGE_CHUNKS && upto <= l->disk->size;

	manifest_rooter_add(l->rooter, page, l->page);
	if (l->changed)
		checkpoints_add(f->checkpoints, l->index, page, l->all_zero && full ? NULL : l->page);
	checkpoints_passed(f->checkpoints, l->index, upto < l->disk->size ? upto : l->disk->size);
	return checkpoints_due(f->checkpoints) ? close_checkpoint(f, e) : 0;
}

/* To the next chunk, and over the end of a page. */
static int advance(struct filter *f, struct lane *l, struct err *e)
{
	l->next++;
	if (f->out_chunks >= CHUNK_BATCH && send_out(f, e) != 0)
		return -1;
	return l->next % MANIFEST_PAGE_CHUNKS == 0 || l->next == l->zeros.chunks ? end_page(f, l, e) : 0;
}

/* The hints say that nothing changed before this chunk: it is there as the baseline has it. */
static int skip_to(struct filter *f, struct lane *l, uint64_t chunk, struct err *e)
{
	while (l->next < chunk) {
		uint64_t slot = l->next % MANIFEST_PAGE_CHUNKS;
		uint64_t after = skip_pages(f->c, l->disk, l->next, chunk, l->zeros.chunks);

		if (after != l->next) {
			l->next = after;
			checkpoints_passed(f->checkpoints, l->index, after == l->zeros.chunks ? l->disk->size
											      : after * f->c->chunk_size);
			continue;
		}
		const uint8_t *known = l->baseline + slot * MANIFEST_HASH;
		if ((slot == 0 && begin_page(f, l, e) != 0) || skip_chunk(f->c, l->disk, l->next, known, e) != 0)
			return -1;
		memcpy(l->page + slot * MANIFEST_HASH, known, MANIFEST_HASH);
		l->all_zero = false; /* as far as we know */
		if (advance(f, l, e) != 0)
			return -1;
	}
	return 0;
}

/* Chunk l->next of the disk has this hash. *differs: it is to be handed on. */
static int compare(struct filter *f, struct lane *l, const uint8_t *hash, bool *differs, struct err *e)
{
	unsigned slot = (unsigned)(l->next % MANIFEST_PAGE_CHUNKS);

	if (slot == 0 && begin_page(f, l, e) != 0)
		return -1;
	memcpy(l->page + slot * MANIFEST_HASH, hash, MANIFEST_HASH);
	*differs = memcmp(l->baseline + slot * MANIFEST_HASH, hash, MANIFEST_HASH) != 0;
	return *differs && !l->changed ? change_page(f, l, e) : 0;
}

static int pass_data(struct filter *f, struct lane *l, struct chunk *c, struct err *e)
{
	struct copy_progress *progress = l->disk->progress;
	bool differs;

	atomic_fetch_add(&progress->scanned, c->length);
	if (compare(f, l, c->hash, &differs, e) != 0) {
		chunk_free(c);
		return -1;
	}
	l->all_zero = false;
	if (!differs) {
		atomic_fetch_add(&progress->unchanged, c->length);
		chunk_free(c);
	} else {
		c->has_ticket = l->intended;
		c->ticket = l->ticket;
		emit(f, c);
	}
	return advance(f, l, e);
}

static int pass_one_zero(struct filter *f, struct lane *l, uint64_t offset, uint64_t length, bool hole, struct err *e)
{
	struct copy_progress *progress = l->disk->progress;
	bool differs;

	atomic_fetch_add(&progress->scanned, length);
	atomic_fetch_add(&progress->zero, length);
	if (hole)
		atomic_fetch_add(&progress->holes, length);
	if (compare(f, l, zero_hashes_of(&l->zeros, l->next), &differs, e) != 0)
		return -1;
	if (!differs)
		atomic_fetch_add(&progress->unchanged, length);
	else
		add_zero(f, l, offset, length);
	return advance(f, l, e);
}

static int pass_zeros(struct filter *f, struct lane *l, const struct chunk *c, struct err *e)
{
	uint64_t end = c->offset + c->length;

	for (uint64_t at = c->offset; at < end; at += f->c->chunk_size) {
		uint64_t length = end - at < f->c->chunk_size ? end - at : f->c->chunk_size;

		if (at % (UINT64_C(64) * f->c->chunk_size) == 0 && pipeline_stopped(f->stage.pipeline))
			return pipeline_set_stopped(e);
		if (pass_one_zero(f, l, at, length, c->hole, e) != 0)
			return -1;
	}
	return 0;
}

static int pass(struct filter *f, struct lane *l, struct chunk *c, struct err *e)
{
	if (copy_disk_ranges(l->disk) != NULL && skip_to(f, l, c->offset / f->c->chunk_size, e) != 0) {
		chunk_free(c);
		return -1;
	}
	if (c->offset != l->next * f->c->chunk_size) {
		err_set(e, ERR_INTERNAL, 0, "the chunks of %s came out of order, at offset %" PRIu64,
			l->disk->block->info.name, c->offset);
		chunk_free(c);
		return -1;
	}
	if (c->kind == CHUNK_ZERO) {
		int rc = pass_zeros(f, l, c, e);

		chunk_free(c);
		return rc;
	}
	/* In order as far as it costs nothing. */
	emit_run(f, l);
	return pass_data(f, l, c, e);
}

static int pass_batch(struct filter *f, struct lane *l, struct chunk *c, struct err *e)
{
	while (c != NULL) {
		struct chunk *rest = chunk_detach(c);

		if (pass(f, l, c, e) != 0) {
			chunk_free(rest);
			return -1;
		}
		c = rest;
	}
	return send_out(f, e);
}

static int process(struct stage *s, struct chunk *c, struct err *e)
{
	struct filter *f = (struct filter *)s;
	struct lane *l = &f->lanes[c->disk];
	int rc = 0;

	pthread_mutex_lock(&f->lock);
	chunk_order_put(&l->order, c);
	while (f->why.kind == ERR_NONE && (c = chunk_order_take(&l->order)) != NULL)
		if (pass_batch(f, l, c, e) != 0)
			f->why = *e;
	if (f->why.kind != ERR_NONE) {
		*e = f->why;
		rc = -1;
	}
	pthread_mutex_unlock(&f->lock);
	return rc;
}

static int finish_disk(struct filter *f, struct lane *l, struct err *e)
{
	if (copy_disk_ranges(l->disk) != NULL && skip_to(f, l, l->zeros.chunks, e) != 0)
		return -1;
	if (l->next != l->zeros.chunks)
		return err_set(e, ERR_INTERNAL, 0, "%s ended after %" PRIu64 " of %" PRIu64 " chunks",
			       l->disk->block->info.name, l->next, l->zeros.chunks);
	struct manifest_rooter *rooter = l->rooter;
	l->rooter = NULL;
	manifest_rooter_finish(rooter, f->c->disks[l->index].root);
	emit_run(f, l);
	return send_out(f, e);
}

static int flush(struct stage *s, struct err *e)
{
	struct filter *f = (struct filter *)s;

	for (unsigned i = 0; i < f->c->disk_count; i++)
		if (finish_disk(f, &f->lanes[i], e) != 0)
			return -1;
	return checkpoints_pending(f->checkpoints) ? close_checkpoint(f, e) : 0;
}

static void close_filter(struct stage *s)
{
	struct filter *f = (struct filter *)s;

	for (unsigned i = 0; i < f->c->disk_count; i++) {
		chunk_order_fini(&f->lanes[i].order);
		chunk_free(f->lanes[i].run);
		manifest_rooter_free(f->lanes[i].rooter);
	}
	chunk_free(f->out);
	pthread_mutex_destroy(&f->lock);
	free(f->lanes);
	free(f);
}

static const struct stage_ops ops = {
	.name = "filter",
	.takes_batches = true,
	.process = process,
	.flush = flush,
	.close = close_filter,
};

struct stage *filter_new(const struct copy_config *c, struct ledger *l, struct checkpoints *k)
{
	struct filter *f = mem_alloc(sizeof *f);

	f->stage.ops = &ops;
	f->stage.idle_ns = -1;
	f->c = c;
	f->ledger = l;
	f->checkpoints = k;
	f->out_end = &f->out;
	pthread_mutex_init(&f->lock, NULL);
	f->lanes = mem_array(c->disk_count, sizeof *f->lanes);
	for (unsigned i = 0; i < c->disk_count; i++) {
		f->lanes[i].index = i;
		f->lanes[i].disk = &c->disks[i];
		zero_hashes_init(&f->lanes[i].zeros, c, i);
		f->lanes[i].rooter = manifest_rooter_new(c->keys, c->disks[i].size, c->chunk_size);
	}
	return &f->stage;
}
