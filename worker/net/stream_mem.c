// SPDX-License-Identifier: Apache-2.0
#include "net/stream_mem.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

/* One direction; everything under the pair's lock. */
struct pipe {
	uint8_t *data; /* a ring of the pair's capacity */
	size_t head, len;
	uint64_t sent, taken;
	uint64_t fault_at[STREAM_MEM_FAULTS];
	bool ended; /* the writer closed or aborted */
	bool unwanted; /* the reader did */
};

struct pair;

struct end {
	struct stream base;
	struct pair *pair;
	struct pipe *in, *out;
	int64_t timeout_ns;
	bool aborted, closed;
};

struct pair {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t capacity;
	bool cut;
	struct pipe pipe[2];
	struct end end[2];
};

/* False once the deadline (0: none) has passed. */
static bool wait_until(struct pair *p, int64_t deadline)
{
	struct timespec at = {
		.tv_sec = (time_t)(deadline / NS_PER_S), .tv_nsec = (long)(deadline % NS_PER_S)};

	if (deadline == 0)
		return pthread_cond_wait(&p->changed, &p->lock) == 0;
	return pthread_cond_timedwait(&p->changed, &p->lock, &at) != ETIMEDOUT;
}

static int64_t deadline_of(const struct end *me)
{
	return me->timeout_ns > 0 ? clock_mono_ns() + me->timeout_ns : 0;
}

static size_t readable(const struct pipe *in)
{
	uint64_t before_stall = in->fault_at[STREAM_MEM_STALL] - in->taken;

	return in->len < before_stall ? in->len : (size_t)before_stall;
}

static size_t take(struct pair *p, struct pipe *in, uint8_t *to, size_t n)
{
	size_t first;

	if (n > readable(in))
		n = readable(in);
	first = n < p->capacity - in->head ? n : p->capacity - in->head;
	memcpy(to, in->data + in->head, first);
	memcpy(to + first, in->data, n - first);
	in->head = (in->head + n) % p->capacity;
	in->len -= n;
	in->taken += n;
	pthread_cond_broadcast(&p->changed);
	return n;
}

static ssize_t read_locked(struct end *me, void *to, size_t n, struct err *e)
{
	int64_t deadline = deadline_of(me);

	for (;;) {
		if (me->aborted)
			return err_set(e, ERR_CANCELED, 0, "the connection in memory was ended by this side");
		if (readable(me->in) > 0)
			return (ssize_t)take(me->pair, me->in, to, n);
		if (me->pair->cut)
			return err_set(e, ERR_NETWORK, 0, "the connection in memory was cut");
		if (me->in->ended && me->in->len == 0)
			return 0;
		if (!wait_until(me->pair, deadline))
			return err_set(
				e, ERR_TIMEOUT, 0, "nothing came over the connection in memory in time");
	}
}

static ssize_t mem_read(struct stream *s, void *to, size_t n, struct err *e)
{
	struct end *me = (struct end *)s;

	pthread_mutex_lock(&me->pair->lock);
	ssize_t got = read_locked(me, to, n, e);
	pthread_mutex_unlock(&me->pair->lock);
	return got;
}

/* As much of n as has room and comes before a cut. */
static size_t put(struct pair *p, struct pipe *out, const uint8_t *from, size_t n)
{
	uint64_t before_cut = out->fault_at[STREAM_MEM_CUT] - out->sent;
	uint64_t flip = out->fault_at[STREAM_MEM_FLIP] - out->sent;

	if (n > p->capacity - out->len)
		n = p->capacity - out->len;
	if (n > before_cut)
		n = (size_t)before_cut;
	for (size_t i = 0; i < n; i++)
		out->data[(out->head + out->len + i) % p->capacity] = i == flip ? from[i] ^ 1 : from[i];
	out->len += n;
	out->sent += n;
	p->cut = p->cut || n == before_cut;
	pthread_cond_broadcast(&p->changed);
	return n;
}

static int write_locked(struct end *me, const uint8_t *from, size_t n, struct err *e)
{
	struct pair *p = me->pair;
	int64_t deadline = deadline_of(me);

	while (n > 0) {
		if (me->aborted)
			return err_set(e, ERR_CANCELED, 0, "the connection in memory was ended by this side");
		if (p->cut || me->out->unwanted)
			return err_set(e, ERR_NETWORK, 0, "the connection in memory was cut");
		if (me->out->len < p->capacity) {
			size_t done = put(p, me->out, from, n);

			from += done;
			n -= done;
		} else if (!wait_until(p, deadline)) {
			return err_set(
				e, ERR_TIMEOUT, 0, "nothing was taken from the connection in memory in time");
		}
	}
	return 0;
}

static int mem_write(struct stream *s, const void *from, size_t n, struct err *e)
{
	struct end *me = (struct end *)s;

	pthread_mutex_lock(&me->pair->lock);
	int rc = write_locked(me, from, n, e);
	pthread_mutex_unlock(&me->pair->lock);
	return rc;
}

static int mem_flush(struct stream *s, struct err *e)
{
	(void)s;
	(void)e;
	return 0;
}

/* With the lock held. */
static void hang_up(struct end *me)
{
	me->out->ended = true;
	me->in->unwanted = true;
	pthread_cond_broadcast(&me->pair->changed);
}

static void mem_abort(struct stream *s)
{
	struct end *me = (struct end *)s;

	pthread_mutex_lock(&me->pair->lock);
	me->aborted = true;
	hang_up(me);
	pthread_mutex_unlock(&me->pair->lock);
}

static void mem_set_timeout(struct stream *s, int64_t ns)
{
	struct end *me = (struct end *)s;

	pthread_mutex_lock(&me->pair->lock);
	me->timeout_ns = ns;
	pthread_mutex_unlock(&me->pair->lock);
}

static void mem_close(struct stream *s)
{
	struct end *me = (struct end *)s;
	struct pair *p = me->pair;

	pthread_mutex_lock(&p->lock);
	me->closed = true;
	hang_up(me);
	bool last = p->end[0].closed && p->end[1].closed;
	pthread_mutex_unlock(&p->lock);
	if (!last)
		return;
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p->pipe[0].data);
	free(p->pipe[1].data);
	free(p);
}

static bool mem_ready(struct stream *s)
{
	const struct end *me = (const struct end *)s;

	pthread_mutex_lock(&me->pair->lock);
	bool ready = readable(me->in) > 0;
	pthread_mutex_unlock(&me->pair->lock);
	return ready;
}

static const struct stream_ops mem_ops = {
	.read = mem_read,
	.write = mem_write,
	.flush = mem_flush,
	.ready = mem_ready,
	.abort = mem_abort,
	.set_timeout = mem_set_timeout,
	.close = mem_close,
};

void stream_mem_pair(size_t capacity, struct stream *end[2])
{
	struct pair *p = mem_alloc(sizeof *p);
	pthread_condattr_t attr;

	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->changed, &attr);
	pthread_condattr_destroy(&attr);
	p->capacity = capacity > 0 ? capacity : 1;
	for (int i = 0; i < 2; i++) {
		p->pipe[i].data = mem_alloc(p->capacity);
		for (int f = 0; f < STREAM_MEM_FAULTS; f++)
			p->pipe[i].fault_at[f] = UINT64_MAX;
		p->end[i] = (struct end){
			.base.ops = &mem_ops,
			.pair = p,
			.in = &p->pipe[i],
			.out = &p->pipe[1 - i],
		};
		end[i] = &p->end[i].base;
	}
}

void stream_mem_fault(struct stream *writer, enum stream_mem_fault fault, uint64_t at)
{
	struct end *me = (struct end *)writer;

	pthread_mutex_lock(&me->pair->lock);
	if (fault == STREAM_MEM_STALL && at < me->out->taken)
		at = me->out->taken; /* what the peer has cannot be called back */
	me->out->fault_at[fault] = at;
	me->pair->cut = me->pair->cut || (fault == STREAM_MEM_CUT && at <= me->out->sent);
	pthread_mutex_unlock(&me->pair->lock);
}
