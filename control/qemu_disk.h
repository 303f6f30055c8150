// SPDX-License-Identifier: Apache-2.0
/*
 * The disk operations of the driver (provider.h). A disk is disks/<name>/ with an image of its own (a replica), a
 * qcow2 on top of an overlay snapshot, or nothing but a reference to a live snapshot, which is then read from its
 * machine and cannot be written. They take the cloud's lock themselves.
 */
#ifndef WHERRY_CONTROL_QEMU_DISK_H
#define WHERRY_CONTROL_QEMU_DISK_H

#include "provider.h"
#include "qemu_record.h"

int qemu_disk_create(const struct qemu_cloud *c, enum qemu_format format, const struct disk_spec *spec,
		     struct res_ref *ref, struct err *e);
int qemu_disk_get(const struct qemu_cloud *c, const struct res_ref *ref, struct machine_disk *out, struct err *e);
int qemu_disk_resize(const struct qemu_cloud *c, const struct res_ref *ref, uint64_t size, struct err *e);
int qemu_disk_poll(const struct qemu_cloud *c, const struct res_ref *ref, enum res_state *state, struct err *e);
int qemu_disk_remove(const struct qemu_cloud *c, const struct res_ref *ref, struct err *e);
/* The lock file's descriptor: close it to let go. BUSY with the holder's text. */
int qemu_disk_lock(const struct qemu_cloud *c, const struct res_ref *ref, const char *holder, struct err *e);
int qemu_disk_claim(const struct qemu_cloud *c, struct res_ref *ref, const struct res_tags *expect,
		    const struct res_tags *set, struct err *e);
/* The disk as a block node for a worker in this cloud; caller frees. NULL: it cannot be had. */
char *qemu_disk_node(const struct qemu_cloud *c, const struct qemu_disk *d, const char *node, bool read_only,
		     struct err *e);
/* Everything that was ever written to the files of that disk, and to what they stand on, is on the storage when this
 * returns. A worker that was killed may have left bytes in the host's memory which can be read but are not there after
 * a loss of power, and no later flush of another QEMU would write them: so before a disk is opened for writing. Needs no lock; BUSY when
 * somebody writes it. */
int qemu_disk_flush(const struct qemu_cloud *c, const struct qemu_disk *d, struct err *e);
/* There, ready, and the one meant by ref. */
int qemu_disk_usable(const struct qemu_cloud *c, const struct res_ref *ref, struct qemu_disk *d, struct err *e);

#endif
