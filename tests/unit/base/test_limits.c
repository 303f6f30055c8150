// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "base/limits.h"

static void limit_parse_good_text_gives_the_value(void **state)
{
	static const struct {
		enum limit limit;
		const char *text;
		uint64_t value;
	} cases[] = {
		{LIMIT_BANDWIDTH, "100MB/s", 100000000},
		{LIMIT_BANDWIDTH, "100 MB/s", 100000000},
		{LIMIT_BANDWIDTH, "256kB/s", 256000},
		{LIMIT_BANDWIDTH, "256000B/s", 256000},
		{LIMIT_BANDWIDTH, "1GiB/s", 1073741824},
		{LIMIT_BANDWIDTH, "10Gbit/s", 1250000000},
		{LIMIT_BANDWIDTH, "100Mbit/s", 12500000},
		{LIMIT_DISK_THROUGHPUT, "1000GB/s", 1000000000000},
		{LIMIT_DISK_IOPS, "1", 1},
		{LIMIT_WORKER_IOPS, "10000000", 10000000},
	};

	(void)state;
	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		struct err e = ERR_INIT;
		uint64_t value = 0;

		if (limit_parse(cases[c].limit, cases[c].text, "x", &value, &e) != 0)
			fail_msg("%s: %s", cases[c].text, e.msg);
		assert_int_equal(value, cases[c].value);
	}
}

static void limit_parse_bad_text_says_what_was_expected(void **state)
{
	static const struct {
		enum limit limit;
		const char *text;
	} cases[] = {
		{LIMIT_BANDWIDTH, ""},          {LIMIT_BANDWIDTH, "100"},      {LIMIT_BANDWIDTH, "100M"},
		{LIMIT_BANDWIDTH, "100mb/s"},   {LIMIT_BANDWIDTH, "100MBps"},  {LIMIT_BANDWIDTH, "1.5GB/s"},
		{LIMIT_BANDWIDTH, "-1MB/s"},    {LIMIT_BANDWIDTH, "0MB/s"},    {LIMIT_BANDWIDTH, "63kB/s"},
		{LIMIT_BANDWIDTH, "1001GB/s"},  {LIMIT_BANDWIDTH, "100MB/s "}, {LIMIT_BANDWIDTH, "MB/s"},
		{LIMIT_BANDWIDTH, "18446744073709551616B/s"},                  {LIMIT_BANDWIDTH, "18446744073709GB/s"},
		{LIMIT_DISK_IOPS, "0"},         {LIMIT_DISK_IOPS, "500/s"},    {LIMIT_DISK_IOPS, "500 IOPS"},
		{LIMIT_DISK_IOPS, "10000001"},  {LIMIT_DISK_IOPS, "1MB/s"},    {LIMIT_DISK_IOPS, "+1"},
	};

	(void)state;
	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		struct err e = ERR_INIT;
		uint64_t value = 7;

		if (limit_parse(cases[c].limit, cases[c].text, "--it", &value, &e) == 0)
			fail_msg("\"%s\" was taken", cases[c].text);
		assert_int_equal(e.kind, ERR_USAGE);
		assert_int_equal(value, 7);
		assert_non_null(strstr(e.msg, "--it: expected"));
		assert_non_null(strstr(e.msg, limit_table[cases[c].limit].is_rate ? "256 kB/s to 1000 GB/s" : "1 IOPS to"));
	}
}

static void limits_describe_names_only_what_is_limited(void **state)
{
	struct limits l = {{0}};
	char text[LIMITS_TEXT];

	(void)state;
	assert_string_equal(limits_describe(&l, text), "");
	l.of[LIMIT_BANDWIDTH] = 12500000;
	assert_string_equal(limits_describe(&l, text), "12.5 MB/s on the network");
	l = (struct limits){{UINT64_C(400000000), UINT64_C(1000000000000), 500, 10000000}};
	assert_string_equal(limits_describe(&l, text), "400 MB/s on the network, 1000 GB/s from each disk, 500 IOPS on "
						       "each disk, 10000000 IOPS on all disks");
}

static void limits_json_holds_only_what_is_limited(void **state)
{
	struct limits l = {{0}};
	char text[LIMITS_TEXT];

	(void)state;
	assert_string_equal(limits_json(&l, text), "{}");
	l = (struct limits){{256000, UINT64_C(1000000000000), 1, 10000000}};
	assert_string_equal(limits_json(&l, text), "{\"bandwidth\":256000,\"disk_throughput\":1000000000000,"
						   "\"disk_iops\":1,\"worker_iops\":10000000}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limit_parse_good_text_gives_the_value),
		cmocka_unit_test(limit_parse_bad_text_says_what_was_expected),
		cmocka_unit_test(limits_describe_names_only_what_is_limited),
		cmocka_unit_test(limits_json_holds_only_what_is_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
