// SPDX-License-Identifier: Apache-2.0
/*
 * Hints as a text file, one range in a line:
 *
 *     # written by a backup tool             from '#' to the end of the line nothing counts
 *     generation 7                           optional, before the ranges: what they count from
 *     1048576 65536                          offset and length, decimal bytes, offsets not falling
 */
#ifndef WHERRY_MANIFEST_HINTS_TEXT_H
#define WHERRY_MANIFEST_HINTS_TEXT_H

#include <stdio.h>

#include "manifest/hints.h"

/* Adds the ranges of `from` to h. *generation: 0 when the file does not say. CONFIG: which line of `name` (for messages)
 * is wrong, and how. */
int hints_read_text(struct hints *h, FILE *from, const char *name, uint64_t *generation, struct err *e);

#endif
