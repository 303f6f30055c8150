// SPDX-License-Identifier: Apache-2.0
/*
 * What the serving worker gives up once it has started: core dumps (they would hold keys), new privileges, other
 * programs, and kernel calls that no worker needs. PID 1 of the appliance has taken everything else from it already
 * (initramfs/broker.h). Threads started later inherit it.
 */
#ifndef WHERRY_JOB_SANDBOX_H
#define WHERRY_JOB_SANDBOX_H

#include "base/err.h"

int sandbox_no_dumps(struct err *e); /* anywhere: no core dumps, no ptrace by others of this user, no new privileges */
int sandbox_filter(struct err *e);   /* the appliance: a seccomp filter; UNSUPPORTED where the kernel has none */

#endif
