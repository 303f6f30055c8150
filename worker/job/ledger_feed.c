// SPDX-License-Identifier: Apache-2.0
#include "job/ledger_feed.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "job/thread.h"

/* Baseline pages of one disk: [base, asked) have been asked for, and are in slot page % (2 * window) once `have`. */
struct lane {
	unsigned index;   /* the controller's */
	uint64_t pages;
	uint64_t base;    /* the page the reader is at */
	uint64_t asked;
	uint8_t *hashes;  /* 2 * window pages; NULL until the first read */
	bool *have;
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

static uint8_t *slot(const struct ledger_feed *f, struct lane *l, uint64_t page, bool **have)
{
	uint64_t at = page % (2 * f->window);

	*have = &l->have[at];
	return l->hashes + at * FEED_PAGE_BYTES;
}

/* Ask for whole windows while less than two are under way. Slots of pages before `base` are free again. */
static int ask_ahead(struct ledger_feed *f, unsigned disk, struct err *e)
{
	struct lane *l = &f->lanes[disk];

	while (l->asked < l->pages && l->asked <= l->base + f->window) {
		uint64_t count = l->pages - l->asked < f->window ? l->pages - l->asked : f->window;
		struct feed_record want = {
			.type = API_FEED_WANT, .disk = (uint16_t)l->index, .page = l->asked, .count = (uint32_t)count};
		bool *have;

		for (uint64_t i = 0; i < count; i++) {
			slot(f, l, l->asked + i, &have);
			*have = false;
		}
		/* Before the record is out, for the lock is given away while there is no room. */
		l->asked += count;
		if (push_bounded(f, &want, NULL, e) < 0)
			return -1;
	}
	return 0;
}

static int move_to(struct ledger_feed *f, unsigned disk, uint64_t page, struct err *e)
{
	struct lane *l = &f->lanes[disk];

	if (page < l->base || page >= l->pages)
		return err_set(e, ERR_INTERNAL, 0, "page %llu of disk %u was asked for after page %llu of %llu",
			       (unsigned long long)page, disk, (unsigned long long)l->base,
			       (unsigned long long)l->pages);
	if (l->hashes == NULL) {
		l->hashes = mem_array(2 * f->window, FEED_PAGE_BYTES);
		l->have = mem_array(2 * f->window, sizeof *l->have);
	}
	l->base = page;
	if (l->asked < page)
		l->asked = page;
	return ask_ahead(f, disk, e);
}

static int take_page(struct ledger_feed *f, unsigned disk, uint64_t page, uint8_t *hashes, struct err *e)
{
	bool *have;

	if (disk >= f->disks)
		return no_disk(f, disk, e);
	if (move_to(f, disk, page, e) < 0)
		return -1;
	const uint8_t *from = slot(f, &f->lanes[disk], page, &have);
	while (!*have && !f->canceled)
		pthread_cond_wait(&f->changed, &f->lock);
	if (!*have)
		return canceled(e);
	memcpy(hashes, from, FEED_PAGE_BYTES);
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

static int store_pages(struct ledger_feed *f, unsigned index, uint64_t first, const uint8_t *data, uint64_t count,
		       struct err *e)
{
	struct lane *l = lane_of(f, index);

	if (l == NULL || first > l->asked || count > l->asked - first)
		return err_set(e, ERR_PROTOCOL, 0,
			       "the controller sent baseline pages %llu to %llu of disk %u, which nobody asked for",
			       (unsigned long long)first, (unsigned long long)(first + count), index);
	for (uint64_t i = 0; i < count; i++) {
		bool *have;

		if (first + i < l->base || l->hashes == NULL)
			continue;
		memcpy(slot(f, l, first + i, &have), data + i * FEED_PAGE_BYTES, FEED_PAGE_BYTES);
		*have = true;
	}
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
		free(f->lanes[i].hashes);
		free(f->lanes[i].have);
	}
	free(f->lanes);
	buf_fini(&f->queue);
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->changed);
	free(f);
}
