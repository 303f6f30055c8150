// SPDX-License-Identifier: Apache-2.0
/* A lane gets chunks one by one in the thread of their source, so that what it joins depends on nothing else. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "copy/run.h"
#include "copy_fixture.h"

#define MIB (UINT64_C(1) << 20)
#define ALL (24 * MIB)

struct chunks {
	struct stage stage;
	struct mem_disk *from;
	struct pool *pool;
	uint32_t chunk;
	uint64_t hole_at; /* one chunk that does not come */
};

static struct chunk *chunk_at(struct chunks *s, uint64_t offset, struct buffer *b)
{
	struct chunk *c = chunk_new(CHUNK_DATA, 0, offset, s->chunk);

	buffer_ref(b, 1);
	c->buffer = b;
	c->data = b->data + offset % MIB;
	memcpy(c->data, mem_disk_bytes(s->from) + offset, s->chunk);
	return c;
}

/* As a reader does: 1 MiB in each buffer. */
static int produce(struct stage *stage, struct err *e)
{
	struct chunks *s = (struct chunks *)stage;
	int rc = 0;

	for (uint64_t at = 0; rc == 0 && at < ALL; at += MIB) {
		struct buffer *b = pool_get(s->pool);

		for (uint64_t in = 0; rc == 0 && in < MIB; in += s->chunk)
			if (at + in != s->hole_at)
				rc = stage_emit(stage, chunk_at(s, at + in, b), e);
		buffer_unref(b);
	}
	return rc;
}

static void close_chunks(struct stage *s)
{
	free(s);
}

static const struct stage_ops ops = {.name = "chunks", .produce = produce, .close = close_chunks};

/* The writes that a copy of ALL in chunks of that size takes, but for the chunk at hole_at. */
static uint64_t writes(uint32_t gathers, uint32_t chunk, uint64_t hole_at)
{
	struct mem_disk *from = mem_disk_new("source", ALL, 512, false), *to = mem_disk_new("target", ALL, 512, false);
	struct copy_progress progress = {0};
	struct err e = ERR_INIT;

	fx_fill(from, 0, ALL, 5);
	mem_disk_gathers(to, gathers);
	mem_disk_seed(to, 3);
	struct copy_disk disk = {.block = block_mem_open(to, BLOCK_RW, 4), .size = ALL, .progress = &progress};
	struct copy_config c = {.chunk_size = chunk, .disks = &disk, .disk_count = 1};
	struct chunks *s = mem_alloc(sizeof *s);
	*s = (struct chunks){.stage = {.ops = &ops}, .from = from, .chunk = chunk, .hole_at = hole_at};
	s->pool = pool_new(ALL, MIB, 24, &e);
	struct pool *pool = s->pool;
	struct pipeline *p = pipeline_new(NULL);
	struct stage *lane = lane_new(&c, 0, NULL, NULL);

	pipeline_add(p, &s->stage, 1);
	pipeline_add(p, lane, 0);
	pipeline_link(&s->stage, lane);
	assert_int_equal(pipeline_run(p, &e), 0);
	pipeline_free(p);
	pool_free(pool);
	if (hole_at < ALL)
		fx_set(from, hole_at, chunk, 0);
	assert_memory_equal(mem_disk_bytes(from), mem_disk_bytes(to), ALL);
	assert_int_equal(atomic_load(&progress.written), hole_at < ALL ? ALL - chunk : ALL);
	block_close(disk.block);
	uint64_t n = mem_disk_counters(to)->ops[MEM_WRITE];
	mem_disk_free(from);
	mem_disk_free(to);
	return n;
}

static void lane_neighbours_in_any_memory_go_in_one_request_where_the_target_gathers(void **state)
{
	static const struct {
		uint32_t gathers, chunk;
		uint64_t hole_at, want;
	} cases[] = {
		{0, 64 << 10, UINT64_MAX, 24}, /* one for each buffer */
		{4 << 20, 64 << 10, UINT64_MAX, 6},
		{4 << 20, 256 << 10, UINT64_MAX, 6},
		{4 << 20, 1 << 20, UINT64_MAX, 6},
		{3 << 20, 256 << 10, UINT64_MAX, 8},
		{4 << 20, 64 << 10, 5 * MIB + (192 << 10), 7}, /* 4 MiB, 1 MiB and 3 chunks, 4 MiB four times, the rest */
		{4 << 20, 64 << 10, 0, 6},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(writes(cases[i].gathers, cases[i].chunk, cases[i].hole_at), cases[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lane_neighbours_in_any_memory_go_in_one_request_where_the_target_gathers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
