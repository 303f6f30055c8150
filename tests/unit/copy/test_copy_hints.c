// SPDX-License-Identifier: Apache-2.0
/* Runs with hints: what they leave out is not read, unless a sample of it shows that they lie. */
#include "copy/copy_fixture.h"

#include <string.h>

#include "copy/sample.h"
#include "copy/skip.h"

#define PAGES  12
#define CHUNKS (PAGES * 127)

static uint64_t reads(const struct fx *f)
{
	return mem_disk_counters(f->source[0])->bytes[MEM_READ];
}

/* A disk of PAGES pages, the last one short, already copied once. */
static struct fx *make_copied(void)
{
	struct fx *f = fx_new();

	fx_add(f, PAGES * FX_PAGE - 512, PAGES * FX_PAGE - 512, false);
	fx_start(f);
	fx_fill(f->source[0], 0, f->size[0], 1);
	fx_set(f->source[0], 5 * FX_PAGE, 40 * FX_CHUNK, 0);
	assert_int_equal(fx_local(f), 0);
	return f;
}

static void hint(struct hints *h, uint64_t chunk, uint64_t count)
{
	hints_add(h, chunk * FX_CHUNK, count * FX_CHUNK);
}

static void use(struct fx *f, struct hints *h)
{
	hints_init(h, f->size[0], FX_CHUNK);
	f->hints[0] = h;
}

static const struct {
	const char *name;
	int (*run)(struct fx *f);
} ways[] = {{"local", fx_local}, {"wire", fx_wire}};

static void copy_with_hints_reads_only_them_and_the_sample(void **state)
{
	static const unsigned changed[] = {0, 126, 127, 300, 5 * 127 + 3, 5 * 127 + 39, CHUNKS - 1};
	unsigned n = sizeof changed / sizeof changed[0];

	(void)state;
	for (size_t w = 0; w < 2; w++) {
		struct fx *f = make_copied();
		struct hints h;

		use(f, &h);
		for (unsigned i = 0; i < n; i++) {
			fx_fill(f->source[0], (uint64_t)changed[i] * FX_CHUNK, 512, 50 + i);
			hint(&h, changed[i], 1);
		}
		hint(&h, 7 * 127 + 10, 20); /* nothing changed there */
		uint64_t before = reads(f), pages = ledger_mem_reads(f->ledger, 0);
		if (ways[w].run(f) != 0)
			fail_msg("%s: %s", ways[w].name, f->source_err.msg);
		assert_false(f->refuted[0]);
		assert_int_equal(fx_chunks(f), n);
		assert_int_equal(reads(f) - before, (n + 20 + SAMPLE_MIN) * FX_CHUNK - 512);
		assert_int_equal(atomic_load(&f->progress[0].scanned), f->size[0]);
		assert_int_equal(atomic_load(&f->progress[0].skipped), (CHUNKS - n - 20) * FX_CHUNK);
		assert_int_equal(atomic_load(&f->progress[0].unchanged), 20 * FX_CHUNK);
		assert_in_range(ledger_mem_reads(f->ledger, 0) - pages, 6, 6 + PAGES);
		fx_assert_equal(f);
		fx_assert_complete(f);
		fx_assert_true(f);
		hints_fini(&h);
		fx_free(f);
	}
}

static void copy_with_empty_hints_reads_the_sample_and_writes_nothing(void **state)
{
	struct fx *f = make_copied();
	struct hints h;

	(void)state;
	use(f, &h);
	uint64_t before = reads(f);
	assert_int_equal(fx_local(f), 0);
	assert_false(f->refuted[0]);
	assert_int_equal(fx_chunks(f), 0);
	assert_int_equal(reads(f) - before, atomic_load(&f->progress[0].sampled));
	assert_int_equal(atomic_load(&f->progress[0].durable), f->size[0]);
	fx_assert_equal(f);
	hints_fini(&h);
	fx_free(f);
}

/* Every chunk that is left out has changed: any sample shows it. */
static void copy_with_lying_hints_reads_everything_and_is_right(void **state)
{
	(void)state;
	for (size_t w = 0; w < 2; w++) {
		struct fx *f = make_copied();
		uint8_t root[MANIFEST_HASH];
		struct hints h;

		use(f, &h);
		hint(&h, 100, 60);
		fx_fill(f->source[0], 0, f->size[0], 9);
		if (ways[w].run(f) != 0)
			fail_msg("%s: %s", ways[w].name, f->source_err.msg);
		assert_true(f->refuted[0]);
		assert_true(ledger_mem_refuted(f->ledger, 0));
		assert_false(extents_contains(&h.ranges, f->refuted_at[0], f->refuted_at[0] + 1));
		assert_int_equal(atomic_load(&f->progress[0].skipped), 0);
		fx_assert_equal(f);
		fx_assert_complete(f);
		fx_assert_true(f);
		memcpy(root, f->root[0], sizeof root);
		f->hints[0] = NULL;
		assert_int_equal(fx_scan(f), 0);
		assert_memory_equal(root, f->root[0], sizeof root); /* that of the whole disk */
		hints_fini(&h);
		fx_free(f);
	}
}

/* As few are left out as are sampled: a single one that was forgotten is found. */
static void copy_with_one_forgotten_chunk_among_few_finds_it(void **state)
{
	static const unsigned forgotten[] = {0, 3, 30, 63};

	(void)state;
	for (size_t i = 0; i < sizeof forgotten / sizeof forgotten[0]; i++) {
		struct fx *f = make_copied();
		uint64_t at = forgotten[i] < 32 ? forgotten[i] : CHUNKS - 64 + forgotten[i];
		struct hints h;

		use(f, &h);
		hint(&h, 32, CHUNKS - 64); /* the first and the last 32 are left out */
		fx_fill(f->source[0], at * FX_CHUNK + 100, 1, 9);
		assert_int_equal(fx_local(f), 0);
		assert_true(f->refuted[0]);
		assert_int_equal(f->refuted_at[0], at * FX_CHUNK);
		fx_assert_equal(f);
		hints_fini(&h);
		fx_free(f);
	}
}

static void copy_of_several_disks_refutes_each_for_itself(void **state)
{
	struct fx *f = fx_new();
	struct hints h[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		fx_add(f, 3 * FX_PAGE, 3 * FX_PAGE, false);
	fx_start(f);
	for (unsigned i = 0; i < 3; i++)
		fx_fill(f->source[i], 0, f->size[i], i);
	assert_int_equal(fx_wire(f), 0);
	for (unsigned i = 0; i < 3; i++) {
		hints_init(&h[i], f->size[i], FX_CHUNK);
		f->hints[i] = i == 1 ? NULL : &h[i];
		fx_fill(f->source[i], 0, i == 2 ? f->size[i] : FX_CHUNK, 70 + i);
		hint(&h[i], 0, 1);
	}
	assert_int_equal(fx_wire(f), 0);
	assert_false(f->refuted[0]);
	assert_false(f->refuted[1]);
	assert_true(f->refuted[2]);
	assert_int_equal(atomic_load(&f->progress[0].skipped), 3 * FX_PAGE - FX_CHUNK);
	fx_assert_equal(f);
	fx_assert_complete(f);
	for (unsigned i = 0; i < 3; i++)
		hints_fini(&h[i]);
	fx_free(f);
}

/* What the ledger does not know may not be left out: here the sample is all that is. */
static void copy_with_hints_that_leave_out_unknown_chunks_reads_all(void **state)
{
	struct fx *f = make_copied();
	struct hints h;
	uint64_t ticket;

	(void)state;
	use(f, &h);
	hint(&h, 0, 2 * 127 + 100);
	hint(&h, 3 * 127, CHUNKS);
	assert_int_equal(ledger_intend(f->ledger, 0, 2, &ticket, &f->source_err), 0);
	assert_int_equal(fx_local(f), 0);
	assert_true(f->refuted[0]);
	assert_int_equal(f->refuted_at[0], (2 * 127 + 100) * FX_CHUNK);
	fx_assert_equal(f);
	fx_assert_complete(f);
	hints_fini(&h);
	fx_free(f);
}

/* ... and where the sample missed it, this is the end of the run. */
static void skip_chunk_of_an_unknown_one_is_refused(void **state)
{
	struct copy_progress progress = {0};
	struct block block = {.info.name = "disk"};
	struct copy_disk d = {.block = &block, .size = 5 * FX_CHUNK - 1, .progress = &progress};
	struct copy_config c = {.chunk_size = FX_CHUNK};
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(skip_chunk(&c, &d, 4, (const uint8_t[MANIFEST_HASH]){0}, &e), -1);
	assert_int_equal(e.kind, ERR_CORRUPT);
	assert_non_null(strstr(e.msg, "without hints"));
	assert_int_equal(skip_chunk(&c, &d, 4, (const uint8_t[MANIFEST_HASH]){1}, &e), 0);
	assert_int_equal(atomic_load(&progress.skipped), FX_CHUNK - 1);
}

static void skip_pages_goes_over_whole_pages_only(void **state)
{
	static const struct {
		uint64_t next, to, after;
	} cases[] = {{0, 0, 0}, {0, 126, 0}, {0, 127, 127}, {0, 300, 254}, {5, 300, 5}, {127, 253, 127}, {127, 254, 254},
		{254, 301, 301}, {300, 301, 300}, {254, 300, 254}}; /* a disk of 301 chunks */
	struct copy_progress progress;
	struct copy_disk d = {.size = 301 * (uint64_t)FX_CHUNK - 5, .progress = &progress};
	struct copy_config c = {.chunk_size = FX_CHUNK};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		memset(&progress, 0, sizeof progress);
		assert_int_equal(skip_pages(&c, &d, cases[i].next, cases[i].to, 301), cases[i].after);
		assert_int_equal(atomic_load(&progress.skipped),
				 (cases[i].after - cases[i].next) * FX_CHUNK - (cases[i].after == 301 ? 5 : 0));
	}
}

static void copy_with_hints_of_a_file_with_holes_counts_them_apart(void **state)
{
	struct fx *f = fx_new();
	struct hints h;

	(void)state;
	fx_add(f, 40 * FX_PAGE, 40 * FX_PAGE, true);
	fx_start(f);
	fx_fill(f->source[0], 7 * FX_PAGE, 512, 2);
	assert_int_equal(fx_local(f), 0);
	use(f, &h);
	fx_fill(f->source[0], 20 * FX_PAGE + 5 * FX_CHUNK, 512, 3);
	hint(&h, 20 * 127, 10);
	hint(&h, 30 * 127, 10);
	assert_int_equal(fx_local(f), 0);
	assert_false(f->refuted[0]);
	assert_int_equal(fx_chunks(f), 1);
	assert_int_equal(atomic_load(&f->progress[0].holes), 19 * FX_CHUNK);
	assert_int_equal(atomic_load(&f->progress[0].skipped), f->size[0] - 20 * FX_CHUNK);
	fx_assert_equal(f);
	hints_fini(&h);
	fx_free(f);
}

static void scan_with_hints_records_only_their_pages(void **state)
{
	struct fx *f = make_copied();
	struct hints h;

	(void)state;
	use(f, &h);
	fx_fill(f->source[0], 300 * FX_CHUNK, 1, 8);
	hint(&h, 300, 1);
	uint64_t records = ledger_mem_records(f->ledger);
	assert_int_equal(fx_scan(f), 0);
	assert_int_equal(ledger_mem_records(f->ledger) - records, 1);
	fx_assert_complete(f);
	f->hints[0] = NULL;
	assert_int_equal(fx_local(f), 0); /* the ledger now holds what the source does: nothing differs */
	assert_int_equal(fx_chunks(f), 0);
	hints_fini(&h);
	fx_free(f);
}

static void sample_count_is_bounded_on_both_sides(void **state)
{
	static const uint64_t cases[][3] = {{0, 0, 0}, {0, 5, 5}, {0, 1000, SAMPLE_MIN}, {1600, 1000000, 100},
		{1 << 30, 1 << 30, SAMPLE_MAX}, {1 << 30, 3, 3}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(sample_count(cases[i][0], cases[i][1]), cases[i][2]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copy_with_hints_reads_only_them_and_the_sample),
		cmocka_unit_test(copy_with_empty_hints_reads_the_sample_and_writes_nothing),
		cmocka_unit_test(copy_with_lying_hints_reads_everything_and_is_right),
		cmocka_unit_test(copy_with_one_forgotten_chunk_among_few_finds_it),
		cmocka_unit_test(copy_of_several_disks_refutes_each_for_itself),
		cmocka_unit_test(copy_with_hints_that_leave_out_unknown_chunks_reads_all),
		cmocka_unit_test(skip_chunk_of_an_unknown_one_is_refused),
		cmocka_unit_test(skip_pages_goes_over_whole_pages_only),
		cmocka_unit_test(copy_with_hints_of_a_file_with_holes_counts_them_apart),
		cmocka_unit_test(scan_with_hints_records_only_their_pages),
		cmocka_unit_test(sample_count_is_bounded_on_both_sides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
