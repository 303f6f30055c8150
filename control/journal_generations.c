// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "journal_db.h"

static int insert_disk(struct journal *j, const char *job, uint64_t generation, const struct generation_disk *d,
		       struct err *e)
{
	return db_run(j, "commit a generation", e, "INSERT INTO generation_disks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		      "tuituiibt", job, generation, (int64_t)d->index, d->source_disk, d->size, (int64_t)d->chunk_size,
		      (int64_t)d->sector_size, (const void *)d->root, (int)sizeof d->root, d->baseline);
}

int journal_commit(struct journal *j, const char *job, const char *run, uint64_t generation, bool hinted,
		   const struct generation_disk *disks, unsigned n, const char *machine_json, struct err *e)
{
	static const char what[] = "commit a generation";

	if (db_begin(j, e) < 0)
		return -1;
	/* Only the newest description is ever read, and one may hold a whole flash chip. */
	int rc = db_run(j, what, e, "UPDATE generations SET machine = '{}' WHERE job = ? AND machine <> '{}'", "t", job);
	if (rc == 0)
		rc = db_run(j, what, e, "INSERT INTO generations VALUES (?, ?, ?, ?, ?, ?)", "tutiit", job, generation, run,
			(int64_t)hinted, clock_wall_ns() / NS_PER_S, machine_json != NULL ? machine_json : "{}");
	for (unsigned i = 0; rc == 0 && i < n; i++)
		rc = insert_disk(j, job, generation, &disks[i], e);
	return db_end(j, what, rc, e);
}

int journal_is_baseline(struct journal *j, const char *job, const char *id, bool *yes, struct err *e)
{
	static const char what[] = "look for a baseline";
	cleanup(cleanup_stmt) sqlite3_stmt *st =
		db_query(j, what, e, "SELECT 1 FROM generation_disks WHERE job = ?1 AND baseline = ?2 AND generation = "
			 "(SELECT MAX(generation) FROM generations WHERE job = ?1)", "tt", job, id);
	int row = st == NULL ? -1 : db_step(j, st, what, e);

	*yes = row > 0;
	return row < 0 ? -1 : 0;
}

int journal_baselines(struct journal *j, const char *job, struct journal_baselines *out, struct err *e)
{
	static const char what[] = "add up baselines";
	cleanup(cleanup_stmt) sqlite3_stmt *st =
		db_query(j, what, e, "SELECT COUNT(*), SUM((SELECT size FROM generation_disks d WHERE d.job = x.job AND d.baseline = x.id "
			 "ORDER BY d.generation DESC LIMIT 1)), (SELECT MAX(read - zero, 0) FROM runs WHERE id = (SELECT run FROM "
			 "generations WHERE job = ?1 AND hinted = 0 ORDER BY generation DESC LIMIT 1)) FROM entries x "
			 "WHERE x.job = ?1 AND x.purpose = 'baseline' AND x.state <> 'removed'", "t", job);
	int row = st == NULL ? -1 : db_step(j, st, what, e);

	*out = (struct journal_baselines){0};
	if (row <= 0)
		return row;
	*out = (struct journal_baselines){.count = (unsigned)sqlite3_column_int64(st, 0), .size = (uint64_t)sqlite3_column_int64(st, 1),
					  .used = (uint64_t)sqlite3_column_int64(st, 2)};
	return 0;
}

static int read_disks(struct journal *j, const char *job, uint64_t generation, struct generation_disk *disks,
		      unsigned max, unsigned *n, struct err *e)
{
	static const char what[] = "read a generation";
	cleanup(cleanup_stmt) sqlite3_stmt *st =
		db_query(j, what, e, "SELECT disk, source_disk, size, chunk_size, sector_size, root, baseline FROM "
			 "generation_disks WHERE job = ? AND generation = ? ORDER BY disk", "tu", job, generation);
	int row = -1;

	for (*n = 0; st != NULL && (row = db_step(j, st, what, e)) > 0; (*n)++) {
		if (*n == max)
			return err_set(e, ERR_UNSUPPORTED, 0, "journal %s: generation %llu of job %s has more than "
				       "%u disks",
				       j->path, (unsigned long long)generation, job, max);
		struct generation_disk *d = &disks[*n];
		*d = (struct generation_disk){.index = (unsigned)sqlite3_column_int(st, 0), .size = db_u64(st, 2),
					      .chunk_size = (uint32_t)db_u64(st, 3),
					      .sector_size = (uint32_t)db_u64(st, 4)};
		db_text(st, 1, d->source_disk, sizeof d->source_disk);
		if (sqlite3_column_bytes(st, 5) != (int)sizeof d->root)
			return err_set(e, ERR_CORRUPT, 0, "journal %s: generation %llu of job %s has a root of %d "
				       "bytes",
				       j->path, (unsigned long long)generation, job, sqlite3_column_bytes(st, 5));
		memcpy(d->root, sqlite3_column_blob(st, 5), sizeof d->root);
		db_text(st, 6, d->baseline, sizeof d->baseline);
	}
	return row;
}

int journal_last_generation(struct journal *j, const char *job, uint64_t *generation, int64_t *committed_s,
			    struct generation_disk *disks, unsigned max, unsigned *n, char **machine_json,
			    struct err *e)
{
	static const char what[] = "read the last generation";
	cleanup(cleanup_stmt) sqlite3_stmt *st =
		db_query(j, what, e, "SELECT generation, committed_s, machine FROM generations WHERE job = ? "
			 "ORDER BY generation DESC LIMIT 1", "t", job);
	int row = st == NULL ? -1 : db_step(j, st, what, e);

	*generation = 0;
	*committed_s = 0;
	*n = 0;
	if (machine_json != NULL)
		*machine_json = NULL;
	if (row <= 0)
		return row;
	*generation = db_u64(st, 0);
	*committed_s = sqlite3_column_int64(st, 1);
	if (max != 0 && read_disks(j, job, *generation, disks, max, n, e) < 0)
		return -1;
	if (machine_json != NULL)
		*machine_json = mem_strdup((const char *)sqlite3_column_text(st, 2));
	return 0;
}

int journal_newest(struct journal *j, const char *job, struct journal_newest *out, struct err *e)
{
	static const char what[] = "look for the newest generation";
	cleanup(cleanup_stmt) sqlite3_stmt *st =
		db_query(j, what, e, "SELECT g.generation, r.epoch, (SELECT COUNT(*) FROM generation_disks d WHERE d.job = g.job AND "
			 "d.generation = g.generation) FROM generations g LEFT JOIN runs r ON r.id = g.run WHERE g.job = ? "
			 "ORDER BY g.generation DESC LIMIT 1", "t", job);
	int row = st == NULL ? -1 : db_step(j, st, what, e);

	*out = (struct journal_newest){0};
	if (row > 0)
		*out = (struct journal_newest){.generation = db_u64(st, 0), .epoch = db_u64(st, 1),
					       .disks = (unsigned)sqlite3_column_int64(st, 2)};
	return row < 0 ? -1 : 0;
}

int journal_full_scan(struct journal *j, const char *job, int64_t *committed_s, unsigned *hinted_since, struct err *e)
{
	static const char what[] = "find the last full scan";
	cleanup(cleanup_stmt) sqlite3_stmt *st =
		db_query(j, what, e, "SELECT MAX(CASE WHEN hinted = 0 THEN committed_s END), "
			 "SUM(generation > COALESCE((SELECT MAX(generation) FROM generations WHERE job = ?1 AND hinted = 0), 0)) "
			 "FROM generations WHERE job = ?1", "t", job);
	int row = st == NULL ? -1 : db_step(j, st, what, e);

	*committed_s = row > 0 ? sqlite3_column_int64(st, 0) : 0; /* NULL: 0 */
	*hinted_since = row > 0 ? (unsigned)sqlite3_column_int64(st, 1) : 0;
	return row < 0 ? -1 : 0;
}

int journal_checkpoint(struct journal *j, const char *run, unsigned disk, uint64_t durable, struct err *e)
{
	return db_run(j, "record a checkpoint", e,
		      "INSERT INTO checkpoints VALUES (?1, ?2, ?3, 1, ?4) ON CONFLICT (run, disk) DO UPDATE SET "
		      "durable = ?3, count = count + 1, at_s = ?4", "tiui", run, (int64_t)disk, durable,
		      clock_wall_ns() / NS_PER_S);
}

int journal_fact_set(struct journal *j, const char *job, const char *key, const char *value, struct err *e)
{
	if (value == NULL)
		return db_run(j, "forget a fact", e, "DELETE FROM facts WHERE job = ? AND key = ?", "tt", job, key);
	return db_run(j, "record a fact", e, "INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", "ttt", job, key, value);
}

int journal_fact_get(struct journal *j, const char *job, const char *key, char **value, struct err *e)
{
	static const char what[] = "read a fact";
	cleanup(cleanup_stmt) sqlite3_stmt *st =
		db_query(j, what, e, "SELECT value FROM facts WHERE job = ? AND key = ?", "tt", job, key);
	int row = st == NULL ? -1 : db_step(j, st, what, e);

	*value = row > 0 ? mem_strdup((const char *)sqlite3_column_text(st, 0)) : NULL;
	return row < 0 ? -1 : 0;
}

int journal_forget_replica(struct journal *j, const char *job, struct err *e)
{
	static const char what[] = "forget the generations of a job";

	if (db_begin(j, e) < 0)
		return -1;
	int rc = db_run(j, what, e, "DELETE FROM generations WHERE job = ?", "t", job);
	if (rc == 0)
		rc = db_run(j, what, e, "DELETE FROM facts WHERE job = ?", "t", job);
	return db_end(j, what, rc, e);
}
