// SPDX-License-Identifier: Apache-2.0
#include "copy/sample.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"

/* Single pages are asked for together with their neighbours this near: that costs less than asking twice. */
#define NEAR_PAGES 16

struct sample {
	const struct copy_config *c;
	struct copy_disk *disk;
	unsigned index;
	struct ledger *ledger;
	struct buffer *buffer;
	uint64_t page;            /* that `baseline` is of */
	uint8_t baseline[MANIFEST_PAGE_HASHES];
	unsigned count;
	uint64_t chunk[SAMPLE_MAX]; /* rising */
};

const struct extents *copy_disk_ranges(const struct copy_disk *d)
{
	return d->hints != NULL && !d->refuted ? &d->hints->ranges : NULL;
}

uint64_t sample_count(uint64_t hinted, uint64_t left_out)
{
	uint64_t n = hinted / SAMPLE_PART;

	n = n < SAMPLE_MIN ? SAMPLE_MIN : n > SAMPLE_MAX ? SAMPLE_MAX : n;
	return n < left_out ? n : left_out;
}

static int random_below(uint64_t n, uint64_t *out, struct err *e)
{
	uint64_t r;

	if (getrandom(&r, sizeof r, 0) != (ssize_t)sizeof r)
		return err_set(e, ERR_INTERNAL, errno, "the kernel gives no random numbers");
	*out = r % n; /* shares are far below 2^64: the bias is nothing */
	return 0;
}

/* The chunks outside of the hints are numbered 0, 1, ...; one of each share is chosen, and named by its real number. */
static int choose(struct sample *s, struct err *e)
{
	const struct extents *x = &s->disk->hints->ranges;
	uint64_t size = s->c->chunk_size, chunks = (s->disk->size + size - 1) / size;
	uint64_t hinted = hints_chunks(s->disk->hints), left_out = chunks - hinted, passed = 0;
	size_t next = 0;

	s->count = (unsigned)sample_count(hinted, left_out);
	for (unsigned i = 0; i < s->count; i++) {
		uint64_t share = left_out / s->count, rest = left_out % s->count;
		uint64_t first = i * share + (i < rest ? i : rest), at = 0;

		if (random_below(share + (i < rest), &at, e) != 0)
			return -1;
		at += first;
		/* Over the hinted ranges that lie before it. */
		while (next < x->list.len && x->list.at[next].start / size <= at + passed) {
			passed += (x->list.at[next].end + size - 1) / size - x->list.at[next].start / size;
			next++;
		}
		s->chunk[i] = at + passed;
	}
	return 0;
}

static void add_pages(struct extents *to, uint64_t first, uint64_t end)
{
	size_t n = to->list.len;

	if (n > 0 && to->list.at[n - 1].end + NEAR_PAGES >= first)
		first = to->list.at[n - 1].start;
	extents_add(to, first, end);
}

static int expect_sample(struct sample *s, struct err *e)
{
	cleanup(extents_fini) struct extents pages = {0};

	for (unsigned i = 0; i < s->count; i++) {
		uint64_t page = s->chunk[i] / MANIFEST_PAGE_CHUNKS;

		add_pages(&pages, page, page + 1);
	}
	return ledger_expect(s->ledger, s->index, &pages, e);
}

static int expect_rest(struct sample *s, struct err *e)
{
	cleanup(extents_fini) struct extents pages = {0}, near = {0};

	if (s->disk->refuted)
		return ledger_expect(s->ledger, s->index, NULL, e);
	hints_pages(s->disk->hints, &pages);
	for (size_t i = 0; i < pages.list.len; i++)
		add_pages(&near, pages.list.at[i].start, pages.list.at[i].end);
	return ledger_expect(s->ledger, s->index, &near, e);
}

static int look_at(struct sample *s, uint64_t chunk, bool *differs, struct err *e)
{
	uint64_t offset = chunk * s->c->chunk_size, left = s->disk->size - offset;
	uint32_t length = left < s->c->chunk_size ? (uint32_t)left : s->c->chunk_size;
	uint64_t page = chunk / MANIFEST_PAGE_CHUNKS;
	uint8_t hash[MANIFEST_HASH];

	if (page != s->page && ledger_read_page(s->ledger, s->index, page, s->baseline, e) != 0)
		return -1;
	s->page = page;
	limiter_read(s->c->limiter, s->index, length);
	if (block_io(s->disk->block, BLOCK_READ, offset, s->buffer->data, length, e) != 0)
		return -1;
	manifest_hash(s->c->keys, s->buffer->data, length, hash);
	atomic_fetch_add(&s->disk->progress->sampled, length);
	*differs = memcmp(hash, s->baseline + chunk % MANIFEST_PAGE_CHUNKS * MANIFEST_HASH, MANIFEST_HASH) != 0;
	return 0;
}

static int look_at_all(struct sample *s, struct pipeline *p, struct err *e)
{
	bool differs = false;

	for (unsigned i = 0; i < s->count; i++) {
		if (pipeline_stopped(p))
			return pipeline_set_stopped(e);
		if (look_at(s, s->chunk[i], &differs, e) != 0)
			return -1;
		if (!differs)
			continue;
		s->disk->refuted = true;
		s->disk->refuted_at = s->chunk[i] * s->c->chunk_size;
		return ledger_refute(s->ledger, s->index, s->chunk[i], e);
	}
	return 0;
}

static void drop(struct buffer **b)
{
	buffer_unref(*b);
}

int sample_check(const struct copy_config *c, unsigned disk, struct ledger *l, struct pool *buffers, struct pipeline *p,
		 struct err *e)
{
	if (c->disks[disk].hints == NULL)
		return 0;
	cleanup(drop) struct buffer *b = pool_get(buffers);
	if (b == NULL)
		return pipeline_set_stopped(e);
	struct sample s = {
		.c = c, .disk = &c->disks[disk], .index = disk, .ledger = l, .buffer = b, .page = UINT64_MAX};
	s.disk->refuted = false;
	if (choose(&s, e) != 0 || expect_sample(&s, e) != 0 || look_at_all(&s, p, e) != 0)
		return -1;
	return expect_rest(&s, e);
}
