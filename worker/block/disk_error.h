// SPDX-License-Identifier: Apache-2.0
/* Private to this folder: what went wrong with a disk, as a sentence. */
#ifndef WHERRY_BLOCK_DISK_ERROR_H
#define WHERRY_BLOCK_DISK_ERROR_H

#include <stdint.h>

#include "base/err.h"
#include "block/block.h"

enum disk_action { DISK_READ, DISK_WRITE, DISK_ZERO, DISK_FLUSH };

const char *disk_action_name(enum disk_action a); /* "reading" */
/* Always -1; *e names the disk, the place, the errno and what to do. length 0: the whole disk. */
int disk_error(struct err *e, enum disk_action a, int sys, const struct block_info *i, uint64_t offset, uint64_t length);

#endif
