// SPDX-License-Identifier: Apache-2.0
/* Private to this folder: who has a disk or file that is BUSY. */
#ifndef WHERRY_BLOCK_DISK_HOLDER_H
#define WHERRY_BLOCK_DISK_HOLDER_H

#include "base/err.h"

/* Always -1 with a BUSY that says who holds `path` and what to do, as far as /proc and /sys tell. */
int disk_holder_busy(const char *path, struct err *e);

#endif
