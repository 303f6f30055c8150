// SPDX-License-Identifier: Apache-2.0
/* Bodies of answers. Private to job/. */
#ifndef WHERRY_JOB_API_JSON_H
#define WHERRY_JOB_API_JSON_H

#include "job/api.h"
#include "job/counters.h"

void api_json_identity(const struct api *api, struct buf *out);
void api_json_status(const struct api *api, const struct runner_status *s, const struct counters *c, struct buf *out);
void api_json_disks(const struct disk_list *disks, struct buf *out);
void api_json_error(const struct err *e, struct buf *out);

#endif
