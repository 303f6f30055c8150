// SPDX-License-Identifier: Apache-2.0
#include "block/disk_holder.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"

static void cleanup_dir(DIR **d)
{
	if (*d != NULL)
		closedir(*d);
}

/* Where sysfs has a block device: a partition lies below its disk. */
static bool sys_path(unsigned major, unsigned minor, char out[PATH_MAX])
{
	char link[64];

	snprintf(link, sizeof link, "/sys/dev/block/%u:%u", major, minor);
	return realpath(link, out) != NULL;
}

/* The first mount of the device or of one of its partitions. */
static bool find_mount(const char *sys, char *out, size_t size)
{
	cleanup(cleanup_file) FILE *f = fopen("/proc/self/mountinfo", "re");
	size_t n = strlen(sys);
	char line[2 * PATH_MAX], at[PATH_MAX], point[PATH_MAX];
	unsigned major, minor;

	while (f != NULL && fgets(line, sizeof line, f) != NULL) {
		if (sscanf(line, "%*d %*d %u:%u %*s %4095s", &major, &minor, point) != 3 ||
		    !sys_path(major, minor, at) || strncmp(at, sys, n) != 0 || (at[n] != '\0' && at[n] != '/'))
			continue;
		snprintf(out, size, "%.200s", point);
		return true;
	}
	return false;
}

/* A device-mapper or RAID device on top of it. */
static bool find_upper(const char *sys, char *out, size_t size)
{
	char path[PATH_MAX + 16];
	struct dirent *d;

	snprintf(path, sizeof path, "%s/holders", sys);
	cleanup(cleanup_dir) DIR *dir = opendir(path);
	while (dir != NULL && (d = readdir(dir)) != NULL) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(out, size, "%s", d->d_name);
		return true;
	}
	return false;
}

/* The process whose flock(2) is on the file; proc_locks(5). */
static bool find_locker(const struct stat *st, int *pid)
{
	cleanup(cleanup_file) FILE *f = fopen("/proc/locks", "re");
	unsigned major, minor;
	unsigned long inode;
	char line[256];

	while (f != NULL && fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "%*d: FLOCK %*s %*s %d %x:%x:%lu", pid, &major, &minor, &inode) == 4 &&
		    *pid > 0 && inode == st->st_ino && makedev(major, minor) == st->st_dev)
			return true;
	return false;
}

static void name_process(int pid, char *out, size_t size)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/comm", pid);
	cleanup(cleanup_file) FILE *f = fopen(path, "re");
	if (f == NULL || fgets(out, (int)size, f) == NULL)
		snprintf(out, size, "gone by now");
	out[strcspn(out, "\n")] = '\0';
}

int disk_holder_busy(const char *path, struct err *e)
{
	char sys[PATH_MAX], who[256];
	struct stat st;
	int pid;

	bool there = stat(path, &st) == 0;
	if (there && S_ISBLK(st.st_mode) && sys_path(major(st.st_rdev), minor(st.st_rdev), sys)) {
		if (find_mount(sys, who, sizeof who))
			return err_set(e, ERR_BUSY, 0, "%s is mounted on %s; unmount it first", path, who);
		if (find_upper(sys, who, sizeof who))
			return err_set(e, ERR_BUSY, 0, "%s is part of %s; take that apart first", path, who);
	} else if (there && find_locker(&st, &pid)) {
		name_process(pid, who, sizeof who);
		return err_set(e, ERR_BUSY, 0, "%s is in use by process %d (%s); wait for its end or stop it", path, pid,
			who);
	}
	return err_set(e, ERR_BUSY, 0, "%s is in use by somebody else; `fuser -v %s` names the process, lsblk a mount",
		path, path);
}
