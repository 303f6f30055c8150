// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "fakes/provider_mem.h"
#include "packing.h"

const struct provider_ops *const provider_table[] = {&provider_mem_ops, NULL};

static void packing_add_joins_equal_levels(void **state)
{
	const struct packing first = {2, {{0, 12, 1200, 1200}, {1, 400, 40000, 10000}}};
	const struct packing second = {2, {{-5, 7, 700, 350}, {1, 1, 100, 50}}};
	struct packing sum = {0};
	char text[PACKING_TEXT];

	(void)state;
	assert_string_equal(packing_text(&sum, text), "");
	assert_string_equal(packing_ratio(&sum, text), "1.00");
	assert_int_equal(packing_raw_bytes(&sum), 0);
	packing_add(&sum, &first);
	packing_add(&sum, &second);
	assert_string_equal(packing_text(&sum, text), "none=12 zstd:1=401 zstd:-5=7");
	assert_string_equal(packing_ratio(&sum, text), "3.62"); /* 42000 / 11600 */
	assert_int_equal(packing_raw_bytes(&sum), 1200);
}

static void packing_add_more_levels_than_known_keeps_what_fits(void **state)
{
	struct packing sum = {0};
	char text[PACKING_TEXT];

	(void)state;
	for (int level = 1; level <= PACKING_LEVELS + 3; level++) {
		const struct packing one = {1, {{level, UINT64_MAX / 100, 1, 1}}};

		packing_add(&sum, &one);
	}
	assert_int_equal(sum.count, PACKING_LEVELS);
	assert_true(strlen(packing_text(&sum, text)) < PACKING_TEXT - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packing_add_joins_equal_levels),
		cmocka_unit_test(packing_add_more_levels_than_known_keeps_what_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
