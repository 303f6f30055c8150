// SPDX-License-Identifier: Apache-2.0
#include "places.h"

#include <string.h>

struct provider *place_open(const char *json, const struct log *log, struct err *e)
{
	struct json_doc *doc = json_parse(json, strlen(json), "a place in the journal", e);
	struct err why = ERR_INIT;

	if (doc == NULL)
		return NULL;
	struct json_at block = json_root(doc);
	json_string(&block, "machine", JSON_OPTIONAL, NULL); /* the core's */
	struct provider *p = provider_open(&block, log, &why);
	if (json_finish(doc, e) < 0) {
		provider_close(p);
		p = NULL;
	} else if (p == NULL) {
		*e = why;
	}
	json_free(doc);
	return p;
}

struct opening {
	const struct log *log;
	struct places *out;
};

static int open_one(void *ctx, int64_t id, const char *json)
{
	struct opening *o = ctx;
	struct place *place = vec_push(&o->out->list);

	place->id = id;
	place->p = place_open(json, o->log, &place->why);
	return 0;
}

int places_open(struct journal *j, const struct log *log, struct places *out, struct err *e)
{
	struct opening o = {.log = log, .out = out};

	*out = (struct places){0};
	if (journal_places(j, open_one, &o, e) == 0)
		return 0;
	places_close(out);
	return -1;
}

void places_close(struct places *p)
{
	for (size_t i = 0; i < p->list.len; i++)
		provider_close(p->list.at[i].p);
	vec_fini(&p->list);
}
