// SPDX-License-Identifier: Apache-2.0
#include "copy/pipeline.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/ring.h"

#define RING_CHUNKS  64
#define TICK_NS      (50 * NS_PER_MS)
#define STACK_BYTES  (512u << 10)

struct hook {
	void (*fn)(void *ctx);
	void *ctx;
};

struct pipeline {
	const atomic_bool *cancel;
	atomic_bool stopped;
	pthread_mutex_t lock; /* first, live, and the private part of stages; never held while calling a stage */
	pthread_cond_t ended;
	struct err first;
	unsigned live;
	VEC(struct stage *) stages;
	VEC(struct hook) hooks;
	VEC(pthread_t) threads;
	int (*tick)(void *ctx, bool stopped, struct err *e);
	void *tick_ctx;
};

struct pipeline *pipeline_new(const atomic_bool *cancel)
{
	struct pipeline *p = mem_alloc(sizeof *p);
	pthread_condattr_t attr;

	p->cancel = cancel;
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->ended, &attr);
	pthread_condattr_destroy(&attr);
	return p;
}

static void drop_waiting(struct ring *in)
{
	struct chunk *c;

	while (in != NULL && (c = ring_try_pop(in)) != NULL)
		chunk_free(c);
}

void pipeline_free(struct pipeline *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->stages.len; i++)
		drop_waiting(p->stages.at[i]->in);
	for (size_t i = 0; i < p->stages.len; i++) {
		struct stage *s = p->stages.at[i];

		ring_free(s->in);
		vec_fini(&s->outs);
		s->ops->close(s);
	}
	vec_fini(&p->stages);
	vec_fini(&p->hooks);
	vec_fini(&p->threads);
	pthread_cond_destroy(&p->ended);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void pipeline_add(struct pipeline *p, struct stage *s, unsigned threads)
{
	s->pipeline = p;
	s->threads = threads;
	if (s->ops->process != NULL && threads > 0)
		s->in = ring_new(RING_CHUNKS);
	*vec_push(&p->stages) = s;
}

void pipeline_link(struct stage *from, struct stage *to)
{
	*vec_push(&from->outs) = to;
	to->feeders++;
}

void pipeline_on_stop(struct pipeline *p, void (*fn)(void *ctx), void *ctx)
{
	*vec_push(&p->hooks) = (struct hook){.fn = fn, .ctx = ctx};
}

void pipeline_on_tick(struct pipeline *p, int (*fn)(void *ctx, bool stopped, struct err *e), void *ctx)
{
	p->tick = fn;
	p->tick_ctx = ctx;
}

bool pipeline_stopped(const struct pipeline *p)
{
	return atomic_load(&p->stopped);
}

int pipeline_set_stopped(struct err *e)
{
	return err_set(e, ERR_CANCELED, 0, "the pipeline was stopped");
}

void pipeline_fail(struct pipeline *p, const struct err *why)
{
	pthread_mutex_lock(&p->lock);
	bool first = p->first.kind == ERR_NONE;
	if (first) {
		p->first = *why;
		if (why->kind == ERR_NONE)
			err_set(&p->first, ERR_INTERNAL, 0, "a stage failed without saying why; please report it");
	}
	pthread_mutex_unlock(&p->lock);
	if (!first)
		return;
	atomic_store(&p->stopped, true);
	for (size_t i = 0; i < p->stages.len; i++)
		if (p->stages.at[i]->in != NULL)
			ring_close(p->stages.at[i]->in);
	for (size_t i = 0; i < p->hooks.len; i++)
		p->hooks.at[i].fn(p->hooks.at[i].ctx);
}

static int process(struct stage *s, struct chunk *c, struct err *e)
{
	if (s->ops->takes_batches)
		return s->ops->process(s, c, e);
	while (c != NULL) {
		struct chunk *rest = chunk_detach(c);

		if (s->ops->process(s, c, e) != 0) {
			chunk_free(rest);
			return -1;
		}
		c = rest;
	}
	return 0;
}

int stage_send(struct stage *to, struct chunk *c, struct err *e)
{
	if (to->in == NULL)
		return process(to, c, e);
	if (!pipeline_stopped(to->pipeline) && ring_push(to->in, c))
		return 0;
	chunk_free(c);
	return pipeline_set_stopped(e);
}

int stage_emit(struct stage *s, struct chunk *c, struct err *e)
{
	return stage_send(s->outs.at[0], c, e);
}

int stage_run(struct stage *s, struct chunk *c, bool share, struct err *e)
{
	struct stage *to = s->outs.at[0];

	return share && stage_waiting(to) < to->threads ? stage_send(to, c, e) : process(to, c, e);
}

size_t stage_waiting(struct stage *s)
{
	return s->in == NULL ? 0 : ring_len(s->in);
}

/* The next chunk, or NULL: *ended says whether there will be none, otherwise the stage has been idle. */
static struct chunk *next_chunk(struct stage *s, bool *ended)
{
	*ended = false;
	if (s->idle_ns >= 0)
		return ring_pop_wait(s->in, s->idle_ns, ended);
	struct chunk *c = ring_pop(s->in);
	*ended = c == NULL;
	return c;
}

static int consume(struct stage *s, struct err *e)
{
	while (!pipeline_stopped(s->pipeline)) {
		bool ended;
		struct chunk *c = next_chunk(s, &ended);
		int rc = 0;

		if (c != NULL)
			rc = process(s, c, e);
		else if (ended)
			break;
		else if (s->ops->idle != NULL)
			rc = s->ops->idle(s, e);
		if (rc != 0)
			return -1;
	}
	return 0;
}

static void end_stage(struct stage *s);
/* All that feeds `to` has one stage less. */
static void feeder_ended(struct stage *to)
{
	struct pipeline *p = to->pipeline;

	pthread_mutex_lock(&p->lock);
	bool none = --to->feeders == 0;
	pthread_mutex_unlock(&p->lock);
	if (!none)
		return;
	if (to->in != NULL)
		ring_close(to->in);
	else
		end_stage(to);
}

void stage_end_output(struct stage *s)
{
	pthread_mutex_lock(&s->pipeline->lock);
	bool ended = s->output_ended;
	s->output_ended = true;
	pthread_mutex_unlock(&s->pipeline->lock);
	for (size_t i = 0; !ended && i < s->outs.len; i++)
		feeder_ended(s->outs.at[i]);
}

/* By the stage's last thread, or for one without threads by the last thread of those before it. */
static void end_stage(struct stage *s)
{
	struct pipeline *p = s->pipeline;
	struct err e = ERR_INIT;

	if (!pipeline_stopped(p) && s->ops->flush != NULL && s->ops->flush(s, &e) != 0)
		pipeline_fail(p, &e);
	if (pipeline_stopped(p) && s->ops->abandon != NULL) {
		pthread_mutex_lock(&p->lock);
		struct err why = p->first;
		pthread_mutex_unlock(&p->lock);
		s->ops->abandon(s, &why);
	}
	stage_end_output(s);
}

static void *thread_main(void *arg)
{
	struct stage *s = arg;
	struct pipeline *p = s->pipeline;
	struct err e = ERR_INIT;
	int rc = s->ops->produce != NULL ? s->ops->produce(s, &e) : consume(s, &e);

	if (rc != 0)
		pipeline_fail(p, &e);
	pthread_mutex_lock(&p->lock);
	bool last = --s->live == 0;
	pthread_mutex_unlock(&p->lock);
	if (last)
		end_stage(s);
	pthread_mutex_lock(&p->lock);
	if (--p->live == 0)
		pthread_cond_signal(&p->ended);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static int start_stage(struct pipeline *p, struct stage *s, const pthread_attr_t *attr, struct err *e)
{
	for (unsigned i = 0; i < s->threads; i++) {
		pthread_t id;
		int rc = pthread_create(&id, attr, thread_main, s);

		if (rc == 0) {
			*vec_push(&p->threads) = id;
			continue;
		}
		/* Whoever was not started counts as ended. */
		pthread_mutex_lock(&p->lock);
		s->live -= s->threads - i;
		p->live -= s->threads - i;
		pthread_mutex_unlock(&p->lock);
		return err_set(e, ERR_NO_SPACE, rc, "cannot start a thread for the %s", s->ops->name);
	}
	return 0;
}

static void start(struct pipeline *p)
{
	struct err e = ERR_INIT;
	pthread_attr_t attr;
	size_t i;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	/* All counts first: a thread may end before the next one starts. */
	for (i = 0; i < p->stages.len; i++) {
		p->stages.at[i]->live = p->stages.at[i]->threads;
		p->live += p->stages.at[i]->threads;
	}
	for (i = 0; i < p->stages.len; i++)
		if (start_stage(p, p->stages.at[i], &attr, &e) != 0)
			break;
	if (i < p->stages.len) {
		pthread_mutex_lock(&p->lock);
		for (size_t k = i + 1; k < p->stages.len; k++)
			p->live -= p->stages.at[k]->threads;
		pthread_mutex_unlock(&p->lock);
		pipeline_fail(p, &e);
	}
	pthread_attr_destroy(&attr);
}

static void tick(struct pipeline *p)
{
	struct err e = ERR_INIT;

	if (p->cancel != NULL && atomic_load(p->cancel)) {
		err_set(&e, ERR_CANCELED, 0, "interrupted");
		pipeline_fail(p, &e);
	}
	if (p->tick != NULL && p->tick(p->tick_ctx, pipeline_stopped(p), &e) != 0)
		pipeline_fail(p, &e);
}

static bool wait_a_tick(struct pipeline *p)
{
	int64_t at = clock_mono_ns() + TICK_NS;
	struct timespec until = {.tv_sec = (time_t)(at / NS_PER_S), .tv_nsec = (long)(at % NS_PER_S)};

	pthread_mutex_lock(&p->lock);
	if (p->live > 0)
		pthread_cond_timedwait(&p->ended, &p->lock, &until);
	bool run = p->live > 0;
	pthread_mutex_unlock(&p->lock);
	return run;
}

int pipeline_run(struct pipeline *p, struct err *e)
{
	start(p);
	while (wait_a_tick(p))
		tick(p);
	for (size_t i = 0; i < p->threads.len; i++)
		pthread_join(p->threads.at[i], NULL);
	if (p->first.kind == ERR_NONE)
		return 0;
	*e = p->first;
	return -1;
}
