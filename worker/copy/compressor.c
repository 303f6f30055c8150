// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <stdlib.h>
#include <zstd.h>

#include "base/mem.h"
#include "base/vec.h"
#include "copy/stages.h"

struct compressor {
	struct stage stage;
	const struct copy_config *c;
	struct ledger *ledger;
	struct pool *packed;
	pthread_mutex_t lock; /* contexts */
	VEC(ZSTD_CCtx *) contexts; /* not in use now; at most one a thread is ever made */
};

static ZSTD_CCtx *take_context(struct compressor *k, struct err *e)
{
	pthread_mutex_lock(&k->lock);
	ZSTD_CCtx *ctx = k->contexts.len > 0 ? k->contexts.at[--k->contexts.len] : NULL;
	pthread_mutex_unlock(&k->lock);
	if (ctx == NULL)
		ctx = ZSTD_createCCtx();
	if (ctx == NULL)
		err_set(e, ERR_NO_SPACE, 0, "out of memory for compressing; choose compression \"none\" or a lower level");
	return ctx;
}

static void give_context(struct compressor *k, ZSTD_CCtx *ctx)
{
	pthread_mutex_lock(&k->lock);
	*vec_push(&k->contexts) = ctx;
	pthread_mutex_unlock(&k->lock);
}

/* Leaves c as it is when packing saves less than a twentieth. */
static int pack(struct compressor *k, struct chunk *c, struct err *e)
{
	struct buffer *b = pool_get(k->packed);

	if (b == NULL)
		return pipeline_set_stopped(e);
	ZSTD_CCtx *ctx = take_context(k, e);
	if (ctx == NULL) {
		buffer_unref(b);
		return -1;
	}
	size_t room = c->length - c->length / 20;
	size_t n = ZSTD_compressCCtx(ctx, b->data, room, c->data, c->length, k->c->level);
	give_context(k, ctx);
	/* The only error a sound call can give is that there is not enough room. */
	if (ZSTD_isError(n)) {
		buffer_unref(b);
		return 0;
	}
	c->packed_buffer = b;
	c->packed = b->data;
	c->packed_length = (uint32_t)n;
	chunk_drop_data(c);
	return 0;
}

/* The wait comes after the work: the intent is on its way meanwhile. */
static int prepare(struct compressor *k, struct chunk *c, struct err *e)
{
	if (c->kind == CHUNK_DATA && k->c->compression == COPY_ZSTD && pack(k, c, e) != 0)
		return -1;
	return c->has_ticket ? ledger_wait(k->ledger, c->ticket, e) : 0;
}

/* What was packed is handed on at once: while waiting for a buffer none may be held. */
static int process(struct stage *s, struct chunk *c, struct err *e)
{
	struct compressor *k = (struct compressor *)s;
	struct chunk *batch = c;

	for (struct chunk *rest; c != NULL; c = rest) {
		if (prepare(k, c, e) != 0) {
			chunk_free(batch);
			return -1;
		}
		rest = c->batch;
		if (c->packed == NULL && rest != NULL)
			continue;
		chunk_detach(c);
		if (stage_emit(s, batch, e) != 0) {
			chunk_free(rest);
			return -1;
		}
		batch = rest;
	}
	return 0;
}

static void close_compressor(struct stage *s)
{
	struct compressor *k = (struct compressor *)s;

	for (size_t i = 0; i < k->contexts.len; i++)
		ZSTD_freeCCtx(k->contexts.at[i]);
	vec_fini(&k->contexts);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

static const struct stage_ops ops = {
	.name = "compressor",
	.takes_batches = true,
	.process = process,
	.close = close_compressor,
};

struct stage *compressor_new(const struct copy_config *c, struct ledger *l, struct pool *packed)
{
	struct compressor *k = mem_alloc(sizeof *k);

	k->stage.ops = &ops;
	k->stage.idle_ns = -1;
	k->c = c;
	k->ledger = l;
	k->packed = packed;
	pthread_mutex_init(&k->lock, NULL);
	return &k->stage;
}
