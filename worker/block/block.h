// SPDX-License-Identifier: Apache-2.0
/*
 * A disk: something with a size that is read, written, zeroed and flushed at aligned offsets. Implementations:
 * block_disk.c (block device or regular file, O_DIRECT, io_uring), block_mem.c (memory, with faults, for tests).
 * Offsets and lengths are bytes and multiples of the logical sector size, except that the last request of a regular
 * file may end at its odd size: block_disk rounds up in its own padded buffers. Buffers are aligned to 4096.
 *
 * Requests are asynchronous: submit up to `depth`, then wait for completions, which come in any order. One block is
 * used by one thread at a time, except block_read_aside, and flush and zero of different blocks. A short read or write is completed by the
 * implementation or reported as an error: a completion with res 0 means all of it. An unreadable sector is an error,
 * never zeros.
 *
 * The wrappers below check every range, the mode, and that no earlier flush failed; implementations need not. Closing
 * waits for what is under way, whose buffers must live until then; its results are lost.
 */
#ifndef WHERRY_BLOCK_BLOCK_H
#define WHERRY_BLOCK_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"

enum block_op { BLOCK_READ, BLOCK_WRITE };

struct block_request {
	enum block_op op;
	uint64_t offset;
	uint32_t length;
	void *data;          /* borrowed until completion */
	const struct iovec *parts; /* WRITE where info.gathers: so many parts instead of data, borrowed as it is; NULL: data */
	unsigned part_count;
	void *user;          /* the caller's */
	int error;           /* filled at completion: 0 or an errno */
	uint32_t done;       /* private to the implementation */
};

struct block_info {
	uint64_t size;            /* bytes */
	uint32_t logical_sector;  /* 512 or 4096; a file: 512 */
	uint32_t physical_sector;
	bool read_only;
	bool is_file;
	bool remote;              /* beyond a network: what is written is sent there */
	uint32_t gathers;         /* takes writes in parts, of so many bytes at most and at best; 0: none in parts */
	char name[256];           /* for messages */
};

struct block;

struct block_ops {
	/* Start it; at most `depth` may be under way. -1: not started. */
	int (*submit)(struct block *b, struct block_request *r, struct err *e);
	/* Wait for one to end; NULL when none is under way or on *e. timeout_ns 0 polls, <0 waits for ever. */
	struct block_request *(*wait)(struct block *b, int64_t timeout_ns, struct err *e);
	/* One read, waited for; from any thread, beside requests that are under way. */
	int (*read_aside)(struct block *b, uint64_t offset, void *data, uint32_t length, struct err *e);
	/* The range reads as zeros afterwards (not durable before flush). BLKZEROOUT or fallocate, falling back to
	 * writing zeros; never bare discard. Synchronous. */
	int (*zero)(struct block *b, uint64_t offset, uint64_t length, struct err *e);
	/* Everything completed before is durable. A failed flush is final: the block is failed from then on. */
	int (*flush)(struct block *b, struct err *e);
	/* First data range at or after `from`: *start and *end (both `size` when none). Where holes are unknown it is
	 * [from, size). A hole reads as zeros by definition. Who looks only so far at a time may answer with an empty
	 * range behind `from`: up to there is a hole, nothing is said of what follows. */
	int (*next_data)(struct block *b, uint64_t from, uint64_t *start, uint64_t *end, struct err *e);
	/* See block_reader. */
	struct block *(*reader)(struct block *b, unsigned depth, struct err *e);
	/* See block_buffers. May be NULL. */
	void (*buffers)(struct block *b, void *base, size_t size);
	/* See block_cancel. NULL: nothing takes long. */
	void (*cancel)(struct block *b);
	/* The sentence for a request that failed, where an errno says too little; -1. May be NULL. */
	int (*explain)(const struct block *b, const struct block_request *r, struct err *e);
	void (*close)(struct block *b);
};

struct block {
	const struct block_ops *ops;
	struct block_info info;
	unsigned depth;
	int failed;               /* errno of the flush that failed; nothing works any more */
};

enum block_mode { BLOCK_RO, BLOCK_RW };

/* Opens exclusively for RW (O_EXCL on devices, flock on files). BUSY when it is in use or mounted and still is a second
 * later: who was killed just now may not have let go. depth: requests under way. */
struct block *block_disk_open(const char *path, enum block_mode mode, unsigned depth, struct err *e);
/* The same from an open descriptor (taken), as handed over by PID 1. */
struct block *block_disk_new(int fd, const char *name, enum block_mode mode, unsigned depth, struct err *e);

int block_submit(struct block *b, struct block_request *r, struct err *e);
struct block_request *block_wait(struct block *b, int64_t timeout_ns, struct err *e);
/* The sentence for a completed request with r->error: always -1, and *e of the kind the errno means. */
int block_request_error(const struct block *b, const struct block_request *r, struct err *e);
/* One request, waited for; nothing else may be under way. */
int block_io(struct block *b, enum block_op op, uint64_t offset, void *data, uint32_t length, struct err *e);
/* A read of its own, from any thread, whatever else is under way; for the rare case, not for speed. */
int block_read_aside(struct block *b, uint64_t offset, void *data, uint32_t length, struct err *e);
int block_zero(struct block *b, uint64_t offset, uint64_t length, struct err *e);
int block_flush(struct block *b, struct err *e);
int block_next_data(struct block *b, uint64_t from, uint64_t *start, uint64_t *end, struct err *e);
/* Another block on the same open disk, for reading what b writes, in another thread. To be closed before b. What of b's
 * writes is not flushed may or may not be seen. */
struct block *block_reader(struct block *b, unsigned depth, struct err *e);
/* Most requests from now on have their data in these `size` bytes: the kernel may keep hold of them, which saves looking
 * them up for each request. Only speed depends on it. They must not be unmapped before this is called again with NULL.
 * Nothing may be under way. */
void block_buffers(struct block *b, void *base, size_t size);
/* From any thread, once and for all, also for its readers: what it waits for fails soon, with CANCELED. */
void block_cancel(struct block *b);
void block_close(struct block *b); /* NULL is fine */

#endif
