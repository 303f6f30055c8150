// SPDX-License-Identifier: Apache-2.0
#include "replicate.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "quota.h"
#include "replica.h"
#include "replica_copy.h"
#include "scaffold.h"
#include "transfer.h"

/* What one sync works on; on the heap because the tables of disks are large. */
struct sync {
	struct machine machine;
	struct run run;
	struct replica replica;
	struct batches batches;
	struct scaffold scaffold;
	struct source_hints hints;
	struct transfer_totals totals;
	uint8_t roots[WIRE_MAX_DISKS][MANIFEST_HASH];
	bool began;
};

static int refuse_promoted(struct context *c, struct err *e)
{
	cleanup(cleanup_free) char *machine = NULL;

	if (journal_fact_get(c->journal, c->job.name, "promoted", &machine, e) < 0)
		return -1;
	if (machine == NULL)
		return 0;
	return err_set(e, ERR_REFUSED, 0,
		       "job %s was promoted: its replica now is machine %s in %s and would be overwritten; remove that "
		       "machine and run `wherry cleanup --discard` for this job, or use a new job name",
		       c->job.name, machine, c->target_p->place);
}

/* Refuse before anything is made: what the drivers say, errors only. */
static int check_both(struct context *c, const struct machine *m, struct err *e)
{
	struct quota_check quotas = {.source = c->source_p, .target = c->target_p, .m = m};
	struct findings f = {0};
	int rc = cloud_validate(&c->source, true, m, &f, e);

	if (rc == 0)
		rc = cloud_validate(&c->target, false, m, &f, e);
	if (rc == 0)
		rc = quota_count_replica(&c->target, c->job.name, &quotas.replica, e);
	if (rc == 0)
		quota_check(&quotas, &f, &f);
	findings_add_machine(&f, m);
	for (size_t i = 0; rc == 0 && i < f.list.len; i++) {
		const struct finding *found = &f.list.at[i];

		if (found->level == FINDING_ERROR)
			rc = err_set(e, found->kind, 0, "%s (`wherry validate` shows everything)", found->text);
		else if (found->level == FINDING_WARNING)
			events_warn(c->events, "%s", found->text);
	}
	findings_fini(&f);
	return rc;
}

static int prepare(struct context *c, struct sync *s, struct err *e)
{
	unsigned removed = 0;

	if (refuse_promoted(c, e) < 0 || recover(c, &removed, e) < 0)
		return -1;
	if (removed != 0)
		events_step(c->events, "recover", "removed %u resources of a run that died", removed);
	if (cloud_machine_get(&c->source, c->job.machine, &s->machine, e) < 0 ||
	    check_both(c, &s->machine, e) < 0 ||
	    (c->job.copy == COPY_BY_WORKER && batches_divide(c, (unsigned)s->machine.disks.len, true, &s->batches, e) < 0))
		return -1;
	if (journal_run_begin(c->journal, c->job.name, RUN_SYNC, &s->run, e) < 0)
		return -1;
	s->began = true;
	scaffold_init(&s->scaffold, c, &s->run, &s->batches);
	return 0;
}

static int copy_batch(struct context *c, struct sync *s, unsigned i, struct err *e)
{
	if (scaffold_workers(&s->scaffold, &s->replica, i, true, false, e) < 0)
		return -1;
	if (replica_begin_writing(c, &s->run, &s->replica, s->scaffold.batch, e) < 0)
		return -1;
	if (transfer_rehash(&s->scaffold, &s->replica, e) < 0)
		return -1;
	return transfer_copy(&s->scaffold, &s->replica, &s->hints, s->roots, &s->totals, e);
}

/* The picture of ARCHITECTURE, top to bottom. */
static int work(struct context *c, struct sync *s, struct err *e)
{
	if (replica_open(c, &s->machine, &s->run, &s->replica, e) < 0)
		return -1;
	if (replica_keep_generation(c, &s->run, &s->replica, e) < 0)
		return -1;
	if (scaffold_source_disks(&s->scaffold, &s->machine, e) < 0)
		return -1;
	for (unsigned i = 0; i < s->replica.count; i++)
		memcpy(s->replica.disks[i].baseline, s->scaffold.snapshots[i].ref.id, RES_ID_SIZE);
	if (source_hints_gather(c, &s->machine, &s->replica, &s->hints, e) < 0)
		return -1;
	for (unsigned i = 0; i < s->batches.count; i++)
		if (copy_batch(c, s, i, e) < 0)
			return -1;
	return replica_commit(c, &s->run, &s->replica, &s->machine, (const uint8_t (*)[MANIFEST_HASH])s->roots, e);
}

/* The same where the cloud itself copies: replica_copy.h. */
static int work_by_cloud(struct context *c, struct sync *s, struct err *e)
{
	if (replica_copy_open(c, &s->machine, &s->run, &s->replica, e) < 0)
		return -1;
	if (scaffold_snapshots(&s->scaffold, &s->machine, e) < 0)
		return -1;
	return replica_copy_make(c, &s->machine, s->scaffold.snapshots, &s->run, &s->replica, e);
}

static const char *hints_word(const struct sync *s)
{
	unsigned used = 0, refuted = 0;

	for (unsigned i = 0; i < s->replica.count; i++) {
		used += s->replica.disks[i].hinted;
		refuted += s->hints.refuted[i];
	}
	return refuted > 0 ? "refuted" : used == 0 ? "none" : used < s->replica.count ? "some" : "all";
}

static void report(struct context *c, const struct sync *s)
{
	const struct transfer_totals *t = &s->totals;
	char text[PACKING_TEXT], ratio[32];

	events_result(c->events, "generation", "%llu", (unsigned long long)s->replica.generation);
	events_result(c->events, "read", "%llu", (unsigned long long)t->read);
	events_result(c->events, "zero", "%llu", (unsigned long long)t->zero);
	events_result(c->events, "unchanged", "%llu", (unsigned long long)t->unchanged);
	events_result(c->events, "sent", "%llu", (unsigned long long)t->sent);
	events_result(c->events, "wire", "%llu", (unsigned long long)t->wire);
	events_result(c->events, "sent_raw", "%llu", (unsigned long long)packing_raw_bytes(&t->packing));
	events_result(c->events, "levels", "%s", packing_text(&t->packing, text));
	events_result(c->events, "ratio", "%s", packing_ratio(&t->packing, ratio));
	events_result(c->events, "written", "%llu", (unsigned long long)t->written);
	events_result(c->events, "checkpoints", "%llu", (unsigned long long)t->checkpoints);
	events_result(c->events, "hints", "%s", hints_word(s));
	events_result(c->events, "attempts", "%u", t->attempts);
	events_result(c->events, "cuts", "%u", t->cuts);
	events_result(c->events, "seconds", "%lld", (long long)(s->run.ended_s - s->run.started_s));
}

static int end_run(struct context *c, struct sync *s, int rc, struct err *e)
{
	struct err second = ERR_INIT;

	s->run.state = rc == 0 ? RUN_DONE : RUN_FAILED;
	s->run.ended_s = clock_wall_ns() / NS_PER_S;
	snprintf(s->run.error, sizeof s->run.error, "%s", rc == 0 ? "" : e->msg);
	s->run.read = s->totals.read;
	s->run.zero = s->totals.zero;
	s->run.unchanged = s->totals.unchanged;
	s->run.sent = s->totals.sent;
	s->run.wire = s->totals.wire;
	s->run.sent_raw = packing_raw_bytes(&s->totals.packing);
	packing_text(&s->totals.packing, s->run.levels);
	s->run.written = s->totals.written;
	s->run.checkpoints = s->totals.checkpoints;
	if (journal_run_end(c->journal, &s->run, &second) < 0 && rc == 0) {
		*e = second;
		return -1;
	}
	return rc;
}

/* What is still to be paid for goes, whatever else would not; the first error is the result. */
static int remove_leftovers(struct context *c, struct sync *s, bool by_cloud, struct err *e)
{
	struct err why = ERR_INIT;
	int rc = scaffold_remove(&s->scaffold, e);

	if (!by_cloud || replica_copy_settle(c, &why) == 0)
		return rc;
	if (rc < 0)
		events_warn(c->events, "%s", why.msg);
	else
		*e = why;
	return -1;
}

int replicate_sync(struct context *c, struct err *e)
{
	struct sync *s = mem_alloc(sizeof *s);
	struct err second = ERR_INIT;
	int rc = prepare(c, s, e);

	bool by_cloud = c->job.copy == COPY_BY_CLOUD;
	if (rc == 0)
		rc = by_cloud ? work_by_cloud(c, s, e) : work(c, s, e);
	if (s->began) {
		int left = remove_leftovers(c, s, by_cloud, &second);

		if (rc < 0)
			replica_unmake(c, &s->run, &s->replica);

		if (rc == 0 && left < 0) {
			*e = second; /* the copy is committed; the bill is not clean */
			rc = -1;
		} else if (left < 0) {
			events_warn(c->events, "%s", second.msg);
		}
		if (rc == 0)
			rc = replica_drop_old_generations(c, &s->replica, e);
		rc = end_run(c, s, rc, e);
	}
	if (rc == 0)
		report(c, s);
	source_hints_fini(&s->hints);
	replica_close(&s->replica);
	machine_fini(&s->machine);
	free(s);
	return rc;
}
