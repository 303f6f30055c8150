// SPDX-License-Identifier: Apache-2.0
/*
 * The file systems and kernel settings the appliance runs with: /proc, /sys, /dev and
 * /run, and a root and a /sys that nobody writes to any more.
 */
#ifndef WHERRY_INITRAMFS_MOUNTS_H
#define WHERRY_INITRAMFS_MOUNTS_H

// Mounts them. Returns 0, or -1 after having said why; without them nothing works.
int mounts_make(void);

// Settings under /proc/sys and /sys. One that fails is said and skipped: it costs speed, not truth.
void mounts_settings(void);

// Makes the root and /sys read-only. Call when nothing is to be made outside /run any more.
void mounts_seal(void);

#endif
