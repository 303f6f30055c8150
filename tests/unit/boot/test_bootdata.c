// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "boot/bootdata.h"

#define PIN "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"

/* Key by key, so that one can be changed, left out or doubled. */
static const struct {
	const char *key, *value;
} good[] = {
	{"wherry", "1"},
	{"job", "\"web1\""},
	{"run", "\"r-20260101-1\""},
	{"epoch", "7"},
	{"role", "\"export\""},
	{"controller", "\"" PIN "\""},
	{"control", "{\"path\":\"dial-out\",\"address\":\"10.0.2.2:4433\"}"},
	{"nics", "[\"52:54:00:12:34:56\",\"52:54:00:AB:cd:ef\"]"},
	{"lease_seconds", "300"},
	{"debug", "true"},
};

#define KEYS (sizeof good / sizeof good[0])

/* `value` NULL leaves the key out. */
static char *text_with(const char *key, const char *value)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, "{");
	for (size_t k = 0; k < KEYS; k++) {
		const char *v = key != NULL && strcmp(key, good[k].key) == 0 ? value : good[k].value;

		if (v != NULL)
			buf_addf(&b, "%s\"%s\":%s", b.len > 1 ? "," : "", good[k].key, v);
	}
	buf_adds(&b, "}");
	return buf_take(&b);
}

static int parse_with(const char *key, const char *value, struct bootdata *out, struct err *e)
{
	char *text = text_with(key, value);
	int rc = bootdata_parse(text, strlen(text), out, e);

	free(text);
	return rc;
}

static void bootdata_parse_good_text_gives_all_fields(void **state)
{
	struct bootdata b;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(parse_with(NULL, NULL, &b, &e), 0);
	assert_string_equal(b.job, "web1");
	assert_string_equal(b.run, "r-20260101-1");
	assert_int_equal(b.epoch, 7);
	assert_int_equal(b.role, WIRE_SOURCE);
	assert_int_equal(b.controller_pin[1], 0x11);
	assert_int_equal(b.controller_pin[31], 0xff);
	assert_int_equal(b.control, BOOT_DIAL_OUT);
	assert_string_equal(b.controller_address, "10.0.2.2:4433");
	assert_false(b.nics_auto);
	assert_int_equal(b.nic_count, 2);
	assert_string_equal(b.nics[1], "52:54:00:AB:cd:ef");
	assert_int_equal(b.lease_seconds, 300);
	assert_true(b.debug);
}

static void bootdata_parse_other_good_values_are_taken(void **state)
{
	struct bootdata b;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(parse_with("role", "\"import\"", &b, &e), 0);
	assert_int_equal(b.role, WIRE_TARGET);
	assert_int_equal(parse_with("control", "{\"path\":\"dial-in\"}", &b, &e), 0);
	assert_int_equal(b.control, BOOT_DIAL_IN);
	assert_int_equal(parse_with("nics", "\"auto\"", &b, &e), 0);
	assert_true(b.nics_auto);
	assert_int_equal(b.nic_count, 0);
	assert_int_equal(parse_with("control", "{\"path\":\"dial-out\",\"address\":\"[fd00::1]:65535\"}", &b, &e), 0);
	assert_int_equal(parse_with("epoch", "18446744073709551615", &b, &e), 0);
	assert_true(b.epoch == UINT64_MAX);
}

static void bootdata_parse_wrong_value_names_the_key(void **state)
{
	static const struct {
		const char *key, *value;
	} cases[] = {
		{"wherry", NULL},
		{"wherry", "2"},
		{"wherry", "\"1\""},
		{"wherry", "0"},
		{"wherry", "1.0"},
		{"job", NULL},
		{"job", "\"\""},
		{"job", "7"},
		{"job", "\"a b\""},
		{"job", "\"../x\""},
		{"job", "\"a\\u0000b\""},
		{"job", "\"1234567890123456789012345678901234567890123456789012345678901234\""},
		{"run", NULL},
		{"run", "null"},
		{"run", "\"1234567890123456789012345678901234567890\""},
		{"epoch", NULL},
		{"epoch", "0"},
		{"epoch", "-1"},
		{"epoch", "1.5"},
		{"epoch", "\"7\""},
		{"role", NULL},
		{"role", "\"Export\""},
		{"role", "1"},
		{"role", "\"controller\""},
		{"controller", NULL},
		{"controller", "\"00\""},
		{"controller", "\"" PIN "00\""},
		{"controller", "12"},
		{"controller", "\"zz112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF\""},
		{"control", NULL},
		{"control", "\"dial-in\""},
		{"control", "{}"},
		{"control", "{\"path\":\"relay\"}"},
		{"control", "{\"path\":\"dial-in\",\"address\":\"a:1\"}"},
		{"control", "{\"path\":\"dial-out\"}"},
		{"control", "{\"path\":\"dial-out\",\"address\":\"host\"}"},
		{"control", "{\"path\":\"dial-out\",\"address\":\":80\"}"},
		{"control", "{\"path\":\"dial-out\",\"address\":\"host:\"}"},
		{"control", "{\"path\":\"dial-out\",\"address\":\"host:0\"}"},
		{"control", "{\"path\":\"dial-out\",\"address\":\"host:65536\"}"},
		{"control", "{\"path\":\"dial-out\",\"address\":\"host:8o\"}"},
		{"control", "{\"path\":\"dial-out\",\"address\":\"ho st:80\"}"},
		{"control", "{\"path\":\"dial-out\",\"address\":\"a:1\",\"more\":1}"},
		{"nics", NULL},
		{"nics", "\"all\""},
		{"nics", "[]"},
		{"nics", "[1]"},
		{"nics", "{}"},
		{"nics", "[\"52:54:00:12:34\"]"},
		{"nics", "[\"52-54-00-12-34-56\"]"},
		{"nics", "[\"52:54:00:12:34:5g\"]"},
		{"nics", "[\"52:54:00:12:34:56:\"]"},
		{"nics", "[\"0\",\"0\",\"0\",\"0\",\"0\",\"0\",\"0\",\"0\",\"0\",\"0\",\"0\",\"0\",\"0\",\"0\","
			 "\"0\",\"0\",\"0\"]"},
		{"lease_seconds", NULL},
		{"lease_seconds", "1"},
		{"lease_seconds", "604801"},
		{"lease_seconds", "-300"},
		{"lease_seconds", "\"300\""},
		{"debug", NULL},
		{"debug", "0"},
		{"debug", "\"yes\""},
	};

	(void)state;
	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		struct bootdata b;
		struct err e = ERR_INIT;

		if (parse_with(cases[c].key, cases[c].value, &b, &e) == 0)
			fail_msg("%s: %s was taken", cases[c].key, cases[c].value != NULL ? cases[c].value : "(none)");
		assert_int_equal(e.kind, ERR_CONFIG);
		assert_non_null(strstr(e.msg, cases[c].key));
	}
}

static void bootdata_parse_wrong_shape_is_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"", "not JSON"}, {"{", "not JSON"}, {"[]", "one JSON object"}, {"7", "one JSON object"},
		{"{\"wherry\":1,\"jobs\":1}", "unknown key \"jobs\""},
		{"{\"wherry\":1,\"job\":\"a\",\"job\":\"a\"}", "twice"},
		{"{\"wherry\":1} x", "not JSON"},
	};

	(void)state;
	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		struct bootdata b;
		struct err e = ERR_INIT;

		assert_int_equal(bootdata_parse(cases[c].text, strlen(cases[c].text), &b, &e), -1);
		assert_int_equal(e.kind, ERR_CONFIG);
		assert_non_null(strstr(e.msg, cases[c].says));
	}
}

static void bootdata_parse_too_long_is_refused(void **state)
{
	char *text = mem_alloc(BOOTDATA_MAX + 2), *small = text_with(NULL, NULL);
	struct bootdata b;
	struct err e = ERR_INIT;

	(void)state;
	memset(text, ' ', BOOTDATA_MAX + 1);
	memcpy(text, small, strlen(small));
	assert_int_equal(bootdata_parse(text, BOOTDATA_MAX, &b, &e), 0);
	assert_int_equal(bootdata_parse(text, BOOTDATA_MAX + 1, &b, &e), -1);
	assert_non_null(strstr(e.msg, "longer"));
	free(text);
	free(small);
}

static void bootdata_parse_every_cut_is_refused(void **state)
{
	char *text = text_with(NULL, NULL);

	(void)state;
	for (size_t n = 0; n < strlen(text); n++) {
		char *cut = mem_alloc(n + 1);
		struct bootdata b;
		struct err e = ERR_INIT;

		memcpy(cut, text, n);
		assert_int_equal(bootdata_parse(cut, n, &b, &e), -1);
		free(cut);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bootdata_parse_good_text_gives_all_fields),
		cmocka_unit_test(bootdata_parse_other_good_values_are_taken),
		cmocka_unit_test(bootdata_parse_wrong_value_names_the_key),
		cmocka_unit_test(bootdata_parse_wrong_shape_is_refused),
		cmocka_unit_test(bootdata_parse_too_long_is_refused),
		cmocka_unit_test(bootdata_parse_every_cut_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
