// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "job/ledger_feed.h"

#define PAGES 1000
#define WAIT  (20 * NS_PER_S) /* far beyond what anything takes: a test that waits so long has failed */

/* A controller in a thread: answers WANTs with pages whose bytes tell their number, counts what it is told. */
struct fake {
	struct ledger_feed *feed;
	pthread_t thread;
	uint64_t acked;
	uint64_t wants, wanted_pages, intents, pages, disks;
	uint64_t last_intent, last_page;
	unsigned last_disk;
	bool ended;
	struct err failed;
	size_t most_bytes; /* in one answer */
	atomic_bool quit, no_pages;
};

static void fill(uint8_t *p, unsigned index, uint64_t page)
{
	memset(p, (int)(page % 251), FEED_PAGE_BYTES);
	memcpy(p, &page, sizeof page);
	p[8] = (uint8_t)index;
}

static void answer(struct fake *k, const struct feed_record *r)
{
	uint8_t *pages = malloc((size_t)r->count * FEED_PAGE_BYTES);
	struct err e = ERR_INIT;

	k->wants++;
	k->wanted_pages += r->count;
	for (uint32_t i = 0; i < r->count; i++)
		fill(pages + (size_t)i * FEED_PAGE_BYTES, r->disk, r->page + i);
	if (!k->no_pages)
		assert_int_equal(ledger_feed_put_pages(k->feed, r->disk, r->page, pages,
						       (size_t)r->count * FEED_PAGE_BYTES, &e),
				 0);
	free(pages);
}

static void act(struct fake *k, const struct feed_record *r)
{
	assert_true(r->seq == k->acked + 1);
	k->acked = r->seq;
	k->last_disk = r->disk;
	if (r->type == API_FEED_WANT)
		answer(k, r);
	else if (r->type == API_FEED_INTENT)
		k->intents++, k->last_intent = r->page;
	else if (r->type == API_FEED_PAGE)
		k->pages++, k->last_page = r->page;
	else if (r->type == API_FEED_DISK)
		k->disks++;
	else
		k->ended = true;
	if (r->type == API_FEED_FAILED)
		err_set(&k->failed, r->kind, 0, "%s", r->message);
}

/* One exchange, as control/feed_pump.c makes them. */
static void exchange(struct fake *k, int64_t wait_ns)
{
	struct buf b = BUF_INIT;
	struct feed_record r;
	struct err e = ERR_INIT;
	int got;

	assert_int_equal(ledger_feed_collect(k->feed, k->acked, wait_ns, &b, &e), 0);
	const uint8_t *at = (const uint8_t *)b.data;
	size_t left = b.len;
	k->most_bytes = b.len > k->most_bytes ? b.len : k->most_bytes;
	while ((got = feed_decode(&at, &left, &r, &e)) > 0)
		act(k, &r);
	assert_int_equal(got, 0);
	buf_fini(&b);
}

static void *fake_main(void *arg)
{
	struct fake *k = arg;

	while (!k->quit && !k->ended)
		exchange(k, 5 * NS_PER_MS);
	return NULL;
}

static struct ledger *begin(struct fake *k, const struct ledger_feed_disk *disks, unsigned count)
{
	memset(k, 0, sizeof *k);
	k->feed = ledger_feed_new(disks, count);
	return ledger_feed_ledger(k->feed);
}

static void run_fake(struct fake *k)
{
	assert_int_equal(pthread_create(&k->thread, NULL, fake_main, k), 0);
}

static void end(struct fake *k)
{
	k->quit = true;
	pthread_join(k->thread, NULL);
	ledger_feed_free(k->feed);
}

static const struct ledger_feed_disk one[] = {{.index = 5, .pages = PAGES}};

static void ledger_read_page_in_order_gives_the_controllers_pages(void **state)
{
	struct fake k;
	struct ledger *l = begin(&k, one, 1);
	uint8_t got[FEED_PAGE_BYTES], want[FEED_PAGE_BYTES];
	struct err e = ERR_INIT;

	(void)state;
	run_fake(&k);
	for (uint64_t p = 0; p < PAGES; p++) {
		assert_int_equal(ledger_read_page(l, 0, p, got, &e), 0);
		fill(want, 5, p);
		assert_memory_equal(got, want, sizeof want);
	}
	end(&k);
	assert_true(k.wanted_pages == PAGES);
	assert_true(k.wants == (PAGES + FEED_WINDOW - 1) / FEED_WINDOW);
}

static void ledger_read_page_with_gaps_asks_on_from_there(void **state)
{
	static const uint64_t pages[] = {0, 0, 3, 127, 128, 129, 600, 601, 999};
	struct fake k;
	struct ledger *l = begin(&k, one, 1);
	uint8_t got[FEED_PAGE_BYTES], want[FEED_PAGE_BYTES];
	struct err e = ERR_INIT;

	(void)state;
	run_fake(&k);
	for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
		assert_int_equal(ledger_read_page(l, 0, pages[i], got, &e), 0);
		fill(want, 5, pages[i]);
		assert_memory_equal(got, want, sizeof want);
	}
	assert_int_equal(ledger_read_page(l, 0, 998, got, &e), -1);
	assert_int_equal(e.kind, ERR_INTERNAL);
	assert_int_equal(ledger_read_page(l, 0, PAGES, got, &e), -1);
	assert_int_equal(ledger_read_page(l, 1, 0, got, &e), -1);
	end(&k);
	assert_true(k.wanted_pages < PAGES);
}

static void ledger_read_page_of_expected_pages_asks_for_no_others(void **state)
{
	static const struct extent runs[] = {{2, 3}, {50, 52}, {300, 500}, {999, 1000}};
	struct extents some = {0};
	struct fake k;
	struct ledger *l = begin(&k, one, 1);
	uint8_t got[FEED_PAGE_BYTES], want[FEED_PAGE_BYTES];
	struct err e = ERR_INIT;

	(void)state;
	run_fake(&k);
	for (size_t i = 0; i < 4; i++)
		extents_add(&some, runs[i].start, runs[i].end);
	for (int twice = 0; twice < 2; twice++) { /* expecting again begins anew */
		uint64_t before = k.wanted_pages;

		assert_int_equal(ledger_expect(l, 0, &some, &e), 0);
		for (size_t i = 0; i < 4; i++) {
			for (uint64_t p = runs[i].start; p < runs[i].end; p++) {
				assert_int_equal(ledger_read_page(l, 0, p, got, &e), 0);
				fill(want, 5, p);
				assert_memory_equal(got, want, sizeof want);
			}
		}
		assert_int_equal(k.wanted_pages - before, 204);
		assert_int_equal(ledger_read_page(l, 0, 600, got, &e), -1);
		assert_int_equal(e.kind, ERR_INTERNAL);
	}
	assert_int_equal(ledger_expect(l, 0, NULL, &e), 0);
	for (uint64_t p = 0; p < PAGES; p++)
		assert_int_equal(ledger_read_page(l, 0, p, got, &e), 0);
	fill(want, 5, PAGES - 1);
	assert_memory_equal(got, want, sizeof want);
	end(&k);
	assert_int_equal(k.wanted_pages, 2 * 204 + PAGES);
	extents_fini(&some);
}

/* The answer to what was asked before the reader began anew comes late: it is no error and does no harm. */
static void ledger_expect_while_pages_are_on_their_way_ignores_them(void **state)
{
	struct extents some = {0};
	struct fake k;
	struct ledger *l = begin(&k, one, 1);
	uint8_t late[FEED_PAGE_BYTES] = {7}, got[FEED_PAGE_BYTES], want[FEED_PAGE_BYTES];
	struct err e = ERR_INIT;

	(void)state;
	run_fake(&k);
	extents_add(&some, 700, 720);
	assert_int_equal(ledger_expect(l, 0, &some, &e), 0);
	assert_int_equal(ledger_read_page(l, 0, 700, got, &e), 0);
	assert_int_equal(ledger_expect(l, 0, NULL, &e), 0);
	assert_int_equal(ledger_feed_put_pages(k.feed, 5, 719, late, sizeof late, &e), 0);
	assert_int_equal(ledger_read_page(l, 0, 0, got, &e), 0);
	fill(want, 5, 0);
	assert_memory_equal(got, want, sizeof want);
	assert_int_equal(ledger_feed_put_pages(k.feed, 5, 720, late, sizeof late, &e), -1);
	assert_int_equal(e.kind, ERR_PROTOCOL);
	end(&k);
	extents_fini(&some);
}

static void ledger_refute_tells_the_controller_which_chunk(void **state)
{
	struct buf b = BUF_INIT;
	struct fake k;
	struct ledger *l = begin(&k, one, 1);
	struct feed_record r;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(ledger_refute(l, 0, 127 * 4 + 9, &e), 0);
	assert_int_equal(ledger_feed_collect(k.feed, 0, 0, &b, &e), 0);
	const uint8_t *at = (const uint8_t *)b.data;
	size_t left = b.len;
	assert_int_equal(feed_decode(&at, &left, &r, &e), 1);
	assert_int_equal(r.type, API_FEED_REFUTED);
	assert_int_equal(r.disk, 5);
	assert_int_equal(r.page, 4);
	assert_int_equal(r.count, 9);
	buf_fini(&b);
	ledger_feed_free(k.feed);
}

static void ledger_read_page_of_many_disks_shrinks_the_window(void **state)
{
	struct ledger_feed_disk disks[64];
	struct fake k;
	uint8_t got[FEED_PAGE_BYTES], want[FEED_PAGE_BYTES];
	struct err e = ERR_INIT;

	(void)state;
	for (unsigned i = 0; i < 64; i++)
		disks[i] = (struct ledger_feed_disk){.index = i, .pages = 40};
	struct ledger *l = begin(&k, disks, 64);
	run_fake(&k);
	for (uint64_t p = 0; p < 40; p++) {
		for (unsigned d = 0; d < 64; d++) {
			assert_int_equal(ledger_read_page(l, d, p, got, &e), 0);
			fill(want, d, p);
			assert_memory_equal(got, want, sizeof want);
		}
	}
	end(&k);
	assert_true(k.wants >= 64 * 40 / (FEED_WINDOWS_TOTAL / 64));
}

static void ledger_wait_returns_when_the_intent_is_acknowledged(void **state)
{
	struct fake k;
	struct ledger *l = begin(&k, one, 1);
	struct err e = ERR_INIT;
	uint64_t first, second;

	(void)state;
	assert_int_equal(ledger_intend(l, 0, 7, &first, &e), 0);
	assert_int_equal(ledger_intend(l, 0, 8, &second, &e), 0);
	assert_true(second > first);
	run_fake(&k);
	assert_int_equal(ledger_wait(l, second, &e), 0);
	assert_int_equal(ledger_wait(l, first, &e), 0);
	end(&k);
	assert_int_equal(k.intents, 2);
	assert_int_equal(k.last_intent, 8);
	assert_int_equal(k.last_disk, 5);
}

static void ledger_record_more_than_the_queue_waits_for_acks(void **state)
{
	static const uint8_t hashes[FEED_PAGE_BYTES];
	const uint8_t root[32] = {1};
	struct fake k;
	struct ledger *l = begin(&k, one, 1);
	struct err e = ERR_INIT;

	(void)state;
	run_fake(&k);
	for (uint64_t p = 0; p < PAGES; p++)
		assert_int_equal(ledger_record(l, 0, p, hashes, &e), 0);
	assert_int_equal(ledger_sync(l, &e), 0);
	assert_int_equal(ledger_disk_done(l, 0, root, &e), 0);
	assert_int_equal(ledger_sync(l, &e), 0);
	end(&k);
	assert_true(k.pages == PAGES);
	assert_true(k.last_page == PAGES - 1);
	assert_int_equal(k.disks, 1);
	assert_true(k.most_bytes < FEED_QUEUE_BYTES + FEED_PAGE_BYTES + API_FEED_HEADER);
}

static void ledger_feed_collect_unacked_records_come_again(void **state)
{
	struct fake k;
	struct ledger *l = begin(&k, one, 1);
	struct buf first = BUF_INIT, again = BUF_INIT, rest = BUF_INIT;
	struct err e = ERR_INIT;
	uint64_t ticket;

	(void)state;
	for (uint64_t p = 0; p < 3; p++)
		assert_int_equal(ledger_intend(l, 0, p, &ticket, &e), 0);
	assert_int_equal(ledger_feed_collect(k.feed, 0, 0, &first, &e), 0);
	assert_int_equal(ledger_feed_collect(k.feed, 0, 0, &again, &e), 0);
	assert_int_equal(first.len, 3 * API_FEED_HEADER);
	assert_int_equal(again.len, first.len);
	assert_memory_equal(again.data, first.data, first.len);
	assert_int_equal(ledger_feed_collect(k.feed, 2, 0, &rest, &e), 0);
	assert_int_equal(rest.len, API_FEED_HEADER);
	assert_memory_equal(rest.data, first.data + 2 * API_FEED_HEADER, API_FEED_HEADER);
	/* Neither one before the last ack nor one that was never sent. */
	assert_int_equal(ledger_feed_collect(k.feed, 1, 0, &rest, &e), -1);
	assert_int_equal(e.kind, ERR_PROTOCOL);
	assert_int_equal(ledger_feed_collect(k.feed, 4, 0, &rest, &e), -1);
	buf_fini(&first);
	buf_fini(&again);
	buf_fini(&rest);
	ledger_feed_free(k.feed);
}

static void ledger_feed_put_pages_unasked_is_refused(void **state)
{
	struct fake k;
	uint8_t *pages = calloc(3, FEED_PAGE_BYTES), got[FEED_PAGE_BYTES];
	const struct {
		unsigned index;
		uint64_t first;
		size_t len;
	} cases[] = {
		{5, 2 * FEED_WINDOW, FEED_PAGE_BYTES}, {5, 2 * FEED_WINDOW - 1, 2 * FEED_PAGE_BYTES}, {5, 0, 0},
		{5, 0, FEED_PAGE_BYTES - 1}, {5, UINT64_MAX, FEED_PAGE_BYTES}, {0, 0, FEED_PAGE_BYTES},
	};

	(void)state;
	begin(&k, one, 1);
	run_fake(&k);
	struct err e = ERR_INIT;
	assert_int_equal(ledger_read_page(ledger_feed_ledger(k.feed), 0, 0, got, &e), 0);
	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		assert_int_equal(
			ledger_feed_put_pages(k.feed, cases[c].index, cases[c].first, pages, cases[c].len, &e), -1);
		assert_int_equal(e.kind, ERR_PROTOCOL);
	}
	end(&k);
	free(pages);
}

static void ledger_feed_put_pages_twice_keeps_the_reader_right(void **state)
{
	struct fake k;
	struct ledger *l = begin(&k, one, 1);
	uint8_t *old = malloc(FEED_WINDOW * FEED_PAGE_BYTES), got[FEED_PAGE_BYTES], want[FEED_PAGE_BYTES];
	struct err e = ERR_INIT;

	(void)state;
	memset(old, 0xee, FEED_WINDOW * FEED_PAGE_BYTES);
	run_fake(&k);
	assert_int_equal(ledger_read_page(l, 0, 200, got, &e), 0);
	/* Pages 72 to 135 share their slots with 200 to 263; the reader has passed them. */
	assert_int_equal(ledger_feed_put_pages(k.feed, 5, 72, old, FEED_WINDOW * FEED_PAGE_BYTES, &e), 0);
	for (uint64_t p = 201; p < 264; p++) {
		assert_int_equal(ledger_read_page(l, 0, p, got, &e), 0);
		fill(want, 5, p);
		assert_memory_equal(got, want, sizeof want);
	}
	end(&k);
	free(old);
}

/* ---- Ends of waiting ---- */

enum wait { WAIT_PAGE, WAIT_INTENT, WAIT_SYNC, WAIT_ROOM, WAITS };

struct waiter {
	struct ledger *l;
	enum wait what;
	int rc;
	struct err e;
};

static void *wait_main(void *arg)
{
	static const uint8_t hashes[FEED_PAGE_BYTES];
	struct waiter *w = arg;
	uint8_t got[FEED_PAGE_BYTES];
	uint64_t ticket;

	switch (w->what) {
	case WAIT_PAGE:
		w->rc = ledger_read_page(w->l, 0, 0, got, &w->e);
		break;
	case WAIT_INTENT:
		w->rc = ledger_intend(w->l, 0, 0, &ticket, &w->e);
		w->rc = ledger_wait(w->l, ticket, &w->e);
		break;
	case WAIT_SYNC:
		w->rc = ledger_record(w->l, 0, 0, hashes, &w->e);
		w->rc = ledger_sync(w->l, &w->e);
		break;
	default:
		do
			w->rc = ledger_record(w->l, 0, 0, hashes, &w->e);
		while (w->rc == 0);
	}
	return NULL;
}

static void ledger_cancel_waiting_calls_return_canceled(void **state)
{
	(void)state;
	for (enum wait what = 0; what < WAITS; what++) {
		struct fake k;
		struct waiter w = {.l = begin(&k, one, 1), .what = what, .e = ERR_INIT};
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, wait_main, &w), 0);
		clock_sleep_ns(20 * NS_PER_MS); /* either order of the two must do */
		ledger_cancel(w.l);
		pthread_join(thread, NULL);
		assert_int_equal(w.rc, -1);
		assert_int_equal(w.e.kind, ERR_CANCELED);
		ledger_feed_free(k.feed);
	}
}

static void ledger_feed_end_failed_comes_last_after_what_was_queued(void **state)
{
	struct fake k;
	struct ledger *l = begin(&k, one, 1);
	struct err e = ERR_INIT, why = ERR_INIT;
	uint64_t ticket;

	(void)state;
	assert_int_equal(ledger_intend(l, 0, 4, &ticket, &e), 0);
	err_set(&why, ERR_CORRUPT, 0, "chunk 7 differs");
	ledger_feed_end(k.feed, &why);
	exchange(&k, WAIT);
	assert_int_equal(k.intents, 1);
	assert_true(k.ended);
	assert_int_equal(k.failed.kind, ERR_CORRUPT);
	assert_string_equal(k.failed.msg, "chunk 7 differs");
	/* The engine is over, too. */
	assert_int_equal(ledger_intend(l, 0, 5, &ticket, &e), -1);
	ledger_feed_free(k.feed);
}

static void *collect_main(void *arg)
{
	struct fake *k = arg;

	exchange(k, WAIT);
	return NULL;
}

static void ledger_feed_abandon_wakes_the_long_poll(void **state)
{
	struct fake k;
	pthread_t thread;
	int64_t start = clock_mono_ns();

	(void)state;
	begin(&k, one, 1);
	assert_int_equal(pthread_create(&thread, NULL, collect_main, &k), 0);
	clock_sleep_ns(20 * NS_PER_MS);
	ledger_feed_abandon(k.feed);
	pthread_join(thread, NULL);
	assert_true(clock_mono_ns() - start < WAIT);
	ledger_feed_free(k.feed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ledger_read_page_in_order_gives_the_controllers_pages),
		cmocka_unit_test(ledger_read_page_with_gaps_asks_on_from_there),
		cmocka_unit_test(ledger_read_page_of_many_disks_shrinks_the_window),
		cmocka_unit_test(ledger_wait_returns_when_the_intent_is_acknowledged),
		cmocka_unit_test(ledger_record_more_than_the_queue_waits_for_acks),
		cmocka_unit_test(ledger_feed_collect_unacked_records_come_again),
		cmocka_unit_test(ledger_read_page_of_expected_pages_asks_for_no_others),
		cmocka_unit_test(ledger_expect_while_pages_are_on_their_way_ignores_them),
		cmocka_unit_test(ledger_refute_tells_the_controller_which_chunk),
		cmocka_unit_test(ledger_feed_put_pages_unasked_is_refused),
		cmocka_unit_test(ledger_feed_put_pages_twice_keeps_the_reader_right),
		cmocka_unit_test(ledger_cancel_waiting_calls_return_canceled),
		cmocka_unit_test(ledger_feed_end_failed_comes_last_after_what_was_queued),
		cmocka_unit_test(ledger_feed_abandon_wakes_the_long_poll),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
