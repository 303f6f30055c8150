// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "json_read.h"

static const char *const colours[] = {"red", "green", NULL};

/* Reads one object with a key of each type, as a driver would. */
static void read_all(struct json_at *root)
{
	struct json_at list, inner;

	json_string(root, "name", JSON_REQUIRED, "");
	json_choice(root, "colour", JSON_OPTIONAL, colours, 0);
	json_number(root, "count", JSON_OPTIONAL, 1, 10, 5);
	json_size(root, "chunk_size", JSON_OPTIONAL, 65536, 4194304, 262144);
	json_bool(root, "fast", JSON_OPTIONAL, false);
	size_t n = json_array(root, "disks", JSON_OPTIONAL, &list);
	for (size_t i = 0; i < n; i++) {
		struct json_at disk = json_element(&list, i);

		json_string(&disk, "file", JSON_REQUIRED, "");
		json_no_more(&disk);
	}
	inner = json_object(root, "inner", JSON_OPTIONAL);
	json_number(&inner, "port", JSON_REQUIRED, 1, 65535, 1);
	json_no_more(&inner);
	json_no_more(root);
}

static char *findings_of(const char *text)
{
	struct err e = ERR_INIT;
	struct json_doc *d = json_parse(text, strlen(text), "j", &e);

	assert_non_null(d);
	struct json_at root = json_root(d);
	read_all(&root);
	char *all = strdup(json_findings(d));
	assert_int_equal(json_finish(d, &e), all[0] == '\0' ? 0 : -1);
	json_free(d);
	return all;
}

static const struct {
	const char *text, *findings;
} mistakes[] = {
	{"{\"name\":\"a\"}", ""},
	{"{\"name\":\"a\",\"colour\":\"green\",\"count\":10,\"chunk_size\":\"4M\",\"fast\":true,\"disks\":[{\"file\":\"x\"}],"
	 "\"inner\":{\"port\":80}}", ""},
	{"{}", "j: name: is missing: expected a text\n"},
	{"[]", "j: expected an object, found a list\n"},
	{"7", "j: expected an object, found the number 7\n"},
	{"{\"name\":7}", "j: name: expected a text, found the number 7\n"},
	{"{\"name\":null}", "j: name: expected a text, found null\n"},
	{"{\"name\":\"a\\u0000b\"}", "j: name: expected a text without \\u0000 in it\n"},
	{"{\"name\":\"a\",\"colour\":\"blue\"}", "j: colour: expected one of \"red\", \"green\", found the text \"blue\"\n"},
	{"{\"name\":\"a\",\"colour\":\"Greeen\"}",
	 "j: colour: expected one of \"red\", \"green\", found the text \"Greeen\": did you mean \"green\"?\n"},
	{"{\"name\":\"a\",\"colour\":true}", "j: colour: expected one of \"red\", \"green\", found true\n"},
	{"{\"name\":\"a\",\"count\":0}", "j: count: expected a whole number from 1 to 10, found the number 0\n"},
	{"{\"name\":\"a\",\"count\":11}", "j: count: expected a whole number from 1 to 10, found the number 11\n"},
	{"{\"name\":\"a\",\"count\":-1}", "j: count: expected a whole number from 1 to 10, found the number -1\n"},
	{"{\"name\":\"a\",\"count\":1.5}", "j: count: expected a whole number from 1 to 10, found the number 1.5\n"},
	{"{\"name\":\"a\",\"count\":\"3\"}", "j: count: expected a whole number from 1 to 10, found the text \"3\"\n"},
	{"{\"name\":\"a\",\"chunk_size\":\"256KB\"}", "j: chunk_size: expected a size from 64.0 KiB to 4.0 MiB, such as 262144 or "
	 "\"256K\", found the text \"256KB\"\n"},
	{"{\"name\":\"a\",\"chunk_size\":1}", "j: chunk_size: expected a size from 64.0 KiB to 4.0 MiB, such as 262144 or "
	 "\"256K\", found the number 1\n"},
	{"{\"name\":\"a\",\"fast\":\"yes\"}", "j: fast: expected true or false, found the text \"yes\"\n"},
	{"{\"name\":\"a\",\"disks\":{}}", "j: disks: expected a list, found an object\n"},
	{"{\"name\":\"a\",\"disks\":[{\"file\":\"x\"},{}]}", "j: disks[1].file: is missing: expected a text\n"},
	{"{\"name\":\"a\",\"disks\":[3]}", "j: disks[0]: expected an object, found the number 3\n"},
	{"{\"name\":\"a\",\"inner\":[]}", "j: inner: expected an object, found a list\n"},
	{"{\"name\":\"a\",\"inner\":{}}", "j: inner.port: is missing: expected a whole number from 1 to 65535\n"},
	{"{\"name\":\"a\",\"inner\":{\"port\":80,\"prot\":1}}",
	 "j: inner: unknown key \"prot\": did you mean \"port\"? Known here: port\n"},
	{"{\"name\":\"a\",\"chunk-size\":65536}", "j: unknown key \"chunk-size\": did you mean \"chunk_size\"? Known here: name, "
	 "colour, count, chunk_size, fast, disks, inner\n"},
	{"{\"name\":\"a\",\"zzzzzzzz\":1}",
	 "j: unknown key \"zzzzzzzz\": expected one of name, colour, count, chunk_size, fast, disks, inner\n"},
	{"{\"name\":\"a\",\"name\":\"b\"}", "j: key \"name\" is given twice: keep one of them\n"},
	{"{\"name\":\"a\",\"fast\":1,\"count\":99}",
	 "j: count: expected a whole number from 1 to 10, found the number 99\n"
	 "j: fast: expected true or false, found the number 1\n"},
};

static void json_readers_each_mistake_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
		char *got = findings_of(mistakes[i].text);

		assert_string_equal(got, mistakes[i].findings);
		free(got);
	}
}

static void json_readers_good_values_are_read(void **state)
{
	static const char text[] = "{\"s\":\"abc\",\"c\":\"green\",\"n\":18446744073709551615,\"z\":\"3T\",\"b\":true}";
	struct err e = ERR_INIT;
	struct json_doc *d = json_parse(text, sizeof text - 1, "j", &e);
	struct json_at r = json_root(d);

	(void)state;
	assert_true(json_has(&r, "s"));
	assert_false(json_has(&r, "absent"));
	assert_string_equal(json_string(&r, "s", JSON_REQUIRED, ""), "abc");
	assert_int_equal(json_choice(&r, "c", JSON_REQUIRED, colours, 0), 1);
	assert_true(json_number(&r, "n", JSON_REQUIRED, 0, UINT64_MAX, 0) == UINT64_MAX);
	assert_true(json_size(&r, "z", JSON_REQUIRED, 0, UINT64_MAX, 0) == UINT64_C(3) << 40);
	assert_true(json_bool(&r, "b", JSON_REQUIRED, false));
	assert_int_equal(json_number(&r, "absent", JSON_OPTIONAL, 0, 9, 4), 4);
	json_no_more(&r);
	assert_int_equal(json_finish(d, &e), 0);
	char *again = json_write(&r);
	assert_string_equal(again, text);
	free(again);
	json_free(d);
}

static const struct {
	const char *text, *start;
} broken[] = {
	{"", "j:1:1: this is not JSON: the file is empty"},
	{"{\"a\":1,}", "j:1:7: this is not JSON: "},
	{"{\n  \"a\": 1\n  \"b\": 2\n}", "j:3:3: this is not JSON: "},
	{"{\"a\":01}", "j:1:6: this is not JSON: "},
	{"{} x", "j:1:4: this is not JSON: "},
	{"{\"a\":\"\xff\"}", "j:1:7: this is not JSON: "},
	{"{// no comments\n}", "j:1:2: this is not JSON: "},
};

static void json_parse_broken_text_names_line_and_column(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
		struct err e = ERR_INIT;

		assert_null(json_parse(broken[i].text, strlen(broken[i].text), "j", &e));
		assert_int_equal(e.kind, ERR_CONFIG);
		assert_starts(e.msg, broken[i].start);
	}
}

static void json_parse_truncated_at_every_byte_is_an_error(void **state)
{
	static const char text[] = "{\"name\":\"a\",\"inner\":{\"port\":80},\"disks\":[{\"file\":\"x\"}]}";

	(void)state;
	for (size_t n = 0; n < sizeof text - 1; n++) {
		struct err e = ERR_INIT;

		assert_null(json_parse(text, n, "j", &e));
		assert_int_equal(e.kind, ERR_CONFIG);
	}
}

static void json_finish_many_findings_counts_what_does_not_fit(void **state)
{
	char text[2000] = "{\"name\":\"a\"";
	struct err e = ERR_INIT;

	(void)state;
	for (int i = 0; i < 40; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), ",\"unknown%d\":1", i);
	strcat(text, "}");
	struct json_doc *d = json_parse(text, strlen(text), "j", &e);
	struct json_at root = json_root(d);
	read_all(&root);
	assert_int_equal(json_finish(d, &e), -1);
	assert_int_equal(e.kind, ERR_CONFIG);
	assert_true(strlen(e.msg) < sizeof e.msg);
	assert_non_null(strstr(e.msg, "more; `wherry validate` lists all"));
	assert_non_null(strstr(json_findings(d), "unknown39"));
	json_free(d);
}

static void json_load_missing_file_is_not_found(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_null(json_load("/nonexistent/job.json", &e));
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_non_null(strstr(e.msg, "/nonexistent/job.json"));
	e = (struct err)ERR_INIT;
	assert_null(json_load("/", &e));
	assert_int_equal(e.kind, ERR_CONFIG);
}

static void json_text_elements_are_read(void **state)
{
	static const char text[] = "[\"a\", 3, \"b\"]";
	struct err e = ERR_INIT;
	struct json_doc *d = json_parse(text, sizeof text - 1, "j", &e);
	struct json_at list = json_root(d), at;

	(void)state;
	at = json_element(&list, 0);
	assert_string_equal(json_text(&at), "a");
	at = json_element(&list, 1);
	assert_string_equal(json_text(&at), "");
	at = json_element(&list, 2);
	assert_string_equal(json_text(&at), "b");
	at = json_element(&list, 3);
	assert_string_equal(json_text(&at), "");
	assert_string_equal(json_findings(d), "j: [1]: expected a text, found the number 3\n");
	json_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_readers_each_mistake_is_named),
		cmocka_unit_test(json_readers_good_values_are_read),
		cmocka_unit_test(json_parse_broken_text_names_line_and_column),
		cmocka_unit_test(json_parse_truncated_at_every_byte_is_an_error),
		cmocka_unit_test(json_finish_many_findings_counts_what_does_not_fit),
		cmocka_unit_test(json_load_missing_file_is_not_found),
		cmocka_unit_test(json_text_elements_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
