// SPDX-License-Identifier: Apache-2.0
/* Disks that are files, with each engine, on a disk file system (O_DIRECT) and on tmpfs. Devices: test_block_loop.c. */
#include "block_fixture.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "block/block_disk.h"

static const struct engine_ops *const only_uring[] = {&engine_uring, NULL};
static const struct engine_ops *const only_psync[] = {&engine_psync, NULL};
static const struct engine_ops *const *const engines[] = {only_uring, only_psync};
#define ENGINES 2

static const char *const folders[] = {"/tmp", "/dev/shm"};
#define FOLDERS 2

/* NULL when this kernel has no io_uring for us; psync is always there. */
static struct block *open_with(int engine, const char *path, enum block_mode mode)
{
	struct err e = ERR_INIT;
	int fd = open(path, mode == BLOCK_RW ? O_RDWR : O_RDONLY);

	assert_true(fd >= 0);
	struct block *b = block_disk_new_with(fd, path, mode, DEPTH, engines[engine], &e);
	if (b == NULL && (engine != 0 || e.kind != ERR_UNSUPPORTED))
		fail_msg("%s", e.msg);
	if (b == NULL)
		print_message("left out: %s\n", e.msg);
	return b;
}

static void round_trip(int engine, const char *folder, uint64_t size, uint32_t piece)
{
	char *path = temp_file(folder, size);
	uint8_t *data = pattern(size, piece), *got = aligned(size);
	struct block *b = open_with(engine, path, BLOCK_RW);
	struct err e = ERR_INIT;

	if (b != NULL) {
		assert_true(b->info.size == size);
		assert_true(b->info.is_file);
		assert_int_equal(b->info.logical_sector, 512);
		assert_int_equal(move_all(b, BLOCK_WRITE, data, size, piece), 0);
		assert_int_equal(block_flush(b, &e), 0);
		memset(got, 0, size);
		assert_int_equal(move_all(b, BLOCK_READ, got, size, piece), 0);
		assert_memory_equal(got, data, size);
		memset(got, 0, size);
		for (uint64_t at = 0; at < size; at += piece)
			assert_int_equal(block_read_aside(b, at, got + at, (uint32_t)(size - at < piece ? size - at : piece), &e), 0);
		assert_memory_equal(got, data, size);
		assert_int_equal(block_read_aside(b, size / 512 * 512, got, 512 << 10, &e), -1);
		block_close(b);
		uint8_t *other = slurp(path, size);
		assert_memory_equal(other, data, size);
		assert_true(file_size(path) == size);
		free(other);
	}
	free(data);
	free(got);
	remove_file(path);
}

static void block_disk_write_then_read_of_odd_sizes_gives_every_byte(void **state)
{
	(void)state;
	static const uint64_t sizes[] = {0, 1, 511, 512, 513, 4095, 4096, 4097, 5000, 65536 + 512, (1 << 20) - 512,
		(1 << 20) + 1};
	static const uint32_t pieces[] = {512, 65536, 262144}; /* 512: most requests begin at an odd place */

	for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
		for (int p = 0; p < 3; p++)
			for (int f = 0; f < FOLDERS; f++)
				for (int n = 0; n < ENGINES; n++)
					if (pieces[p] > 512 || sizes[s] < 65536)
						round_trip(n, folders[f], sizes[s], pieces[p]);
}

static void block_disk_read_sees_what_another_tool_wrote(void **state)
{
	(void)state;
	const uint64_t size = 300000;
	uint8_t *data = pattern(size, 5), *got = aligned(size);

	for (int n = 0; n < ENGINES; n++) {
		char *path = temp_file("/tmp", size);
		struct block *b = open_with(n, path, BLOCK_RO);

		if (b != NULL) {
			spit(path, data, size);
			assert_int_equal(move_all(b, BLOCK_READ, got, size, 65536), 0);
			assert_memory_equal(got, data, size);
			block_close(b);
		}
		remove_file(path);
	}
	free(data);
	free(got);
}

static void block_disk_zero_of_any_range_leaves_the_rest(void **state)
{
	(void)state;
	const uint64_t size = 200000;
	static const struct {
		uint64_t offset, length;
	} ranges[] = {{0, 512}, {512, 512}, {4096, 8192}, {65536, 134464}, {199680, 320}, {0, 200000}};
	uint8_t *data = pattern(size, 6);

	for (int n = 0; n < 2 * FOLDERS; n++) {
		char *path = temp_file(folders[n / 2], size);
		struct block *b = open_with(n % 2, path, BLOCK_RW);
		struct err e = ERR_INIT;

		for (size_t r = 0; b != NULL && r < sizeof ranges / sizeof ranges[0]; r++) {
			assert_int_equal(move_all(b, BLOCK_WRITE, data, size, 65536), 0);
			assert_int_equal(block_zero(b, ranges[r].offset, ranges[r].length, &e), 0);
			assert_int_equal(block_flush(b, &e), 0);
			uint8_t *got = slurp(path, size);
			uint64_t end = ranges[r].offset + ranges[r].length;
			assert_memory_equal(got, data, ranges[r].offset);
			assert_true(all_are(got + ranges[r].offset, ranges[r].length, 0));
			assert_memory_equal(got + end, data + end, size - end);
			assert_true(file_size(path) == size);
			free(got);
		}
		block_close(b);
		remove_file(path);
	}
	free(data);
}

/* The last method of disk_zero.c, which file systems without holes need. */
static void block_disk_zero_by_writing_gives_zeros_too(void **state)
{
	(void)state;
	const uint64_t size = 700001;
	uint8_t *data = pattern(size, 7);
	char *path = temp_file("/tmp", size);
	struct err e = ERR_INIT;
	struct block *b = block_disk_open(path, BLOCK_RW, DEPTH, &e);

	assert_non_null(b);
	assert_int_equal(move_all(b, BLOCK_WRITE, data, size, 65536), 0);
	disk_of(b)->zero_method = 3;
	assert_int_equal(block_zero(b, 512, size - 512, &e), 0);
	uint8_t *got = slurp(path, size);
	assert_memory_equal(got, data, 512);
	assert_true(all_are(got + 512, size - 512, 0));
	assert_true(file_size(path) == size);
	block_close(b);
	free(got);
	free(data);
	remove_file(path);
}

static void block_next_data_of_a_sparse_file_skips_its_holes(void **state)
{
	(void)state;
	const uint64_t size = (UINT64_C(1) << 33) + 700, mib = 1 << 20;
	char *path = temp_file("/tmp", size);
	uint8_t *data = pattern(mib, 8);
	struct err e = ERR_INIT;
	uint64_t start, end;

	struct block *b = block_disk_open(path, BLOCK_RW, DEPTH, &e);
	assert_non_null(b);
	assert_int_equal(block_next_data(b, 0, &start, &end, &e), 0);
	assert_true(start == size && end == size);
	assert_int_equal(block_io(b, BLOCK_WRITE, 64 * mib, data, (uint32_t)mib, &e), 0);
	assert_int_equal(block_io(b, BLOCK_WRITE, size - 700 + 512, data, 188, &e), 0);
	assert_int_equal(block_flush(b, &e), 0);
	assert_int_equal(block_next_data(b, 0, &start, &end, &e), 0);
	assert_true(start <= 64 * mib && start > 60 * mib);
	assert_true(end >= 65 * mib && end < 70 * mib);
	assert_int_equal(block_next_data(b, 64 * mib + 4096, &start, &end, &e), 0);
	assert_true(start == 64 * mib + 4096);
	assert_int_equal(block_next_data(b, 70 * mib, &start, &end, &e), 0);
	assert_true(start > size / 2 && start <= size - 188 && end == size);
	assert_int_equal(block_next_data(b, size, &start, &end, &e), 0);
	assert_true(start == size && end == size);
	block_close(b);
	free(data);
	remove_file(path);
}

static void block_disk_read_of_a_file_that_shrank_is_an_error(void **state)
{
	(void)state;
	const uint64_t size = 100000;

	for (int n = 0; n < 2 * ENGINES; n++) {
		char *path = temp_file(folders[n / 2], size);
		uint8_t *got = aligned(size);
		struct block *b = open_with(n % 2, path, BLOCK_RO);

		if (b != NULL) {
			assert_int_equal(truncate(path, 70000), 0);
			assert_int_equal(move_all(b, BLOCK_READ, got, 65536, 65536), 0);
			assert_int_equal(move_all(b, BLOCK_READ, got, size, (uint32_t)size), EIO);
			assert_int_equal(truncate(path, 99999), 0); /* only the last byte is missing */
			assert_int_equal(move_all(b, BLOCK_READ, got, size, 65536), EIO);
			block_close(b);
		}
		free(got);
		remove_file(path);
	}
}

static void block_disk_write_past_a_limit_is_no_space(void **state)
{
	(void)state;
	const uint64_t size = 1 << 20;
	struct rlimit before, limit;
	uint8_t *data = pattern(size, 9);

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	for (int n = 0; n < ENGINES; n++) {
		char *path = temp_file("/tmp", size);
		struct block *b = open_with(n, path, BLOCK_RW);
		struct err e = ERR_INIT;

		limit = before;
		limit.rlim_cur = 512 << 10;
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
		if (b != NULL) {
			assert_int_equal(block_io(b, BLOCK_WRITE, 0, data, 512 << 10, &e), 0);
			assert_int_equal(block_io(b, BLOCK_WRITE, 256 << 10, data, 512 << 10, &e), -1);
			assert_int_equal(e.kind, ERR_NO_SPACE);
			assert_non_null(strstr(e.msg, path));
			assert_non_null(strstr(e.msg, "offset 262144"));
		}
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
		block_close(b);
		remove_file(path);
	}
	free(data);
}

static void block_disk_submit_beyond_the_depth_is_refused(void **state)
{
	(void)state;
	char *path = temp_file("/tmp", 1 << 20);
	uint8_t *data = aligned((DEPTH + 1) * 4096);

	for (int n = 0; n < ENGINES; n++) {
		struct block *b = open_with(n, path, BLOCK_RO);
		struct block_request r[DEPTH + 1];
		struct err e = ERR_INIT;

		for (int i = 0; b != NULL && i <= DEPTH; i++) {
			r[i] = (struct block_request){.length = 4096, .data = data + i * 4096};
			assert_int_equal(block_submit(b, &r[i], &e), i < DEPTH ? 0 : -1);
		}
		block_close(b); /* with all of them under way */
	}
	free(data);
	remove_file(path);
}

static void block_disk_open_for_writing_twice_is_busy_and_names_the_holder(void **state)
{
	(void)state;
	char *path = temp_file("/tmp", 4096), me[32];
	struct err e = ERR_INIT;

	struct block *first = block_disk_open(path, BLOCK_RW, 1, &e);
	assert_non_null(first);
	assert_null(block_disk_open(path, BLOCK_RW, 1, &e));
	assert_int_equal(e.kind, ERR_BUSY);
	snprintf(me, sizeof me, "process %d (", (int)getpid());
	assert_non_null(strstr(e.msg, path));
	assert_non_null(strstr(e.msg, me));
	struct block *reader = block_disk_open(path, BLOCK_RO, 1, &e);
	assert_non_null(reader);
	block_close(reader);
	block_close(first);
	first = block_disk_open(path, BLOCK_RW, 1, &e);
	assert_non_null(first);
	block_close(first);
	remove_file(path);
}

/* Its ring has hold of the file for some time yet. */
static void block_disk_open_after_its_holder_was_killed_succeeds(void **state)
{
	char *path = temp_file("/tmp", 4096), byte;
	struct err e = ERR_INIT;
	int ready[2];

	(void)state;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(pipe(ready), 0);
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			if (block_disk_open(path, BLOCK_RW, 4, &e) == NULL || write(ready[1], "", 1) != 1)
				_exit(1);
			for (;;)
				pause();
		}
		close(ready[1]);
		assert_int_equal(read(ready[0], &byte, 1), 1);
		close(ready[0]);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		struct block *b = block_disk_open(path, BLOCK_RW, 4, &e);
		if (b == NULL)
			fail_msg("%s", e.msg);
		block_close(b);
	}
	remove_file(path);
}

static void block_disk_open_of_what_is_no_disk_says_so(void **state)
{
	(void)state;
	char fifo[] = "/tmp/wherry-block-fifo-XXXXXX";
	close(mkstemp(fifo));
	unlink(fifo);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	const struct {
		const char *path;
		enum err_kind kind;
	} cases[] = {{"/tmp/wherry-no-such-file", ERR_NOT_FOUND}, {"/tmp", ERR_UNSUPPORTED},
		{"/dev/null", ERR_UNSUPPORTED}, {fifo, ERR_UNSUPPORTED}};

	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		struct err e = ERR_INIT;

		assert_null(block_disk_open(cases[c].path, BLOCK_RO, 1, &e));
		assert_int_equal(e.kind, cases[c].kind);
		assert_non_null(strstr(e.msg, cases[c].path));
	}
	unlink(fifo);
}

static void block_disk_new_for_writing_of_a_read_only_descriptor_is_refused(void **state)
{
	(void)state;
	char *path = temp_file("/tmp", 4096);
	struct err e = ERR_INIT;
	int fd = open(path, O_RDONLY);

	assert_null(block_disk_new(fd, path, BLOCK_RW, 1, &e));
	assert_int_equal(e.kind, ERR_REFUSED);
	assert_int_equal(fcntl(fd, F_GETFD), -1); /* taken, so closed */
	remove_file(path);
}

static struct engine *no_engine(int fd, unsigned depth, struct err *e)
{
	(void)fd;
	(void)depth;
	err_set(e, ERR_UNSUPPORTED, ENOSYS, "cannot set up io_uring");
	return NULL;
}

static void block_disk_new_without_io_uring_falls_back(void **state)
{
	(void)state;
	const struct engine_ops refused = {.name = "refused", .open = no_engine};
	const struct engine_ops *const both[] = {&refused, &engine_psync, NULL}, *const none[] = {&refused, NULL};
	char *path = temp_file("/tmp", 4096);
	uint8_t *data = aligned(4096);
	struct err e = ERR_INIT;

	struct block *b = block_disk_new_with(open(path, O_RDONLY), path, BLOCK_RO, 1, both, &e);
	assert_non_null(b);
	assert_ptr_equal(disk_of(b)->engine->ops, &engine_psync);
	assert_int_equal(block_io(b, BLOCK_READ, 0, data, 4096, &e), 0);
	block_close(b);
	assert_null(block_disk_new_with(open(path, O_RDONLY), path, BLOCK_RO, 1, none, &e));
	assert_int_equal(e.kind, ERR_UNSUPPORTED);
	assert_int_equal(e.sys, ENOSYS);
	free(data);
	remove_file(path);
}

/* A file system that takes no O_DIRECT: the same bytes by way of the page cache. */
static void block_disk_without_direct_works_buffered(void **state)
{
	(void)state;
	const uint64_t size = 70001;
	uint8_t *data = pattern(size, 10);

	for (int n = 0; n < ENGINES; n++) {
		char *path = temp_file("/tmp", size);
		struct block *b = open_with(n, path, BLOCK_RW);
		struct err e = ERR_INIT;

		if (b != NULL) {
			struct disk *d = disk_of(b);
			assert_int_equal(fcntl(d->fd, F_SETFL, 0), 0);
			d->align = 1;
			assert_int_equal(move_all(b, BLOCK_WRITE, data, size, 4096), 0);
			assert_int_equal(block_zero(b, 512, 512, &e), 0);
			assert_int_equal(block_flush(b, &e), 0);
			block_close(b);
			uint8_t *got = slurp(path, size);
			assert_true(all_are(got + 512, 512, 0));
			assert_memory_equal(got + 1024, data + 1024, size - 1024);
			assert_true(file_size(path) == size);
			free(got);
		}
		remove_file(path);
	}
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(block_disk_write_then_read_of_odd_sizes_gives_every_byte),
		cmocka_unit_test(block_disk_read_sees_what_another_tool_wrote),
		cmocka_unit_test(block_disk_zero_of_any_range_leaves_the_rest),
		cmocka_unit_test(block_disk_zero_by_writing_gives_zeros_too),
		cmocka_unit_test(block_next_data_of_a_sparse_file_skips_its_holes),
		cmocka_unit_test(block_disk_read_of_a_file_that_shrank_is_an_error),
		cmocka_unit_test(block_disk_write_past_a_limit_is_no_space),
		cmocka_unit_test(block_disk_submit_beyond_the_depth_is_refused),
		cmocka_unit_test(block_disk_open_for_writing_twice_is_busy_and_names_the_holder),
		cmocka_unit_test(block_disk_open_after_its_holder_was_killed_succeeds),
		cmocka_unit_test(block_disk_open_of_what_is_no_disk_says_so),
		cmocka_unit_test(block_disk_new_for_writing_of_a_read_only_descriptor_is_refused),
		cmocka_unit_test(block_disk_new_without_io_uring_falls_back),
		cmocka_unit_test(block_disk_without_direct_works_buffered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
