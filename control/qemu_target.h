// SPDX-License-Identifier: Apache-2.0
/* Machines made by `promote`, and what validate says of a qemu cloud (provider.h). */
#ifndef WHERRY_CONTROL_QEMU_TARGET_H
#define WHERRY_CONTROL_QEMU_TARGET_H

#include "provider.h"
#include "qemu_options.h"
#include "qemu_record.h"

int qemu_target_create(const struct qemu_cloud *c, const struct target_spec *spec, struct res_ref *ref, struct err *e);
int qemu_target_poll(const struct qemu_cloud *c, const struct res_ref *ref, enum res_state *state, struct err *e);
/* Stops it and removes its record; its disks stay. */
int qemu_target_remove(const struct qemu_cloud *c, const struct res_ref *ref, struct err *e);

int qemu_validate(const struct qemu_cloud *c, const struct qemu_options *o, bool source, const struct machine *m,
		  struct findings *out, struct err *e);

#endif
