// SPDX-License-Identifier: Apache-2.0
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cloud.h"
#include "commands.h"
#include "config.h"
#include "inventory.h"
#include "json_line.h"
#include "state.h"

/* A clean-up: the state directory, and one job of it or all. */
struct sweeping {
	struct cmd *c;
	struct state state;
	struct journal *journal;
	struct places places;
	const char *job;              /* NULL: all */
	int64_t of_job[2];            /* its places */
	VEC(char *) jobs;
	unsigned removed;
	struct err first;
};

static void close_sweeping(struct sweeping *s)
{
	places_close(&s->places);
	journal_close(s->journal);
	state_fini(&s->state);
	for (size_t i = 0; i < s->jobs.len; i++)
		free(s->jobs.at[i]);
	vec_fini(&s->jobs);
}

static void note(struct sweeping *s, const struct err *e)
{
	if (s->first.kind == ERR_NONE)
		s->first = *e;
	else if (strcmp(s->first.msg, e->msg) != 0) /* one place may stand in the journal under several blocks */
		log_warn(s->c->log, "%s", e->msg);
}

/* The places of a job file are made known first: what the job left there can only be found by its tags. */
static int learn_places(struct sweeping *s, const char *file, struct err *e)
{
	struct provider *source, *target;
	struct job job;
	int rc = job_load(file, &job, &source, &target, s->c->log, e);

	provider_close(source);
	provider_close(target);
	if (rc == 0 && (journal_place(s->journal, job.source_json, &s->of_job[0], e) < 0 ||
			journal_place(s->journal, job.target_json, &s->of_job[1], e) < 0))
		rc = -1;
	job_fini(&job);
	return rc;
}

struct use {
	int64_t place;
	bool used;
};

static int see_use(void *ctx, const struct journal_entry *entry)
{
	struct use *u = ctx;

	u->used |= entry->place == u->place;
	return 0;
}

/* One job: only its places, and others where something of it is alive. */
static int narrow(struct sweeping *s, struct err *e)
{
	for (size_t i = s->places.list.len; i-- > 0;) {
		struct place *place = &s->places.list.at[i];
		struct use use = {.place = place->id, .used = place->id == s->of_job[0] || place->id == s->of_job[1]};

		if (journal_entries(s->journal, s->job, see_use, &use, e) < 0)
			return -1;
		if (use.used)
			continue;
		provider_close(place->p);
		*place = s->places.list.at[--s->places.list.len];
	}
	return 0;
}

static int open_sweeping(struct sweeping *s, char name[64], struct err *e)
{
	const char *file = s->c->args[0];

	if (file != NULL && job_peek_name(file, name, e) < 0)
		return -1;
	s->job = file != NULL ? name : NULL;
	if (state_open(s->c->state_dir, &s->state, e) < 0)
		return -1;
	s->journal = journal_open(s->state.dir, e);
	if (s->journal == NULL || (file != NULL && learn_places(s, file, e) < 0))
		return -1;
	if (places_open(s->journal, s->c->log, &s->places, e) < 0)
		return -1;
	return file != NULL ? narrow(s, e) : 0;
}

/* ---- --list ---- */

static void print_row(const struct cmd *c, const struct inventory_row *r)
{
	const struct res_tags *t = &r->ref.tags;
	int64_t age = inventory_age_s(&r->ref);
	char ago[32] = "-";

	if (age >= 0)
		cmd_age(age, ago);
	if (c->json)
		json_line(stdout, "event:s kind:s name:s id:s place:s purpose:s job:s run:s age_s:i state:s",
			  "resource",
			  res_kind_name(r->ref.kind), r->ref.name, r->ref.id, r->place, res_purpose_name(t->purpose),
			  t->job, t->run, age, r->state);
	else
		printf("%-8s  %-32s  %-10s  %-9s  %-11s  %-20s  %s  (id %s)\n", res_kind_name(r->ref.kind), r->ref.name,
		       res_purpose_name(t->purpose), r->state, ago, t->run, r->place,
		       r->ref.id[0] != '\0' ? r->ref.id : "not known");
}

static int list(struct sweeping *s, struct err *e)
{
	struct inventory inv;

	if (inventory_take(&inv, s->journal, &s->places, s->job, e) < 0)
		return -1;
	if (!s->c->json && inv.rows.len == 0)
		puts("There is nothing.");
	else if (!s->c->json)
		printf("%-8s  %-32s  %-10s  %-9s  %-11s  %-20s  %s\n", "KIND", "NAME", "PURPOSE", "STATE", "AGE", "RUN",
		       "PLACE");
	for (size_t i = 0; i < inv.rows.len; i++)
		print_row(s->c, &inv.rows.at[i]);
	struct err first = inv.first;
	inventory_fini(&inv);
	if (first.kind == ERR_NONE)
		return 0;
	*e = first;
	return err_wrap(e, "the list is not complete");
}

/* ---- Removal ---- */

static int add_job(void *ctx, const char *job)
{
	struct sweeping *s = ctx;

	for (size_t i = 0; i < s->jobs.len; i++)
		if (strcmp(s->jobs.at[i], job) == 0)
			return 0;
	*vec_push(&s->jobs) = mem_strdup(job);
	return 0;
}

/* Jobs of the journal, and jobs whose resources only carry our tags. */
static int collect_jobs(struct sweeping *s, struct err *e)
{
	struct inventory inv;

	if (s->job != NULL)
		return add_job(s, s->job);
	if (journal_jobs(s->journal, add_job, s, e) < 0 ||
	    inventory_take(&inv, s->journal, &s->places, NULL, e) < 0)
		return -1;
	for (size_t i = 0; i < inv.rows.len; i++)
		add_job(s, inv.rows.at[i].ref.tags.job);
	inventory_fini(&inv);
	return 0;
}

static void sweep_places(struct sweeping *s, const char *job, unsigned *removed)
{
	for (size_t i = 0; i < s->places.list.len; i++) {
		const struct place *place = &s->places.list.at[i];
		struct cloud cloud = {.p = place->p, .j = s->journal, .place = place->id, .cancel = s->c->cancel,
				      .log = s->c->log};
		struct err e = ERR_INIT;
		unsigned n = 0;

		if (place->p != NULL && cloud_sweep(&cloud, journal_owner(s->journal), job, &n, &e) < 0)
			note(s, &e);
		*removed += n;
	}
}

struct kept {
	unsigned by_purpose[PURPOSE_KINDS], all;
};

static int count_kept(void *ctx, const struct journal_entry *entry)
{
	struct kept *k = ctx;

	k->by_purpose[entry->ref.tags.purpose]++;
	k->all++;
	return 0;
}

static int tell(struct sweeping *s, const char *job, unsigned removed, struct err *e)
{
	struct kept kept = {0};

	if (journal_entries(s->journal, job, count_kept, &kept, e) < 0)
		return -1;
	if (s->c->json) {
		json_line(stdout, "event:s job:s removed:u kept:u left:u", "cleaned", job, (uint64_t)removed,
			  (uint64_t)(kept.all - kept.by_purpose[PURPOSE_SCAFFOLD]),
			  (uint64_t)kept.by_purpose[PURPOSE_SCAFFOLD]);
		return 0;
	}
	printf("%s: %u removed", job, removed);
	for (int p = 0; p < PURPOSE_KINDS; p++)
		if (kept.by_purpose[p] != 0)
			printf(", %u %s %s", kept.by_purpose[p], res_purpose_name((enum res_purpose)p),
			       p == PURPOSE_SCAFFOLD ? "left" : "kept");
	putchar('\n');
	return 0;
}

static int sweep_job(struct sweeping *s, const char *job, struct err *e)
{
	char line[200];
	unsigned removed = 0, dead = 0;
	cleanup(cleanup_fd) int lock = state_lock_job(&s->state, job, cmd_line(s->c, line, sizeof line), e);

	/* A job that is running needs what it made. */
	if (lock < 0)
		return -1;
	sweep_places(s, job, &removed);
	s->removed += removed;
	if (journal_runs_end_dead(s->journal, job, &dead, e) < 0)
		return -1;
	return tell(s, job, removed, e);
}

static int sweep(struct sweeping *s, struct err *e)
{
	if (collect_jobs(s, e) < 0)
		return -1;
	for (size_t i = 0; i < s->places.list.len; i++)
		if (s->places.list.at[i].p == NULL)
			note(s, &s->places.list.at[i].why);
	for (size_t i = 0; i < s->jobs.len; i++) {
		struct err why = ERR_INIT;

		if (atomic_load(s->c->cancel))
			break;
		if (sweep_job(s, s->jobs.at[i], &why) < 0)
			note(s, &why);
	}
	if (!s->c->json && s->jobs.len == 0)
		puts("There is nothing to clean up.");
	if (s->first.kind == ERR_NONE && atomic_load(s->c->cancel))
		return err_set(e, ERR_CANCELED, 0, "interrupted; run `wherry cleanup` again for the rest");
	*e = s->first;
	return s->first.kind == ERR_NONE ? 0 : -1;
}

int cmd_cleanup(struct cmd *c, struct err *e)
{
	struct sweeping s = {.c = c, .first = ERR_INIT};
	char name[64];

	if (c->list && c->discard)
		return err_set(e, ERR_USAGE, 0, "--list only looks and --discard removes: give one of them");
	if (c->discard)
		return cmd_discard(c, e);
	int rc = open_sweeping(&s, name, e);
	if (rc == 0)
		rc = c->list ? list(&s, e) : sweep(&s, e);
	close_sweeping(&s);
	return rc;
}
