// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "copy/written.h"

static void written_list_add_zeros_side_by_side_are_one(void **state)
{
	static const uint8_t hash[MANIFEST_HASH] = {1};
	struct written_list *w = written_list_new();

	(void)state;
	written_list_add(w, 0, 100, NULL);
	written_list_add(w, 100, 50, NULL);
	written_list_add(w, 200, 50, NULL); /* not next to it */
	written_list_add(w, 250, 50, hash);
	written_list_add(w, 300, 50, hash); /* each has its hash */
	assert_int_equal(w->list.len, 4);
	assert_int_equal(w->list.at[0].length, 150);
	assert_true(w->list.at[1].zero);
	assert_false(w->list.at[2].zero);
	assert_memory_equal(w->list.at[3].hash, hash, sizeof hash);
	written_list_free(w);
	written_list_free(NULL);
}

static void written_list_sort_any_order_rises(void **state)
{
	struct written_list *w = written_list_new();

	(void)state;
	written_list_sort(w); /* nothing to do */
	for (uint64_t i = 0; i < 1000; i++)
		written_list_add(w, i * 617 % 1000 * UINT64_C(5000000000), 1, NULL);
	written_list_sort(w);
	for (uint64_t i = 0; i < 1000; i++)
		assert_true(w->list.at[i].offset == i * UINT64_C(5000000000));
	written_list_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written_list_add_zeros_side_by_side_are_one),
		cmocka_unit_test(written_list_sort_any_order_rises),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
