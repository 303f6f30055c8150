// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "job/link_watch.h"
#include "net/stream_mem.h"

static const struct log silent = {.fd = -1, .level = LOG_ERROR, .name = "test"};

static void link_watch_read_counts_open_and_closed_connections(void **state)
{
	struct link_watch *w = link_watch_new(&silent, NULL);
	struct stream *one[2], *two[2];
	struct link_state got;
	struct err e = ERR_INIT;
	char bytes[4];

	(void)state;
	stream_mem_pair(64, one);
	stream_mem_pair(64, two);
	link_watch_opened(w, one[0]);
	link_watch_opened(w, two[0]);
	assert_int_equal(stream_write(one[0], "abc", 3, &e), 0);
	assert_int_equal(stream_write(two[0], "de", 2, &e), 0);
	assert_int_equal(stream_write(two[1], "fghi", 4, &e), 0);
	assert_int_equal(stream_read_full(two[0], bytes, 4, &e), 0);
	link_watch_close(w, one[0]);
	link_watch_read(w, &got);
	assert_int_equal(got.out, 5);
	assert_int_equal(got.in, 4);
	link_watch_close(w, two[0]);
	link_watch_read(w, &got);
	assert_int_equal(got.out, 5);
	assert_int_equal(got.in, 4);
	stream_close(one[1]);
	stream_close(two[1]);
	link_watch_free(w);
}

static void link_watch_report_down_only_after_a_cut(void **state)
{
	static const struct {
		unsigned up, cuts;
		bool down;
	} steps[] = {
		{0, 0, false}, {1, 0, false}, {2, 0, false}, /* being made for the first time */
		{1, 1, true}, {0, 2, true}, {1, 2, true}, {2, 2, false}, {1, 3, true},
	};
	struct link_watch *w = link_watch_new(&silent, NULL);
	struct link_state got;

	(void)state;
	link_watch_read(w, &got);
	assert_int_equal(got.st.channels, 0);
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		struct copy_link_status st = {.channels = 2, .up = steps[i].up, .cuts = steps[i].cuts};

		err_set(&st.why, ERR_NETWORK, 0, "cut %u", st.cuts);
		link_watch_report(w, &st);
		link_watch_read(w, &got);
		assert_int_equal(got.down_ns != 0, steps[i].down);
		assert_string_equal(got.st.why.msg, st.why.msg);
	}
	link_watch_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(link_watch_read_counts_open_and_closed_connections),
		cmocka_unit_test(link_watch_report_down_only_after_a_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
