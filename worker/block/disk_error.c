// SPDX-License-Identifier: Apache-2.0
#include "block/disk_error.h"

#include <errno.h>
#include <stddef.h>

static const char *const action_names[] = {
	[DISK_READ] = "reading",
	[DISK_WRITE] = "writing",
	[DISK_ZERO] = "zeroing",
	[DISK_FLUSH] = "flushing",
};

static const struct {
	int sys;
	const char *remedy;
} remedies[] = {
	{EIO, "the device failed there, or became shorter; see the kernel's log, mend or replace it, and run again"},
	{ENODATA, "the medium cannot be read there; see the kernel's log, mend or replace the disk, and run again"},
	{ENOSPC, "make room on the file system or pool that holds it, and run again"},
	{EDQUOT, "raise the quota or make room, and run again"},
	{EFBIG, "the file system or a limit (ulimit -f) does not allow so big a file; use another place"},
	{EROFS, "it or its file system is read-only; make it writable, and run again"},
	{EPERM, "it is write-protected or sealed; make it writable, and run again"},
	{ENXIO, "the device is gone; attach it, and run again"},
	{ENODEV, "the device is gone; attach it, and run again"},
	{ENOLINK, "the connection to the device is lost; attach it again, and run again"},
	{ETIMEDOUT, "the device does not answer; see the kernel's log, and run again"},
	{EINVAL, "its kernel driver refuses this size or place; see the kernel's log"},
	{EREMOTEIO, "the device failed; see the kernel's log, and run again"},
};

static const char *remedy_of(int sys)
{
	for (size_t i = 0; i < sizeof remedies / sizeof remedies[0]; i++)
		if (remedies[i].sys == sys)
			return remedies[i].remedy;
	return "see the kernel's log, and run again";
}

const char *disk_action_name(enum disk_action a)
{
	return action_names[a];
}

/* A disk that fails is never a network, a timeout or a missing thing in the sense of a retry. */
static enum err_kind kind_of(int sys)
{
	enum err_kind kind = err_kind_of_errno(sys);

	if (sys == EROFS || sys == EPERM)
		return ERR_DENIED;
	return kind == ERR_NO_SPACE ? kind : ERR_IO;
}

int disk_error(struct err *e, enum disk_action a, int sys, const struct block_info *i, uint64_t offset, uint64_t length)
{
	if (length == 0)
		return err_set(e, kind_of(sys), sys, "%s %s failed (%s)", action_names[a], i->name, remedy_of(sys));
	return err_set(e, kind_of(sys), sys, "%s %llu bytes at offset %llu of %s failed (%s)", action_names[a],
		(unsigned long long)length, (unsigned long long)offset, i->name, remedy_of(sys));
}
