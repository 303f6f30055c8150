// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "bootdata.h"

static struct bootdata parse(const char *lines)
{
	struct bootdata data;
	char text[4096];

	snprintf(text, sizeof text, "%s", lines);
	bootdata_parse(&data, text);
	return data;
}

static void parse_without_nic_means_all(void **state)
{
	(void)state;
	assert_true(parse("").all_nics);
	assert_true(parse("hostname=w1\n").all_nics);
	assert_true(parse("nic=auto\n").all_nics);
}

static void parse_named_nics_are_lower_case_and_once(void **state)
{
	struct bootdata data = parse("nic=52:54:00:AB:cd:01\nnic=52:54:00:ab:CD:01\nnic=52:54:00:ab:cd:02\n");

	(void)state;
	assert_false(data.all_nics);
	assert_int_equal(data.nnics, 2);
	assert_string_equal(data.nics[0].mac, "52:54:00:ab:cd:01");
	assert_false(data.nics[0].fixed);
}

static void parse_bad_values_are_left_out(void **state)
{
	static const char *const bad[] = {
		"nic=52:54:00:ab:cd\n", "nic=52-54-00-ab-cd-01\n", "nic=\n", "nic\n", "=\n",
		"addr=52:54:00:ab:cd:01\n", "addr=\n", "hostname=W_1\n", "hostname=\n", "unknown=1\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct bootdata data = parse(bad[i]);

		assert_true(data.all_nics);
		assert_string_equal(data.hostname, "");
	}
}

static void parse_bad_address_leaves_dhcp(void **state)
{
	static const char *const bad[] = {
		"addr=52:54:00:ab:cd:01 10.0.0.1/33\n",  "addr=52:54:00:ab:cd:01 10.0.0.1/0\n",
		"addr=52:54:00:ab:cd:01 10.0.0/24\n",    "addr=52:54:00:ab:cd:01 10.0.0.1/24 fe80::1\n",
		"addr=52:54:00:ab:cd:01 fd00::1/129\n",  "addr=52:54:00:ab:cd:01 10.0.0.1/24 10.0.0\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct bootdata data = parse(bad[i]);

		assert_int_equal(data.nnics, 1);
		assert_false(data.nics[0].fixed);
	}
}

static void parse_addresses_of_both_families(void **state)
{
	struct bootdata data = parse("addr=52:54:00:00:00:01 10.1.2.3/24 10.1.2.1\n"
				     "addr=52:54:00:00:00:02 fd00::3/64\ndns=10.1.2.2\ndns=fd00::2\n");
	char text[INET6_ADDRSTRLEN];

	(void)state;
	assert_int_equal(data.nnics, 2);
	assert_true(data.nics[0].fixed && data.nics[0].has_gateway);
	assert_int_equal(data.nics[0].prefix, 24);
	assert_string_equal(inet_ntop(AF_INET, &data.nics[0].gateway, text, sizeof text), "10.1.2.1");
	assert_true(data.nics[1].fixed);
	assert_false(data.nics[1].has_gateway);
	assert_int_equal(data.nics[1].family, AF_INET6);
	assert_string_equal(data.dns, "10.1.2.2 fd00::2");
}

static void parse_more_nics_than_fit_keeps_the_first(void **state)
{
	struct bootdata data;
	char text[1024] = "";

	(void)state;
	for (int i = 0; i < BOOTDATA_NICS_MAX + 4; i++)
		sprintf(text + strlen(text), "nic=52:54:00:00:00:%02x\n", i);
	data = parse(text);
	assert_int_equal(data.nnics, BOOTDATA_NICS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_without_nic_means_all),
		cmocka_unit_test(parse_named_nics_are_lower_case_and_once),
		cmocka_unit_test(parse_bad_values_are_left_out),
		cmocka_unit_test(parse_bad_address_leaves_dhcp),
		cmocka_unit_test(parse_addresses_of_both_families),
		cmocka_unit_test(parse_more_nics_than_fit_keeps_the_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
