// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/mem.h"
#include "base/vec.h"
#include "copy/stages.h"

struct decompressor {
	struct stage stage;
	const struct copy_config *c;
	struct pool *unpacked;
	pthread_mutex_t lock; /* contexts */
	VEC(ZSTD_DCtx *) contexts; /* not in use now */
};

static ZSTD_DCtx *take_context(struct decompressor *d, struct err *e)
{
	pthread_mutex_lock(&d->lock);
	ZSTD_DCtx *ctx = d->contexts.len > 0 ? d->contexts.at[--d->contexts.len] : NULL;
	pthread_mutex_unlock(&d->lock);
	if (ctx == NULL)
		ctx = ZSTD_createDCtx();
	if (ctx == NULL)
		err_set(e, ERR_NO_SPACE, 0, "out of memory for decompressing");
	return ctx;
}

static void give_context(struct decompressor *d, ZSTD_DCtx *ctx)
{
	pthread_mutex_lock(&d->lock);
	*vec_push(&d->contexts) = ctx;
	pthread_mutex_unlock(&d->lock);
}

/* Exactly one frame that gives exactly the bytes announced; a bomb stops at the end of the buffer. */
static bool is_one_frame(const struct chunk *c)
{
	unsigned long long says = ZSTD_getFrameContentSize(c->packed, c->packed_length);

	return ZSTD_findFrameCompressedSize(c->packed, c->packed_length) == c->packed_length &&
	       (says == c->length || says == ZSTD_CONTENTSIZE_UNKNOWN);
}

/* To data in b, which has room for all of a batch. */
static int unpack(struct decompressor *d, struct chunk *c, struct buffer *b, uint8_t *data, struct err *e)
{
	buffer_ref(b, 1);
	c->buffer = b;
	c->data = data;
	ZSTD_DCtx *ctx = take_context(d, e);
	if (ctx == NULL)
		return -1;
	bool ok = is_one_frame(c) &&
		  ZSTD_decompressDCtx(ctx, data, c->length, c->packed, c->packed_length) == c->length;
	give_context(d, ctx);
	chunk_drop_packed(c);
	if (ok)
		return 0;
	return err_set(e, ERR_PROTOCOL, 0,
		       "the peer sent a chunk of %s at offset %" PRIu64 " that does not unpack to %" PRIu64
		       " bytes; nothing of it was written",
		       d->c->disks[c->disk].block->info.name, c->offset, c->length);
}

static int check_hash(const struct decompressor *d, const struct chunk *c, struct err *e)
{
	uint8_t hash[MANIFEST_HASH];

	manifest_hash(d->c->keys, c->data, c->length, hash);
	if (memcmp(hash, c->hash, sizeof hash) == 0)
		return 0;
	return err_set(e, ERR_CORRUPT, 0,
		       "the chunk of %s at offset %" PRIu64 " came with other bytes than its hash says; nothing of it was "
		       "written (a fault of memory or network: run it again)",
		       d->c->disks[c->disk].block->info.name, c->offset);
}

static int unpack_batch(struct decompressor *d, struct chunk *batch, struct err *e)
{
	struct buffer *b = NULL;
	size_t used = 0;
	int rc = 0;

	for (struct chunk *c = batch; rc == 0 && c != NULL; c = c->batch) {
		if (c->packed == NULL)
			continue;
		if (b == NULL && (b = pool_get(d->unpacked)) == NULL)
			return pipeline_set_stopped(e);
		rc = unpack(d, c, b, b->data + used, e);
		used += buffer_next(c->length);
	}
	buffer_unref(b);
	return rc;
}

static int process(struct stage *s, struct chunk *batch, struct err *e)
{
	struct decompressor *d = (struct decompressor *)s;
	int rc = unpack_batch(d, batch, e);

	for (const struct chunk *c = batch; rc == 0 && c != NULL; c = c->batch)
		if (c->kind == CHUNK_DATA)
			rc = check_hash(d, c, e);
	if (rc == 0)
		return stage_emit(s, batch, e);
	chunk_free(batch);
	return -1;
}

static void close_decompressor(struct stage *s)
{
	struct decompressor *d = (struct decompressor *)s;

	for (size_t i = 0; i < d->contexts.len; i++)
		ZSTD_freeDCtx(d->contexts.at[i]);
	vec_fini(&d->contexts);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

static const struct stage_ops ops = {
	.name = "decompressor",
	.takes_batches = true,
	.process = process,
	.close = close_decompressor,
};

struct stage *decompressor_new(const struct copy_config *c, struct pool *unpacked)
{
	struct decompressor *d = mem_alloc(sizeof *d);

	d->stage.ops = &ops;
	d->stage.idle_ns = -1;
	d->c = c;
	d->unpacked = unpacked;
	pthread_mutex_init(&d->lock, NULL);
	return &d->stage;
}
