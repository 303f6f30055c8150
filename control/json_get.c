// SPDX-License-Identifier: Apache-2.0
/* The typed readers of json_read.h. */
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "json_doc.h"

char *json_shorten(const char *text, char *out, size_t size)
{
	size_t n = 0;

	for (; *text != '\0' && n + 4 < size; text++)
		out[n++] = (unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text;
	snprintf(out + n, size - n, "%s", *text != '\0' ? "..." : "");
	return out;
}

/* What stands there, for "expected ..., found ...". */
static const char *found(yyjson_val *v, char out[80])
{
	char shown[40];

	if (yyjson_is_str(v))
		snprintf(out, 80, "the text \"%s\"", json_shorten(yyjson_get_str(v), shown, sizeof shown));
	else if (yyjson_is_uint(v))
		snprintf(out, 80, "the number %llu", (unsigned long long)yyjson_get_uint(v));
	else if (yyjson_is_sint(v))
		snprintf(out, 80, "the number %lld", (long long)yyjson_get_sint(v));
	else if (yyjson_is_real(v))
		snprintf(out, 80, "the number %g", yyjson_get_real(v));
	else if (yyjson_is_bool(v))
		snprintf(out, 80, "%s", yyjson_get_bool(v) ? "true" : "false");
	else if (yyjson_is_arr(v))
		snprintf(out, 80, "a list");
	else if (yyjson_is_obj(v))
		snprintf(out, 80, "an object");
	else
		snprintf(out, 80, "null");
	return out;
}

static void expected(struct json_at *at, const char *key, yyjson_val *v, const char *what)
{
	char have[80];

	json_complain(at, key, "expected %s, found %s", what, found(v, have));
}

static void note_asked(struct json_at *at, const char *key)
{
	for (unsigned i = 0; i < at->asked_count; i++)
		if (strcmp(at->asked[i], key) == 0)
			return;
	if (at->asked_count == sizeof at->asked / sizeof at->asked[0])
		json_complain(at, NULL, "internal error: more than %u keys are known here", at->asked_count);
	else
		at->asked[at->asked_count++] = key;
}

/* The value of key, or NULL (complained of when it is required and its object is there). */
static yyjson_val *get(struct json_at *at, const char *key, enum json_need need, const char *what)
{
	if (at->val == NULL)
		return NULL;
	note_asked(at, key);
	if (!yyjson_is_obj(at->val)) {
		expected(at, NULL, at->val, "an object");
		at->val = NULL;
		return NULL;
	}
	yyjson_val *v = yyjson_obj_get(at->val, key);
	if (v == NULL && need == JSON_REQUIRED)
		json_complain(at, key, "is missing: expected %s", what);
	return v;
}

bool json_has(struct json_at *at, const char *key)
{
	return get(at, key, JSON_OPTIONAL, "") != NULL;
}

const char *json_string(struct json_at *at, const char *key, enum json_need need, const char *fallback)
{
	yyjson_val *v = get(at, key, need, "a text");

	if (v == NULL)
		return fallback;
	if (!yyjson_is_str(v)) {
		expected(at, key, v, "a text");
		return fallback;
	}
	/* C would see less of it than the file says. */
	if (yyjson_get_len(v) != strlen(yyjson_get_str(v))) {
		json_complain(at, key, "expected a text without \\u0000 in it");
		return fallback;
	}
	return yyjson_get_str(v);
}

int json_choice(struct json_at *at, const char *key, enum json_need need, const char *const choices[], int fallback)
{
	char what[200] = "one of";
	const char *near = NULL;
	size_t n = 0;

	for (; choices[n] != NULL; n++) {
		size_t used = strlen(what);

		snprintf(what + used, sizeof what - used, "%s \"%s\"", n == 0 ? "" : ",", choices[n]);
	}
	yyjson_val *v = get(at, key, need, what);
	if (v == NULL)
		return fallback;
	if (!yyjson_is_str(v)) {
		expected(at, key, v, what);
		return fallback;
	}
	for (size_t i = 0; i < n; i++)
		if (yyjson_equals_str(v, choices[i]))
			return (int)i;
	near = json_nearest(yyjson_get_str(v), choices, n);
	if (near != NULL) {
		char have[80];

		json_complain(at, key, "expected %s, found %s: did you mean \"%s\"?", what, found(v, have), near);
	} else {
		expected(at, key, v, what);
	}
	return fallback;
}

uint64_t json_number(struct json_at *at, const char *key, enum json_need need, uint64_t min, uint64_t max,
		     uint64_t fallback)
{
	char what[96];

	snprintf(what, sizeof what, "a whole number from %llu to %llu", (unsigned long long)min,
		 (unsigned long long)max);
	yyjson_val *v = get(at, key, need, what);
	if (v == NULL)
		return fallback;
	if (!yyjson_is_uint(v) || yyjson_get_uint(v) < min || yyjson_get_uint(v) > max) {
		expected(at, key, v, what);
		return fallback;
	}
	return yyjson_get_uint(v);
}

uint64_t json_size(struct json_at *at, const char *key, enum json_need need, uint64_t min, uint64_t max,
		   uint64_t fallback)
{
	char what[128], low[16], high[16];
	struct err ignored = ERR_INIT;
	uint64_t size;

	snprintf(what, sizeof what, "a size from %s to %s, such as 262144 or \"256K\"", num_format_size(min, low),
		 num_format_size(max, high));
	yyjson_val *v = get(at, key, need, what);
	if (v == NULL)
		return fallback;
	if (yyjson_is_uint(v)) {
		size = yyjson_get_uint(v);
	} else if (!yyjson_is_str(v) || num_parse_size(yyjson_get_str(v), key, &size, &ignored) < 0) {
		expected(at, key, v, what);
		return fallback;
	}
	if (size < min || size > max) {
		expected(at, key, v, what);
		return fallback;
	}
	return size;
}

bool json_bool(struct json_at *at, const char *key, enum json_need need, bool fallback)
{
	yyjson_val *v = get(at, key, need, "true or false");

	if (v == NULL)
		return fallback;
	if (!yyjson_is_bool(v)) {
		expected(at, key, v, "true or false");
		return fallback;
	}
	return yyjson_get_bool(v);
}

struct json_at json_object(struct json_at *at, const char *key, enum json_need need)
{
	struct json_at sub = {.doc = at->doc};
	yyjson_val *v = get(at, key, need, "an object");

	json_path(at, key, sub.path, sizeof sub.path);
	if (v != NULL && !yyjson_is_obj(v))
		expected(at, key, v, "an object");
	else
		sub.val = v;
	return sub;
}

size_t json_array(struct json_at *at, const char *key, enum json_need need, struct json_at *array)
{
	yyjson_val *v = get(at, key, need, "a list");

	*array = (struct json_at){.doc = at->doc};
	json_path(at, key, array->path, sizeof array->path);
	if (v != NULL && !yyjson_is_arr(v))
		expected(at, key, v, "a list");
	else
		array->val = v;
	return array->val == NULL ? 0 : yyjson_arr_size(array->val);
}

struct json_at json_element(struct json_at *array, size_t i)
{
	struct json_at sub = {.doc = array->doc, .val = yyjson_arr_get(array->val, i)};
	char index[24];

	snprintf(index, sizeof index, "[%zu]", i);
	snprintf(sub.path, sizeof sub.path, "%.*s%s", (int)(sizeof sub.path - sizeof index), array->path, index);
	return sub;
}

const char *json_text(struct json_at *at)
{
	if (yyjson_is_str(at->val) && yyjson_get_len(at->val) == strlen(yyjson_get_str(at->val)))
		return yyjson_get_str(at->val);
	if (at->val != NULL)
		expected(at, NULL, at->val, "a text");
	return "";
}
