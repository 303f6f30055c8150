// SPDX-License-Identifier: Apache-2.0
#include "copy/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/mem.h"

#define HUGE_PAGE (UINT64_C(2) << 20)
#define PAGE      UINT64_C(4096)

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t returned;
	struct buffer *free;
	struct buffer *all;
	unsigned count;
	size_t unit;
	bool closed;
	void *map;
	size_t map_size;
	uint8_t *start; /* of the buffers, in the map */
};

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

struct pool *pool_new(uint64_t bytes, size_t unit, unsigned least, struct err *e)
{
	uint64_t step = round_up(unit, PAGE);
	uint64_t count = bytes / step;

	if (count < least)
		count = least;
	/* One huge page more, so that the start can be aligned to one: contiguous memory makes O_DIRECT cheap. */
	size_t map_size = (size_t)(round_up(count * step, HUGE_PAGE) + HUGE_PAGE);
	uint8_t *map = mmap(NULL, map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED) {
		err_set(e, ERR_NO_SPACE, errno, "cannot reserve %zu bytes of memory for data buffers", map_size);
		return NULL;
	}
	uint8_t *start = map + (round_up((uintptr_t)map, HUGE_PAGE) - (uintptr_t)map);
	madvise(start, map_size - HUGE_PAGE, MADV_HUGEPAGE); /* refused by some kernels; only speed is lost */

	struct pool *p = mem_alloc(sizeof *p);
	p->map = map;
	p->map_size = map_size;
	p->start = start;
	p->unit = unit;
	p->count = (unsigned)count;
	p->all = mem_array(p->count, sizeof *p->all);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->returned, NULL);
	/* The first buffer of the map ends up first in the list, so that a short job touches little memory. */
	for (unsigned i = p->count; i-- > 0;) {
		p->all[i].data = start + i * step;
		p->all[i].pool = p;
		p->all[i].next = p->free;
		p->free = &p->all[i];
	}
	return p;
}

void pool_free(struct pool *p)
{
	if (p == NULL)
		return;
	munmap(p->map, p->map_size);
	pthread_cond_destroy(&p->returned);
	pthread_mutex_destroy(&p->lock);
	free(p->all);
	free(p);
}

size_t pool_unit(const struct pool *p)
{
	return p->unit;
}

unsigned pool_count(const struct pool *p)
{
	return p->count;
}

void *pool_memory(const struct pool *p, size_t *size)
{
	*size = p->count * (size_t)round_up(p->unit, PAGE);
	return p->start;
}

/* With the lock held. */
static struct buffer *take(struct pool *p)
{
	struct buffer *b = p->closed ? NULL : p->free;

	if (b != NULL) {
		p->free = b->next;
		atomic_store(&b->refs, 1);
	}
	return b;
}

struct buffer *pool_get(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	while (p->free == NULL && !p->closed)
		pthread_cond_wait(&p->returned, &p->lock);
	struct buffer *b = take(p);
	pthread_mutex_unlock(&p->lock);
	return b;
}

struct buffer *pool_try_get(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	struct buffer *b = take(p);
	pthread_mutex_unlock(&p->lock);
	return b;
}

void pool_close(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->closed = true;
	pthread_cond_broadcast(&p->returned);
	pthread_mutex_unlock(&p->lock);
}

void buffer_ref(struct buffer *b, unsigned more)
{
	atomic_fetch_add(&b->refs, more);
}

void buffer_unref(struct buffer *b)
{
	if (b == NULL || atomic_fetch_sub(&b->refs, 1) != 1)
		return;
	struct pool *p = b->pool;
	pthread_mutex_lock(&p->lock);
	b->next = p->free;
	p->free = b;
	pthread_cond_signal(&p->returned);
	pthread_mutex_unlock(&p->lock);
}

size_t buffer_next(size_t used)
{
	return (size_t)round_up(used, PAGE);
}
