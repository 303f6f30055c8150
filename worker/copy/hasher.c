// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/mem.h"
#include "copy/stages.h"
#include "copy/zero_test.h"

struct hasher {
	struct stage stage;
	const struct copy_config *c;
};

static void hash(const struct hasher *h, struct chunk *c)
{
	if (zero_test(c->data, c->length)) {
		c->kind = CHUNK_ZERO;
		chunk_drop_data(c);
	} else {
		manifest_hash(h->c->keys, c->data, c->length, c->hash);
	}
}

static int process(struct stage *s, struct chunk *c, struct err *e)
{
	struct hasher *h = (struct hasher *)s;

	for (struct chunk *at = c; at != NULL; at = at->batch)
		if (at->kind == CHUNK_DATA)
			hash(h, at);
	return stage_emit(s, c, e);
}

static void close_hasher(struct stage *s)
{
	free(s);
}

static const struct stage_ops ops = {
	.name = "hasher",
	.takes_batches = true,
	.process = process,
	.close = close_hasher,
};

struct stage *hasher_new(const struct copy_config *c)
{
	struct hasher *h = mem_alloc(sizeof *h);

	h->stage.ops = &ops;
	h->stage.idle_ns = -1;
	h->c = c;
	return &h->stage;
}
