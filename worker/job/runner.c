// SPDX-License-Identifier: Apache-2.0
#include "job/runner.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "job/run.h"
#include "job/thread.h"

/* A connection that came in before its run was ordered waits so long. */
#define OFFER_NS   (15 * NS_PER_S)
/* So that a peer reads why it was refused: what it still sends is taken meanwhile. */
#define REFUSAL_NS (2 * NS_PER_S)

/* A run and what others know of it. Freed by whoever lets go last: a long poll may outlive it. */
struct entry {
	struct run *run;
	unsigned refs;
	pthread_t thread;
	enum runner_state state;
	struct err error;
	bool awake;              /* waits for connections no more */
	struct runner *runner;
};

struct runner {
	struct runner_config config;
	pthread_mutex_t lock; /* everything below, and the entries */
	pthread_cond_t changed;
	struct entry *last;      /* NULL: none yet */
	struct stream *offered;  /* NULL: none */
	uint64_t offers;         /* so many so far; the last one is `offered` unless that is NULL */
	bool shut;
};

static const char *const kind_names[] = {[RUN_EXPORT] = "export", [RUN_IMPORT] = "import", [RUN_SCAN] = "scan",
					  [RUN_COPY] = "copy"};

const char *runner_state_name(enum runner_state s)
{
	static const char *const names[] = {
		[RUNNER_IDLE] = "idle",
		[RUNNER_RUNNING] = "running",
		[RUNNER_FINISHED] = "finished",
		[RUNNER_FAILED] = "failed",
	};

	return names[s];
}

struct runner *runner_new(const struct runner_config *c)
{
	struct runner *r = mem_alloc(sizeof *r);

	r->config = *c;
	pthread_mutex_init(&r->lock, NULL);
	thread_cond_init(&r->changed);
	return r;
}

/* ---- Entries ---- */

static void put(struct runner *r, struct entry *n)
{
	pthread_mutex_lock(&r->lock);
	bool unused = --n->refs == 0;
	pthread_mutex_unlock(&r->lock);
	if (!unused)
		return;
	run_free(n->run);
	free(n);
}

/* The last run if it is that attempt (NULL: whichever), to be put(). What is done to the entry never reaches a run that
 * takes its place meanwhile. */
static struct entry *get(struct runner *r, const char *attempt, struct err *e)
{
	struct entry *n = NULL;

	pthread_mutex_lock(&r->lock);
	if (r->last == NULL)
		err_set(e, ERR_NOT_FOUND, 0, "no run has been started on this worker; POST /v1/run first");
	else if (attempt != NULL && strcmp(r->last->run->spec.attempt, attempt) != 0)
		err_set(e, ERR_REFUSED, 0,
			"the call is for attempt \"%s\", but the last run of this worker is attempt \"%s\": it comes "
			"late or from another controller, and was ignored",
			attempt, r->last->run->spec.attempt);
	else
		n = r->last;
	if (n != NULL)
		n->refs++;
	pthread_mutex_unlock(&r->lock);
	return n;
}

static struct stream *take_offer(struct runner *r)
{
	struct stream *s = r->offered;

	r->offered = NULL;
	return s;
}

static struct stream *accept_peer(void *ctx, int64_t timeout_ns)
{
	struct entry *n = ctx;
	struct runner *r = n->runner;
	int64_t until = clock_mono_ns() + timeout_ns;

	pthread_mutex_lock(&r->lock);
	while (r->offered == NULL && !n->awake && thread_cond_wait_until(&r->changed, &r->lock, until))
		;
	struct stream *s = take_offer(r);
	pthread_mutex_unlock(&r->lock);
	return s;
}

static void wake_accept(void *ctx)
{
	struct entry *n = ctx;

	pthread_mutex_lock(&n->runner->lock);
	n->awake = true;
	pthread_cond_broadcast(&n->runner->changed);
	pthread_mutex_unlock(&n->runner->lock);
}

static void *entry_main(void *arg)
{
	struct entry *n = arg;
	struct runner *r = n->runner;
	struct err e = ERR_INIT;

	log_info(r->config.log, "%s of %u disk%s begins", kind_names[n->run->spec.kind], n->run->spec.disk_count,
		 n->run->spec.disk_count == 1 ? "" : "s");
	int rc = run_work(n->run, &e);
	if (rc < 0)
		log_error(r->config.log, "%s failed: %s", kind_names[n->run->spec.kind], e.msg);
	else
		log_info(r->config.log, "%s finished", kind_names[n->run->spec.kind]);
	pthread_mutex_lock(&r->lock);
	n->state = rc < 0 ? RUNNER_FAILED : RUNNER_FINISHED;
	n->error = e;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* ---- Orders ---- */

static int check_role(const struct runner *r, const struct run_spec *spec, struct err *e)
{
	enum wire_role role = r->config.boot->role;

	if (((spec->kind == RUN_EXPORT || spec->kind == RUN_COPY) && role != WIRE_SOURCE) || (spec->kind == RUN_IMPORT && role != WIRE_TARGET))
		return err_set(e, ERR_REFUSED, 0, "an %s worker does not %s: order it from the other one",
			       role == WIRE_SOURCE ? "export" : "import", kind_names[spec->kind]);
	return 0;
}

static struct entry *entry_new(struct runner *r, struct run_spec *spec)
{
	struct entry *n = mem_alloc(sizeof *n);

	n->runner = r;
	n->refs = 1;
	n->state = RUNNER_RUNNING;
	n->run = run_new(&r->config, spec);
	n->run->accept = accept_peer;
	n->run->wake = wake_accept;
	n->run->ctx = n;
	return n;
}

/* The run before the new one: its thread has ended or is about to, long polls of it are woken. */
static void retire(struct runner *r, struct entry *old)
{
	if (old == NULL)
		return;
	pthread_join(old->thread, NULL);
	ledger_feed_abandon(old->run->feed);
	put(r, old);
}

int runner_start(struct runner *r, struct run_spec *spec, struct err *e)
{
	if (check_role(r, spec, e) < 0)
		return -1;
	struct entry *n = entry_new(r, spec);
	pthread_mutex_lock(&r->lock);
	struct entry *old = r->last;
	int rc = 0;
	if (r->shut)
		rc = err_set(e, ERR_CANCELED, 0, "this worker is about to end");
	else if (old != NULL && old->state == RUNNER_RUNNING)
		rc = err_set(e, ERR_BUSY, 0, "a run is under way on this worker; stop it or wait for its end");
	else if (thread_start(&n->thread, entry_main, n, e) < 0)
		rc = -1;
	if (rc == 0)
		r->last = n;
	pthread_mutex_unlock(&r->lock);
	if (rc == 0)
		retire(r, old);
	else
		put(r, n);
	return rc;
}

/* Puts `n`. */
static void stop_entry(struct runner *r, struct entry *n, int64_t wait_ns)
{
	int64_t until = clock_mono_ns() + wait_ns;

	pthread_mutex_lock(&r->lock);
	if (n->state == RUNNER_RUNNING)
		run_cancel(n->run);
	while (n->state == RUNNER_RUNNING && thread_cond_wait_until(&r->changed, &r->lock, until))
		;
	pthread_mutex_unlock(&r->lock);
	put(r, n);
}

void runner_stop(struct runner *r, int64_t wait_ns)
{
	struct err none = ERR_INIT;
	struct entry *n = get(r, NULL, &none);

	if (n != NULL)
		stop_entry(r, n, wait_ns);
}

int runner_stop_attempt(struct runner *r, const char *attempt, int64_t wait_ns, struct err *e)
{
	struct err why = ERR_INIT;
	struct entry *n = get(r, attempt, &why);

	if (n == NULL && why.kind != ERR_NOT_FOUND) {
		*e = why;
		return -1;
	}
	if (n != NULL)
		stop_entry(r, n, wait_ns);
	return 0;
}

void runner_shut(struct runner *r)
{
	pthread_mutex_lock(&r->lock);
	r->shut = true;
	if (r->last != NULL) {
		run_cancel(r->last->run);
		ledger_feed_abandon(r->last->run->feed);
	}
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

void runner_free(struct runner *r)
{
	if (r == NULL)
		return;
	if (r->last != NULL) {
		run_cancel(r->last->run);
		retire(r, r->last);
	}
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->changed);
	free(r);
}

static void refuse_peer(struct stream *s, const struct err *why)
{
	int64_t until = clock_mono_ns() + REFUSAL_NS;
	struct err ignored = ERR_INIT;
	char rest[4096];

	stream_set_timeout(s, REFUSAL_NS);
	if (wire_send_error(s, why, &ignored) == 0 && stream_flush(s, &ignored) == 0)
		while (clock_mono_ns() < until && stream_read(s, rest, sizeof rest, &ignored) > 0)
			;
	stream_close(s);
}

/* With the lock held. Why a connection has no run to go to; false: it may yet get one. The listener is ordered before
 * the dialer, so what comes after a failed run belongs to that one. */
static bool is_unwanted(const struct runner *r, int64_t until, struct err *why)
{
	if (r->last != NULL && r->last->state == RUNNER_FAILED)
		*why = r->last->error;
	else if (r->shut)
		err_set(why, ERR_CANCELED, 0, "this worker is about to end");
	else if (clock_mono_ns() >= until)
		err_set(why, ERR_TIMEOUT, 0, "no run that waits for a connection was ordered");
	return why->kind != ERR_NONE;
}

void runner_offer_peer(struct runner *r, struct stream *s)
{
	int64_t until = clock_mono_ns() + OFFER_NS;
	struct err why = ERR_INIT;

	pthread_mutex_lock(&r->lock);
	struct stream *older = take_offer(r);
	uint64_t mine = ++r->offers;
	r->offered = s;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	stream_close(older);
	pthread_mutex_lock(&r->lock);
	while (r->offered != NULL && r->offers == mine && !is_unwanted(r, until, &why))
		thread_cond_wait_until(&r->changed, &r->lock, until);
	struct stream *back = r->offers == mine ? take_offer(r) : NULL;
	pthread_mutex_unlock(&r->lock);
	if (back != NULL)
		refuse_peer(back, &why);
}

/* ---- The controller's questions ---- */

int runner_feed(struct runner *r, const char *attempt, uint64_t ack, int64_t wait_ns, struct buf *out, struct err *e)
{
	struct entry *n = get(r, attempt, e);

	if (n == NULL)
		return -1;
	int rc = ledger_feed_collect(n->run->feed, ack, wait_ns, out, e);
	put(r, n);
	return rc;
}

int runner_put_pages(struct runner *r, const char *attempt, unsigned index, uint64_t first, const void *data,
		     size_t len, struct err *e)
{
	struct entry *n = get(r, attempt, e);

	if (n == NULL)
		return -1;
	int rc = ledger_feed_put_pages(n->run->feed, index, first, data, len, e);
	put(r, n);
	return rc;
}

int runner_set_limits(struct runner *r, const char *attempt, const struct limits *limits, struct err *e)
{
	struct entry *n = get(r, attempt, e);
	char text[LIMITS_TEXT];

	if (n == NULL)
		return -1;
	limiter_set(n->run->limiter, limits);
	limits_describe(limits, text);
	log_info(r->config.log, "%s%s", text[0] != '\0' ? "limited to " : "no limits any more", text);
	put(r, n);
	return 0;
}

int runner_set_token(struct runner *r, const char *attempt, unsigned index, const char *token, struct err *e)
{
	struct entry *n = get(r, attempt, e);

	if (n == NULL)
		return -1;
	int rc = run_set_token(n->run, index, token, e);
	put(r, n);
	return rc;
}

static void copy_progress(const struct run *run, unsigned i, struct runner_disk *d)
{
	const struct copy_progress *p = &run->progress[i];

	*d = (struct runner_disk){
		.index = run->spec.disks[i].index,
		.size = run->spec.disks[i].size,
		.scanned = p->scanned,
		.skipped = p->skipped,
		.zero = p->zero,
		.holes = p->holes,
		.unchanged = p->unchanged,
		.sent = p->sent,
		.sent_zero = p->sent_zero,
		.sent_wire = p->sent_wire,
		.chunks = p->chunks,
		.written = p->written,
		.verified = p->verified,
		.durable = p->durable,
		.checkpoints = p->checkpoints,
	};
}

static void copy_packing(const struct run *run, struct runner_status *out)
{
	const struct copy_packing *p = &run->packing;

	if (p->raw_chunks > 0)
		out->packing[out->packing_count++] = (struct runner_packing){
			.chunks = p->raw_chunks, .bytes = p->raw_bytes, .packed = p->raw_bytes};
	for (int i = 0; i < COPY_LEVELS; i++)
		if (p->levels[i].chunks > 0)
			out->packing[out->packing_count++] = (struct runner_packing){
				.level = p->levels[i].level,
				.chunks = p->levels[i].chunks,
				.bytes = p->levels[i].bytes,
				.packed = p->levels[i].packed,
			};
}

void runner_status(struct runner *r, struct runner_status *out)
{
	*out = (struct runner_status){.state = RUNNER_IDLE};
	pthread_mutex_lock(&r->lock);
	struct entry *n = r->last;
	if (n != NULL) {
		out->state = n->state;
		out->error = n->error;
		out->disk_count = n->run->spec.disk_count;
		for (unsigned i = 0; i < out->disk_count; i++)
			copy_progress(n->run, i, &out->disks[i]);
		link_watch_read(n->run->watch, &out->link);
		limiter_get(n->run->limiter, &out->limits);
		copy_packing(n->run, out);
	}
	pthread_mutex_unlock(&r->lock);
}
