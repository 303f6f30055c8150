// SPDX-License-Identifier: Apache-2.0
/* The tables, how older ones become newer ones, and the id of the state directory. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/mem.h"
#include "journal_db.h"
#include "state_file.h"

/* migrations[v] makes schema v+1 of schema v; never changed once released. States and kinds are kept as words, so
 * that the file can be read with the sqlite3 tool when all else fails. */
static const char *const migrations[] = {
	"CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE places (id INTEGER PRIMARY KEY, json TEXT NOT NULL UNIQUE);"
	"CREATE TABLE runs (id TEXT PRIMARY KEY, job TEXT NOT NULL, kind TEXT NOT NULL, epoch INTEGER NOT NULL,"
	"  state TEXT NOT NULL, wrote INTEGER NOT NULL DEFAULT 0, started_s INTEGER NOT NULL,"
	"  ended_s INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '', read INTEGER NOT NULL DEFAULT 0,"
	"  zero INTEGER NOT NULL DEFAULT 0, unchanged INTEGER NOT NULL DEFAULT 0, sent INTEGER NOT NULL DEFAULT 0,"
	"  wire INTEGER NOT NULL DEFAULT 0, written INTEGER NOT NULL DEFAULT 0,"
	"  checkpoints INTEGER NOT NULL DEFAULT 0, UNIQUE (job, epoch)) WITHOUT ROWID;"
	"CREATE TABLE entries (row INTEGER PRIMARY KEY AUTOINCREMENT, place INTEGER NOT NULL REFERENCES places (id),"
	"  state TEXT NOT NULL, kind TEXT NOT NULL, purpose TEXT NOT NULL, name TEXT NOT NULL,"
	"  id TEXT NOT NULL DEFAULT '', owner TEXT NOT NULL, job TEXT NOT NULL, run TEXT NOT NULL,"
	"  epoch INTEGER NOT NULL, expires_s INTEGER NOT NULL, generation INTEGER NOT NULL, dirty INTEGER NOT NULL,"
	"  intended_s INTEGER NOT NULL, removed_s INTEGER NOT NULL DEFAULT 0);"
	"CREATE INDEX entries_alive ON entries (job, row) WHERE state <> 'removed';"
	"CREATE TABLE generations (job TEXT NOT NULL, generation INTEGER NOT NULL, run TEXT NOT NULL,"
	"  hinted INTEGER NOT NULL, committed_s INTEGER NOT NULL, machine TEXT NOT NULL,"
	"  PRIMARY KEY (job, generation)) WITHOUT ROWID;"
	"CREATE TABLE generation_disks (job TEXT NOT NULL, generation INTEGER NOT NULL, disk INTEGER NOT NULL,"
	"  source_disk TEXT NOT NULL, size INTEGER NOT NULL, chunk_size INTEGER NOT NULL,"
	"  sector_size INTEGER NOT NULL, root BLOB NOT NULL, PRIMARY KEY (job, generation, disk),"
	"  FOREIGN KEY (job, generation) REFERENCES generations (job, generation) ON DELETE CASCADE) WITHOUT ROWID;"
	"CREATE TABLE checkpoints (run TEXT NOT NULL REFERENCES runs (id), disk INTEGER NOT NULL,"
	"  durable INTEGER NOT NULL, count INTEGER NOT NULL, at_s INTEGER NOT NULL,"
	"  PRIMARY KEY (run, disk)) WITHOUT ROWID;"
	"CREATE TABLE facts (job TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,"
	"  PRIMARY KEY (job, key)) WITHOUT ROWID;",
	"ALTER TABLE generation_disks ADD COLUMN baseline TEXT NOT NULL DEFAULT '';",
	"ALTER TABLE runs ADD COLUMN sent_raw INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE runs ADD COLUMN levels TEXT NOT NULL DEFAULT '';",
};

#define SCHEMA ((int)(sizeof migrations / sizeof migrations[0]))

static int schema_version(struct journal *j, int *version, struct err *e)
{
	cleanup(cleanup_stmt) sqlite3_stmt *st = db_query(j, "read its version", e, "PRAGMA user_version", "");

	if (st == NULL || db_step(j, st, "read its version", e) < 0)
		return -1;
	*version = sqlite3_column_int(st, 0);
	return 0;
}

static int migrate(struct journal *j, struct err *e)
{
	char set[40];
	int version;

	/* Read again inside the transaction: two processes may open a new directory at once. */
	if (schema_version(j, &version, e) < 0)
		return -1;
	for (; version < SCHEMA; version++) {
		snprintf(set, sizeof set, "PRAGMA user_version = %d", version + 1);
		if (db_exec(j, "bring its tables up to date", migrations[version], e) < 0 ||
		    db_exec(j, "bring its tables up to date", set, e) < 0)
			return -1;
	}
	return 0;
}

static int make_owner(struct journal *j, struct err *e)
{
	unsigned char random[16];
	char hex[2 * sizeof random + 1];

	if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
		return err_set(e, ERR_INTERNAL, errno, "the kernel gives no random numbers");
	return db_run(j, "record the id of this state directory", e, "INSERT OR IGNORE INTO meta VALUES ('owner', ?)",
		      "t", hex_encode(random, sizeof random, hex));
}

static int read_owner(struct journal *j, struct err *e)
{
	static const char what[] = "read the id of this state directory";
	cleanup(cleanup_stmt) sqlite3_stmt *st = db_query(j, what, e, "SELECT value FROM meta WHERE key = 'owner'", "");
	int row = st == NULL ? -1 : db_step(j, st, what, e);

	if (row > 0)
		db_text(st, 0, j->owner, sizeof j->owner);
	if (row == 0)
		err_set(e, ERR_CORRUPT, 0, "journal %s has lost the id of its state directory: restore it from a "
			"backup", j->path);
	return row > 0 ? 0 : -1;
}

/* The file `owner` appears only after the journal was durable, so it without a journal means one was lost. */
static int check_lost(const struct journal *j, const char *owner_path, int version, struct err *e)
{
	if (version > 0 || access(owner_path, F_OK) < 0)
		return 0;
	return err_set(e, ERR_CORRUPT, 0,
		       "journal %s is empty or missing, but this state directory had one: restore it from a backup; "
		       "without one, use a new state directory, and remove what the old one left by its tags (id in "
		       "%s)",
		       j->path, owner_path);
}

static int check_owner_file(struct journal *j, const char *owner_path, struct err *e)
{
	cleanup(buf_fini) struct buf text = BUF_INIT;

	if (access(owner_path, F_OK) < 0 && state_make_file(owner_path, j->owner, strlen(j->owner), e) < 0)
		return -1;
	if (state_read_file(owner_path, false, &text, e) < 0)
		return -1;
	if (strcmp(buf_str(&text), j->owner) == 0)
		return 0;
	return err_set(e, ERR_CORRUPT, 0,
		       "journal %s belongs to state directory %.36s, this one is %.36s: put each journal back to its "
		       "own place", j->path, j->owner, buf_str(&text));
}

int journal_prepare(struct journal *j, const char *state_dir, struct err *e)
{
	cleanup(cleanup_free) char *owner_path = mem_printf("%s/owner", state_dir);
	int version, rc = 0;

	if (schema_version(j, &version, e) < 0 || check_lost(j, owner_path, version, e) < 0)
		return -1;
	if (version > SCHEMA)
		return err_set(e, ERR_UNSUPPORTED, 0,
			       "journal %s was written by a newer wherry (schema %d, this one knows %d): use that "
			       "version, or another state directory", j->path, version, SCHEMA);
	if (version < SCHEMA) {
		if (db_begin(j, e) < 0)
			return -1;
		rc = migrate(j, e) < 0 || make_owner(j, e) < 0 ? -1 : 0;
		rc = db_end(j, "make its tables", rc, e);
	}
	if (rc < 0 || read_owner(j, e) < 0)
		return -1;
	return check_owner_file(j, owner_path, e);
}
