// SPDX-License-Identifier: Apache-2.0
/*
 * Snapshots of disks nobody writes to at that moment: a stopped machine's, or a replica's. The disk's file becomes the
 * snapshot and is not written any more; its holder (the machine's record or the disk's) goes on with a new qcow2 on top.
 *
 *   before             base <- holder
 *   with a snapshot    base = snapshot, over (backing: base) <- holder
 *   removed            over merged into base, base <- holder
 *
 * A machine may be started while it has snapshots: it runs on `over`. Snapshots of one disk may be stacked; removing
 * one merges what lies directly above it into its base.
 *
 * Crash safety. Making: record CREATING, over made and synced, one atomic change of the holder (for all disks of a
 * machine at once), record READY. A record left CREATING is finished when its holder names `over`, else undone.
 * Removing: record MERGING, merge (may be repeated: `over` stays whole until the end), holder back to base, `over`
 * deleted, record gone. A record left MERGING is finished before anything else happens to that disk. Under a running
 * machine the end of a merge pauses it; the record says so before, and whoever next opens the cloud or removes the
 * snapshot lets the machine go on.
 * All functions want the cloud's lock held.
 */
#ifndef WHERRY_CONTROL_QEMU_CHAIN_H
#define WHERRY_CONTROL_QEMU_CHAIN_H

#include "qemu_record.h"

/* Records are published as CREATING, with machine, disk, size and sector filled in; on success they are READY. On
 * failure the disks are as before; records stay. */
int qemu_chain_snapshot(const struct qemu_cloud *c, struct qemu_snapshot *set, unsigned n, struct err *e);
/* Finishes or undoes what a dead process left of a CREATING record; *keep: it is READY now. */
int qemu_chain_settle(const struct qemu_cloud *c, struct qemu_snapshot *s, bool *keep, struct err *e);
/* Lets a machine go on that a dead process paused for merging that snapshot; without one it does nothing. */
int qemu_chain_resume(const struct qemu_cloud *c, struct qemu_snapshot *s, struct err *e);
/* Merges; the record stays and may be retired. BUSY while clones of it, or of the one above, live. */
int qemu_chain_undo(const struct qemu_cloud *c, struct qemu_snapshot *s, struct err *e);
/* Finishes removals a dead process left half-done on that disk (machine "" for disk records). */
int qemu_chain_finish(const struct qemu_cloud *c, const char *machine, const char *disk, struct err *e);
/* A new qcow2 `over` on top of `base`, synced; size 0: as large as base. Absolute paths. */
int qemu_chain_overlay(const char *base, enum qemu_format format, const char *over, uint64_t size, struct err *e);
/* Are there overlay snapshots of that disk? Name of one into out. */
bool qemu_chain_any(const struct qemu_cloud *c, const char *machine, const char *disk, char out[RES_NAME_SIZE]);

#endif
