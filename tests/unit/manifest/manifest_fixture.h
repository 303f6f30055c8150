// SPDX-License-Identifier: Apache-2.0
/* Shared by the manifest tests: a folder of its own for each test, keys, and small manifests with known content. */
#ifndef WHERRY_TESTS_UNIT_MANIFEST_FIXTURE_H
#define WHERRY_TESTS_UNIT_MANIFEST_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "manifest/manifest.h"

struct fixture {
	char folder[64];
	char path[128];   /* the manifest */
	char commit[128]; /* where to commit it */
	struct manifest_keys keys;
	struct err e;
};

static inline int setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof *f);
	uint8_t secret[32];

	snprintf(f->folder, sizeof f->folder, "/tmp/wherry-manifest-XXXXXX");
	if (mkdtemp(f->folder) == NULL)
		return -1;
	snprintf(f->path, sizeof f->path, "%s/working", f->folder);
	snprintf(f->commit, sizeof f->commit, "%s/7", f->folder);
	memset(secret, 0x5a, sizeof secret);
	manifest_keys_derive(secret, &f->keys);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;
	char temp[140];

	unlink(f->path);
	unlink(f->commit);
	snprintf(temp, sizeof temp, "%s.new", f->path);
	unlink(temp);
	snprintf(temp, sizeof temp, "%s.new", f->commit);
	unlink(temp);
	int left = rmdir(f->folder); /* fails when something is left */
	free(f);
	return left;
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static inline struct manifest_info info_of(uint64_t size, uint32_t chunk_size)
{
	return (struct manifest_info){.size = size, .chunk_size = chunk_size, .sector_size = 512, .generation = 6,
		.epoch = 11, .job = "web-1", .disk = "os-disk"};
}

/* A hash that says which chunk it is of. */
static inline void fake_hash(uint64_t chunk, uint8_t out[MANIFEST_HASH])
{
	memset(out, 0xc0, MANIFEST_HASH);
	memcpy(out, &chunk, sizeof chunk);
}

static inline void fake_page(const struct manifest_info *i, uint64_t p, uint8_t hashes[MANIFEST_PAGE_HASHES])
{
	memset(hashes, 0, MANIFEST_PAGE_HASHES);
	for (uint64_t c = 0; c < MANIFEST_PAGE_CHUNKS && p * MANIFEST_PAGE_CHUNKS + c < manifest_chunk_count(i); c++)
		fake_hash(p * MANIFEST_PAGE_CHUNKS + c, hashes + c * MANIFEST_HASH);
}

/* A manifest all of whose chunks have their fake hash. */
static inline struct manifest *make_full(struct fixture *f, const struct manifest_info *i)
{
	uint8_t hashes[MANIFEST_PAGE_HASHES];
	struct manifest *m = manifest_create(f->path, i, &f->keys, &f->e);

	assert_non_null(m);
	for (uint64_t p = 0; p < manifest_page_count(i); p++) {
		fake_page(i, p, hashes);
		assert_int_equal(manifest_write_page(m, p, hashes, &f->e), 0);
	}
	assert_int_equal(manifest_sync(m, &f->e), 0);
	return m;
}

static inline void patch(const char *path, off_t at, const void *p, size_t n)
{
	int fd = open(path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, p, n, at), n);
	close(fd);
}

static inline void fetch(const char *path, off_t at, void *p, size_t n)
{
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, p, n, at), n);
	close(fd);
}

static inline off_t size_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

#endif
