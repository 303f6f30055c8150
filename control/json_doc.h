// SPDX-License-Identifier: Apache-2.0
/* What json_read.c and json_get.c share, and what config.c needs of findings; nobody else includes it. */
#ifndef WHERRY_CONTROL_JSON_DOC_H
#define WHERRY_CONTROL_JSON_DOC_H

#include <yyjson.h>

#include "base/buf.h"
#include "json_read.h"

struct json_doc {
	yyjson_doc *doc;
	char *name;           /* of the file, for findings */
	struct buf findings;  /* lines */
	unsigned count;
};

/* "source.cloud" of at + key (NULL: at itself). */
void json_path(const struct json_at *at, const char *key, char *out, size_t size);
/* Text as it may be shown in a message: printable, cut with "..." to size. Returns out. */
char *json_shorten(const char *text, char *out, size_t size);
/* The known word most like this one, NULL when none is near. */
const char *json_nearest(const char *word, const char *const known[], size_t count);
/* A CONFIG error of `count` findings, one a line: as many as it holds, and how many more there are. Returns -1. */
int json_finish_text(const char *findings, unsigned count, struct err *e);

#endif
