// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "replica.h"

#define HEAD "{\"id\":\"m\",\"name\":\"m\",\"firmware\":\"uefi\",\"vcpus\":1,\"memory_mib\":1,\"disks\":[]"

static void machineToJson_andBack_isTheSame(void **state)
{
	static const size_t sizes[] = {0, 1, 4096, 4097, 540672};

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct machine m = {.name = "m", .id = "machines/m", .firmware = FIRMWARE_UEFI, .vcpus = 2, .memory_mib = 512};
		struct machine back;

		*vec_push(&m.disks) = (struct machine_disk){.id = "d", .name = "d0", .size = 512, .logical_sector = 512,
							    .boot = true};
		*vec_push(&m.nics) = (struct machine_nic){.mac = "52:54:00:00:00:01", .network = "lan", .model = "x"};
		for (size_t k = 0; k < sizes[i]; k++) /* erased but for the ends and a byte in between */
			buf_add(&m.nvram, k == 0 || k == sizes[i] - 1 || k == 5000 ? "\x12" : "\xff", 1);
		char *json = machine_to_json(&m);
		assert_true(strlen(json) < 50000);
		ok(machine_from_json(json, &back, e));
		assert_string_equal(back.id, m.id);
		assert_int_equal(back.firmware, FIRMWARE_UEFI);
		assert_int_equal(back.vcpus, 2);
		assert_int_equal(back.memory_mib, 512);
		assert_int_equal(back.disks.len, 1);
		assert_true(back.disks.at[0].boot);
		assert_string_equal(back.nics.at[0].network, "lan");
		assert_int_equal(back.nvram.len, sizes[i]);
		assert_true(sizes[i] == 0 || memcmp(back.nvram.data, m.nvram.data, sizes[i]) == 0);
		free(json);
		machine_fini(&back);
		machine_fini(&m);
	}
}

static void machineFromJson_nvramThatCannotBe_isRefused(void **state)
{
	static const char *const cases[] = {
		"\"size\":0,\"blocks\":[]", "\"size\":99999999999,\"blocks\":[]", "\"size\":4",
		"\"size\":4,\"blocks\":[{\"at\":4,\"hex\":\"00\"}]", "\"size\":4,\"blocks\":[{\"at\":3,\"hex\":\"0000\"}]",
		"\"size\":4,\"blocks\":[{\"at\":0,\"hex\":\"000\"}]", "\"size\":4,\"blocks\":[{\"at\":0,\"hex\":\"zz\"}]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char *json = mem_printf(HEAD ",\"nvram\":{%s}}", cases[i]);
		struct machine m;

		refused(machine_from_json(json, &m, e), ERR_CONFIG, "nvram");
		free(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(machineToJson_andBack_isTheSame),
		cmocka_unit_test(machineFromJson_nvramThatCannotBe_isRefused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
