// SPDX-License-Identifier: Apache-2.0
#include "manifest_fixture.h"

#define CHUNK 4096

static void manifest_chunk_count_of_all_sizes_covers_the_disk(void **state)
{
	(void)state;
	static const struct {
		uint64_t size;
		uint32_t chunk;
		uint64_t chunks, pages;
		uint32_t last;
	} cases[] = {
		{0, 65536, 0, 0, 0},
		{512, 65536, 1, 1, 512},
		{65536, 65536, 1, 1, 65536},
		{65536 + 1, 65536, 2, 1, 1},
		{UINT64_C(127) * 65536, 65536, 127, 1, 65536},
		{UINT64_C(127) * 65536 + 512, 65536, 128, 2, 512},
		{(UINT64_C(1) << 45) + 512, 262144, (UINT64_C(1) << 27) + 1, 1056833, 512}, /* more than 2^32 sectors */
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct manifest_info info = info_of(cases[i].size, cases[i].chunk);

		assert_true(manifest_chunk_count(&info) == cases[i].chunks);
		assert_true(manifest_page_count(&info) == cases[i].pages);
		if (cases[i].chunks > 0)
			assert_int_equal(manifest_chunk_length(&info, cases[i].chunks - 1), cases[i].last);
		if (cases[i].chunks > 1)
			assert_int_equal(manifest_chunk_length(&info, 0), cases[i].chunk);
	}
}

static void manifest_create_of_a_new_file_is_all_unknown_and_undamaged(void **state)
{
	struct fixture *f = *state;
	struct manifest_info i = info_of(300 * CHUNK, CHUNK);
	struct manifest *m = manifest_create(f->path, &i, &f->keys, &f->e);
	uint8_t hashes[MANIFEST_PAGE_HASHES], zero[MANIFEST_PAGE_HASHES] = {0};
	uint64_t damaged = 0;

	assert_non_null(m);
	manifest_close(m);
	assert_int_equal(size_of(f->path), 5 * MANIFEST_PAGE); /* one of the tree */
	m = manifest_open(f->path, MANIFEST_READ, &f->keys, &f->e);
	assert_non_null(m);
	assert_memory_equal(manifest_info(m), &i, sizeof i);
	for (uint64_t p = 0; p < 3; p++) {
		memset(hashes, 0xff, sizeof hashes);
		assert_int_equal(manifest_read_page(m, p, hashes, &damaged, &f->e), 0);
		assert_memory_equal(hashes, zero, sizeof hashes);
	}
	assert_int_equal(damaged, 0);
	assert_int_equal(manifest_read_page(m, 3, hashes, &damaged, &f->e), -1);
	assert_int_equal(f->e.kind, ERR_INTERNAL);
	manifest_close(m);
}

static void manifest_create_over_an_existing_file_is_refused(void **state)
{
	struct fixture *f = *state;
	struct manifest_info i = info_of(CHUNK, CHUNK);
	char before[16] = "something else!", after[16];

	close(open(f->path, O_CREAT | O_WRONLY, 0600));
	patch(f->path, 0, before, sizeof before);
	assert_null(manifest_create(f->path, &i, &f->keys, &f->e));
	assert_int_equal(f->e.kind, ERR_REFUSED);
	fetch(f->path, 0, after, sizeof after);
	assert_memory_equal(before, after, sizeof before);
}

static void manifest_create_of_impossible_infos_is_refused(void **state)
{
	struct fixture *f = *state;
	struct manifest_info cases[6];

	for (int c = 0; c < 6; c++)
		cases[c] = info_of(1 << 20, CHUNK);
	cases[0].chunk_size = 0;
	cases[1].chunk_size = CHUNK + 1;
	cases[2].sector_size = 0;
	cases[3].sector_size = 768;
	memset(cases[4].job, 'x', sizeof cases[4].job);
	cases[5].size = UINT64_MAX;
	for (int c = 0; c < 6; c++) {
		assert_null(manifest_create(f->path, &cases[c], &f->keys, &f->e));
		assert_int_equal(f->e.kind, ERR_REFUSED);
		assert_int_equal(access(f->path, F_OK), -1);
	}
}

static void manifest_create_after_a_killed_create_uses_up_what_it_left(void **state)
{
	struct fixture *f = *state;
	struct manifest_info i = info_of(CHUNK, CHUNK);
	char temp[140], junk[3 * MANIFEST_PAGE];

	snprintf(temp, sizeof temp, "%s.new", f->path);
	memset(junk, 'j', sizeof junk);
	close(open(temp, O_CREAT | O_WRONLY, 0600));
	patch(temp, 0, junk, sizeof junk);
	struct manifest *m = manifest_create(f->path, &i, &f->keys, &f->e);
	assert_non_null(m);
	assert_int_equal(size_of(f->path), 3 * MANIFEST_PAGE);
	assert_int_equal(access(temp, F_OK), -1);
	manifest_close(m);
}

static void manifest_write_page_then_open_again_gives_the_hashes(void **state)
{
	struct fixture *f = *state;
	struct manifest_info i = info_of(300 * CHUNK - 512, CHUNK);
	uint8_t hashes[MANIFEST_PAGE_HASHES], want[MANIFEST_PAGE_HASHES];
	uint64_t damaged = 0;

	manifest_close(make_full(f, &i));
	struct manifest *m = manifest_open(f->path, MANIFEST_READ, &f->keys, &f->e);
	assert_non_null(m);
	for (uint64_t p = 0; p < 3; p++) {
		fake_page(&i, p, want);
		assert_int_equal(manifest_read_page(m, p, hashes, &damaged, &f->e), 0);
		assert_memory_equal(hashes, want, sizeof hashes);
	}
	assert_int_equal(damaged, 0);
	assert_int_equal(manifest_write_page(m, 0, hashes, &f->e), -1); /* opened for reading */
	assert_int_equal(manifest_set_info(m, &i, &f->e), -1);
	manifest_close(m);
}

static void manifest_write_page_of_the_last_page_clears_slots_past_the_end(void **state)
{
	struct fixture *f = *state;
	struct manifest_info i = info_of(2 * CHUNK, CHUNK);
	uint8_t full[MANIFEST_PAGE_HASHES], got[MANIFEST_PAGE_HASHES];
	struct manifest *m = manifest_create(f->path, &i, &f->keys, &f->e);

	memset(full, 0xee, sizeof full);
	assert_int_equal(manifest_write_page(m, 0, full, &f->e), 0);
	assert_int_equal(manifest_read_page(m, 0, got, NULL, &f->e), 0);
	memset(full + 2 * MANIFEST_HASH, 0, sizeof full - 2 * MANIFEST_HASH);
	assert_memory_equal(got, full, sizeof full);
	manifest_close(m);
}

static void manifest_write_page_of_all_unknown_is_no_damage(void **state)
{
	struct fixture *f = *state;
	struct manifest_info i = info_of(200 * CHUNK, CHUNK);
	uint8_t zero[MANIFEST_PAGE_HASHES] = {0}, got[MANIFEST_PAGE_HASHES], want[MANIFEST_PAGE_HASHES];
	uint64_t damaged = 0;
	struct manifest *m = make_full(f, &i);

	assert_int_equal(manifest_write_page(m, 0, zero, &f->e), 0);
	assert_int_equal(manifest_read_page(m, 0, got, &damaged, &f->e), 0);
	assert_memory_equal(got, zero, sizeof zero);
	fake_page(&i, 1, want);
	assert_int_equal(manifest_read_page(m, 1, got, &damaged, &f->e), 0);
	assert_memory_equal(got, want, sizeof want);
	assert_int_equal(damaged, 0);
	manifest_close(m);
}

static void manifest_page_moved_to_another_place_is_damaged(void **state)
{
	struct fixture *f = *state;
	struct manifest_info i = info_of(300 * CHUNK, CHUNK);
	uint8_t page[MANIFEST_PAGE], got[MANIFEST_PAGE_HASHES];
	uint64_t damaged = 0;
	struct manifest *m = make_full(f, &i);

	fetch(f->path, MANIFEST_PAGE, page, sizeof page);
	patch(f->path, 2 * MANIFEST_PAGE, page, sizeof page);
	assert_int_equal(manifest_read_page(m, 1, got, &damaged, &f->e), 0);
	assert_int_equal(damaged, 1);
	assert_true(manifest_is_unknown(got));
	manifest_close(m);
}

static void manifest_set_info_of_changeable_fields_is_there_after_open(void **state)
{
	struct fixture *f = *state;
	struct manifest_info i = info_of(10 * CHUNK, CHUNK);
	struct manifest *m = make_full(f, &i);

	i.generation = UINT64_C(0x1122334455667788);
	i.epoch = UINT64_MAX;
	i.flags = MANIFEST_F_HINTED;
	memset(i.root, 0xab, sizeof i.root);
	assert_int_equal(manifest_set_info(m, &i, &f->e), 0);
	manifest_close(m);
	m = manifest_open(f->path, MANIFEST_WRITE, &f->keys, &f->e);
	assert_non_null(m);
	assert_memory_equal(manifest_info(m), &i, sizeof i);
	manifest_close(m);
}

static void manifest_set_info_of_fixed_fields_is_refused(void **state)
{
	struct fixture *f = *state;
	struct manifest_info is = info_of(10 * CHUNK, CHUNK), to[5];
	struct manifest *m = make_full(f, &is);

	for (int c = 0; c < 5; c++)
		to[c] = is;
	to[0].chunk_size *= 2;
	to[1].sector_size = 4096;
	to[2].size -= 512;
	strcpy(to[3].job, "other");
	strcpy(to[4].disk, "other");
	for (int c = 0; c < 5; c++) {
		assert_int_equal(manifest_set_info(m, &to[c], &f->e), -1);
		assert_int_equal(f->e.kind, ERR_REFUSED);
		assert_memory_equal(manifest_info(m), &is, sizeof is);
	}
	manifest_close(m);
}

/* Chunks that were whole before keep their hash; everything behind them is unknown. */
static void expect_known(struct fixture *f, struct manifest *m, uint64_t whole)
{
	uint8_t hashes[MANIFEST_PAGE_HASHES], want[MANIFEST_PAGE_HASHES];

	for (uint64_t p = 0; p < manifest_page_count(manifest_info(m)); p++) {
		fake_page(manifest_info(m), p, want);
		for (uint64_t c = 0; c < MANIFEST_PAGE_CHUNKS; c++)
			if (p * MANIFEST_PAGE_CHUNKS + c >= whole)
				memset(want + c * MANIFEST_HASH, 0, MANIFEST_HASH);
		assert_int_equal(manifest_read_page(m, p, hashes, NULL, &f->e), 0);
		assert_memory_equal(hashes, want, sizeof want);
	}
}

static void manifest_set_info_of_a_grown_disk_makes_the_new_part_unknown(void **state)
{
	struct fixture *f = *state;
	static const struct {
		uint64_t from, to, unknown;
	} cases[] = {
		{127 * CHUNK, 128 * CHUNK, 1},
		{127 * CHUNK, 127 * CHUNK + 512, 1},
		{127 * CHUNK - 512, 127 * CHUNK, 1},        /* the short last chunk became longer */
		{128 * CHUNK - 512, 128 * CHUNK - 511, 1},
		{130 * CHUNK - 512, 600 * CHUNK, 471},
		{512, 1024, 1},
		{0, 3 * CHUNK, 3},
	};

	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		struct manifest_info i = info_of(cases[c].from, CHUNK);
		struct manifest *m = make_full(f, &i);
		uint8_t root[MANIFEST_HASH];
		uint64_t unknown;

		i.size = cases[c].to;
		assert_int_equal(manifest_set_info(m, &i, &f->e), 0);
		manifest_close(m);
		m = manifest_open(f->path, MANIFEST_WRITE, &f->keys, &f->e);
		assert_int_equal(manifest_root(m, root, &unknown, &f->e), 0);
		assert_int_equal(unknown, cases[c].unknown);
		expect_known(f, m, cases[c].from / CHUNK);
		assert_int_equal(size_of(f->path), MANIFEST_PAGE * (2 + manifest_page_count(&i)));
		manifest_close(m);
		unlink(f->path);
	}
}

static void manifest_open_for_write_of_a_locked_one_is_busy(void **state)
{
	struct fixture *f = *state;
	struct manifest_info i = info_of(CHUNK, CHUNK);
	struct manifest *first = manifest_create(f->path, &i, &f->keys, &f->e);

	assert_null(manifest_open(f->path, MANIFEST_WRITE, &f->keys, &f->e));
	assert_int_equal(f->e.kind, ERR_BUSY);
	struct manifest *reader = manifest_open(f->path, MANIFEST_READ, &f->keys, &f->e);
	assert_non_null(reader);
	manifest_close(reader);
	manifest_close(first);
	struct manifest *second = manifest_open(f->path, MANIFEST_WRITE, &f->keys, &f->e);
	assert_non_null(second);
	assert_null(manifest_open(f->path, MANIFEST_WRITE, &f->keys, &f->e));
	assert_int_equal(f->e.kind, ERR_BUSY);
	manifest_close(second);
	manifest_close(NULL);
}

static void manifest_open_of_what_is_not_there_is_not_found(void **state)
{
	struct fixture *f = *state;

	assert_null(manifest_open(f->path, MANIFEST_READ, &f->keys, &f->e));
	assert_int_equal(f->e.kind, ERR_NOT_FOUND);
	assert_non_null(strstr(f->e.msg, f->path));
}

static void manifest_of_a_huge_disk_keeps_its_last_chunk(void **state)
{
	struct fixture *f = *state;
	struct manifest_info i = info_of((UINT64_C(1) << 45) + 512, 4 << 20); /* 32 TiB and a sector */
	uint64_t last = manifest_page_count(&i) - 1, damaged = 0;
	uint8_t want[MANIFEST_PAGE_HASHES], got[MANIFEST_PAGE_HASHES];
	struct manifest *m = manifest_create(f->path, &i, &f->keys, &f->e);
	struct stat st;

	assert_non_null(m);
	fake_page(&i, last, want);
	assert_int_equal(manifest_write_page(m, last, want, &f->e), 0);
	assert_int_equal(manifest_sync(m, &f->e), 0);
	manifest_close(m);
	assert_int_equal(stat(f->path, &st), 0);
	assert_true(st.st_blocks * 512 < (1 << 20)); /* sparse */
	m = manifest_open(f->path, MANIFEST_READ, &f->keys, &f->e);
	assert_int_equal(manifest_read_page(m, last, got, &damaged, &f->e), 0);
	assert_memory_equal(got, want, sizeof got);
	assert_int_equal(manifest_read_page(m, last / 2, got, &damaged, &f->e), 0);
	assert_true(manifest_is_unknown(got));
	assert_int_equal(damaged, 0);
	manifest_close(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(manifest_chunk_count_of_all_sizes_covers_the_disk),
		test(manifest_create_of_a_new_file_is_all_unknown_and_undamaged),
		test(manifest_create_over_an_existing_file_is_refused),
		test(manifest_create_of_impossible_infos_is_refused),
		test(manifest_create_after_a_killed_create_uses_up_what_it_left),
		test(manifest_write_page_then_open_again_gives_the_hashes),
		test(manifest_write_page_of_the_last_page_clears_slots_past_the_end),
		test(manifest_write_page_of_all_unknown_is_no_damage),
		test(manifest_page_moved_to_another_place_is_damaged),
		test(manifest_set_info_of_changeable_fields_is_there_after_open),
		test(manifest_set_info_of_fixed_fields_is_refused),
		test(manifest_set_info_of_a_grown_disk_makes_the_new_part_unknown),
		test(manifest_open_for_write_of_a_locked_one_is_busy),
		test(manifest_open_of_what_is_not_there_is_not_found),
		test(manifest_of_a_huge_disk_keeps_its_last_chunk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
