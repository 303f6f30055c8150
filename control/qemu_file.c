// SPDX-License-Identifier: Apache-2.0
#include "qemu_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"

static int fail(struct err *e, const char *what, const char *path)
{
	int sys = errno;
	enum err_kind kind = err_kind_of_errno(sys);

	if (kind == ERR_NO_SPACE)
		return err_set(e, kind, sys, "cannot %s %s: free space in that file system, then run again", what,
			       path);
	return err_set(e, kind, sys, "cannot %s %s", what, path);
}

int qemu_file_sync(const char *path, struct err *e)
{
	cleanup(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return fail(e, "open", path);
	if (fsync(fd) < 0 && errno != EINVAL)
		return fail(e, "write through to the disk", path);
	return 0;
}

static int sync_parent(const char *path, struct err *e)
{
	cleanup(cleanup_free) char *dir = mem_strdup(path);
	char *slash = strrchr(dir, '/');

	if (slash == NULL)
		return qemu_file_sync(".", e);
	slash[slash == dir ? 1 : 0] = '\0';
	return qemu_file_sync(dir, e);
}

static int write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

int qemu_file_write(const char *path, const void *p, size_t n, mode_t mode, struct err *e)
{
	cleanup(cleanup_free) char *temp = mem_printf("%s.%ld.tmp", path, (long)getpid());
	cleanup(cleanup_fd) int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);

	if (fd < 0)
		return fail(e, "create", temp);
	if (write_all(fd, p, n) < 0 || fsync(fd) < 0) {
		fail(e, "write", path);
		unlink(temp);
		return -1;
	}
	if (rename(temp, path) < 0) {
		fail(e, "replace", path);
		unlink(temp);
		return -1;
	}
	return sync_parent(path, e);
}

int qemu_file_read(const char *path, size_t max, struct buf *out, struct err *e)
{
	cleanup(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return fail(e, "open", path);
	for (;;) {
		char part[16384];
		ssize_t n = read(fd, part, sizeof part);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(e, "read", path);
		if (n == 0)
			return 0;
		if (out->len + (size_t)n > max)
			return err_set(e, ERR_CORRUPT, 0, "%s is larger than the %zu bytes such a file can have",
				       path, max);
		buf_add(out, part, (size_t)n);
	}
}

int qemu_file_mkdir(const char *path, struct err *e)
{
	if (mkdir(path, 0777) == 0)
		return sync_parent(path, e);
	return errno == EEXIST ? 0 : fail(e, "create the directory", path);
}

int qemu_file_unlink(const char *path, struct err *e)
{
	return unlink(path) < 0 && errno != ENOENT ? fail(e, "remove", path) : 0;
}

int qemu_file_rename(const char *from, const char *to, struct err *e)
{
	if (rename(from, to) < 0)
		return fail(e, "rename", from);
	return sync_parent(to, e);
}

static void cleanup_dir(DIR **d)
{
	if (*d != NULL)
		closedir(*d);
}

int qemu_file_remove_tree(const char *path, struct err *e)
{
	cleanup(cleanup_dir) DIR *d = opendir(path);
	struct dirent *entry;

	if (d == NULL && errno == ENOENT)
		return 0;
	if (d == NULL)
		return fail(e, "open the directory", path);
	while ((entry = readdir(d)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		cleanup(cleanup_free) char *sub = mem_printf("%s/%s", path, entry->d_name);
		struct stat st;

		if (lstat(sub, &st) == 0 && S_ISDIR(st.st_mode)) {
			if (qemu_file_remove_tree(sub, e) < 0)
				return -1;
		} else if (qemu_file_unlink(sub, e) < 0) {
			return -1;
		}
	}
	return rmdir(path) < 0 && errno != ENOENT ? fail(e, "remove the directory", path) : 0;
}

bool qemu_file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

bool qemu_file_is_block(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISBLK(st.st_mode);
}

bool qemu_file_same(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static bool read_header(int fd, unsigned char header[32])
{
	static const unsigned char magic[4] = {'Q', 'F', 'I', 0xfb};

	return pread(fd, header, 32, 0) == 32 && memcmp(header, magic, sizeof magic) == 0;
}

bool qemu_file_is_qcow2(const char *path)
{
	cleanup(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned char header[32];

	return fd >= 0 && read_header(fd, header);
}

int qemu_file_image_size(const char *path, bool qcow2, uint64_t *size, struct err *e)
{
	cleanup(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned char header[32];
	struct stat st;

	if (fd < 0)
		return fail(e, "open the disk image", path);
	if (qcow2) {
		if (!read_header(fd, header))
			return err_set(e, ERR_CORRUPT, 0,
				       "%s is not a qcow2 image: correct its \"format\", or restore the file",
				       path);
		*size = 0;
		for (int i = 24; i < 32; i++)
			*size = *size << 8 | header[i];
		return 0;
	}
	if (fstat(fd, &st) < 0)
		return fail(e, "look at the disk image", path);
	if (S_ISBLK(st.st_mode))
		return ioctl(fd, BLKGETSIZE64, size) < 0 ? fail(e, "ask for the size of", path) : 0;
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_CONFIG, 0, "%s is neither a file nor a block device", path);
	*size = (uint64_t)st.st_size;
	return 0;
}

bool qemu_file_has_writer(const char *path)
{
	cleanup(cleanup_fd) int fd = open(path, O_RDWR | O_CLOEXEC);
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 101, .l_len = 1};

	return fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

bool qemu_file_can_direct(const char *path)
{
	cleanup(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);
	_Alignas(4096) char sector[512];

	/* Some file systems take the flag and refuse the reads, or want 4096: images of odd sizes need 512. */
	return fd >= 0 && (pread(fd, sector, sizeof sector, 512) >= 0 || errno != EINVAL);
}

int qemu_file_free_space(const char *path, uint64_t *bytes, struct err *e)
{
	struct statvfs vfs;

	if (statvfs(path, &vfs) < 0)
		return fail(e, "ask for the free space of", path);
	*bytes = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	return 0;
}
