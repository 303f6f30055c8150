// SPDX-License-Identifier: Apache-2.0
/* The commands that run something: sync, verify, promote. Each holds the job's lock while it works. */
#include <stdlib.h>

#include "base/mem.h"
#include "commands.h"
#include "replicate.h"

typedef int work_on(struct context *x, const struct cmd *c, struct err *e);

static int run(struct cmd *c, work_on *work, struct err *e)
{
	struct context *x = mem_alloc(sizeof *x);
	char line[200], name[64] = "";
	struct err ignored = ERR_INIT;

	/* Only to show it; the job file is checked by context_open. */
	job_peek_name(c->args[0], name, &ignored);
	struct events *ev = events_new(cmd_style(c), name[0] != '\0' ? name : "job");
	events_interrupted_by(ev, c->cancel);
	int rc = context_open(x, c->args[0], c->state_dir, true, cmd_line(c, line, sizeof line), ev, c->log,
			      c->cancel, e);

	if (rc == 0) {
		rc = work(x, c, e);
		context_close(x);
	}
	if (rc < 0) {
		events_error(ev, e);
		c->reported = true;
	}
	events_free(ev);
	free(x);
	return rc;
}

static int do_sync(struct context *x, const struct cmd *c, struct err *e)
{
	(void)c;
	return replicate_sync(x, e);
}

static int do_verify(struct context *x, const struct cmd *c, struct err *e)
{
	(void)c;
	return replicate_verify(x, e);
}

static int do_promote(struct context *x, const struct cmd *c, struct err *e)
{
	return replicate_promote(x, c->last_good, !c->no_start, e);
}

int cmd_sync(struct cmd *c, struct err *e)
{
	return run(c, do_sync, e);
}

int cmd_verify(struct cmd *c, struct err *e)
{
	return run(c, do_verify, e);
}

int cmd_promote(struct cmd *c, struct err *e)
{
	return run(c, do_promote, e);
}
