// SPDX-License-Identifier: Apache-2.0
#include "copy/copy_fixture.h"

#include <string.h>

#include "copy/checkpoint.h"

#define HALF (UINT64_C(1) << 29) /* of checkpoint_bytes below */

struct set {
	struct manifest_keys keys;
	struct copy_progress progress;
	struct copy_disk disk;
	struct copy_config c;
	struct ledger *ledger;
	struct checkpoints *k;
	struct err e;
};

static void set_up(struct set *s)
{
	const uint64_t pages = 4;

	memset(s, 0, sizeof *s);
	s->disk = (struct copy_disk){.size = pages * FX_PAGE, .progress = &s->progress};
	s->c = (struct copy_config){
		.keys = &s->keys, .chunk_size = FX_CHUNK, .checkpoint_bytes = 2 * HALF, .disks = &s->disk, .disk_count = 1,
		.checkpoint_ns = COPY_DEFAULT_CHECKPOINT_NS,
	};
	s->ledger = ledger_mem_new(&pages, 1);
	s->k = checkpoints_new(&s->c, s->ledger);
}

static void tear_down(struct set *s)
{
	checkpoints_free(s->k);
	ledger_close(s->ledger);
}

/* Each limit alone, one short of it and at it. */
static void checkpoints_due_at_each_limit(void **state)
{
	static const struct {
		uint64_t bytes, zeros;
		unsigned data_pages, zero_pages, chunks;
	} limits[] = {
		{.bytes = HALF - FX_PAGE + 1}, /* another page would not fit into half of it */
		{.zeros = 64 * (HALF - FX_PAGE + 1)},
		{.data_pages = CHECKPOINT_MAX_PAGES},
		{.zero_pages = CHECKPOINT_MAX_ZERO_PAGES},
		{.chunks = CHECKPOINT_MAX_CHUNKS},
	};
	const uint8_t hashes[MANIFEST_PAGE_HASHES] = {1};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof limits / sizeof limits[0]; i++) {
		unsigned less = i % 2 == 0 ? 1 : 0;
		struct set s;

		set_up(&s);
		assert_false(checkpoints_due(s.k));
		assert_false(checkpoints_pending(s.k));
		checkpoints_count(s.k, limits[i / 2].bytes - (limits[i / 2].bytes > 0 ? less : 0), false);
		checkpoints_count(s.k, limits[i / 2].zeros - (limits[i / 2].zeros > 0 ? less * 64 : 0), true);
		for (unsigned n = 2 + less; n < limits[i / 2].chunks; n++)
			checkpoints_count(s.k, 1, false);
		assert_false(checkpoints_due(s.k)); /* nothing to record yet */
		for (unsigned n = less; n < limits[i / 2].data_pages; n++)
			checkpoints_add(s.k, 0, n, hashes);
		for (unsigned n = less; n < limits[i / 2].zero_pages; n++)
			checkpoints_add(s.k, 0, n, NULL);
		if (limits[i / 2].data_pages + limits[i / 2].zero_pages == 0)
			checkpoints_add(s.k, 0, 0, hashes);
		assert_true(checkpoints_pending(s.k));
		assert_int_equal(checkpoints_due(s.k), less == 0);
		tear_down(&s);
	}
}

static void checkpoints_durable_records_its_pages_only(void **state)
{
	const uint8_t one[MANIFEST_PAGE_HASHES] = {1}, two[MANIFEST_PAGE_HASHES] = {2};
	struct set s;

	(void)state;
	set_up(&s);
	checkpoints_add(s.k, 0, 0, one);
	checkpoints_passed(s.k, 0, FX_PAGE);
	assert_int_equal(checkpoints_close(s.k, &s.e), 0);
	assert_int_equal(checkpoints_current(s.k), 2);
	checkpoints_add(s.k, 0, 1, two);
	checkpoints_passed(s.k, 0, 2 * FX_PAGE);
	assert_int_equal(atomic_load(&s.progress.durable), 0);
	assert_int_equal(checkpoints_durable(s.k, 2, &s.e), -1); /* 1 comes first */
	assert_int_equal(s.e.kind, ERR_PROTOCOL);
	assert_int_equal(checkpoints_durable(s.k, 1, &s.e), 0);
	assert_memory_equal(ledger_mem_page(s.ledger, 0, 0), one, sizeof one);
	assert_true(manifest_is_unknown(ledger_mem_page(s.ledger, 0, 1)));
	assert_int_equal(atomic_load(&s.progress.durable), FX_PAGE);
	assert_int_equal(checkpoints_close(s.k, &s.e), 0);
	assert_false(checkpoints_all_durable(s.k));
	assert_int_equal(checkpoints_durable(s.k, 2, &s.e), 0);
	assert_memory_equal(ledger_mem_page(s.ledger, 0, 1), two, sizeof two);
	assert_true(checkpoints_all_durable(s.k));
	assert_int_equal(checkpoints_durable(s.k, 2, &s.e), -1);
	tear_down(&s);
}

static void checkpoints_passed_nothing_changed_is_durable_at_once(void **state)
{
	struct set s;

	(void)state;
	set_up(&s);
	checkpoints_passed(s.k, 0, FX_PAGE);
	assert_int_equal(atomic_load(&s.progress.durable), FX_PAGE);
	checkpoints_add(s.k, 0, 1, NULL);
	checkpoints_passed(s.k, 0, 2 * FX_PAGE);
	assert_int_equal(atomic_load(&s.progress.durable), FX_PAGE);
	tear_down(&s);
}

static void checkpoints_close_stopped_while_all_are_open_returns(void **state)
{
	struct set s;

	(void)state;
	set_up(&s);
	for (unsigned i = 0; i < CHECKPOINT_MAX_CLOSED; i++)
		assert_int_equal(checkpoints_close(s.k, &s.e), 0);
	checkpoints_stop(s.k);
	assert_int_equal(checkpoints_close(s.k, &s.e), -1);
	tear_down(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checkpoints_due_at_each_limit),
		cmocka_unit_test(checkpoints_durable_records_its_pages_only),
		cmocka_unit_test(checkpoints_passed_nothing_changed_is_durable_at_once),
		cmocka_unit_test(checkpoints_close_stopped_while_all_are_open_returns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
