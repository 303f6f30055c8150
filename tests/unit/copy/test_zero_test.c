// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "copy/zero_test.h"

#define ROOM 1200

/* Calls fn for every level that this machine has. */
static void each_level(void (*fn)(enum cpu_level l))
{
	enum cpu_level best = cpu_level();

	for (enum cpu_level l = CPU_PORTABLE; l <= best; l++)
		fn(l);
}

static void any_length_and_place(enum cpu_level l)
{
	uint8_t p[ROOM + 128];

	for (size_t start = 0; start < 65; start++) {
		for (size_t n = 0; n < ROOM - 64; n += n < 300 ? 1 : 13) {
			memset(p, 0xff, sizeof p); /* what is before and behind does not count */
			memset(p + start, 0, n);
			if (!zero_test_with(l, p + start, n))
				fail_msg("%s: %zu zeros at +%zu are not seen", cpu_level_name(l), n, start);
		}
	}
}

static void zero_test_zeros_of_any_length_and_alignment_is_true(void **state)
{
	(void)state;
	each_level(any_length_and_place);
}

static void any_bit(enum cpu_level l)
{
	static const size_t lengths[] = {1, 7, 8, 9, 255, 256, 257, 511, 512, 1031};
	uint8_t p[ROOM] = {0};

	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		for (size_t bit = 0; bit < lengths[i] * 8; bit++) {
			for (size_t start = 0; start < 3; start++) {
				p[start + bit / 8] = (uint8_t)(1 << bit % 8);
				if (zero_test_with(l, p + start, lengths[i]))
					fail_msg("%s: bit %zu of %zu bytes is missed", cpu_level_name(l), bit, lengths[i]);
				p[start + bit / 8] = 0;
			}
		}
	}
}

static void zero_test_one_bit_set_anywhere_is_false(void **state)
{
	(void)state;
	each_level(any_bit);
}

static void zero_test_chosen_level_is_used(void **state)
{
	static const uint8_t zeros[ROOM], one[ROOM] = {[ROOM - 1] = 1};
	enum cpu_level best = cpu_level();
	struct err e = ERR_INIT;

	(void)state;
	for (enum cpu_level l = CPU_PORTABLE; l <= best; l++) {
		assert_int_equal(cpu_choose(cpu_level_name(best), &e), 0);
		assert_int_equal(cpu_choose(cpu_level_name(l), &e), 0);
		assert_int_equal(cpu_level(), l);
		assert_true(zero_test(zeros, ROOM));
		assert_false(zero_test(one, ROOM));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zero_test_zeros_of_any_length_and_alignment_is_true),
		cmocka_unit_test(zero_test_one_bit_set_anywhere_is_false),
		cmocka_unit_test(zero_test_chosen_level_is_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
