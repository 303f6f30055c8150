// SPDX-License-Identifier: Apache-2.0
#include "sysfile.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

ssize_t sysfile_read(const char *path, void *buffer, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	size_t used = 0;
	ssize_t n = 0;
	while (used < size && (n = read(fd, (char *)buffer + used, size - used)) > 0)
		used += (size_t)n;
	int saved = errno;
	close(fd);
	errno = saved;
	return n < 0 ? -1 : (ssize_t)used;
}

int sysfile_text(const char *path, char *text, size_t size)
{
	ssize_t n = sysfile_read(path, text, size - 1);
	if (n < 0)
		return -1;
	while (n > 0 && isspace((unsigned char)text[n - 1]))
		n--;
	text[n] = '\0';
	return 0;
}

int sysfile_number(const char *path, uint64_t *number)
{
	char text[32];
	char *end;

	if (sysfile_text(path, text, sizeof text) < 0)
		return -1;
	errno = 0;
	*number = strtoull(text, &end, 10);
	if (errno || end == text || *end) {
		errno = EINVAL;
		return -1;
	}
	return 0;
}

static int write_all(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, bytes, size);
		if (n < 0)
			return -1;
		bytes += n;
		size -= (size_t)n;
	}
	return 0;
}

int sysfile_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	int result = write_all(fd, text, strlen(text));
	int saved = errno;
	close(fd);
	errno = saved;
	return result;
}

int sysfile_create(const char *path, const void *bytes, size_t size, mode_t mode)
{
	char temporary[PATH_MAX];

	snprintf(temporary, sizeof temporary, "%s.new", path);
	int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -1;
	int result = write_all(fd, bytes, size);
	if (result == 0)
		result = fchmod(fd, mode);
	int saved = errno;
	close(fd);
	errno = saved;
	return result < 0 ? -1 : rename(temporary, path);
}
