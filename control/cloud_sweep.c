// SPDX-License-Identifier: Apache-2.0
/* What dead runs left in one place: the journal's word and the cloud's own, put together, then removed in order. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/vec.h"
#include "cloud_try.h"

struct item {
	struct cloud_res res;
	enum entry_state state; /* of its entry; CREATED when only its tags were found */
	size_t order;
};

struct sweep {
	struct cloud *c;
	const char *owner, *job;
	VEC(struct item) items;
	VEC(struct res_ref) found; /* everything of this owner (and job) that the cloud names */
	bool blind;                /* the cloud could not be asked */
	struct err first;
};

/* The first error is the result; the others are told, because the sweep goes on. */
static void note(struct sweep *s, const struct err *e)
{
	if (s->first.kind == ERR_NONE)
		s->first = *e;
	else
		log_warn(s->c->log, "%s", e->msg);
}

/* Every disk of that generation is in the cloud, by its own word. */
static bool is_there(const struct sweep *s, const char *job, const struct journal_newest *newest)
{
	unsigned there = 0;

	for (size_t i = 0; i < s->found.len; i++) {
		const struct res_tags *t = &s->found.at[i].tags;

		there += t->purpose == PURPOSE_COPY && t->generation == newest->generation && strcmp(t->job, job) == 0;
	}
	return there >= newest->disks;
}

/* A copy is of one generation. Of a later one than the newest only what this journal itself began is left over, and only while
 * the newest is really there: else the journal is an old one, and the copy may be the replica. */
static bool is_old_copy(struct sweep *s, const struct res_ref *ref, bool known)
{
	struct err e = ERR_INIT;
	struct journal_newest newest;

	if (journal_newest(s->c->j, ref->tags.job, &newest, &e) < 0) {
		note(s, &e);
		return false;
	}
	if (newest.generation > 0 && ref->tags.epoch < newest.epoch)
		return true;
	return known && ref->tags.generation > newest.generation &&
	       (newest.generation == 0 || is_there(s, ref->tags.job, &newest));
}

/* Gone after every run: scaffold, source snapshots that are no baseline of the newest generation, and copies of others. known:
 * the journal has an entry of it. */
static bool is_passing(struct sweep *s, const struct res_ref *ref, bool known)
{
	struct err e = ERR_INIT;
	bool kept = true;

	if (ref->tags.purpose == PURPOSE_COPY)
		return is_old_copy(s, ref, known);
	if (ref->tags.purpose != PURPOSE_BASELINE)
		return ref->tags.purpose == PURPOSE_SCAFFOLD;
	if (journal_is_baseline(s->c->j, ref->tags.job, ref->id, &kept, &e) < 0)
		note(s, &e);
	return !kept && e.kind == ERR_NONE;
}

static int collect_entry(void *ctx, const struct journal_entry *entry)
{
	struct sweep *s = ctx;
	bool open = entry->state == ENTRY_INTENDED;

	/* Of what is kept only an open intent matters here: did it come to be? */
	if (entry->place == s->c->place && (open || is_passing(s, &entry->ref, true)))
		*vec_push(&s->items) = (struct item){.res = {.ref = entry->ref, .row = entry->row}, .state = entry->state};
	return 0;
}

static int collect_found(void *ctx, const struct res_ref *ref)
{
	struct sweep *s = ctx;

	if (strcmp(ref->tags.owner, s->owner) == 0 && (s->job == NULL || strcmp(ref->tags.job, s->job) == 0))
		*vec_push(&s->found) = *ref;
	return 0;
}

static struct item *item_of(struct sweep *s, const struct res_ref *ref)
{
	for (size_t i = 0; i < s->items.len; i++) {
		const struct res_ref *have = &s->items.at[i].res.ref;

		if (have->kind == ref->kind && strcmp(have->name, ref->name) == 0)
			return &s->items.at[i];
	}
	return NULL;
}

static bool same_run(const struct res_ref *a, const struct res_ref *b)
{
	return strcmp(a->tags.owner, b->tags.owner) == 0 && strcmp(a->tags.job, b->tags.job) == 0 &&
	       strcmp(a->tags.run, b->tags.run) == 0;
}

/* Things of ours that no entry of this place names: the journal is older than the cloud. */
static void add_found(struct sweep *s)
{
	for (size_t i = 0; i < s->found.len; i++) {
		const struct res_ref *ref = &s->found.at[i];
		const struct item *have = item_of(s, ref);

		if (!is_passing(s, ref, false) || (have != NULL && same_run(&have->res.ref, ref)))
			continue;
		*vec_push(&s->items) = (struct item){.res = {.ref = *ref}, .state = ENTRY_CREATED};
	}
}

/* An entry without outcome: adopt what was made, close the intent of what was not. Returns 1 when it is to be swept. */
static int settle(struct sweep *s, struct item *it, struct err *e)
{
	struct res_ref made;
	bool found;

	if (cloud_lookup(s->c, &it->res.ref, 3, &made, &found, e) < 0)
		return -1;
	if (!found)
		return cloud_remove(s->c, &it->res, e);
	it->res.ref = made;
	if (journal_created(s->c->j, it->res.row, &made, e) < 0)
		return -1;
	return is_passing(s, &made, true);
}

static int by_rank(const void *pa, const void *pb)
{
	const struct item *a = pa, *b = pb;
	int ra = res_kind_removal_rank(a->res.ref.kind), rb = res_kind_removal_rank(b->res.ref.kind);

	if (ra != rb)
		return ra < rb ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

static void remove_item(struct sweep *s, struct item *it, unsigned *removed)
{
	struct err e = ERR_INIT;
	int go = 1;

	if (it->state == ENTRY_INTENDED)
		go = s->blind ? 0 : settle(s, it, &e);
	struct cloud patient = *s->c;
	if (s->first.kind != ERR_NONE)
		cloud_hasten(&patient);
	if (go > 0)
		go = cloud_remove(&patient, &it->res, &e) < 0 ? -1 : 1;
	if (go < 0)
		note(s, &e);
	*removed += go > 0;
}

int cloud_sweep(struct cloud *c, const char *owner, const char *job, unsigned *removed, struct err *e)
{
	struct sweep s = {.c = c, .owner = owner, .job = job, .first = ERR_INIT};
	struct err why = ERR_INIT;

	*removed = 0;
	/* First, because what the journal knows is judged by it. */
	s.blind = cloud_find(c, job, collect_found, &s, &why) < 0;
	if (journal_entries(c->j, job, collect_entry, &s, e) < 0) {
		vec_fini(&s.items);
		vec_fini(&s.found);
		return -1;
	}
	if (s.blind)
		note(&s, &why);
	else
		add_found(&s);
	for (size_t i = 0; i < s.items.len; i++)
		s.items.at[i].order = i;
	if (s.items.len != 0)
		qsort(s.items.at, s.items.len, sizeof *s.items.at, by_rank);
	for (size_t i = 0; i < s.items.len; i++) {
		if (cloud_canceled(c, &why)) {
			note(&s, &why);
			break;
		}
		remove_item(&s, &s.items.at[i], removed);
	}
	vec_fini(&s.items);
	vec_fini(&s.found);
	if (s.first.kind == ERR_NONE)
		return 0;
	*e = s.first;
	return -1;
}
