// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

#include "base/clock.h"
#include "events_impl.h"
#include "json_line.h"

#define MIB (UINT64_C(1) << 20)

static int64_t mono_now = 1000 * NS_PER_S;

static int64_t test_mono(void)
{
	return mono_now;
}

/* 2026-11-21T04:05:06Z plus what the other clock went on. */
static int64_t test_wall(void)
{
	return INT64_C(1795233906) * NS_PER_S + mono_now - 1000 * NS_PER_S;
}

struct screen {
	struct events *ev;
	FILE *results_file, *talk_file;
	char *results, *talk;
	size_t results_len, talk_len;
};

static void start(struct screen *s, const struct events_ops *ops)
{
	*s = (struct screen){0};
	mono_now = 1000 * NS_PER_S;
	s->results_file = open_memstream(&s->results, &s->results_len);
	s->talk_file = open_memstream(&s->talk, &s->talk_len);
	s->ev = events_new_on(ops, "web1", s->results_file, s->talk_file, test_mono, test_wall);
}

static void finish(struct screen *s)
{
	events_free(s->ev);
	fclose(s->results_file);
	fclose(s->talk_file);
}

static void drop(struct screen *s)
{
	free(s->results);
	free(s->talk);
}

static struct disk_progress disk_at(uint64_t scanned, uint64_t sent)
{
	return (struct disk_progress){.index = 0, .name = "disk0", .size = 1000 * MIB, .scanned = scanned * MIB,
				      .zero = 5 * MIB, .unchanged = 0, .sent = sent * MIB, .sent_wire = sent * MIB / 2,
				      .written = sent * MIB, .durable = sent * MIB};
}

/* The same story on every display. */
static void tell(struct events *ev)
{
	struct err e = ERR_INIT;

	events_step(ev, "snapshot", "%d disks of running machine web1 at one instant", 2);
	for (int i = 0; i <= 8; i++) {
		struct disk_progress d = disk_at((uint64_t)i * 100, (uint64_t)i * 10);

		events_progress(ev, &d, 1);
		mono_now += NS_PER_S;
	}
	events_warn(ev, "a worker is \"slow\"");
	err_set(&e, ERR_BUSY, 0, "job web1 is held");
	events_error(ev, &e);
	events_result(ev, "generation", "%d", 3);
	events_result(ev, "sent", "%llu", 84934656ULL);
	events_result(ev, "promoted", "%s", "web1");
}

static void events_plain_golden(void **state)
{
	struct screen s;

	(void)state;
	start(&s, &events_plain_ops);
	tell(s.ev);
	finish(&s);
	assert_string_equal(s.talk,
		"04:05:06 web1: snapshot: 2 disks of running machine web1 at one instant\n"
		"04:05:06 web1: disk 0: 0%, read 0 B of 1000.0 MiB at 0 B/s, sent 0 B at 0 B/s, left -\n"
		"04:05:11 web1: disk 0: 50%, read 500.0 MiB of 1000.0 MiB at 100.0 MiB/s, sent 50.0 MiB at 10.0 MiB/s, "
		"left 0:06\n"
		"04:05:15 web1: warning: a worker is \"slow\"\n"
		"04:05:15 web1: disk 0: 80%, read 800.0 MiB of 1000.0 MiB at 100.0 MiB/s, sent 80.0 MiB at 10.0 MiB/s, "
		"left 0:03\n"
		"wherry: job web1 is held\n");
	assert_string_equal(s.results, "generation   3\nsent         81.0 MiB (84934656 bytes)\npromoted     web1\n");
	drop(&s);
}

static void events_json_golden(void **state)
{
	struct screen s;
	unsigned lines = 0;

	(void)state;
	start(&s, &events_json_ops);
	tell(s.ev);
	finish(&s);
	assert_string_equal(s.talk, "");
	assert_starts(s.results,
		"{\"event\":\"step\",\"time\":\"2026-11-21T04:05:06Z\",\"job\":\"web1\",\"step\":\"snapshot\",\"text\":\"2 disks of "
		"running machine web1 at one instant\"}\n"
		"{\"event\":\"progress\",\"time\":\"2026-11-21T04:05:06Z\",\"job\":\"web1\",\"disk\":0,\"name\":\"disk0\","
		"\"size\":1048576000,\"scanned\":0,\"skipped\":0,\"zero\":5242880,\"unchanged\":0,\"sent\":0,\"wire\":0,\"written\":0,"
		"\"durable\":0,\"scan_rate\":0,\"sent_rate\":0,\"eta_s\":-1,\"limits\":{}}\n"
		"{\"event\":\"progress\",\"time\":\"2026-11-21T04:05:07Z\",\"job\":\"web1\",\"disk\":0,\"name\":\"disk0\","
		"\"size\":1048576000,\"scanned\":104857600,\"skipped\":0,\"zero\":5242880,\"unchanged\":0,\"sent\":10485760,\"wire\":5242880,"
		"\"written\":10485760,\"durable\":10485760,\"scan_rate\":104857600,\"sent_rate\":10485760,\"eta_s\":10,\"limits\":{}}\n");
	assert_has(s.results, "\"event\":\"warning\",\"time\":\"2026-11-21T04:05:15Z\",\"job\":\"web1\",\"text\":\"a worker is "
		   "\\\"slow\\\"\"}\n");
	assert_has(s.results, "\"kind\":\"busy\",\"message\":\"job web1 is held\",\"exit\":5}\n");
	assert_has(s.results, "\"key\":\"generation\",\"value\":3}\n");
	assert_has(s.results, "\"key\":\"promoted\",\"value\":\"web1\"}\n");
	for (char *p = s.results, *end; *p != '\0'; p = end + 1, lines++) {
		end = strchr(p, '\n');
		assert_non_null(end);
		yyjson_doc *doc = yyjson_read(p, (size_t)(end - p), 0);
		assert_non_null(doc);
		assert_true(yyjson_is_obj(yyjson_doc_get_root(doc)));
		yyjson_doc_free(doc);
	}
	assert_int_equal(lines, 1 + 9 + 1 + 1 + 3);
	drop(&s);
}

static void events_limits_are_told_once_and_shown_with_the_progress(void **state)
{
	static const struct {
		const struct events_ops *ops;
		const char *told, *shown, *lifted;
	} cases[] = {
		{&events_plain_ops, "limit: limited to 50 MB/s on the network\n", "left -, limited to 50 MB/s on the network\n",
		 "limit: no limits any more\n"},
		{&events_json_ops, "\"text\":\"limited to 50 MB/s on the network\"}", "\"limits\":{\"bandwidth\":50000000}}",
		 "\"text\":\"no limits any more\"}"},
		{&events_tty_ops, "limit: limited to 50 MB/s on the network", "copy it, limited to 50 MB/s on the network",
		 "limit: no limits any more"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct limits limits = {.of = {[LIMIT_BANDWIDTH] = 50000000}}, none = {{0}};
		struct disk_progress d = disk_at(1, 1);
		struct screen s;

		start(&s, cases[i].ops);
		events_limits(s.ev, &none);
		events_step(s.ev, "copy", "copy it");
		events_limits(s.ev, &limits);
		events_limits(s.ev, &limits);
		events_progress(s.ev, &d, 1);
		events_limits(s.ev, &none);
		finish(&s);
		const char *out = cases[i].ops == &events_json_ops ? s.results : s.talk, *told = strstr(out, cases[i].told);
		assert_non_null(told);
		assert_null(strstr(told + 1, cases[i].told));
		assert_has(out, cases[i].shown);
		const char *lifted = strstr(out, cases[i].lifted);
		assert_non_null(lifted);
		assert_true(lifted > told);
		drop(&s);
	}
}

static void events_quiet_tells_only_trouble(void **state)
{
	struct screen s;

	(void)state;
	start(&s, &events_quiet_ops);
	tell(s.ev);
	finish(&s);
	assert_string_equal(s.talk, "04:05:15 web1: warning: a worker is \"slow\"\nwherry: job web1 is held\n");
	assert_string_equal(s.results, "");
	drop(&s);
}

static void events_long_silence_is_broken(void **state)
{
	static const struct {
		const struct events_ops *ops;
		const char *says;
	} cases[] = {{&events_plain_ops, "still at work after 30 s: it boots"}, {&events_json_ops, "\"alive\""}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct screen s;

		start(&s, cases[i].ops);
		events_step(s.ev, "worker", "it boots");
		for (int second = 0; second < 29; second++) {
			mono_now += NS_PER_S;
			s.ev->ops->tick(s.ev);
		}
		fflush(s.talk_file);
		fflush(s.results_file);
		assert_null(strstr(s.talk, "still"));
		assert_null(strstr(s.results, "alive"));
		mono_now += NS_PER_S;
		s.ev->ops->tick(s.ev);
		s.ev->ops->tick(s.ev);
		finish(&s);
		const char *where = i == 0 ? s.talk : s.results;
		assert_has(where, cases[i].says);
		assert_null(strstr(strstr(where, cases[i].says) + 1, cases[i].says));
		drop(&s);
	}
}

/* What a terminal of 80 columns shows in the end; knows the sequences that are used. */
static void render(const char *bytes, char rows[40][81], unsigned *row)
{
	unsigned column = 0;

	for (const char *p = bytes; *p != '\0'; p++) {
		unsigned n = 0;
		char *end;

		if (*p == '\n') {
			++*row;
		} else if (*p == '\r') {
			column = 0;
		} else if (*p == '\x1b') {
			n = (unsigned)strtoul(p + 2, &end, 10);
			p = end;
			if (*p == 'A') {
				assert_true(n <= *row);
				*row -= n;
			} else if (*p == 'K') {
				memset(rows[*row] + column, 0, 81 - column);
			} else {
				assert_int_equal(*p, 'J');
				for (unsigned r = *row; r < 40; r++)
					memset(rows[r], 0, 81);
			}
		} else {
			assert_true(column < 79); /* never wraps */
			rows[*row][column++] = *p;
		}
	}
}

static void events_tty_redraws_in_place(void **state)
{
	char rows[40][81] = {{0}};
	unsigned row = 0;
	struct screen s;
	struct disk_progress d[2] = {disk_at(100, 10), disk_at(250, 0)};

	(void)state;
	start(&s, &events_tty_ops);
	d[1].index = 1;
	snprintf(d[1].name, sizeof d[1].name, "a-very-long-disk-name-\x1b[31m-that-goes-on-and-on-and-on");
	events_step(s.ev, "snapshot", "2 disks of running machine web1 at one instant, with more words than fit in a line");
	events_progress(s.ev, d, 2);
	mono_now += NS_PER_S;
	d[0] = disk_at(200, 20);
	events_progress(s.ev, d, 2);
	fflush(s.talk_file);
	/* The step scrolled up is longer than a line; only the live lines are cut. */
	char *live = strchr(s.talk, '\n') + 1;
	render(live, rows, &row);
	assert_starts(rows[0], "  disk0   20% 200.0 MiB of 1000.0 MiB 100.0 MiB/s sent 20.0 MiB left 0:0");
	assert_starts(rows[1], "  a-very-long-disk-nam  25%");
	assert_starts(rows[2], "  0:01  2 disks of running machine");
	assert_int_equal(row, 3);
	finish(&s);
	memset(rows, 0, sizeof rows);
	row = 0;
	render(strchr(s.talk, '\n') + 1, rows, &row);
	assert_starts(rows[0], "  disk0   20%");
	assert_int_equal(rows[2][0], 0); /* the step in progress is gone, the cursor is below the disks */
	assert_int_equal(row, 2);
	drop(&s);
}

/* What the signal's handler writes below the live area stays readable. */
static void events_tty_goes_on_below_an_interruption(void **state)
{
	char rows[40][81] = {{0}};
	atomic_bool flag = false;
	unsigned row = 0;
	struct screen s;
	struct disk_progress d = disk_at(100, 10);

	(void)state;
	start(&s, &events_tty_ops);
	events_interrupted_by(s.ev, &flag);
	events_step(s.ev, "copy", "all");
	events_progress(s.ev, &d, 1);
	mono_now += NS_PER_S;
	events_progress(s.ev, &d, 1);
	fputs("\r\nwherry: interrupted\r\n", s.talk_file);
	flag = true;
	for (int i = 0; i < 2; i++) {
		mono_now += NS_PER_S;
		d = disk_at(200 + 100 * (uint64_t)i, 20);
		events_progress(s.ev, &d, 1);
	}
	fflush(s.talk_file);
	render(strchr(s.talk, '\n') + 1, rows, &row);
	assert_starts(rows[0], "  disk0   10%");
	assert_starts(rows[3], "wherry: interrupted");
	assert_starts(rows[4], "  disk0   30%");
	assert_int_equal(row, 6);
	finish(&s);
	drop(&s);
}

static void meter_rates_follow_the_window(void **state)
{
	struct meter m = {0};
	struct disk_progress d;
	char text[16];

	(void)state;
	assert_int_equal(meter_scan_rate(&m), 0);
	d = disk_at(0, 0);
	assert_int_equal(meter_eta_s(&m, &d), -1);
	/* 20 s at 100 MiB/s in many small steps, then 20 s at 1 MiB/s: the window has forgotten the fast part. */
	for (int i = 0; i <= 200; i++) {
		d.scanned = (uint64_t)i * 10 * MIB;
		d.size = 10000 * MIB;
		meter_add(&m, (int64_t)i * NS_PER_S / 10, &d);
	}
	assert_in_range(meter_scan_rate(&m), 99 * MIB, 101 * MIB);
	assert_in_range(meter_eta_s(&m, &d), 79, 82);
	for (int i = 1; i <= 200; i++) {
		d.scanned = 2000 * MIB + (uint64_t)i * MIB / 10;
		meter_add(&m, 20 * NS_PER_S + (int64_t)i * NS_PER_S / 10, &d);
	}
	assert_in_range(meter_scan_rate(&m), MIB * 9 / 10, MIB * 11 / 10);
	/* A run that starts again does not count backwards. */
	d.scanned = 0;
	meter_add(&m, 41 * NS_PER_S, &d);
	assert_int_equal(meter_scan_rate(&m), 0);
	assert_string_equal(meter_format_s(3723, text), "1:02:03");
	assert_string_equal(meter_format_s(-1, text), "-");
	d.scanned = d.size - 1;
	assert_int_equal(meter_percent(&d), 99);
	d.scanned = d.size;
	assert_int_equal(meter_percent(&d), 100);
	assert_int_equal(meter_eta_s(&m, &d), 0);
}

static void json_line_any_bytes_stay_valid(void **state)
{
	static const char *const texts[] = {"plain", "gr\xc3\xbc\xc3\x9f", "\xff\xfe", "a\xc3", "\xed\xa0\x80", "\xf0\x9f\x98\x80",
					    "\xf5\x80\x80\x80", "quote\"back\\slash\n\t\x01", ""};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		char *text = NULL;
		size_t len;
		FILE *f = open_memstream(&text, &len);

		json_line(f, "a:s n:u i:i b:b none:s raw:j", texts[i], UINT64_MAX, INT64_C(-5), 1, NULL, "[1,2]");
		fclose(f);
		yyjson_doc *doc = yyjson_read(text, len, 0);
		assert_non_null(doc);
		yyjson_val *root = yyjson_doc_get_root(doc);
		assert_int_equal(yyjson_obj_size(root), 6);
		assert_true(yyjson_get_uint(yyjson_obj_get(root, "n")) == UINT64_MAX);
		assert_int_equal(yyjson_get_sint(yyjson_obj_get(root, "i")), -5);
		assert_true(yyjson_is_null(yyjson_obj_get(root, "none")));
		assert_int_equal(yyjson_arr_size(yyjson_obj_get(root, "raw")), 2);
		if (i == 1 || i == 5 || i == 7)
			assert_string_equal(yyjson_get_str(yyjson_obj_get(root, "a")), texts[i]);
		yyjson_doc_free(doc);
		free(text);
	}
}

/* With the ticker's thread: nothing is written, nothing hangs. */
static void events_new_quiet_ends_at_once(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		struct events *ev = events_new(EVENTS_QUIET, "web1");
		struct disk_progress d = disk_at(1, 1);

		events_step(ev, "copy", "all");
		events_progress(ev, &d, 1);
		events_result(ev, "generation", "1");
		events_free(ev);
	}
	events_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_plain_golden),
		cmocka_unit_test(events_json_golden),
		cmocka_unit_test(events_limits_are_told_once_and_shown_with_the_progress),
		cmocka_unit_test(events_quiet_tells_only_trouble),
		cmocka_unit_test(events_long_silence_is_broken),
		cmocka_unit_test(events_tty_redraws_in_place),
		cmocka_unit_test(events_tty_goes_on_below_an_interruption),
		cmocka_unit_test(meter_rates_follow_the_window),
		cmocka_unit_test(events_new_quiet_ends_at_once),
		cmocka_unit_test(json_line_any_bytes_stay_valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
