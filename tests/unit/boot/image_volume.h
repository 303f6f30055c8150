// SPDX-License-Identifier: Apache-2.0
/* For the file system readers' tests: images made by the real tools, read from memory, and damaged in many ways. */
#ifndef TESTS_UNIT_BOOT_IMAGE_VOLUME_H
#define TESTS_UNIT_BOOT_IMAGE_VOLUME_H

#include "boot/volume.h"

struct image {
	uint8_t *bytes;     /* owned; exactly `size`, so that a sanitizer sees every overrun */
	size_t size;
	unsigned reads;     /* how often the reader asked: a bound on its work */
};

/* Runs a shell script in a fresh folder (removed afterwards) that leaves the file "image"; fails the test else. */
struct image image_make(const char *script);
struct image image_copy(const struct image *i, size_t size); /* of its first `size` bytes */
void image_free(struct image *i);
struct volume image_volume(struct image *i);

/* Exits with 77 and the reason when a tool is missing. */
void image_need_tools(const char *const *tools);

/* Reads `path` from damaged copies of i: cut at every `step` bytes of the first `depth`, and each of these bits
 * flipped. Never crashes, never asks more than a bounded number of times; whatever it returns has at most want->max
 * bytes. */
typedef int image_reader(const struct volume *v, const struct volume_want *want, struct buf *out, bool *found,
			 struct err *e);
void image_torture(const struct image *i, const struct volume_want *want, image_reader *read, size_t from, size_t to,
		   size_t step);

#endif
