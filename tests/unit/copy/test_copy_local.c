// SPDX-License-Identifier: Apache-2.0
#include "copy/copy_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)

static void copy_local_any_size_equals_source(void **state)
{
	static const struct {
		uint64_t size, target;
		uint32_t sector;
		bool is_file;
	} cases[] = {
		{512, 512, 512, false},
		{4096, 4096, 4096, false},
		{FX_CHUNK - 512, FX_CHUNK - 512, 512, false},
		{FX_CHUNK, FX_CHUNK, 512, false},
		{FX_CHUNK + 512, FX_CHUNK + 512, 512, false},
		{MIB - 512, MIB - 512, 512, false},
		{MIB + 4096, MIB + 4096, 4096, false},
		{FX_PAGE - FX_CHUNK, FX_PAGE - FX_CHUNK, 512, false},
		{FX_PAGE, FX_PAGE, 512, false},
		{FX_PAGE + 512, FX_PAGE + 512, 512, false},
		{2 * FX_PAGE + 5 * FX_CHUNK + 1024, 3 * FX_PAGE, 512, false}, /* a tail */
		{512, 5 * MIB, 512, false},
		{1, 1, 512, true},
		{MIB + 123, MIB + 123, 512, true},
		{FX_PAGE + 1, FX_PAGE + 1, 512, true},
		{0, 0, 512, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fx *f = fx_new();

		f->source_sector = f->target_sector = cases[i].sector;
		fx_add(f, cases[i].size, cases[i].target, cases[i].is_file);
		fx_start(f);
		fx_fill(f->source[0], 0, cases[i].size, i);
		fx_set(f->target[0], 0, cases[i].target, 0xff);
		mem_disk_seed(f->source[0], i);
		mem_disk_seed(f->target[0], i + 1);
		if (fx_local(f) != 0)
			fail_msg("case %zu: %s", i, f->source_err.msg);
		fx_assert_equal(f);
		fx_assert_complete(f);
		fx_assert_true(f);
		assert_int_equal(atomic_load(&f->progress[0].scanned), cases[i].size);
		assert_int_equal(atomic_load(&f->progress[0].durable), cases[i].size);
		assert_int_equal(extents_bytes(mem_disk_unflushed(f->target[0])), 0);
		fx_free(f);
	}
}

/* Source and target filled with a byte: what is on the target before must not matter. */
static void copy_local_uniform_contents_replace_what_was_there(void **state)
{
	static const struct {
		int from, over;
	} cases[] = {{0, 0}, {0, 0xff}, {0xff, 0}, {0xff, 0xff}};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct fx *f = fx_new();

		fx_add(f, FX_PAGE + 3 * FX_CHUNK + 512, FX_PAGE + 3 * FX_CHUNK + 512, false);
		fx_start(f);
		fx_set(f->source[0], 0, f->size[0], cases[i].from);
		fx_set(f->target[0], 0, f->size[0], cases[i].over);
		assert_int_equal(fx_local(f), 0);
		fx_assert_equal(f);
		assert_int_equal(atomic_load(&f->progress[0].zero), cases[i].from == 0 ? f->size[0] : 0);
		assert_int_equal(atomic_load(&f->progress[0].sent), cases[i].from == 0 ? 0 : f->size[0]);
		/* Zeros come as zeros, not as data, and are written even where zeros were. */
		assert_int_equal(mem_disk_counters(f->target[0])->bytes[MEM_WRITE], cases[i].from == 0 ? 0 : f->size[0]);
		assert_int_equal(mem_disk_counters(f->target[0])->bytes[MEM_ZERO], cases[i].from == 0 ? f->size[0] : 0);
		fx_free(f);
	}
}

static void copy_local_holes_are_not_read(void **state)
{
	struct fx *f = fx_new();

	(void)state;
	fx_add(f, 40 * FX_PAGE, 40 * FX_PAGE, true);
	fx_start(f);
	fx_fill(f->source[0], 0, 4096, 1);
	fx_fill(f->source[0], 20 * FX_PAGE + 5 * FX_CHUNK + 512, 2 * FX_CHUNK, 2);
	fx_fill(f->source[0], 40 * FX_PAGE - 512, 512, 3);
	assert_int_equal(fx_local(f), 0);
	fx_assert_equal(f);
	fx_assert_complete(f);
	fx_assert_true(f);
	assert_in_range(mem_disk_counters(f->source[0])->bytes[MEM_READ], 5 * FX_CHUNK, 6 * FX_CHUNK);
	assert_int_equal(atomic_load(&f->progress[0].holes),
			 f->size[0] - mem_disk_counters(f->source[0])->bytes[MEM_READ]);
	fx_free(f);
}

static void copy_local_incremental_writes_exactly_what_changed(void **state)
{
	static const unsigned changed[] = {0, 1, 126, 127, 128, 200, 253, 254, 300};
	struct fx *f = fx_new();
	unsigned k = sizeof changed / sizeof changed[0];

	(void)state;
	fx_add(f, 300 * FX_CHUNK + 512, 300 * FX_CHUNK + 512, false);
	fx_start(f);
	fx_fill(f->source[0], 0, f->size[0], 1);
	assert_int_equal(fx_local(f), 0);
	assert_int_equal(fx_chunks(f), 301);
	assert_int_equal(fx_local(f), 0);
	assert_int_equal(fx_chunks(f), 0);
	assert_int_equal(ledger_mem_intents(f->ledger), 0);
	uint64_t records = ledger_mem_records(f->ledger);

	for (unsigned i = 0; i < k; i++)
		fx_fill(f->source[0], changed[i] * (uint64_t)FX_CHUNK, 512, 99 + i);
	fx_set(f->source[0], 50 * FX_CHUNK, FX_CHUNK, 0); /* data becomes zero */
	uint64_t before = mem_disk_counters(f->target[0])->bytes[MEM_WRITE];
	assert_int_equal(fx_local(f), 0);
	assert_int_equal(fx_chunks(f), k + 1);
	assert_int_equal(mem_disk_counters(f->target[0])->bytes[MEM_WRITE] - before, (k - 1) * FX_CHUNK + 512);
	assert_int_equal(atomic_load(&f->progress[0].unchanged), f->size[0] - (k * FX_CHUNK + 512));
	assert_int_equal(ledger_mem_intents(f->ledger), 3); /* pages */
	assert_int_equal(ledger_mem_records(f->ledger) - records, 3);
	fx_assert_equal(f);
	fx_assert_complete(f);
	fx_assert_true(f);
	fx_free(f);
}

static void copy_local_several_disks_share_checkpoints(void **state)
{
	struct fx *f = fx_new();

	(void)state;
	fx_add(f, 2 * FX_PAGE + 512, 2 * FX_PAGE + 512, false);
	fx_add(f, 512, MIB, false);
	fx_add(f, FX_PAGE / 2 / 512 * 512, FX_PAGE, false);
	fx_add(f, 3 * FX_PAGE, 3 * FX_PAGE, false);
	fx_start(f);
	f->checkpoint_bytes = MIB;
	for (unsigned i = 0; i < 4; i++) {
		fx_fill(f->source[i], 0, f->size[i], i);
		fx_set(f->target[i], 0, f->size[i], 0xff);
	}
	fx_set(f->source[3], 0, FX_PAGE, 0);
	assert_int_equal(fx_local(f), 0);
	fx_assert_equal(f);
	fx_assert_complete(f);
	fx_assert_true(f);
	assert_in_range(atomic_load(&f->progress[0].checkpoints), 3, 10);
	/* One disk unchanged, others not: each is looked at for itself. */
	fx_fill(f->source[3], FX_PAGE + 512, 512, 77);
	assert_int_equal(fx_local(f), 0);
	assert_int_equal(fx_chunks(f), 1);
	fx_assert_equal(f);
	fx_free(f);
}

static void copy_local_checkpoint_size_is_taken_twice_in_it(void **state)
{
	struct fx *f = fx_new();

	(void)state;
	fx_add(f, 6 * FX_PAGE, 6 * FX_PAGE, false);
	fx_start(f);
	fx_fill(f->source[0], 0, f->size[0], 1);
	f->checkpoint_bytes = 4 * FX_PAGE; /* one fills while one becomes durable: half each */
	assert_int_equal(fx_local(f), 0);
	assert_int_equal(atomic_load(&f->progress[0].checkpoints), 3);
	assert_int_equal(atomic_load(&f->progress[0].verified), f->size[0]);
	fx_free(f);
}

/* 127 chunks side by side, in requests of 1 MiB. */
static void copy_local_neighbours_are_read_back_at_once(void **state)
{
	struct fx *f = fx_new();

	(void)state;
	fx_add(f, FX_PAGE, FX_PAGE, false);
	fx_start(f);
	fx_fill(f->source[0], 0, f->size[0], 1);
	mem_disk_seed(f->target[0], 3); /* written in any order */
	assert_int_equal(fx_local(f), 0);
	assert_int_equal(mem_disk_counters(f->target[0])->ops[MEM_READ], 8);
	assert_int_equal(mem_disk_counters(f->target[0])->bytes[MEM_READ], f->size[0]);
	fx_free(f);
}

/* Every chunk of a request is looked at, and named by its own place. */
static void copy_local_bit_flipped_in_any_chunk_is_found_and_placed(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 20; n++) {
		struct fx *f = fx_new();
		uint64_t at = n * (uint64_t)FX_CHUNK;
		struct mem_fault fault = {.op = MEM_WRITE, .effect = MEM_FLIP, .offset = at, .length = FX_CHUNK,
			.flip_at = at + 77};
		char place[32];

		fx_add(f, FX_PAGE, FX_PAGE, false);
		fx_start(f);
		fx_fill(f->source[0], 0, f->size[0], 1);
		mem_disk_fault(f->target[0], &fault);
		assert_int_equal(fx_local(f), -1);
		assert_int_equal(f->source_err.kind, ERR_CORRUPT);
		snprintf(place, sizeof place, "at offset %llu ", (unsigned long long)at);
		assert_non_null(strstr(f->source_err.msg, place));
		fx_assert_true(f);
		fx_free(f);
	}
}

static void copy_local_root_is_that_of_a_scan(void **state)
{
	struct fx *f = fx_new();
	uint8_t root[MANIFEST_HASH], done[MANIFEST_HASH];

	(void)state;
	fx_add(f, FX_PAGE + 12345, FX_PAGE + 12345, true);
	fx_start(f);
	fx_fill(f->source[0], FX_CHUNK, 5 * FX_CHUNK, 1);
	assert_int_equal(fx_local(f), 0);
	memcpy(root, f->root[0], sizeof root);
	assert_true(ledger_mem_root(f->ledger, 0, done));
	assert_memory_equal(root, done, sizeof root);
	assert_int_equal(fx_scan(f), 0);
	assert_memory_equal(root, f->root[0], sizeof root);
	fx_assert_true(f); /* what the scan recorded */
	fx_fill(f->source[0], 0, 1, 5);
	assert_int_equal(fx_scan(f), 0);
	assert_memory_not_equal(root, f->root[0], sizeof root);
	fx_free(f);
}

static void copy_local_unsafe_targets_are_refused_unwritten(void **state)
{
	static const struct {
		uint64_t size, target;
		uint32_t source_sector, target_sector;
	} cases[] = {
		{MIB, MIB - 512, 512, 512},   /* smaller */
		{MIB, MIB, 512, 4096},        /* other sectors */
		{MIB, MIB, 4096, 512},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fx *f = fx_new();

		f->source_sector = cases[i].source_sector;
		f->target_sector = cases[i].target_sector;
		fx_add(f, cases[i].size, cases[i].target, false);
		fx_start(f);
		fx_fill(f->source[0], 0, MIB, 1);
		assert_int_equal(fx_local(f), -1);
		assert_int_equal(f->source_err.kind, ERR_REFUSED);
		assert_int_equal(mem_disk_counters(f->target[0])->ops[MEM_WRITE], 0);
		assert_int_equal(mem_disk_counters(f->target[0])->ops[MEM_ZERO], 0);
		fx_free(f);
	}
}

struct fault_case {
	const char *name;
	bool on_source;
	struct mem_fault fault;
	enum err_kind kind;
};

/* Every fault is reported; nothing that is not on the disk is recorded. */
static void copy_local_faulty_disk_is_reported(void **state)
{
	static const struct fault_case cases[] = {
		{"source EIO", true, {.op = MEM_READ, .effect = MEM_FAIL, .offset = FX_PAGE, .length = 512, .error = EIO},
		 ERR_IO},
		{"target EIO", false, {.op = MEM_WRITE, .effect = MEM_FAIL, .offset = FX_PAGE, .length = 512, .error = EIO},
		 ERR_IO},
		{"target full", false, {.op = MEM_WRITE, .effect = MEM_FAIL, .skip = 3, .error = ENOSPC}, ERR_NO_SPACE},
		{"zero fails", false, {.op = MEM_ZERO, .effect = MEM_FAIL, .error = EIO}, ERR_IO},
		{"flush fails", false, {.op = MEM_FLUSH, .effect = MEM_FAIL, .skip = 1, .error = EIO}, ERR_IO},
		{"a write is lost", false, {.op = MEM_WRITE, .effect = MEM_DROP, .skip = 7, .times = 1}, ERR_CORRUPT},
		{"a zero is lost", false, {.op = MEM_ZERO, .effect = MEM_DROP, .times = 1}, ERR_CORRUPT},
		{"a bit flips when written", false,
		 {.op = MEM_WRITE, .effect = MEM_FLIP, .length = 1, .offset = 9000, .flip_at = 9000}, ERR_CORRUPT},
		{"a bit flips when read back", false,
		 {.op = MEM_READ, .effect = MEM_FLIP, .length = 1, .offset = 9000, .flip_at = 9000}, ERR_CORRUPT},
		{"read back EIO", false, {.op = MEM_READ, .effect = MEM_FAIL, .error = EIO}, ERR_IO},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fx *f = fx_new();

		fx_add(f, 2 * FX_PAGE, 2 * FX_PAGE, false);
		fx_start(f);
		f->checkpoint_bytes = MIB;
		fx_fill(f->source[0], 0, f->size[0], 1);
		fx_set(f->source[0], 20 * FX_CHUNK, 10 * FX_CHUNK, 0);
		fx_set(f->target[0], 0, f->size[0], 0xff);
		mem_disk_fault(cases[i].on_source ? f->source[0] : f->target[0], &cases[i].fault);
		if (fx_local(f) == 0)
			fail_msg("%s: nobody noticed", cases[i].name);
		if (f->source_err.kind != cases[i].kind)
			fail_msg("%s: %s", cases[i].name, f->source_err.msg);
		assert_non_null(strstr(f->source_err.msg, cases[i].on_source ? "source" : "target"));
		mem_disk_power_on(f->target[0], 0);
		ledger_mem_crash(f->ledger);
		fx_assert_true(f);
		mem_disk_clear_faults(f->source[0]);
		mem_disk_clear_faults(f->target[0]);
		assert_int_equal(fx_local(f), 0);
		fx_assert_equal(f);
		fx_free(f);
	}
}

static void copy_local_canceled_before_it_starts_ends(void **state)
{
	struct fx *f = fx_new();

	(void)state;
	fx_add(f, 4 * FX_PAGE, 4 * FX_PAGE, false);
	fx_start(f);
	fx_fill(f->source[0], 0, f->size[0], 1);
	atomic_store(&f->cancel, true);
	/* It may be done before anybody looks; if not, it says why it ended. */
	if (fx_local(f) != 0)
		assert_int_equal(f->source_err.kind, ERR_CANCELED);
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copy_local_any_size_equals_source),
		cmocka_unit_test(copy_local_uniform_contents_replace_what_was_there),
		cmocka_unit_test(copy_local_holes_are_not_read),
		cmocka_unit_test(copy_local_incremental_writes_exactly_what_changed),
		cmocka_unit_test(copy_local_several_disks_share_checkpoints),
		cmocka_unit_test(copy_local_checkpoint_size_is_taken_twice_in_it),
		cmocka_unit_test(copy_local_neighbours_are_read_back_at_once),
		cmocka_unit_test(copy_local_bit_flipped_in_any_chunk_is_found_and_placed),
		cmocka_unit_test(copy_local_root_is_that_of_a_scan),
		cmocka_unit_test(copy_local_unsafe_targets_are_refused_unwritten),
		cmocka_unit_test(copy_local_faulty_disk_is_reported),
		cmocka_unit_test(copy_local_canceled_before_it_starts_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
