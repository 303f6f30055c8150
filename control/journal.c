// SPDX-License-Identifier: Apache-2.0
#include "journal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "journal_db.h"
#include "state.h"

/* Another wherry holds the write lock for milliseconds; a stopped one forever. */
#define BUSY_TIMEOUT_MS 10000

/* Every page and every index; a journal is small. */
static int check_whole(struct journal *j, struct err *e)
{
	static const char what[] = "check it";
	cleanup(cleanup_stmt) sqlite3_stmt *st = db_query(j, what, e, "PRAGMA quick_check(1)", "");
	char said[200];

	if (st == NULL || db_step(j, st, what, e) < 0)
		return -1;
	db_text(st, 0, said, sizeof said);
	said[strcspn(said, "\n")] = ' ';
	if (strncmp(said, "ok", 2) == 0)
		return 0;
	return err_set(e, ERR_CORRUPT, 0,
		       "journal %s is damaged (%.180s): keep the file and restore it from a backup: it names what is "
		       "alive in the clouds", j->path, said);
}

/* Processes that make a new journal at the same moment are told BUSY here without SQLite waiting for them. */
static int use_wal(struct journal *j, struct err *e)
{
	int64_t deadline = clock_mono_ns() + BUSY_TIMEOUT_MS * NS_PER_MS;

	while (db_exec(j, "switch it to write-ahead logging", "PRAGMA journal_mode = WAL", e) < 0) {
		if (e->kind != ERR_BUSY || clock_mono_ns() > deadline)
			return -1;
		clock_sleep_ns(20 * NS_PER_MS);
	}
	*e = (struct err)ERR_INIT;
	return 0;
}

static int set_up(struct journal *j, const char *state_dir, struct err *e)
{
	sqlite3_extended_result_codes(j->db, 1);
	sqlite3_busy_timeout(j->db, BUSY_TIMEOUT_MS);
	return use_wal(j, e) < 0 ||
			       db_exec(j, "make it durable", "PRAGMA synchronous = FULL", e) < 0 ||
			       db_exec(j, "enforce its keys", "PRAGMA foreign_keys = ON", e) < 0 ||
			       check_whole(j, e) < 0 || journal_prepare(j, state_dir, e) < 0
		       ? -1 : 0;
}

struct journal *journal_open(const char *state_dir, struct err *e)
{
	struct journal *j;

	if (state_refuse_network(state_dir, e) < 0)
		return NULL;
	j = mem_alloc(sizeof *j);
	j->path = mem_printf("%s/wherry.db", state_dir);
	mode_t mask = umask(0077);
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_EXRESCODE;
	int rc = sqlite3_open_v2(j->path, &j->db, flags, NULL);
	rc = rc != SQLITE_OK ? db_fail(j, "open it", e) : set_up(j, state_dir, e);
	umask(mask);
	if (rc == 0)
		return j;
	journal_close(j);
	return NULL;
}

void journal_close(struct journal *j)
{
	if (j == NULL)
		return;
	sqlite3_close_v2(j->db);
	free(j->path);
	free(j);
}

const char *journal_owner(const struct journal *j)
{
	return j->owner;
}

int journal_place(struct journal *j, const char *block_json, int64_t *place, struct err *e)
{
	static const char what[] = "record a place";

	if (db_run(j, what, e, "INSERT OR IGNORE INTO places (json) VALUES (?)", "t", block_json) < 0)
		return -1;
	cleanup(cleanup_stmt) sqlite3_stmt *st = db_query(j, what, e, "SELECT id FROM places WHERE json = ?", "t",
							  block_json);
	int row = st == NULL ? -1 : db_step(j, st, what, e);
	if (row > 0)
		*place = sqlite3_column_int64(st, 0);
	return row > 0 ? 0 : row < 0 ? -1 : err_set(e, ERR_INTERNAL, 0, "journal %s lost a place", j->path);
}

int journal_place_json(struct journal *j, int64_t place, char **json, struct err *e)
{
	static const char what[] = "read a place";
	cleanup(cleanup_stmt) sqlite3_stmt *st = db_query(j, what, e, "SELECT json FROM places WHERE id = ?", "i",
							  place);
	int row = st == NULL ? -1 : db_step(j, st, what, e);

	if (row > 0)
		*json = mem_strdup((const char *)sqlite3_column_text(st, 0));
	return row > 0 ? 0 : row < 0 ? -1 : err_set(e, ERR_INTERNAL, 0, "journal %s has no place %lld", j->path,
						    (long long)place);
}

int journal_places(struct journal *j, journal_place_cb *cb, void *ctx, struct err *e)
{
	static const char what[] = "list the places";
	cleanup(cleanup_stmt) sqlite3_stmt *st = db_query(j, what, e, "SELECT id, json FROM places ORDER BY id", "");
	int row = -1;

	while (st != NULL && (row = db_step(j, st, what, e)) > 0)
		if (cb(ctx, sqlite3_column_int64(st, 0), (const char *)sqlite3_column_text(st, 1)) != 0)
			return 0;
	return row;
}

int journal_jobs(struct journal *j, journal_job_cb *cb, void *ctx, struct err *e)
{
	static const char what[] = "list the jobs";
	cleanup(cleanup_stmt) sqlite3_stmt *st =
		db_query(j, what, e, "SELECT job FROM runs UNION SELECT job FROM entries WHERE state <> 'removed' "
			 "ORDER BY job",
			 "");
	int row = -1;
	char job[64];

	while (st != NULL && (row = db_step(j, st, what, e)) > 0) {
		db_text(st, 0, job, sizeof job);
		if (cb(ctx, job) != 0)
			return 0;
	}
	return row;
}
