// SPDX-License-Identifier: Apache-2.0
/* Connections that break at every place, and copies that end right all the same, nothing written twice. */
#include "copy/cut_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/wire.h"

#define HELLO      (WIRE_HEADER_SIZE + WIRE_HELLO_SIZE)
#define GREETING   (HELLO + WIRE_HEADER_SIZE + WIRE_DISK_SIZE)           /* of the source, one disk */
#define CHUNK      (WIRE_HEADER_SIZE + WIRE_HASH_SIZE + (uint64_t)FX_CHUNK)
#define CHUNKS     6
#define FRAMES_END (GREETING + CHUNKS * CHUNK + 3 * WIRE_HEADER_SIZE)    /* zeros, CHECKPOINT, END; then BYE */

/* CHUNKS of data, a range of zeros, one checkpoint. */
static struct fx *small(void)
{
	struct fx *f = fx_new();
	uint64_t size = (CHUNKS + 3) * (uint64_t)FX_CHUNK;

	fx_add(f, size, size, false);
	fx_start(f);
	fx_fill(f->source[0], 0, CHUNKS * (uint64_t)FX_CHUNK, 7);
	fx_set(f->target[0], 0, size, 0xff);
	f->silence_ns = NS_PER_S; /* also how long a target waits for the BYE that was cut */
	return f;
}

static void assert_right(struct fx *f, const char *what, uint64_t at)
{
	if (f->source_err.kind != ERR_NONE || f->target_err.kind != ERR_NONE)
		fail_msg("%s at %llu: %s; %s", what, (unsigned long long)at, f->source_err.msg, f->target_err.msg);
	fx_assert_equal(f);
	fx_assert_complete(f);
	fx_assert_true(f);
}

static void cut_once(unsigned channels, unsigned connection, bool target_writes, bool target_dials, uint64_t at)
{
	struct fx *f = small();
	struct net n;

	net_init(&n);
	n.channels = channels;
	n.target_dials = target_dials;
	net_fault(&n, connection, target_writes, STREAM_MEM_CUT, at);
	net_wire(&n, f);
	assert_right(f, target_writes ? "a cut in what the target sends" : "a cut in what the source sends", at);
	/* Exactly once, however often it was sent. */
	assert_int_equal(mem_disk_counters(f->target[0])->bytes[MEM_WRITE], CHUNKS * (uint64_t)FX_CHUNK);
	assert_int_equal(mem_disk_counters(f->target[0])->ops[MEM_ZERO], 1);
	assert_in_range(n.source.resent, 0, n.source.cuts * CHUNKS * (FX_CHUNK + WIRE_HASH_SIZE));
	net_fini(&n);
	fx_free(f);
}

static void cut_at_every_frame_of_the_source_ends_right(void **state)
{
	static const int64_t around[] = {-1, 0, 33};
	uint64_t boundary[4 + CHUNKS] = {0, HELLO, GREETING};
	size_t count = 3;

	(void)state;
	for (unsigned i = 1; i <= CHUNKS; i++)
		boundary[count++] = GREETING + i * CHUNK;
	boundary[count++] = FRAMES_END;
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < sizeof around / sizeof around[0]; k++)
			if (boundary[i] > 0 || around[k] >= 0)
				cut_once(1, 0, false, i % 2 == 1, boundary[i] + (uint64_t)around[k]);
}

static void cut_at_every_frame_of_the_target_ends_right(void **state)
{
	/* HELLO, READY, DURABLE, END_OK: every half frame of it. */
	(void)state;
	for (uint64_t at = 0; at <= HELLO + 4 * WIRE_HEADER_SIZE; at += 16)
		cut_once(1, 0, true, at % 32 == 0, at);
}

static void cut_of_each_of_three_channels_ends_right(void **state)
{
	static const uint64_t places[] = {0, HELLO, GREETING, GREETING + 20, GREETING + CHUNK, GREETING + CHUNK + 100};

	(void)state;
	for (unsigned connection = 0; connection < 3; connection++)
		for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
			cut_once(3, connection, false, i % 2 == 1, places[i]);
			cut_once(3, connection, true, i % 2 == 0, places[i] % 300);
		}
}

static void cut_again_and_again_ends_right(void **state)
{
	(void)state;
	for (unsigned channels = 1; channels <= 4; channels += 3) {
		struct fx *f = fx_new();
		struct net n;
		uint64_t size = 3 * FX_PAGE + 512;

		fx_add(f, size, size, false);
		fx_add(f, FX_PAGE, FX_PAGE + 4096, false);
		fx_start(f);
		fx_fill(f->source[0], 0, size, 1);
		fx_fill(f->source[1], 0, FX_PAGE / 2, 2);
		f->checkpoint_bytes = 4 * FX_PAGE;
		f->compression = COMPRESSION_ZSTD;
		net_init(&n);
		n.channels = channels;
		for (unsigned i = 0; i < 40; i++)
			net_fault(&n, i, i % 7 == 6, STREAM_MEM_CUT, i % 7 == 6 ? 230 + i : GREETING + 48 + (i % 5) * 300000 + i);
		net_wire(&n, f);
		assert_right(f, "many cuts", channels);
		assert_true(n.source.cuts >= 20);
		net_fini(&n);
		fx_free(f);
	}
}

static void stalled_connection_is_replaced(void **state)
{
	static const uint64_t stalls[] = {0, HELLO + 3, GREETING + 5, GREETING + CHUNK + 5};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof stalls / sizeof stalls[0]; i++) {
		struct fx *f = small();
		struct net n;

		f->silence_ns = 300 * NS_PER_MS;
		net_init(&n);
		net_fault(&n, 0, i % 2 == 1, STREAM_MEM_STALL, i % 2 == 1 ? stalls[i / 2] % 230 : stalls[i / 2]);
		net_wire(&n, f);
		assert_right(f, "a stall", stalls[i / 2]);
		net_fini(&n);
		fx_free(f);
	}
}

/* ---- A listener that does not notice the cut ---- */

struct deaf {
	struct stream base;
	struct stream *lower;
	atomic_bool aborted;
};

/* The end or the cut of the connection is never seen: reading goes on waiting. */
static ssize_t deaf_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct deaf *d = (struct deaf *)s;
	ssize_t got = stream_read(d->lower, p, n, e);

	if (got > 0)
		return got;
	while (!atomic_load(&d->aborted))
		clock_sleep_ns(NS_PER_MS);
	return err_set(e, ERR_CANCELED, 0, "aborted");
}

static int deaf_write(struct stream *s, const void *p, size_t n, struct err *e)
{
	struct err lost = ERR_INIT;

	(void)e;
	stream_write(((struct deaf *)s)->lower, p, n, &lost);
	return 0;
}

static int deaf_flush(struct stream *s, struct err *e)
{
	(void)s;
	(void)e;
	return 0;
}

static void deaf_abort(struct stream *s)
{
	atomic_store(&((struct deaf *)s)->aborted, true);
	stream_abort(((struct deaf *)s)->lower);
}

static void deaf_set_timeout(struct stream *s, int64_t ns)
{
	stream_set_timeout(((struct deaf *)s)->lower, ns);
}

static void deaf_close(struct stream *s)
{
	stream_close(((struct deaf *)s)->lower);
	free(s);
}

static const struct stream_ops deaf_ops = {
	.read = deaf_read,
	.write = deaf_write,
	.flush = deaf_flush,
	.abort = deaf_abort,
	.set_timeout = deaf_set_timeout,
	.close = deaf_close,
};

static struct stream *make_deaf(struct net *n, unsigned connection, struct stream *s)
{
	(void)n;
	if (connection > 0)
		return s;
	struct deaf *d = mem_alloc(sizeof *d);

	d->base.ops = &deaf_ops;
	d->lower = s;
	return &d->base;
}

static void half_open_connection_gives_way_to_the_newest(void **state)
{
	(void)state;
	for (int target_dials = 0; target_dials < 2; target_dials++) {
		struct fx *f = small();
		struct net n;

		f->silence_ns = 60 * NS_PER_S; /* so that only the new connection ends the old one */
		net_init(&n);
		n.wrap = make_deaf;
		n.target_dials = target_dials == 1;
		net_fault(&n, 0, false, STREAM_MEM_CUT, GREETING + 2 * CHUNK + 100);
		net_wire(&n, f);
		assert_right(f, "half open", 0);
		assert_int_equal(mem_disk_counters(f->target[0])->bytes[MEM_WRITE], CHUNKS * (uint64_t)FX_CHUNK);
		assert_non_null(strstr((n.target_dials ? n.source : n.target).why.msg, "newer connection"));
		net_fini(&n);
		fx_free(f);
	}
}

/* ---- What must not pass ---- */

/* Cut in the second chunk, which must be read again; its first reading, by the reader, is of all the data at once. One
 * thread, so that chunks go out in the disk's order. */
static int cut_with_fault_of_the_second_reading(struct fx *f, const struct mem_fault *second)
{
	struct mem_fault fault = *second;
	struct net n;

	f->threads = 1;
	fault.op = MEM_READ;
	fault.offset = FX_CHUNK;
	fault.length = FX_CHUNK;
	fault.skip = 1;
	mem_disk_fault(f->source[0], &fault);
	net_init(&n);
	net_fault(&n, 0, false, STREAM_MEM_CUT, GREETING + CHUNK + 100);
	int rc = net_wire(&n, f);
	net_fini(&n);
	return rc;
}

static void stray_of_another_session_is_refused_and_harmless(void **state)
{
	struct fx *f = small();
	struct stream *end[2];
	struct net n;
	struct wire_hello hello = fx_hello(f, WIRE_SOURCE);
	struct wire_frame frame = {.type = WIRE_HELLO, .payload = WIRE_HELLO_SIZE};
	uint8_t payload[WIRE_HELLO_SIZE];
	struct err e = ERR_INIT;

	(void)state;
	net_init(&n);
	stream_mem_pair(4096, end);
	hello.session++;
	wire_hello_encode(&hello, payload);
	assert_int_equal(wire_send(end[0], &frame, payload, &e), 0);
	net_offer(&n, end[1]);
	net_wire(&n, f);
	assert_right(f, "a stray", 0);
	assert_int_equal(wire_recv(end[0], &frame, &e), 0);
	assert_int_equal(frame.type, WIRE_HELLO);
	assert_int_equal(stream_read_full(end[0], payload, sizeof payload, &e), 0);
	assert_int_equal(wire_recv(end[0], &frame, &e), 0);
	assert_int_equal(frame.type, WIRE_ERROR);
	wire_recv_error(end[0], &frame, &e);
	assert_int_equal(e.kind, ERR_REFUSED);
	stream_close(end[0]);
	net_fini(&n);
	fx_free(f);
}

static void source_that_changed_after_a_cut_is_corrupt(void **state)
{
	struct fx *f = small();
	const struct mem_fault flip = {.effect = MEM_FLIP, .flip_at = FX_CHUNK + 5};

	(void)state;
	assert_int_equal(cut_with_fault_of_the_second_reading(f, &flip), -1);
	assert_int_equal(f->source_err.kind, ERR_CORRUPT);
	assert_non_null(strstr(f->source_err.msg, "other bytes"));
	assert_int_equal(f->target_err.kind, ERR_CORRUPT); /* it is told */
	fx_free(f);
}

static void source_that_cannot_be_read_again_is_an_error(void **state)
{
	struct fx *f = small();
	const struct mem_fault fail = {.effect = MEM_FAIL, .error = EIO};

	(void)state;
	assert_int_equal(cut_with_fault_of_the_second_reading(f, &fail), -1);
	assert_int_equal(f->source_err.kind, ERR_IO);
	assert_int_equal(f->target_err.kind, ERR_IO); /* it is told */
	fx_free(f);
}

static void network_that_stays_down_ends_with_the_reason_and_resumes(void **state)
{
	struct fx *f = small();
	struct net n;

	(void)state;
	net_init(&n);
	n.refuse_after = 1;
	n.patience_ns = 300 * NS_PER_MS;
	net_fault(&n, 0, false, STREAM_MEM_CUT, GREETING + 3 * CHUNK);
	assert_int_equal(net_wire(&n, f), -1);
	assert_int_equal(f->source_err.kind, ERR_NETWORK);
	assert_non_null(strstr(f->source_err.msg, "the network of the test is down"));
	assert_true(err_is_retryable(&f->target_err));
	net_fini(&n);
	ledger_mem_crash(f->ledger);
	net_init(&n);
	assert_int_equal(net_wire(&n, f), 0);
	assert_right(f, "the next run", 0);
	net_fini(&n);
	fx_free(f);
}

static void failed_disk_while_reconnecting_is_told_to_both(void **state)
{
	struct fx *f = small();
	struct net n;
	const struct mem_fault fail = {
		.op = MEM_WRITE, .effect = MEM_FAIL, .offset = 3 * FX_CHUNK, .length = 1, .error = ENOSPC};

	(void)state;
	mem_disk_fault(f->target[0], &fail);
	net_init(&n);
	n.channels = 2;
	net_fault(&n, 1, false, STREAM_MEM_CUT, GREETING + CHUNK + 100);
	assert_int_equal(net_wire(&n, f), -1);
	assert_int_equal(f->target_err.kind, ERR_NO_SPACE);
	assert_int_not_equal(f->source_err.kind, ERR_NONE);
	net_fini(&n);
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_at_every_frame_of_the_source_ends_right),
		cmocka_unit_test(cut_at_every_frame_of_the_target_ends_right),
		cmocka_unit_test(cut_of_each_of_three_channels_ends_right),
		cmocka_unit_test(cut_again_and_again_ends_right),
		cmocka_unit_test(stalled_connection_is_replaced),
		cmocka_unit_test(half_open_connection_gives_way_to_the_newest),
		cmocka_unit_test(stray_of_another_session_is_refused_and_harmless),
		cmocka_unit_test(source_that_changed_after_a_cut_is_corrupt),
		cmocka_unit_test(source_that_cannot_be_read_again_is_an_error),
		cmocka_unit_test(network_that_stays_down_ends_with_the_reason_and_resumes),
		cmocka_unit_test(failed_disk_while_reconnecting_is_told_to_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
