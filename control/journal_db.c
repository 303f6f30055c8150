// SPDX-License-Identifier: Apache-2.0
#include "journal_db.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static enum err_kind kind_of(int code, int sys)
{
	switch (code & 0xff) {
	case SQLITE_FULL:
		return ERR_NO_SPACE;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ERR_CORRUPT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_BUSY;
	case SQLITE_PERM:
	case SQLITE_READONLY:
	case SQLITE_AUTH:
		return ERR_DENIED;
	case SQLITE_CONSTRAINT:
	case SQLITE_MISUSE:
		return ERR_INTERNAL;
	default:
		if (sys == ENOSPC || sys == EDQUOT || sys == EFBIG)
			return ERR_NO_SPACE;
		return sys == EACCES || sys == EROFS ? ERR_DENIED : ERR_IO;
	}
}

static const char *remedy_of(enum err_kind kind)
{
	switch (kind) {
	case ERR_NO_SPACE:
		return "; make room on that disk; no cloud call is made without a durable intent";
	case ERR_CORRUPT:
		return "; keep the file and restore it from a backup: it names what is alive in the clouds";
	case ERR_BUSY:
		return "; another wherry is writing to it, try again";
	case ERR_DENIED:
		return "; run as the user who owns the state directory";
	default:
		return "";
	}
}

int db_fail(struct journal *j, const char *what, struct err *e)
{
	int sys = errno, code = sqlite3_extended_errcode(j->db);

	/* SQLite remembers the errno of some failures only; for the others ours was cleared before the call. */
	if (sqlite3_system_errno(j->db) != 0)
		sys = sqlite3_system_errno(j->db);
	enum err_kind kind = kind_of(code, sys);

	err_set(e, kind, 0, "journal %s: cannot %s: %s%s", j->path, what, sqlite3_errmsg(j->db), remedy_of(kind));
	e->sys = sys;
	return -1;
}

int db_exec(struct journal *j, const char *what, const char *sql, struct err *e)
{
	errno = 0;
	return sqlite3_exec(j->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : db_fail(j, what, e);
}

static int bind(sqlite3_stmt *st, const char *types, va_list ap)
{
	int rc = SQLITE_OK;

	for (int i = 1; *types != '\0' && rc == SQLITE_OK; types++, i++) {
		if (*types == 'i') {
			rc = sqlite3_bind_int64(st, i, va_arg(ap, int64_t));
		} else if (*types == 'u') {
			rc = sqlite3_bind_int64(st, i, (sqlite3_int64)va_arg(ap, uint64_t));
		} else if (*types == 't') {
			rc = sqlite3_bind_text(st, i, va_arg(ap, const char *), -1, SQLITE_TRANSIENT);
		} else {
			const void *p = va_arg(ap, const void *);

			rc = sqlite3_bind_blob(st, i, p, va_arg(ap, int), SQLITE_TRANSIENT);
		}
	}
	return rc;
}

static sqlite3_stmt *prepare(struct journal *j, const char *what, const char *sql, const char *types, va_list ap,
			     struct err *e)
{
	sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(j->db, sql, -1, &st, NULL) == SQLITE_OK && bind(st, types, ap) == SQLITE_OK)
		return st;
	db_fail(j, what, e);
	sqlite3_finalize(st);
	return NULL;
}

sqlite3_stmt *db_query(struct journal *j, const char *what, struct err *e, const char *sql, const char *types, ...)
{
	va_list ap;

	va_start(ap, types);
	sqlite3_stmt *st = prepare(j, what, sql, types, ap, e);
	va_end(ap);
	return st;
}

int db_step(struct journal *j, sqlite3_stmt *st, const char *what, struct err *e)
{
	errno = 0;
	switch (sqlite3_step(st)) {
	case SQLITE_ROW:
		return 1;
	case SQLITE_DONE:
		return 0;
	default:
		return db_fail(j, what, e);
	}
}

int db_run(struct journal *j, const char *what, struct err *e, const char *sql, const char *types, ...)
{
	va_list ap;

	va_start(ap, types);
	sqlite3_stmt *st = prepare(j, what, sql, types, ap, e);
	va_end(ap);
	if (st == NULL)
		return -1;
	int rc = db_step(j, st, what, e);
	/* In autocommit the transaction ends here, and a full disk may show only now. */
	if (sqlite3_finalize(st) != SQLITE_OK && rc >= 0)
		rc = db_fail(j, what, e);
	return rc < 0 ? -1 : 0;
}

int db_begin(struct journal *j, struct err *e)
{
	return db_exec(j, "begin a transaction", "BEGIN IMMEDIATE", e);
}

int db_end(struct journal *j, const char *what, int rc, struct err *e)
{
	if (rc == 0)
		rc = db_exec(j, what, "COMMIT", e);
	if (rc < 0)
		sqlite3_exec(j->db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

void cleanup_stmt(sqlite3_stmt **st)
{
	sqlite3_finalize(*st);
	*st = NULL;
}

void db_text(sqlite3_stmt *st, int column, char *out, size_t size)
{
	const unsigned char *text = sqlite3_column_text(st, column);

	snprintf(out, size, "%s", text != NULL ? (const char *)text : "");
}

uint64_t db_u64(sqlite3_stmt *st, int column)
{
	return (uint64_t)sqlite3_column_int64(st, column);
}
