// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "base/xml.h"

static struct xml_text doc(const char *s)
{
	return (struct xml_text){.at = s, .len = strlen(s)};
}

static void xml_next_walks_the_elements_of_a_name(void **state)
{
	(void)state;
	struct xml_text d = doc("<?xml version=\"1.0\"?><L><R><Start>0</Start></R><Other/><Ra>9</Ra><R></R><R>cut");
	struct xml_text r;

	assert_true(xml_next(&d, "R", &r));
	assert_int_equal(r.len, strlen("<Start>0</Start>"));
	assert_true(xml_next(&d, "R", &r));
	assert_int_equal(r.len, 0);
	assert_false(xml_next(&d, "R", &r));
	assert_memory_equal(d.at, "<R>cut", 6);
}

static void xml_next_of_every_beginning_stays_inside(void **state)
{
	(void)state;
	static const char text[] = "<a><b>1</b></a><a>2</a>";
	struct xml_text content;

	for (size_t n = 0; n < sizeof text; n++) {
		char copy[sizeof text]; /* what is behind is another's */
		struct xml_text d = {.at = copy + sizeof copy - n, .len = n};

		memcpy(copy + sizeof copy - n, text, n);
		unsigned found = 0;
		while (xml_next(&d, "a", &content))
			found++;
		assert_int_equal(found, n >= 23 ? 2 : n >= 15 ? 1 : 0);
	}
}

static void xml_copy_resolves_entities_and_cuts_off(void **state)
{
	(void)state;
	struct xml_text t = doc("a&amp;b &lt;c&gt; &quot;&apos;&amp;lt; &unknown; &am");
	char out[64], small[4];

	assert_string_equal(xml_copy(&t, out, sizeof out), "a&b <c> \"'&lt; &unknown; &am");
	assert_string_equal(xml_copy(&t, small, sizeof small), "a&b");
}

static void xml_number_takes_whole_numbers_only(void **state)
{
	(void)state;
	static const char *const wrong[] = {"", "-1", "1x", " 1", "18446744073709551616"};
	struct xml_text t = doc("18446744073709551615");
	uint64_t n;

	assert_true(xml_number(&t, &n));
	assert_true(n == UINT64_MAX);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		t = doc(wrong[i]);
		assert_false(xml_number(&t, &n));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(xml_next_walks_the_elements_of_a_name),
		cmocka_unit_test(xml_next_of_every_beginning_stays_inside),
		cmocka_unit_test(xml_copy_resolves_entities_and_cuts_off),
		cmocka_unit_test(xml_number_takes_whole_numbers_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
