// SPDX-License-Identifier: Apache-2.0
/*
 * Worker images in clouds: which one workers boot from, what an upload has to send, which are old. An image is told by a
 * line that the cloud keeps with it:
 *
 *   wherry1 v=VERSION w=WIRE s=SHA-256 f=FIRMWARE n=BYTES
 *
 * No journal knows them: they are there for every state directory that uses the project, and the cloud's own list is the
 * truth. An upload is known by its checksum, so what is there is not sent again, and what was begun is gone on with; a
 * changed image gets a name of its own and leaves the old one where it is, for clients and workers that still need it.
 */
#ifndef WHERRY_CONTROL_IMAGE_H
#define WHERRY_CONTROL_IMAGE_H

#include <stdatomic.h>

#include "cloud.h"
#include "image_file.h"

enum image_use {
	IMAGE_USED,       /* what workers of this client boot from: it speaks its protocol, and is the newest that does */
	IMAGE_OLD,        /* another one is newer */
	IMAGE_NEWER,      /* for newer clients */
	IMAGE_UNFINISHED, /* its bytes are not there: an upload is under way, or died */
	IMAGE_BROKEN,     /* the cloud does not boot it any more, or does not hold all of it */
};
const char *image_use_name(enum image_use u); /* "used", "old", ... */

struct image_entry {
	struct cloud_image image;
	char version[32], sha256[65], firmware[8];
	unsigned wire;
	uint64_t bytes;   /* that it has to have */
	enum image_use use;
};

struct image_list {
	VEC(struct image_entry) list; /* newest first */
};
/* Asks again while that may help. */
int image_list(struct cloud *c, struct image_list *out, struct err *e);
void image_list_fini(struct image_list *l);

/* For drivers whose workers boot from such an image: the id of the one used, by one call, as any operation of a driver.
 * NOT_FOUND: there is none that fits, and the command that uploads one. */
int image_choose(struct provider *p, char id[RES_ID_SIZE], struct err *e);

struct image_upload {
	const struct image_file *file;
	const char *firmware;          /* "any", "bios" or "uefi" */
	const atomic_bool *cancel;
	void (*progress)(void *ctx, uint64_t sent); /* now and then */
	void *ctx;
	int64_t patience_ns;           /* how long what fails is tried again, and what was sent may take to be ready; 0: two minutes,
					* and what image_ops says */
	struct image_entry made;       /* out */
	bool added;                    /* out: false: it was there already */
	uint64_t sent;                 /* out: bytes; none of what the cloud has elsewhere already */
};
/* What was made by a call that fails is taken away again, if the cloud lets it; else the next one goes on with it. What was
 * there before stays: another upload may be sending it (BUSY). What was sent stays when only the look at it fails. CORRUPT: the
 * cloud holds other bytes than those of the file, or the file changed. */
int image_upload(struct provider *p, struct image_upload *u, struct err *e);
/* name: a name or id of the list; NULL: all that are old or broken, or unfinished for an hour. *removed counts. Asks again
 * while that may help. NOT_FOUND: there is none so named; USAGE: several have that name. */
int image_remove(struct cloud *c, const char *name, unsigned *removed, struct err *e);

#endif
