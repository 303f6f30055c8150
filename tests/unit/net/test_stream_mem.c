// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "net/net_fixture.h"
#include "net/stream_mem.h"

#define SIZE 100000

struct writer {
	struct stream *s;
	int rc;
	struct err e;
};

static void *write_pattern(void *p)
{
	struct writer *w = p;
	static const size_t pieces[] = {1, 7, 64, 1000, 4096};
	uint8_t data[4096];

	for (size_t done = 0, i = 0; done < SIZE && w->rc == 0; i++) {
		size_t n = pieces[i % 5] < SIZE - done ? pieces[i % 5] : SIZE - done;

		fx_fill(1, done, data, n);
		w->rc = stream_write(w->s, data, n, &w->e);
		done += n;
	}
	return NULL;
}

/* All of the pattern, through a buffer much smaller than it: both ends have to wait for each other. */
static void stream_mem_small_buffer_all_bytes_in_order(void **state)
{
	struct stream *s[2];
	struct err e = ERR_INIT;
	uint8_t got[SIZE], expected[SIZE];
	pthread_t thread;

	(void)state;
	stream_mem_pair(13, s);
	struct writer w = {.s = s[0]};
	assert_int_equal(pthread_create(&thread, NULL, write_pattern, &w), 0);
	assert_done(stream_read_full(s[1], got, SIZE, &e), &e);
	pthread_join(thread, NULL);
	assert_done(w.rc, &w.e);
	fx_fill(1, 0, expected, SIZE);
	assert_memory_equal(got, expected, SIZE);
	assert_int_equal(s[0]->bytes_out, SIZE);
	assert_int_equal(s[1]->bytes_in, SIZE);
	stream_close(s[0]);
	assert_int_equal(stream_read(s[1], got, 1, &e), 0);
	stream_close(s[1]);
}

static void stream_mem_cut_bytes_before_arrive_then_both_fail(void **state)
{
	struct stream *s[2];
	struct err e = ERR_INIT;
	char got[8];

	(void)state;
	stream_mem_pair(64, s);
	stream_mem_fault(s[0], STREAM_MEM_CUT, 5);
	assert_int_equal(stream_write(s[0], "12345678", 8, &e), -1);
	assert_kind(&e, ERR_NETWORK);
	assert_done(stream_read_full(s[1], got, 5, &e), &e);
	assert_memory_equal(got, "12345", 5);
	assert_int_equal(stream_read(s[1], got, 1, &e), -1);
	assert_kind(&e, ERR_NETWORK);
	assert_int_equal(stream_write(s[1], "x", 1, &e), -1);
	assert_int_equal(stream_read(s[0], got, 1, &e), -1);
	stream_close(s[0]);
	stream_close(s[1]);
}

static void stream_mem_flip_changes_that_byte_only(void **state)
{
	struct stream *s[2];
	struct err e = ERR_INIT;
	char got[6];

	(void)state;
	stream_mem_pair(2, s);
	stream_mem_fault(s[0], STREAM_MEM_FLIP, 3);
	for (int i = 0; i < 3; i++) {
		assert_done(stream_write(s[0], "aa", 2, &e), &e);
		assert_done(stream_read_full(s[1], got + 2 * i, 2, &e), &e);
	}
	assert_memory_equal(got, "aaa`aa", 6);
	stream_close(s[0]);
	stream_close(s[1]);
}

static void stream_mem_stall_reader_and_writer_time_out(void **state)
{
	struct stream *s[2];
	struct err e = ERR_INIT;
	char got[8];

	(void)state;
	stream_mem_pair(4, s);
	stream_mem_fault(s[0], STREAM_MEM_STALL, 2);
	stream_set_timeout(s[0], NS_PER_MS);
	stream_set_timeout(s[1], NS_PER_MS);
	assert_done(stream_write(s[0], "1234", 4, &e), &e);
	assert_done(stream_read_full(s[1], got, 2, &e), &e);
	assert_memory_equal(got, "12", 2);
	assert_int_equal(stream_read(s[1], got, 1, &e), -1);
	assert_kind(&e, ERR_TIMEOUT);
	assert_int_equal(stream_write(s[0], "5678", 4, &e), -1);
	assert_kind(&e, ERR_TIMEOUT);
	stream_close(s[0]);
	stream_close(s[1]);
}

static void *abort_it(void *s)
{
	stream_abort(s);
	return NULL;
}

static void stream_mem_abort_ends_a_waiting_read_and_the_peer(void **state)
{
	struct stream *s[2];
	struct err e = ERR_INIT;
	pthread_t thread;
	char c;

	(void)state;
	stream_mem_pair(4, s);
	assert_int_equal(pthread_create(&thread, NULL, abort_it, s[0]), 0);
	assert_int_equal(stream_read(s[0], &c, 1, &e), -1);
	assert_kind(&e, ERR_CANCELED);
	pthread_join(thread, NULL);
	assert_int_equal(stream_read(s[1], &c, 1, &e), 0);
	assert_int_equal(stream_write(s[1], &c, 1, &e), -1);
	assert_kind(&e, ERR_NETWORK);
	stream_close(s[1]);
	stream_close(s[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream_mem_small_buffer_all_bytes_in_order),
		cmocka_unit_test(stream_mem_cut_bytes_before_arrive_then_both_fail),
		cmocka_unit_test(stream_mem_flip_changes_that_byte_only),
		cmocka_unit_test(stream_mem_stall_reader_and_writer_time_out),
		cmocka_unit_test(stream_mem_abort_ends_a_waiting_read_and_the_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
