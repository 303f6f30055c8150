// SPDX-License-Identifier: Apache-2.0
/*
 * Private to the Azure driver: the images that workers boot from. One that is ready is a version of an image in a gallery, in each
 * region that the version is replicated to; on a Hub, which has no galleries, a snapshot (no cloud of Microsoft's makes a disk of a
 * managed image). While its bytes are sent it is a managed disk of the image's name, that says what will be made of it: a thing of
 * whole images only, so what is made was sent. All are in the group of the workers and carry these tags.
 * Sources: learn.microsoft.com "Azure Compute Gallery", "Upload a VHD to Azure"; azure-rest-api-specs.
 */
#ifndef WHERRY_CONTROL_AZURE_IMAGE_H
#define WHERRY_CONTROL_AZURE_IMAGE_H

#include "azure.h"

#define AZURE_TAIL 160 /* of an id, behind "Microsoft.Compute/" */

#define AZURE_ABOUT   "/tags/wherry_image"   /* cloud_image.about */
#define AZURE_NAME    "/tags/wherry_name"    /* of a version: cloud_image.name */
#define AZURE_BYTES   "/tags/wherry_bytes"   /* of what is made of a disk: how many were sent, with the footer */
#define AZURE_BECOMES "/tags/wherry_becomes" /* of a disk: the id of what is made of it, from Microsoft.Compute on */

/* Where images that are ready are kept. */
struct azure_keep {
	enum azure_api api;
	/* Those that are in our location, whatever their state; not what is being removed. */
	int (*list)(struct azure *a, struct cloud_images *out, struct err *e);
	/* The end of the id (AZURE_BECOMES) of a new image. */
	void (*name)(const struct azure *a, const struct cloud_image *image, const char *firmware, char tail[AZURE_TAIL]);
	/* The same image, which is ready in another location, in ours too: *image has its id then; else *done is false. NULL: never. */
	int (*copy)(struct azure *a, struct cloud_image *image, const char *firmware, bool *done, struct err *e);
	/* image->id of a disk that has all its bytes, of which there are `size` with the footer. It goes on after the call. */
	int (*make)(struct azure *a, const struct cloud_image *image, const char *disk, uint64_t size, struct err *e);
	/* From our location. BUSY: it is none of ours. */
	int (*remove)(struct azure *a, const char *id, struct err *e);
};
extern const struct azure_keep azure_gallery;

/* ---- azure_image.c ---- */

/* "/subscriptions/.../resourceGroups/.../providers/Microsoft.Compute/" and the end of an id. */
void azure_image_id(const struct azure *a, const char *tail, char id[RES_ID_SIZE]);
/* What the tags say; false: it is no image of ours. */
bool azure_image_read(yyjson_val *object, struct cloud_image *out);
char *azure_image_tags(const struct cloud_image *image, uint64_t size); /* their value, JSON; caller frees */
/* Whether that is our location, which Azure also writes with blanks and capitals. */
bool azure_is_here(const struct azure *a, const char *location);
/* DELETE, and its end; what takes longer is on its way. Absent: success. */
int azure_delete(struct azure *a, enum azure_api api, const char *id, struct err *e);

#endif
