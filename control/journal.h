// SPDX-License-Identifier: Apache-2.0
/*
 * The journal: SQLite (WAL, synchronous=FULL) in the state directory. Intent before every call: a resource is in here,
 * durably, before the cloud hears of it. Every function is one transaction and durable when it returns.
 */
#ifndef WHERRY_CONTROL_JOURNAL_H
#define WHERRY_CONTROL_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "packing.h"
#include "provider.h"

struct journal;

struct journal *journal_open(const char *state_dir, struct err *e);   /* refuses network file systems, newer schemas */
void journal_close(struct journal *j);
const char *journal_owner(const struct journal *j);                   /* id of this state directory, made once */

/* Places: the provider block of a job as compact JSON, so that clean-up needs no job file. */
int journal_place(struct journal *j, const char *block_json, int64_t *place, struct err *e);
int journal_place_json(struct journal *j, int64_t place, char **json, struct err *e); /* caller frees */

typedef int journal_place_cb(void *ctx, int64_t place, const char *json); /* non-zero stops, as in all lists here */
int journal_places(struct journal *j, journal_place_cb *cb, void *ctx, struct err *e);
/* Every job that has runs or something alive. */
typedef int journal_job_cb(void *ctx, const char *job);
int journal_jobs(struct journal *j, journal_job_cb *cb, void *ctx, struct err *e);

enum run_kind { RUN_SYNC, RUN_VERIFY, RUN_PROMOTE };
/* planned -> writing (before the first write can reach a replica) -> committing -> done | failed. A run that is
 * neither done nor failed after its process died is `dead` and is finished or undone by the next command. */
enum run_state { RUN_PLANNED, RUN_WRITING, RUN_COMMITTING, RUN_DONE, RUN_FAILED };
const char *run_state_name(enum run_state s);
const char *run_kind_name(enum run_kind k);

struct run {
	char id[40];          /* "20261121-040506-3f9a" */
	char job[64];
	enum run_kind kind;
	uint64_t epoch;       /* rises by one with every run of a job */
	enum run_state state;
	int64_t started_s, ended_s;
	char error[512];
	/* totals, for `status` and reports; bytes of disk unless said otherwise */
	uint64_t read, zero, unchanged, sent, wire, sent_raw, written, checkpoints;
	char levels[PACKING_TEXT]; /* chunks sent at each level of compression, as packing_text() writes them */
};

/* The epoch rises by one with every run of a job; journal_run_raise lifts it above what a replica carries already. */
int journal_run_begin(struct journal *j, const char *job, enum run_kind kind, struct run *out, struct err *e);
int journal_run_state(struct journal *j, struct run *run, enum run_state state, struct err *e);
/* No run gets an epoch that the replica has seen: run->epoch is at least `epoch` afterwards. */
int journal_run_raise(struct journal *j, struct run *run, uint64_t epoch, struct err *e);
/* DONE or FAILED with totals and error. */
int journal_run_end(struct journal *j, const struct run *run, struct err *e);
/* Under the lock of the job: runs that have not ended belong to dead processes. What was committed is DONE, the rest
 * FAILED; `count` of both. */
int journal_runs_end_dead(struct journal *j, const char *job, unsigned *count, struct err *e);
int journal_run_last(struct journal *j, const char *job, struct run *out, bool *found, struct err *e);
/* Epoch of the last run of the job that reached WRITING; 0: none. */
int journal_last_writer(struct journal *j, const char *job, uint64_t *epoch, struct err *e);
typedef int journal_run_cb(void *ctx, const struct run *run);
int journal_runs(struct journal *j, const char *job, unsigned limit, journal_run_cb *cb, void *ctx, struct err *e);

enum entry_state { ENTRY_INTENDED, ENTRY_CREATED, ENTRY_REMOVING, ENTRY_REMOVED };
const char *entry_state_name(enum entry_state s);
struct journal_entry {
	int64_t row;
	int64_t place;
	enum entry_state state;
	struct res_ref ref;
};
int journal_intend(struct journal *j, int64_t place, const struct res_ref *ref, int64_t *row, struct err *e);
int journal_created(struct journal *j, int64_t row, const struct res_ref *ref, struct err *e);
int journal_removing(struct journal *j, int64_t row, struct err *e);
int journal_removed(struct journal *j, int64_t row, struct err *e);
int journal_retag(struct journal *j, int64_t row, const struct res_tags *tags, struct err *e);
/* What is alive of a job in place `from` is in place `to` from now on: two blocks that name one place. */
int journal_move(struct journal *j, const char *job, int64_t from, int64_t to, struct err *e);
typedef int journal_entry_cb(void *ctx, const struct journal_entry *entry);
/* All entries not REMOVED; job NULL = all jobs. In order of row. */
int journal_entries(struct journal *j, const char *job, journal_entry_cb *cb, void *ctx, struct err *e);
/* The replica disk `index` of a job: found false when none was made yet. */
int journal_find_entry(struct journal *j, const char *job, enum res_purpose purpose, const char *name,
		       struct journal_entry *out, bool *found, struct err *e);

/* Generations. One row per disk; all disks of a machine are committed in one transaction. */
struct generation_disk {
	unsigned index;
	char source_disk[RES_ID_SIZE];
	uint64_t size;
	uint32_t chunk_size, sector_size;
	uint8_t root[32];
	char baseline[RES_ID_SIZE]; /* id of the source snapshot it was made from: what hints count from; "": not known */
};
/* The machine's description is kept for the newest generation only. */
int journal_commit(struct journal *j, const char *job, const char *run, uint64_t generation, bool hinted,
		   const struct generation_disk *disks, unsigned n, const char *machine_json, struct err *e);
/* Whether the newest generation of the job was made from that source snapshot. */
int journal_is_baseline(struct journal *j, const char *job, const char *id, bool *yes, struct err *e);
/* The snapshots that are kept for hints, and what a cloud that charges for used space charges for: of the disks they are of,
 * what was not zero when all of it was read last; 0: not known. */
struct journal_baselines {
	unsigned count;
	uint64_t size, used;
};
int journal_baselines(struct journal *j, const char *job, struct journal_baselines *out, struct err *e);
/* The newest: generation 0 when none. disks: caller's array of at least `max`. machine_json: caller frees. */
int journal_last_generation(struct journal *j, const char *job, uint64_t *generation, int64_t *committed_s,
			    struct generation_disk *disks, unsigned max, unsigned *n, char **machine_json, struct err *e);

/* The newest and the epoch of the run that made it: numbers start over when a replica is given up, epochs never do. */
struct journal_newest {
	uint64_t generation, epoch; /* 0: none */
	unsigned disks;
};
int journal_newest(struct journal *j, const char *job, struct journal_newest *out, struct err *e);

/* When the newest generation that was made without hints was committed (0: none is), and how many were made since. */
int journal_full_scan(struct journal *j, const char *job, int64_t *committed_s, unsigned *hinted_since, struct err *e);

int journal_checkpoint(struct journal *j, const char *run, unsigned disk, uint64_t durable, struct err *e);
/* Small facts of a job: "promoted" -> machine name, ... NULL value removes; get: NULL when absent (caller frees). */
int journal_fact_set(struct journal *j, const char *job, const char *key, const char *value, struct err *e);
int journal_fact_get(struct journal *j, const char *job, const char *key, char **value, struct err *e);
/* The replica is given up: its generations and the facts of the job go; runs stay, so that epochs go on rising. */
int journal_forget_replica(struct journal *j, const char *job, struct err *e);

#endif
