// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/vec.h"
#include "journal_db.h"

static const char *const states[] = {
	[RUN_PLANNED] = "planned",
	[RUN_WRITING] = "writing",
	[RUN_COMMITTING] = "committing",
	[RUN_DONE] = "done",
	[RUN_FAILED] = "failed",
};

static const char *const kinds[] = {[RUN_SYNC] = "sync", [RUN_VERIFY] = "verify", [RUN_PROMOTE] = "promote"};

#define RUN_COLUMNS \
	"id, job, kind, epoch, state, started_s, ended_s, error, read, zero, unchanged, sent, wire, written, " \
	"checkpoints, sent_raw, levels"

const char *run_state_name(enum run_state s)
{
	return (unsigned)s <= RUN_FAILED ? states[s] : "unknown";
}

const char *run_kind_name(enum run_kind k)
{
	return (unsigned)k <= RUN_PROMOTE ? kinds[k] : "unknown";
}

static int64_t now_s(void)
{
	return clock_wall_ns() / NS_PER_S;
}

static int index_of(const char *const words[], int count, const char *word)
{
	for (int i = 0; i < count; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	return -1;
}

static int draw_id(struct run *run, struct err *e)
{
	time_t t = (time_t)run->started_s;
	unsigned char random[2];
	char date[24];
	struct tm tm;

	if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
		return err_set(e, ERR_INTERNAL, errno, "the kernel gives no random numbers");
	gmtime_r(&t, &tm);
	strftime(date, sizeof date, "%Y%m%d-%H%M%S", &tm);
	snprintf(run->id, sizeof run->id, "%s-%02x%02x", date, random[0], random[1]);
	return 0;
}

/* Jobs of a schedule begin by the hundred in one second. */
static int new_id(struct journal *j, struct run *run, struct err *e)
{
	static const char what[] = "look for the id of a run";

	for (int taken = 1; taken != 0;) {
		if (draw_id(run, e) < 0)
			return -1;
		cleanup(cleanup_stmt) sqlite3_stmt *st = db_query(j, what, e, "SELECT 1 FROM runs WHERE id = ?", "t", run->id);
		if (st == NULL || (taken = db_step(j, st, what, e)) < 0)
			return -1;
	}
	return 0;
}

static int next_epoch(struct journal *j, const char *job, uint64_t *epoch, struct err *e)
{
	static const char what[] = "read the epoch of a job";
	cleanup(cleanup_stmt) sqlite3_stmt *st =
		db_query(j, what, e, "SELECT COALESCE(MAX(epoch), 0) + 1 FROM runs WHERE job = ?", "t", job);

	if (st == NULL || db_step(j, st, what, e) < 0)
		return -1;
	*epoch = db_u64(st, 0);
	return 0;
}

int journal_run_begin(struct journal *j, const char *job, enum run_kind kind, struct run *out, struct err *e)
{
	static const char what[] = "record the begin of a run";
	struct run run = {.kind = kind, .state = RUN_PLANNED, .started_s = now_s()};

	snprintf(run.job, sizeof run.job, "%s", job);
	if (db_begin(j, e) < 0)
		return -1;
	int rc = new_id(j, &run, e) < 0 ? -1 : next_epoch(j, job, &run.epoch, e);
	if (rc == 0)
		rc = db_run(j, what, e,
			    "INSERT INTO runs (id, job, kind, epoch, state, started_s) VALUES (?, ?, ?, ?, "
			    "'planned', ?)",
			    "tttui", run.id, job, kinds[kind], run.epoch, run.started_s);
	if (db_end(j, what, rc, e) < 0)
		return -1;
	*out = run;
	return 0;
}

int journal_run_state(struct journal *j, struct run *run, enum run_state state, struct err *e)
{
	if (db_run(j, "record the state of a run", e, "UPDATE runs SET state = ?, wrote = wrote OR ? WHERE id = ?", "tit",
		   states[state], (int64_t)(state == RUN_WRITING || state == RUN_COMMITTING), run->id) < 0)
		return -1;
	run->state = state;
	return 0;
}

int journal_run_raise(struct journal *j, struct run *run, uint64_t epoch, struct err *e)
{
	if (run->epoch >= epoch)
		return 0;
	if (db_run(j, "raise the epoch of a run", e, "UPDATE runs SET epoch = ? WHERE id = ?", "ut", epoch, run->id) < 0)
		return -1;
	run->epoch = epoch;
	return 0;
}

int journal_run_end(struct journal *j, const struct run *r, struct err *e)
{
	if (r->state != RUN_DONE && r->state != RUN_FAILED)
		return err_set(e, ERR_INTERNAL, 0, "run %s cannot end in state %s", r->id, run_state_name(r->state));
	return db_run(j, "record the end of a run", e,
		      "UPDATE runs SET state = ?, ended_s = ?, error = ?, read = ?, zero = ?, unchanged = ?, sent = ?, "
		      "wire = ?, written = ?, checkpoints = MAX(?, (SELECT COALESCE(SUM(count), 0) FROM checkpoints "
		      "WHERE run = runs.id)), sent_raw = ?, levels = ? WHERE id = ?", "tituuuuuuuutt", states[r->state],
		      r->ended_s != 0 ? r->ended_s : now_s(), r->error, r->read, r->zero, r->unchanged, r->sent,
		      r->wire, r->written, r->checkpoints, r->sent_raw, r->levels, r->id);
}

int journal_runs_end_dead(struct journal *j, const char *job, unsigned *count, struct err *e)
{
	/* What was committed is done, whatever became of the process a moment later. */
	int rc = db_run(j, "end the runs of dead processes", e,
			"UPDATE runs SET ended_s = ?, state = CASE WHEN EXISTS (SELECT 1 FROM generations g WHERE "
			"g.run = runs.id) THEN 'done' ELSE 'failed' END, error = CASE WHEN EXISTS (SELECT 1 FROM "
			"generations g WHERE g.run = runs.id) THEN '' ELSE 'the controller ended before the run did' "
			"END WHERE job = ? AND state NOT IN ('done', 'failed')", "it", now_s(), job);

	if (rc == 0)
		*count = (unsigned)sqlite3_changes(j->db);
	return rc;
}

static void read_run(sqlite3_stmt *st, struct run *r)
{
	char word[24];
	int at;

	*r = (struct run){0};
	db_text(st, 0, r->id, sizeof r->id);
	db_text(st, 1, r->job, sizeof r->job);
	db_text(st, 2, word, sizeof word);
	at = index_of(kinds, RUN_PROMOTE + 1, word);
	r->kind = at < 0 ? RUN_SYNC : (enum run_kind)at;
	r->epoch = db_u64(st, 3);
	db_text(st, 4, word, sizeof word);
	at = index_of(states, RUN_FAILED + 1, word);
	r->state = at < 0 ? RUN_FAILED : (enum run_state)at;
	r->started_s = sqlite3_column_int64(st, 5);
	r->ended_s = sqlite3_column_int64(st, 6);
	db_text(st, 7, r->error, sizeof r->error);
	r->read = db_u64(st, 8);
	r->zero = db_u64(st, 9);
	r->unchanged = db_u64(st, 10);
	r->sent = db_u64(st, 11);
	r->wire = db_u64(st, 12);
	r->written = db_u64(st, 13);
	r->checkpoints = db_u64(st, 14);
	r->sent_raw = db_u64(st, 15);
	db_text(st, 16, r->levels, sizeof r->levels);
}

int journal_run_last(struct journal *j, const char *job, struct run *out, bool *found, struct err *e)
{
	static const char what[] = "read the last run";
	cleanup(cleanup_stmt) sqlite3_stmt *st = db_query(
		j, what, e, "SELECT " RUN_COLUMNS " FROM runs WHERE job = ? ORDER BY epoch DESC LIMIT 1", "t", job);
	int row = st == NULL ? -1 : db_step(j, st, what, e);

	*found = row > 0;
	if (row > 0)
		read_run(st, out);
	return row < 0 ? -1 : 0;
}

int journal_last_writer(struct journal *j, const char *job, uint64_t *epoch, struct err *e)
{
	static const char what[] = "read the last run that wrote";
	cleanup(cleanup_stmt) sqlite3_stmt *st =
		db_query(j, what, e, "SELECT COALESCE(MAX(epoch), 0) FROM runs WHERE job = ? AND wrote", "t", job);

	if (st == NULL || db_step(j, st, what, e) < 0)
		return -1;
	*epoch = db_u64(st, 0);
	return 0;
}

int journal_runs(struct journal *j, const char *job, unsigned limit, journal_run_cb *cb, void *ctx, struct err *e)
{
	static const char what[] = "list the runs";
	cleanup(cleanup_stmt) sqlite3_stmt *st =
		db_query(j, what, e, "SELECT " RUN_COLUMNS " FROM runs WHERE job = ? ORDER BY epoch DESC LIMIT ?",
			 "ti", job, limit == 0 ? (int64_t)-1 : (int64_t)limit);
	struct run run;
	int row = -1;

	while (st != NULL && (row = db_step(j, st, what, e)) > 0) {
		read_run(st, &run);
		if (cb(ctx, &run) != 0)
			return 0;
	}
	return row;
}
