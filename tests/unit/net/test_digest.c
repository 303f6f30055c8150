// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "base/hex.h"
#include "net/digest.h"

/* RFC 1321, A.5 */
static void digest_md5_of_the_rfcs_texts_is_the_rfcs(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{"", "d41d8cd98f00b204e9800998ecf8427e"},
		{"abc", "900150983cd24fb0d6963f7d28e17f72"},
		{"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
	};
	uint8_t out[DIGEST_MD5];
	char hex[2 * DIGEST_MD5 + 1];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		digest_md5(cases[i][0], strlen(cases[i][0]), out);
		assert_string_equal(hex_encode(out, sizeof out, hex), cases[i][1]);
	}
}

static void digest_md5_parts_is_that_of_all_in_a_row(void **state)
{
	(void)state;
	static char text[] = "abcdefghijklmnopqrstuvwxyz";
	const struct iovec parts[] = {{text, 1}, {text + 1, 0}, {text + 1, 24}, {text + 25, 1}};
	uint8_t out[DIGEST_MD5];
	char hex[2 * DIGEST_MD5 + 1];

	digest_md5_parts(parts, 4, out);
	assert_string_equal(hex_encode(out, sizeof out, hex), "c3fcd3d76192e4007dfb496cca67e13b");
}

/* RFC 4231, test cases 1, 2 and 6 */
static void digest_hmac_sha256_of_the_rfcs_cases_is_the_rfcs(void **state)
{
	(void)state;
	uint8_t key[131], out[DIGEST_SHA256];
	char hex[2 * DIGEST_SHA256 + 1];

	memset(key, 0x0b, 20);
	digest_hmac_sha256(key, 20, "Hi There", 8, out);
	assert_string_equal(hex_encode(out, sizeof out, hex),
			    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	digest_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out);
	assert_string_equal(hex_encode(out, sizeof out, hex),
			    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof key);
	digest_hmac_sha256(key, sizeof key, "Test Using Larger Than Block-Size Key - Hash Key First", 54, out);
	assert_string_equal(hex_encode(out, sizeof out, hex),
			    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digest_md5_of_the_rfcs_texts_is_the_rfcs),
		cmocka_unit_test(digest_md5_parts_is_that_of_all_in_a_row),
		cmocka_unit_test(digest_hmac_sha256_of_the_rfcs_cases_is_the_rfcs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
