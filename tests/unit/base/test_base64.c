// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "base/base64.h"

static void base64_round_trip_gives_the_bytes(void **state)
{
	static const struct {
		const char *plain, *coded;
	} cases[] = {
		{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"}, {"\xff\xfe\xfb", "//77"},
	};

	(void)state;
	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		struct buf coded = BUF_INIT, plain = BUF_INIT;

		base64_encode(cases[c].plain, strlen(cases[c].plain), &coded);
		assert_string_equal(buf_str(&coded), cases[c].coded);
		assert_int_equal(base64_decode(cases[c].coded, strlen(cases[c].coded), &plain), 0);
		assert_string_equal(buf_str(&plain), cases[c].plain);
		buf_fini(&coded);
		buf_fini(&plain);
	}
}

static void base64_decode_malformed_text_is_refused(void **state)
{
	static const char *const cases[] = {"Zg",           "Zg=",  "Zg===", "Z===", "====", "Zm9v\n",
					    "Zm9vZg==Zm9v", "Zm-v", "Zh==",  "Zm9=", "=m9v", "Z=9v"};

	(void)state;
	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		struct buf plain = BUF_INIT;

		if (base64_decode(cases[c], strlen(cases[c]), &plain) == 0)
			fail_msg("\"%s\" was taken", cases[c]);
		buf_fini(&plain);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_round_trip_gives_the_bytes),
		cmocka_unit_test(base64_decode_malformed_text_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
