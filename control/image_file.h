// SPDX-License-Identifier: Apache-2.0
/* The worker's image as `make image` builds it: a folder with kernel, initramfs, disk images and manifest.json. */
#ifndef WHERRY_CONTROL_IMAGE_FILE_H
#define WHERRY_CONTROL_IMAGE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"

/* That folder, or a file if one is named so: `given` ("": none), $WHERRY_IMAGE, image/ beside the running program,
 * /usr/share/wherry/image. */
int image_place(const char *given, char *out, size_t size, struct err *e);

/* A disk image and what its manifest says of it. */
struct image_file {
	char path[1024];
	const char *format;   /* the one of `formats` that it is */
	int fd;
	uint64_t size;        /* bytes */
	char version[32];     /* of Wherry */
	unsigned wire;        /* version of the protocol that its worker speaks */
	char sha256[65];      /* hex; of the file, which is what the manifest says */
	char sha512[129];     /* the same, as clouds sum up what they keep */
	struct timespec changed; /* the file, before it was summed up */
};

/* `given` as above; in a folder it is wherry.FORMAT of the first format that is there, a file is told by its end. CONFIG:
 * no manifest, or it is not of these bytes. */
int image_file_open(const char *given, const char *const formats[], struct image_file *out, struct err *e);
/* CORRUPT: it was written to since it was opened, so what was read after that may not be of its checksum. */
int image_file_same(const struct image_file *f, struct err *e);
void image_file_close(struct image_file *f);

#endif
