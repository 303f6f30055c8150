// SPDX-License-Identifier: Apache-2.0
#include "manifest_fixture.h"

#include "manifest/hints.h"

#define CHUNK      4096
#define PAGE_BYTES (UINT64_C(127) * CHUNK)

static void expect_ranges(const struct hints *h, size_t n, const struct extent *want)
{
	assert_int_equal(h->ranges.list.len, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(h->ranges.list.at[i].start, want[i].start);
		assert_int_equal(h->ranges.list.at[i].end, want[i].end);
	}
}

static void hints_add_of_any_range_is_widened_to_chunks_of_the_disk(void **state)
{
	static const struct {
		uint64_t offset, length;
		struct extent want;
	} cases[] = {
		{0, 1, {0, CHUNK}},
		{CHUNK - 1, 2, {0, 2 * CHUNK}},
		{CHUNK, CHUNK, {CHUNK, 2 * CHUNK}},
		{10 * CHUNK + 99, 1, {10 * CHUNK, 10 * CHUNK + 100}}, /* the last, short chunk */
		{9 * CHUNK, UINT64_MAX, {9 * CHUNK, 10 * CHUNK + 100}},
		{0, UINT64_MAX, {0, 10 * CHUNK + 100}},
		{10 * CHUNK + 100, 1, {0}},
		{UINT64_MAX, UINT64_MAX, {0}},
		{5, 0, {0}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct hints h;

		hints_init(&h, 10 * CHUNK + 100, CHUNK);
		hints_add(&h, cases[i].offset, cases[i].length);
		expect_ranges(&h, cases[i].want.end > 0, &cases[i].want);
		assert_int_equal(hints_chunks(&h), (cases[i].want.end - cases[i].want.start + CHUNK - 1) / CHUNK);
		hints_fini(&h);
	}
}

static void hints_add_of_too_many_ranges_stays_bounded_and_forgets_nothing(void **state)
{
	uint64_t size = UINT64_C(1) << 40, n = 5 * HINTS_MAX_RANGES;
	struct hints h;

	(void)state;
	hints_init(&h, size, CHUNK);
	for (uint64_t i = 0; i < n; i++)
		hints_add(&h, i * 3 * CHUNK + i * i % 7 * CHUNK, 1);
	assert_in_range(h.ranges.list.len, 1, HINTS_MAX_RANGES);
	assert_true(h.grain > CHUNK && h.grain % CHUNK == 0);
	for (uint64_t i = 0; i < n; i++) {
		uint64_t at = i * 3 * CHUNK + i * i % 7 * CHUNK;

		assert_true(extents_contains(&h.ranges, at, at + CHUNK));
	}
	hints_fini(&h);
}

static void hints_pages_of_ranges_are_those_that_hold_them(void **state)
{
	static const struct extent want[] = {{0, 1}, {2, 4}, {9, 10}};
	struct extents pages = {0};
	struct hints h;

	(void)state;
	hints_init(&h, 9 * PAGE_BYTES + 1, CHUNK);
	hints_add(&h, 5, 1);
	hints_add(&h, PAGE_BYTES - CHUNK, CHUNK);
	hints_add(&h, 3 * PAGE_BYTES - 1, 2);
	hints_add(&h, 9 * PAGE_BYTES, 1);
	hints_pages(&h, &pages);
	assert_int_equal(pages.list.len, 3);
	assert_memory_equal(pages.list.at, want, sizeof want);
	extents_fini(&pages);
	hints_fini(&h);
}

/* Ten pages; 2 and 5 touched since it was settled. */
static struct manifest *make_manifest(struct fixture *f)
{
	struct manifest_info i = info_of(9 * PAGE_BYTES + 3 * CHUNK, CHUNK);
	struct manifest *m = make_full(f, &i);
	uint8_t hashes[MANIFEST_PAGE_HASHES];

	assert_int_equal(manifest_settle(m, &f->e), 0);
	for (uint64_t p = 2; p <= 5; p += 3) {
		fake_page(&i, p, hashes);
		assert_int_equal(manifest_write_page(m, p, hashes, &f->e), 0);
	}
	return m;
}

static void hints_add_unsure_adds_whole_touched_pages(void **state)
{
	static const struct extent want[] = {{CHUNK, 2 * CHUNK}, {2 * PAGE_BYTES, 3 * PAGE_BYTES},
					     {5 * PAGE_BYTES, 6 * PAGE_BYTES}, {9 * PAGE_BYTES, 9 * PAGE_BYTES + 3 * CHUNK}};
	struct fixture *f = *state;
	struct manifest *m = make_manifest(f);
	struct hints h;

	hints_init(&h, manifest_info(m)->size, CHUNK);
	hints_add(&h, CHUNK, 1);
	hints_add(&h, 2 * PAGE_BYTES + CHUNK, 1);
	hints_add(&h, 9 * PAGE_BYTES, 3 * CHUNK);
	assert_int_equal(hints_add_unsure(&h, m, &f->e), 0);
	expect_ranges(&h, 4, want);
	hints_fini(&h);
	manifest_close(m);
}

static void hints_add_unsure_of_a_damaged_page_adds_all_of_it(void **state)
{
	struct fixture *f = *state;
	struct manifest *m = make_manifest(f);
	struct hints h;

	patch(f->path, 8 * MANIFEST_PAGE + 50, "bad", 3); /* page 7 */
	hints_init(&h, manifest_info(m)->size, CHUNK);
	hints_add(&h, 7 * PAGE_BYTES + 5 * CHUNK, 1);
	assert_int_equal(hints_add_unsure(&h, m, &f->e), 0);
	assert_true(extents_contains(&h.ranges, 7 * PAGE_BYTES, 8 * PAGE_BYTES));
	assert_false(extents_overlaps(&h.ranges, 8 * PAGE_BYTES, 9 * PAGE_BYTES));
	hints_fini(&h);
	manifest_close(m);
}

static void hints_add_unsure_of_a_new_manifest_is_the_whole_disk(void **state)
{
	struct fixture *f = *state;
	struct manifest_info i = info_of(200 * PAGE_BYTES - 77, CHUNK);
	struct manifest *m = manifest_create(f->path, &i, &f->keys, &f->e);
	struct extent all = {0, i.size};
	struct hints h;

	hints_init(&h, i.size, CHUNK);
	assert_int_equal(hints_add_unsure(&h, m, &f->e), 0);
	expect_ranges(&h, 1, &all);
	hints_fini(&h);
	manifest_close(m);
}

static void hints_check_root_notices_another_hash_in_these_pages_only(void **state)
{
	struct fixture *f = *state;
	struct manifest *m = make_manifest(f);
	struct manifest_info i = *manifest_info(m);
	struct manifest_rooter *r = manifest_rooter_new(&f->keys, i.size, CHUNK);
	uint8_t hashes[MANIFEST_PAGE_HASHES], root[MANIFEST_HASH];
	struct hints h;

	hints_init(&h, i.size, CHUNK);
	hints_add(&h, 3 * PAGE_BYTES, 1);
	hints_add(&h, 8 * PAGE_BYTES, PAGE_BYTES + 1);
	for (unsigned k = 0; k < 3; k++) {
		static const uint64_t pages[] = {3, 8, 9};

		fake_page(&i, pages[k], hashes);
		manifest_rooter_add(r, pages[k], hashes);
	}
	manifest_rooter_finish(r, root);
	assert_int_equal(hints_check_root(&h, m, root, &f->e), 0);
	fake_page(&i, 4, hashes);
	hashes[0] ^= 1;
	assert_int_equal(manifest_write_page(m, 4, hashes, &f->e), 0);
	assert_int_equal(hints_check_root(&h, m, root, &f->e), 0);
	fake_page(&i, 9, hashes);
	hashes[0] ^= 1;
	assert_int_equal(manifest_write_page(m, 9, hashes, &f->e), 0);
	assert_int_equal(hints_check_root(&h, m, root, &f->e), -1);
	assert_int_equal(f->e.kind, ERR_CORRUPT);
	hints_fini(&h);
	manifest_close(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hints_add_of_any_range_is_widened_to_chunks_of_the_disk),
		cmocka_unit_test(hints_add_of_too_many_ranges_stays_bounded_and_forgets_nothing),
		cmocka_unit_test(hints_pages_of_ranges_are_those_that_hold_them),
		test(hints_add_unsure_adds_whole_touched_pages),
		test(hints_add_unsure_of_a_damaged_page_adds_all_of_it),
		test(hints_add_unsure_of_a_new_manifest_is_the_whole_disk),
		test(hints_check_root_notices_another_hash_in_these_pages_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
