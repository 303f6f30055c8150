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

/* How long a merge may take, so that it ends whatever the guest does. */
struct qemu_merge_limits {
	int64_t stall_ns;   /* top: what is left did not become clearly less in that time: the guest outruns the copy */
	int64_t pause_ns;   /* top: the machine stands still for at most that long while the rest is copied */
	int64_t overall_ns; /* until then the machine runs and the merge is under way */
};

/* Merging image `over` of a disk into `base` (paths) while the machine runs. */
struct qemu_merge {
	const char *run_dir;
	unsigned disk;          /* of the machine's devices */
	const char *over, *base;
	bool top;               /* over is what the guest writes to */
	/* top: the record of who holds the disk goes to base, durably. Called with the machine paused, at the one point
	 * where both files hold the same. May be called again. */
	int (*swap)(void *ctx, struct err *e);
	/* top: says durably that it is us who pause the machine, before that is done; false: that it goes on. Not called
	 * for a machine that its operator has paused: that stays paused. */
	int (*mark)(void *ctx, bool paused, struct err *e);
	void *ctx;
	const struct qemu_merge_limits *limits; /* NULL: 20 s, 60 s, 2 hours */
};

/* A guest that outruns the copy is paused while the rest is copied. TIMEOUT: it could not be done in time; QEMU has
 * stopped merging, the machine goes on as before, and it may be tried again. */
int qemu_live_commit(const struct qemu_merge *m, struct err *e);
/* Ends a pause that a dead process had marked: the merge is ended, swapped when QEMU had done it, the machine continued,
 * the mark taken back. */
int qemu_live_resume(const struct qemu_merge *m, struct err *e);

#endif
