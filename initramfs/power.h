// SPDX-License-Identifier: Apache-2.0
/*
 * The end. Whatever goes wrong in the appliance ends in a power-off, never in a shell and
 * never in a restart: the controller sees the machine stop and reads why on the console.
 */
#ifndef WHERRY_INITRAMFS_POWER_H
#define WHERRY_INITRAMFS_POWER_H

#include <stdbool.h>

// Lets the console finish, syncs (for a bounded time) and switches off or restarts. Does
// not return.
_Noreturn void power_end(bool restart);

// The same after so many seconds, in which the console can be read.
_Noreturn void power_off_after(int seconds);

#endif
