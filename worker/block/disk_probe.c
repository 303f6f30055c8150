// SPDX-License-Identifier: Apache-2.0
#include "block/disk_probe.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define FILE_SECTOR 512
#define FILE_PAGE   4096

static int probe_device(int fd, struct block_info *i, struct err *e)
{
	int logical = 0, read_only = 0;
	unsigned physical = 0;

	if (ioctl(fd, BLKGETSIZE64, &i->size) < 0 || ioctl(fd, BLKSSZGET, &logical) < 0 ||
	    ioctl(fd, BLKPBSZGET, &physical) < 0 || ioctl(fd, BLKROGET, &read_only) < 0)
		return err_set(e, ERR_IO, errno, "cannot ask %s for its size and sectors", i->name);
	if (logical != 512 && logical != 4096)
		return err_set(e, ERR_UNSUPPORTED, 0, "%s has sectors of %d bytes; only 512 and 4096 are possible",
			i->name, logical);
	i->logical_sector = (uint32_t)logical;
	i->physical_sector = physical;
	i->read_only = read_only != 0;
	return 0;
}

int disk_probe(int fd, const char *name, struct block_info *i, struct err *e)
{
	struct stat st;

	*i = (struct block_info){.logical_sector = FILE_SECTOR, .physical_sector = FILE_PAGE};
	snprintf(i->name, sizeof i->name, "%s", name);
	if (fstat(fd, &st) < 0)
		return err_set(e, ERR_IO, errno, "cannot look at %s", name);
	if (S_ISBLK(st.st_mode))
		return probe_device(fd, i, e);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_UNSUPPORTED, 0,
			"%s is %s; give a block device or a regular file", name,
			S_ISDIR(st.st_mode) ? "a folder" : S_ISCHR(st.st_mode) ? "a character device" : "no disk");
	i->is_file = true;
	i->size = (uint64_t)st.st_size;
	return 0;
}
