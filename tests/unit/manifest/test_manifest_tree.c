// SPDX-License-Identifier: Apache-2.0
/* The tree over the pages: what was touched is found without reading the rest, and nothing touched is ever missed. */
#include "manifest_fixture.h"

#define CHUNK 4096
#define PAGES (3 * 127 + 5) /* a tree of two levels */

static struct manifest_info big(void)
{
	return info_of(((uint64_t)PAGES * MANIFEST_PAGE_CHUNKS - 3) * CHUNK, CHUNK);
}

static struct manifest *make_settled(struct fixture *f)
{
	struct manifest_info i = big();
	struct manifest *m = make_full(f, &i);

	assert_int_equal(manifest_settle(m, &f->e), 0);
	return m;
}

static uint64_t next(struct fixture *f, struct manifest *m, uint64_t from)
{
	uint64_t page = UINT64_MAX;

	assert_int_equal(manifest_next_touched(m, from, &page, &f->e), 0);
	return page;
}

static void touch(struct fixture *f, struct manifest *m, uint64_t page, uint8_t seed)
{
	uint8_t hashes[MANIFEST_PAGE_HASHES];

	fake_page(manifest_info(m), page, hashes);
	hashes[9] ^= seed;
	assert_int_equal(manifest_write_page(m, page, hashes, &f->e), 0);
}

static void same_root(struct fixture *f, struct manifest *m)
{
	uint8_t by_tree[MANIFEST_HASH], all[MANIFEST_HASH];
	uint64_t unknown = 9;

	assert_int_equal(manifest_root_by_tree(m, by_tree, &unknown, &f->e), 0);
	assert_int_equal(unknown, 0);
	assert_int_equal(manifest_root(m, all, &unknown, &f->e), 0);
	assert_memory_equal(by_tree, all, MANIFEST_HASH);
}

static void manifest_next_touched_of_a_new_manifest_is_every_page(void **state)
{
	struct fixture *f = *state;
	struct manifest_info i = big();
	struct manifest *m = manifest_create(f->path, &i, &f->keys, &f->e);

	for (uint64_t p = 0; p < PAGES; p++)
		assert_int_equal(next(f, m, p), p);
	assert_int_equal(next(f, m, PAGES), PAGES);
	manifest_close(m);
}

static void manifest_next_touched_after_settle_is_what_was_written(void **state)
{
	struct fixture *f = *state;
	static const uint64_t pages[] = {0, 1, 126, 127, 128, 253, 254, 300, PAGES - 1};
	struct manifest *m = make_settled(f);
	size_t n = sizeof pages / sizeof pages[0];

	assert_int_equal(next(f, m, 0), PAGES);
	for (size_t k = 0; k < n; k++)
		touch(f, m, pages[k], 1);
	manifest_close(m);
	m = manifest_open(f->path, MANIFEST_WRITE, &f->keys, &f->e);
	uint64_t from = 0;
	for (size_t k = 0; k < n; k++) {
		assert_int_equal(next(f, m, from), pages[k]);
		from = pages[k] + 1;
	}
	assert_int_equal(next(f, m, from), PAGES);
	same_root(f, m);
	assert_int_equal(manifest_settle(m, &f->e), 0);
	assert_int_equal(next(f, m, 0), PAGES);
	same_root(f, m);
	manifest_close(m);
}

static void manifest_settle_with_unknown_chunks_leaves_their_pages_touched(void **state)
{
	struct fixture *f = *state;
	struct manifest *m = make_settled(f);
	uint8_t hashes[MANIFEST_PAGE_HASHES], root[MANIFEST_HASH];
	uint64_t unknown;

	touch(f, m, 7, 3);
	fake_page(manifest_info(m), 200, hashes);
	memset(hashes + 5 * MANIFEST_HASH, 0, MANIFEST_HASH);
	assert_int_equal(manifest_write_page(m, 200, hashes, &f->e), 0);
	assert_int_equal(manifest_root_by_tree(m, root, &unknown, &f->e), 0);
	assert_int_equal(unknown, 1);
	assert_int_equal(manifest_settle(m, &f->e), 0);
	assert_int_equal(next(f, m, 0), 200);
	assert_int_equal(next(f, m, 201), PAGES);
	manifest_close(m);
}

/* Where a crash kept the lower part of a path and lost the upper, the next write must reach the top all the same. */
static void manifest_write_page_below_a_half_written_path_reaches_the_top(void **state)
{
	struct fixture *f = *state;
	struct manifest *m = make_settled(f);
	uint8_t top[MANIFEST_PAGE];
	off_t at = (off_t)(1 + PAGES + 4) * MANIFEST_PAGE; /* behind four pages of level 1 */

	fetch(f->path, at, top, sizeof top);
	touch(f, m, 150, 1);
	patch(f->path, at, top, sizeof top);
	assert_int_equal(next(f, m, 0), PAGES);
	touch(f, m, 150, 2);
	assert_int_equal(next(f, m, 0), 150);
	same_root(f, m);
	manifest_close(m);
}

static void manifest_tree_with_any_page_damaged_costs_reading_and_no_more(void **state)
{
	struct fixture *f = *state;
	struct manifest *m = make_settled(f);

	touch(f, m, 150, 1);
	for (unsigned node = 0; node < 5; node++) {
		off_t at = (off_t)(1 + PAGES + node) * MANIFEST_PAGE;
		uint8_t page[MANIFEST_PAGE], wrong;

		fetch(f->path, at, page, sizeof page);
		for (size_t b = 0; b < sizeof page; b += 97) {
			wrong = page[b] ^ 4;
			patch(f->path, at + (off_t)b, &wrong, 1);
			assert_in_range(next(f, m, 0), 0, 150);
			assert_int_equal(next(f, m, 150), 150);
			patch(f->path, at + (off_t)b, &page[b], 1);
		}
		patch(f->path, at, "??", 2);
		same_root(f, m);
		assert_int_equal(truncate(f->path, at), 0);
		assert_in_range(next(f, m, 0), 0, 150);
		assert_int_equal(next(f, m, 150), 150);
		same_root(f, m);
		assert_int_equal(manifest_settle(m, &f->e), 0);
		touch(f, m, 150, (uint8_t)(node + 2));
		assert_int_equal(next(f, m, 0), 150);
	}
	manifest_close(m);
}

static void manifest_set_info_of_a_grown_disk_touches_every_page(void **state)
{
	struct fixture *f = *state;
	struct manifest *m = make_settled(f);
	struct manifest_info i = *manifest_info(m);
	uint8_t root[MANIFEST_HASH];
	uint64_t unknown;

	i.size += 2 * CHUNK; /* within the last page */
	assert_int_equal(manifest_set_info(m, &i, &f->e), 0);
	for (uint64_t p = 0; p < PAGES; p += 31)
		assert_int_equal(next(f, m, p), p);
	assert_int_equal(manifest_root_by_tree(m, root, &unknown, &f->e), 0);
	assert_int_equal(unknown, 2);
	manifest_close(m);
}

static void manifest_clone_of_a_working_manifest_keeps_what_was_touched(void **state)
{
	struct fixture *f = *state;
	struct manifest *m = make_settled(f);
	struct manifest_info i = *manifest_info(m);

	touch(f, m, 130, 1);
	i.generation = 77;
	struct manifest *copy = manifest_clone(m, f->commit, &i, &f->e);
	assert_non_null(copy);
	assert_int_equal(manifest_info(copy)->generation, 77);
	assert_int_equal(next(f, copy, 0), 130);
	assert_int_equal(next(f, copy, 131), PAGES);
	same_root(f, copy);
	touch(f, copy, 131, 1);
	assert_int_equal(next(f, m, 131), PAGES);
	assert_null(manifest_clone(m, f->commit, &i, &f->e));
	assert_int_equal(f->e.kind, ERR_REFUSED);
	manifest_close(copy);
	manifest_close(m);
}

static void manifest_commit_settles_the_committed_file_and_not_the_working_one(void **state)
{
	static const uint32_t flags[] = {0, MANIFEST_F_HINTED};
	struct fixture *f = *state;
	struct manifest *m = make_settled(f);
	struct manifest_info i = *manifest_info(m);
	uint64_t unknown;

	touch(f, m, 130, 1);
	assert_int_equal(manifest_root(m, i.root, &unknown, &f->e), 0);
	for (size_t k = 0; k < 2; k++) {
		i.flags = flags[k];
		assert_int_equal(manifest_commit(m, f->commit, &i, &f->e), 0);
		struct manifest *done = manifest_open(f->commit, MANIFEST_READ, &f->keys, &f->e);
		assert_non_null(done);
		assert_int_equal(next(f, done, 0), PAGES);
		same_root(f, done);
		manifest_close(done);
		assert_int_equal(next(f, m, 0), 130);
	}
	manifest_close(m);
}

/* A page that the tree vouches for but that is damaged: only a run that read everything finds it at its commit. */
static void manifest_commit_of_a_full_scan_reads_every_page(void **state)
{
	struct fixture *f = *state;
	struct manifest *m = make_settled(f);
	struct manifest_info i = *manifest_info(m);
	uint64_t unknown;

	assert_int_equal(manifest_root(m, i.root, &unknown, &f->e), 0);
	patch(f->path, 60 * MANIFEST_PAGE, "bad", 3);
	assert_int_equal(manifest_commit(m, f->commit, &i, &f->e), -1);
	assert_int_equal(f->e.kind, ERR_REFUSED);
	i.flags = MANIFEST_F_HINTED;
	assert_int_equal(manifest_commit(m, f->commit, &i, &f->e), 0);
	manifest_close(m);
}

static void manifest_rooter_of_some_pages_differs_from_all_and_from_others(void **state)
{
	struct fixture *f = *state;
	struct manifest_info i = big();
	static const uint64_t sets[][3] = {{0, 1, 2}, {0, 1, 300}, {127, 128, 300}};
	uint8_t hashes[MANIFEST_PAGE_HASHES], roots[4][MANIFEST_HASH];

	for (unsigned k = 0; k < 4; k++) {
		struct manifest_rooter *r = manifest_rooter_new(&f->keys, i.size, CHUNK);

		for (uint64_t p = 0; p < (k < 3 ? 3 : PAGES); p++) {
			fake_page(&i, k < 3 ? sets[k][p] : p, hashes);
			manifest_rooter_add(r, k < 3 ? sets[k][p] : p, hashes);
		}
		manifest_rooter_finish(r, roots[k]);
		for (unsigned other = 0; other < k; other++)
			assert_memory_not_equal(roots[k], roots[other], MANIFEST_HASH);
	}
	struct manifest *m = make_full(f, &i);
	same_root(f, m);
	manifest_close(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(manifest_next_touched_of_a_new_manifest_is_every_page),
		test(manifest_next_touched_after_settle_is_what_was_written),
		test(manifest_settle_with_unknown_chunks_leaves_their_pages_touched),
		test(manifest_write_page_below_a_half_written_path_reaches_the_top),
		test(manifest_tree_with_any_page_damaged_costs_reading_and_no_more),
		test(manifest_set_info_of_a_grown_disk_touches_every_page),
		test(manifest_clone_of_a_working_manifest_keeps_what_was_touched),
		test(manifest_commit_settles_the_committed_file_and_not_the_working_one),
		test(manifest_commit_of_a_full_scan_reads_every_page),
		test(manifest_rooter_of_some_pages_differs_from_all_and_from_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
