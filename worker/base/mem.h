// SPDX-License-Identifier: Apache-2.0
/*
 * Small allocations. They abort the process when memory is out: the journal makes that safe, and a tool that
 * limps on without memory is not. Big data buffers never come from here but from the chunk pool.
 */
#ifndef WHERRY_BASE_MEM_H
#define WHERRY_BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>

void *mem_alloc(size_t size);                         /* zeroed; never NULL; caller frees with free() */
void *mem_array(size_t count, size_t size);           /* zeroed, overflow checked */
void *mem_resize(void *p, size_t count, size_t size); /* new part not zeroed */
char *mem_strdup(const char *s);                      /* NULL gives NULL */
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char *mem_vprintf(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));
void mem_wipe(void *p, size_t size);                  /* zero that the compiler keeps: for keys */

#endif
