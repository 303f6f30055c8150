// SPDX-License-Identifier: Apache-2.0
/* `wherry limit JOB.json`: show or change the limits of a job, also of a sync that is under way. */
#include <stdio.h>

#include "base/cleanup.h"
#include "commands.h"
#include "config.h"
#include "job_limits.h"
#include "json_line.h"
#include "state.h"

struct limit_call {
	struct state state;
	struct journal *j;
	char job[64];
	struct limits file, now;
	bool set;             /* `now` is what a command has set, not the file's */
};

static void limit_call_fini(struct limit_call *l)
{
	journal_close(l->j);
	state_fini(&l->state);
}

/* What the command line asks for, beginning with what holds. */
static int wanted(const struct cmd *c, struct limits *l, bool *changes, struct err *e)
{
	char option[64];

	*changes = c->none || c->reset;
	if (c->none)
		*l = (struct limits){{0}};
	for (int i = 0; i < LIMITS; i++) {
		if (c->limit[i] == NULL)
			continue;
		if (c->reset)
			return err_set(e, ERR_USAGE, 0, "--reset goes back to the limits of the job file: give it alone");
		snprintf(option, sizeof option, "the limit %s", limit_table[i].name);
		if (limit_parse((enum limit)i, c->limit[i], option, &l->of[i], e) < 0)
			return -1;
		*changes = true;
	}
	return c->none && c->reset ? err_set(e, ERR_USAGE, 0, "--none and --reset exclude each other") : 0;
}

static void show(const struct cmd *c, const struct limit_call *l, bool changed)
{
	char text[LIMITS_TEXT], holder[256];
	bool held = state_job_held(&l->state, l->job, holder, sizeof holder);

	if (c->json) {
		json_line(stdout, "event:s job:s limits:j from:s running:s", "limits", l->job, limits_json(&l->now, text),
			  l->set ? "command" : "file", held ? holder : NULL);
		return;
	}
	limits_describe(&l->now, text);
	printf("job %s: %s%s, %s\n", l->job, text[0] != '\0' ? "limited to " : "no limits", text,
	       l->set ? "set by `wherry limit`" : "as in the job file");
	if (changed)
		printf(held ? "taken up within a second by %s\n" : "for the next sync and all after it\n", holder);
}

int cmd_limit(struct cmd *c, struct err *e)
{
	cleanup(limit_call_fini) struct limit_call l = {0};
	bool changes;

	if (job_peek_limits(c->args[0], l.job, &l.file, e) < 0 || state_open(c->state_dir, &l.state, e) < 0)
		return -1;
	l.j = journal_open(l.state.dir, e);
	if (l.j == NULL || job_limits_get(l.j, l.job, &l.now, &l.set, e) < 0)
		return -1;
	if (!l.set)
		l.now = l.file;
	if (wanted(c, &l.now, &changes, e) < 0)
		return -1;
	if (changes) {
		l.set = !c->reset;
		if (c->reset)
			l.now = l.file;
		if (job_limits_set(l.j, l.job, l.set ? &l.now : NULL, e) < 0)
			return -1;
	}
	show(c, &l, changes);
	return 0;
}
