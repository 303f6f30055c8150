// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "replica_copy.h"
#include "replicate.h"
#include "scaffold.h"
#include "transfer.h"

struct verify {
	struct run run;
	struct replica replica;
	struct batches batches;
	struct scaffold scaffold;
	struct pump_disk disks[WIRE_MAX_DISKS];
	bool began;
};

static int refuse_dirty(struct context *c, const struct replica *r, struct err *e)
{
	cleanup(cleanup_free) char *machine = NULL;

	if (!r->dirty)
		return 0;
	if (journal_fact_get(c->journal, c->job.name, "promoted", &machine, e) < 0)
		return -1;
	if (machine != NULL)
		return err_set(e, ERR_REFUSED, 0,
			       "job %s was promoted to machine %s: its replica may change at any time and is not verified",
			       c->job.name, machine);
	return err_set(e, ERR_REFUSED, 0,
		       "the replica of %s is DIRTY: a run wrote to it after generation %llu and was not committed; run "
		       "`wherry sync` to finish it, then verify", c->job.name, (unsigned long long)r->generation);
}

static int refuse_copied(struct context *c, const struct replica *r, struct err *e)
{
	return !replica_is_copied(r) ? 0 : err_set(e, ERR_UNSUPPORTED, 0, "generation %llu of %s was copied by the cloud itself and never hashed "
		"here: its word is all there is, and nothing to verify against", (unsigned long long)r->generation, c->job.name);
}

/* The committed manifest, authenticated by the journal's root, and the working one to mark differences in. */
static int open_manifests(struct context *c, struct verify *v, unsigned i, struct err *e)
{
	const struct generation_disk *g = &v->replica.committed[i];
	cleanup(cleanup_free) char *path = state_generation_path(&c->state, c->job.name, i, v->replica.generation);
	cleanup(cleanup_free) char *working = state_working_path(&c->state, c->job.name, i);
	uint8_t root[MANIFEST_HASH];
	uint64_t unknown;

	v->disks[i].manifest = manifest_open(path, MANIFEST_READ, &c->keys.hash, e);
	if (v->disks[i].manifest == NULL || manifest_root(v->disks[i].manifest, root, &unknown, e) < 0) {
		struct err why = *e;

		return err_set(e, why.kind, 0, "%s; `wherry sync` makes a new manifest", why.msg);
	}
	if (unknown != 0 || memcmp(root, g->root, sizeof root) != 0)
		return err_set(e, ERR_CORRUPT, 0,
			       "manifest %s is not the one that was committed (its root differs from the journal's): run "
			       "`wherry sync` to make a new one", path);
	if (access(working, F_OK) == 0) {
		v->disks[i].repair = manifest_open(working, MANIFEST_WRITE, &c->keys.hash, e);
		if (v->disks[i].repair == NULL)
			return -1;
	}
	return 0;
}

/* What differs is marked unknown already; now the replica itself says that it is no generation, so that it is neither
 * promoted nor kept as one. The manifests follow its epoch: the next sync sends those chunks only. */
static void mark_damaged(struct context *c, struct verify *v)
{
	struct err e = ERR_INIT;

	for (unsigned i = 0; i < v->replica.count; i++) {
		if (v->disks[i].repair == NULL)
			continue; /* a sync without it hashes the replica anyway */
		struct manifest_info info = *manifest_info(v->disks[i].repair);

		info.epoch = v->run.epoch;
		if (manifest_set_info(v->disks[i].repair, &info, &e) < 0)
			events_warn(c->events, "%s", e.msg);
	}
	if (replica_hand_over(c, &v->run, &v->replica, &e) < 0)
		events_warn(c->events, "%s", e.msg);
}

static bool is_damaged(const struct verify *v)
{
	for (unsigned i = 0; i < v->replica.count; i++)
		if (v->disks[i].differing != 0)
			return true;
	return false;
}

static int judge(struct context *c, struct verify *v, struct err *e)
{
	for (unsigned i = 0; i < v->replica.count; i++) {
		const struct pump_disk *d = &v->disks[i];
		const struct replica_disk *rd = &v->replica.disks[i];

		if (d->differing != 0)
			return err_set(e, ERR_CORRUPT, 0,
				       "%llu chunk%s of replica disk %s differ%s from generation %llu, the first at byte %llu: "
				       "run `wherry sync`, which sends what differs", (unsigned long long)d->differing,
				       d->differing == 1 ? "" : "s", rd->res.ref.name, d->differing == 1 ? "s" : "",
				       (unsigned long long)v->replica.generation, (unsigned long long)d->first_differing);
		if (!d->done || memcmp(d->root, v->replica.committed[i].root, MANIFEST_HASH) != 0)
			return err_set(e, ERR_CORRUPT, 0, "the root of replica disk %s differs from generation %llu's",
				       rd->res.ref.name, (unsigned long long)v->replica.generation);
		events_step(c->events, "verified", "%s: %llu bytes equal generation %llu", rd->res.ref.name,
			    (unsigned long long)rd->size, (unsigned long long)v->replica.generation);
	}
	events_result(c->events, "verified", "%llu", (unsigned long long)v->replica.generation);
	return 0;
}

static int work(struct context *c, struct verify *v, struct err *e)
{
	unsigned removed = 0;

	if (recover(c, &removed, e) < 0 || replica_open_committed(c, &v->replica, e) < 0 ||
	    refuse_dirty(c, &v->replica, e) < 0 || refuse_copied(c, &v->replica, e) < 0 ||
	    batches_divide(c, v->replica.count, false, &v->batches, e) < 0)
		return -1;
	for (unsigned i = 0; i < v->replica.count; i++)
		if (open_manifests(c, v, i, e) < 0)
			return -1;
	if (journal_run_begin(c->journal, c->job.name, RUN_VERIFY, &v->run, e) < 0)
		return -1;
	scaffold_init(&v->scaffold, c, &v->run, &v->batches);
	v->began = true;
	if (journal_run_raise(c->journal, &v->run, v->replica.top_epoch + 1, e) < 0)
		return -1;
	c->job.chunk_size = v->replica.committed[0].chunk_size; /* the grid of that generation, whatever the job says now */
	for (unsigned i = 0; i < v->batches.count; i++)
		if (scaffold_workers(&v->scaffold, &v->replica, i, false, true, e) < 0 ||
		    transfer_compare(&v->scaffold, &v->replica, v->disks, e) < 0)
			return -1;
	return 0;
}

int replicate_verify(struct context *c, struct err *e)
{
	struct verify *v = mem_alloc(sizeof *v);
	struct err second = ERR_INIT;
	int rc = work(c, v, e);

	if (rc == 0) {
		rc = judge(c, v, e);
		if (rc < 0 && e->kind == ERR_CORRUPT)
			mark_damaged(c, v);
	} else if (v->began && is_damaged(v)) {
		/* Not all was compared, but what was is not the generation. */
		if (judge(c, v, &second) < 0)
			events_warn(c->events, "%s", second.msg);
		mark_damaged(c, v);
		second = (struct err)ERR_INIT;
	}
	if (v->began) {
		if (scaffold_remove(&v->scaffold, &second) < 0 && rc == 0) {
			*e = second;
			rc = -1;
		}
		v->run.state = rc == 0 ? RUN_DONE : RUN_FAILED;
		v->run.ended_s = clock_wall_ns() / NS_PER_S;
		snprintf(v->run.error, sizeof v->run.error, "%s", rc == 0 ? "" : e->msg);
		if (journal_run_end(c->journal, &v->run, &second) < 0 && rc == 0) {
			*e = second;
			rc = -1;
		}
	}
	for (unsigned i = 0; i < WIRE_MAX_DISKS; i++) {
		manifest_close(v->disks[i].manifest);
		manifest_close(v->disks[i].repair);
	}
	replica_close(&v->replica);
	free(v);
	return rc;
}
