// SPDX-License-Identifier: Apache-2.0
#include "inventory.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"

struct taking {
	struct inventory *inv;
	const struct place *place;
	const char *owner;
};

static int add_entry(void *ctx, const struct journal_entry *entry)
{
	struct inventory *inv = ctx;
	struct inventory_row *r = vec_push(&inv->rows);

	r->ref = entry->ref;
	r->place_id = entry->place;
	r->place = "";
	r->row = entry->row;
	r->state = entry->state == ENTRY_CREATED ? "not asked" : entry_state_name(entry->state);
	return 0;
}

static struct inventory_row *row_of(struct inventory *inv, const struct res_ref *ref)
{
	for (size_t i = 0; i < inv->rows.len; i++) {
		struct inventory_row *r = &inv->rows.at[i];

		if (r->ref.kind == ref->kind && strcmp(r->ref.name, ref->name) == 0 &&
		    (r->ref.id[0] == '\0' || strcmp(r->ref.id, ref->id) == 0))
			return r;
	}
	return NULL;
}

static int add_found(void *ctx, const struct res_ref *ref)
{
	struct taking *t = ctx;
	struct inventory_row *r;

	if (strcmp(ref->tags.owner, t->owner) != 0)
		return 0;
	r = row_of(t->inv, ref);
	if (r == NULL) {
		r = vec_push(&t->inv->rows);
		r->ref = *ref;
		r->place_id = t->place->id;
		r->state = "by tag";
	} else if (strcmp(r->state, "by tag") != 0 && strcmp(r->state, "removing") != 0) {
		r->state = "alive";
	}
	return 0;
}

static void note(struct inventory *inv, const struct err *e)
{
	if (inv->first.kind == ERR_NONE)
		inv->first = *e;
}

/* Where the cloud was asked and did not name it, it is gone or hidden. */
static void settle(struct inventory *inv, const struct place *place, bool asked)
{
	for (size_t i = 0; i < inv->rows.len; i++) {
		struct inventory_row *r = &inv->rows.at[i];

		if (r->place_id != place->id)
			continue;
		r->place = place->name;
		if (asked && strcmp(r->state, "not asked") == 0)
			r->state = "missing";
	}
}

int inventory_take(struct inventory *inv, struct journal *j, const struct places *places, const char *job,
		   struct err *e)
{
	*inv = (struct inventory){.first = ERR_INIT};
	if (journal_entries(j, job, add_entry, inv, e) < 0) {
		inventory_fini(inv);
		return -1;
	}
	for (size_t i = 0; i < places->list.len; i++) {
		const struct place *place = &places->list.at[i];
		struct taking t = {.inv = inv, .place = place, .owner = journal_owner(j)};
		struct err why = place->why;
		bool asked = place->p != NULL && place->p->ops->find(place->p, job, add_found, &t, &why) == 0;

		if (!asked)
			note(inv, &why);
		settle(inv, place, asked);
	}
	return 0;
}

void inventory_fini(struct inventory *inv)
{
	vec_fini(&inv->rows);
}

int64_t inventory_age_s(const struct res_ref *ref)
{
	struct tm tm = {0};
	const char *end = strptime(ref->tags.run, "%Y%m%d-%H%M%S", &tm);

	if (end == NULL || *end != '-')
		return -1;
	return clock_wall_ns() / NS_PER_S - (int64_t)timegm(&tm);
}
