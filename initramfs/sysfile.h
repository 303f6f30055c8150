// SPDX-License-Identifier: Apache-2.0
/*
 * Small files of /proc, /sys and /run. All return -1 with errno set when they fail.
 */
#ifndef WHERRY_INITRAMFS_SYSFILE_H
#define WHERRY_INITRAMFS_SYSFILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Reads up to size bytes, which may hold any value. Returns how many there were.
ssize_t sysfile_read(const char *path, void *buffer, size_t size);

// Reads text: NUL-terminated, white space at the end cut off.
int sysfile_text(const char *path, char *text, size_t size);

// Reads one unsigned decimal number.
int sysfile_number(const char *path, uint64_t *number);

// Writes all of it to an existing file of /proc or /sys.
int sysfile_write(const char *path, const char *text);

// Makes a file of this mode with this content; it appears under its name only when whole.
int sysfile_create(const char *path, const void *bytes, size_t size, mode_t mode);

#endif
