// SPDX-License-Identifier: Apache-2.0
/*
 * A small disk that brings a worker its bootstrap data where a cloud has no better way: ISO 9660 (ECMA-119) labelled "cidata"
 * with the file "user-data", as a fixed VHD ("Virtual Hard Disk Image Format Specification", Microsoft 2006). Always the same
 * bytes for the same data.
 */
#ifndef WHERRY_CONTROL_CONFIG_DISK_H
#define WHERRY_CONTROL_CONFIG_DISK_H

#include "base/buf.h"
#include "base/err.h"

#define CONFIG_DISK_SIZE   (20u << 20) /* bytes of the disk: the smallest that clouds take */
#define CONFIG_DISK_DATA   (64u << 10) /* at its start; zeros follow */
#define CONFIG_DISK_FOOTER 512u        /* behind the disk */

/* *out: CONFIG_DISK_DATA bytes for the start, then CONFIG_DISK_FOOTER bytes for the end. CONFIG: the text is too long. */
int config_disk(const char *text, struct buf *out, struct err *e);

#endif
