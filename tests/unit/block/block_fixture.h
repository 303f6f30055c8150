// SPDX-License-Identifier: Apache-2.0
/* Shared by the block tests: aligned buffers with known content, temporary files, and whole-disk transfers. */
#ifndef WHERRY_TESTS_UNIT_BLOCK_FIXTURE_H
#define WHERRY_TESTS_UNIT_BLOCK_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/block.h"

#define DEPTH 4

static inline uint8_t *aligned(size_t n)
{
	uint8_t *p = aligned_alloc(4096, (n + 4095) / 4096 * 4096 + 4096);

	assert_non_null(p);
	return p;
}

/* Bytes that tell their place: no two places of a test's disk look alike. */
static inline uint8_t *pattern(size_t n, uint32_t salt)
{
	uint8_t *p = aligned(n);

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)((i * 2654435761u + salt * 40503u) >> 13 ^ i >> 9 ^ salt);
	return p;
}

static inline bool all_are(const uint8_t *p, size_t n, uint8_t value)
{
	return n == 0 || (p[0] == value && memcmp(p, p + 1, n - 1) == 0);
}

/* A file of `size` bytes in `folder`; the name is for free() after unlink(). */
static inline char *temp_file(const char *folder, uint64_t size)
{
	const size_t room = strlen(folder) + 32;
	char *path = malloc(room);

	assert_non_null(path);
	snprintf(path, room, "%s/wherry-block-XXXXXX", folder);
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	close(fd);
	return path;
}

static inline void remove_file(char *path)
{
	unlink(path);
	free(path);
}

static inline uint64_t file_size(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_size;
}

/* The other tool: plain buffered reads and writes. */
static inline uint8_t *slurp(const char *path, uint64_t n)
{
	uint8_t *p = aligned(n);
	int fd = open(path, O_RDONLY);
	uint64_t have = 0;

	assert_true(fd >= 0);
	while (have < n) {
		ssize_t got = pread(fd, p + have, n - have, (off_t)have);

		assert_true(got > 0);
		have += (uint64_t)got;
	}
	close(fd);
	return p;
}

static inline void spit(const char *path, const uint8_t *p, uint64_t n)
{
	int fd = open(path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, p, n, 0), n);
	assert_int_equal(fsync(fd), 0);
	close(fd);
}

/* Moves [0, n) in pieces, up to DEPTH of them under way; the error of the first that fails, or 0. */
static inline int move_all(struct block *b, enum block_op op, uint8_t *p, uint64_t n, uint32_t piece)
{
	struct block_request r[DEPTH], *idle[DEPTH], *done;
	struct err e = ERR_INIT;
	unsigned idle_count = DEPTH;
	uint64_t at = 0, moved = 0;
	int error = 0;

	for (unsigned i = 0; i < DEPTH; i++)
		idle[i] = &r[i];
	while (at < n || idle_count < DEPTH) {
		if (at < n && idle_count > 0) {
			struct block_request *q = idle[--idle_count];
			uint32_t length = n - at < piece ? (uint32_t)(n - at) : piece;

			*q = (struct block_request){.op = op, .offset = at, .length = length, .data = p + at,
				.user = q, .error = 77};
			assert_int_equal(block_submit(b, q, &e), 0);
			at += length;
			continue;
		}
		done = block_wait(b, -1, &e);
		assert_non_null(done);
		assert_ptr_equal(done->user, done);
		error = error != 0 ? error : done->error;
		moved += done->length;
		idle[idle_count++] = done;
	}
	assert_null(block_wait(b, -1, &e)); /* nothing is under way */
	assert_true(moved == n);
	return error;
}

#endif
