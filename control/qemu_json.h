// SPDX-License-Identifier: Apache-2.0
/*
 * Writing JSON from a template, for QMP commands, -blockdev arguments and records:
 *
 *   qemu_jsonf("{'driver':'file','filename':%s,'read-only':%b}", path, 1)
 *
 * ' in the template becomes "; values: %s text (quoted and escaped; NULL gives null), %j JSON as it is, %u uint64_t,
 * %d int, %b int as true or false. Nothing else is understood. Reading is json_read.h's and yyjson's business.
 */
#ifndef WHERRY_CONTROL_QEMU_JSON_H
#define WHERRY_CONTROL_QEMU_JSON_H

#include "base/buf.h"

void qemu_json_add(struct buf *b, const char *fmt, ...);
char *qemu_jsonf(const char *fmt, ...); /* caller frees */

#endif
