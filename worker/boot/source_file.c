// SPDX-License-Identifier: Apache-2.0
#include "boot/source_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"

int source_file_read(const char *root, const char *path, size_t max, struct buf *out, bool *found, struct err *e)
{
	cleanup(cleanup_free) char *full = mem_printf("%s%s", root, path);
	cleanup(cleanup_fd) int fd = open(full, O_RDONLY | O_CLOEXEC);
	size_t total = 0;

	*found = false;
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0)
		return err_set(e, err_kind_of_errno(errno), errno, "%s cannot be opened", full);
	for (;;) {
		ssize_t n = read(fd, buf_reserve(out, 4096), 4096);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, err_kind_of_errno(errno), errno, "%s cannot be read", full);
		if (n == 0)
			break;
		out->len += (size_t)n;
		out->data[out->len] = '\0';
		total += (size_t)n;
		if (total > max)
			return err_set(e, ERR_CONFIG, 0,
				       "%s is longer than %zu bytes, which bootstrap data never is", full, max);
	}
	*found = true;
	return 0;
}
