// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/wire.h"
#include "replicate.h"

struct leftovers {
	struct context *c;
	struct cloud_res found[WIRE_MAX_DISKS + 1];
	unsigned count;
};

static int collect_target(void *ctx, const struct journal_entry *entry)
{
	struct leftovers *l = ctx;

	if (entry->ref.tags.purpose == PURPOSE_TARGET && entry->place == l->c->target.place &&
	    entry->state != ENTRY_INTENDED && l->count < sizeof l->found / sizeof l->found[0])
		l->found[l->count++] = (struct cloud_res){.ref = entry->ref, .row = entry->row};
	return 0;
}

/* A promotion that died before its machine could run ("promoted" is set first): its machine, then its disks, go. */
static int undo_promotion(struct context *c, unsigned *removed, struct err *e)
{
	struct leftovers l = {.c = c};
	cleanup(cleanup_free) char *machine = NULL;

	if (journal_fact_get(c->journal, c->job.name, "promoted", &machine, e) < 0)
		return -1;
	if (machine != NULL)
		return 0;
	if (journal_entries(c->journal, c->job.name, collect_target, &l, e) < 0)
		return -1;
	for (int disks = 0; disks < 2; disks++)
		for (unsigned i = 0; i < l.count; i++) {
			if ((l.found[i].ref.kind == RES_DISK) != (disks == 1))
				continue;
			if (cloud_remove(&c->target, &l.found[i], e) < 0)
				return -1;
			++*removed;
		}
	return 0;
}

static int collect_replica(void *ctx, const struct journal_entry *entry)
{
	struct leftovers *l = ctx;

	if (entry->ref.tags.purpose == PURPOSE_REPLICA && entry->place == l->c->target.place &&
	    entry->state == ENTRY_CREATED && l->count < sizeof l->found / sizeof l->found[0])
		l->found[l->count++] = (struct cloud_res){.ref = entry->ref, .row = entry->row};
	return 0;
}

/* A copy of this state directory has our owner id, and its run may be alive: only who holds the replica may sweep. */
static int hold_replica(struct context *c, struct err *e)
{
	struct leftovers *l = mem_alloc(sizeof *l);
	struct provider *p = c->target_p;
	char holder[200], host[80] = "";

	l->c = c;
	gethostname(host, sizeof host - 1);
	snprintf(holder, sizeof holder, "job %s, pid %ld on %s", c->job.name, (long)getpid(), host);
	int rc = journal_entries(c->journal, c->job.name, collect_replica, l, e);
	for (unsigned i = 0; rc == 0 && p->ops->replica_lock != NULL && i < l->count; i++) {
		struct err why = ERR_INIT;

		/* One that is not there, or cannot be opened, is for the run to tell of. */
		if (cloud_replica_lock(&c->target, &l->found[i].ref, holder, &why) < 0 && why.kind == ERR_BUSY) {
			*e = why;
			rc = -1;
		}
	}
	free(l);
	return rc;
}

int recover(struct context *c, unsigned *removed, struct err *e)
{
	const char *owner = journal_owner(c->journal);
	unsigned here = 0, there = 0, dead = 0;
	struct err second = ERR_INIT;

	*removed = 0;
	if (hold_replica(c, e) < 0)
		return -1;
	/* Both places are swept, whatever the first says; a worker that may still write to the replica goes first. */
	int rc = cloud_sweep(&c->target, owner, c->job.name, &there, e);
	int rc2 = c->source.place == c->target.place ? 0 : cloud_sweep(&c->source, owner, c->job.name, &here, &second);
	*removed = here + there;
	if (rc < 0 && rc2 < 0)
		log_warn(c->log, "%s", second.msg);
	if (rc == 0 && rc2 < 0) {
		*e = second;
		rc = -1;
	}
	if (rc < 0)
		return err_wrap(e, "cleaning up after a run that died");
	if (undo_promotion(c, removed, e) < 0)
		return -1;
	/* The job's lock is held, so a run that has not ended has no process any more. */
	return journal_runs_end_dead(c->journal, c->job.name, &dead, e);
}
