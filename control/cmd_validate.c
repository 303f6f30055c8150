// SPDX-License-Identifier: Apache-2.0
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "commands.h"
#include "config.h"
#include "journal.h"
#include "json_line.h"
#include "places.h"
#include "quota.h"
#include "replica_copy.h"
#include "state.h"

/* Somebody waits for the answer. */
#define PATIENCE_NS (10 * NS_PER_S)

struct validation {
	struct cmd *c;
	struct job job;
	struct provider *source, *target;
	struct state state;
	struct journal *journal;
	unsigned levels[FINDING_NOT_CHECKED + 1];
	enum err_kind first;         /* of the errors */
	unsigned replica;            /* disks of it that are there */
	bool half_promoted;          /* a machine of ours is there, which the next command takes away or finishes */
};

static const struct {
	const char *word, *shown;
} levels[] = {
	[FINDING_ERROR] = {"error", "error"},
	[FINDING_WARNING] = {"warning", "warning"},
	[FINDING_NOTE] = {"note", "note"},
	[FINDING_NOT_CHECKED] = {"not-checked", "not checked"},
};

static void show(struct validation *v, const char *where, enum finding_level level, enum err_kind kind, const char *text)
{
	v->levels[level]++;
	if (level == FINDING_ERROR && v->first == ERR_NONE)
		v->first = kind != ERR_NONE ? kind : ERR_REFUSED;
	if (v->c->json)
		json_line(stdout, "event:s level:s kind:s where:s text:s", "finding", levels[level].word,
			  err_kind_name(kind), where, text);
	else
		printf("%s: %s%s%s\n", levels[level].shown, where, where[0] != '\0' ? ": " : "", text);
}

/* A file with several mistakes is several findings. */
static void show_lines(struct validation *v, const char *where, const char *lines, enum err_kind kind)
{
	cleanup(cleanup_free) char *copy = mem_strdup(lines);
	char *rest = copy, *line;

	while ((line = strsep(&rest, "\n")) != NULL)
		if (*line != '\0')
			show(v, where, FINDING_ERROR, kind, line);
}

static void show_err(struct validation *v, const char *where, const struct err *e)
{
	show_lines(v, where, e->msg, e->kind);
}

static void check_state(struct validation *v)
{
	struct err e = ERR_INIT;
	char holder[256];

	if (state_open(v->c->state_dir, &v->state, &e) < 0) {
		show_err(v, "state", &e);
		return;
	}
	v->journal = journal_open(v->state.dir, &e);
	if (v->journal == NULL)
		show_err(v, "state", &e);
	if (state_job_held(&v->state, v->job.name, holder, sizeof holder)) {
		char text[400];

		snprintf(text, sizeof text, "the job is running: %s", holder);
		show(v, "state", FINDING_NOTE, ERR_NONE, text);
	}
}

static void show_found(struct validation *v, const char *where, struct findings *found)
{
	for (size_t i = 0; i < found->list.len; i++)
		show(v, where, found->list.at[i].level, found->list.at[i].kind, found->list.at[i].text);
	findings_fini(found);
}

static void ask_driver(struct validation *v, struct provider *p, const char *where, bool source, const struct machine *m)
{
	struct findings found = {0};
	struct err e = ERR_INIT;

	if (p->ops->validate == NULL)
		show(v, where, FINDING_NOT_CHECKED, ERR_NONE, "this provider has no checks");
	else if (p->ops->validate(p, source, m, &found, &e) < 0)
		show_err(v, where, &e);
	show_found(v, where, &found);
}

static void check_quotas(struct validation *v, const struct machine *m)
{
	const struct quota_check check = {.source = v->source, .target = v->target, .m = m, .replica = v->replica};
	struct findings source = {0}, target = {0};

	quota_check(&check, &source, &target);
	show_found(v, "source", &source);
	show_found(v, "target", &target);
}

static void check_disks(struct validation *v, const struct machine *m)
{
	char text[400];

	if (m->disks.len == 0)
		show(v, "source", FINDING_ERROR, ERR_UNSUPPORTED, "the machine has no disks: there is nothing to "
		     "replicate");
	for (size_t i = 0; i < m->disks.len; i++) {
		const struct machine_disk *d = &m->disks.at[i];

		if (d->why_not[0] == '\0')
			continue;
		snprintf(text, sizeof text, "disk %s cannot be replicated: %s", d->name, d->why_not);
		show(v, "source", FINDING_ERROR, d->why_kind, text);
	}
}

static void check_copy(struct validation *v)
{
	struct err e = ERR_INIT;

	if (replica_copy_check(&v->job, v->source, v->target, &e) < 0)
		show_err(v, "target", &e);
}

static int see_replica(void *ctx, const struct res_ref *ref)
{
	struct validation *v = ctx;
	bool ours = strcmp(ref->tags.owner, journal_owner(v->journal)) == 0;
	char text[400];

	v->half_promoted |= ours && ref->kind == RES_MACHINE;
	v->replica += ref->kind == RES_DISK && ref->tags.purpose == PURPOSE_REPLICA;
	if (ours || !res_is_replica(ref))
		return 0;
	snprintf(text, sizeof text, "replica disk %s is kept by another state directory (owner %s): run this job "
		 "from there, or choose another job name", ref->name, ref->tags.owner);
	show(v, "target", FINDING_ERROR, ERR_BUSY, text);
	return 0;
}

/* Better now than when the source is lost. */
static void check_promotion(struct validation *v, struct cloud *target)
{
	struct machine m = {0};
	struct err e = ERR_INIT;
	char text[700];

	if (v->half_promoted ||
	    (cloud_machine_get(target, v->job.target_machine, &m, &e) < 0 && e.kind == ERR_NOT_FOUND))
		return;
	if (e.kind == ERR_NONE)
		snprintf(text, sizeof text, "there is a machine %s already, so `wherry promote` cannot make one: choose "
			 "another name by \"machine\" in the job's target", v->job.target_machine);
	else
		snprintf(text, sizeof text, "`wherry promote` cannot make machine %s: %s", v->job.target_machine, e.msg);
	show(v, "target", FINDING_WARNING, ERR_NONE, text);
	machine_fini(&m);
}

static void check_replica(struct validation *v)
{
	cleanup(cleanup_free) char *promoted = NULL;
	struct err e = ERR_INIT;
	char text[400];

	if (v->journal == NULL) {
		show(v, "target", FINDING_NOT_CHECKED, ERR_NONE, "whose replica is there: the journal cannot be read");
		return;
	}
	struct cloud target = {.p = v->target, .j = v->journal, .cancel = v->c->cancel, .log = v->c->log,
			       .patience_ns = PATIENCE_NS};

	if (journal_place(v->journal, v->job.target_json, &target.place, &e) < 0 ||
	    journal_fact_get(v->journal, v->job.name, "promoted", &promoted, &e) < 0 ||
	    cloud_find(&target, v->job.name, see_replica, v, &e) < 0) {
		show_err(v, "target", &e);
		return;
	}
	if (places_check_replica(&target, v->job.name, &e) < 0)
		show_err(v, "target", &e);
	if (promoted == NULL) {
		check_promotion(v, &target);
		return;
	}
	snprintf(text, sizeof text, "the job was promoted to machine %s and is not synced any more: remove that "
		 "machine and run `wherry cleanup --discard` for this job, or use a new job name", promoted);
	show(v, "target", FINDING_ERROR, ERR_REFUSED, text);
}

static void check_places(struct validation *v)
{
	struct machine m = {0};
	struct err e = ERR_INIT;

	if (v->source->ops->machine_get(v->source, v->job.machine, &m, &e) < 0) {
		show_err(v, "source", &e);
		show(v, "", FINDING_NOT_CHECKED, ERR_NONE, "what depends on the machine: its disks, and their place "
		     "at the target");
	} else {
		struct findings own = {0};

		check_disks(v, &m);
		check_copy(v);
		findings_add_machine(&own, &m);
		show_found(v, "source", &own);
		ask_driver(v, v->source, "source", true, &m);
		ask_driver(v, v->target, "target", false, &m);
	}
	check_replica(v);
	if (e.kind == ERR_NONE)
		check_quotas(v, &m);
	machine_fini(&m);
}

static const char *plural(unsigned n)
{
	return n == 1 ? "" : "s";
}

static void sum_up(const struct validation *v, const char *name)
{
	unsigned errors = v->levels[FINDING_ERROR], warnings = v->levels[FINDING_WARNING];
	unsigned unchecked = v->levels[FINDING_NOT_CHECKED];

	if (v->c->json)
		json_line(stdout, "event:s job:s errors:u warnings:u not_checked:u", "validated", name,
			  (uint64_t)errors, (uint64_t)warnings, (uint64_t)unchecked);
	else
		printf("%s: %s: %u error%s, %u warning%s, %u not checked\n", name,
		       errors == 0 ? "ready" : "not ready", errors,
		       plural(errors), warnings, plural(warnings), unchecked);
}

int cmd_validate(struct cmd *c, struct err *e)
{
	struct validation v = {.c = c, .first = ERR_NONE};

	if (job_load(c->args[0], &v.job, &v.source, &v.target, c->log, e) < 0) {
		show_lines(&v, "", v.job.findings != NULL ? v.job.findings : e->msg, e->kind);
		show(&v, "", FINDING_NOT_CHECKED, ERR_NONE, "the machine, the places and the state directory: the job has "
		     "to be right first");
	} else {
		check_state(&v);
		check_places(&v);
	}
	sum_up(&v, v.job.name[0] != '\0' ? v.job.name : c->args[0]);
	provider_close(v.source);
	provider_close(v.target);
	journal_close(v.journal);
	state_fini(&v.state);
	job_fini(&v.job);
	if (v.first == ERR_NONE)
		return 0;
	c->reported = true;
	return err_set(e, v.first, 0, "%s is not ready", c->args[0]);
}
