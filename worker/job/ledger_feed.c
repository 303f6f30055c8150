// SPDX-License-Identifier: Apache-2.0
#include "job/ledger_feed.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "job/thread.h"

/* A baseline page that was asked for. */
struct slot {
	uint64_t page;
	bool have;
	uint8_t hashes[FEED_PAGE_BYTES];
};

/* Baseline pages of one disk: those asked for and not yet passed by the reader, rising, in a ring of 2 * window slots. */
struct lane {
	unsigned index;   /* the controller's */
	uint64_t pages;
	bool some;        /* of the pages are expected, not all */
	struct extents expected;
	uint64_t next;    /* the first page not asked for, nor passed */
	uint64_t top;     /* above all that were ever asked for */
	struct slot *ring; /* NULL until the first read */
	unsigned head, len;
};

struct ledger_feed {
	struct ledger ledger;
	unsigned disks, window;
	struct lane *lanes;

	pthread_mutex_t lock; /* everything below, and the lanes */
	pthread_cond_t changed;
	struct buf queue;     /* encoded records (acked, next) */
	uint64_t acked, next; /* sequence numbers */
	bool canceled, ended, abandoned;
};

static struct ledger_feed *feed_of(struct ledger *l)
{
	return (struct ledger_feed *)l;
}

static int canceled(struct err *e)
{
	return err_set(e, ERR_CANCELED, 0, "the run was canceled while it waited for the controller");
}

static uint64_t push(struct ledger_feed *f, struct feed_record *r)
{
	r->seq = f->next++;
	feed_encode(r, &f->queue);
	pthread_cond_broadcast(&f->changed);
	return r->seq;
}

/* With the lock held: waits for room, then appends. *seq may be NULL. */
static int push_bounded(struct ledger_feed *f, struct feed_record *r, uint64_t *seq, struct err *e)
{
	while (!f->canceled && f->queue.len >= FEED_QUEUE_BYTES)
		pthread_cond_wait(&f->changed, &f->lock);
	if (f->canceled)
		return canceled(e);
	uint64_t mine = push(f, r);
	if (seq != NULL)
		*seq = mine;
	return 0;
}

static int no_disk(const struct ledger_feed *f, unsigned disk, struct err *e)
{
	return err_set(e, ERR_INTERNAL, 0, "disk %u of %u was meant", disk, f->disks);
}

/* r->disk is the engine's number. */
static int report(struct ledger *l, struct feed_record *r, uint64_t *seq, struct err *e)
{
	struct ledger_feed *f = feed_of(l);

	if (r->disk >= f->disks)
		return no_disk(f, r->disk, e);
	r->disk = (uint16_t)f->lanes[r->disk].index;
	pthread_mutex_lock(&f->lock);
	int rc = push_bounded(f, r, seq, e);
	pthread_mutex_unlock(&f->lock);
	return rc;
}

/* ---- Baseline ---- */

static struct slot *slot(const struct ledger_feed *f, struct lane *l, unsigned i)
{
	return &l->ring[(l->head + i) % (2 * f->window)];
}

/* The next run of pages to ask for, at most a window; 0: none. */
static uint64_t next_run(const struct ledger_feed *f, struct lane *l)
{
	struct extent x = {l->next, l->pages};

	if (l->some && !extents_next(&l->expected, l->next, &x))
		return 0;
	if (x.end > l->pages)
		x.end = l->pages;
	if (x.start >= x.end)
		return 0;
	l->next = x.start;
	return x.end - x.start < f->window ? x.end - x.start : f->window;
}

/* Ask for whole windows while less than two are under way. */
static int ask_ahead(struct ledger_feed *f, struct lane *l, struct err *e)
{
	uint64_t count;

	while (l->len <= f->window && (count = next_run(f, l)) > 0) {
		struct feed_record want = {
			.type = API_FEED_WANT, .disk = (uint16_t)l->index, .page = l->next, .count = (uint32_t)count};

		/* Before the record is out, for the lock is given away while there is no room. */
		for (uint64_t i = 0; i < count; i++) {
			struct slot *s = slot(f, l, l->len++);

			s->page = l->next++;
			s->have = false;
		}
		l->top = l->next > l->top ? l->next : l->top;
		if (push_bounded(f, &want, NULL, e) < 0)
			return -1;
	}
	return 0;
}

static int move_to(struct ledger_feed *f, struct lane *l, uint64_t page, struct err *e)
{
	if (l->ring == NULL)
		l->ring = mem_array(2 * f->window, sizeof *l->ring);
	while (l->len > 0 && slot(f, l, 0)->page < page) {
		l->head = (l->head + 1) % (2 * f->window);
		l->len--;
	}
	if (l->len == 0 && l->next < page)
		l->next = page;
	if (ask_ahead(f, l, e) < 0)
		return -1;
	if (l->len > 0 && slot(f, l, 0)->page == page)
		return 0;
	return err_set(e, ERR_INTERNAL, 0, "page %llu of disk %u was asked for, which is not the next one",
		       (unsigned long long)page, l->index);
}

static int take_page(struct ledger_feed *f, unsigned disk, uint64_t page, uint8_t *hashes, struct err *e)
{
	if (disk >= f->disks)
		return no_disk(f, disk, e);
	struct lane *l = &f->lanes[disk];
	if (move_to(f, l, page, e) < 0)
		return -1;
	const struct slot *s = slot(f, l, 0);
	while (!s->have && !f->canceled)
		pthread_cond_wait(&f->changed, &f->lock);
	if (!s->have)
		return canceled(e);
	memcpy(hashes, s->hashes, FEED_PAGE_BYTES);
	return 0;
}

static int feed_expect(struct ledger *l, unsigned disk, const struct extents *pages, struct err *e)
{
	struct ledger_feed *f = feed_of(l);

	if (disk >= f->disks)
		return no_disk(f, disk, e);
	struct lane *lane = &f->lanes[disk];
	pthread_mutex_lock(&f->lock);
	extents_clear(&lane->expected);
	for (size_t i = 0; pages != NULL && i < pages->list.len; i++)
		extents_add(&lane->expected, pages->list.at[i].start, pages->list.at[i].end);
	lane->some = pages != NULL;
	lane->next = 0;
	lane->len = 0;
	pthread_mutex_unlock(&f->lock);
	return 0;
}

static int feed_read_page(struct ledger *l, unsigned disk, uint64_t page, uint8_t hashes[MANIFEST_PAGE_HASHES],
			  struct err *e)
{
	struct ledger_feed *f = feed_of(l);

	pthread_mutex_lock(&f->lock);
	int rc = take_page(f, disk, page, hashes, e);
	pthread_mutex_unlock(&f->lock);
	return rc;
}

static struct lane *lane_of(const struct ledger_feed *f, unsigned index)
{
	for (unsigned i = 0; i < f->disks; i++)
		if (f->lanes[i].index == index)
			return &f->lanes[i];
	return NULL;
}

static void store_page(struct ledger_feed *f, struct lane *l, uint64_t page, const uint8_t *hashes)
{
	for (unsigned i = 0; i < l->len; i++) {
		struct slot *s = slot(f, l, i);

		if (s->page != page)
			continue;
		memcpy(s->hashes, hashes, FEED_PAGE_BYTES);
		s->have = true;
	}
}

static int store_pages(struct ledger_feed *f, unsigned index, uint64_t first, const uint8_t *data, uint64_t count,
		       struct err *e)
{
	struct lane *l = lane_of(f, index);

	if (l == NULL || first > l->top || count > l->top - first)
		return err_set(e, ERR_PROTOCOL, 0,
			       "the controller sent baseline pages %llu to %llu of disk %u, which nobody asked for",
			       (unsigned long long)first, (unsigned long long)(first + count), index);
	for (uint64_t i = 0; i < count; i++)
		store_page(f, l, first + i, data + i * FEED_PAGE_BYTES);
	pthread_cond_broadcast(&f->changed);
	return 0;
}

int ledger_feed_put_pages(struct ledger_feed *f, unsigned index, uint64_t first, const void *data, size_t len,
			  struct err *e)
{
	if (len == 0 || len % FEED_PAGE_BYTES != 0)
		return err_set(e, ERR_PROTOCOL, 0, "%zu bytes are no whole number of baseline pages of %d bytes", len,
			       FEED_PAGE_BYTES);
	pthread_mutex_lock(&f->lock);
	int rc = store_pages(f, index, first, data, len / FEED_PAGE_BYTES, e);
	pthread_mutex_unlock(&f->lock);
	return rc;
}

/* ---- Reports ---- */

static int feed_intend(struct ledger *l, unsigned disk, uint64_t page, uint64_t *ticket, struct err *e)
{
	struct feed_record r = {.type = API_FEED_INTENT, .disk = (uint16_t)disk, .page = page};

	return report(l, &r, ticket, e);
}

static int feed_refute(struct ledger *l, unsigned disk, uint64_t chunk, struct err *e)
{
	struct feed_record r = {.type = API_FEED_REFUTED, .disk = (uint16_t)disk, .page = chunk / MANIFEST_PAGE_CHUNKS,
				.count = (uint32_t)(chunk % MANIFEST_PAGE_CHUNKS)};

	return report(l, &r, NULL, e);
}

static int wait_acked(struct ledger_feed *f, uint64_t seq, struct err *e)
{
	while (f->acked < seq && !f->canceled)
		pthread_cond_wait(&f->changed, &f->lock);
	return f->acked < seq ? canceled(e) : 0;
}

static int feed_wait(struct ledger *l, uint64_t ticket, struct err *e)
{
	struct ledger_feed *f = feed_of(l);

	pthread_mutex_lock(&f->lock);
	int rc = wait_acked(f, ticket, e);
	pthread_mutex_unlock(&f->lock);
	return rc;
}

static int feed_record_page(struct ledger *l, unsigned disk, uint64_t page, const uint8_t hashes[MANIFEST_PAGE_HASHES],
			    struct err *e)
{
	struct feed_record r = {
		.type = API_FEED_PAGE,
		.disk = (uint16_t)disk,
		.page = page,
		.payload = hashes,
		.payload_len = FEED_PAGE_BYTES,
	};

	return report(l, &r, NULL, e);
}

static int feed_sync(struct ledger *l, struct err *e)
{
	struct ledger_feed *f = feed_of(l);

	pthread_mutex_lock(&f->lock);
	int rc = wait_acked(f, f->next - 1, e);
	pthread_mutex_unlock(&f->lock);
	return rc;
}

static int feed_disk_done(struct ledger *l, unsigned disk, const uint8_t root[MANIFEST_HASH], struct err *e)
{
	struct feed_record r = {
		.type = API_FEED_DISK, .disk = (uint16_t)disk, .payload = root, .payload_len = MANIFEST_HASH};

	return report(l, &r, NULL, e);
}

static void feed_cancel(struct ledger *l)
{
	struct ledger_feed *f = feed_of(l);

	pthread_mutex_lock(&f->lock);
	f->canceled = true;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

static void feed_close(struct ledger *l)
{
	(void)l; /* the feed outlives the engine's use of it: ledger_feed_free() */
}

static const struct ledger_ops ops = {
	.read_page = feed_read_page,
	.expect = feed_expect,
	.refute = feed_refute,
	.intend = feed_intend,
	.wait = feed_wait,
	.record = feed_record_page,
	.sync = feed_sync,
	.disk_done = feed_disk_done,
	.cancel = feed_cancel,
	.close = feed_close,
};

/* ---- The controller's side ---- */

/* Records are in order and without gaps, so their lengths lead to the one that follows `ack`. */
static void drop_acked(struct ledger_feed *f, uint64_t ack)
{
	const uint8_t *at = (const uint8_t *)f->queue.data;
	size_t left = f->queue.len;

	while (f->acked < ack) {
		struct feed_record r;
		struct err never = ERR_INIT; /* our own encoding */

		if (feed_decode(&at, &left, &r, &never) <= 0)
			break;
		f->acked = r.seq;
	}
	buf_drop(&f->queue, f->queue.len - left);
	pthread_cond_broadcast(&f->changed);
}

static void wait_for_records(struct ledger_feed *f, int64_t wait_ns)
{
	int64_t until = clock_mono_ns() + wait_ns;

	while (f->queue.len == 0 && !f->abandoned)
		if (!thread_cond_wait_until(&f->changed, &f->lock, until))
			return;
}

int ledger_feed_collect(struct ledger_feed *f, uint64_t ack, int64_t wait_ns, struct buf *out, struct err *e)
{
	pthread_mutex_lock(&f->lock);
	if (ack < f->acked || ack >= f->next) {
		err_set(e, ERR_PROTOCOL, 0,
			"the controller acknowledges record %llu of the feed, which holds %llu to %llu: is it "
			"another run's?",
			(unsigned long long)ack, (unsigned long long)f->acked + 1, (unsigned long long)f->next - 1);
		pthread_mutex_unlock(&f->lock);
		return -1;
	}
	drop_acked(f, ack);
	wait_for_records(f, wait_ns);
	buf_add(out, f->queue.data, f->queue.len);
	pthread_mutex_unlock(&f->lock);
	return 0;
}

void ledger_feed_end(struct ledger_feed *f, const struct err *why)
{
	struct feed_record r = {.type = why == NULL ? API_FEED_FINISHED : API_FEED_FAILED};

	if (why != NULL) {
		r.kind = why->kind;
		memcpy(r.message, why->msg, strnlen(why->msg, sizeof r.message - 1));
	}
	pthread_mutex_lock(&f->lock);
	if (!f->ended)
		push(f, &r); /* beyond the bound: it is one, and the last */
	f->ended = true;
	f->canceled = true;
	pthread_mutex_unlock(&f->lock);
}

void ledger_feed_abandon(struct ledger_feed *f)
{
	pthread_mutex_lock(&f->lock);
	f->abandoned = true;
	f->canceled = true;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

struct ledger_feed *ledger_feed_new(const struct ledger_feed_disk *disks, unsigned count)
{
	struct ledger_feed *f = mem_alloc(sizeof *f);

	f->ledger.ops = &ops;
	f->disks = count;
	f->window = count == 0 || FEED_WINDOWS_TOTAL / count > FEED_WINDOW ? FEED_WINDOW : FEED_WINDOWS_TOTAL / count;
	f->next = 1;
	f->lanes = mem_array(count, sizeof *f->lanes);
	for (unsigned i = 0; i < count; i++) {
		f->lanes[i].index = disks[i].index;
		f->lanes[i].pages = disks[i].pages;
	}
	pthread_mutex_init(&f->lock, NULL);
	thread_cond_init(&f->changed);
	return f;
}

struct ledger *ledger_feed_ledger(struct ledger_feed *f)
{
	return &f->ledger;
}

void ledger_feed_free(struct ledger_feed *f)
{
	if (f == NULL)
		return;
	for (unsigned i = 0; i < f->disks; i++) {
		free(f->lanes[i].ring);
		extents_fini(&f->lanes[i].expected);
	}
	free(f->lanes);
	buf_fini(&f->queue);
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->changed);
	free(f);
}
