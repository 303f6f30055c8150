// SPDX-License-Identifier: Apache-2.0
/* The limits of a run as limits_json() writes them, read strictly. Private to job/. */
#ifndef WHERRY_JOB_LIMITS_JSON_H
#define WHERRY_JOB_LIMITS_JSON_H

#include <yyjson.h>

#include "base/limits.h"

/* CONFIG: which key, what was expected; *out is then undefined. */
int limits_from_json(yyjson_val *v, struct limits *out, struct err *e);

#endif
