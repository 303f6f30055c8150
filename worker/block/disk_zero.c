// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "block/block_disk.h"
#include "block/disk_error.h"

#define ZERO_STEP  (UINT64_C(1) << 30) /* one call of the kernel: so that a signal can end the process in between */
#define ZERO_WRITE (UINT32_C(256) << 10)

/* Each gives 0 or an errno. */
struct zero_method {
	bool for_files, for_devices;
	int (*zero)(struct disk *d, uint64_t offset, uint64_t length);
};

/* BLKZEROOUT never unmaps unless the device says that unmapped reads as zeros; BLKDISCARD promises nothing. */
static int zero_out(struct disk *d, uint64_t offset, uint64_t length)
{
	uint64_t range[2] = {offset, length};

	return ioctl(d->fd, BLKZEROOUT, range) < 0 ? errno : 0;
}

static int punch_hole(struct disk *d, uint64_t offset, uint64_t length)
{
	int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	return fallocate(d->fd, mode, (off_t)offset, (off_t)length) < 0 ? errno : 0;
}

static int zero_range(struct disk *d, uint64_t offset, uint64_t length)
{
	int mode = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;

	return fallocate(d->fd, mode, (off_t)offset, (off_t)length) < 0 ? errno : 0;
}

static int write_zeros(struct disk *d, uint64_t offset, uint64_t length)
{
	/* Never touched, so all of it is the kernel's one page of zeros. */
	void *zeros = mmap(NULL, ZERO_WRITE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int sys = 0;

	if (zeros == MAP_FAILED)
		return errno;
	while (length > 0 && sys == 0) {
		uint32_t n = length < ZERO_WRITE ? (uint32_t)length : ZERO_WRITE;

		sys = disk_write_sync(d, zeros, offset, n);
		offset += n;
		length -= n;
	}
	munmap(zeros, ZERO_WRITE);
	return sys;
}

static const struct zero_method methods[] = {
	{.for_devices = true, .zero = zero_out},
	{.for_files = true, .zero = punch_hole},
	{.for_files = true, .zero = zero_range},
	{.for_files = true, .for_devices = true, .zero = write_zeros},
};
#define LAST_METHOD (sizeof methods / sizeof methods[0] - 1)

static bool refused(int sys)
{
	return sys == EOPNOTSUPP || sys == ENOSYS || sys == ENOTTY || sys == EINVAL;
}

static int zero_step(struct disk *d, uint64_t offset, uint64_t length)
{
	for (;; d->zero_method++) {
		const struct zero_method *m = &methods[d->zero_method];

		if (!(d->base.info.is_file ? m->for_files : m->for_devices))
			continue;
		int sys;
		do
			sys = m->zero(d, offset, length);
		while (sys == EINTR);
		if (!refused(sys) || d->zero_method == LAST_METHOD)
			return sys;
	}
}

int disk_zero(struct block *b, uint64_t offset, uint64_t length, struct err *e)
{
	struct disk *d = disk_of(b);

	while (length > 0) {
		uint64_t n = length < ZERO_STEP ? length : ZERO_STEP;
		int sys = zero_step(d, offset, n);

		if (sys != 0)
			return disk_error(e, DISK_ZERO, sys, &b->info, offset, n);
		offset += n;
		length -= n;
	}
	return 0;
}
