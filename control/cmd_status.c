// SPDX-License-Identifier: Apache-2.0
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/mem.h"
#include "base/vec.h"
#include "commands.h"
#include "config.h"
#include "inventory.h"
#include "job_limits.h"
#include "journal.h"
#include "json_line.h"
#include "net/wire.h"
#include "state.h"

#define RUNS_SHOWN 5

struct status {
	struct cmd *c;
	struct state state;
	struct journal *j;
	VEC(char *) jobs;
	unsigned replica_disks, alive;
	bool dirty, held;           /* of the job that is being shown */
	unsigned shown;
};

static int add_job(void *ctx, const char *job)
{
	struct status *s = ctx;

	*vec_push(&s->jobs) = mem_strdup(job);
	return 0;
}

static int64_t now_s(void)
{
	return clock_wall_ns() / NS_PER_S;
}

static const char *when(int64_t at_s, char out[24])
{
	return at_s == 0 ? "-" : clock_format(at_s * NS_PER_S, out);
}

static int see_entry(void *ctx, const struct journal_entry *entry)
{
	struct status *s = ctx;

	s->alive++;
	if (res_is_replica(&entry->ref) && entry->state == ENTRY_CREATED) {
		s->replica_disks++;
		s->dirty |= entry->ref.tags.dirty;
	}
	return 0;
}

static const char *replica_word(const struct status *s, uint64_t generation)
{
	return s->replica_disks == 0 ? "none" : s->dirty ? "DIRTY" : generation == 0 ? "empty" : "clean";
}

/* What a DIRTY replica means, and what to do. */
static const char *dirty_words(const struct status *s, const char *promoted)
{
	if (!s->dirty)
		return "";
	if (s->held)
		return ": being written";
	if (promoted != NULL)
		return ": it changed after its last generation; the job was promoted and is not synced any more";
	return ": a run that was not committed wrote to it; `wherry sync` finishes it";
}

/* The newest generation was made by the cloud itself (replica_copy.h). */
static int see_copied(struct status *s, const char *job, bool *copied, struct err *e)
{
	cleanup(cleanup_free) struct generation_disk *disks = mem_array(WIRE_MAX_DISKS, sizeof *disks);
	uint64_t generation;
	int64_t at;
	unsigned n = 0;
	int rc = journal_last_generation(s->j, job, &generation, &at, disks, WIRE_MAX_DISKS, &n, NULL, e);

	*copied = n > 0 && disks[0].chunk_size == 0;
	return rc;
}

/* A generation made with hints is only as right as they were, and one that the cloud copied as the cloud is. */
static int show_full_scan(struct status *s, const char *job, struct err *e)
{
	cleanup(cleanup_free) char *refuted = NULL;
	int64_t full;
	unsigned hinted;
	char age[32];
	bool copied;

	if (journal_full_scan(s->j, job, &full, &hinted, e) < 0 || see_copied(s, job, &copied, e) < 0 ||
	    journal_fact_get(s->j, job, "hints refuted", &refuted, e) < 0)
		return -1;
	if (s->c->json) {
		json_line(stdout, "event:s job:s age_s:i hinted_since:u refuted:s copied_by_cloud:b", "full-scan", job,
			  full == 0 ? INT64_C(-1) : now_s() - full, (uint64_t)hinted, refuted, (int)copied);
		return 0;
	}
	if (copied)
		printf("  checked      no: the cloud itself copied it, and its word is all there is\n");
	if (full != 0)
		printf("  full scan    %s old, %u generation%s made with hints since\n", cmd_age(now_s() - full, age), hinted,
		       hinted == 1 ? "" : "s");
	if (refuted != NULL)
		printf("  hints        were WRONG, last in %s; the whole disk was read\n", refuted);
	return 0;
}

/* They cost money as long as the job is synced with hints, unlike all else that a run makes. */
static int show_baselines(struct status *s, const char *job, struct err *e)
{
	struct journal_baselines b;
	char used[16], size[16];

	if (journal_baselines(s->j, job, &b, e) < 0)
		return -1;
	if (s->c->json && b.count != 0)
		json_line(stdout, "event:s job:s count:u size:u used:u", "baselines", job, (uint64_t)b.count, b.size, b.used);
	else if (b.count != 0 && b.used != 0)
		printf("  baselines    %u snapshot%s kept for the next sync: about %s used, of %s\n", b.count, b.count == 1 ? "" : "s",
		       num_format_size(b.used, used), num_format_size(b.size, size));
	else if (b.count != 0)
		printf("  baselines    %u snapshot%s kept for the next sync: at most %s used\n", b.count, b.count == 1 ? "" : "s",
		       num_format_size(b.size, size));
	return 0;
}

static int show_head(struct status *s, const char *job, struct err *e)
{
	cleanup(cleanup_free) char *promoted = NULL;
	char holder[256], age[32], at[24], text[LIMITS_TEXT];
	struct limits limits;
	uint64_t generation;
	int64_t committed;
	unsigned n;
	bool limited;

	s->replica_disks = s->alive = 0;
	s->dirty = false;
	s->held = state_job_held(&s->state, job, holder, sizeof holder);
	if (journal_last_generation(s->j, job, &generation, &committed, NULL, 0, &n, NULL, e) < 0 ||
	    journal_fact_get(s->j, job, "promoted", &promoted, e) < 0 ||
	    job_limits_get(s->j, job, &limits, &limited, e) < 0 || journal_entries(s->j, job, see_entry, s, e) < 0)
		return -1;
	if (s->c->json) {
		json_line(stdout, "event:s job:s generation:u committed:s age_s:i replica:s running:s promoted:s "
			  "alive:u limits:j", "job", job, generation, generation == 0 ? NULL : when(committed, at),
			  generation == 0 ? INT64_C(-1) : now_s() - committed, replica_word(s, generation),
			  s->held ? holder : NULL, promoted, (uint64_t)s->alive, limited ? limits_json(&limits, text) : "null");
		return show_full_scan(s, job, e) < 0 ? -1 : show_baselines(s, job, e);
	}
	printf("%sjob %s\n", s->shown++ == 0 ? "" : "\n", job);
	if (generation == 0)
		printf("  generation   none committed yet\n");
	else
		printf("  generation   %llu, committed %s, %s old\n", (unsigned long long)generation,
		       when(committed, at), cmd_age(now_s() - committed, age));
	if (show_full_scan(s, job, e) < 0)
		return -1;
	printf("  replica      %s%s\n", replica_word(s, generation), dirty_words(s, promoted));
	if (show_baselines(s, job, e) < 0)
		return -1;
	printf("  now          %s%s\n", s->held ? "running: " : "idle", s->held ? holder : "");
	if (limited)
		printf("  limits       %s (set by `wherry limit`)\n", limits_describe(&limits, text)[0] != '\0' ? text : "none");
	if (promoted != NULL)
		printf("  promoted     machine %s\n", promoted);
	return 0;
}

static int show_run(void *ctx, const struct run *r)
{
	struct status *s = ctx;
	char began[24], ended[24], read[16], sent[16], wire[16];

	if (s->c->json) {
		json_line(stdout,
			  "event:s job:s run:s kind:s state:s epoch:u started:s ended:s read:u zero:u unchanged:u "
			  "sent:u wire:u sent_raw:u levels:s written:u checkpoints:u error:s", "run", r->job, r->id, run_kind_name(r->kind),
			  run_state_name(r->state), r->epoch, when(r->started_s, began),
			  r->ended_s == 0 ? NULL : when(r->ended_s, ended), r->read, r->zero, r->unchanged, r->sent,
			  r->wire, r->sent_raw, r->levels, r->written, r->checkpoints, r->error[0] != '\0' ? r->error : NULL);
		return 0;
	}
	/* The journal cannot know that a process died; that nobody holds the job tells. */
	printf("  %-20s  %-7s  %-10s", r->id, run_kind_name(r->kind),
	       r->ended_s == 0 && !s->held ? "died" : run_state_name(r->state));
	if (r->ended_s != 0)
		printf("  %6lld s", (long long)(r->ended_s - r->started_s));
	if (r->kind == RUN_SYNC && r->ended_s != 0)
		printf("  read %s, sent %s as %s", num_format_size(r->read, read), num_format_size(r->sent, sent),
		       num_format_size(r->wire, wire));
	printf("%s%s\n", r->error[0] != '\0' ? "  " : "", r->error);
	return 0;
}

static int show_entry(void *ctx, const struct journal_entry *entry)
{
	struct status *s = ctx;
	const struct res_ref *ref = &entry->ref;
	int64_t age = inventory_age_s(ref);
	char ago[32] = "-";

	if (age >= 0)
		cmd_age(age, ago);
	if (s->c->json)
		json_line(stdout, "event:s job:s kind:s name:s id:s purpose:s state:s place:i run:s age_s:i "
			  "generation:u dirty:b",
			  "resource", ref->tags.job, res_kind_name(ref->kind), ref->name, ref->id,
			  res_purpose_name(ref->tags.purpose), entry_state_name(entry->state), entry->place,
			  ref->tags.run, age, ref->tags.generation, (int)ref->tags.dirty);
	else
		printf("  %-8s  %-32s  %-10s  %-8s  %s\n", res_kind_name(ref->kind), ref->name,
		       res_purpose_name(ref->tags.purpose), entry_state_name(entry->state), ago);
	return 0;
}

static int show_job(struct status *s, const char *job, struct err *e)
{
	if (show_head(s, job, e) < 0)
		return -1;
	if (!s->c->json)
		printf("  last runs:\n");
	if (journal_runs(s->j, job, RUNS_SHOWN, show_run, s, e) < 0)
		return -1;
	if (!s->c->json)
		printf("  alive:%s\n", s->alive == 0 ? " nothing" : "");
	return journal_entries(s->j, job, show_entry, s, e);
}

static int choose_jobs(struct status *s, struct err *e)
{
	struct run last;
	char name[64];
	bool found;

	if (s->c->args[0] == NULL)
		return journal_jobs(s->j, add_job, s, e);
	if (job_peek_name(s->c->args[0], name, e) < 0 || journal_run_last(s->j, name, &last, &found, e) < 0)
		return -1;
	if (!found)
		return err_set(e, ERR_NOT_FOUND, 0, "job %s has never run from the state directory %s: run `wherry "
			       "sync %s`, or name the right one with --state-dir", name, s->state.dir, s->c->args[0]);
	return add_job(s, name);
}

int cmd_status(struct cmd *c, struct err *e)
{
	struct status s = {.c = c};
	int rc;

	if (c->all && c->args[0] != NULL)
		return err_set(e, ERR_USAGE, 0, "--all means every job: give it or a job file, not both");
	rc = state_open(c->state_dir, &s.state, e);
	if (rc == 0)
		rc = (s.j = journal_open(s.state.dir, e)) == NULL ? -1 : choose_jobs(&s, e);
	for (size_t i = 0; rc == 0 && i < s.jobs.len; i++)
		rc = show_job(&s, s.jobs.at[i], e);
	if (rc == 0 && s.jobs.len == 0 && !c->json)
		puts("No job has run from this state directory yet.");
	for (size_t i = 0; i < s.jobs.len; i++)
		free(s.jobs.at[i]);
	vec_fini(&s.jobs);
	journal_close(s.j);
	state_fini(&s.state);
	return rc;
}
