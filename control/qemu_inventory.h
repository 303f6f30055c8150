// SPDX-License-Identifier: Apache-2.0
/*
 * What a qemu cloud holds, seen without any journal: from its files, from /proc and from its running machines. For
 * people, and as oracle of tests: equal inventories before and after mean that nothing was left. One line each:
 *
 *   machine NAME disk=FILE ... [purpose=target job=J run=R ]
 *   disk NAME job=J run=R purpose=P epoch=N generation=N dirty=B
 *   snapshot NAME job=J run=R purpose=P of=DISK
 *   worker NAME job=J run=R purpose=P
 *   file PATH              belongs to none of the above
 *   process PID DIR        a QEMU of this cloud that is neither a machine's nor a worker's
 *   inside MACHINE THING   a job, export or node of a snapshot that is not there any more, in a running machine
 *
 * Whether a machine runs is not in it.
 */
#ifndef WHERRY_CONTROL_QEMU_INVENTORY_H
#define WHERRY_CONTROL_QEMU_INVENTORY_H

#include "base/buf.h"
#include "qemu_record.h"

int qemu_inventory(const struct qemu_cloud *c, struct buf *out, struct err *e);

#endif
