// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "commands.h"
#include "fakes/provider_mem.h"
#include "job_limits.h"
#include "journal_fixture.h"

const struct provider_ops *const provider_table[] = {&provider_mem_ops, NULL};

#define MB UINT64_C(1000000)

static const struct limits of_file = {.of = {[LIMIT_BANDWIDTH] = 100 * MB, [LIMIT_DISK_IOPS] = 500}};

static void assert_now(struct journal *j, const struct limits *want)
{
	struct err e = ERR_INIT;
	struct limits now;

	assert_int_equal(job_limits_now(j, "web1", &of_file, &now, &e), 0);
	assert_memory_equal(&now, want, sizeof now);
}

static void job_limits_now_are_the_files_until_others_are_set(void **state)
{
	const struct limits set = {.of = {[LIMIT_DISK_THROUGHPUT] = 5 * MB, [LIMIT_WORKER_IOPS] = 9}}, none = {{0}};
	struct journal *j = reopen(*state, NULL);
	struct err e = ERR_INIT;

	assert_now(j, &of_file);
	assert_int_equal(job_limits_set(j, "web1", &set, &e), 0);
	assert_int_equal(job_limits_set(j, "web2", &none, &e), 0);
	j = reopen(*state, j);
	assert_now(j, &set);
	assert_int_equal(job_limits_set(j, "web1", &none, &e), 0);
	assert_now(j, &none);
	assert_int_equal(job_limits_set(j, "web1", NULL, &e), 0);
	assert_now(j, &of_file);
	journal_close(j);
}

static void job_limits_now_damaged_fact_is_an_error(void **state)
{
	struct journal *j = reopen(*state, NULL);
	struct err e = ERR_INIT;
	struct limits now;

	assert_int_equal(journal_fact_set(j, "web1", "limits", "{\"bandwidth\":1}", &e), 0);
	assert_int_equal(job_limits_now(j, "web1", &of_file, &now, &e), -1);
	assert_has(e.msg, "the limits in the journal");
	journal_close(j);
}

/* Runs `wherry limit JOB words` on a job file with of_file; what holds afterwards. */
static int limit(const char *state_dir, const struct cmd *words, struct limits *now, struct err *e)
{
	char *file = mem_printf("%s/job.json", state_dir);
	static const char text[] = "{\"job\":\"web1\",\"limits\":{\"bandwidth\":\"100MB/s\",\"disk_iops\":500}}";
	struct cmd c = *words;

	temp_write(file, text, strlen(text));
	*e = (struct err)ERR_INIT;
	c.args[0] = file;
	c.arg_count = 1;
	c.state_dir = state_dir;
	c.json = true;
	int rc = cmd_limit(&c, e);
	struct err ignored = ERR_INIT;
	struct journal *j = reopen(state_dir, NULL);
	assert_int_equal(job_limits_now(j, "web1", &of_file, now, &ignored), 0);
	journal_close(j);
	free(file);
	return rc;
}

static void cmd_limit_changes_what_is_named_and_keeps_the_rest(void **state)
{
	static const struct {
		struct cmd cmd;
		struct limits then;
	} cases[] = { /* one after the other */
		{{.limit = {0}}, {{100 * MB, 0, 500, 0}}},
		{{.limit = {[LIMIT_BANDWIDTH] = "20MB/s"}}, {{20 * MB, 0, 500, 0}}},
		{{.limit = {[LIMIT_WORKER_IOPS] = "7"}}, {{20 * MB, 0, 500, 7}}},
		{{.none = true, .limit = {[LIMIT_DISK_THROUGHPUT] = "1MB/s"}}, {{0, MB, 0, 0}}},
		{{.none = true}, {{0, 0, 0, 0}}},
		{{.reset = true}, {{100 * MB, 0, 500, 0}}},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct limits now;
		struct err e;

		assert_int_equal(limit(*state, &cases[i].cmd, &now, &e), 0);
		assert_memory_equal(&now, &cases[i].then, sizeof now);
	}
}

static void cmd_limit_wrong_words_change_nothing(void **state)
{
	static const struct {
		struct cmd cmd;
		const char *says;
	} cases[] = {
		{{.limit = {[LIMIT_BANDWIDTH] = "20"}}, "bandwidth: expected a rate"},
		{{.none = true, .limit = {[LIMIT_DISK_IOPS] = "0"}}, "disk_iops: expected a whole number"},
		{{.none = true, .reset = true}, "exclude each other"},
		{{.reset = true, .limit = {[LIMIT_DISK_IOPS] = "1"}}, "give it alone"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct limits now;
		struct err e;

		assert_int_equal(limit(*state, &cases[i].cmd, &now, &e), -1);
		assert_int_equal(e.kind, ERR_USAGE);
		assert_has(e.msg, cases[i].says);
		assert_memory_equal(&now, &of_file, sizeof now);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(job_limits_now_are_the_files_until_others_are_set, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(job_limits_now_damaged_fact_is_an_error, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(cmd_limit_changes_what_is_named_and_keeps_the_rest, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(cmd_limit_wrong_words_change_nothing, make_temp, drop_temp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
