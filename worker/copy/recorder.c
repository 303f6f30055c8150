// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "copy/skip.h"
#include "copy/stages.h"
#include "copy/zero.h"

/* One disk: the page being put together. */
struct lane {
	const struct copy_disk *disk;
	unsigned index;
	struct chunk_order order;
	struct zero_hashes zeros;
	struct manifest_rooter *rooter;
	uint64_t next; /* chunk */
	uint8_t page[MANIFEST_PAGE_HASHES];
};

struct recorder {
	struct stage stage;
	const struct copy_config *c;
	struct ledger *ledger;
	pthread_mutex_t lock; /* lanes */
	struct lane *lanes;
};

static int end_page(struct recorder *r, struct lane *l, struct err *e)
{
	uint64_t page = (l->next - 1) / MANIFEST_PAGE_CHUNKS;

	manifest_rooter_add(l->rooter, page, l->page);
	if (ledger_record(r->ledger, l->index, page, l->page, e) != 0)
		return -1;
	memset(l->page, 0, sizeof l->page);
	return 0;
}

/* With hints a page begins as the baseline has it. */
static int begin_page(struct recorder *r, struct lane *l, struct err *e)
{
	if (l->next % MANIFEST_PAGE_CHUNKS != 0 || copy_disk_ranges(l->disk) == NULL)
		return 0;
	return ledger_read_page(r->ledger, l->index, l->next / MANIFEST_PAGE_CHUNKS, l->page, e);
}

static int advance(struct recorder *r, struct lane *l, struct err *e)
{
	l->next++;
	return l->next % MANIFEST_PAGE_CHUNKS == 0 || l->next == l->zeros.chunks ? end_page(r, l, e) : 0;
}

/* The hints say that nothing changed before this chunk. */
static int skip_to(struct recorder *r, struct lane *l, uint64_t chunk, struct err *e)
{
	while (l->next < chunk) {
		uint64_t after = skip_pages(r->c, l->disk, l->next, chunk, l->zeros.chunks);
		const uint8_t *known = l->page + l->next % MANIFEST_PAGE_CHUNKS * MANIFEST_HASH;

		if (after != l->next)
			l->next = after;
		else if (begin_page(r, l, e) != 0 || skip_chunk(r->c, l->disk, l->next, known, e) != 0 ||
			 advance(r, l, e) != 0)
			return -1;
	}
	return 0;
}

static int add(struct recorder *r, struct lane *l, const uint8_t *hash, struct err *e)
{
	if (begin_page(r, l, e) != 0)
		return -1;
	memcpy(l->page + l->next % MANIFEST_PAGE_CHUNKS * MANIFEST_HASH, hash, MANIFEST_HASH);
	return advance(r, l, e);
}

static int add_zeros(struct recorder *r, struct lane *l, const struct chunk *c, struct err *e)
{
	struct copy_progress *progress = l->disk->progress;
	uint64_t end = c->offset + c->length;

	for (uint64_t at = c->offset; at < end; at += r->c->chunk_size) {
		uint64_t length = end - at < r->c->chunk_size ? end - at : r->c->chunk_size;

		if (pipeline_stopped(r->stage.pipeline))
			return pipeline_set_stopped(e);
		atomic_fetch_add(&progress->scanned, length);
		atomic_fetch_add(&progress->zero, length);
		if (c->hole)
			atomic_fetch_add(&progress->holes, length);
		if (add(r, l, zero_hashes_of(&l->zeros, l->next), e) != 0)
			return -1;
	}
	return 0;
}

static int pass(struct recorder *r, struct lane *l, const struct chunk *c, struct err *e)
{
	if (copy_disk_ranges(l->disk) != NULL && skip_to(r, l, c->offset / r->c->chunk_size, e) != 0)
		return -1;
	if (c->offset != l->next * r->c->chunk_size)
		return err_set(e, ERR_INTERNAL, 0, "the chunks of %s came out of order, at offset %" PRIu64,
			       l->disk->block->info.name, c->offset);
	if (c->kind == CHUNK_ZERO)
		return add_zeros(r, l, c, e);
	atomic_fetch_add(&l->disk->progress->scanned, c->length);
	return add(r, l, c->hash, e);
}

static int pass_batch(struct recorder *r, struct lane *l, const struct chunk *c, struct err *e)
{
	for (; c != NULL; c = c->batch)
		if (pass(r, l, c, e) != 0)
			return -1;
	return 0;
}

static int pass_waiting(struct recorder *r, struct lane *l, struct err *e)
{
	struct chunk *c;

	while ((c = chunk_order_take(&l->order)) != NULL) {
		int rc = pass_batch(r, l, c, e);

		chunk_free(c);
		if (rc != 0)
			return -1;
	}
	return 0;
}

static int process(struct stage *s, struct chunk *c, struct err *e)
{
	struct recorder *r = (struct recorder *)s;
	struct lane *l = &r->lanes[c->disk];

	/* Hashed: the data is of no more use, and others wait for its buffer. */
	for (struct chunk *at = c; at != NULL; at = at->batch)
		chunk_drop_data(at);
	pthread_mutex_lock(&r->lock);
	chunk_order_put(&l->order, c);
	int rc = pass_waiting(r, l, e);
	pthread_mutex_unlock(&r->lock);
	return rc;
}

static int flush(struct stage *s, struct err *e)
{
	struct recorder *r = (struct recorder *)s;

	for (unsigned i = 0; i < r->c->disk_count; i++) {
		struct manifest_rooter *rooter = r->lanes[i].rooter;

		if (copy_disk_ranges(r->lanes[i].disk) != NULL &&
		    skip_to(r, &r->lanes[i], r->lanes[i].zeros.chunks, e) != 0)
			return -1;
		if (r->lanes[i].next != r->lanes[i].zeros.chunks)
			return err_set(e, ERR_INTERNAL, 0, "%s ended after %" PRIu64 " of %" PRIu64 " chunks",
				       r->lanes[i].disk->block->info.name, r->lanes[i].next,
				       r->lanes[i].zeros.chunks);
		r->lanes[i].rooter = NULL;
		manifest_rooter_finish(rooter, r->c->disks[i].root);
	}
	return ledger_sync(r->ledger, e);
}

static void close_recorder(struct stage *s)
{
	struct recorder *r = (struct recorder *)s;

	for (unsigned i = 0; i < r->c->disk_count; i++) {
		chunk_order_fini(&r->lanes[i].order);
		manifest_rooter_free(r->lanes[i].rooter);
	}
	pthread_mutex_destroy(&r->lock);
	free(r->lanes);
	free(r);
}

static const struct stage_ops ops = {
	.name = "recorder",
	.takes_batches = true,
	.process = process,
	.flush = flush,
	.close = close_recorder,
};

struct stage *recorder_new(const struct copy_config *c, struct ledger *l)
{
	struct recorder *r = mem_alloc(sizeof *r);

	r->stage.ops = &ops;
	r->stage.idle_ns = -1;
	r->c = c;
	r->ledger = l;
	pthread_mutex_init(&r->lock, NULL);
	r->lanes = mem_array(c->disk_count, sizeof *r->lanes);
	for (unsigned i = 0; i < c->disk_count; i++) {
		r->lanes[i].index = i;
		r->lanes[i].disk = &c->disks[i];
		zero_hashes_init(&r->lanes[i].zeros, c, i);
		r->lanes[i].rooter = manifest_rooter_new(c->keys, c->disks[i].size, c->chunk_size);
	}
	return &r->stage;
}
