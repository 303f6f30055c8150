// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "replica.h"
#include "replicate.h"


struct promote {
	struct run run;
	struct replica replica;
	struct machine machine;
	struct res_ref disks[WIRE_MAX_DISKS];
	struct cloud_res restored[WIRE_MAX_DISKS];
	unsigned restored_count;
	struct cloud_res target;
	bool began;
	bool handed; /* the fact "promoted" is set */
};

/* The replica's own disks when it is clean; else, if asked, disks from the kept snapshots of the last generation. */
static int choose_disks(struct context *c, struct promote *p, bool last_good, struct err *e)
{
	struct replica *r = &p->replica;

	for (unsigned i = 0; i < r->count; i++)
		p->disks[i] = r->disks[i].res.ref;
	if (!r->dirty)
		return 0;
	if (!last_good)
		return err_set(e, ERR_REFUSED, 0,
			       "the replica of %s is DIRTY: a run wrote to it after generation %llu and was not committed; "
			       "run `wherry sync` to finish it, or `wherry promote --last-good` to start from generation %llu",
			       c->job.name, (unsigned long long)r->generation, (unsigned long long)r->generation);
	for (unsigned i = 0; i < r->count; i++) {
		struct disk_spec spec = {.logical_sector = r->disks[i].logical_sector};
		struct journal_entry kept;
		bool found;
		char what[24];

		if (replica_generation(c, r, i, r->generation, &kept, &found, e) < 0)
			return -1;
		if (!found)
			return err_set(e, ERR_NOT_FOUND, 0, "no snapshot of generation %llu of %s is kept in %s",
				       (unsigned long long)r->generation, r->disks[i].res.ref.name, c->target_p->place);
		snprintf(what, sizeof what, "restored%u", i);
		cloud_ref(&p->restored[i], RES_DISK, PURPOSE_TARGET, journal_owner(c->journal), &p->run, what, 0);
		spec.from_snapshot = &kept.ref;
		p->restored_count = i + 1;
		if (cloud_disk_create(&c->target, &spec, &p->restored[i], e) < 0 ||
		    cloud_wait_ready(&c->target, &p->restored[i].ref, e) < 0)
			return -1;
		p->disks[i] = p->restored[i].ref;
	}
	return 0;
}

static int see_restored(void *ctx, const struct journal_entry *entry)
{
	const struct res_ref *ref = &entry->ref;
	const char **run = ctx;

	if (ref->kind != RES_DISK || ref->tags.purpose != PURPOSE_TARGET || strcmp(ref->tags.run, *run) != 0)
		return 0;
	*run = NULL;
	return 1;
}

/* A promotion that died may not have handed over all disks; and nobody may have written to them since. */
static int finish_hand_over(struct context *c, struct promote *p, const struct run *last, const char *machine,
			    struct err *e)
{
	const char *run = last->id;

	if (journal_entries(c->journal, c->job.name, see_restored, &run, e) < 0)
		return -1;
	if (run == NULL)
		return 0; /* the machine has disks of its own */
	if (replica_open_committed(c, &p->replica, e) < 0)
		return -1;
	for (unsigned i = 0; i < p->replica.count; i++) {
		const struct replica_disk *d = &p->replica.disks[i];

		if (strcmp(d->res.ref.tags.run, last->id) != 0 && (!d->believed || d->res.ref.tags.dirty))
			return err_set(e, ERR_REFUSED, 0,
				       "replica disk %s was written since machine %s was made of it, so that machine is not "
				       "started: let only one state directory run this job; remove that machine and run "
				       "`wherry cleanup --discard` for this job", d->res.ref.name, machine);
	}
	return replica_hand_over(c, last, &p->replica, e);
}

/* The machine is not there. Was it the undoing of a promotion that took it away, and died before it took back the fact, or
 * a promotion that died before it made it? Then the fact is taken back now, and there is no earlier promotion. */
static int finish_undo(struct context *c, const char *machine, struct err *e)
{
	struct journal_entry entry;
	bool found;

	if (e->kind != ERR_NOT_FOUND)
		return err_wrap(e, "job %s was promoted", c->job.name);
	if (journal_find_entry(c->journal, c->job.name, PURPOSE_TARGET, machine, &entry, &found, e) < 0)
		return -1;
	if (found && entry.state == ENTRY_CREATED)
		return err_wrap(e, "job %s was promoted", c->job.name);
	*e = (struct err)ERR_INIT;
	return journal_fact_set(c->journal, c->job.name, "promoted", NULL, e);
}

/* "promoted" is durable before the machine can run: from then on nothing writes to the replica or removes it. A promotion
 * that died after that is finished here. 1: finished; 0: there was none; -1. */
static int finish_earlier(struct context *c, struct promote *p, bool start, struct err *e)
{
	cleanup(cleanup_free) char *name = NULL;
	struct machine m = {0};
	struct run last;
	bool found;

	if (journal_fact_get(c->journal, c->job.name, "promoted", &name, e) < 0 ||
	    journal_run_last(c->journal, c->job.name, &last, &found, e) < 0)
		return -1;
	if (name == NULL)
		return 0;
	if (cloud_machine_get(&c->target, name, &m, e) < 0)
		return finish_undo(c, name, e);
	bool running = m.running;
	machine_fini(&m);
	if (running || !found || last.kind != RUN_PROMOTE || last.state == RUN_DONE)
		return err_set(e, ERR_REFUSED, 0, "job %s was promoted already: machine %s in %s", c->job.name, name,
			       c->target_p->place);
	events_step(c->events, "promote", "finishing an earlier promotion of machine %s", name);
	if (finish_hand_over(c, p, &last, name, e) < 0 ||
	    (start && cloud_machine_start(&c->target, name, e) < 0))
		return -1;
	last.state = RUN_DONE;
	last.ended_s = clock_wall_ns() / NS_PER_S;
	last.error[0] = '\0';
	events_result(c->events, "promoted", "%s", name);
	return journal_run_end(c->journal, &last, e) < 0 ? -1 : 1;
}

/* From here on the guest may write. */
static int hand_over(struct context *c, struct promote *p, struct err *e)
{
	if (journal_fact_set(c->journal, c->job.name, "promoted", p->target.ref.name, e) < 0)
		return -1;
	p->handed = true;
	return p->restored_count == 0 ? replica_hand_over(c, &p->run, &p->replica, e) : 0;
}

static int create_machine(struct context *c, struct promote *p, bool start, struct err *e)
{
	struct target_spec spec = {.like = &p->machine, .disks = p->disks, .disk_count = p->replica.count};
	bool at_once = c->target_p->ops->target_runs_at_once;

	cloud_ref(&p->target, RES_MACHINE, PURPOSE_TARGET, journal_owner(c->journal), &p->run, "machine", 0);
	snprintf(p->target.ref.name, sizeof p->target.ref.name, "%s", c->job.target_machine);
	events_step(c->events, "promote", "machine %s in %s from generation %llu", p->target.ref.name, c->target_p->place,
		    (unsigned long long)p->replica.generation);
	if (at_once && hand_over(c, p, e) < 0)
		return -1;
	if (cloud_target_create(&c->target, &spec, &p->target, e) < 0 ||
	    cloud_wait_ready(&c->target, &p->target.ref, e) < 0)
		return -1;
	if (!at_once && hand_over(c, p, e) < 0)
		return -1;
	return start ? cloud_machine_start(&c->target, p->target.ref.name, e) : 0;
}

static int work(struct context *c, struct promote *p, bool last_good, bool start, struct err *e)
{
	unsigned removed = 0;

	if (c->target_p->ops->target_create == NULL || c->target_p->ops->machine_start == NULL)
		return err_set(e, ERR_UNSUPPORTED, 0, "%s cannot create machines", c->target_p->place);
	if (c->target_p->ops->target_runs_at_once && !start)
		return err_set(e, ERR_UNSUPPORTED, 0, "%s starts a machine when it makes it: leave out --no-start",
			       c->target_p->place);
	if (recover(c, &removed, e) < 0 || replica_open_committed(c, &p->replica, e) < 0)
		return -1;
	if (p->replica.dirty && !last_good)
		return choose_disks(c, p, false, e);
	if (machine_from_json(p->replica.machine_json, &p->machine, e) < 0 ||
	    journal_run_begin(c->journal, c->job.name, RUN_PROMOTE, &p->run, e) < 0)
		return -1;
	p->began = true;
	if (journal_run_raise(c->journal, &p->run, p->replica.top_epoch + 1, e) < 0)
		return -1;
	/* A way back, should the machine spoil what it starts from. */
	if (replica_keep_generation(c, &p->run, &p->replica, e) < 0 || choose_disks(c, p, last_good, e) < 0)
		return -1;
	return create_machine(c, p, start, e);
}

/* A promotion that failed leaves no half machine. What its guest may have written is found by the next sync. */
static void undo(struct context *c, struct promote *p)
{
	struct err e = ERR_INIT;
	struct cloud stubborn = c->target;

	stubborn.cancel = NULL;
	if (p->target.row != 0 && cloud_remove(&stubborn, &p->target, &e) < 0) {
		events_warn(c->events, "%s; machine %s stays, and so do its disks", e.msg, p->target.ref.name);
		return;
	}
	if (p->handed && journal_fact_set(c->journal, c->job.name, "promoted", NULL, &e) < 0)
		events_warn(c->events, "%s", e.msg);
	for (unsigned i = 0; i < p->restored_count; i++)
		if (p->restored[i].row != 0 && cloud_remove(&stubborn, &p->restored[i], &e) < 0)
			events_warn(c->events, "%s", e.msg);
}

int replicate_promote(struct context *c, bool last_good, bool start, struct err *e)
{
	struct promote *p = mem_alloc(sizeof *p);
	struct err second = ERR_INIT;
	int done = finish_earlier(c, p, start, e);
	int rc = done != 0 ? done : work(c, p, last_good, start, e);

	if (p->began) {
		if (rc < 0)
			undo(c, p);
		p->run.state = rc == 0 ? RUN_DONE : RUN_FAILED;
		p->run.ended_s = clock_wall_ns() / NS_PER_S;
		snprintf(p->run.error, sizeof p->run.error, "%s", rc == 0 ? "" : e->msg);
		if (journal_run_end(c->journal, &p->run, &second) < 0 && rc == 0) {
			*e = second;
			rc = -1;
		}
	}
	if (p->began && rc == 0) {
		events_result(c->events, "promoted", "%s", p->target.ref.name);
		events_result(c->events, "generation", "%llu", (unsigned long long)p->replica.generation);
	}
	replica_close(&p->replica);
	machine_fini(&p->machine);
	free(p);
	return rc < 0 ? -1 : 0;
}
