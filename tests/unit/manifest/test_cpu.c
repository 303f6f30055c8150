// SPDX-License-Identifier: Apache-2.0
#include "manifest/manifest_fixture.h"

#include "manifest/cpu.h"

static void cpu_choose_every_level_gives_equal_hashes(void **state)
{
	static uint8_t bytes[70001];
	const uint8_t secret[32] = "a secret of the tests of levels";
	enum cpu_level best = cpu_level();
	struct manifest_keys keys;
	struct err e = ERR_INIT;

	(void)state;
	manifest_keys_derive(secret, &keys);
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 31 >> 3);
	for (enum cpu_level l = CPU_PORTABLE; l <= best; l++) {
		static const size_t lengths[] = {1, 1024, 16384, 65536, sizeof bytes};

		for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
			uint8_t want[MANIFEST_HASH], got[MANIFEST_HASH];

			assert_int_equal(cpu_choose(cpu_level_name(best), &e), 0);
			manifest_hash(&keys, bytes, lengths[i], want);
			assert_int_equal(cpu_choose(cpu_level_name(l), &e), 0);
			assert_int_equal(cpu_level(), l);
			manifest_hash(&keys, bytes, lengths[i], got);
			assert_memory_equal(got, want, sizeof got);
		}
	}
}

static void cpu_choose_unknown_name_is_refused_by_name(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(cpu_choose("avx9", &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	assert_non_null(strstr(e.msg, "avx9"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cpu_choose_every_level_gives_equal_hashes),
		cmocka_unit_test(cpu_choose_unknown_name_is_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
