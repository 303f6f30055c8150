// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "base/extents.h"

#define SPACE 64

static void extents_add_of_touching_ranges_merges_them(void **state)
{
	(void)state;
	static const struct {
		struct extent add[4];
		size_t len;
		struct extent first;
	} cases[] = {
		{{{5, 9}}, 1, {5, 9}},
		{{{5, 5}, {9, 5}}, 0, {0, 0}},
		{{{5, 9}, {9, 12}}, 1, {5, 12}},
		{{{9, 12}, {5, 9}}, 1, {5, 12}},
		{{{5, 9}, {10, 12}}, 2, {5, 9}},
		{{{5, 9}, {10, 12}, {9, 10}}, 1, {5, 12}},
		{{{5, 9}, {5, 9}}, 1, {5, 9}},
		{{{5, 9}, {6, 7}}, 1, {5, 9}},
		{{{6, 7}, {5, 9}}, 1, {5, 9}},
		{{{1, 2}, {4, 5}, {7, 8}, {0, 9}}, 1, {0, 9}},
		{{{1, 2}, {4, 5}, {7, 8}, {2, 4}}, 2, {1, 5}},
		{{{0, UINT64_MAX}, {3, 4}}, 1, {0, UINT64_MAX}},
	};

	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		struct extents x = {0};

		for (size_t i = 0; i < 4; i++)
			extents_add(&x, cases[c].add[i].start, cases[c].add[i].end);
		assert_int_equal(x.list.len, cases[c].len);
		if (cases[c].len > 0) {
			assert_true(x.list.at[0].start == cases[c].first.start);
			assert_true(x.list.at[0].end == cases[c].first.end);
		}
		extents_fini(&x);
	}
}

static uint32_t draw(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 16;
}

/* The same set as one flag for each byte. */
static void compare(const struct extents *x, const char *flags)
{
	struct extent got;
	uint64_t sum = 0;

	for (uint64_t a = 0; a <= SPACE; a++) {
		const char *one = a < SPACE ? memchr(flags + a, 1, SPACE - a) : NULL;

		assert_int_equal(extents_next(x, a, &got), one != NULL);
		if (one != NULL) {
			const char *zero = memchr(one, 0, (size_t)(flags + SPACE - one));

			assert_int_equal(got.start, one - flags);
			assert_int_equal(got.end, zero != NULL ? zero - flags : SPACE);
		}
		for (uint64_t b = a + 1; b <= SPACE; b++) {
			assert_int_equal(extents_contains(x, a, b), memchr(flags + a, 0, b - a) == NULL);
			assert_int_equal(extents_overlaps(x, a, b), memchr(flags + a, 1, b - a) != NULL);
		}
		sum += a < SPACE && flags[a];
	}
	assert_int_equal(extents_bytes(x), sum);
	for (size_t i = 1; i < x->list.len; i++)
		assert_true(x->list.at[i - 1].end < x->list.at[i].start);
}

static void extents_after_random_adds_equal_a_map_of_flags(void **state)
{
	(void)state;
	uint32_t seed = 42;

	for (int round = 0; round < 40; round++) {
		struct extents x = {0};
		char flags[SPACE] = {0};

		for (int i = 0; i < 12; i++) {
			uint64_t start = draw(&seed) % SPACE, end = start + draw(&seed) % 7;

			end = end < SPACE ? end : SPACE;
			memset(flags + start, 1, end - start);
			extents_add(&x, start, end);
			compare(&x, flags);
		}
		extents_clear(&x);
		memset(flags, 0, sizeof flags);
		compare(&x, flags);
		extents_fini(&x);
	}
}

static void extents_of_the_whole_space_end_at_its_last_byte(void **state)
{
	(void)state;
	struct extents x = {0};
	struct extent got;

	extents_add(&x, UINT64_MAX - 1, UINT64_MAX);
	assert_true(extents_next(&x, 0, &got));
	assert_true(extents_next(&x, UINT64_MAX - 1, &got));
	assert_false(extents_next(&x, UINT64_MAX, &got));
	assert_true(extents_contains(&x, 7, 7));
	assert_false(extents_overlaps(&x, 7, 7));
	extents_fini(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(extents_add_of_touching_ranges_merges_them),
		cmocka_unit_test(extents_after_random_adds_equal_a_map_of_flags),
		cmocka_unit_test(extents_of_the_whole_space_end_at_its_last_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
