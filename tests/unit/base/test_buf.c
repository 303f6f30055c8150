// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/vec.h"

static void buf_str_of_an_empty_buf_is_an_empty_string(void **state)
{
	(void)state;
	struct buf b = BUF_INIT;

	assert_string_equal(buf_str(&b), "");
	buf_add(&b, NULL, 0);
	assert_string_equal(buf_str(&b), "");
	buf_fini(&b);
}

static void buf_add_of_many_pieces_keeps_all_and_ends_with_nul(void **state)
{
	(void)state;
	cleanup(buf_fini) struct buf b = BUF_INIT;

	for (int i = 0; i < 1000; i++) {
		buf_add(&b, "\0x", 2);
		assert_int_equal(b.len, 2 * (size_t)(i + 1));
		assert_int_equal(b.data[b.len], '\0');
		assert_true(b.cap > b.len);
	}
	for (int i = 0; i < 1000; i++)
		assert_memory_equal(b.data + 2 * i, "\0x", 2);
}

static void buf_addf_of_a_long_text_grows(void **state)
{
	(void)state;
	cleanup(buf_fini) struct buf b = BUF_INIT;

	buf_adds(&b, "a");
	buf_addf(&b, "%0500d|%s", 7, "end");
	buf_addf(&b, "%s", "");
	assert_int_equal(b.len, 1 + 500 + 1 + 3);
	assert_string_equal(b.data + 500, "7|end");
}

static void buf_drop_at_the_front_leaves_the_rest(void **state)
{
	(void)state;
	static const struct {
		size_t drop;
		const char *left;
	} cases[] = {{0, "hello"}, {1, "ello"}, {4, "o"}, {5, ""}, {99, ""}};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		cleanup(buf_fini) struct buf b = BUF_INIT;

		buf_adds(&b, "hello");
		buf_drop(&b, cases[i].drop);
		assert_string_equal(buf_str(&b), cases[i].left);
		assert_int_equal(b.len, strlen(cases[i].left));
	}
}

static void buf_reserve_before_a_direct_write_makes_room(void **state)
{
	(void)state;
	cleanup(buf_fini) struct buf b = BUF_INIT;

	buf_adds(&b, "ab");
	memset(buf_reserve(&b, 1000), 'c', 1000);
	assert_int_equal(b.len, 2);
	b.len += 1000;
	assert_int_equal(b.data[1001], 'c');
	assert_int_equal(b.data[1002], '\0');
}

static void buf_take_of_any_buf_gives_its_text_and_empties_it(void **state)
{
	(void)state;
	struct buf b = BUF_INIT;

	for (int i = 0; i < 2; i++) {
		buf_adds(&b, i == 0 ? "" : "text");
		char *s = buf_take(&b);
		assert_string_equal(s, i == 0 ? "" : "text");
		free(s);
		assert_null(b.data);
		assert_int_equal(b.len, 0);
	}
}

static void buf_clear_of_a_full_buf_keeps_the_memory(void **state)
{
	(void)state;
	cleanup(buf_fini) struct buf b = BUF_INIT;

	buf_adds(&b, "text");
	size_t cap = b.cap;
	buf_clear(&b);
	assert_string_equal(buf_str(&b), "");
	assert_int_equal(b.cap, cap);
}

static void vec_push_of_many_keeps_order_and_zeroes_new_elements(void **state)
{
	(void)state;
	struct pair {
		int a, b;
	};
	VEC(struct pair) v = {0};

	for (int i = 0; i < 1000; i++) {
		struct pair *p = vec_push(&v);

		assert_int_equal(p->a, 0);
		assert_int_equal(p->b, 0);
		*p = (struct pair){i, -1};
	}
	assert_int_equal(v.len, 1000);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(v.at[i].a, i);
	v.len = 0; /* elements used before come back zeroed */
	assert_int_equal(vec_push(&v)->b, 0);
	vec_fini(&v);
	assert_null(v.at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buf_str_of_an_empty_buf_is_an_empty_string),
		cmocka_unit_test(buf_add_of_many_pieces_keeps_all_and_ends_with_nul),
		cmocka_unit_test(buf_addf_of_a_long_text_grows),
		cmocka_unit_test(buf_drop_at_the_front_leaves_the_rest),
		cmocka_unit_test(buf_reserve_before_a_direct_write_makes_room),
		cmocka_unit_test(buf_take_of_any_buf_gives_its_text_and_empties_it),
		cmocka_unit_test(buf_clear_of_a_full_buf_keeps_the_memory),
		cmocka_unit_test(vec_push_of_many_keeps_order_and_zeroes_new_elements),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
