// SPDX-License-Identifier: Apache-2.0
/* What the files that read and write records share; nobody else includes it. */
#ifndef WHERRY_CONTROL_QEMU_RECORD_JSON_H
#define WHERRY_CONTROL_QEMU_RECORD_JSON_H

#include "json_read.h"
#include "qemu_record.h"

/* word: "disk", for the sentence when there is none of that name. */
struct json_doc *qemu_record_open(const struct qemu_cloud *c, enum qemu_folder f, const char *name, const char *word,
				  struct err *e);
/* No unknown keys, findings into *e, doc freed. */
int qemu_record_close(struct json_doc *doc, struct json_at *at, struct err *e);
void qemu_read_text(struct json_at *at, const char *key, enum json_need need, char *out, size_t size);
void qemu_read_tags(struct json_at *at, enum json_need need, struct res_tags *t);
char *qemu_tags_json(const struct res_tags *t); /* caller frees */

#endif
