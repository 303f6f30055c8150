// SPDX-License-Identifier: Apache-2.0
#include "boot/volume.h"

#include <string.h>

int volume_read(const struct volume *v, uint64_t offset, void *p, size_t n, struct err *e)
{
	if (offset > v->size || n > v->size - offset)
		return err_set(e, ERR_CORRUPT, 0, "the config drive %s points past its own end: make it anew", v->name);
	return v->read(v->ctx, offset, p, n, e);
}

int volume_append(const struct volume *v, uint64_t offset, size_t n, struct buf *out, struct err *e)
{
	if (volume_read(v, offset, buf_reserve(out, n), n, e) < 0)
		return -1;
	out->len += n;
	return 0;
}

size_t volume_path_part(const char *path, const char **rest)
{
	size_t len = strcspn(path, "/");

	*rest = path + len + (path[len] == '/');
	return len;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool volume_name_equal(const char *a, size_t a_len, const char *b, size_t b_len)
{
	if (a_len != b_len)
		return false;
	for (size_t i = 0; i < a_len; i++)
		if (lower(a[i]) != lower(b[i]))
			return false;
	return true;
}
