// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "job/run_spec.h"

#define KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define PAIR ",\"session\":\"00000000000000ff\",\"connections\":3"
#define ATTEMPT "\"attempt\":\"0123456789abcdef\","

static const struct {
	const char *key, *value;
} good[] = {
	{"attempt", "\"0123456789abcdef\""},
	{"kind", "\"export\""},
	{"key", "\"" KEY "\""},
	{"chunk_size", "262144"},
	{"checkpoint_bytes", "1048576"},
	{"checkpoint_ms", "1500"},
	{"compression", "\"none\""},
	{"level", "-3"},
	{"read_back", "false"},
	{"read_only", "false"},
	{"limits", "{\"bandwidth\":100000000,\"worker_iops\":500}"},
	{"disks", "[{\"index\":0,\"serial\":\"a-1\",\"size\":512},{\"index\":2,\"serial\":\"@vdb\",\"size\":1024}]"},
	{"reconnect_ms", "7000"},
	{"peer", "{\"dial\":\"10.0.0.1:4433\"" PAIR "}"},
};

static int parse_with(const char *key, const char *value, struct run_spec *out, struct err *e)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, "{");
	for (size_t k = 0; k < sizeof good / sizeof good[0]; k++) {
		const char *v = key != NULL && strcmp(key, good[k].key) == 0 ? value : good[k].value;

		if (v != NULL)
			buf_addf(&b, "%s\"%s\":%s", b.len > 1 ? "," : "", good[k].key, v);
	}
	buf_adds(&b, "}");
	int rc = run_spec_parse(b.data, b.len, out, e);
	buf_fini(&b);
	return rc;
}

static void run_spec_parse_good_order_gives_all_fields(void **state)
{
	struct run_spec s;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(parse_with(NULL, NULL, &s, &e), 0);
	assert_string_equal(s.attempt, "0123456789abcdef");
	assert_int_equal(s.kind, RUN_EXPORT);
	assert_int_equal(s.secret[1], 0x11);
	assert_int_equal(s.chunk_size, 262144);
	assert_int_equal(s.checkpoint_bytes, 1048576);
	assert_true(s.checkpoint_ns == 1500 * NS_PER_MS);
	assert_int_equal(s.compression, COMPRESSION_NONE);
	assert_int_equal(s.level, -3);
	assert_false(s.read_back);
	assert_int_equal(s.limits.of[LIMIT_BANDWIDTH], 100000000);
	assert_int_equal(s.limits.of[LIMIT_WORKER_IOPS], 500);
	assert_int_equal(s.limits.of[LIMIT_DISK_IOPS], 0);
	assert_int_equal(s.disk_count, 2);
	assert_int_equal(s.disks[1].index, 2);
	assert_string_equal(s.disks[1].serial, "@vdb");
	assert_int_equal(s.disks[1].size, 1024);
	assert_false(s.listen);
	assert_string_equal(s.dial, "10.0.0.1:4433");
	assert_int_equal(s.connections, 3);
	assert_true(s.session != 0);
	assert_true(s.reconnect_ns == 7000 * NS_PER_MS);
}

static void run_spec_parse_optional_keys_have_defaults(void **state)
{
	static const char text[] = "{" ATTEMPT "\"kind\":\"scan\",\"key\":\"" KEY "\",\"chunk_size\":65536,"
				   "\"disks\":[{\"index\":7,\"serial\":\"x\",\"size\":1}]}";
	struct run_spec s;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(run_spec_parse(text, strlen(text), &s, &e), 0);
	assert_int_equal(s.kind, RUN_SCAN);
	assert_true(s.checkpoint_bytes == COPY_DEFAULT_CHECKPOINT_BYTES);
	assert_true(s.reconnect_ns == COPY_DEFAULT_PATIENCE_NS);
	assert_true(s.checkpoint_ns == COPY_DEFAULT_CHECKPOINT_NS);
	assert_int_equal(s.compression, COMPRESSION_AUTO);
	assert_true(s.read_back);
	assert_int_equal(s.disks[0].index, 7);
	assert_int_equal(parse_with("peer", "{\"listen\":true" PAIR "}", &s, &e), 0);
	assert_true(s.listen);
	assert_int_equal(parse_with("compression", "\"auto\"", &s, &e), 0);
	assert_int_equal(s.compression, COMPRESSION_AUTO);
	assert_int_equal(parse_with("compression", "\"zstd\"", &s, &e), 0);
	assert_int_equal(s.compression, COMPRESSION_ZSTD);
	assert_false(s.read_only);
	assert_int_equal(parse_with("read_only", "true", &s, &e), 0);
	assert_true(s.read_only);
}

static void run_spec_parse_read_only_import_is_refused(void **state)
{
	static const char text[] = "{" ATTEMPT "\"kind\":\"import\",\"key\":\"" KEY "\",\"chunk_size\":65536,"
				   "\"read_only\":true,\"disks\":[{\"index\":7,\"serial\":\"x\",\"size\":1}],\"peer\":{\"listen\":true" PAIR "}}";
	struct run_spec s;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(run_spec_parse(text, strlen(text), &s, &e), -1);
	assert_non_null(strstr(e.msg, "read_only"));
}

static const struct {
	const char *key, *value;
} wrong_values[] = {
	{"peer", "{\"listen\":true,\"session\":\"ff\",\"connections\":1}"},
	{"peer", "{\"listen\":true,\"session\":\"00000000000000ff\",\"connections\":0}"},
	{"peer", "{\"listen\":true,\"session\":\"00000000000000ff\",\"connections\":9}"},
	{"reconnect_ms", "0"},
	{"attempt", NULL},
	{"attempt", "\"\""},
	{"attempt", "1"},
	{"attempt", "\"0123456789abcde\""},
	{"attempt", "\"0123456789abcdef0\""},
	{"attempt", "\"0123456789ABCDEF\""},
	{"attempt", "\"0123456789abcde\\u0000\""},
	{"kind", NULL},
	{"kind", "\"move\""},
	{"kind", "1"},
	{"kind", "\"scan\""}, /* which has no peer */
	{"key", NULL},
	{"key", "\"00\""},
	{"key", "\"" KEY "0\""},
	{"key", "7"},
	{"chunk_size", NULL},
	{"chunk_size", "65537"},
	{"chunk_size", "32768"},
	{"chunk_size", "8388608"},
	{"chunk_size", "-65536"},
	{"chunk_size", "\"64K\""},
	{"checkpoint_bytes", "0"},
	{"checkpoint_bytes", "\"1\""},
	{"checkpoint_ms", "0"},
	{"checkpoint_ms", "86400001"},
	{"checkpoint_ms", "1.5"},
	{"compression", "\"gzip\""},
	{"compression", "true"},
	{"level", "20"},
	{"level", "18446744073709551605"}, /* 2^64 - 11 is not -11 */
	{"level", "0"},
	{"level", "-51"},
	{"level", "\"1\""},
	{"read_back", "1"},
	{"read_only", "1"},
	{"limits", "7"},
	{"limits", "{\"bandwidth\":\"100MB/s\"}"},
	{"limits", "{\"bandwidth\":0}"},
	{"limits", "{\"bandwidth\":1}"},
	{"limits", "{\"disk_iops\":-1}"},
	{"limits", "{\"rate\":100000000}"},
	{"disks", NULL},
	{"disks", "[]"},
	{"disks", "{}"},
	{"disks", "[1]"},
	{"disks", "[{\"index\":0,\"serial\":\"a\"}]"},
	{"disks", "[{\"index\":0,\"serial\":\"a\",\"size\":0}]"},
	{"disks", "[{\"index\":0,\"serial\":\"a b\",\"size\":1}]"},
	{"disks", "[{\"index\":0,\"serial\":\"\",\"size\":1}]"},
	{"disks", "[{\"index\":64,\"serial\":\"a\",\"size\":1}]"},
	{"disks", "[{\"index\":-1,\"serial\":\"a\",\"size\":1}]"},
	{"disks", "[{\"index\":0,\"serial\":\"a\",\"size\":1,\"x\":1}]"},
	{"disks", "[{\"index\":1,\"serial\":\"a\",\"size\":1},{\"index\":0,\"serial\":\"b\",\"size\":1}]"},
	{"disks", "[{\"index\":0,\"serial\":\"a\",\"size\":1},{\"index\":0,\"serial\":\"b\",\"size\":1}]"},
	{"disks", "[{\"index\":0,\"serial\":\"a\",\"size\":1},{\"index\":1,\"serial\":\"a\",\"size\":1}]"},
	{"peer", NULL},
	{"peer", "{}"},
	{"peer", "{\"listen\":false}"},
	{"peer", "{\"listen\":true}"},
	{"peer", "{\"dial\":\"\"" PAIR "}"},
	{"peer", "{\"dial\":\"a:1\",\"listen\":true" PAIR "}"},
	{"peer", "{\"listen\":true" PAIR ",\"x\":1}"},
	{"peer", "\"listen\""},
};

#define AT "\"at\":{\"url\":\"https://a/c/d.vhd\",\"token\":\"sv=1&sig=x\",\"lease\":\"l\"}"

static int parse_kind(const char *kind, const char *disk, const char *more, struct run_spec *s, struct err *e)
{
	struct buf b = BUF_INIT;

	buf_addf(&b, "{" ATTEMPT "\"kind\":\"%s\",\"key\":\"" KEY "\",\"chunk_size\":65536,\"disks\":[{\"index\":1,"
		 "\"size\":1048576,%s}]%s}", kind, disk, more);
	int rc = run_spec_parse(b.data, b.len, s, e);
	buf_fini(&b);
	return rc;
}

static void run_spec_parse_copy_has_a_device_and_a_blob_for_each_disk(void **state)
{
	struct run_spec s;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(parse_kind("copy", "\"serial\":\"x\",\"changed\":[2,3]," AT, ",\"trust\":\"PEM\"", &s, &e), 0);
	assert_int_equal(s.kind, RUN_COPY);
	assert_string_equal(s.disks[0].at.url, "https://a/c/d.vhd");
	assert_string_equal(s.disks[0].at.token, "sv=1&sig=x");
	assert_string_equal(s.disks[0].at.lease, "l");
	assert_non_null(s.disks[0].changed);
	assert_string_equal(s.trust, "PEM");
	run_spec_fini(&s);
	assert_int_equal(parse_kind("scan", AT, "", &s, &e), 0);
	assert_string_equal(s.disks[0].serial, "");
	run_spec_fini(&s);
}

static void run_spec_parse_disk_at_the_wrong_place_is_refused(void **state)
{
	static const char *const wrong[][3] = {
		{"copy", "\"serial\":\"x\"", ""}, {"copy", AT, ""}, {"scan", "\"serial\":\"x\"," AT, ""},
		{"copy", "\"serial\":\"x\"," AT, ",\"peer\":{\"listen\":true" PAIR "}"},
		{"export", "\"serial\":\"x\"," AT, ",\"peer\":{\"listen\":true" PAIR "}"},
		{"scan", "\"at\":{\"url\":\"https://a\",\"token\":\"\"}", ""},
		{"scan", "\"at\":{\"url\":\"\",\"token\":\"\",\"lease\":\"\"}", ""},
		{"scan", "\"at\":{\"url\":\"https://a\",\"token\":\"a\\r\\nHost: b\",\"lease\":\"\"}", ""},
		{"scan", "\"at\":{\"url\":\"https://a\",\"token\":\"\",\"lease\":\"l\\nx-ms-a: b\"}", ""},
		{"scan", AT, ",\"trust\":1"},
	};
	struct run_spec s;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct err e = ERR_INIT;

		assert_int_equal(parse_kind(wrong[i][0], wrong[i][1], wrong[i][2], &s, &e), -1);
		assert_int_equal(e.kind, ERR_CONFIG);
		assert_null(strstr(e.msg, "sig=x"));
		run_spec_fini(&s);
	}
}

static void run_spec_parse_wrong_value_names_the_key(void **state)
{
	(void)state;
	for (size_t c = 0; c < sizeof wrong_values / sizeof wrong_values[0]; c++) {
		const char *names = strcmp(wrong_values[c].key, "kind") == 0 && wrong_values[c].value != NULL &&
				strcmp(wrong_values[c].value, "\"scan\"") == 0 ? "peer" : wrong_values[c].key;
		struct run_spec s;
		struct err e = ERR_INIT;

		if (parse_with(wrong_values[c].key, wrong_values[c].value, &s, &e) == 0)
			fail_msg("%s: %s was taken", wrong_values[c].key, wrong_values[c].value != NULL ? wrong_values[c].value : "(none)");
		assert_int_equal(e.kind, ERR_CONFIG);
		assert_non_null(strstr(e.msg, names));
		assert_null(strstr(e.msg, "0011")); /* never any of the key */
	}
}

/* One disk of 10 chunks and a bit with that list. */
static int parse_changed(const char *list, const char *kind, struct run_spec *s, struct err *e)
{
	struct buf b = BUF_INIT;

	/* The chunk size comes after the disks: order means nothing. */
	buf_addf(&b, "{" ATTEMPT "\"kind\":\"%s\",\"key\":\"" KEY "\",\"disks\":[{\"index\":0,\"serial\":\"a\","
		 "\"size\":655872,\"changed\":%s}],%s\"chunk_size\":65536}", kind, list,
		 strcmp(kind, "scan") == 0 ? "" : "\"peer\":{\"listen\":true" PAIR "},");
	int rc = run_spec_parse(b.data, b.len, s, e);
	buf_fini(&b);
	return rc;
}

static void run_spec_parse_changed_gives_ranges(void **state)
{
	static const struct {
		const char *list;
		size_t n;
		struct extent want[2];
	} cases[] = {
		{"[]", 0, {{0}}},
		{"[0,1]", 1, {{0, 65536}}},
		{"[0,11]", 1, {{0, 655872}}},
		{"[10,1]", 1, {{655360, 655872}}},
		{"[1,2,3,4]", 2, {{65536, 3 * 65536}, {6 * 65536, 10 * 65536}}},
	};

	(void)state;
	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		struct run_spec s;
		struct err e = ERR_INIT;

		if (parse_changed(cases[c].list, "export", &s, &e) != 0)
			fail_msg("%s: %s", cases[c].list, e.msg);
		assert_non_null(s.disks[0].changed);
		assert_int_equal(s.disks[0].changed->size, 655872);
		assert_int_equal(s.disks[0].changed->ranges.list.len, cases[c].n);
		if (cases[c].n > 0)
			assert_memory_equal(s.disks[0].changed->ranges.list.at, cases[c].want,
					    cases[c].n * sizeof cases[c].want[0]);
		run_spec_fini(&s);
		assert_null(s.disks[0].changed);
	}
}

static void run_spec_parse_wrong_changed_is_refused(void **state)
{
	static const struct {
		const char *list, *kind;
	} cases[] = {
		{"[1]", "export"}, {"[0,1,2]", "export"}, {"[0,12]", "export"}, {"[11,1]", "export"}, {"[0,0]", "export"},
		{"[0,1,0,1]", "export"}, {"[0,-1]", "export"}, {"[0,1.5]", "export"}, {"[\"0\",\"1\"]", "export"},
		{"{}", "export"}, {"null", "export"}, {"\"0 1\"", "export"}, {"[0,18446744073709551615]", "export"},
		{"[0,1]", "import"}, {"[0,1]", "scan"},
	};

	(void)state;
	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		struct run_spec s;
		struct err e = ERR_INIT;

		if (parse_changed(cases[c].list, cases[c].kind, &s, &e) == 0)
			fail_msg("%s of an %s was taken", cases[c].list, cases[c].kind);
		assert_int_equal(e.kind, ERR_CONFIG);
		assert_non_null(strstr(e.msg, "\"changed\""));
		run_spec_fini(&s);
	}
}

static void run_spec_parse_too_many_changed_ranges_is_refused(void **state)
{
	struct buf b = BUF_INIT;
	struct run_spec s;
	struct err e = ERR_INIT;

	(void)state;
	for (unsigned n = 0; n < 2; n++) {
		buf_adds(&b, "{" ATTEMPT "\"kind\":\"export\",\"key\":\"" KEY "\",\"chunk_size\":65536,\"peer\":"
			 "{\"listen\":true" PAIR "},\"disks\":[{\"index\":0,\"serial\":\"a\",\"size\":70368744177664,\"changed\":[0,1");
		for (unsigned i = 1; i < API_MAX_RANGES + n; i++)
			buf_adds(&b, ",1,1");
		buf_adds(&b, "]}]}");
		assert_int_equal(run_spec_parse(b.data, b.len, &s, &e), n == 0 ? 0 : -1);
		run_spec_fini(&s);
		buf_clear(&b);
	}
	assert_non_null(strstr(e.msg, "\"changed\""));
	buf_fini(&b);
}

static void run_spec_parse_wrong_shape_is_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"", "not JSON"}, {"[]", "one JSON object"}, {"{\"kinds\":1}", "unknown key \"kinds\""},
		{"{\"level\":1,\"level\":1}", "twice"},
	};

	(void)state;
	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		struct run_spec s;
		struct err e = ERR_INIT;

		assert_int_equal(run_spec_parse(cases[c].text, strlen(cases[c].text), &s, &e), -1);
		assert_non_null(strstr(e.msg, cases[c].says));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_spec_parse_good_order_gives_all_fields),
		cmocka_unit_test(run_spec_parse_optional_keys_have_defaults),
		cmocka_unit_test(run_spec_parse_read_only_import_is_refused),
		cmocka_unit_test(run_spec_parse_copy_has_a_device_and_a_blob_for_each_disk),
		cmocka_unit_test(run_spec_parse_disk_at_the_wrong_place_is_refused),
		cmocka_unit_test(run_spec_parse_wrong_value_names_the_key),
		cmocka_unit_test(run_spec_parse_changed_gives_ranges),
		cmocka_unit_test(run_spec_parse_wrong_changed_is_refused),
		cmocka_unit_test(run_spec_parse_too_many_changed_ranges_is_refused),
		cmocka_unit_test(run_spec_parse_wrong_shape_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
