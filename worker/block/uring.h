// SPDX-License-Identifier: Apache-2.0
/*
 * Private to this folder: io_uring(7) over one descriptor, reduced to whole reads and writes with a tag. The ring starts
 * disabled and is restricted to exactly that (io_uring_register(2), IORING_REGISTER_RESTRICTIONS), because a seccomp
 * filter does not see what goes through a ring. One thread at a time.
 */
#ifndef WHERRY_BLOCK_URING_H
#define WHERRY_BLOCK_URING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct uring;

/* fd stays the caller's. UNSUPPORTED when this kernel, or a policy on it, has no such ring. */
struct uring *uring_new(int fd, unsigned depth, struct err *e);
void uring_free(struct uring *u);
/* Register what most transfers use, instead of what was registered before; NULL: nothing. Nothing may be under way. Where
 * the kernel refuses (RLIMIT_MEMLOCK), transfers do without. */
void uring_set_buffers(struct uring *u, void *base, size_t size);
/* Queue one transfer; at most `depth` may be under way. */
int uring_transfer(struct uring *u, bool write, void *p, uint32_t n, uint64_t offset, uint64_t tag, struct err *e);
/* 1: *tag and *res (bytes or -errno) of one that ended; 0: timeout; -1. timeout_ns 0 polls, <0 waits for ever. */
int uring_wait(struct uring *u, int64_t timeout_ns, uint64_t *tag, int32_t *res, struct err *e);

#endif
