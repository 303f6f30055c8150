// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "replicate.h"

int recover(struct context *c, unsigned *removed, struct err *e)
{
	const char *owner = journal_owner(c->journal);
	unsigned here = 0, there = 0, dead = 0;
	struct err second = ERR_INIT;

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
	/* The job's lock is held, so a run that has not ended has no process any more. */
	return journal_runs_end_dead(c->journal, c->job.name, &dead, e);
}
