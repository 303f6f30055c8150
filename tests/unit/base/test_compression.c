// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "base/compression.h"

static void compression_parse_good_text_gives_kind_and_level(void **state)
{
	static const struct {
		const char *text;
		enum compression c;
		int level;
	} cases[] = {
		{"auto", COMPRESSION_AUTO, 1},      {"none", COMPRESSION_NONE, 1},    {"zstd", COMPRESSION_ZSTD, 1},
		{"zstd:19", COMPRESSION_ZSTD, 19},  {"zstd:3", COMPRESSION_ZSTD, 3},  {"zstd:-50", COMPRESSION_ZSTD, -50},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct err e = ERR_INIT;
		enum compression c = COMPRESSION_AUTO;
		int level = 99;

		if (compression_parse(cases[i].text, &c, &level, &e) != 0)
			fail_msg("%s: %s", cases[i].text, e.msg);
		assert_int_equal(c, cases[i].c);
		assert_int_equal(level, cases[i].level);
	}
}

static void compression_parse_bad_text_says_what_was_expected(void **state)
{
	static const char *const cases[] = {
		"", "gzip", "zstd:", "zstd:0", "zstd:-0", "zstd:20", "zstd:-51", "zstd:1-", "zstd: 1", "zstd:+1", "zstd:--1",
		"none:1", "auto:1", "ZSTD", "zstd ", "zstd:99999999999999999999",
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct err e = ERR_INIT;
		enum compression c = COMPRESSION_AUTO;
		int level = 99;

		if (compression_parse(cases[i], &c, &level, &e) == 0)
			fail_msg("\"%s\" was taken", cases[i]);
		assert_int_equal(e.kind, ERR_USAGE);
		assert_non_null(strstr(e.msg, "from -50 to 19"));
		assert_int_equal(c, COMPRESSION_AUTO);
		assert_int_equal(level, 99);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compression_parse_good_text_gives_kind_and_level),
		cmocka_unit_test(compression_parse_bad_text_says_what_was_expected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
