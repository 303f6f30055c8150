// SPDX-License-Identifier: Apache-2.0
/* Peers that keep silent: what waits for them holds nothing back that it could pass on. */
#include "base/clock.h"
#include "copy/chunk.h"
#include "copy/rogue_fixture.h"
#include "copy/window.h"

/* ---- The target ---- */

static void send_half_a_header(struct rogue *r)
{
	uint8_t header[WIRE_HEADER_SIZE];
	struct wire_frame f = {.type = WIRE_PING};

	wire_frame_encode(&f, header);
	stream_write(r->s, header, sizeof header / 2, &r->e);
}

static void send_chunk_and_ping(struct rogue *r)
{
	struct claim c = GOOD;

	send_chunk(r, c);
	send_frame(r, (struct wire_frame){.type = WIRE_PING}, NULL);
}

static void send_chunk_and_half_a_header(struct rogue *r)
{
	struct claim c = GOOD;

	send_chunk(r, c);
	send_half_a_header(r);
}

static void send_full_batch_and_half_a_header(struct rogue *r)
{
	for (uint64_t i = 0; i < CHUNK_BATCH; i++)
		send_frame(r, (struct wire_frame){
			.type = WIRE_ZERO, .offset = i * FX_CHUNK, .length = FX_CHUNK, .id = 1}, NULL);
	send_half_a_header(r);
}

/* On channel 1. All of it lies ready before the target looks, so that more seems to follow each piece. */
static void copy_import_batch_that_nothing_follows_becomes_durable(void **state)
{
	static const struct {
		void (*send)(struct rogue *r);
		uint64_t count;
		bool breaks;
	} cases[] = {
		{send_chunk_and_ping, 1, false},
		{send_chunk_and_half_a_header, 1, true},
		{send_full_batch_and_half_a_header, CHUNK_BATCH, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct wire_frame checkpoint = {.type = WIRE_CHECKPOINT, .id = 1, .length = cases[i].count};
		struct duel u;

		duel_init(&u, WIRE_TARGET, CHUNK_BATCH * (uint64_t)FX_CHUNK);
		u.victim.link.channels = 2;
		struct rogue *r = &u.rogue, other = {.f = u.f, .s = duel_connect(&u)};

		announce(&other, 1, 2);
		cases[i].send(&other);
		duel_start(&u);
		announce(r, 0, 2);
		hear_ready(r);
		hear_ready(&other);
		if (cases[i].breaks)
			stream_close(other.s);
		send_frame(r, checkpoint, NULL);
		expect(r, WIRE_DURABLE);
		atomic_store(&u.f->cancel, true);
		if (!cases[i].breaks)
			stream_close(other.s);
		duel_join(&u, true);
		assert_int_equal(u.victim.e.kind, ERR_CANCELED);
		duel_end(&u);
	}
}

/* ---- The source ---- */

static void hear_chunks(struct rogue *r, uint64_t n)
{
	while (n-- > 0)
		hear_chunk(r);
}

/* All that was sent is lost, so no acknowledgement will ever make room. */
static void copy_export_full_window_is_sent_again_after_a_cut(void **state)
{
	const uint64_t full = WINDOW_BYTES / FX_CHUNK;
	struct duel u;
	struct rogue *r = &u.rogue;

	(void)state;
	duel_init(&u, WIRE_SOURCE, WINDOW_BYTES + FX_CHUNK);
	u.victim.c.checkpoint_bytes = COPY_DEFAULT_CHECKPOINT_BYTES; /* a single one, at the end */
	u.victim.c.checkpoint_ns = 3600 * NS_PER_S;
	struct stream *second = duel_connect(&u);

	duel_start(&u);
	answer(r);
	hear_chunks(r, full);
	stream_close(r->s);
	r->s = second;
	answer(r);
	hear_chunks(r, full);
	send_frame(r, (struct wire_frame){.type = WIRE_ACK, .id = full}, NULL);
	hear_chunk(r);
	expect(r, WIRE_CHECKPOINT);
	expect(r, WIRE_END);
	send_frame(r, (struct wire_frame){.type = WIRE_DURABLE, .id = 1}, NULL);
	send_frame(r, (struct wire_frame){.type = WIRE_END_OK}, NULL);
	expect(r, WIRE_BYE);
	duel_join(&u, false);
	assert_int_equal(u.victim.rc, 0);
	duel_end(&u);
}

/* ---- A peer that sends a byte now and then ---- */

#define DRIP_SILENCE_NS (500 * NS_PER_MS)

/* A byte ten times before it would count as silent, until it is hung up on. */
static void drip(struct rogue *r, const void *data, size_t n)
{
	for (size_t i = 0; i < n && stream_write(r->s, (const uint8_t *)data + i, 1, &r->e) == 0; i++) {
		stream_flush(r->s, &r->e);
		clock_sleep_ns(DRIP_SILENCE_NS / 10);
	}
}

static void drip_header(struct rogue *r, struct wire_frame f)
{
	uint8_t header[WIRE_HEADER_SIZE];

	wire_frame_encode(&f, header);
	drip(r, header, sizeof header);
}

static void drip_from_the_start(struct rogue *r)
{
	drip_header(r, (struct wire_frame){.type = WIRE_HELLO, .payload = WIRE_HELLO_SIZE});
}

static void drip_a_frame(struct rogue *r)
{
	announce(r, 0, 1);
	hear_ready(r);
	drip_header(r, (struct wire_frame){.type = WIRE_END});
}

static void drip_a_payload(struct rogue *r)
{
	static const uint8_t zeros[FX_CHUNK];
	const struct wire_frame f = {.type = WIRE_CHUNK, .flags = WIRE_RAW, .payload = WIRE_HASH_SIZE + FX_CHUNK,
				     .length = FX_CHUNK, .id = 1};
	uint8_t header[WIRE_HEADER_SIZE];

	announce(r, 0, 1);
	hear_ready(r);
	wire_frame_encode(&f, header);
	stream_write(r->s, header, sizeof header, &r->e);
	drip(r, zeros, sizeof zeros); /* most of an hour */
}

static void copy_import_from_a_peer_that_drips_ends(void **state)
{
	static void (*const drips[])(struct rogue *r) = {drip_from_the_start, drip_a_frame, drip_a_payload};

	(void)state;
	for (size_t i = 0; i < sizeof drips / sizeof drips[0]; i++) {
		struct duel u;

		duel_init(&u, WIRE_TARGET, ROGUE_SIZE);
		u.victim.c.silence_ns = DRIP_SILENCE_NS;
		duel_start(&u);
		drips[i](&u.rogue);
		duel_join(&u, false);
		if (u.victim.rc == 0 || u.victim.e.kind != ERR_TIMEOUT)
			fail_msg("drip %zu: %d %s", i, u.victim.rc, u.victim.e.msg);
		assert_int_equal(mem_disk_counters(u.f->target[0])->ops[MEM_WRITE], 0);
		duel_end(&u);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copy_import_from_a_peer_that_drips_ends),
		cmocka_unit_test(copy_import_batch_that_nothing_follows_becomes_durable),
		cmocka_unit_test(copy_export_full_window_is_sent_again_after_a_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
