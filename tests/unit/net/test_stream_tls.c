// SPDX-License-Identifier: Apache-2.0
/* Bytes over TLS streams: both ways at once, batches, ends and faults. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/net_fixture.h"
#include "net/stream_mem.h"

#define BOTH_WAYS ((size_t)32 << 20)

static void close_both(struct stream *s[2])
{
	stream_close(s[0]);
	stream_close(s[1]);
}

struct mover {
	struct stream *s;
	uint64_t seed;
	size_t total;
	bool writes;
	int rc;
	struct err e;
};

static int move_piece(struct mover *m, size_t done, uint8_t *data, uint8_t *expected, size_t n)
{
	fx_fill(m->seed, done, m->writes ? data : expected, n);
	if (m->writes)
		return stream_write(m->s, data, n, &m->e);
	if (stream_read_full(m->s, data, n, &m->e) < 0)
		return -1;
	if (memcmp(data, expected, n) != 0)
		return err_set(&m->e, ERR_CORRUPT, 0, "wrong bytes after %zu", done);
	return 0;
}

static void *move(void *p)
{
	struct mover *m = p;
	/* Around the sizes of records and batches, and frames as the chunk stream has them. */
	static const size_t sizes[] = {1, 32, 16383, 16384, 16385, 262176, 100000, 300000};
	uint8_t *data = mem_alloc(300000), *expected = mem_alloc(300000);

	for (size_t done = 0, i = 0; done < m->total && m->rc == 0; i++) {
		size_t n = sizes[(i + m->seed) % 8] < m->total - done ? sizes[(i + m->seed) % 8]
								      : m->total - done;

		m->rc = move_piece(m, done, data, expected, n);
		done += n;
	}
	if (m->writes && m->rc == 0)
		m->rc = stream_flush(m->s, &m->e);
	if (m->rc < 0)
		stream_abort(m->s); /* the others are not to wait for ever */
	free(data);
	free(expected);
	return NULL;
}

static void move_both_ways(struct stream *s[2], size_t total)
{
	struct mover m[4] = {
		{.s = s[0], .seed = 1, .total = total, .writes = true},
		{.s = s[1], .seed = 1, .total = total},
		{.s = s[1], .seed = 2, .total = total, .writes = true},
		{.s = s[0], .seed = 2, .total = total},
	};
	pthread_t thread[4];

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, move, &m[i]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0; i < 4; i++)
		assert_done(m[i].rc, &m[i].e);
	assert_int_equal(s[0]->bytes_out, total);
	assert_int_equal(s[0]->bytes_in, total);
	close_both(s);
}

static void stream_tls_both_ways_at_once_over_tcp_all_bytes_right(void **state)
{
	struct fx_side side[2] = {fx_side("a"), fx_side("b")};
	struct stream *lower[2], *s[2];
	struct err e[2];

	(void)state;
	fx_trust_key(&side[0], side[1].key);
	fx_trust_key(&side[1], side[0].key);
	fx_tcp_pair(lower);
	fx_handshake(side, lower, s, e);
	assert_non_null(s[0]);
	assert_non_null(s[1]);
	move_both_ways(s, BOTH_WAYS);
	fx_side_fini(&side[0]);
	fx_side_fini(&side[1]);
}

/* A buffer below that holds less than a record: every wait is met. */
static void stream_tls_both_ways_at_once_over_small_memory_all_bytes_right(void **state)
{
	struct stream *s[2];

	(void)state;
	fx_tls_pair(777, s, NULL);
	move_both_ways(s, (size_t)2 << 20);
}

static void stream_tls_full_records_and_large_batches(void **state)
{
	struct stream *s[2], *lower[2];
	struct err e = ERR_INIT;
	char *data = mem_alloc(1 << 20);

	(void)state;
	fx_tls_pair(4 << 20, s, lower);
	uint64_t before = lower[0]->bytes_out;
	for (size_t done = 0; done < 1 << 20; done += 1024)
		assert_done(stream_write(s[0], data + done, 1024, &e), &e);
	assert_done(stream_flush(s[0], &e), &e);
	/* Each of 64 records has 5 bytes of header, 1 of type and 16 of tag (RFC 8446, section 5.2). */
	assert_int_equal(lower[0]->bytes_out - before, (1 << 20) + 64 * 22);
	free(data);
	close_both(s);
}

/* ---- Ends and faults ---- */

static void stream_tls_orderly_close_zero(void **state)
{
	struct stream *s[2];
	struct err e = ERR_INIT;
	char got[4];

	(void)state;
	fx_tls_pair(1 << 16, s, NULL);
	assert_done(stream_write(s[0], "last", 4, &e), &e);
	stream_close(s[0]); /* flushes */
	assert_done(stream_read_full(s[1], got, 4, &e), &e);
	assert_memory_equal(got, "last", 4);
	assert_int_equal(stream_read(s[1], got, 1, &e), 0);
	assert_int_equal(stream_read(s[1], got, 1, &e), 0);
	stream_close(s[1]);
}

/* An end without the peer's word is a cut, never an orderly end: whoever cuts must not decide what was
 * complete. */
static void stream_tls_end_below_without_close_network(void **state)
{
	struct stream *s[2], *lower[2];
	struct err e = ERR_INIT;
	char c;

	(void)state;
	fx_tls_pair(1 << 16, s, lower);
	stream_abort(lower[0]);
	assert_int_equal(stream_read(s[1], &c, 1, &e), -1);
	assert_kind(&e, ERR_NETWORK);
	assert_int_equal(stream_read(s[1], &c, 1, &e), -1);
	assert_kind(&e, ERR_NETWORK);
	close_both(s);
}

/* Cut inside of a record: what came whole is given out, then an error. */
static void stream_tls_cut_in_mid_record_network(void **state)
{
	struct stream *s[2], *lower[2];
	struct err e = ERR_INIT;
	char *data = mem_alloc(20000);

	(void)state;
	fx_tls_pair(1 << 16, s, lower);
	stream_mem_fault(lower[0], STREAM_MEM_CUT, lower[0]->bytes_out + 16500);
	assert_done(stream_write(s[0], data, 20000, &e), &e);
	assert_int_equal(stream_flush(s[0], &e), -1);
	assert_kind(&e, ERR_NETWORK);
	assert_int_equal(stream_write(s[0], data, 1, &e), -1);
	assert_done(stream_read_full(s[1], data, 16384, &e), &e);
	assert_int_equal(stream_read(s[1], data, 1, &e), -1);
	assert_kind(&e, ERR_NETWORK);
	free(data);
	close_both(s);
}

static void stream_tls_flipped_bit_never_given_out(void **state)
{
	static const unsigned at[] = {5, 100, 1021}; /* in the cipher text, and in the tag */

	(void)state;
	for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
		struct stream *s[2], *lower[2];
		struct err e = ERR_INIT;
		char data[1000] = "";

		fx_tls_pair(1 << 16, s, lower);
		stream_mem_fault(lower[0], STREAM_MEM_FLIP, lower[0]->bytes_out + at[i]);
		assert_done(stream_write(s[0], data, sizeof data, &e), &e);
		assert_done(stream_flush(s[0], &e), &e);
		assert_int_equal(stream_read(s[1], data, sizeof data, &e), -1);
		assert_kind(&e, ERR_NETWORK);
		assert_says(&e, "changed on the way");
		assert_int_equal(stream_read(s[1], data, sizeof data, &e), -1);
		stream_close(s[1]); /* sends its alert */
		assert_int_equal(stream_read(s[0], data, 1, &e), -1);
		stream_close(s[0]);
	}
}

static void stream_tls_stalled_peer_timeout_then_goes_on(void **state)
{
	struct stream *s[2];
	struct err e = ERR_INIT;
	char c;

	(void)state;
	fx_tls_pair(1 << 16, s, NULL);
	stream_set_timeout(s[1], NS_PER_MS);
	assert_int_equal(stream_read(s[1], &c, 1, &e), -1);
	assert_kind(&e, ERR_TIMEOUT);
	assert_done(stream_write(s[0], "x", 1, &e), &e);
	assert_done(stream_flush(s[0], &e), &e);
	assert_done(stream_read_full(s[1], &c, 1, &e), &e);
	assert_int_equal(c, 'x');
	close_both(s);
}

static void *abort_it(void *s)
{
	stream_abort(s);
	stream_abort(s);
	return NULL;
}

static void stream_tls_abort_ends_a_waiting_read(void **state)
{
	struct stream *s[2];
	struct err e = ERR_INIT;
	pthread_t thread;
	char c;

	(void)state;
	fx_tls_pair(1 << 16, s, NULL);
	assert_int_equal(pthread_create(&thread, NULL, abort_it, s[0]), 0);
	assert_int_equal(stream_read(s[0], &c, 1, &e), -1);
	assert_kind(&e, ERR_CANCELED);
	pthread_join(thread, NULL);
	assert_int_equal(stream_write(s[0], &c, 1, &e), -1);
	assert_kind(&e, ERR_CANCELED);
	assert_int_equal(stream_flush(s[0], &e), -1);
	close_both(s);
}

/* A writer that the peer does not read from must not keep this side's reader from its bytes. */
static void *write_much(void *p)
{
	struct mover *m = p;
	char *data = mem_alloc(1 << 20);

	m->rc = stream_write(m->s, data, 1 << 20, &m->e);
	free(data);
	return NULL;
}

static void stream_tls_blocked_writer_does_not_block_reader(void **state)
{
	struct stream *s[2];
	struct err e = ERR_INIT;
	pthread_t thread;
	char c;

	(void)state;
	fx_tls_pair(1000, s, NULL);
	struct mover m = {.s = s[0]};
	assert_int_equal(pthread_create(&thread, NULL, write_much, &m), 0);
	for (int i = 0; i < 100; i++) {
		assert_done(stream_write(s[1], "x", 1, &e), &e);
		assert_done(stream_flush(s[1], &e), &e);
		assert_done(stream_read_full(s[0], &c, 1, &e), &e);
	}
	stream_abort(s[0]);
	pthread_join(thread, NULL);
	assert_int_equal(m.rc, -1);
	assert_kind(&m.e, ERR_CANCELED);
	close_both(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream_tls_both_ways_at_once_over_tcp_all_bytes_right),
		cmocka_unit_test(stream_tls_both_ways_at_once_over_small_memory_all_bytes_right),
		cmocka_unit_test(stream_tls_full_records_and_large_batches),
		cmocka_unit_test(stream_tls_orderly_close_zero),
		cmocka_unit_test(stream_tls_end_below_without_close_network),
		cmocka_unit_test(stream_tls_cut_in_mid_record_network),
		cmocka_unit_test(stream_tls_flipped_bit_never_given_out),
		cmocka_unit_test(stream_tls_stalled_peer_timeout_then_goes_on),
		cmocka_unit_test(stream_tls_abort_ends_a_waiting_read),
		cmocka_unit_test(stream_tls_blocked_writer_does_not_block_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
