// SPDX-License-Identifier: Apache-2.0
/* Durable files of the state directory; shared by state*.c and journal.c. */
#ifndef WHERRY_CONTROL_STATE_FILE_H
#define WHERRY_CONTROL_STATE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* mkdir -p with mode 0700, each new folder durable in the one above. */
int state_make_dirs(const char *path, struct err *e);
int state_sync_dir(const char *dir, struct err *e);
/* The whole of a small file. NOT_FOUND when it is not there; DENIED when `secret` and others may read it. */
int state_read_file(const char *path, bool secret, struct buf *out, struct err *e);
/* A new file of mode 0600, durable with its name. If another process made it first, theirs stays: read it again. */
int state_make_file(const char *path, const void *data, size_t len, struct err *e);

#endif
