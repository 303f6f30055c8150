// SPDX-License-Identifier: Apache-2.0
#include "base/ring.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"

struct ring {
	pthread_mutex_t lock;
	pthread_cond_t not_empty;
	pthread_cond_t not_full;
	size_t cap, head, len;
	bool closed;
	void *item[];
};

struct ring *ring_new(size_t capacity)
{
	struct ring *r = mem_alloc(sizeof *r + capacity * sizeof r->item[0]);
	pthread_condattr_t attr;

	r->cap = capacity;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->not_empty, &attr);
	pthread_cond_init(&r->not_full, &attr);
	pthread_condattr_destroy(&attr);
	return r;
}

void ring_free(struct ring *r)
{
	if (r == NULL)
		return;
	pthread_cond_destroy(&r->not_full);
	pthread_cond_destroy(&r->not_empty);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

bool ring_push(struct ring *r, void *item)
{
	pthread_mutex_lock(&r->lock);
	while (r->len == r->cap && !r->closed)
		pthread_cond_wait(&r->not_full, &r->lock);
	bool open = !r->closed;
	if (open) {
		r->item[(r->head + r->len++) % r->cap] = item;
		pthread_cond_signal(&r->not_empty);
	}
	pthread_mutex_unlock(&r->lock);
	return open;
}

/* With the lock held. */
static void *take(struct ring *r)
{
	if (r->len == 0)
		return NULL;
	void *item = r->item[r->head];
	r->head = (r->head + 1) % r->cap;
	r->len--;
	pthread_cond_signal(&r->not_full);
	return item;
}

void *ring_pop(struct ring *r)
{
	pthread_mutex_lock(&r->lock);
	while (r->len == 0 && !r->closed)
		pthread_cond_wait(&r->not_empty, &r->lock);
	void *item = take(r);
	pthread_mutex_unlock(&r->lock);
	return item;
}

void *ring_pop_wait(struct ring *r, int64_t timeout_ns, bool *closed)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	int64_t ns = at.tv_nsec + timeout_ns % 1000000000;
	at.tv_sec += (time_t)(timeout_ns / 1000000000 + ns / 1000000000);
	at.tv_nsec = (long)(ns % 1000000000);

	pthread_mutex_lock(&r->lock);
	while (r->len == 0 && !r->closed)
		if (pthread_cond_timedwait(&r->not_empty, &r->lock, &at) == ETIMEDOUT)
			break;
	void *item = take(r);
	*closed = r->closed && item == NULL;
	pthread_mutex_unlock(&r->lock);
	return item;
}

void *ring_try_pop(struct ring *r)
{
	pthread_mutex_lock(&r->lock);
	void *item = take(r);
	pthread_mutex_unlock(&r->lock);
	return item;
}

void ring_close(struct ring *r)
{
	pthread_mutex_lock(&r->lock);
	r->closed = true;
	pthread_cond_broadcast(&r->not_empty);
	pthread_cond_broadcast(&r->not_full);
	pthread_mutex_unlock(&r->lock);
}

size_t ring_len(struct ring *r)
{
	pthread_mutex_lock(&r->lock);
	size_t len = r->len;
	pthread_mutex_unlock(&r->lock);
	return len;
}
