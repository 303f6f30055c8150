// SPDX-License-Identifier: Apache-2.0
/*
 * The little of SQLite that journal*.c share: statements bound by a string of types, steps with errors as sentences,
 * one transaction around several statements. Nobody else includes it.
 */
#ifndef WHERRY_CONTROL_JOURNAL_DB_H
#define WHERRY_CONTROL_JOURNAL_DB_H

#include <sqlite3.h>
#include <stdbool.h>

#include "journal.h"

struct journal {
	sqlite3 *db;
	char *path;
	char owner[40];
};

/* What SQLite last complained of while doing `what`, as kind and sentence. Returns -1. */
int db_fail(struct journal *j, const char *what, struct err *e);
int db_exec(struct journal *j, const char *what, const char *sql, struct err *e);
/* Arguments by type: i int64_t, u uint64_t, t const char * (NULL: null), b const void *, int length. */
sqlite3_stmt *db_query(struct journal *j, const char *what, struct err *e, const char *sql, const char *types, ...);
/* 1: a row; 0: no more; -1. */
int db_step(struct journal *j, sqlite3_stmt *st, const char *what, struct err *e);
/* One changing statement, durable when it returns (outside of a transaction). */
int db_run(struct journal *j, const char *what, struct err *e, const char *sql, const char *types, ...);
int db_begin(struct journal *j, struct err *e);
/* COMMIT when rc is 0, else ROLLBACK; returns the outcome. */
int db_end(struct journal *j, const char *what, int rc, struct err *e);

void cleanup_stmt(sqlite3_stmt **st);
void db_text(sqlite3_stmt *st, int column, char *out, size_t size); /* "" for null */
uint64_t db_u64(sqlite3_stmt *st, int column);

/* Schema and owner id of a database just opened (journal_schema.c). */
int journal_prepare(struct journal *j, const char *state_dir, struct err *e);

#endif
