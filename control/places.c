// SPDX-License-Identifier: Apache-2.0
#include "places.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

struct provider *place_open(const char *json, const struct log *log, struct err *e)
{
	struct json_doc *doc = json_parse(json, strlen(json), "a place in the journal", e);
	struct err why = ERR_INIT;

	if (doc == NULL)
		return NULL;
	struct json_at block = json_root(doc);
	json_string(&block, "machine", JSON_OPTIONAL, NULL); /* the core's */
	const char *identity = json_string(&block, "place", JSON_OPTIONAL, "");
	struct provider *p = provider_open(&block, log, &why);
	if (json_finish(doc, e) < 0) {
		provider_close(p);
		p = NULL;
	} else if (p == NULL) {
		*e = why;
	} else if (strcmp(p->identity, identity) != 0) {
		err_set(e, ERR_CONFIG, 0, "what the journal knows of is in %s, but its block now opens %s: bring back the "
			"configuration (files, environment) that it was made with", identity, p->identity);
		provider_close(p);
		p = NULL;
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
	snprintf(place->name, sizeof place->name, "%s", place->p != NULL ? place->p->place : json);
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

/* ---- One place under several blocks ---- */

static struct provider *open_row(struct cloud *c, int64_t place, char **json, struct err *why, struct err *e)
{
	return journal_place_json(c->j, place, json, e) < 0 ? NULL : place_open(*json, c->log, why);
}

struct elsewhere {
	struct cloud *const *clouds;
	size_t n;
	VEC(int64_t) places; /* other rows under which something is alive */
};

static int see_place(void *ctx, const struct journal_entry *entry)
{
	struct elsewhere *w = ctx;

	for (size_t i = 0; i < w->n; i++)
		if (w->clouds[i]->place == entry->place)
			return 0;
	for (size_t i = 0; i < w->places.len; i++)
		if (w->places.at[i] == entry->place)
			return 0;
	*vec_push(&w->places) = entry->place;
	return 0;
}

static int settle_place(const struct elsewhere *w, const char *job, int64_t place, struct err *e)
{
	cleanup(cleanup_free) char *json = NULL;
	struct err why = ERR_INIT;
	struct provider *p = open_row(w->clouds[0], place, &json, &why, e);
	int rc = json == NULL ? -1 : 0;

	for (size_t i = 0; p != NULL && i < w->n; i++) {
		if (!provider_same_place(p, w->clouds[i]->p))
			continue;
		rc = journal_move(w->clouds[i]->j, job, place, w->clouds[i]->place, e);
		break;
	}
	provider_close(p);
	return rc;
}

int places_settle(struct cloud *const *clouds, size_t n, const char *job, struct err *e)
{
	struct elsewhere w = {.clouds = clouds, .n = n};
	int rc = journal_entries(clouds[0]->j, job, see_place, &w, e);

	for (size_t i = 0; rc == 0 && i < w.places.len; i++)
		rc = settle_place(&w, job, w.places.at[i], e);
	vec_fini(&w.places);
	return rc;
}

/* ---- Where a replica is ---- */

struct absentees {
	struct cloud *target;
	VEC(struct res_ref) there;
	struct err why;
};

static int see_disk(void *ctx, const struct res_ref *ref)
{
	struct absentees *a = ctx;

	if (res_is_replica(ref))
		*vec_push(&a->there) = *ref;
	return 0;
}

/* A copy that a later run of the same owner made. */
static const struct res_ref *later_copy(const struct absentees *a, const struct res_tags *than)
{
	for (size_t i = 0; i < a->there.len; i++) {
		const struct res_tags *t = &a->there.at[i].tags;

		if (t->purpose == PURPOSE_COPY && t->epoch > than->epoch && strcmp(t->owner, than->owner) == 0)
			return &a->there.at[i];
	}
	return NULL;
}

static void explain(struct absentees *a, const struct journal_entry *entry)
{
	cleanup(cleanup_free) char *json = NULL;
	struct err why = ERR_INIT;
	bool here = entry->place == a->target->place;
	struct provider *p = here ? NULL : open_row(a->target, entry->place, &json, &why, &a->why);
	const struct res_ref *later = later_copy(a, &entry->ref.tags);
	bool lost = entry->state == ENTRY_CREATED && entry->ref.tags.generation > 0;

	if (a->why.kind != ERR_NONE)
		return;
	here |= p != NULL && strcmp(p->place, a->target->p->place) == 0;
	if (!here)
		err_set(&a->why, ERR_REFUSED, 0,
			"replica disk %s of this job is in %.160s, but the job now names %.160s as its target: name the "
			"old place again, or discard the replica there (`wherry cleanup --discard`), or give the job a new "
			"name", entry->ref.name, p != NULL ? p->place : json, a->target->p->place);
	else if (lost && later != NULL)
		err_set(&a->why, ERR_REFUSED, 0,
			"this state directory is older than the replica in %s (disk %s of generation %" PRIu64 " is there): bring "
			"back the newer one; `wherry cleanup --discard` only to give that copy up", a->target->p->place,
			later->name, later->tags.generation);
	else if (lost)
		err_set(&a->why, ERR_NOT_FOUND, 0,
			"replica disk %s is no longer in %s: it was removed by somebody; run `wherry cleanup --discard` "
			"for this job to forget it, then sync again to make a new one", entry->ref.name,
			a->target->p->place);
	provider_close(p);
}

static int check_there(void *ctx, const struct journal_entry *entry)
{
	struct absentees *a = ctx;

	if (!res_is_replica(&entry->ref))
		return 0;
	for (size_t i = 0; i < a->there.len; i++)
		if (strcmp(a->there.at[i].name, entry->ref.name) == 0)
			return 0;
	explain(a, entry);
	return a->why.kind != ERR_NONE;
}

int places_check_replica(struct cloud *target, const char *job, struct err *e)
{
	struct absentees a = {.target = target, .why = ERR_INIT};
	int rc = cloud_find(target, job, see_disk, &a, e);

	if (rc == 0)
		rc = journal_entries(target->j, job, check_there, &a, e);
	vec_fini(&a.there);
	if (rc == 0 && a.why.kind != ERR_NONE) {
		*e = a.why;
		rc = -1;
	}
	return rc;
}
