// SPDX-License-Identifier: Apache-2.0
/* Runs that die at any point, then the next run: the ledger never says what the target does not hold, and the next run
 * ends with equal disks, also when the source went back to what it was before. */
#include "copy/copy_fixture.h"

#include <errno.h>
#include <string.h>

#define CHUNKS 400 /* three pages and a bit */

static const unsigned changed[] = {0, 1, 5, 90, 126, 127, 130, 253, 254, 255, 300, 301, 302, 303, 381, 399};
#define CHANGED (sizeof changed / sizeof changed[0])

/* Content A of the source; every third of the changing chunks is zeros. */
static void put_old(struct fx *f)
{
	for (unsigned i = 0; i < CHANGED; i++) {
		if (i % 3 == 0)
			fx_set(f->source[0], changed[i] * (uint64_t)FX_CHUNK, FX_CHUNK, 0);
		else
			fx_fill(f->source[0], changed[i] * (uint64_t)FX_CHUNK, FX_CHUNK, 1);
	}
}

/* Content B: zeros become data, some data zeros. */
static void put_new(struct fx *f, uint64_t seed)
{
	for (unsigned i = 0; i < CHANGED; i++) {
		if (i % 4 == 1)
			fx_set(f->source[0], changed[i] * (uint64_t)FX_CHUNK, FX_CHUNK, 0);
		else
			fx_fill(f->source[0], changed[i] * (uint64_t)FX_CHUNK, FX_CHUNK, seed);
	}
}

static struct fx *replicated(void)
{
	struct fx *f = fx_new();

	fx_add(f, CHUNKS * (uint64_t)FX_CHUNK, CHUNKS * (uint64_t)FX_CHUNK + 4096, false);
	fx_start(f);
	f->checkpoint_bytes = 3 * FX_CHUNK;
	fx_fill(f->source[0], 0, f->size[0], 7);
	put_old(f);
	fx_set(f->target[0], 0, f->size[0], 0xff);
	assert_int_equal(fx_local(f), 0);
	fx_assert_equal(f);
	fx_assert_complete(f);
	return f;
}

static int run(struct fx *f, bool wire)
{
	return wire ? fx_wire(f) : fx_local(f);
}

/* The power of everything goes and comes back; then another run. */
static void recover(struct fx *f, bool wire, uint64_t seed, bool goes_back)
{
	mem_disk_power_on(f->target[0], seed);
	mem_disk_clear_faults(f->target[0]);
	mem_disk_clear_faults(f->source[0]);
	ledger_mem_crash(f->ledger);
	fx_assert_true(f);
	if (goes_back)
		put_old(f);
	if (run(f, wire) != 0)
		fail_msg("the run after the crash: %s; %s", f->source_err.msg, f->target_err.msg);
	fx_assert_equal(f);
	fx_assert_true(f);
	fx_assert_complete(f);
	/* Back to A for the next round. */
	if (!goes_back) {
		put_old(f);
		assert_int_equal(run(f, wire), 0);
		fx_assert_equal(f);
	}
}

static void crash_at_every(enum mem_op op, enum mem_effect effect, bool wire)
{
	struct fx *f = replicated();
	bool hit = true;

	for (unsigned n = 0; hit; n++) {
		struct mem_fault fault = {
			.op = op,
			.effect = effect,
			.skip = n,
			.error = EIO,
			.partial = n % 2 == 0 ? 0 : FX_CHUNK / 2,
		};

		assert_true(n < 200);
		put_new(f, 100 + n);
		mem_disk_seed(f->target[0], n);
		mem_disk_fault(f->target[0], &fault);
		hit = run(f, wire) != 0;
		if (hit && !wire)
			assert_int_equal(f->source_err.kind, ERR_IO);
		recover(f, wire, n, n % 2 == 0);
	}
	fx_free(f);
}

static void copy_local_power_fails_at_any_write_next_run_is_right(void **state)
{
	(void)state;
	crash_at_every(MEM_WRITE, MEM_POWER, false);
}

static void copy_local_power_fails_at_any_zero_next_run_is_right(void **state)
{
	(void)state;
	crash_at_every(MEM_ZERO, MEM_POWER, false);
}

static void copy_local_any_flush_fails_next_run_is_right(void **state)
{
	(void)state;
	crash_at_every(MEM_FLUSH, MEM_FAIL, false);
}

static void copy_local_power_fails_at_any_flush_next_run_is_right(void **state)
{
	(void)state;
	crash_at_every(MEM_FLUSH, MEM_POWER, false);
}

static void copy_import_power_fails_at_any_write_next_run_is_right(void **state)
{
	(void)state;
	crash_at_every(MEM_WRITE, MEM_POWER, true);
}

static void copy_import_any_flush_fails_next_run_is_right(void **state)
{
	(void)state;
	crash_at_every(MEM_FLUSH, MEM_FAIL, true);
}

static void ledger_fails_at_every_call(bool wire)
{
	struct fx *f = replicated();
	bool hit = true;

	for (unsigned n = 1; hit; n++) {
		assert_true(n < 200);
		put_new(f, 100 + n);
		ledger_mem_fail_at(f->ledger, n);
		hit = run(f, wire) != 0;
		if (hit)
			assert_int_equal(f->source_err.kind, ERR_IO);
		recover(f, wire, n, n % 2 == 0);
	}
	fx_free(f);
}

static void copy_local_ledger_fails_at_any_call_next_run_is_right(void **state)
{
	(void)state;
	ledger_fails_at_every_call(false);
}

static void copy_export_ledger_fails_at_any_call_next_run_is_right(void **state)
{
	(void)state;
	ledger_fails_at_every_call(true);
}

/* The full copy is cut: what was recorded is not sent again, the rest is. */
static void copy_local_full_copy_dies_next_run_redoes_one_checkpoint(void **state)
{
	struct fx *f = fx_new();
	struct mem_fault fault = {
		.op = MEM_WRITE, .effect = MEM_POWER, .offset = 300 * (uint64_t)FX_CHUNK, .length = FX_CHUNK};

	(void)state;
	fx_add(f, CHUNKS * (uint64_t)FX_CHUNK, CHUNKS * (uint64_t)FX_CHUNK, false);
	fx_start(f);
	f->checkpoint_bytes = FX_PAGE;
	fx_fill(f->source[0], 0, f->size[0], 7);
	mem_disk_fault(f->target[0], &fault);
	assert_int_equal(fx_local(f), -1);
	mem_disk_power_on(f->target[0], 0);
	mem_disk_clear_faults(f->target[0]);
	ledger_mem_crash(f->ledger);
	fx_assert_true(f);
	assert_int_equal(fx_local(f), 0);
	/* The last checkpoint may have been written but not yet recorded. */
	assert_true(fx_chunks(f) == CHUNKS - 254 || fx_chunks(f) == CHUNKS - 127);
	fx_assert_equal(f);
	fx_assert_complete(f);
	fx_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copy_local_power_fails_at_any_write_next_run_is_right),
		cmocka_unit_test(copy_local_power_fails_at_any_zero_next_run_is_right),
		cmocka_unit_test(copy_local_any_flush_fails_next_run_is_right),
		cmocka_unit_test(copy_local_power_fails_at_any_flush_next_run_is_right),
		cmocka_unit_test(copy_import_power_fails_at_any_write_next_run_is_right),
		cmocka_unit_test(copy_import_any_flush_fails_next_run_is_right),
		cmocka_unit_test(copy_local_ledger_fails_at_any_call_next_run_is_right),
		cmocka_unit_test(copy_export_ledger_fails_at_any_call_next_run_is_right),
		cmocka_unit_test(copy_local_full_copy_dies_next_run_redoes_one_checkpoint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
