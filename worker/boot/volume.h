// SPDX-License-Identifier: Apache-2.0
/*
 * A file system somebody else made, read by a callback: the ground under iso9660.c and fat.c. Whatever stands on such a
 * volume is hostile until proven otherwise: every offset is checked against `size`, every walk is bounded by a number
 * of steps, nothing is written.
 */
#ifndef WHERRY_BOOT_VOLUME_H
#define WHERRY_BOOT_VOLUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct volume {
	const char *name; /* for messages, "/dev/sr0" */
	uint64_t size;    /* bytes */
	/* All n bytes at offset or -1. Never called for a range that is not inside `size`. */
	int (*read)(void *ctx, uint64_t offset, void *p, size_t n, struct err *e);
	void *ctx;
};

/* volume->read after a check of the range; CORRUPT past the end. */
int volume_read(const struct volume *v, uint64_t offset, void *p, size_t n, struct err *e);
/* The same, appended to *out. */
int volume_append(const struct volume *v, uint64_t offset, size_t n, struct buf *out, struct err *e);

/* What to look for: the file `path` ("openstack/latest/user_data") on a volume labelled `label`. Case does not matter
 * in labels and names, for FAT and plain ISO 9660 keep none. */
struct volume_want {
	const char *label;
	const char *path;
	size_t max;       /* longest file accepted, bytes */
};

/*
 * Both: 0 with *found false when the volume is not of this kind, is labelled otherwise or has no such file; -1 when
 * it is malformed (CORRUPT), the file is too long (CORRUPT) or a read failed (IO).
 */
int iso9660_read_file(const struct volume *v, const struct volume_want *want, struct buf *out, bool *found,
		      struct err *e);
int fat_read_file(const struct volume *v, const struct volume_want *want, struct buf *out, bool *found, struct err *e);

/* The first part of a path, *rest at what follows it ("" at the end). Returns its length. */
size_t volume_path_part(const char *path, const char **rest);
/* Equal without regard to ASCII case. */
bool volume_name_equal(const char *a, size_t a_len, const char *b, size_t b_len);

#endif
