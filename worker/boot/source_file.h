// SPDX-License-Identifier: Apache-2.0
/* Whole small files of /sys and /proc, whose size stat does not tell. Private to boot/. */
#ifndef WHERRY_BOOT_SOURCE_FILE_H
#define WHERRY_BOOT_SOURCE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* Appends the file root/path. *found false and 0 when it is not there; CONFIG when it is longer than max. */
int source_file_read(const char *root, const char *path, size_t max, struct buf *out, bool *found, struct err *e);

#endif
