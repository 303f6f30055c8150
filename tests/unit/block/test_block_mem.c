// SPDX-License-Identifier: Apache-2.0
#include "block_fixture.h"

#include "block/block_mem.h"

#define SIZE (UINT64_C(64) << 10)

struct rig {
	struct mem_disk *disk;
	struct block *block;
	uint8_t *data;
	struct err e;
};

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof *r);

	r->disk = mem_disk_new("target", SIZE, 512, false);
	r->block = block_mem_open(r->disk, BLOCK_RW, DEPTH);
	r->data = pattern(SIZE, 1);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	block_close(r->block);
	mem_disk_free(r->disk);
	free(r->data);
	free(r);
	return 0;
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* ---- The wrapper's rules ---- */

static void block_submit_of_impossible_ranges_is_refused(void **state)
{
	struct rig *r = *state;
	static const struct {
		uint64_t offset;
		uint32_t length;
	} cases[] = {{0, 0}, {1, 512}, {0, 511}, {SIZE, 512}, {SIZE - 512, 1024}, {UINT64_MAX - 511, 512}, {256, 256}};

	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		assert_int_equal(block_io(r->block, BLOCK_READ, cases[c].offset, r->data, cases[c].length, &r->e), -1);
		assert_int_equal(r->e.kind, ERR_INTERNAL);
		assert_non_null(strstr(r->e.msg, "target"));
	}
	assert_int_equal(mem_disk_counters(r->disk)->ops[MEM_READ], 0);
	assert_int_equal(block_zero(r->block, SIZE, 0, &r->e), 0);
	assert_int_equal(block_zero(r->block, SIZE - 512, 1024, &r->e), -1);
}

static void block_submit_to_an_odd_end_is_for_files_only(void **state)
{
	struct rig *r = *state;

	for (int is_file = 0; is_file < 2; is_file++) {
		struct mem_disk *d = mem_disk_new("odd", 1000, 512, is_file);
		struct block *b = block_mem_open(d, BLOCK_RW, 1);

		assert_int_equal(block_io(b, BLOCK_WRITE, 512, r->data, 488, &r->e), is_file ? 0 : -1);
		assert_int_equal(block_io(b, BLOCK_WRITE, 0, r->data, 488, &r->e), -1);
		assert_int_equal(block_zero(b, 512, 488, &r->e), is_file ? 0 : -1);
		block_close(b);
		mem_disk_free(d);
	}
}

static void block_write_to_a_read_only_block_is_refused(void **state)
{
	struct rig *r = *state;
	struct block *ro = block_mem_open(r->disk, BLOCK_RO, 1);

	assert_int_equal(block_io(ro, BLOCK_WRITE, 0, r->data, 512, &r->e), -1);
	assert_int_equal(r->e.kind, ERR_REFUSED);
	assert_int_equal(block_zero(ro, 0, 512, &r->e), -1);
	assert_int_equal(r->e.kind, ERR_REFUSED);
	assert_int_equal(block_flush(ro, &r->e), 0);
	assert_int_equal(mem_disk_counters(r->disk)->ops[MEM_FLUSH], 0);
	assert_int_equal(block_io(ro, BLOCK_READ, 0, r->data, 512, &r->e), 0);
	block_close(ro);
	block_close(NULL);
}

static void block_flush_that_failed_is_final(void **state)
{
	struct rig *r = *state;

	mem_disk_fault(r->disk, &(struct mem_fault){.op = MEM_FLUSH, .times = 1, .error = ENOSPC});
	assert_int_equal(block_io(r->block, BLOCK_WRITE, 0, r->data, 512, &r->e), 0);
	assert_int_equal(block_flush(r->block, &r->e), -1);
	assert_int_equal(r->e.kind, ERR_NO_SPACE);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(block_flush(r->block, &r->e), -1); /* though the disk would succeed now */
		assert_int_equal(r->e.kind, ERR_IO);
		assert_int_equal(block_io(r->block, BLOCK_WRITE, 0, r->data, 512, &r->e), -1);
		assert_int_equal(block_io(r->block, BLOCK_READ, 0, r->data, 512, &r->e), -1);
		assert_int_equal(block_zero(r->block, 0, 512, &r->e), -1);
	}
	assert_int_equal(mem_disk_counters(r->disk)->ops[MEM_FLUSH], 1);
}

static void block_io_that_fails_names_disk_place_and_remedy(void **state)
{
	struct rig *r = *state;
	static const struct {
		int sys;
		enum err_kind kind;
		const char *remedy;
	} cases[] = {{EIO, ERR_IO, "kernel's log"}, {ENOSPC, ERR_NO_SPACE, "make room"}, {EROFS, ERR_DENIED, "writable"},
		{ENODEV, ERR_IO, "gone"}, {ETIMEDOUT, ERR_IO, "answer"}, {EBADF, ERR_IO, "run again"}};

	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		mem_disk_fault(r->disk, &(struct mem_fault){.op = MEM_WRITE, .times = 1, .error = cases[c].sys});
		assert_int_equal(block_io(r->block, BLOCK_WRITE, 8192, r->data, 1024, &r->e), -1);
		assert_int_equal(r->e.kind, cases[c].kind);
		assert_int_equal(r->e.sys, cases[c].sys);
		assert_non_null(strstr(r->e.msg, "writing 1024 bytes at offset 8192 of target"));
		assert_non_null(strstr(r->e.msg, cases[c].remedy));
	}
}

/* ---- The memory disk ---- */

static void block_mem_write_then_read_gives_the_bytes_in_any_order(void **state)
{
	struct rig *r = *state;
	uint8_t *got = aligned(SIZE);

	for (uint64_t seed = 0; seed < 3; seed++) {
		mem_disk_seed(r->disk, seed);
		r->data[seed] ^= 0xff;
		assert_int_equal(move_all(r->block, BLOCK_WRITE, r->data, SIZE, 4096), 0);
		memset(got, 0, SIZE);
		assert_int_equal(move_all(r->block, BLOCK_READ, got, SIZE, 2048), 0);
		assert_memory_equal(got, r->data, SIZE);
	}
	assert_int_equal(mem_disk_counters(r->disk)->ops[MEM_WRITE], 3 * SIZE / 4096);
	assert_int_equal(mem_disk_counters(r->disk)->bytes[MEM_READ], 3 * SIZE);
	assert_int_equal(block_zero(r->block, 512, SIZE - 1024, &r->e), 0);
	assert_true(all_are(mem_disk_bytes(r->disk) + 512, SIZE - 1024, 0));
	assert_memory_equal(mem_disk_bytes(r->disk), r->data, 512);
	assert_memory_equal(mem_disk_bytes(r->disk) + SIZE - 512, r->data + SIZE - 512, 512);
	free(got);
}

static void block_mem_with_a_seed_completes_out_of_order(void **state)
{
	struct rig *r = *state;
	struct block_request q[DEPTH];
	bool out_of_order = false;

	mem_disk_seed(r->disk, 9);
	for (int round = 0; round < 8; round++) {
		for (int i = 0; i < DEPTH; i++) {
			q[i] = (struct block_request){.length = 512, .data = r->data};
			assert_int_equal(block_submit(r->block, &q[i], &r->e), 0);
		}
		struct block_request one_more = {.length = 512, .data = r->data};
		assert_int_equal(block_submit(r->block, &one_more, &r->e), -1);
		for (int i = 0; i < DEPTH; i++)
			out_of_order |= block_wait(r->block, 0, &r->e) != &q[i];
	}
	assert_true(out_of_order);
}

static void block_mem_fault_hits_its_range_and_count_only(void **state)
{
	struct rig *r = *state;
	static const struct {
		uint64_t offset;
		bool fails;
	} reads[] = {{0, 0}, {3584, 0}, {4096, 0}, {4608, 1}, {8192, 0}, {7680, 1}, {7680, 0}};

	/* Of the reads that touch [4096, 8192) the first passes and the next two fail. */
	mem_disk_fault(r->disk, &(struct mem_fault){.op = MEM_READ, .offset = 4096, .length = 4096, .skip = 1,
		.times = 2, .error = EIO});
	for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++)
		assert_int_equal(block_io(r->block, BLOCK_READ, reads[i].offset, r->data, 512, &r->e),
			reads[i].fails ? -1 : 0);
	assert_int_equal(block_io(r->block, BLOCK_WRITE, 4608, r->data, 512, &r->e), 0);
	mem_disk_fault(r->disk, &(struct mem_fault){.op = MEM_WRITE, .error = EIO}); /* for ever */
	for (int i = 0; i < 5; i++)
		assert_int_equal(block_io(r->block, BLOCK_WRITE, 0, r->data, 512, &r->e), -1);
	mem_disk_clear_faults(r->disk);
	assert_int_equal(block_io(r->block, BLOCK_WRITE, 0, r->data, 512, &r->e), 0);
}

static void block_mem_partial_write_fails_after_its_beginning(void **state)
{
	struct rig *r = *state;

	mem_disk_fault(r->disk, &(struct mem_fault){.op = MEM_WRITE, .error = EIO, .partial = 1000});
	assert_int_equal(block_io(r->block, BLOCK_WRITE, 0, r->data, 4096, &r->e), -1);
	assert_memory_equal(mem_disk_bytes(r->disk), r->data, 1000);
	assert_true(all_are(mem_disk_bytes(r->disk) + 1000, SIZE - 1000, 0));
}

static void block_mem_flip_and_drop_tell_nobody(void **state)
{
	struct rig *r = *state;
	uint8_t got[512] __attribute__((aligned(512)));

	mem_disk_fault(r->disk, &(struct mem_fault){.op = MEM_WRITE, .effect = MEM_FLIP, .times = 1, .flip_at = 700});
	assert_int_equal(block_io(r->block, BLOCK_WRITE, 512, r->data, 512, &r->e), 0);
	assert_int_equal(mem_disk_bytes(r->disk)[700], r->data[700 - 512] ^ 1);
	assert_int_equal(mem_disk_bytes(r->disk)[701], r->data[701 - 512]);
	mem_disk_fault(r->disk, &(struct mem_fault){.op = MEM_READ, .effect = MEM_FLIP, .times = 1, .flip_at = 513});
	assert_int_equal(block_io(r->block, BLOCK_READ, 512, got, 512, &r->e), 0);
	assert_int_equal(got[1], r->data[1] ^ 1);
	assert_int_equal(mem_disk_bytes(r->disk)[513], r->data[1]);
	mem_disk_fault(r->disk, &(struct mem_fault){.op = MEM_ZERO, .effect = MEM_DROP, .times = 1});
	assert_int_equal(block_zero(r->block, 512, 512, &r->e), 0);
	assert_int_equal(mem_disk_bytes(r->disk)[513], r->data[1]);
	assert_int_equal(block_zero(r->block, 512, 512, &r->e), 0);
	assert_int_equal(mem_disk_bytes(r->disk)[513], 0);
}

static void mem_disk_power_on_loses_only_what_was_not_flushed(void **state)
{
	struct rig *r = *state;
	uint8_t *other = pattern(SIZE, 2);
	unsigned kept = 0;

	for (uint64_t seed = 0; seed < 3; seed++) {
		assert_int_equal(move_all(r->block, BLOCK_WRITE, r->data, SIZE, 4096), 0);
		assert_int_equal(block_flush(r->block, &r->e), 0);
		assert_int_equal(extents_bytes(mem_disk_unflushed(r->disk)), 0);
		assert_int_equal(move_all(r->block, BLOCK_WRITE, other, SIZE / 2, 4096), 0);
		assert_int_equal(extents_bytes(mem_disk_unflushed(r->disk)), SIZE / 2);
		mem_disk_power_on(r->disk, seed);
		const uint8_t *now = mem_disk_bytes(r->disk);
		for (uint64_t s = 0; s < SIZE; s += 512) {
			bool is_new = s < SIZE / 2 && memcmp(now + s, other + s, 512) == 0;

			assert_true(is_new || memcmp(now + s, r->data + s, 512) == 0);
			kept += is_new;
		}
		assert_true(seed == 0 ? kept == 0 : kept > 0);
	}
	assert_true(kept < 2 * SIZE / 2 / 512);
	free(other);
}

static void mem_disk_without_power_fails_until_it_is_back(void **state)
{
	struct rig *r = *state;

	mem_disk_fault(r->disk, &(struct mem_fault){.op = MEM_WRITE, .effect = MEM_POWER, .skip = 1, .times = 1,
		.partial = 512});
	assert_int_equal(block_io(r->block, BLOCK_WRITE, 0, r->data, 1024, &r->e), 0);
	assert_int_equal(block_io(r->block, BLOCK_WRITE, 4096, r->data, 1024, &r->e), -1);
	assert_int_equal(block_io(r->block, BLOCK_READ, 0, r->data, 512, &r->e), -1);
	assert_int_equal(block_flush(r->block, &r->e), -1);
	mem_disk_power_on(r->disk, 0);
	struct block *again = block_mem_open(r->disk, BLOCK_RO, 1);
	assert_int_equal(block_io(again, BLOCK_READ, 0, r->data, 512, &r->e), 0);
	assert_true(all_are(mem_disk_bytes(r->disk), SIZE, 0));
	block_close(again);
}

static void mem_disk_dropped_flush_leaves_all_of_it_to_lose(void **state)
{
	struct rig *r = *state;

	mem_disk_put(r->disk, 0, r->data, 512);
	mem_disk_fault(r->disk, &(struct mem_fault){.op = MEM_FLUSH, .effect = MEM_DROP});
	assert_int_equal(block_zero(r->block, 0, 512, &r->e), 0);
	assert_int_equal(block_flush(r->block, &r->e), 0);
	mem_disk_power_on(r->disk, 0);
	assert_memory_equal(mem_disk_bytes(r->disk), r->data, 512);
}

static void block_next_data_of_a_huge_memory_file_finds_what_was_written(void **state)
{
	struct rig *r = *state;
	/* Far more than is written; the thread sanitizer has room for two of them, but not of a TiB. */
	uint64_t size = (UINT64_C(1) << 36) + 100, start, end;
	struct mem_disk *d = mem_disk_new("huge", size, 512, true);
	struct block *b = block_mem_open(d, BLOCK_RW, 1);

	assert_int_equal(block_next_data(b, 0, &start, &end, &r->e), 0);
	assert_true(start == size && end == size);
	assert_int_equal(block_io(b, BLOCK_WRITE, size - 100, r->data, 100, &r->e), 0);
	mem_disk_put(d, 8192, r->data, 1024);
	assert_int_equal(block_next_data(b, 0, &start, &end, &r->e), 0);
	assert_true(start == 8192 && end == 9216);
	assert_int_equal(block_next_data(b, 9000, &start, &end, &r->e), 0);
	assert_true(start == 9000 && end == 9216);
	assert_int_equal(block_next_data(b, 9216, &start, &end, &r->e), 0);
	assert_true(start == size - 100 && end == size);
	assert_int_equal(block_next_data(b, size, &start, &end, &r->e), 0);
	assert_true(start == size && end == size);
	assert_int_equal(block_flush(b, &r->e), 0);
	block_close(b);
	mem_disk_free(d);
	assert_int_equal(block_next_data(r->block, 512, &start, &end, &r->e), 0); /* a device does not know */
	assert_true(start == 512 && end == SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(block_submit_of_impossible_ranges_is_refused),
		test(block_submit_to_an_odd_end_is_for_files_only),
		test(block_write_to_a_read_only_block_is_refused),
		test(block_flush_that_failed_is_final),
		test(block_io_that_fails_names_disk_place_and_remedy),
		test(block_mem_write_then_read_gives_the_bytes_in_any_order),
		test(block_mem_with_a_seed_completes_out_of_order),
		test(block_mem_fault_hits_its_range_and_count_only),
		test(block_mem_partial_write_fails_after_its_beginning),
		test(block_mem_flip_and_drop_tell_nobody),
		test(mem_disk_power_on_loses_only_what_was_not_flushed),
		test(mem_disk_without_power_fails_until_it_is_back),
		test(mem_disk_dropped_flush_leaves_all_of_it_to_lose),
		test(block_next_data_of_a_huge_memory_file_finds_what_was_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
