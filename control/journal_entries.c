// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/vec.h"
#include "journal_db.h"

static const char *const states[] = {
	[ENTRY_INTENDED] = "intended",
	[ENTRY_CREATED] = "created",
	[ENTRY_REMOVING] = "removing",
	[ENTRY_REMOVED] = "removed",
};

#define ENTRY_COLUMNS \
	"row, place, state, kind, purpose, name, id, owner, job, run, epoch, expires_s, generation, dirty"

const char *entry_state_name(enum entry_state s)
{
	return (unsigned)s <= ENTRY_REMOVED ? states[s] : "unknown";
}

static int64_t now_s(void)
{
	return clock_wall_ns() / NS_PER_S;
}

int journal_intend(struct journal *j, int64_t place, const struct res_ref *ref, int64_t *row, struct err *e)
{
	const struct res_tags *t = &ref->tags;

	if (db_run(j, "record an intent", e,
		   "INSERT INTO entries (place, state, kind, purpose, name, id, owner, job, run, epoch, expires_s, "
		   "generation, dirty, intended_s) VALUES (?, 'intended', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		   "ittttttt" "uiuii",
		   place, res_kind_name(ref->kind), res_purpose_name(t->purpose), ref->name, ref->id, t->owner, t->job,
		   t->run, t->epoch, t->expires_s, t->generation, (int64_t)t->dirty, now_s()) < 0)
		return -1;
	*row = sqlite3_last_insert_rowid(j->db);
	return 0;
}

/* A row that is not there would mean that something alive is not in the journal. */
static int changed_one(struct journal *j, int rc, int64_t row, struct err *e)
{
	if (rc == 0 && sqlite3_changes(j->db) != 1)
		return err_set(e, ERR_INTERNAL, 0, "journal %s has no entry %lld", j->path, (long long)row);
	return rc;
}

int journal_created(struct journal *j, int64_t row, const struct res_ref *ref, struct err *e)
{
	const struct res_tags *t = &ref->tags;
	int rc = db_run(j, "record that a resource was made", e,
			"UPDATE entries SET state = 'created', id = ?, run = ?, epoch = ?, expires_s = ?, "
			"generation = ?, dirty = ? WHERE row = ?", "ttuiuii", ref->id, t->run, t->epoch,
			t->expires_s, t->generation, (int64_t)t->dirty, row);

	return changed_one(j, rc, row, e);
}

int journal_removing(struct journal *j, int64_t row, struct err *e)
{
	int rc = db_run(j, "record a removal", e, "UPDATE entries SET state = 'removing' WHERE row = ?", "i", row);

	return changed_one(j, rc, row, e);
}

int journal_removed(struct journal *j, int64_t row, struct err *e)
{
	return changed_one(j, db_run(j, "record that a resource is gone", e,
				     "UPDATE entries SET state = 'removed', removed_s = ? WHERE row = ?", "ii",
				     now_s(), row),
			   row, e);
}

int journal_retag(struct journal *j, int64_t row, const struct res_tags *t, struct err *e)
{
	int rc = db_run(j, "record the tags of a resource", e,
			"UPDATE entries SET purpose = ?, owner = ?, job = ?, run = ?, epoch = ?, expires_s = ?, "
			"generation = ?, dirty = ? WHERE row = ?", "ttttuiuii", res_purpose_name(t->purpose),
			t->owner, t->job, t->run, t->epoch, t->expires_s, t->generation, (int64_t)t->dirty, row);

	return changed_one(j, rc, row, e);
}

int journal_move(struct journal *j, const char *job, int64_t from, int64_t to, struct err *e)
{
	return db_run(j, "record where resources are", e,
		      "UPDATE entries SET place = ? WHERE job = ? AND place = ? AND state <> 'removed'", "iti", to, job,
		      from);
}

static int read_entry(struct journal *j, sqlite3_stmt *st, struct journal_entry *out, struct err *e)
{
	struct res_ref *ref = &out->ref;
	char state[16], kind[24], purpose[24];

	*out = (struct journal_entry){.row = sqlite3_column_int64(st, 0), .place = sqlite3_column_int64(st, 1)};
	db_text(st, 2, state, sizeof state);
	db_text(st, 3, kind, sizeof kind);
	db_text(st, 4, purpose, sizeof purpose);
	db_text(st, 5, ref->name, sizeof ref->name);
	db_text(st, 6, ref->id, sizeof ref->id);
	db_text(st, 7, ref->tags.owner, sizeof ref->tags.owner);
	db_text(st, 8, ref->tags.job, sizeof ref->tags.job);
	db_text(st, 9, ref->tags.run, sizeof ref->tags.run);
	ref->tags.epoch = db_u64(st, 10);
	ref->tags.expires_s = sqlite3_column_int64(st, 11);
	ref->tags.generation = db_u64(st, 12);
	ref->tags.dirty = sqlite3_column_int(st, 13) != 0;
	int k = res_kind_by_name(kind), p = res_purpose_by_name(purpose);
	while (out->state < ENTRY_REMOVED && strcmp(states[out->state], state) != 0)
		out->state++;
	if (k < 0 || p < 0 || strcmp(states[out->state], state) != 0)
		return err_set(e, ERR_CORRUPT, 0, "journal %s: entry %lld speaks of a %.20s %.20s, which this "
			       "version does not know", j->path, (long long)out->row, purpose, kind);
	ref->kind = (enum res_kind)k;
	ref->tags.purpose = (enum res_purpose)p;
	return 0;
}

int journal_entries(struct journal *j, const char *job, journal_entry_cb *cb, void *ctx, struct err *e)
{
	static const char what[] = "list what is alive";
	sqlite3_stmt *st = db_query(j, what, e,
				    "SELECT " ENTRY_COLUMNS " FROM entries WHERE state <> 'removed' AND (?1 IS NULL "
				    "OR job = ?1) ORDER BY row", "t", job);
	VEC(struct journal_entry) all = {0};
	int rc = -1;

	/* All of them first: the callback may change the table. */
	while (st != NULL && (rc = db_step(j, st, what, e)) > 0)
		if (read_entry(j, st, vec_push(&all), e) < 0) {
			rc = -1;
			break;
		}
	sqlite3_finalize(st);
	for (size_t i = 0; rc == 0 && i < all.len; i++)
		if (cb(ctx, &all.at[i]) != 0)
			break;
	vec_fini(&all);
	return rc;
}

int journal_find_entry(struct journal *j, const char *job, enum res_purpose purpose, const char *name,
		       struct journal_entry *out, bool *found, struct err *e)
{
	static const char what[] = "look for a resource";
	cleanup(cleanup_stmt) sqlite3_stmt *st =
		db_query(j, what, e, "SELECT " ENTRY_COLUMNS " FROM entries WHERE state <> 'removed' AND job = ? AND "
			 "purpose = ? AND name = ? ORDER BY row DESC LIMIT 1", "ttt", job,
			 res_purpose_name(purpose), name);
	int row = st == NULL ? -1 : db_step(j, st, what, e);

	*out = (struct journal_entry){0};
	*found = row > 0;
	if (row < 0)
		return -1;
	return row > 0 ? read_entry(j, st, out, e) : 0;
}
