// SPDX-License-Identifier: Apache-2.0
/*
 * The whole disks of this machine, as /sys/block has them at this moment. What is skipped
 * and how a serial is made is written in broker.h.
 */
#ifndef WHERRY_INITRAMFS_DISKS_H
#define WHERRY_INITRAMFS_DISKS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "broker.h"

enum { DISKS_MAX = 256, DISK_NAME_MAX = 32, DISK_ADDRESS_MAX = 48 };

struct disk {
	char name[DISK_NAME_MAX];           // kernel name, also the node's name in /dev
	char serial[BROKER_SERIAL_MAX + 1]; // "" when it has none
	char address[DISK_ADDRESS_MAX];     // SCSI "host:channel:id:lun", or ""
	uint64_t size;                      // bytes
	uint64_t sequence;                  // diskseq: never the same for two disks of a boot
	unsigned int logical;               // sector sizes in bytes
	unsigned int physical;
	bool read_only;                     // as the kernel sees it
};

// Reads them all, sorted by name. Returns how many (at most DISKS_MAX; more are left
// out), or -1 with errno set when /sys/block cannot be read.
int disks_read(struct disk disks[DISKS_MAX]);

// Lets this group read the node of every disk and CD drive there is at this moment, and
// nobody write to it; group 0 takes that back.
void disks_let_read(gid_t group);

// Cuts spaces off both ends of text and replaces what may not stand in a serial.
void disk_clean_serial(char *text);

#endif
