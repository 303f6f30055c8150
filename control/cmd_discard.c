// SPDX-License-Identifier: Apache-2.0
/* `wherry cleanup --discard JOB.json`: the replica is given up, with everything that was made for it. */
#include <errno.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "commands.h"
#include "json_line.h"
#include "places.h"
#include "replicate.h"

/* What still uses a disk will not let go of it by itself. */
#define PATIENCE_NS (20 * NS_PER_S)

struct doomed {
	struct cloud_res res;
	struct cloud *cloud;
};

struct discard {
	struct cmd *c;
	struct context x;
	struct cloud *finding;      /* the place that is being asked */
	bool machine_is_gone;       /* the promoted one, so that its disks may go */
	VEC(struct doomed) list;
	unsigned removed;
	struct journal_entry elsewhere; /* row 0: nothing is in a place that the job does not name */
};

/* A promoted machine runs on the replica's disks. */
static int refuse_promoted(struct discard *d, struct err *e)
{
	struct context *x = &d->x;
	cleanup(cleanup_free) char *name = NULL;
	struct machine m = {0};
	struct err why = ERR_INIT;

	if (journal_fact_get(x->journal, x->job.name, "promoted", &name, e) < 0)
		return -1;
	d->machine_is_gone = true;
	if (name == NULL)
		return 0;
	int rc = cloud_machine_get(&x->target, name, &m, &why);
	machine_fini(&m);
	if (rc < 0 && why.kind == ERR_NOT_FOUND)
		return 0;
	if (rc < 0) {
		*e = why;
		return -1;
	}
	return err_set(e, ERR_REFUSED, 0,
		       "job %s was promoted: machine %s in %s runs on the replica's disks, so they are not removed; "
		       "remove that machine first if it is not needed any more", x->job.name, name, x->target_p->place);
}

static bool is_doomed(const struct discard *d, const struct res_ref *ref)
{
	enum res_purpose p = ref->tags.purpose;

	return p == PURPOSE_REPLICA || p == PURPOSE_COPY || p == PURPOSE_GENERATION || p == PURPOSE_BASELINE ||
	       (p == PURPOSE_TARGET && d->machine_is_gone);
}

static int add_entry(void *ctx, const struct journal_entry *entry)
{
	struct discard *d = ctx;
	struct cloud *cloud = entry->place == d->x.source.place ? &d->x.source
			      : entry->place == d->x.target.place ? &d->x.target : NULL;

	if (cloud == NULL && is_doomed(d, &entry->ref))
		d->elsewhere = *entry;
	else if (is_doomed(d, &entry->ref))
		*vec_push(&d->list) = (struct doomed){.res = {.ref = entry->ref, .row = entry->row}, .cloud = cloud};
	return 0;
}

static int add_found(void *ctx, const struct res_ref *ref)
{
	struct discard *d = ctx;

	if (strcmp(ref->tags.owner, journal_owner(d->x.journal)) != 0 || !is_doomed(d, ref))
		return 0;
	for (size_t i = 0; i < d->list.len; i++)
		if (d->list.at[i].res.ref.kind == ref->kind && strcmp(d->list.at[i].res.ref.name, ref->name) == 0)
			return 0;
	*vec_push(&d->list) = (struct doomed){.res = {.ref = *ref}, .cloud = d->finding};
	return 0;
}

/* The job named another place before: forgetting what is there would leave it on the bill, and still in the way. */
static int refuse_elsewhere(struct discard *d, struct err *e)
{
	const struct res_ref *ref = &d->elsewhere.ref;
	cleanup(cleanup_free) char *json = NULL;
	struct err why = ERR_INIT;

	if (d->elsewhere.row == 0)
		return 0;
	if (journal_place_json(d->x.journal, d->elsewhere.place, &json, e) < 0)
		return -1;
	struct provider *p = place_open(json, d->c->log, &why);
	err_set(e, ERR_REFUSED, 0,
		"job %s also has %s %s in %s, which %s does not name: nothing was discarded; do it with a job file that "
		"names that place, or give this job a new name", d->x.job.name, res_kind_name(ref->kind), ref->name,
		p != NULL ? p->place : json, d->c->args[0]);
	provider_close(p);
	return -1;
}

static int collect(struct discard *d, struct err *e)
{
	struct cloud *clouds[] = {&d->x.target, &d->x.source};

	if (journal_entries(d->x.journal, d->x.job.name, add_entry, d, e) < 0 || refuse_elsewhere(d, e) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		d->finding = clouds[i];
		if (cloud_find(clouds[i], d->x.job.name, add_found, d, e) < 0)
			return -1;
	}
	return 0;
}

/* Machines hold disks, restored disks hold snapshots, snapshots hold the replica. */
static int rank(const struct doomed *d)
{
	static const int ranks[PURPOSE_KINDS] = {
		[PURPOSE_SCAFFOLD] = 0, [PURPOSE_TARGET] = 1, [PURPOSE_GENERATION] = 2, [PURPOSE_BASELINE] = 3,
		[PURPOSE_REPLICA] = 4, [PURPOSE_COPY] = 4,
	};

	return ranks[d->res.ref.tags.purpose] * RES_KINDS + res_kind_removal_rank(d->res.ref.kind);
}

static int by_rank(const void *a, const void *b)
{
	return rank(a) - rank(b);
}

static int hold_replica(struct discard *d, struct err *e)
{
	struct provider *p = d->x.target_p;

	for (size_t i = 0; i < d->list.len; i++) {
		const struct res_ref *ref = &d->list.at[i].res.ref;

		if (ref->tags.purpose == PURPOSE_REPLICA && p->ops->replica_lock != NULL &&
		    cloud_replica_lock(&d->x.target, ref, "wherry cleanup --discard", e) < 0 && e->kind != ERR_NOT_FOUND)
			return -1;
	}
	*e = (struct err)ERR_INIT;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

/* The journal forgets first: a generation without its replica would be believed, a replica without one is hashed. */
static int forget(struct discard *d, struct err *e)
{
	cleanup(cleanup_free) char *folder = state_path(&d->x.state, "manifests/%s", d->x.job.name);

	if (journal_forget_replica(d->x.journal, d->x.job.name, e) < 0)
		return -1;
	if (nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
		return err_set(e, err_kind_of_errno(errno), errno, "cannot remove the manifests in %s", folder);
	return 0;
}

static void say(const struct discard *d, const struct doomed *gone)
{
	const struct res_ref *ref = &gone->res.ref;
	const char *kind = res_kind_name(ref->kind), *purpose = res_purpose_name(ref->tags.purpose);

	if (d->c->json)
		json_line(stdout, "event:s kind:s name:s id:s place:s purpose:s job:s", "discarding", kind, ref->name,
			  ref->id, gone->cloud->p->place, purpose, d->x.job.name);
	else
		printf("discarding %s %s %s in %s\n", purpose, kind, ref->name, gone->cloud->p->place);
	fflush(stdout);
}

static int remove_all(struct discard *d, struct err *e)
{
	struct err first = ERR_INIT;

	for (size_t i = 0; i < d->list.len; i++) {
		struct doomed *gone = &d->list.at[i];
		struct cloud patient = *gone->cloud;
		struct err why = ERR_INIT;

		patient.patience_ns = PATIENCE_NS;
		say(d, gone);
		if (cloud_remove(&patient, &gone->res, &why) == 0)
			d->removed++;
		else if (first.kind == ERR_NONE)
			first = why;
		else
			log_warn(d->c->log, "%s", why.msg);
		if (why.kind == ERR_CANCELED)
			break;
	}
	*e = first;
	return first.kind == ERR_NONE ? 0 : -1;
}

static int discard(struct discard *d, struct err *e)
{
	unsigned swept = 0;

	if (refuse_promoted(d, e) < 0 || recover(&d->x, &swept, e) < 0 || collect(d, e) < 0 || hold_replica(d, e) < 0)
		return -1;
	if (d->list.len != 0)
		qsort(d->list.at, d->list.len, sizeof *d->list.at, by_rank);
	if (forget(d, e) < 0 || remove_all(d, e) < 0)
		return -1;
	if (d->c->json)
		json_line(stdout, "event:s job:s removed:u", "discarded", d->x.job.name,
			  (uint64_t)(d->removed + swept));
	else
		printf("%s: %u removed; the job has no replica any more\n", d->x.job.name, d->removed + swept);
	return 0;
}

int cmd_discard(struct cmd *c, struct err *e)
{
	struct discard *d;
	char line[200];

	if (c->args[0] == NULL)
		return err_set(e, ERR_USAGE, 0, "--discard needs the job whose replica is given up: wherry cleanup "
			       "--discard JOB.json");
	d = mem_alloc(sizeof *d);
	d->c = c;
	int rc = context_open(&d->x, c->args[0], c->state_dir, true, cmd_line(c, line, sizeof line), NULL, c->log,
			      c->cancel, e);
	if (rc == 0) {
		rc = discard(d, e);
		context_close(&d->x);
	}
	vec_fini(&d->list);
	free(d);
	return rc;
}
