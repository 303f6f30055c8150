// SPDX-License-Identifier: Apache-2.0
#include "base/vec.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void *vec_grow(void *at, size_t len, size_t *cap, size_t size)
{
	if (len == *cap) {
		*cap = *cap ? *cap * 2 : 8;
		at = mem_resize(at, *cap, size);
	}
	memset((char *)at + len * size, 0, size);
	return at;
}

void vec_release(void *at)
{
	free(at);
}
