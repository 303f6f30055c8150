// SPDX-License-Identifier: Apache-2.0
/*
 * Machines of a cloud in a folder: what they are, starting and stopping them. A running machine is a QEMU whose run
 * directory is run/<name>/ (qmp.sock, serial.log, qemu.log, process.json).
 */
#ifndef WHERRY_CONTROL_QEMU_MACHINE_H
#define WHERRY_CONTROL_QEMU_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "provider.h"
#include "qemu_options.h"
#include "qemu_record.h"

bool qemu_machine_running(const struct qemu_cloud *c, const char *name);
/* As the core sees it. Disks that cannot be replicated say so in why_not. */
int qemu_machine_describe(const struct qemu_cloud *c, const char *name, struct machine *out, struct err *e);
/* The file with a machine's UEFI variables, machines/<name>.efivars; caller frees. It may not be there (yet). */
char *qemu_machine_nvram(const struct qemu_cloud *c, const char *name);
#define QEMU_NVRAM_MAX (64 << 20)
/* A firmware for UEFI that works with variables of nvram_bytes (0: with none yet) is installed: NOT_FOUND otherwise. */
int qemu_machine_check_uefi(const char *name, size_t nvram_bytes, struct err *e);
/* Lock not held. Running already is success. */
int qemu_machine_start(const struct qemu_cloud *c, const char *name, const struct qemu_options *o, struct err *e);
/* Lock held. */
int qemu_machine_start_locked(const struct qemu_cloud *c, const char *name, const struct qemu_options *o, struct err *e);
/* The power button, then after grace_ns the plug. Lock not held. Not running is success. */
int qemu_machine_stop(const struct qemu_cloud *c, const char *name, int64_t grace_ns, struct err *e);

#endif
