// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "base/hex.h"

static void hex_encode_of_all_bytes_is_decoded_to_the_same(void **state)
{
	(void)state;
	uint8_t in[256], out[256];
	char text[513];

	for (int i = 0; i < 256; i++)
		in[i] = (uint8_t)i;
	assert_ptr_equal(hex_encode(in, 256, text), text);
	assert_int_equal(strlen(text), 512);
	assert_memory_equal(text, "000102030405060708090a0b", 24);
	assert_int_equal(hex_decode(text, out, 256), 0);
	assert_memory_equal(in, out, 256);
}

static void hex_decode_of_wrong_text_fails(void **state)
{
	(void)state;
	static const char *const wrong[] = {"", "0", "000", "00000", "0g00", "00 0", "-100", "00\xff\xff", "0x00"};
	uint8_t out[2];

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_int_equal(hex_decode(wrong[i], out, 2), -1);
	assert_int_equal(hex_decode("aBCd", out, 2), 0);
	assert_memory_equal(out, "\xab\xcd", 2);
	assert_int_equal(hex_decode("", out, 0), 0);
}

static void num_parse_size_of_good_text_gives_bytes(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t bytes;
	} cases[] = {
		{"0", 0}, {"1", 1}, {"007", 7}, {"512", 512}, {"256K", 262144}, {"64M", UINT64_C(64) << 20},
		{"5G", UINT64_C(5) << 30}, {"32T", UINT64_C(32) << 40}, {"18446744073709551615", UINT64_MAX},
		{"16777215T", UINT64_C(16777215) << 40},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct err e = ERR_INIT;
		uint64_t got = 99;

		assert_int_equal(num_parse_size(cases[i].text, "size", &got, &e), 0);
		assert_true(got == cases[i].bytes);
	}
}

static void num_parse_size_of_wrong_text_is_usage_and_names_it(void **state)
{
	(void)state;
	static const char *const wrong[] = {"", "K", "-1", "+1", " 1", "1 ", "1k", "1KB", "1.5G", "0x10", "1Q",
		"18446744073709551616", "16777216T", "99999999999999999999999"};

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct err e = ERR_INIT;
		uint64_t got;

		assert_int_equal(num_parse_size(wrong[i], "--chunk-size", &got, &e), -1);
		assert_int_equal(e.kind, ERR_USAGE);
		assert_non_null(strstr(e.msg, "--chunk-size"));
		assert_non_null(strstr(e.msg, wrong[i]));
	}
}

static void num_format_size_of_all_magnitudes_is_short(void **state)
{
	(void)state;
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{0, "0 B"}, {1023, "1023 B"}, {1024, "1.0 KiB"}, {1536, "1.5 KiB"}, {1048575, "1.0 MiB"},
		{UINT64_C(5) << 30, "5.0 GiB"}, {UINT64_C(32) << 40, "32.0 TiB"}, {UINT64_MAX, "16384.0 PiB"},
	};
	char out[16];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_string_equal(num_format_size(cases[i].bytes, out), cases[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hex_encode_of_all_bytes_is_decoded_to_the_same),
		cmocka_unit_test(hex_decode_of_wrong_text_fails),
		cmocka_unit_test(num_parse_size_of_good_text_gives_bytes),
		cmocka_unit_test(num_parse_size_of_wrong_text_is_usage_and_names_it),
		cmocka_unit_test(num_format_size_of_all_magnitudes_is_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
