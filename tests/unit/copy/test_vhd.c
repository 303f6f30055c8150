// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "copy/vhd.h"

static const uint8_t id[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static uint64_t get(const uint8_t *at, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | at[i];
	return value;
}

/* The sizes and geometries that qemu-img 7.2 chose with `create -f vpc -o subformat=fixed`. */
static void vhd_footer_has_the_geometry_of_qemu_img(void **state)
{
	(void)state;
	static const struct {
		uint64_t size;
		unsigned cylinders, heads, sectors;
	} cases[] = {
		{1079296, 31, 4, 17}, {41953280, 964, 5, 17}, {524353536, 1016, 16, 63}, {1073995776, 2081, 16, 63},
		{33286127616, 64496, 16, 63}, {68720517120, 32897, 16, 255}, {136365219840, 65279, 16, 255},
		{UINT64_C(8) << 40, 65535, 16, 255},
	};
	uint8_t f[VHD_FOOTER];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		vhd_footer(cases[i].size, id, f);
		assert_int_equal(get(f + 40, 8), cases[i].size);
		assert_int_equal(get(f + 48, 8), cases[i].size);
		assert_int_equal(get(f + 56, 2), cases[i].cylinders);
		assert_int_equal(f[58], cases[i].heads);
		assert_int_equal(f[59], cases[i].sectors);
	}
}

static void vhd_footer_is_as_the_specification_lays_it_out(void **state)
{
	(void)state;
	uint8_t f[VHD_FOOTER];
	uint32_t sum = 0;

	vhd_footer(UINT64_C(1) << 30, id, f);
	assert_memory_equal(f, "conectix\0\0\0\2\0\1\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0win ", 32);
	assert_memory_equal(f + 36, "Wi2k", 4);
	assert_int_equal(get(f + 60, 4), 2);
	assert_memory_equal(f + 68, id, sizeof id);
	for (size_t i = 84; i < sizeof f; i++)
		assert_int_equal(f[i], 0);
	for (size_t i = 0; i < sizeof f; i++)
		sum += i / 4 == 16 ? 0 : f[i];
	assert_int_equal(get(f + 64, 4), (uint32_t)~sum);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vhd_footer_has_the_geometry_of_qemu_img),
		cmocka_unit_test(vhd_footer_is_as_the_specification_lays_it_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
