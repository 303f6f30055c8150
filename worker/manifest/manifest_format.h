// SPDX-License-Identifier: Apache-2.0
/*
 * Private to this folder: bytes of the header and of pages (the format is in manifest.h), and the open file. Nothing
 * up to manifest_root_of touches the file system. Not thread-safe.
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

/* A page of the file: one of hashes (level 0) or of the tree above them. */
struct manifest_place {
	unsigned level;
	uint64_t index;
};

/* Levels of the tree: 0 for an empty disk. */
unsigned manifest_levels(const struct manifest_info *i);
uint64_t manifest_level_pages(const struct manifest_info *i, unsigned level);
/* Slots of a page that mean something: 127, less in the last page of a level. */
size_t manifest_place_used(const struct manifest_info *i, struct manifest_place at);
off_t manifest_place_offset(const struct manifest_info *i, struct manifest_place at);
off_t manifest_file_size(const struct manifest_info *i);

/* Only `used` slots count, the others become zero. The sum is the last 32 bytes. */
void manifest_page_encode(const struct manifest_keys *k, struct manifest_place at, const uint8_t *slots, size_t used,
			  uint8_t out[MANIFEST_PAGE]);
void manifest_page_sum(const struct manifest_keys *k, struct manifest_place at,
		       const uint8_t slots[MANIFEST_PAGE_HASHES], uint8_t sum[MANIFEST_HASH]);
/* slots is all zero unless the result is GOOD. */
enum manifest_page_state manifest_page_decode(const struct manifest_keys *k, struct manifest_place at,
					      const uint8_t in[MANIFEST_PAGE], uint8_t slots[MANIFEST_PAGE_HASHES]);
/* What the sum of the top page (NULL: an empty disk) makes the root. */
void manifest_root_of(const struct manifest_keys *k, const struct manifest_info *i, const uint8_t *top,
		      uint8_t root[MANIFEST_HASH]);

/* A page of an open manifest. Unreadable, cut off or damaged: all zero, counted in *damaged (may be NULL). */
int manifest_get_place(struct manifest *m, struct manifest_place at, uint8_t slots[MANIFEST_PAGE_HASHES],
		       uint64_t *damaged, struct err *e);
int manifest_put_place(struct manifest *m, struct manifest_place at, const uint8_t *slots, struct err *e);
/* All sums above page p become zero. */
int manifest_touch(struct manifest *m, uint64_t p, struct err *e);
/* The root. all: read every page, else believe sums that are not zero. write: keep what was computed in the tree. */
int manifest_walk(struct manifest *m, bool all, bool write, uint8_t root[MANIFEST_HASH], uint64_t *unknown,
		  struct err *e);
/* All of m's file, made as long as i says, into the empty file fd. */
int manifest_copy_file(struct manifest *m, int fd, const char *path, const struct manifest_info *i, struct err *e);
/* A manifest over an open file (taken). */
struct manifest *manifest_new(int fd, enum manifest_mode mode, const char *path, const struct manifest_info *i,
			      const struct manifest_keys *k);
/* The file without a name becomes `path`, which must not exist (REFUSED), durably; temp is gone afterwards. */
int manifest_publish(const char *temp, const char *path, struct err *e);

/* Write one page at `at`, whole; `path` is for the message. */
int manifest_put(int fd, const char *path, const uint8_t page[MANIFEST_PAGE], off_t at, struct err *e);
/* A locked empty file, the same name each time, so that what a killed run left is used up by the next. */
int manifest_open_temp(const char *temp, const char *path, struct err *e);
/* Makes a name given in `path`'s folder durable. */
int manifest_sync_folder(const char *path, struct err *e);

#endif
