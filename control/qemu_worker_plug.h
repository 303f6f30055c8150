// SPDX-License-Identifier: Apache-2.0
/* Hot-plugging a disk of a worker (qemu_worker.h; nobody else includes it). Lock held. */
#ifndef WHERRY_CONTROL_QEMU_WORKER_PLUG_H
#define WHERRY_CONTROL_QEMU_WORKER_PLUG_H

#include "provider.h"
#include "qemu_record.h"

/* Into a free root port; the worker's record is saved with it. Plugged in already is success. */
int qemu_worker_plug(const struct qemu_cloud *c, struct qemu_worker *w, struct worker_disk *disk, struct err *e);

#endif
