// SPDX-License-Identifier: Apache-2.0
/*
 * The snapshot operations of the driver (provider.h), over the two kinds: qemu_live.h for a running machine,
 * qemu_chain.h for a stopped one and for replica disks. They take the cloud's lock themselves.
 */
#ifndef WHERRY_CONTROL_QEMU_SNAPSHOT_H
#define WHERRY_CONTROL_QEMU_SNAPSHOT_H

#include "provider.h"
#include "qemu_record.h"

int qemu_snapshot_machine(const struct qemu_cloud *c, const struct machine *m, struct res_ref *refs, unsigned n,
			  struct err *e);
int qemu_snapshot_disk(const struct qemu_cloud *c, const struct res_ref *disk, struct res_ref *ref, struct err *e);
int qemu_snapshot_poll(const struct qemu_cloud *c, const struct res_ref *ref, enum res_state *state, struct err *e);
int qemu_snapshot_remove(const struct qemu_cloud *c, const struct res_ref *ref, struct err *e);

/* Ready to be read and the one meant by ref; else *e says why. */
int qemu_snapshot_usable(const struct qemu_cloud *c, const struct res_ref *ref, struct qemu_snapshot *s, struct err *e);
/* Finishes or undoes what dead processes left of snapshots in the making, and lets machines go on that they had paused.
 * Lock held. */
int qemu_snapshots_recover(const struct qemu_cloud *c, struct err *e);

#endif
