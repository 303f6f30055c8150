// SPDX-License-Identifier: Apache-2.0
/*
 * Where a serving worker gets disks by serial, and the orders that need root. Implementations: disk_broker.c (PID 1 of
 * the appliance; see initramfs/broker.h) and disk_broker_host.c (a plain host: an allow list from the command line,
 * no power and no clock). Safe to call from several threads.
 */
#ifndef WHERRY_BLOCK_DISK_SOURCE_H
#define WHERRY_BLOCK_DISK_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"
#include "block/block.h"

#define DISK_SERIAL_MAX 128

struct disk_entry {
	char name[64];                    /* "vdb"; on a host: the path's last part */
	char serial[DISK_SERIAL_MAX + 1]; /* "" when the disk has none */
	uint64_t size;
	uint32_t logical_sector;
	uint32_t physical_sector;
	bool read_only;                   /* cannot be written */
};

struct disk_list {
	VEC(struct disk_entry) list;
};

struct disk_source;

struct disk_source_ops {
	/* Appends the disks there are now; a hot-plugged disk needs no announcement, ask again. */
	int (*list)(struct disk_source *s, struct disk_list *out, struct err *e);
	/* NOT_FOUND until it is attached; BUSY or REFUSED when it cannot be had in this mode. */
	struct block *(*open)(struct disk_source *s, const char *serial, enum block_mode mode, unsigned depth,
			      struct err *e);
	/* The machine goes off soon after this returned 0. A host stays on: there the caller just ends. */
	int (*poweroff)(struct disk_source *s, struct err *e);
	/* Sets the machine's clock. A host keeps its own; the caller's offset must do. */
	int (*set_time)(struct disk_source *s, int64_t wall_ns, struct err *e);
	void (*close)(struct disk_source *s);
};

struct disk_source {
	const struct disk_source_ops *ops;
};

int disk_source_list(struct disk_source *s, struct disk_list *out, struct err *e);
struct block *disk_source_open(struct disk_source *s, const char *serial, enum block_mode mode, unsigned depth,
			       struct err *e);
int disk_source_poweroff(struct disk_source *s, struct err *e);
int disk_source_set_time(struct disk_source *s, int64_t wall_ns, struct err *e);
void disk_source_close(struct disk_source *s); /* NULL is fine; blocks that were opened live on */

/* A serial that can be asked for: [A-Za-z0-9._:+=@,*-], 1 to DISK_SERIAL_MAX bytes. */
bool disk_serial_is_valid(const char *serial);

#endif
