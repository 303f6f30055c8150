// SPDX-License-Identifier: Apache-2.0
/*
 * Private to this folder: bytes of the header and of pages (the format is in manifest.h), and the open file. Nothing
 * here touches the file system, except the last three. Not thread-safe.
 */
#ifndef WHERRY_MANIFEST_MANIFEST_FORMAT_H
#define WHERRY_MANIFEST_MANIFEST_FORMAT_H

#include <sys/types.h>

#include "manifest/manifest.h"

struct manifest {
	int fd; /* holds the flock of MANIFEST_WRITE */
	enum manifest_mode mode;
	struct manifest_info info;
	struct manifest_keys keys;
	char *path; /* for messages; owned */
};

/* What the bytes of a page turned out to be. */
enum manifest_page_state { MANIFEST_PAGE_GOOD, MANIFEST_PAGE_NEVER_WRITTEN, MANIFEST_PAGE_DAMAGED };

void manifest_put_le(uint8_t *to, uint64_t v, size_t bytes);
uint64_t manifest_get_le(const uint8_t *from, size_t bytes);

/* Whether a header can be made of this: sizes, and texts that end; `path` is for the message. */
int manifest_info_check(const struct manifest_info *i, const char *path, struct err *e);
void manifest_header_encode(const struct manifest_info *i, const struct manifest_keys *k, uint8_t out[MANIFEST_PAGE]);
int manifest_header_decode(const uint8_t in[MANIFEST_PAGE], const struct manifest_keys *k, const char *path,
			   struct manifest_info *i, struct err *e);

/* Slots past the last chunk become zero, whatever the caller left there. */
void manifest_page_encode(const struct manifest_info *i, const struct manifest_keys *k, uint64_t p,
			  const uint8_t hashes[MANIFEST_PAGE_HASHES], uint8_t out[MANIFEST_PAGE]);
/* hashes is all zero unless the result is GOOD. */
enum manifest_page_state manifest_page_decode(const struct manifest_keys *k, uint64_t p,
					      const uint8_t in[MANIFEST_PAGE],
					      uint8_t hashes[MANIFEST_PAGE_HASHES]);
/* Chunks that page p holds: 127, less in the last page. */
size_t manifest_page_used(const struct manifest_info *i, uint64_t p);
/* Where page p begins in the file. */
off_t manifest_page_offset(uint64_t p);

/* Write one page at `at`, whole; `path` is for the message. */
int manifest_put(int fd, const char *path, const uint8_t page[MANIFEST_PAGE], off_t at, struct err *e);
/* A locked empty file, the same name each time, so that what a killed run left is used up by the next. */
int manifest_open_temp(const char *temp, const char *path, struct err *e);
/* Makes a name given in `path`'s folder durable. */
int manifest_sync_folder(const char *path, struct err *e);

#endif
