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
	assert_int_equal(o.compression, COMPRESSION_NONE);
	assert_int_equal(o.chunk_size, 1 << 20);
	assert_false(o.plain);
}

static void host_options_parse_send_compression_is_auto_unless_given(void **state)
{
	static const struct {
		const char *option;
		enum compression compression;
		int level;
	} cases[] = {
		{NULL, COMPRESSION_AUTO, 0},
		{"--compression=auto", COMPRESSION_AUTO, COMPRESSION_LEVEL_DEFAULT},
		{"--compression=zstd", COMPRESSION_ZSTD, COMPRESSION_LEVEL_DEFAULT},
		{"--compression=zstd:-5", COMPRESSION_ZSTD, -5},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char *argv[] = {"send", "s", "h:1", (char *)cases[i].option, NULL};
		struct host_options o;
		struct err e = ERR_INIT;

		assert_int_equal(host_options_parse(cases[i].option != NULL ? 4 : 3, argv, HOST_SEND, &o, &e), 0);
		assert_int_equal(o.compression, cases[i].compression);
		assert_int_equal(o.level, cases[i].level);
	}
}

/* A copy on one host is limited where it reads, one to another host where it sends. */
static void host_options_parse_limit_rate_limits_what_the_command_shares(void **state)
{
	char *argv[] = {"send", "s", "t", "--limit-rate", "100MB/s", NULL};
	struct host_options send, copy;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(host_options_parse(5, argv, HOST_SEND, &send, &e), 0);
	assert_int_equal(send.limits.of[LIMIT_BANDWIDTH], 100000000);
	assert_int_equal(send.limits.of[LIMIT_DISK_THROUGHPUT], 0);
	argv[0] = "copy";
	argv[1] = "s";
	argv[2] = "t";
	argv[3] = "--limit-rate";
	argv[4] = "100MB/s";
	assert_int_equal(host_options_parse(5, argv, HOST_COPY, &copy, &e), 0);
	assert_int_equal(copy.limits.of[LIMIT_BANDWIDTH], 0);
	assert_int_equal(copy.limits.of[LIMIT_DISK_THROUGHPUT], 100000000);
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
		{HOST_SEND, "--compression: expected \"auto\"", {"send", "a", "b", "--compression", "xz"}},
		{HOST_SEND, "power of two", {"send", "a", "b", "--chunk-size", "100000"}},
		{HOST_SEND, "--limit-rate: expected a rate", {"send", "a", "b", "--limit-rate", "100"}},
		{HOST_SEND, "--limit-iops is not an option of send", {"send", "a", "b", "--limit-iops", "5"}},
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
		cmocka_unit_test(host_options_parse_send_compression_is_auto_unless_given),
		cmocka_unit_test(host_options_parse_limit_rate_limits_what_the_command_shares),
		cmocka_unit_test(host_options_parse_wrong_words_is_usage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
