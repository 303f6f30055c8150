// SPDX-License-Identifier: Apache-2.0
/*
 * Private to this folder and its tests: a disk that is a descriptor.
 *
 * With O_DIRECT the kernel takes only aligned places and lengths. What of a request is aligned ("the body") goes to the
 * engine; the rest ("the edge": less than 4096 bytes at a file's odd end, or all of a request at an odd place) is done
 * when the body has ended: read through a padded buffer, written through a second, buffered descriptor, which leaves
 * the exact file size. The kernel keeps both descriptors coherent (open(2), NOTES on O_DIRECT): a direct read first
 * writes out dirty pages, so also the edge is read back from the disk.
 */
#ifndef WHERRY_BLOCK_BLOCK_DISK_H
#define WHERRY_BLOCK_BLOCK_DISK_H

#include "block/block.h"
#include "block/engine.h"

#define DISK_BOUNCE 4096

struct disk {
	struct block base;
	int fd;
	int edge_fd;          /* buffered; fd itself when that is buffered */
	uint32_t align;       /* of the body: 1 when buffered */
	unsigned zero_method; /* the first in disk_zero.c's table that this disk has not refused */
	struct engine *engine;
	const struct engine_ops *const *engines; /* borrowed: what it was chosen from */
	void *bounce;         /* DISK_BOUNCE bytes, aligned so */
};

struct disk *disk_of(struct block *b);
/* Write all n bytes of p; the body by fd, the rest by edge_fd. 0 or an errno. Synchronous. */
int disk_write_sync(struct disk *d, const void *p, uint64_t offset, uint32_t n);
/* block_ops.zero */
int disk_zero(struct block *b, uint64_t offset, uint64_t length, struct err *e);
/* block_disk_new with a list of engines, NULL at its end, which outlives the block; the first that opens is used. */
struct block *block_disk_new_with(int fd, const char *name, enum block_mode mode, unsigned depth,
				  const struct engine_ops *const *engines, struct err *e);

#endif
