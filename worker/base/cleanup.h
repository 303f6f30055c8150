// SPDX-License-Identifier: Apache-2.0
/* Scope-bound release of locals: `cleanup(cleanup_fd) int fd = open(...);`. Never mixed with goto in one function. */
#ifndef WHERRY_BASE_CLEANUP_H
#define WHERRY_BASE_CLEANUP_H

#include <stdio.h>

#define cleanup(fn) __attribute__((cleanup(fn)))

void cleanup_free(void *pp);    /* of a pointer from mem_* or malloc */
void cleanup_fd(int *fd);       /* closes unless negative */
void cleanup_file(FILE **f);    /* closes unless NULL */

/* Take the value out of a cleaned-up variable: `return take_fd(&fd);` */
int take_fd(int *fd);           /* returns *fd and leaves -1 */
void *take_ptr(void *pp);       /* returns *pp and leaves NULL */

#endif
