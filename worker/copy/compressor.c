// SPDX-License-Identifier: Apache-2.0
#define ZSTD_STATIC_LINKING_ONLY /* its own estimate of a context's memory; the library is linked statically */
#include <pthread.h>
#include <stdlib.h>
#include <zstd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/vec.h"
#include "copy/pack_choice.h"
#include "copy/stages.h"

/* How far back matches are looked for, at least, where the chunk is not smaller. */
#define LEAST_WINDOW_LOG 18

struct compressor {
	struct stage stage;
	const struct copy_config *c;
	struct ledger *ledger;
	struct pool *packed;
	struct copy_packing *packing;
	struct copy_packing unwatched; /* counted there when nobody wants to know */
	int window_log;
	pthread_mutex_t lock; /* everything below */
	struct pack_choice choice; /* AUTO */
	pthread_cond_t returned;
	unsigned unmade;           /* contexts that may still be made */
	VEC(ZSTD_CCtx *) contexts; /* not in use now */
};

static bool adapts(const struct compressor *k)
{
	return k->c->compression == COMPRESSION_AUTO;
}

/* Where the next chunk's level stands in packing->levels; -1: it is sent as it is. *probe: as of pack_choice_next(). */
static int choose(struct compressor *k, bool *probe)
{
	*probe = false;
	if (!adapts(k))
		return k->c->compression == COMPRESSION_NONE ? -1 : 0;
	pthread_mutex_lock(&k->lock);
	int at = (int)pack_choice_next(&k->choice, probe) - 1;
	pthread_mutex_unlock(&k->lock);
	return at;
}

static ZSTD_CCtx *make_context(struct compressor *k, struct err *e)
{
	ZSTD_CCtx *ctx = ZSTD_createCCtx();

	if (ctx != NULL) {
		ZSTD_CCtx_setParameter(ctx, ZSTD_c_windowLog, k->window_log);
		return ctx;
	}
	pthread_mutex_lock(&k->lock);
	k->unmade++;
	pthread_cond_signal(&k->returned); /* nobody may wait for what never comes */
	pthread_mutex_unlock(&k->lock);
	err_set(e, ERR_NO_SPACE, 0, "out of memory for compressing; choose compression \"none\" or a lower level");
	return NULL;
}

static ZSTD_CCtx *take_context(struct compressor *k, struct err *e)
{
	pthread_mutex_lock(&k->lock);
	while (k->contexts.len == 0 && k->unmade == 0)
		pthread_cond_wait(&k->returned, &k->lock);
	ZSTD_CCtx *ctx = k->contexts.len > 0 ? k->contexts.at[--k->contexts.len] : NULL;
	k->unmade -= ctx == NULL;
	pthread_mutex_unlock(&k->lock);
	return ctx != NULL ? ctx : make_context(k, e);
}

static void give_context(struct compressor *k, ZSTD_CCtx *ctx)
{
	pthread_mutex_lock(&k->lock);
	*vec_push(&k->contexts) = ctx;
	pthread_cond_signal(&k->returned);
	pthread_mutex_unlock(&k->lock);
}

/* Into b. Bytes; those of the chunk when packing saves less than a twentieth of them: that costs a tenth of what packing
 * costs otherwise, since zstd sees early what does not shrink. */
static struct pack_result pack(ZSTD_CCtx *ctx, struct buffer *b, const struct chunk *c, int level)
{
	size_t room = c->length - c->length / 20;
	int64_t began = clock_thread_ns();

	ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, level);
	size_t n = ZSTD_compress2(ctx, b->data, room, c->data, c->length);
	/* The only error a sound call can give is that there is not enough room. */
	return (struct pack_result){.cpu_ns = clock_thread_ns() - began, .sent = ZSTD_isError(n) ? c->length : n};
}

/* What comes last is sent. */
static struct pack_result pack_at_all(struct compressor *k, ZSTD_CCtx *ctx, struct buffer *b, const struct chunk *c)
{
	struct pack_result of[PACK_RUNGS] = {0};

	for (int i = PACK_RAW + 1; i < PACK_RUNGS; i++)
		of[i] = pack(ctx, b, c, pack_ladder[i]);
	pthread_mutex_lock(&k->lock);
	pack_choice_learn(&k->choice, c->length, of);
	pthread_mutex_unlock(&k->lock);
	return of[PACK_RUNGS - 1];
}

/* b is given back where the chunk did not shrink. */
static void send_packed(struct chunk *c, struct buffer *b, uint64_t bytes)
{
	if (bytes == c->length) {
		buffer_unref(b);
		return;
	}
	c->packed_buffer = b;
	c->packed = b->data;
	c->packed_length = (uint32_t)bytes;
	chunk_drop_data(c);
}

static void count(struct compressor *k, const struct chunk *c, int at)
{
	struct copy_packing *p = k->packing;

	if (c->packed == NULL) {
		atomic_fetch_add(&p->raw_chunks, 1);
		atomic_fetch_add(&p->raw_bytes, c->length);
		return;
	}
	atomic_fetch_add(&p->levels[at].chunks, 1);
	atomic_fetch_add(&p->levels[at].bytes, c->length);
	atomic_fetch_add(&p->levels[at].packed, c->packed_length);
}

static int pack_chunk(struct compressor *k, struct chunk *c, int at, bool probe, struct pack_result *result, struct err *e)
{
	struct buffer *b = pool_get(k->packed);

	if (b == NULL)
		return pipeline_set_stopped(e);
	ZSTD_CCtx *ctx = take_context(k, e);
	if (ctx == NULL) {
		buffer_unref(b);
		return -1;
	}
	*result = probe ? pack_at_all(k, ctx, b, c) : pack(ctx, b, c, atomic_load(&k->packing->levels[at].level));
	give_context(k, ctx);
	send_packed(c, b, result->sent);
	return 0;
}

static int process_data(struct compressor *k, struct chunk *c, struct pack_sample *sample, struct err *e)
{
	bool probe;
	int at = choose(k, &probe);

	sample->rung = (unsigned)(at + 1);
	sample->bytes = sample->result.sent = c->length;
	if (probe)
		at = COPY_LEVELS - 1;
	if (at >= 0 && pack_chunk(k, c, at, probe, &sample->result, e) != 0)
		return -1;
	count(k, c, at);
	return 0;
}

static void passed(struct compressor *k, struct pack_sample *sample)
{
	sample->to_pack = stage_waiting(&k->stage);
	sample->to_send = stage_waiting(k->stage.outs.at[0]);
	pthread_mutex_lock(&k->lock);
	pack_choice_passed(&k->choice, clock_mono_ns(), sample);
	pthread_mutex_unlock(&k->lock);
}

/* The wait comes after the work: the intent is on its way meanwhile. */
static int prepare(struct compressor *k, struct chunk *c, struct pack_sample *sample, struct err *e)
{
	if (c->kind == CHUNK_DATA && process_data(k, c, sample, e) != 0)
		return -1;
	return c->has_ticket ? ledger_wait(k->ledger, c->ticket, e) : 0;
}

static int pass_one(struct compressor *k, struct chunk *c, struct err *e)
{
	struct pack_sample sample = {0};
	bool measured = c->kind == CHUNK_DATA && adapts(k);

	if (prepare(k, c, &sample, e) != 0) {
		chunk_free(c);
		return -1;
	}
	if (stage_emit(&k->stage, c, e) != 0)
		return -1;
	if (measured)
		passed(k, &sample);
	return 0;
}

static int pass_whole(struct compressor *k, struct chunk *batch, struct err *e)
{
	struct pack_sample ignored;

	for (struct chunk *c = batch; c != NULL; c = c->batch)
		if (prepare(k, c, &ignored, e) != 0) {
			chunk_free(batch);
			return -1;
		}
	return stage_emit(&k->stage, batch, e);
}

/* A batch that may be packed goes on one by one: while waiting for a buffer none may be held. */
static int process(struct stage *s, struct chunk *c, struct err *e)
{
	struct compressor *k = (struct compressor *)s;

	if (k->c->compression == COMPRESSION_NONE)
		return pass_whole(k, c, e);
	while (c != NULL) {
		struct chunk *rest = chunk_detach(c);

		if (pass_one(k, c, e) != 0) {
			chunk_free(rest);
			return -1;
		}
		c = rest;
	}
	return 0;
}

static void close_compressor(struct stage *s)
{
	struct compressor *k = (struct compressor *)s;

	for (size_t i = 0; i < k->contexts.len; i++)
		ZSTD_freeCCtx(k->contexts.at[i]);
	vec_fini(&k->contexts);
	pthread_cond_destroy(&k->returned);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

_Static_assert(COPY_LEVELS == PACK_RUNGS - 1 && PACK_RAW == 0, "every rung but raw is counted");

static const struct stage_ops ops = {
	.name = "compressor",
	.takes_batches = true,
	.process = process,
	.close = close_compressor,
};

/* Together they take no more than half as much as the chunks do. */
static unsigned most_contexts(const struct copy_config *c, unsigned threads, int window_log)
{
	int level = c->compression == COMPRESSION_AUTO ? pack_ladder[PACK_RUNGS - 1] : c->level;
	ZSTD_compressionParameters of = ZSTD_getCParams(level, UINT64_C(1) << window_log, 0);
	uint64_t n = c->pool_bytes / 2 / ZSTD_estimateCCtxSize_usingCParams(of);

	return n < threads ? (unsigned)n : threads;
}

/* Over all of a chunk, which packs it better by a few in a hundred; but no farther than leaves as many contexts as there
 * are with the least window: for chunks of 4 MiB one of level 19 would take 50 MiB. */
static int choose_window(const struct copy_config *c, unsigned threads)
{
	int log = LEAST_WINDOW_LOG;

	while (UINT64_C(1) << log > c->chunk_size)
		log--;
	unsigned contexts = most_contexts(c, threads, log);
	while (UINT64_C(1) << log < c->chunk_size && contexts > 0 && most_contexts(c, threads, log + 1) == contexts)
		log++;
	return log;
}

struct stage *compressor_new(const struct copy_config *c, struct ledger *l, struct pool *packed, unsigned threads)
{
	struct compressor *k = mem_alloc(sizeof *k);

	k->stage.ops = &ops;
	k->stage.idle_ns = -1;
	k->c = c;
	k->ledger = l;
	k->packed = packed;
	k->packing = c->packing != NULL ? c->packing : &k->unwatched;
	for (int i = 0; i < COPY_LEVELS && adapts(k); i++)
		atomic_store(&k->packing->levels[i].level, pack_ladder[1 + i]);
	if (c->compression == COMPRESSION_ZSTD)
		atomic_store(&k->packing->levels[0].level, c->level);
	k->window_log = choose_window(c, threads);
	k->unmade = most_contexts(c, threads, k->window_log);
	if (k->unmade == 0)
		k->unmade = 1;
	pack_choice_init(&k->choice, k->unmade);
	pthread_mutex_init(&k->lock, NULL);
	pthread_cond_init(&k->returned, NULL);
	return &k->stage;
}
