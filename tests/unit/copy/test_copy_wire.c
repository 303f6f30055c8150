// SPDX-License-Identifier: Apache-2.0
#include "copy/copy_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"

#define MIB (UINT64_C(1) << 20)

static struct fx *two_disks(void)
{
	struct fx *f = fx_new();

	fx_add(f, FX_PAGE + 13 * FX_CHUNK + 512, FX_PAGE + MIB, false);
	fx_add(f, MIB - 512, MIB - 512, false);
	fx_start(f);
	for (unsigned i = 0; i < 2; i++) {
		fx_fill(f->source[i], 0, f->size[i], i);
		fx_set(f->target[i], 0, f->size[i], 0xff);
	}
	fx_set(f->target[0], FX_PAGE + 14 * FX_CHUNK, FX_CHUNK, 0xff); /* the tail */
	fx_set(f->source[0], 10 * FX_CHUNK, 100 * FX_CHUNK, 0);
	f->checkpoint_bytes = 4 * FX_CHUNK;
	return f;
}

static void wire_any_size_equals_source(void **state)
{
	static const struct {
		uint64_t size, target;
		uint32_t sector;
		enum compression compression;
	} cases[] = {
		{512, 512, 512, COMPRESSION_NONE},
		{512, 512, 512, COMPRESSION_ZSTD},
		{4096, 4096, 4096, COMPRESSION_ZSTD},
		{FX_CHUNK - 512, MIB, 512, COMPRESSION_ZSTD},
		{FX_CHUNK + 512, FX_CHUNK + 512, 512, COMPRESSION_NONE},
		{FX_PAGE, FX_PAGE, 512, COMPRESSION_NONE},
		{FX_PAGE + 512, FX_PAGE + 1024, 512, COMPRESSION_ZSTD},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fx *f = fx_new();

		f->source_sector = f->target_sector = cases[i].sector;
		f->compression = cases[i].compression;
		fx_add(f, cases[i].size, cases[i].target, false);
		fx_start(f);
		fx_fill(f->source[0], 0, cases[i].size, i);
		fx_set(f->target[0], 0, cases[i].target, 0xff);
		if (fx_wire(f) != 0)
			fail_msg("case %zu: %s; %s", i, f->source_err.msg, f->target_err.msg);
		fx_assert_equal(f);
		fx_assert_complete(f);
		fx_assert_true(f);
		fx_free(f);
	}
}

static void wire_several_disks_then_incremental_sends_what_changed(void **state)
{
	struct fx *f = two_disks();

	(void)state;
	f->compression = COMPRESSION_ZSTD;
	assert_int_equal(fx_wire(f), 0);
	fx_assert_equal(f);
	fx_assert_complete(f);
	fx_assert_true(f);
	assert_in_range(atomic_load(&f->progress[0].sent_zero), 100 * FX_CHUNK, 100 * FX_CHUNK);
	assert_int_equal(atomic_load(&f->target_progress[0].verified), f->size[0]);
	assert_int_equal(fx_wire(f), 0);
	assert_int_equal(fx_chunks(f), 0);
	fx_set(f->source[0], 12 * FX_CHUNK, 1, 1);
	fx_set(f->source[0], 130 * FX_CHUNK, FX_CHUNK, 0);
	fx_set(f->source[1], 0, 512, 3);
	assert_int_equal(fx_wire(f), 0);
	assert_int_equal(fx_chunks(f), 3);
	fx_assert_equal(f);
	fx_assert_complete(f);
	fx_assert_true(f);
	fx_free(f);
}

static void wire_compressible_data_is_packed(void **state)
{
	struct fx *f = fx_new();

	(void)state;
	f->compression = COMPRESSION_ZSTD;
	fx_add(f, FX_PAGE, FX_PAGE, false);
	fx_start(f);
	fx_set(f->source[0], 0, FX_PAGE, 'x');
	assert_int_equal(fx_wire(f), 0);
	fx_assert_equal(f);
	assert_in_range(atomic_load(&f->progress[0].sent_wire), 127 * 33, FX_PAGE / 20);
	fx_free(f);
}

/* Whatever was chosen, every chunk of data is counted once, with the bytes that went over the wire. */
static void wire_packing_is_counted_as_it_was(void **state)
{
	static const enum compression cases[] = {COMPRESSION_NONE, COMPRESSION_ZSTD, COMPRESSION_AUTO};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fx *f = fx_new();
		uint64_t packed = 0, chunks = 0;

		f->compression = cases[i];
		fx_add(f, 2 * FX_PAGE, 2 * FX_PAGE, false);
		fx_start(f);
		fx_set(f->source[0], 0, FX_PAGE, 'x');
		fx_fill(f->source[0], FX_PAGE, FX_PAGE, 5);
		assert_int_equal(fx_wire(f), 0);
		fx_assert_equal(f);
		for (int l = 0; l < COPY_LEVELS; l++) {
			packed += f->packing.levels[l].packed;
			chunks += f->packing.levels[l].chunks;
			assert_true(f->packing.levels[l].chunks == 0 || f->packing.levels[l].level != 0);
			assert_true(f->packing.levels[l].bytes == f->packing.levels[l].chunks * FX_CHUNK);
		}
		assert_int_equal(chunks + f->packing.raw_chunks, 2 * 127);
		assert_in_range(chunks, 0, cases[i] == COMPRESSION_NONE ? 0 : 127);
		assert_true(cases[i] != COMPRESSION_ZSTD || chunks == 127);
		assert_int_equal(f->packing.raw_bytes, f->packing.raw_chunks * FX_CHUNK);
		assert_int_equal(packed + f->packing.raw_bytes + 2 * 127 * WIRE_HASH_SIZE, f->progress[0].sent_wire);
		fx_free(f);
	}
}

static void wire_tight_pipe_does_not_lock_up(void **state)
{
	struct fx *f = two_disks();

	(void)state;
	f->pipe = WIRE_HEADER_SIZE + WIRE_HELLO_SIZE; /* both sides greet before they listen */
	f->threads = 5;
	assert_int_equal(fx_wire(f), 0);
	fx_assert_equal(f);
	fx_free(f);
}

/* What is sent as it is comes in the buffers that the chunks before it are unpacked into. */
static void wire_few_buffers_for_raw_and_packed_do_not_lock_up(void **state)
{
	static const struct {
		unsigned threads, disks;
		uint64_t size;
	} cases[] = {{1, 1, 8 * FX_PAGE}, {5, 3, 2 * FX_PAGE}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fx *f = fx_new();

		f->compression = COMPRESSION_ZSTD;
		f->pool_bytes = 8 * FX_CHUNK; /* of most pools one buffer */
		f->threads = cases[i].threads;
		for (unsigned d = 0; d < cases[i].disks; d++)
			fx_add(f, cases[i].size, cases[i].size, false);
		fx_start(f);
		for (unsigned d = 0; d < cases[i].disks; d++) {
			fx_fill(f->source[d], 0, cases[i].size, 7 + d);
			for (uint64_t at = 0; at < cases[i].size; at += 8 * FX_CHUNK)
				fx_set(f->source[d], at, 2 * FX_CHUNK, 'x');
		}
		assert_int_equal(fx_wire(f), 0);
		fx_assert_equal(f);
		fx_free(f);
	}
}

struct spoil {
	enum stream_mem_fault fault;
	bool target_writes; /* the fault is in what the target sends */
	uint64_t at;
};

static void spoil(struct stream *source_end, struct stream *target_end, void *ctx)
{
	const struct spoil *s = ctx;

	stream_mem_fault(s->target_writes ? target_end : source_end, s->fault, s->at);
}

static void next_run_is_right(struct fx *f)
{
	for (unsigned i = 0; i < f->disks; i++)
		mem_disk_power_on(f->target[i], 0);
	ledger_mem_crash(f->ledger);
	fx_assert_true(f);
	f->spoil = NULL;
	f->silence_ns = 0;
	if (fx_wire(f) != 0)
		fail_msg("the next run: %s; %s", f->source_err.msg, f->target_err.msg);
	fx_assert_equal(f);
	fx_assert_complete(f);
	fx_assert_true(f);
}

/* TLS would notice a flipped bit; without it every one must be noticed all the same, or be harmless. */
static void wire_flipped_bit_never_reaches_the_target_unnoticed(void **state)
{
	(void)state;
	for (uint64_t n = 0; n < 60; n++) {
		struct fx *f = fx_new();
		/* Every byte of the greeting's and the first frames' kind, and some in chunks. */
		struct spoil s = {.fault = STREAM_MEM_FLIP, .at = n < 40 ? n * 9 : 250 + n * 2999};

		fx_add(f, 4 * FX_CHUNK, 4 * FX_CHUNK, false);
		fx_start(f);
		fx_fill(f->source[0], 0, f->size[0], n);
		f->spoil = spoil;
		f->spoil_ctx = &s;
		f->silence_ns = 300 * NS_PER_MS;
		if (fx_wire(f) == 0)
			fx_assert_equal(f);
		next_run_is_right(f);
		fx_free(f);
	}
}

static void wire_flipped_bit_in_a_chunk_is_corrupt(void **state)
{
	struct fx *f = two_disks();
	struct spoil s = {.fault = STREAM_MEM_FLIP, .at = 3 * FX_CHUNK + 1000};

	(void)state;
	f->spoil = spoil;
	f->spoil_ctx = &s;
	assert_int_equal(fx_wire(f), -1);
	assert_int_equal(f->target_err.kind, ERR_CORRUPT);
	assert_int_equal(f->source_err.kind, ERR_CORRUPT); /* it is told */
	assert_non_null(strstr(f->source_err.msg, "the peer says"));
	next_run_is_right(f);
	fx_free(f);
}

static void wire_cut_anywhere_ends_and_resumes(void **state)
{
	static const uint64_t cuts[] = {0, 10, 168, 200, 232, 233, 300, 5000, 70000, MIB, MIB + 77, 2 * MIB};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof cuts / sizeof cuts[0]; i++) {
		struct fx *f = two_disks();
		struct spoil s = {.fault = STREAM_MEM_CUT, .target_writes = i % 2 == 1, .at = cuts[i / 2]};

		f->spoil = spoil;
		f->spoil_ctx = &s;
		/* The target sends little: a cut far out there never happens. */
		if (fx_wire(f) != 0)
			assert_true(f->source_err.kind == ERR_NETWORK || f->target_err.kind == ERR_NETWORK);
		else
			assert_true(s.target_writes && s.at > 232);
		next_run_is_right(f);
		fx_free(f);
	}
}

static void wire_silence_counts_as_death(void **state)
{
	static const uint64_t stalls[] = {0, 168, 216, 400, 100000};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof stalls / sizeof stalls[0]; i++) {
		struct fx *f = two_disks();
		struct spoil s = {.fault = STREAM_MEM_STALL, .target_writes = i % 2 == 1, .at = stalls[i / 2]};

		f->spoil = spoil;
		f->spoil_ctx = &s;
		f->silence_ns = 200 * NS_PER_MS;
		if (fx_wire(f) != 0)
			assert_true(f->source_err.kind == ERR_TIMEOUT || f->target_err.kind == ERR_TIMEOUT);
		else
			assert_true(s.target_writes && s.at > 232);
		next_run_is_right(f);
		fx_free(f);
	}
}

static void wire_faulty_disks_are_told_to_both(void **state)
{
	static const struct {
		bool on_source;
		struct mem_fault fault;
		enum err_kind kind;
	} cases[] = {
		{true, {.op = MEM_READ, .effect = MEM_FAIL, .offset = FX_PAGE, .length = 1, .error = EIO}, ERR_IO},
		{false, {.op = MEM_WRITE, .effect = MEM_FAIL, .offset = FX_PAGE, .length = 1, .error = ENOSPC}, ERR_NO_SPACE},
		{false, {.op = MEM_FLUSH, .effect = MEM_FAIL, .error = EIO}, ERR_IO},
		{false, {.op = MEM_WRITE, .effect = MEM_DROP, .offset = FX_PAGE, .length = 1, .times = 1}, ERR_CORRUPT},
		{false, {.op = MEM_ZERO, .effect = MEM_DROP, .times = 1}, ERR_CORRUPT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fx *f = two_disks();

		mem_disk_fault(cases[i].on_source ? f->source[0] : f->target[0], &cases[i].fault);
		assert_int_equal(fx_wire(f), -1);
		assert_int_equal(f->source_err.kind, cases[i].kind);
		assert_int_equal(f->target_err.kind, cases[i].kind);
		mem_disk_clear_faults(f->source[0]);
		mem_disk_clear_faults(f->target[0]);
		next_run_is_right(f);
		fx_free(f);
	}
}

static void wire_unsafe_target_is_refused_at_both_ends(void **state)
{
	static const struct {
		uint64_t target;
		uint32_t sector;
	} cases[] = {{MIB - 4096, 512}, {MIB, 4096}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fx *f = fx_new();

		f->target_sector = cases[i].sector;
		fx_add(f, MIB, cases[i].target, false);
		fx_start(f);
		fx_fill(f->source[0], 0, MIB, 1);
		assert_int_equal(fx_wire(f), -1);
		assert_int_equal(f->source_err.kind, ERR_REFUSED);
		assert_int_equal(f->target_err.kind, ERR_REFUSED);
		assert_int_equal(mem_disk_counters(f->target[0])->ops[MEM_WRITE], 0);
		fx_free(f);
	}
}

struct canceler {
	struct fx *f;
	int64_t after_ns;
};

static void *cancel_main(void *arg)
{
	struct canceler *c = arg;

	clock_sleep_ns(c->after_ns);
	atomic_store(&c->f->cancel, true);
	return NULL;
}

static void wire_canceled_at_any_time_ends_and_resumes(void **state)
{
	(void)state;
	for (int64_t n = 0; n < 20; n++) {
		struct fx *f = two_disks();
		struct canceler c = {.f = f, .after_ns = n * 2 * NS_PER_MS};
		pthread_t thread;

		f->pipe = n % 2 == 0 ? 4096 : 1 << 20;
		assert_int_equal(pthread_create(&thread, NULL, cancel_main, &c), 0);
		if (fx_wire(f) != 0)
			assert_int_equal(f->source_err.kind, ERR_CANCELED);
		pthread_join(thread, NULL);
		atomic_store(&f->cancel, false);
		f->pipe = 1 << 20;
		next_run_is_right(f);
		fx_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wire_any_size_equals_source),
		cmocka_unit_test(wire_several_disks_then_incremental_sends_what_changed),
		cmocka_unit_test(wire_compressible_data_is_packed),
		cmocka_unit_test(wire_packing_is_counted_as_it_was),
		cmocka_unit_test(wire_few_buffers_for_raw_and_packed_do_not_lock_up),
		cmocka_unit_test(wire_tight_pipe_does_not_lock_up),
		cmocka_unit_test(wire_flipped_bit_never_reaches_the_target_unnoticed),
		cmocka_unit_test(wire_flipped_bit_in_a_chunk_is_corrupt),
		cmocka_unit_test(wire_cut_anywhere_ends_and_resumes),
		cmocka_unit_test(wire_silence_counts_as_death),
		cmocka_unit_test(wire_faulty_disks_are_told_to_both),
		cmocka_unit_test(wire_unsafe_target_is_refused_at_both_ends),
		cmocka_unit_test(wire_canceled_at_any_time_ends_and_resumes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
