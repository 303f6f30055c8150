// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/mem.h"
#include "copy/stages.h"
#include "copy/verify.h"

#define DEPTH 4

struct verifier {
	struct stage stage;
	const struct copy_config *c;
	const struct copy_disk *disk;
	struct pool *pool;
	struct block *block; /* opened at the first MARK with something to read: a run may write nothing */
};

static int read_back(struct verifier *v, struct written_list *written, struct err *e)
{
	struct block *target = v->disk->target != NULL ? v->disk->target : v->disk->block;

	if (v->block == NULL)
		v->block = block_reader(target, DEPTH, e);
	if (v->block == NULL)
		return -1;
	struct verify how = {
		.block = v->block,
		.pool = v->pool,
		.keys = v->c->keys,
		.pipeline = v->stage.pipeline,
		.progress = v->disk->progress,
	};
	written_list_sort(written);
	return verify_written(&how, written->list.at, written->list.len, e);
}

static int process(struct stage *s, struct chunk *mark, struct err *e)
{
	struct verifier *v = (struct verifier *)s;

	if (mark->written != NULL && read_back(v, mark->written, e) != 0) {
		chunk_free(mark);
		return -1;
	}
	struct barrier *b = mark->barrier;
	mark->barrier = NULL;
	if (barrier_leave(b, 1))
		return stage_emit(s, mark, e);
	chunk_free(mark);
	return 0;
}

static void close_verifier(struct stage *s)
{
	block_close(((struct verifier *)s)->block);
	free(s);
}

static const struct stage_ops ops = {
	.name = "verifier",
	.process = process,
	.close = close_verifier,
};

struct stage *verifier_new(const struct copy_config *c, unsigned disk, struct pool *pool)
{
	struct verifier *v = mem_alloc(sizeof *v);

	v->stage.ops = &ops;
	v->stage.idle_ns = -1;
	v->c = c;
	v->disk = &c->disks[disk];
	v->pool = pool;
	return &v->stage;
}
