// SPDX-License-Identifier: Apache-2.0
/*
 * Snapshots of a running machine. In one QMP transaction every disk gets a dirty bitmap and a copy-before-write job
 * (blockdev-backup, sync=none) into a temporary qcow2 file whose backing is the disk itself: what the guest overwrites
 * is first saved there, so the file's node always reads as the disk did at that instant. It is exported read-only by
 * NBD on run/<machine>/nbd.sock. (qemu: docs/interop/live-block-operations.rst, "image fleecing".)
 *
 *   node "f-<uid>", job "j-<uid>", export id "e-<uid>", export name "s-<uid>", file snapshots/<name>/fleece.qcow2
 *   bitmap "wherry.<owner>.<job>.<epoch>.<uid>" on the disk's node
 *
 * A disk has one such snapshot at a time: a second is BUSY. It lives as long as that QEMU process. A full file system
 * under it pauses the machine (its disks have QEMU's default werror=enospc) and never gives the guest an error;
 * removing the snapshot lets the machine go on.
 *
 * Bitmaps stay after their snapshot as hints for later runs, the newest few of a job, in memory only: a machine that
 * was stopped in between is read whole. All functions want the cloud's lock held, except qemu_live_alive.
 */
#ifndef WHERRY_CONTROL_QEMU_LIVE_H
#define WHERRY_CONTROL_QEMU_LIVE_H

#include <stdbool.h>

#include "qemu_record.h"
#include "qmp.h"

#define QEMU_NODE_SIZE 64

/* Records are published as CREATING; on success they are READY. On failure QEMU is as before; records stay. */
int qemu_live_snapshot(const struct qemu_cloud *c, const struct qemu_machine *m, struct qemu_snapshot *set, unsigned n,
		       struct err *e);
/* Takes all of it away except the record. Fine when some or all of it is gone. */
int qemu_live_undo(const struct qemu_cloud *c, const struct qemu_snapshot *s, struct err *e);
bool qemu_live_alive(const struct qemu_cloud *c, const struct qemu_snapshot *s);

/* The node directly below the guest's device: the disk's format node, or a filter a job has put on it. */
int qemu_live_node(struct qmp *q, unsigned disk, char node[QEMU_NODE_SIZE], struct err *e);
/* The format node of an image file (a path), whatever lies above it; "" when this QEMU does not have it open. */
int qemu_live_file_node(struct qmp *q, const char *path, char node[QEMU_NODE_SIZE], struct err *e);
/* The same of a disk of a machine; NOT_FOUND when it does not have it open. */
int qemu_live_disk_node(const struct qemu_cloud *c, struct qmp *q, const struct qemu_machine *m, const char *disk,
			char node[QEMU_NODE_SIZE], struct err *e);
/* Merges image `over` of that disk into `base` (paths) while the machine runs. top: over is what the guest writes to;
 * then `swap` is called with the machine paused for a moment, at the one point where both files hold the same. */
typedef int qemu_live_swap(void *ctx, struct err *e);
int qemu_live_commit(const char *run_dir, unsigned disk, const char *over, const char *base, bool top,
		     qemu_live_swap *swap, void *ctx, struct err *e);

#endif
