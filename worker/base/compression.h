// SPDX-License-Identifier: Apache-2.0
/*
 * How data is compressed on its way, as people write it: "auto" (the level that makes the copy fastest), "none", "zstd"
 * (its level COMPRESSION_LEVEL_DEFAULT) or "zstd:LEVEL". Whatever the choice, what does not shrink is sent as it is.
 */
#ifndef WHERRY_BASE_COMPRESSION_H
#define WHERRY_BASE_COMPRESSION_H

#include "base/err.h"

enum compression { COMPRESSION_NONE, COMPRESSION_ZSTD, COMPRESSION_AUTO };

/* Of zstd; 0 is not a level here. */
#define COMPRESSION_LEVEL_MIN     (-50)
#define COMPRESSION_LEVEL_MAX     19
#define COMPRESSION_LEVEL_DEFAULT 1

/* USAGE: what was expected, and `text`; then nothing is changed. */
int compression_parse(const char *text, enum compression *c, int *level, struct err *e);
const char *compression_name(enum compression c); /* without the level; as in net/api_names.h */

#endif
