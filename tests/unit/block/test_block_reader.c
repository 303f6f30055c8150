// SPDX-License-Identifier: Apache-2.0
/* block_reader: a second block on an open disk. */
#include "block_fixture.h"

#include "block/block_disk.h"
#include "block/block_mem.h"

#define SIZE (1u << 20)

/* Both have requests under way at once. Closes b. */
static void reads_what_the_other_writes(struct block *b)
{
	uint8_t *data = pattern(SIZE, 9), *got = aligned(SIZE);
	struct err e = ERR_INIT;

	assert_int_equal(move_all(b, BLOCK_WRITE, data, SIZE / 2, 65536), 0);
	assert_int_equal(block_flush(b, &e), 0);
	struct block *r = block_reader(b, 2, &e);
	if (r == NULL)
		fail_msg("%s", e.msg);
	assert_int_equal(r->info.size, b->info.size);
	assert_int_equal(r->info.logical_sector, b->info.logical_sector);
	struct block_request w = {.op = BLOCK_WRITE, .offset = SIZE / 2, .length = SIZE / 2, .data = data + SIZE / 2};
	assert_int_equal(block_submit(b, &w, &e), 0);
	assert_int_equal(move_all(r, BLOCK_READ, got, SIZE / 2, SIZE / 4), 0);
	assert_memory_equal(got, data, SIZE / 2);
	assert_ptr_equal(block_wait(b, -1, &e), &w);
	assert_int_equal(w.error, 0);
	assert_int_equal(block_io(r, BLOCK_WRITE, 0, data, 4096, &e), -1);
	assert_int_equal(e.kind, ERR_REFUSED);
	block_close(r);
	assert_int_equal(block_io(b, BLOCK_READ, SIZE / 2, got, SIZE / 2, &e), 0); /* lives on */
	assert_memory_equal(got, data + SIZE / 2, SIZE / 2);
	block_close(b);
	free(data);
	free(got);
}

static void block_reader_of_a_file_reads_and_writes_nothing(void **state)
{
	static const struct engine_ops *const uring[] = {&engine_uring, &engine_psync, NULL};
	static const struct engine_ops *const psync[] = {&engine_psync, NULL};
	static const struct engine_ops *const *const engines[] = {uring, psync};
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char *path = temp_file("/tmp", SIZE);
		struct block *b = block_disk_new_with(open(path, O_RDWR), path, BLOCK_RW, 4, engines[i], &e);

		if (b == NULL)
			fail_msg("%s", e.msg);
		b->info.logical_sector = 4096; /* what the file stands for */
		reads_what_the_other_writes(b);
		remove_file(path);
	}
}

static void block_reader_of_memory_reads_and_writes_nothing(void **state)
{
	struct mem_disk *d = mem_disk_new("mem", SIZE, 512, false);

	(void)state;
	reads_what_the_other_writes(block_mem_open(d, BLOCK_RW, 4));
	mem_disk_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(block_reader_of_a_file_reads_and_writes_nothing),
		cmocka_unit_test(block_reader_of_memory_reads_and_writes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
