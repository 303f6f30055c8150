// SPDX-License-Identifier: Apache-2.0
/*
 * Writing JSON from a template, for what drivers say to their clouds and for records:
 *
 *   json_format("{'driver':'file','filename':%s,'read-only':%b}", path, 1)
 *
 * ' in the template becomes "; values: %s text (quoted and escaped; NULL gives null), %j JSON as it is, %u uint64_t,
 * %d int, %b int as true or false. Nothing else is understood. Reading is json_read.h's and yyjson's business.
 */
#ifndef WHERRY_CONTROL_JSON_FORMAT_H
#define WHERRY_CONTROL_JSON_FORMAT_H

#include "base/buf.h"

void json_format_add(struct buf *b, const char *fmt, ...);
char *json_format(const char *fmt, ...); /* caller frees */

#endif
