// SPDX-License-Identifier: Apache-2.0
/*
 * Disks that are block devices: loop devices with sectors of 512 and 4096 bytes. Needs root, /dev/loop-control and
 * mount(2), else exit 77. A loop device is made so that it goes away with its last user (LO_FLAGS_AUTOCLEAR), even
 * when a test is killed; mounts are made in a mount namespace of this process.
 */
#include "block_fixture.h"

#include <linux/fs.h>
#include <linux/loop.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include "block/block_disk.h"

struct loop {
	int fd; /* keeps the device */
	char path[32];
	char *file;
};

/* -1 when another process took the same free device, or on any other failure. */
static int try_loop(struct loop *l, int backing, uint32_t sector, bool read_only)
{
	struct loop_config c = {.fd = (uint32_t)backing, .block_size = sector,
		.info = {.lo_flags = LO_FLAGS_AUTOCLEAR | (read_only ? LO_FLAGS_READ_ONLY : 0)}};
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int n = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);

	close(control);
	if (n < 0)
		return -1;
	snprintf(l->path, sizeof l->path, "/dev/loop%d", n);
	l->fd = open(l->path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (l->fd >= 0 && ioctl(l->fd, LOOP_CONFIGURE, &c) == 0)
		return 0;
	if (l->fd >= 0)
		close(l->fd);
	return -1;
}

static bool make_loop(struct loop *l, const char *folder, uint64_t size, uint32_t sector, bool read_only)
{
	bool made = false;

	l->file = temp_file(folder, size);
	int backing = open(l->file, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	for (int i = 0; i < 20 && !made; i++)
		made = try_loop(l, backing, sector, read_only) == 0;
	close(backing);
	if (!made)
		remove_file(l->file);
	return made;
}

static void remove_loop(struct loop *l)
{
	close(l->fd);
	remove_file(l->file);
}

static const uint32_t sectors[] = {512, 4096};

static void block_disk_of_a_loop_device_has_its_size_and_sectors(void **state)
{
	(void)state;
	for (int s = 0; s < 2; s++) {
		uint64_t size = (1 << 20) + sectors[s];
		struct err e = ERR_INIT;
		struct loop l;

		assert_true(make_loop(&l, "/tmp", size, sectors[s], false));
		struct block *b = block_disk_open(l.path, BLOCK_RW, DEPTH, &e);
		assert_non_null(b);
		assert_true(b->info.size == size);
		assert_int_equal(b->info.logical_sector, sectors[s]);
		assert_true(b->info.physical_sector >= sectors[s]);
		assert_false(b->info.is_file);
		assert_false(b->info.read_only);
		assert_int_equal(disk_of(b)->align, sectors[s]); /* O_DIRECT */
		block_close(b);
		remove_loop(&l);
	}
}

static void block_disk_write_to_a_device_is_what_its_file_holds(void **state)
{
	(void)state;
	static const struct engine_ops *const only_psync[] = {&engine_psync, NULL}, *const any[] = {&engine_uring,
		&engine_psync, NULL};

	for (int n = 0; n < 4; n++) {
		uint32_t sector = sectors[n % 2];
		uint64_t size = (3 << 20) + sector;
		uint8_t *data = pattern(size, sector), *got = aligned(size);
		struct err e = ERR_INIT;
		struct loop l;

		assert_true(make_loop(&l, "/tmp", size, sector, false));
		struct block *b = block_disk_new_with(open(l.path, O_RDWR | O_EXCL), l.path, BLOCK_RW, DEPTH,
			n / 2 ? any : only_psync, &e);
		assert_non_null(b);
		assert_int_equal(move_all(b, BLOCK_WRITE, data, size, 1 << 20), 0);
		assert_int_equal(block_flush(b, &e), 0);
		assert_int_equal(move_all(b, BLOCK_READ, got, size, 65536), 0);
		assert_memory_equal(got, data, size);
		uint8_t *other = slurp(l.file, size);
		assert_memory_equal(other, data, size);
		block_close(b);
		free(data);
		free(got);
		free(other);
		remove_loop(&l);
	}
}

static void block_disk_request_of_half_a_sector_is_refused(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	uint8_t *data = aligned(4096);
	struct loop l;

	assert_true(make_loop(&l, "/tmp", 1 << 20, 4096, false));
	struct block *b = block_disk_open(l.path, BLOCK_RW, 1, &e);
	assert_non_null(b);
	assert_int_equal(block_io(b, BLOCK_READ, 512, data, 4096, &e), -1);
	assert_int_equal(e.kind, ERR_INTERNAL);
	assert_int_equal(block_io(b, BLOCK_WRITE, (1 << 20) - 4096, data, 512, &e), -1);
	assert_int_equal(block_zero(b, 0, 512, &e), -1);
	assert_int_equal(block_io(b, BLOCK_WRITE, (1 << 20) - 4096, data, 4096, &e), 0);
	block_close(b);
	free(data);
	remove_loop(&l);
}

static void block_zero_of_a_device_leaves_the_rest(void **state)
{
	(void)state;
	const uint64_t size = 3 << 20;

	for (int n = 0; n < 4; n++) {
		uint64_t at = (1 << 20) + sectors[n % 2], length = (1 << 20) + sectors[n % 2];
		uint8_t *data = pattern(size, 3);
		struct err e = ERR_INIT;
		struct loop l;

		assert_true(make_loop(&l, "/tmp", size, sectors[n % 2], false));
		struct block *b = block_disk_open(l.path, BLOCK_RW, DEPTH, &e);
		assert_non_null(b);
		assert_int_equal(move_all(b, BLOCK_WRITE, data, size, 1 << 20), 0);
		disk_of(b)->zero_method = n / 2 ? 3 : 0; /* by writing, by BLKZEROOUT */
		assert_int_equal(block_zero(b, at, length, &e), 0);
		assert_int_equal(disk_of(b)->zero_method, n / 2 ? 3 : 0);
		assert_int_equal(block_flush(b, &e), 0);
		uint8_t *got = slurp(l.file, size);
		assert_true(all_are(got + at, length, 0));
		assert_memory_equal(got, data, at);
		assert_memory_equal(got + at + length, data + at + length, size - at - length);
		block_close(b);
		free(data);
		free(got);
		remove_loop(&l);
	}
}

static void block_disk_open_of_a_device_in_use_is_busy(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct loop l;

	assert_true(make_loop(&l, "/tmp", 1 << 20, 512, false));
	struct block *b = block_disk_open(l.path, BLOCK_RW, 1, &e);
	assert_non_null(b);
	assert_null(block_disk_open(l.path, BLOCK_RW, 1, &e));
	assert_int_equal(e.kind, ERR_BUSY);
	assert_non_null(strstr(e.msg, "fuser"));
	struct block *reader = block_disk_open(l.path, BLOCK_RO, 1, &e);
	assert_non_null(reader);
	block_close(reader);
	block_close(b);
	b = block_disk_open(l.path, BLOCK_RW, 1, &e); /* closing has let it go */
	assert_non_null(b);
	block_close(b);
	remove_loop(&l);
}

static void block_disk_open_of_a_mounted_device_says_where(void **state)
{
	(void)state;
	char folder[] = "/tmp/wherry-block-mount-XXXXXX", command[128];
	struct err e = ERR_INIT;
	struct loop l;

	assert_non_null(mkdtemp(folder));
	assert_true(make_loop(&l, "/tmp", 4 << 20, 512, false));
	snprintf(command, sizeof command, "mkfs.ext2 -q %s", l.path);
	assert_int_equal(system(command), 0);
	assert_int_equal(mount(l.path, folder, "ext2", 0, ""), 0);
	struct block *b = block_disk_open(l.path, BLOCK_RW, 1, &e);
	assert_int_equal(umount(folder), 0);
	assert_null(b);
	assert_int_equal(e.kind, ERR_BUSY);
	assert_non_null(strstr(e.msg, "is mounted on"));
	assert_non_null(strstr(e.msg, folder));
	remove_loop(&l);
	rmdir(folder);
}

static void block_disk_open_of_a_read_only_device_for_writing_is_refused(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct loop l;

	assert_true(make_loop(&l, "/tmp", 1 << 20, 512, true));
	assert_null(block_disk_open(l.path, BLOCK_RW, 1, &e));
	assert_true(e.kind == ERR_REFUSED || e.kind == ERR_DENIED);
	assert_non_null(strstr(e.msg, l.path));
	struct block *b = block_disk_open(l.path, BLOCK_RO, 1, &e);
	assert_non_null(b);
	assert_true(b->info.read_only);
	block_close(b);
	remove_loop(&l);
}

static void block_next_data_of_a_device_is_all_of_it(void **state)
{
	(void)state;
	uint64_t start, end;
	struct err e = ERR_INIT;
	struct loop l;

	assert_true(make_loop(&l, "/tmp", 1 << 20, 512, false));
	struct block *b = block_disk_open(l.path, BLOCK_RO, 1, &e);
	assert_int_equal(block_next_data(b, 4096, &start, &end, &e), 0);
	assert_true(start == 4096 && end == 1 << 20);
	block_close(b);
	remove_loop(&l);
}

/* 1 MiB of room for files that say they have more. */
static void with_little_room(char folder[32], void (*run)(const char *folder))
{
	snprintf(folder, 32, "/tmp/wherry-block-small-XXXXXX");
	assert_non_null(mkdtemp(folder));
	assert_int_equal(mount("none", folder, "tmpfs", 0, "size=1m"), 0);
	run(folder);
	assert_int_equal(umount(folder), 0);
	rmdir(folder);
}

static void fill_file(const char *folder)
{
	const uint64_t size = 4 << 20;
	char *path = temp_file(folder, size);
	uint8_t *data = pattern(size, 4);
	struct err e = ERR_INIT;
	struct block *b = block_disk_open(path, BLOCK_RW, DEPTH, &e);

	assert_non_null(b);
	assert_int_equal(block_io(b, BLOCK_WRITE, 0, data, 512 << 10, &e), 0);
	assert_int_equal(block_io(b, BLOCK_WRITE, 1 << 20, data, 2 << 20, &e), -1);
	assert_int_equal(e.kind, ERR_NO_SPACE);
	assert_non_null(strstr(e.msg, path));
	block_close(b);
	free(data);
	remove_file(path);
}

static void block_disk_write_to_a_full_file_system_is_no_space(void **state)
{
	(void)state;
	char folder[32];

	with_little_room(folder, fill_file);
}

static void fill_device(const char *folder)
{
	const uint64_t size = 4 << 20;
	uint8_t *data = pattern(size, 4);
	struct err e = ERR_INIT;
	struct loop l;

	assert_true(make_loop(&l, folder, size, 512, false));
	struct block *b = block_disk_open(l.path, BLOCK_RW, DEPTH, &e);
	assert_non_null(b);
	/* The kernel tells of the first error at the write or, at the latest, at the flush. */
	int error = move_all(b, BLOCK_WRITE, data, size, 1 << 20);
	int flushed = block_flush(b, &e);
	assert_true(error != 0 || flushed < 0);
	if (error == 0)
		assert_int_equal(block_io(b, BLOCK_READ, 0, data, 512, &e), -1);
	block_close(b);
	free(data);
	remove_loop(&l);
}

static void block_disk_write_to_a_failing_device_is_an_error(void **state)
{
	(void)state;
	char folder[32];

	with_little_room(folder, fill_device);
}

static bool can_run(void)
{
	struct loop l;

	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return false;
	if (!make_loop(&l, "/tmp", 1 << 20, 512, false))
		return false;
	remove_loop(&l);
	return true;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(block_disk_of_a_loop_device_has_its_size_and_sectors),
		cmocka_unit_test(block_disk_write_to_a_device_is_what_its_file_holds),
		cmocka_unit_test(block_disk_request_of_half_a_sector_is_refused),
		cmocka_unit_test(block_zero_of_a_device_leaves_the_rest),
		cmocka_unit_test(block_disk_open_of_a_device_in_use_is_busy),
		cmocka_unit_test(block_disk_open_of_a_mounted_device_says_where),
		cmocka_unit_test(block_disk_open_of_a_read_only_device_for_writing_is_refused),
		cmocka_unit_test(block_next_data_of_a_device_is_all_of_it),
		cmocka_unit_test(block_disk_write_to_a_full_file_system_is_no_space),
		cmocka_unit_test(block_disk_write_to_a_failing_device_is_an_error),
	};

	if (!can_run()) {
		puts("needs root, loop devices and mount namespaces");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
