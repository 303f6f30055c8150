// SPDX-License-Identifier: Apache-2.0
#include "copy/run.h"

#include <sched.h>
#include <string.h>

#define MAX_THREADS 16

static void stop_pool(void *pool)
{
	pool_close(pool);
}

static void stop_ledger(void *ledger)
{
	ledger_cancel(ledger);
}

static void stop_block(void *block)
{
	block_cancel(block);
}

void run_init(struct run *r, const struct copy_config *c, struct ledger *l)
{
	memset(r, 0, sizeof *r);
	r->c = c;
	r->ledger = l;
	r->pipeline = pipeline_new(c->cancel);
	if (c->limiter != NULL)
		pipeline_on_stop(r->pipeline, limiter_stop, c->limiter);
	for (unsigned i = 0; i < c->disk_count; i++) {
		pipeline_on_stop(r->pipeline, stop_block, c->disks[i].block);
		if (c->disks[i].target != NULL)
			pipeline_on_stop(r->pipeline, stop_block, c->disks[i].target);
	}
	if (l == NULL)
		return;
	r->checkpoints = checkpoints_new(c, l);
	pipeline_on_stop(r->pipeline, stop_ledger, l);
	pipeline_on_stop(r->pipeline, checkpoints_stop, r->checkpoints);
}

static void set_buffers(struct block *b, const struct pool *p)
{
	size_t size = 0;
	void *base = p != NULL ? pool_memory(p, &size) : NULL;

	if (b != NULL)
		block_buffers(b, base, size);
}

void run_fini(struct run *r)
{
	pipeline_free(r->pipeline); /* first: chunks give their buffers back */
	for (unsigned i = 0; i < r->c->disk_count; i++) {
		set_buffers(r->c->disks[i].block, NULL);
		set_buffers(r->c->disks[i].target, NULL);
	}
	checkpoints_free(r->checkpoints);
	pool_free(r->slabs);
	pool_free(r->packed);
	pool_free(r->unpacked);
	pool_free(r->read_back);
	pool_free(r->again);
}

int run_pool(struct run *r, struct pool **pool, unsigned parts, unsigned least, size_t unit, struct err *e)
{
	*pool = pool_new(r->c->pool_bytes / 16 * parts, unit, least, e);
	if (*pool == NULL)
		return -1;
	pipeline_on_stop(r->pipeline, stop_pool, *pool);
	return 0;
}

size_t run_slab_bytes(const struct run *r)
{
	return r->c->chunk_size > READ_BYTES ? r->c->chunk_size : READ_BYTES;
}

int run_slabs(struct run *r, struct pool **pool, unsigned parts, unsigned least, struct err *e)
{
	return run_pool(r, pool, parts, least, run_slab_bytes(r), e);
}

unsigned run_threads(const struct run *r)
{
	cpu_set_t set;
	unsigned n = r->c->threads;

	if (n == 0 && sched_getaffinity(0, sizeof set, &set) == 0)
		n = (unsigned)CPU_COUNT(&set);
	if (n == 0)
		n = 1;
	return n < MAX_THREADS ? n : MAX_THREADS;
}

unsigned run_spare_threads(const struct run *r, unsigned busy)
{
	unsigned n = run_threads(r);

	return n > busy ? n - busy : 0;
}

void run_add_source(struct run *r, struct stage *to)
{
	struct stage *hasher = hasher_new(r->c);

	pipeline_add(r->pipeline, hasher, run_spare_threads(r, r->c->disk_count));
	pipeline_link(hasher, to);
	for (unsigned i = 0; i < r->c->disk_count; i++) {
		struct stage *reader = reader_new(r->c, i, r->ledger, r->slabs);

		pipeline_add(r->pipeline, reader, 1);
		pipeline_link(reader, hasher);
	}
}

void run_add_lanes(struct run *r, struct stage *writer, struct stage *to)
{
	for (unsigned i = 0; i < r->c->disk_count; i++) {
		struct stage *lane = lane_new(r->c, i, r->ledger, r->read_back);

		struct stage *verifier = verifier_new(r->c, i, r->read_back);

		pipeline_add(r->pipeline, lane, 1);
		pipeline_add(r->pipeline, verifier, r->c->read_back ? 1 : 0);
		pipeline_link(writer, lane);
		pipeline_link(lane, verifier);
		pipeline_link(verifier, to);
	}
}

int run_go(struct run *r, struct err *e)
{
	for (unsigned i = 0; i < r->c->disk_count; i++) {
		set_buffers(r->c->disks[i].block, r->slabs);
		set_buffers(r->c->disks[i].target, r->slabs);
	}
	if (pipeline_run(r->pipeline, e) != 0)
		return -1;
	for (unsigned i = 0; i < r->c->disk_count; i++)
		atomic_store(&r->c->disks[i].progress->durable, r->c->disks[i].size);
	for (unsigned i = 0; r->ledger != NULL && i < r->c->disk_count; i++)
		if (ledger_disk_done(r->ledger, i, r->c->disks[i].root, e) != 0)
			return -1;
	return 0;
}
