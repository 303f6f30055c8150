// SPDX-License-Identifier: Apache-2.0
#include "job_limits.h"

#include <string.h>

#include "base/cleanup.h"
#include "json_doc.h"

#define FACT "limits"

void job_limits_read(struct json_at *at, struct limits *out)
{
	*out = (struct limits){{0}};
	for (int i = 0; i < LIMITS; i++) {
		const struct limit_info *info = &limit_table[i];
		struct err e = ERR_INIT;

		if (!json_has(at, info->name))
			continue;
		yyjson_val *v = yyjson_obj_get(at->val, info->name);
		if (!info->is_rate || !yyjson_is_str(v))
			out->of[i] = json_number(at, info->name, JSON_OPTIONAL, info->min, info->max, 0);
		else if (limit_parse((enum limit)i, yyjson_get_str(v), info->name, &out->of[i], &e) < 0)
			json_complain(at, NULL, "%s", e.msg);
	}
	json_no_more(at);
}

int job_limits_get(struct journal *j, const char *job, struct limits *out, bool *found, struct err *e)
{
	cleanup(cleanup_free) char *text = NULL;

	*out = (struct limits){{0}};
	*found = false;
	if (journal_fact_get(j, job, FACT, &text, e) < 0)
		return -1;
	if (text == NULL)
		return 0;
	struct json_doc *doc = json_parse(text, strlen(text), "the limits in the journal", e);
	if (doc == NULL)
		return -1;
	struct json_at root = json_root(doc);
	job_limits_read(&root, out);
	int rc = json_finish(doc, e);
	json_free(doc);
	*found = rc == 0;
	return rc;
}

int job_limits_set(struct journal *j, const char *job, const struct limits *limits, struct err *e)
{
	char text[LIMITS_TEXT];

	return journal_fact_set(j, job, FACT, limits != NULL ? limits_json(limits, text) : NULL, e);
}

int job_limits_now(struct journal *j, const char *job, const struct limits *file, struct limits *out, struct err *e)
{
	bool found;

	if (job_limits_get(j, job, out, &found, e) < 0)
		return -1;
	if (!found)
		*out = *file;
	return 0;
}
