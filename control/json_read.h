// SPDX-License-Identifier: Apache-2.0
/*
 * Strict reading of JSON objects over yyjson: every key is asked for by type, every key not asked for is an error, and
 * every error says where (file, then line for syntax or path for content) and what was expected. Errors are collected,
 * so that `validate` gives all reasons at once: readers return a default and go on; json_finish() tells.
 *
 *   struct json_doc *d = json_load("job.json", &e);           syntax errors: "job.json:12:5: ..."
 *   struct json_at root = json_root(d);
 *   const char *name = json_string(&root, "job", JSON_REQUIRED, NULL);
 *   struct json_at src = json_object(&root, "source", JSON_REQUIRED);
 *   json_no_more(&src); json_no_more(&root);                  unknown keys, with the known ones listed
 *   if (json_finish(d, &e) < 0) ...                           CONFIG; all findings joined by newlines
 */
#ifndef WHERRY_CONTROL_JSON_READ_H
#define WHERRY_CONTROL_JSON_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct json_doc;
struct yyjson_val;

struct json_at {
	struct json_doc *doc;
	struct yyjson_val *val;  /* NULL: absent; reading from it gives defaults and no second error */
	char path[160];          /* "source.disks[2]" */
	const char *asked[48];   /* keys asked for so far; borrowed literals */
	unsigned asked_count;
};

enum json_need { JSON_OPTIONAL, JSON_REQUIRED };

struct json_doc *json_load(const char *file, struct err *e);
struct json_doc *json_parse(const char *text, size_t len, const char *name, struct err *e);
void json_free(struct json_doc *d); /* strings read from it die with it */
struct json_at json_root(struct json_doc *d);

bool json_has(struct json_at *at, const char *key);
const char *json_string(struct json_at *at, const char *key, enum json_need need, const char *fallback);
/* One of a NULL-ended list; gives its index. */
int json_choice(struct json_at *at, const char *key, enum json_need need, const char *const choices[], int fallback);
uint64_t json_number(struct json_at *at, const char *key, enum json_need need, uint64_t min, uint64_t max,
		     uint64_t fallback);
/* A number of bytes, or text such as "256K". */
uint64_t json_size(struct json_at *at, const char *key, enum json_need need, uint64_t min, uint64_t max,
		   uint64_t fallback);
bool json_bool(struct json_at *at, const char *key, enum json_need need, bool fallback);
struct json_at json_object(struct json_at *at, const char *key, enum json_need need);
size_t json_array(struct json_at *at, const char *key, enum json_need need, struct json_at *array);
struct json_at json_element(struct json_at *array, size_t i); /* as object or for json_text */
const char *json_text(struct json_at *at);                    /* the value itself as string, "" if it is none */
/* Add a finding of the caller's own about `key` (NULL: the object itself). */
void json_complain(struct json_at *at, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void json_no_more(struct json_at *at);
int json_finish(struct json_doc *d, struct err *e);
/* All findings, one sentence each, newline-ended; "" when none. */
const char *json_findings(struct json_doc *d);
/* The value as compact JSON text; caller frees. */
char *json_write(struct json_at *at);

#endif
