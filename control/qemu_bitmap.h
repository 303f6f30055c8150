// SPDX-License-Identifier: Apache-2.0
/*
 * Dirty bitmaps of live snapshots (qemu_live.h): they say what a machine has written since a snapshot was taken. Every
 * bitmap of ours goes on recording until it is pruned, so one of them alone answers, always with a superset.
 */
#ifndef WHERRY_CONTROL_QEMU_BITMAP_H
#define WHERRY_CONTROL_QEMU_BITMAP_H

#include "provider.h"
#include "qemu_record.h"
#include "qmp.h"

char *qemu_bitmap_name(const struct qemu_snapshot *s); /* caller frees */
/* Makes room for the bitmap of s on that node: only the newest few of its owner and job stay. */
int qemu_bitmaps_prune(struct qmp *q, const char *node, const struct qemu_snapshot *s, struct err *e);
int qemu_bitmap_drop(const struct qemu_cloud *c, struct qmp *q, const struct qemu_snapshot *s, struct err *e);

/* See changed_ranges in provider.h. baseline_id: res_ref.id of a snapshot; the snapshot itself need not exist. */
int qemu_changed_ranges(const struct qemu_cloud *c, const struct machine *m, unsigned disk, const char *baseline_id,
			struct byte_range **out, size_t *count, struct err *e);

#endif
