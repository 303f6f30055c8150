// SPDX-License-Identifier: Apache-2.0
/* Waiting for what a cloud shows, and then does not. */
#include <stdio.h>

#include "base/clock.h"
#include "cloud.h"
#include "fakes/provider_mem.h"
#include "unit.h"

static int make_world(void **state)
{
	*state = mem_cloud_new();
	return 0;
}

static int end_world(void **state)
{
	mem_cloud_free(*state);
	return 0;
}

static void wait_ready_of_what_is_missed_for_a_moment_goes_on(void **state)
{
	static const struct {
		unsigned looks; /* that miss it, after one that showed it being made */
		enum err_kind kind;
		const char *words;
	} cases[] = {
		{2, ERR_NONE, ""},
		{1000, ERR_NOT_FOUND, "disk d is not in "},
	};
	struct mem_cloud *mem = *state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct provider *p = provider_mem_new(mem, NULL);
		struct cloud c = {.p = p, .patience_ns = 40 * NS_PER_S};
		struct disk_spec spec = {.size = 1 << 20, .logical_sector = 512};
		struct res_ref ref = {.kind = RES_DISK, .name = "d", .tags = {.owner = "me", .job = "j", .run = "r"}};
		struct err why = ERR_INIT;

		ok(p->ops->disk_create(p, &spec, &ref, e));
		mem_cloud_get(mem, "d")->pending = 1;
		mem_cloud_get(mem, "d")->missed = cases[i].looks;
		assert_int_equal(cloud_wait_ready(&c, &ref, &why), cases[i].kind == ERR_NONE ? 0 : -1);
		assert_int_equal(why.kind, cases[i].kind);
		assert_has(why.msg, cases[i].words);
		mem_cloud_get(mem, "d")->used = false;
		provider_close(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(wait_ready_of_what_is_missed_for_a_moment_goes_on, make_world, end_world),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
