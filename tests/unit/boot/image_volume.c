// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "boot/image_volume.h"

/* More reads than any good image needs, far fewer than an endless walk makes. */
#define MAX_READS 2000

static int read_image(void *ctx, uint64_t offset, void *p, size_t n, struct err *e)
{
	struct image *i = ctx;

	(void)e;
	assert_true(offset <= i->size && n <= i->size - offset);
	assert_true(++i->reads < MAX_READS);
	memcpy(p, i->bytes + offset, n);
	return 0;
}

struct volume image_volume(struct image *i)
{
	i->reads = 0;
	return (struct volume){.name = "test image", .size = i->size, .read = read_image, .ctx = i};
}

struct image image_copy(const struct image *i, size_t size)
{
	struct image copy = {.bytes = mem_alloc(size + 1), .size = size};

	memcpy(copy.bytes, i->bytes, size);
	return copy;
}

void image_free(struct image *i)
{
	free(i->bytes);
	i->bytes = NULL;
}

struct image image_make(const char *script)
{
	char folder[] = "/tmp/wherry-image-XXXXXX";
	struct image i = {.bytes = NULL};

	assert_non_null(mkdtemp(folder));
	char *run = mem_printf("cd %s && exec >log 2>&1 && %s", folder, script);
	char *path = mem_printf("%s/image", folder), *clear = mem_printf("rm -r %s", folder);
	int rc = system(run);
	FILE *f = fopen(path, "rb");
	if (rc == 0 && f != NULL && fseek(f, 0, SEEK_END) == 0) {
		i.size = (size_t)ftell(f);
		i.bytes = mem_alloc(i.size + 1);
		rewind(f);
		if (fread(i.bytes, 1, i.size, f) != i.size)
			rc = -1;
	}
	if (f != NULL)
		fclose(f);
	assert_int_equal(system(clear), 0);
	free(run);
	free(path);
	free(clear);
	assert_int_equal(rc, 0);
	assert_non_null(i.bytes);
	return i;
}

void image_need_tools(const char *const *tools)
{
	for (; *tools != NULL; tools++) {
		char *test = mem_printf("command -v %s >/dev/null", *tools);
		int rc = system(test);

		free(test);
		if (rc == 0)
			continue;
		printf("%s is not installed\n", *tools);
		exit(77);
	}
}

static void read_damaged(struct image *i, const struct volume_want *want, image_reader *read)
{
	struct volume v = image_volume(i);
	struct buf out = BUF_INIT;
	struct err e = ERR_INIT;
	bool found = false;

	if (read(&v, want, &out, &found, &e) < 0)
		assert_int_equal(e.kind, ERR_CORRUPT);
	else
		assert_true(out.len <= want->max);
	buf_fini(&out);
}

void image_torture(const struct image *i, const struct volume_want *want, image_reader *read, size_t from, size_t to,
		   size_t step)
{
	for (size_t at = from; at < to && at < i->size; at += step) {
		struct image cut = image_copy(i, at);

		read_damaged(&cut, want, read);
		image_free(&cut);
	}
	struct image flipped = image_copy(i, i->size);
	for (size_t at = from; at < to && at < i->size; at++) {
		static const uint8_t masks[] = {0x01, 0x80, 0x55, 0xff};

		for (size_t m = 0; m < sizeof masks; m++) {
			flipped.bytes[at] ^= masks[m];
			read_damaged(&flipped, want, read);
			flipped.bytes[at] ^= masks[m];
		}
	}
	image_free(&flipped);
}
