// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "copy/stages.h"

struct replier {
	struct stage stage;
	struct session *session;
	struct intake *intake;
};

static int process(struct stage *stage, struct chunk *c, struct err *e)
{
	struct replier *r = (struct replier *)stage;
	struct session *s = r->session;

	(void)e;
	/* Before the frame: the source may open another one as soon as it has it. */
	intake_durable(r->intake, c->checkpoint);
	session_set_durable(s, c->checkpoint);
	chunk_free(c);
	session_tell(s);
	return 0;
}

static int idle(struct stage *s, struct err *e)
{
	(void)e;
	session_keep_alive(((struct replier *)s)->session);
	return 0;
}

static int flush(struct stage *s, struct err *e)
{
	struct session *n = ((struct replier *)s)->session;

	session_set_ended(n);
	session_tell(n);
	/* Until BYE: who breaks the protocol after END is told so, too. */
	while (!session_is_over(n)) {
		session_wait(n, NS_PER_S);
		session_keep_alive(n);
	}
	return pipeline_stopped(s->pipeline) ? pipeline_set_stopped(e) : 0;
}

static void abandon(struct stage *s, const struct err *why)
{
	session_abandon(((struct replier *)s)->session, why);
}

static void close_replier(struct stage *s)
{
	free(s);
}

static const struct stage_ops ops = {
	.name = "replier",
	.process = process,
	.idle = idle,
	.flush = flush,
	.abandon = abandon,
	.close = close_replier,
};

struct stage *replier_new(struct session *s, struct intake *k)
{
	struct replier *r = mem_alloc(sizeof *r);

	r->stage.ops = &ops;
	r->stage.idle_ns = NS_PER_S;
	r->session = s;
	r->intake = k;
	return &r->stage;
}
