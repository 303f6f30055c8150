// SPDX-License-Identifier: Apache-2.0
/* The filter between a reader and a stage that looks at the batches, all in this thread. */
#include "copy/copy_fixture.h"

#include <string.h>

#include "base/mem.h"
#include "copy/stages.h"
#include "copy/zero.h"

#define PAGES 4

/* Behind the filter. */
struct watcher {
	struct stage stage;
	uint64_t chunks, bytes;
	unsigned longest; /* batch */
};

static int watch(struct stage *s, struct chunk *batch, struct err *e)
{
	struct watcher *w = (struct watcher *)s;
	unsigned length = 0;

	(void)e;
	for (const struct chunk *c = batch; c != NULL; c = c->batch) {
		length++;
		w->bytes += c->length;
	}
	w->chunks += length;
	w->longest = length > w->longest ? length : w->longest;
	chunk_free(batch);
	return 0;
}

static void close_watcher(struct stage *s)
{
	(void)s;
}

static const struct stage_ops watcher_ops = {
	.name = "watcher", .takes_batches = true, .process = watch, .close = close_watcher};

/* The target has zeros in every other chunk already. */
static void record_every_other(struct ledger *l, const struct copy_config *c)
{
	uint8_t hashes[MANIFEST_PAGE_HASHES];
	struct err e = ERR_INIT;

	memset(hashes, 0xee, sizeof hashes);
	for (unsigned i = 0; i < MANIFEST_PAGE_CHUNKS; i += 2)
		zero_hash(c->keys, c->chunk_size, hashes + i * MANIFEST_HASH);
	for (uint64_t p = 0; p < PAGES; p++)
		assert_int_equal(ledger_record(l, 0, p, hashes, &e), 0);
	assert_int_equal(ledger_sync(l, &e), 0);
}

/* One hole, of which every other chunk is handed on, each by itself: its batches stay short all the same. */
static void filter_hole_of_many_runs_is_handed_on_in_bounded_batches(void **state)
{
	const struct manifest_keys keys = {{1}, {2}, {3}};
	const uint64_t pages = PAGES, changed = PAGES * (MANIFEST_PAGE_CHUNKS / 2);
	struct copy_progress progress = {0};
	struct copy_disk disk = {.size = PAGES * FX_PAGE, .progress = &progress};
	const struct copy_config c = {
		.keys = &keys, .chunk_size = FX_CHUNK, .checkpoint_bytes = COPY_DEFAULT_CHECKPOINT_BYTES,
		.checkpoint_ns = INT64_MAX, .disks = &disk, .disk_count = 1,
	};
	struct ledger *l = ledger_mem_new(&pages, 1);
	struct checkpoints *k = checkpoints_new(&c, l);
	struct pipeline *p = pipeline_new(NULL);
	struct watcher w = {.stage = {.ops = &watcher_ops}};
	struct stage *filter = filter_new(&c, l, k);
	struct err e = ERR_INIT;

	(void)state;
	record_every_other(l, &c);
	pipeline_add(p, filter, 0);
	pipeline_add(p, &w.stage, 0);
	pipeline_link(filter, &w.stage);
	assert_int_equal(stage_send(filter, chunk_new(CHUNK_ZERO, 0, 0, disk.size), &e), 0);
	assert_true(changed > 2 * CHUNK_BATCH);
	assert_in_range(w.longest, 2, CHUNK_BATCH); /* before it is flushed */
	assert_int_equal(filter->ops->flush(filter, &e), 0);
	assert_in_range(w.longest, 2, CHUNK_BATCH);
	assert_int_equal(w.chunks, changed + 1); /* and a MARK */
	assert_int_equal(w.bytes, changed * FX_CHUNK);
	pipeline_free(p);
	checkpoints_free(k);
	ledger_close(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filter_hole_of_many_runs_is_handed_on_in_bounded_batches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
