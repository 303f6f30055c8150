// SPDX-License-Identifier: Apache-2.0
/* Private to this folder: what an open descriptor is. */
#ifndef WHERRY_BLOCK_DISK_PROBE_H
#define WHERRY_BLOCK_DISK_PROBE_H

#include "base/err.h"
#include "block/block.h"

/* Fills *i with name, size, sectors, is_file and the device's own read_only. UNSUPPORTED unless it is a block device
 * or a regular file. */
int disk_probe(int fd, const char *name, struct block_info *i, struct err *e);

#endif
