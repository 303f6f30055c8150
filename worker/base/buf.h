// SPDX-License-Identifier: Apache-2.0
/* A growing run of bytes that is always followed by a NUL, so `data` is also a C string. Not thread-safe. */
#ifndef WHERRY_BASE_BUF_H
#define WHERRY_BASE_BUF_H

#include <stddef.h>

struct buf {
	char *data; /* NULL until the first byte; owned */
	size_t len;
	size_t cap;
};

#define BUF_INIT {.data = NULL}

void buf_fini(struct buf *b);                       /* usable with cleanup() */
void buf_clear(struct buf *b);                      /* keeps the memory */
void *buf_reserve(struct buf *b, size_t more);      /* room for `more` bytes at data+len; returns that place */
void buf_add(struct buf *b, const void *p, size_t n);
void buf_adds(struct buf *b, const char *s);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_drop(struct buf *b, size_t n);             /* remove n bytes at the front */
const char *buf_str(const struct buf *b);           /* never NULL */
char *buf_take(struct buf *b);                      /* caller frees; b is empty again */

#endif
