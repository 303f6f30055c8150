// SPDX-License-Identifier: Apache-2.0
/*
 * QEMU's command line for machines and workers, and the same -blockdev and -device objects for hot-plug by QMP.
 * Names inside QEMU: disk i of a machine or worker is node "d<i>" behind device "disk<i>"; hot-plugged disks of a
 * worker are node and device "h<port>" behind root port "rp<port>".
 */
#ifndef WHERRY_CONTROL_QEMU_ARGS_H
#define WHERRY_CONTROL_QEMU_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"
#include "qemu_options.h"
#include "qemu_record.h"

#define QEMU_BINARY "qemu-system-x86_64"

struct qemu_args {
	VEC(char *) list; /* owned */
};

void qemu_args_fini(struct qemu_args *a);
void qemu_args_add(struct qemu_args *a, const char *s);
void qemu_args_addf(struct qemu_args *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void qemu_args_take(struct qemu_args *a, const char *option, char *value); /* takes value */
char *const *qemu_args_argv(struct qemu_args *a);                          /* NULL-ended; lives as long as a */

/* What machines and workers have in common: board, processor, memory, monitor, serial console, random numbers.
 * keyboard: the console can be typed into, at serial.sock; workers have none that could be. */
void qemu_args_base(struct qemu_args *a, const char *name, const char *run_dir, enum qemu_accel accel,
		    uint64_t memory_mib, unsigned vcpus, bool keyboard);

/* A disk image as a block node. Caller frees, as of the next two. */
char *qemu_node_image(const struct qemu_cloud *c, const struct qemu_image *image, const char *node, bool read_only);
/* A live snapshot, through its machine's NBD socket; from another run directory of the same cloud. */
char *qemu_node_live(const struct qemu_snapshot *s, const char *node);

struct qemu_device {
	const char *id, *node;
	const char *serial;      /* NULL: none */
	const char *bus;         /* a root port; NULL: the root complex, at the place of disk `index` */
	int index;               /* < 0: anywhere there */
	const char *iothread;    /* NULL: the main loop */
	uint32_t logical_sector;
	int bootindex;           /* < 0: not bootable */
	bool report;             /* errors go to the guest; else a full disk stops the machine until there is room */
};
char *qemu_device_json(const struct qemu_device *d);

#endif
