// SPDX-License-Identifier: Apache-2.0
/*
 * Files of a cloud in a folder: records that are whole or not there after a crash, and questions about image files.
 * Paths are borrowed. Errors name the path; a full file system is NO_SPACE.
 */
#ifndef WHERRY_CONTROL_QEMU_FILE_H
#define WHERRY_CONTROL_QEMU_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* Temporary file beside it, fsync, rename, fsync of the directory. */
int qemu_file_write(const char *path, const void *p, size_t n, mode_t mode, struct err *e);
/* At most `max` bytes are read; more is CORRUPT. */
int qemu_file_read(const char *path, size_t max, struct buf *out, struct err *e);
int qemu_file_sync(const char *path, struct err *e);      /* a file or a directory */
int qemu_file_mkdir(const char *path, struct err *e);     /* existing is fine */
int qemu_file_unlink(const char *path, struct err *e);    /* absent is fine */
int qemu_file_rename(const char *from, const char *to, struct err *e); /* with fsync of the directory */
/* A directory and everything in it; symbolic links are removed, not followed. Absent is fine. */
int qemu_file_remove_tree(const char *path, struct err *e);
bool qemu_file_exists(const char *path);
bool qemu_file_is_block(const char *path);                /* a block device */
bool qemu_file_same(const char *a, const char *b);        /* both exist and are one file */

/* Bytes of disk in an image: length of a raw file or block device, virtual size in a qcow2 header
 * (qemu: docs/interop/qcow2.txt). Does not take QEMU's image lock, so it works while a machine runs. */
int qemu_file_image_size(const char *path, bool qcow2, uint64_t *size, struct err *e);
bool qemu_file_is_qcow2(const char *path);
/* Some QEMU or qemu tool holds it open for writing: it then has byte 101 locked (qemu: block/file-posix.c,
 * RAW_LOCK_PERM_BASE + the bit of BLK_PERM_WRITE). */
bool qemu_file_has_writer(const char *path);
bool qemu_file_can_direct(const char *path);              /* O_DIRECT works there by 512 bytes (tmpfs: no) */
int qemu_file_free_space(const char *path, uint64_t *bytes, struct err *e);

#endif
