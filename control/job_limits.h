// SPDX-License-Identifier: Apache-2.0
/*
 * The limits of a job (base/limits.h): those of its file, until `wherry limit` puts others in their place. These are a
 * fact in the journal: a run that is under way looks for them, and they hold for later runs until they are changed,
 * reset, or the replica is discarded.
 */
#ifndef WHERRY_CONTROL_JOB_LIMITS_H
#define WHERRY_CONTROL_JOB_LIMITS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/limits.h"
#include "journal.h"
#include "json_read.h"

/* All keys of the object `at`: a rate is a text with its unit or a number of bytes a second. Complains in its document. */
void job_limits_read(struct json_at *at, struct limits *out);

/* What `wherry limit` has set; found false when nothing is. */
int job_limits_get(struct journal *j, const char *job, struct limits *out, bool *found, struct err *e);
/* NULL: those of the file count again. */
int job_limits_set(struct journal *j, const char *job, const struct limits *limits, struct err *e);
/* What holds now, for a job whose file says `file`. */
int job_limits_now(struct journal *j, const char *job, const struct limits *file, struct limits *out, struct err *e);

#endif
