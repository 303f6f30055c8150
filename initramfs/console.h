// SPDX-License-Identifier: Apache-2.0
/*
 * Standard output and error of everything in the appliance, copied to every console the
 * kernel has (/sys/class/tty/console/active): a serial line for clouds, a screen for the
 * machine room. A process of its own does it, so that a slow line delays neither the
 * broker nor the copy beyond what a pipe holds; and no other process holds a terminal,
 * which leaves nothing to type into.
 */
#ifndef WHERRY_INITRAMFS_CONSOLE_H
#define WHERRY_INITRAMFS_CONSOLE_H

// Starts the copier and makes its pipe standard output and error of this process; standard
// input becomes /dev/null. Returns 0, or -1 and leaves all as it was.
int console_start(void);

// Waits until what was written has left the machine, at most this long.
void console_drain(int milliseconds);

#endif
