// SPDX-License-Identifier: Apache-2.0
#include "copy/limiter.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "copy/token_bucket.h"
#include "net/wire.h"

struct limiter {
	pthread_mutex_t lock; /* everything below */
	pthread_cond_t changed;
	struct limits limits;
	bool stopped;
	struct token_bucket bandwidth, worker_iops;
	struct disk_buckets {
		struct token_bucket throughput, iops;
	} disks[WIRE_MAX_DISKS];
};

/* What one request takes of one bucket. */
struct cost {
	struct token_bucket *bucket;
	uint64_t tokens;
};

struct limiter *limiter_new(const struct limits *limits)
{
	struct limiter *l = mem_alloc(sizeof *l);
	pthread_condattr_t attr;

	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->changed, &attr);
	pthread_condattr_destroy(&attr);
	limiter_set(l, limits);
	return l;
}

void limiter_free(struct limiter *l)
{
	if (l == NULL)
		return;
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

void limiter_set(struct limiter *l, const struct limits *limits)
{
	int64_t now = clock_mono_ns();

	pthread_mutex_lock(&l->lock);
	l->limits = *limits;
	token_bucket_set_rate(&l->bandwidth, now, limits->of[LIMIT_BANDWIDTH]);
	token_bucket_set_rate(&l->worker_iops, now, limits->of[LIMIT_WORKER_IOPS]);
	for (unsigned i = 0; i < WIRE_MAX_DISKS; i++) {
		token_bucket_set_rate(&l->disks[i].throughput, now, limits->of[LIMIT_DISK_THROUGHPUT]);
		token_bucket_set_rate(&l->disks[i].iops, now, limits->of[LIMIT_DISK_IOPS]);
	}
	pthread_cond_broadcast(&l->changed);
	pthread_mutex_unlock(&l->lock);
}

void limiter_get(struct limiter *l, struct limits *out)
{
	pthread_mutex_lock(&l->lock);
	*out = l->limits;
	pthread_mutex_unlock(&l->lock);
}

void limiter_stop(void *limiter)
{
	struct limiter *l = limiter;

	pthread_mutex_lock(&l->lock);
	l->stopped = true;
	pthread_cond_broadcast(&l->changed);
	pthread_mutex_unlock(&l->lock);
}

static void wait_until(struct limiter *l, int64_t at)
{
	struct timespec until = {.tv_sec = (time_t)(at / NS_PER_S), .tv_nsec = (long)(at % NS_PER_S)};

	pthread_cond_timedwait(&l->changed, &l->lock, &until);
}

static int64_t wait_ns(const struct cost *costs, size_t n, int64_t now)
{
	int64_t wait = 0;

	for (size_t i = 0; i < n; i++) {
		int64_t w = token_bucket_wait_ns(costs[i].bucket, now);

		wait = w > wait ? w : wait;
	}
	return wait;
}

/* Waits until all buckets give, then takes from all at once: what waits for one holds back nothing of the others. */
static void take(struct limiter *l, const struct cost *costs, size_t n, bool waits)
{
	pthread_mutex_lock(&l->lock);
	int64_t now = clock_mono_ns(), wait;
	while (waits && !l->stopped && (wait = wait_ns(costs, n, now)) > 0) {
		wait_until(l, now + wait);
		now = clock_mono_ns();
	}
	for (size_t i = 0; i < n && !l->stopped; i++)
		token_bucket_take(costs[i].bucket, now, costs[i].tokens);
	pthread_mutex_unlock(&l->lock);
}

void limiter_send(struct limiter *l, size_t bytes)
{
	if (l == NULL)
		return;
	const struct cost cost = {&l->bandwidth, bytes};
	take(l, &cost, 1, true);
}

static void take_read(struct limiter *l, unsigned disk, size_t bytes, bool waits)
{
	const struct cost costs[] = {
		{&l->disks[disk].throughput, bytes},
		{&l->disks[disk].iops, 1},
		{&l->worker_iops, 1},
	};

	take(l, costs, sizeof costs / sizeof costs[0], waits);
}

void limiter_read(struct limiter *l, unsigned disk, size_t bytes)
{
	if (l != NULL)
		take_read(l, disk, bytes, true);
}

void limiter_owe(struct limiter *l, unsigned disk, size_t bytes)
{
	if (l != NULL)
		take_read(l, disk, bytes, false);
}
