// SPDX-License-Identifier: Apache-2.0
/*
 * Workers: QEMU processes booted from the worker image, with run/<name>/ as run directory (worker.json, bootdata.json,
 * qmp.sock, serial.log, qemu.log, process.json, boot.qcow2). User-mode networking; the worker's port is forwarded to a
 * free port of 127.0.0.1. They take the cloud's lock themselves.
 */
#ifndef WHERRY_CONTROL_QEMU_WORKER_H
#define WHERRY_CONTROL_QEMU_WORKER_H

#include "provider.h"
#include "qemu_options.h"
#include "qemu_record.h"

int qemu_worker_create(const struct qemu_cloud *c, const struct qemu_options *o, struct worker_spec *spec,
		       struct res_ref *ref, const struct log *log, struct err *e);
int qemu_worker_attach(const struct qemu_cloud *c, const struct res_ref *ref, struct worker_disk *disk, struct err *e);
int qemu_worker_detach(const struct qemu_cloud *c, const struct res_ref *ref, const struct res_ref *disk, struct err *e);
/* FAILED: it ended (with the end of its console), or a disk gave it write errors (NO_SPACE where that is why). */
int qemu_worker_poll(const struct qemu_cloud *c, const struct res_ref *ref, enum res_state *state, struct err *e);
int qemu_worker_remove(const struct qemu_cloud *c, const struct res_ref *ref, struct err *e);
int qemu_worker_console(const struct qemu_cloud *c, const struct res_ref *ref, struct buf *out, struct err *e);
int qemu_worker_endpoint(const struct qemu_cloud *c, const struct res_ref *ref, uint16_t port, struct endpoint *out,
			 struct err *e);

/* What the guest sees as the serial number of a disk: at most 20 characters, the same for the same disk. */
void qemu_worker_serial(const char *disk, char out[24]);

#endif
