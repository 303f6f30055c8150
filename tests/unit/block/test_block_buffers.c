// SPDX-License-Identifier: Apache-2.0
/* block_buffers: whatever memory it is told of, transfers move the same bytes. */
#include "block_fixture.h"

#include <sys/mman.h>

#include "block/block_disk.h"

#define SIZE   (256u << 10)
#define REGION (64u << 10)

static const struct engine_ops *const only_uring[] = {&engine_uring, NULL};
static const struct engine_ops *const only_psync[] = {&engine_psync, NULL};
static const struct engine_ops *const *const engines[] = {only_uring, only_psync};
#define ENGINES 2

struct file {
	char *path;
	uint8_t *data;
	struct block *b; /* NULL: this kernel has no io_uring for us */
};

static struct file open_file(int engine)
{
	struct file f = {.path = temp_file("/tmp", SIZE), .data = pattern(SIZE, 5)};
	struct err e = ERR_INIT;

	spit(f.path, f.data, SIZE);
	f.b = block_disk_new_with(open(f.path, O_RDWR), f.path, BLOCK_RW, DEPTH, engines[engine], &e);
	if (f.b == NULL && (engine != 0 || e.kind != ERR_UNSUPPORTED))
		fail_msg("%s", e.msg);
	return f;
}

static void close_file(struct file *f)
{
	block_close(f->b);
	free(f->data);
	remove_file(f->path);
}

static uint8_t *map(void *at, size_t n, int prot)
{
	uint8_t *p = mmap(at, n, prot, MAP_PRIVATE | MAP_ANONYMOUS | (at != NULL ? MAP_FIXED : 0), -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static void read_to(const struct file *f, uint64_t offset, uint8_t *to, uint32_t n)
{
	struct err e = ERR_INIT;

	memset(to, 0xee, n);
	assert_int_equal(block_io(f->b, BLOCK_READ, offset, to, n, &e), 0);
	assert_memory_equal(to, f->data + offset, n);
}

static void block_buffers_transfers_in_at_and_outside_of_them_are_right(void **state)
{
	(void)state;
	for (int engine = 0; engine < ENGINES; engine++) {
		struct file f = open_file(engine);
		uint8_t *p = map(NULL, 3 * REGION, PROT_READ | PROT_WRITE), *in = p + REGION;
		struct err e = ERR_INIT;

		if (f.b != NULL) {
			block_buffers(f.b, in, REGION);
			read_to(&f, 4096, in, REGION);
			read_to(&f, 0, in + REGION - 4096, 4096);
			read_to(&f, 8192, in + REGION - 4096, 8192); /* over the end */
			read_to(&f, 8192, in - 4096, 8192);          /* and the start */
			read_to(&f, 65536, p, 4096);
			memset(in, 0x77, REGION);
			assert_int_equal(block_io(f.b, BLOCK_WRITE, REGION, in, REGION, &e), 0);
			memset(f.data + REGION, 0x77, REGION);
			uint8_t *other = slurp(f.path, SIZE);
			assert_memory_equal(other, f.data, SIZE);
			free(other);
		}
		close_file(&f);
		munmap(p, 3 * REGION);
	}
}

static void block_buffers_taken_back_and_mapped_anew_are_not_mixed_up(void **state)
{
	(void)state;
	for (int engine = 0; engine < ENGINES; engine++) {
		struct file f = open_file(engine);
		uint8_t *p = map(NULL, REGION, PROT_READ | PROT_WRITE);

		if (f.b != NULL) {
			block_buffers(f.b, p, REGION);
			read_to(&f, 0, p, REGION);
			block_buffers(f.b, NULL, 0);
			map(p, REGION, PROT_READ | PROT_WRITE); /* other pages at the same address */
			read_to(&f, REGION, p, REGION);
			block_buffers(f.b, p, REGION);
			read_to(&f, 0, p, REGION);
		}
		close_file(&f);
		munmap(p, REGION);
	}
}

static void block_buffers_that_the_kernel_refuses_change_nothing(void **state)
{
	(void)state;
	for (int engine = 0; engine < ENGINES; engine++) {
		struct file f = open_file(engine);
		uint8_t *p = map(NULL, REGION, PROT_READ | PROT_WRITE);

		if (f.b != NULL) {
			map(p + REGION / 2, REGION / 2, PROT_NONE);
			block_buffers(f.b, p, REGION);
			read_to(&f, 4096, p, REGION / 2);
		}
		close_file(&f);
		munmap(p, REGION);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(block_buffers_transfers_in_at_and_outside_of_them_are_right),
		cmocka_unit_test(block_buffers_taken_back_and_mapped_anew_are_not_mixed_up),
		cmocka_unit_test(block_buffers_that_the_kernel_refuses_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
