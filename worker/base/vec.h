// SPDX-License-Identifier: Apache-2.0
/*
 * A typed growing array: `VEC(struct extent) list = {0}; *vec_push(&list) = x; list.at[i]; vec_fini(&list);`
 * Pushing may move the elements. Not thread-safe. `vec_push` gives a zeroed new element.
 */
#ifndef WHERRY_BASE_VEC_H
#define WHERRY_BASE_VEC_H

#include <stddef.h>

#define VEC(type)            \
	struct {             \
		type *at;    \
		size_t len;  \
		size_t cap;  \
	}

void *vec_grow(void *at, size_t len, size_t *cap, size_t size);

#define vec_push(v)                                                                  \
	((v)->at = vec_grow((v)->at, (v)->len, &(v)->cap, sizeof *(v)->at),          \
	 &(v)->at[(v)->len++])
#define vec_fini(v) (vec_release((v)->at), (v)->at = NULL, (v)->len = (v)->cap = 0)
void vec_release(void *at);

#endif
