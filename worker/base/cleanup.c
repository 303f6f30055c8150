// SPDX-License-Identifier: Apache-2.0
#include "base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void cleanup_free(void *pp)
{
	free(take_ptr(pp));
}

void cleanup_fd(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

void cleanup_file(FILE **f)
{
	if (*f != NULL)
		fclose(*f);
	*f = NULL;
}

int take_fd(int *fd)
{
	int got = *fd;

	*fd = -1;
	return got;
}

void *take_ptr(void *pp)
{
	void *got, *none = NULL;

	memcpy(&got, pp, sizeof got);
	memcpy(pp, &none, sizeof none);
	return got;
}
