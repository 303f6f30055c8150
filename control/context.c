// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "base/clock.h"
#include "places.h"
#include "replicate.h"

static void join(struct cloud *cloud, struct context *c, struct provider *p)
{
	cloud->p = p;
	cloud->j = c->journal;
	cloud->cancel = c->cancel;
	cloud->log = c->log;
	cloud->events = c->events;
	cloud->resource_ns = c->job.resource_timeout_seconds * NS_PER_S;
}

static int open_places(struct context *c, struct err *e)
{
	join(&c->source, c, c->source_p);
	join(&c->target, c, c->target_p);
	if (journal_place(c->journal, c->job.source_json, &c->source.place, e) < 0 ||
	    journal_place(c->journal, c->job.target_json, &c->target.place, e) < 0)
		return -1;
	return c->lock < 0 ? 0 : places_settle((struct cloud *const[]){&c->target, &c->source}, 2, c->job.name, e);
}

int context_open(struct context *c, const char *file, const char *state_dir, bool lock, const char *command,
		 struct events *ev, const struct log *log, const atomic_bool *cancel, struct err *e)
{
	*c = (struct context){.events = ev, .log = log, .cancel = cancel, .lock = -1};
	if (job_load(file, &c->job, &c->source_p, &c->target_p, log, e) < 0 || state_open(state_dir, &c->state, e) < 0)
		goto fail;
	if (lock) {
		c->lock = state_lock_job(&c->state, c->job.name, command, e);
		if (c->lock < 0)
			goto fail;
	}
	c->journal = journal_open(c->state.dir, e);
	if (c->journal == NULL || state_job_keys(&c->state, c->job.name, &c->keys, e) < 0 || open_places(c, e) < 0)
		goto fail;
	return 0;
fail:
	context_close(c);
	return -1;
}

void context_close(struct context *c)
{
	provider_close(c->source_p);
	provider_close(c->target_p);
	job_keys_fini(&c->keys);
	journal_close(c->journal);
	if (c->lock >= 0)
		close(c->lock);
	state_fini(&c->state);
	job_fini(&c->job);
	*c = (struct context){.lock = -1};
}
