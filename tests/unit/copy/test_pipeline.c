// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "copy/pipeline.h"

/* One stage for all purposes: makes `make` chunks, or passes them on; fails at the nth chunk, or in flush. */
struct toy {
	struct stage stage;
	uint64_t make;       /* a source; UINT64_MAX: until stopped */
	uint64_t fail_at;
	bool fail_in_flush;
	bool last;           /* keeps what it gets */
	bool blocks;         /* for ever at its first chunk, until stopped */
	atomic_uint_fast64_t seen;
	atomic_uint flushed, abandoned;
	enum err_kind why;
	uint64_t seen_at_flush;
	atomic_uint *closed;
};

static int toy_fail(struct err *e)
{
	return err_set(e, ERR_IO, 5, "the test says so");
}

static int produce(struct stage *s, struct err *e)
{
	struct toy *t = (struct toy *)s;

	for (uint64_t i = 0; i < t->make; i++) {
		if (t->fail_at != 0 && i + 1 == t->fail_at)
			return toy_fail(e);
		if (stage_emit(s, chunk_new(CHUNK_ZERO, 0, i, 1), e) != 0)
			return -1;
	}
	return 0;
}

static int process(struct stage *s, struct chunk *c, struct err *e)
{
	struct toy *t = (struct toy *)s;
	uint64_t seen = atomic_fetch_add(&t->seen, 1) + 1;

	while (t->blocks && !pipeline_stopped(s->pipeline))
		clock_sleep_ns(NS_PER_MS);
	if (t->fail_at == seen || t->last) {
		chunk_free(c);
		return t->fail_at == seen ? toy_fail(e) : 0;
	}
	return stage_emit(s, c, e);
}

static int flush(struct stage *s, struct err *e)
{
	struct toy *t = (struct toy *)s;

	atomic_fetch_add(&t->flushed, 1);
	t->seen_at_flush = atomic_load(&t->seen);
	return t->fail_in_flush ? toy_fail(e) : 0;
}

static void abandon(struct stage *s, const struct err *why)
{
	struct toy *t = (struct toy *)s;

	atomic_fetch_add(&t->abandoned, 1);
	t->why = why->kind;
}

static void close_toy(struct stage *s)
{
	atomic_fetch_add(((struct toy *)s)->closed, 1);
}

static const struct stage_ops source_ops = {
	.name = "toy source", .produce = produce, .flush = flush, .abandon = abandon, .close = close_toy};
static const struct stage_ops toy_ops = {
	.name = "toy", .process = process, .flush = flush, .abandon = abandon, .close = close_toy};

/* Two sources -> middle -> inline -> end. */
struct line {
	struct toy source[2], middle, inlined, end;
	atomic_uint closed, stops;
	atomic_bool cancel;
	struct pipeline *p;
	struct err e;
};

static void stop_hook(void *ctx)
{
	atomic_fetch_add((atomic_uint *)ctx, 1);
}

static void add(struct line *l, struct toy *t, const struct stage_ops *ops, unsigned threads)
{
	t->stage.ops = ops;
	t->stage.idle_ns = -1;
	t->closed = &l->closed;
	pipeline_add(l->p, &t->stage, threads);
}

static struct line *line_new(void)
{
	struct line *l = mem_alloc(sizeof *l);

	l->p = pipeline_new(&l->cancel);
	l->source[0].make = 500;
	l->source[1].make = 1000;
	l->end.last = true;
	add(l, &l->source[0], &source_ops, 1);
	add(l, &l->source[1], &source_ops, 1);
	add(l, &l->middle, &toy_ops, 3);
	add(l, &l->inlined, &toy_ops, 0);
	add(l, &l->end, &toy_ops, 2);
	pipeline_link(&l->source[0].stage, &l->middle.stage);
	pipeline_link(&l->source[1].stage, &l->middle.stage);
	pipeline_link(&l->middle.stage, &l->inlined.stage);
	pipeline_link(&l->inlined.stage, &l->end.stage);
	pipeline_on_stop(l->p, stop_hook, &l->stops);
	return l;
}

static int line_run(struct line *l)
{
	int rc = pipeline_run(l->p, &l->e);

	pipeline_free(l->p);
	assert_int_equal(atomic_load(&l->closed), 5);
	return rc;
}

static void pipeline_run_everything_well_passes_all_and_flushes_once(void **state)
{
	struct line *l = line_new();

	(void)state;
	assert_int_equal(line_run(l), 0);
	assert_int_equal(atomic_load(&l->end.seen), 1500);
	/* Each flush comes after the last chunk of its stage. */
	assert_int_equal(l->middle.seen_at_flush, 1500);
	assert_int_equal(l->inlined.seen_at_flush, 1500);
	assert_int_equal(l->end.seen_at_flush, 1500);
	assert_int_equal(atomic_load(&l->end.flushed), 1);
	assert_int_equal(atomic_load(&l->inlined.flushed), 1);
	assert_int_equal(atomic_load(&l->end.abandoned), 0);
	assert_int_equal(atomic_load(&l->stops), 0);
	free(l);
}

static void pipeline_run_any_stage_fails_ends_with_its_error(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 7; i++) {
		struct line *l = line_new();

		l->source[0].fail_at = i == 0 ? 1 : i == 1 ? 400 : 0;
		l->middle.fail_at = i == 2 ? 700 : 0;
		l->inlined.fail_at = i == 3 ? 10 : 0;
		l->end.fail_at = i == 4 ? 3 : 0;
		l->inlined.fail_in_flush = i == 5;
		l->end.fail_in_flush = i == 6;
		assert_int_equal(line_run(l), -1);
		assert_int_equal(l->e.kind, ERR_IO);
		assert_int_equal(l->e.sys, 5);
		assert_int_equal(atomic_load(&l->stops), 1);
		assert_int_equal(atomic_load(&l->end.abandoned), 1);
		assert_int_equal(l->end.why, ERR_IO);
		assert_int_equal(atomic_load(&l->end.flushed), i == 6);
		free(l);
	}
}

static void pipeline_run_canceled_while_all_wait_ends(void **state)
{
	struct line *l = line_new();

	(void)state;
	l->source[0].make = UINT64_MAX;
	l->end.blocks = true; /* the rings fill up, and everybody waits for room */
	atomic_store(&l->cancel, true);
	assert_int_equal(line_run(l), -1);
	assert_int_equal(l->e.kind, ERR_CANCELED);
	assert_int_equal(atomic_load(&l->end.flushed), 0);
	free(l);
}

static int failing_tick(void *ctx, bool stopped, struct err *e)
{
	(void)ctx;
	return stopped ? 0 : err_set(e, ERR_TIMEOUT, 0, "the watch says so");
}

static void pipeline_on_tick_failing_stops(void **state)
{
	struct line *l = line_new();

	(void)state;
	l->source[0].make = UINT64_MAX;
	pipeline_on_tick(l->p, failing_tick, NULL);
	assert_int_equal(line_run(l), -1);
	assert_int_equal(l->e.kind, ERR_TIMEOUT);
	free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pipeline_run_everything_well_passes_all_and_flushes_once),
		cmocka_unit_test(pipeline_run_any_stage_fails_ends_with_its_error),
		cmocka_unit_test(pipeline_run_canceled_while_all_wait_ends),
		cmocka_unit_test(pipeline_on_tick_failing_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
