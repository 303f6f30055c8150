// SPDX-License-Identifier: Apache-2.0
#include "block/block_mem.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "block/disk_error.h"

struct mem_disk {
	struct block_info info;
	pthread_mutex_t lock;     /* of its blocks: everything below */
	uint8_t *now;             /* what a read gives */
	uint8_t *durable;         /* what a power failure leaves */
	struct extents unflushed; /* whole sectors that may differ between the two */
	struct extents data;      /* what was ever written; the rest is holes */
	VEC(struct mem_fault) faults;
	struct mem_counters counters;
	uint64_t seed;
	bool powerless;
};

struct mem_block {
	struct block base;
	struct mem_disk *disk;
	VEC(struct block_request *) under_way;
};

/* ---- The disk ------------------------------------------------------------------------------------------------------ */

/* Zeros that cost memory only where they are written. */
static uint8_t *image_new(uint64_t size)
{
	void *p = mmap(NULL, size > 0 ? size : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		-1, 0);

	if (p == MAP_FAILED) {
		perror("block_mem: mmap");
		abort();
	}
	return p;
}

struct mem_disk *mem_disk_new(const char *name, uint64_t size, uint32_t sector, bool is_file)
{
	struct mem_disk *d = mem_alloc(sizeof *d);

	pthread_mutex_init(&d->lock, NULL);
	d->info = (struct block_info){
		.size = size, .logical_sector = sector, .physical_sector = 4096, .is_file = is_file};
	snprintf(d->info.name, sizeof d->info.name, "%s", name);
	d->now = image_new(size);
	d->durable = image_new(size);
	return d;
}

void mem_disk_free(struct mem_disk *d)
{
	if (d == NULL)
		return;
	pthread_mutex_destroy(&d->lock);
	munmap(d->now, d->info.size > 0 ? d->info.size : 1);
	munmap(d->durable, d->info.size > 0 ? d->info.size : 1);
	extents_fini(&d->unflushed);
	extents_fini(&d->data);
	vec_fini(&d->faults);
	free(d);
}

void mem_disk_seed(struct mem_disk *d, uint64_t seed)
{
	d->seed = seed;
}

void mem_disk_gathers(struct mem_disk *d, uint32_t bytes)
{
	d->info.gathers = bytes;
}

void mem_disk_fault(struct mem_disk *d, const struct mem_fault *f)
{
	*vec_push(&d->faults) = *f;
}

void mem_disk_clear_faults(struct mem_disk *d)
{
	d->faults.len = 0;
}

const uint8_t *mem_disk_bytes(const struct mem_disk *d)
{
	return d->now;
}

const struct mem_counters *mem_disk_counters(const struct mem_disk *d)
{
	return &d->counters;
}

const struct extents *mem_disk_unflushed(const struct mem_disk *d)
{
	return &d->unflushed;
}

void mem_disk_put(struct mem_disk *d, uint64_t offset, const void *p, uint64_t n)
{
	memcpy(d->now + offset, p, n);
	memcpy(d->durable + offset, p, n);
	extents_add(&d->data, offset, offset + n);
}

/* xorshift64 (Marsaglia, 2003). */
static uint64_t draw(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void settle(struct mem_disk *d, uint64_t start, uint64_t end, bool keep)
{
	uint8_t *from = keep ? d->now : d->durable, *to = keep ? d->durable : d->now;

	memcpy(to + start, from + start, end - start);
}

static void make_durable(struct mem_disk *d)
{
	struct extent x;

	for (uint64_t at = 0; extents_next(&d->unflushed, at, &x); at = x.end)
		settle(d, x.start, x.end, true);
	extents_clear(&d->unflushed);
}

void mem_disk_power_on(struct mem_disk *d, uint64_t seed)
{
	uint32_t sector = d->info.logical_sector;
	struct extent x;

	for (uint64_t at = 0; extents_next(&d->unflushed, at, &x); at = x.end)
		for (uint64_t s = x.start; s < x.end; s += sector)
			settle(d, s, s + sector < x.end ? s + sector : x.end, seed != 0 && draw(&seed) >> 63);
	extents_clear(&d->unflushed);
	d->powerless = false;
}

/* ---- Operations and faults --------------------------------------------------------------------------------------- */

static bool touches(const struct mem_fault *f, enum mem_op op, uint64_t offset, uint64_t length)
{
	if (f->op != op)
		return false;
	return f->length == 0 || op == MEM_FLUSH || (offset < f->offset + f->length && f->offset < offset + length);
}

/* The fault that hits this operation, counted; NULL when it passes. */
static const struct mem_fault *hit(struct mem_disk *d, enum mem_op op, uint64_t offset, uint64_t length)
{
	for (size_t i = 0; i < d->faults.len; i++) {
		struct mem_fault *f = &d->faults.at[i];

		if (!touches(f, op, offset, length) || f->times == UINT32_MAX)
			continue;
		if (f->skip > 0) {
			f->skip--;
			continue;
		}
		/* UINT32_MAX: used up, 0: never used up. */
		if (f->times > 0 && --f->times == 0)
			f->times = UINT32_MAX;
		return f;
	}
	return NULL;
}

static void take_effect(struct mem_disk *d, enum mem_op op, uint64_t offset, uint64_t length, uint8_t *p)
{
	uint32_t sector = d->info.logical_sector;

	if (length == 0)
		return;
	if (op == MEM_READ) {
		memcpy(p, d->now + offset, length);
		return;
	}
	if (op == MEM_WRITE)
		memcpy(d->now + offset, p, length);
	else
		memset(d->now + offset, 0, length);
	extents_add(&d->data, offset, offset + length);
	uint64_t end = (offset + length + sector - 1) / sector * sector;
	extents_add(&d->unflushed, offset / sector * sector, end < d->info.size ? end : d->info.size);
}

static void flip(struct mem_disk *d, enum mem_op op, uint64_t offset, uint64_t length, uint8_t *p,
		 const struct mem_fault *f)
{
	if (f->flip_at < offset || f->flip_at - offset >= length)
		return;
	if (op == MEM_READ)
		p[f->flip_at - offset] ^= 1;
	else
		d->now[f->flip_at] ^= 1;
}

/* How much of a faulty operation still happens. */
static uint64_t effective(const struct mem_fault *f, uint64_t length)
{
	if (f->effect == MEM_DROP)
		return 0;
	if (f->effect == MEM_FLIP)
		return length;
	return f->partial < length ? f->partial : length;
}

/* 0 or an errno. p: the data of a read or write. With the lock held. */
static int run_locked(struct mem_disk *d, enum mem_op op, uint64_t offset, uint64_t length, void *p)
{
	d->counters.ops[op]++;
	if (d->powerless)
		return EIO;
	const struct mem_fault *f = hit(d, op, offset, length);
	take_effect(d, op, offset, f != NULL ? effective(f, length) : length, p);
	if (f != NULL && f->effect == MEM_FLIP)
		flip(d, op, offset, length, p, f);
	if (f != NULL && f->effect == MEM_POWER)
		d->powerless = true;
	if (f != NULL && (f->effect == MEM_FAIL || f->effect == MEM_POWER))
		return f->effect == MEM_FAIL ? f->error : EIO;
	if (op == MEM_FLUSH && (f == NULL || f->effect != MEM_DROP))
		make_durable(d);
	d->counters.bytes[op] += length;
	return 0;
}

static int run(struct mem_disk *d, enum mem_op op, uint64_t offset, uint64_t length, void *p)
{
	pthread_mutex_lock(&d->lock);
	int sys = run_locked(d, op, offset, length, p);
	pthread_mutex_unlock(&d->lock);
	return sys;
}

static size_t draw_below(struct mem_disk *d, size_t n)
{
	pthread_mutex_lock(&d->lock);
	size_t i = d->seed != 0 ? (size_t)(draw(&d->seed) % n) : 0;
	pthread_mutex_unlock(&d->lock);
	return i;
}

/* ---- The block ----------------------------------------------------------------------------------------------------- */

static struct mem_block *self(struct block *b)
{
	return (struct mem_block *)b;
}

static int mem_submit(struct block *b, struct block_request *r, struct err *e)
{
	struct mem_block *m = self(b);

	if (m->under_way.len >= b->depth)
		return err_set(e, ERR_INTERNAL, 0, "%s: more requests under way than the disk was opened for",
			b->info.name);
	*vec_push(&m->under_way) = r;
	return 0;
}

static int write_parts(struct mem_disk *d, const struct block_request *r)
{
	cleanup(cleanup_free) char *whole = mem_alloc(r->length);
	size_t at = 0;

	for (unsigned i = 0; i < r->part_count; at += r->parts[i++].iov_len)
		memcpy(whole + at, r->parts[i].iov_base, r->parts[i].iov_len);
	return run(d, MEM_WRITE, r->offset, r->length, whole);
}

static struct block_request *mem_wait(struct block *b, int64_t timeout_ns, struct err *e)
{
	struct mem_block *m = self(b);

	(void)timeout_ns; /* something is always ready */
	(void)e;
	if (m->under_way.len == 0)
		return NULL;
	size_t i = draw_below(m->disk, m->under_way.len);
	struct block_request *r = m->under_way.at[i];
	m->under_way.len--;
	memmove(&m->under_way.at[i], &m->under_way.at[i + 1], (m->under_way.len - i) * sizeof m->under_way.at[0]);
	r->error = r->parts != NULL ? write_parts(m->disk, r) :
		   run(m->disk, r->op == BLOCK_WRITE ? MEM_WRITE : MEM_READ, r->offset, r->length, r->data);
	return r;
}

static int mem_read_aside(struct block *b, uint64_t offset, void *data, uint32_t length, struct err *e)
{
	int sys = run(self(b)->disk, MEM_READ, offset, length, data);

	return sys != 0 ? disk_error(e, DISK_READ, sys, &b->info, offset, length) : 0;
}

static int mem_zero(struct block *b, uint64_t offset, uint64_t length, struct err *e)
{
	int sys = run(self(b)->disk, MEM_ZERO, offset, length, NULL);

	return sys != 0 ? disk_error(e, DISK_ZERO, sys, &b->info, offset, length) : 0;
}

static int mem_flush(struct block *b, struct err *e)
{
	int sys = run(self(b)->disk, MEM_FLUSH, 0, 0, NULL);

	return sys != 0 ? disk_error(e, DISK_FLUSH, sys, &b->info, 0, 0) : 0;
}

static int mem_next_data(struct block *b, uint64_t from, uint64_t *start, uint64_t *end, struct err *e)
{
	struct mem_disk *d = self(b)->disk;
	struct extent x = {from, b->info.size};

	(void)e;
	pthread_mutex_lock(&d->lock);
	bool any = !b->info.is_file || extents_next(&d->data, from, &x);
	pthread_mutex_unlock(&d->lock);
	if (!any)
		return 0;
	*start = x.start;
	*end = x.end;
	return 0;
}

static struct block *mem_reader(struct block *b, unsigned depth, struct err *e)
{
	(void)e;
	return block_mem_open(self(b)->disk, BLOCK_RO, depth);
}

static void mem_close(struct block *b)
{
	struct mem_block *m = self(b);
	struct err e;

	while (mem_wait(b, -1, &e) != NULL)
		;
	vec_fini(&m->under_way);
	free(m);
}

static const struct block_ops mem_ops = {
	.submit = mem_submit,
	.wait = mem_wait,
	.read_aside = mem_read_aside,
	.zero = mem_zero,
	.flush = mem_flush,
	.next_data = mem_next_data,
	.reader = mem_reader,
	.close = mem_close,
};

struct block *block_mem_open(struct mem_disk *d, enum block_mode mode, unsigned depth)
{
	struct mem_block *m = mem_alloc(sizeof *m);

	m->base = (struct block){.ops = &mem_ops, .info = d->info, .depth = depth > 0 ? depth : 1};
	m->base.info.read_only = mode == BLOCK_RO;
	m->disk = d;
	return &m->base;
}
