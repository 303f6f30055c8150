// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host_options.h"

#define WORDS 8

static int count(char *const argv[WORDS])
{
	int n = 0;

	while (n < WORDS && argv[n] != NULL)
		n++;
	return n;
}

static void host_options_parse_good_words_taken(void **state)
{
	char *argv[] = {"send", "s", "--peer", "p", "h:1", "--compression", "none", "--chunk-size=1M", NULL};
	struct host_options o;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(host_options_parse(8, argv, HOST_SEND, &o, &e), 0);
	assert_string_equal(o.path[0], "s");
	assert_string_equal(o.path[1], "h:1");
	assert_string_equal(o.peer, "p");
	assert_true(o.raw);
	assert_int_equal(o.chunk_size, 1 << 20);
	assert_false(o.plain);
}

static void host_options_parse_wrong_words_is_usage(void **state)
{
	static const struct {
		enum host_command command;
		const char *said;
		char *argv[WORDS];
	} cases[] = {
		{HOST_SCAN, "--manifest-in of a scan goes together", {"scan", "a", "--manifest-in", "m"}},
		{HOST_SCAN, "--peer is not an option of scan", {"scan", "a", "--peer", "p"}},
		{HOST_COPY, "--plain is not an option of copy", {"copy", "a", "b", "--plain"}},
		{HOST_SEND, "--no-read-back is not an option of send", {"send", "a", "b", "--no-read-back"}},
		{HOST_RECEIVE, "--chunk-size is not an option of receive", {"receive", "a", "--chunk-size", "1M"}},
		{HOST_SEND, "--peer is not an option", {"send", "a", "b", "--peer"}},
		{HOST_SEND, "no compression \"xz\"", {"send", "a", "b", "--compression", "xz"}},
		{HOST_SEND, "power of two", {"send", "a", "b", "--chunk-size", "100000"}},
		{HOST_COPY, "512 or 4096", {"copy", "a", "b", "--sector-size", "520"}},
		{HOST_SCAN, "wants one device", {"scan"}},
		{HOST_COPY, "wants a source and a target", {"copy", "a"}},
		{HOST_SEND, "wants a source and the address", {"send", "a", "b", "c"}},
		{HOST_RECEIVE, "wants one target", {"receive", "a", "b"}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char *argv[WORDS + 1] = {0};
		struct host_options o;
		struct err e = ERR_INIT;

		memcpy(argv, cases[i].argv, sizeof cases[i].argv);
		assert_int_equal(host_options_parse(count(argv), argv, cases[i].command, &o, &e), -1);
		assert_int_equal(e.kind, ERR_USAGE);
		if (strstr(e.msg, cases[i].said) == NULL)
			fail_msg("case %zu: \"%s\" says no \"%s\"", i, e.msg, cases[i].said);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(host_options_parse_good_words_taken),
		cmocka_unit_test(host_options_parse_wrong_words_is_usage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
