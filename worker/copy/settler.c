// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/mem.h"
#include "copy/stages.h"

struct settler {
	struct stage stage;
	struct checkpoints *checkpoints;
};

static int process(struct stage *s, struct chunk *c, struct err *e)
{
	uint64_t id = c->checkpoint;

	chunk_free(c);
	return checkpoints_durable(((struct settler *)s)->checkpoints, id, e);
}

static void close_settler(struct stage *s)
{
	free(s);
}

static const struct stage_ops ops = {
	.name = "settler",
	.process = process,
	.close = close_settler,
};

struct stage *settler_new(struct checkpoints *k)
{
	struct settler *s = mem_alloc(sizeof *s);

	s->stage.ops = &ops;
	s->stage.idle_ns = -1;
	s->checkpoints = k;
	return &s->stage;
}
