// SPDX-License-Identifier: Apache-2.0
#include "replica_copy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/vec.h"
#include "places.h"

bool replica_copy_is_possible(const struct provider *source, const struct provider *target)
{
	return target->ops->copies_from != NULL && target->ops->copies_from(target, source);
}

int replica_copy_check(const struct job *job, const struct provider *source, const struct provider *target, struct err *e)
{
	if (job->copy == COPY_BY_WORKER || replica_copy_is_possible(source, target))
		return 0;
	return err_set(e, ERR_UNSUPPORTED, 0, "the cloud itself cannot copy from %s to %s, which takes one account and region of a cloud that "
		       "does: leave out \"copy\": \"cloud\"", source->place, target->place);
}

bool replica_is_copied(const struct replica *r)
{
	return r->generation > 0 && r->committed_count > 0 && r->committed[0].chunk_size == 0;
}

/* ---- What is there ---- */

struct looking {
	const char *owner;
	uint64_t top_epoch;
	struct res_ref foreign, by_worker; /* one of each, if there is any */
	VEC(struct res_ref) handed;        /* copies that are a machine's disks */
};

static int look(void *ctx, const struct res_ref *ref)
{
	struct looking *l = ctx;

	if (!res_is_replica(ref))
		return 0;
	if (ref->tags.epoch > l->top_epoch)
		l->top_epoch = ref->tags.epoch;
	if (strcmp(ref->tags.owner, l->owner) != 0)
		l->foreign = *ref;
	else if (ref->tags.purpose == PURPOSE_REPLICA)
		l->by_worker = *ref;
	else if (ref->tags.dirty)
		*vec_push(&l->handed) = *ref;
	return 0;
}

static int refuse(const struct context *c, const struct machine *m, const struct looking *l, struct err *e)
{
	for (size_t i = 0; i < m->disks.len; i++)
		if (m->disks.at[i].why_not[0] != '\0')
			return err_set(e, m->disks.at[i].why_kind, 0, "disk %s cannot be replicated: %s", m->disks.at[i].name,
				       m->disks.at[i].why_not);
	if (m->disks.len == 0 || m->disks.len > WIRE_MAX_DISKS)
		return err_set(e, ERR_UNSUPPORTED, 0, "machine %s has %zu disks; 1 to %d can be replicated", m->name, m->disks.len,
			       WIRE_MAX_DISKS);
	if (l->foreign.name[0] != '\0')
		return err_set(e, ERR_BUSY, 0, "replica disk %s in %s is kept by another state directory (owner %s): run this job from there, or "
			       "choose another job name", l->foreign.name, c->target_p->place, l->foreign.tags.owner);
	if (l->by_worker.name[0] != '\0')
		return err_set(e, ERR_REFUSED, 0, "replica disk %s was written by workers: leave out \"copy\": \"cloud\", or discard that replica with "
			       "`wherry cleanup --discard` and start over", l->by_worker.name);
	return 0;
}

/* The journal may be from before the promotion: then nothing else keeps the machine's disks from being replaced. */
static int refuse_handed(struct context *c, const struct looking *l, struct err *e)
{
	bool known = true;

	for (size_t i = 0; i < l->handed.len; i++) {
		const struct res_ref *ref = &l->handed.at[i];

		if (replica_knows_run(c, &ref->tags, &known, e) < 0)
			return -1;
		if (!known)
			return err_set(e, ERR_REFUSED, 0, "replica disk %s in %s was handed to a machine by a run that this state directory "
				       "does not know (%s): bring back the one that promoted it; or, when that machine is removed, run `wherry "
				       "cleanup --discard` for this job", ref->name, c->target_p->place, ref->tags.run);
	}
	return 0;
}

int replica_copy_open(struct context *c, const struct machine *m, struct run *run, struct replica *r, struct err *e)
{
	struct looking l = {.owner = journal_owner(c->journal)};
	int rc = -1;

	*r = (struct replica){0};
	if (replica_copy_check(&c->job, c->source_p, c->target_p, e) == 0 &&
	    journal_last_generation(c->journal, c->job.name, &r->generation, &r->committed_s, r->committed, WIRE_MAX_DISKS,
				    &r->committed_count, &r->machine_json, e) == 0 &&
	    places_check_replica(&c->target, c->job.name, e) == 0 && cloud_find(&c->target, c->job.name, look, &l, e) == 0 &&
	    refuse(c, m, &l, e) == 0 && refuse_handed(c, &l, e) == 0)
		rc = journal_run_raise(c->journal, run, l.top_epoch + 1, e);
	vec_fini(&l.handed);
	return rc;
}

struct wanted {
	int64_t place;
	uint64_t generation;
	char prefix[RES_NAME_SIZE], *name;
};

static int see_entry(void *ctx, const struct journal_entry *entry)
{
	const struct wanted *w = ctx;
	const struct res_ref *ref = &entry->ref;

	if (entry->place != w->place || ref->tags.purpose != PURPOSE_COPY || ref->tags.generation != w->generation ||
	    strncmp(ref->name, w->prefix, strlen(w->prefix)) != 0)
		return 0;
	snprintf(w->name, RES_NAME_SIZE, "%s", ref->name);
	return 1;
}

int replica_copy_name(struct context *c, uint64_t generation, unsigned i, char name[RES_NAME_SIZE], struct err *e)
{
	struct wanted w = {.place = c->target.place, .generation = generation, .name = name};

	snprintf(w.prefix, sizeof w.prefix, "wherry-%.40s-disk%u-", c->job.name, i);
	name[0] = '\0';
	return journal_entries(c->journal, c->job.name, see_entry, &w, e);
}

/* ---- Making ---- */

static int begin_disk(struct context *c, const struct machine *m, unsigned i, const struct cloud_res *snapshot,
		      const struct run *run, struct replica *r, struct err *e)
{
	const struct machine_disk *d = &m->disks.at[i];
	struct disk_spec spec = {.size = d->size, .logical_sector = d->logical_sector, .from_snapshot = &snapshot->ref,
				 .boots = d->boot, .firmware = m->firmware};
	struct cloud_res *res = &r->disks[i].res;
	char what[24];

	snprintf(what, sizeof what, "disk%u", i);
	cloud_ref(res, RES_DISK, PURPOSE_COPY, journal_owner(c->journal), run, what, 0);
	res->ref.tags.generation = r->generation + 1;
	events_step(c->events, "create", "replica disk %s, which the cloud itself copies", res->ref.name);
	return cloud_disk_create(&c->target, &spec, res, e);
}

static int finish_disk(struct context *c, const struct machine_disk *d, const struct res_ref *ref, struct err *e)
{
	struct machine_disk got = {0};

	if (cloud_wait_ready(&c->target, ref, e) < 0 || cloud_disk_get(&c->target, ref, &got, e) < 0)
		return -1;
	if (got.size < d->size || got.logical_sector != d->logical_sector)
		return err_set(e, ERR_CORRUPT, 0, "the cloud made replica disk %s with %" PRIu64 " bytes in sectors of %u, and disk %s has %" PRIu64
			       " in sectors of %u: not committed", ref->name, got.size, got.logical_sector, d->name, d->size,
			       d->logical_sector);
	return 0;
}

static int commit(struct context *c, const struct machine *m, struct run *run, struct replica *r, struct err *e)
{
	cleanup(cleanup_free) char *json = machine_to_json(m);

	for (unsigned i = 0; i < m->disks.len; i++) {
		const struct machine_disk *d = &m->disks.at[i];
		struct generation_disk *g = &r->committed[i];

		*g = (struct generation_disk){.index = i, .size = d->size, .sector_size = d->logical_sector};
		snprintf(g->source_disk, sizeof g->source_disk, "%s", d->id);
	}
	/* "hinted": it was not read whole. */
	if (journal_run_state(c->journal, run, RUN_COMMITTING, e) < 0 ||
	    journal_commit(c->journal, c->job.name, run->id, r->generation + 1, true, r->committed, (unsigned)m->disks.len, json, e) < 0)
		return -1;
	r->generation++;
	r->committed_count = (unsigned)m->disks.len;
	r->committed_s = clock_wall_ns() / NS_PER_S;
	return 0;
}

int replica_copy_make(struct context *c, const struct machine *m, const struct cloud_res *snapshots, struct run *run,
		      struct replica *r, struct err *e)
{
	uint64_t bytes = 0;

	/* All at once: the cloud copies them side by side. */
	for (unsigned i = 0; i < m->disks.len; i++)
		if (begin_disk(c, m, i, &snapshots[i], run, r, e) < 0)
			return -1;
	for (unsigned i = 0; i < m->disks.len; i++) {
		if (finish_disk(c, &m->disks.at[i], &r->disks[i].res.ref, e) < 0)
			return -1;
		bytes += m->disks.at[i].size;
	}
	if (commit(c, m, run, r, e) < 0)
		return -1;
	events_result(c->events, "copied", "%" PRIu64, bytes);
	return 0;
}

int replica_copy_settle(struct context *c, struct err *e)
{
	struct cloud stubborn = c->target;
	unsigned removed;

	stubborn.cancel = NULL;
	return cloud_sweep(&stubborn, journal_owner(c->journal), c->job.name, &removed, e);
}
