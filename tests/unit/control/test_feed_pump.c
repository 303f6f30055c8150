// SPDX-License-Identifier: Apache-2.0
/*
 * The controller's end of a worker's feed, over a worker that says what the test tells it to. What counts is what is on
 * disk when a record is acknowledged, so fdatasync is seen here.
 */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "feed_pump.h"
#include "net/feed.h"

#define CHUNK 4096u
#define PAGES 3 /* of disk 0; disk 1 has one */

/* ---- The worker, and fdatasync ---- */

struct worker_client {
	struct buf say;              /* the answer to the next feed call */
	struct err fails;            /* instead of it */
	uint64_t acked;              /* by the last feed call */
	unsigned feeds;
	struct {
		unsigned disk;
		uint64_t first;
		size_t len;
		uint8_t *hashes;
	} puts[8];
	unsigned put_count;
	struct err put_fails;
};

int worker_client_feed(struct worker_client *w, uint64_t ack, unsigned wait_ms, struct buf *out, struct err *e)
{
	assert_int_equal(wait_ms, 250);
	w->feeds++;
	w->acked = ack;
	if (w->fails.kind != ERR_NONE) {
		*e = w->fails;
		return -1;
	}
	buf_add(out, w->say.data, w->say.len);
	buf_clear(&w->say);
	return 0;
}

int worker_client_put_pages(struct worker_client *w, unsigned disk, uint64_t first, const void *hashes, size_t len,
			    struct err *e)
{
	if (w->put_fails.kind != ERR_NONE) {
		*e = w->put_fails;
		return -1;
	}
	assert_true(w->put_count < 8);
	w->puts[w->put_count].disk = disk;
	w->puts[w->put_count].first = first;
	w->puts[w->put_count].len = len;
	w->puts[w->put_count].hashes = mem_alloc(len);
	memcpy(w->puts[w->put_count++].hashes, hashes, len);
	return 0;
}

static unsigned syncs, sync_fails_at; /* one of the two must be seen by a function of libc's name: no context */

int fdatasync(int fd)
{
	if (++syncs == sync_fails_at) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

/* ---- Two disks ---- */

struct world {
	char *dir;
	struct manifest_keys keys;
	struct worker_client worker;
	struct pump_disk disks[2];
	struct pump pump;
	uint64_t seq;
};

static struct manifest *make_manifest(struct world *w, const char *name, uint64_t chunks, uint32_t chunk_size)
{
	struct manifest_info info = {.size = chunks * chunk_size, .chunk_size = chunk_size, .sector_size = 512,
				     .job = "web1"};
	char *path = mem_printf("%s/%s", w->dir, name);
	struct err e = ERR_INIT;
	struct manifest *m = manifest_create(path, &info, &w->keys, &e);

	if (m == NULL)
		fail_msg("%s", e.msg);
	free(path);
	return m;
}

static int set_up(void **state)
{
	static const uint8_t secret[32] = {1};
	struct world *w = mem_alloc(sizeof *w);

	w->dir = temp_make();
	manifest_keys_derive(secret, &w->keys);
	w->disks[0].manifest = make_manifest(w, "disk0", (PAGES - 1) * MANIFEST_PAGE_CHUNKS + 5, CHUNK);
	w->disks[1].manifest = make_manifest(w, "disk1", 3, CHUNK);
	w->pump = (struct pump){.worker = &w->worker, .disks = w->disks, .disk_count = 2};
	syncs = sync_fails_at = 0;
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 2; i++) {
		manifest_close(w->disks[i].manifest);
		manifest_close(w->disks[i].repair);
	}
	for (unsigned i = 0; i < w->worker.put_count; i++)
		free(w->worker.puts[i].hashes);
	buf_fini(&w->worker.say);
	temp_remove(w->dir);
	free(w);
	return 0;
}

/* A new world in the middle of a test: one for every case of a table. */
static struct world *fresh(void **state)
{
	tear_down(state);
	set_up(state);
	return *state;
}

/* Hashes of a page: every byte of chunk i is `first` + i, so none is unknown. */
static void fill(uint8_t hashes[MANIFEST_PAGE_HASHES], unsigned first, unsigned chunks)
{
	memset(hashes, 0, MANIFEST_PAGE_HASHES);
	for (unsigned i = 0; i < chunks; i++)
		memset(hashes + i * MANIFEST_HASH, (int)((first + i) % 255 + 1), MANIFEST_HASH);
}

static void say(struct world *w, struct feed_record r)
{
	if (r.seq == 0)
		r.seq = ++w->seq;
	feed_encode(&r, &w->worker.say);
}

static void say_page(struct world *w, uint16_t disk, uint64_t page, const uint8_t hashes[MANIFEST_PAGE_HASHES])
{
	say(w, (struct feed_record){.type = API_FEED_PAGE, .disk = disk, .page = page, .payload = hashes,
				    .payload_len = FEED_PAGE_BYTES});
}

static void say_intent(struct world *w, uint16_t disk, uint64_t page)
{
	say(w, (struct feed_record){.type = API_FEED_INTENT, .disk = disk, .page = page});
}

static void step(struct world *w)
{
	struct err e = ERR_INIT;

	if (pump_step(&w->pump, 250, &e) < 0)
		fail_msg("%s", e.msg);
}

static void step_fails(struct world *w, enum err_kind kind, const char *words)
{
	uint64_t acked = w->pump.acked;
	struct err e = ERR_INIT;

	assert_int_equal(pump_step(&w->pump, 250, &e), -1);
	assert_has(e.msg, words);
	assert_int_equal(e.kind, kind);
	assert_int_equal(w->pump.acked, acked);
}

/* What another process reads from the file: the page's hashes. */
static void stored(const struct world *w, const char *name, uint64_t page, uint8_t out[MANIFEST_PAGE_HASHES])
{
	char *path = mem_printf("%s/%s", w->dir, name);
	struct err e = ERR_INIT;
	struct manifest *m = manifest_open(path, MANIFEST_READ, &w->keys, &e);
	uint64_t damaged = 0;

	if (m == NULL || manifest_read_page(m, page, out, &damaged, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(damaged, 0);
	manifest_close(m);
	free(path);
}

static void check_stored(const struct world *w, const char *name, uint64_t page, const uint8_t want[MANIFEST_PAGE_HASHES])
{
	uint8_t have[MANIFEST_PAGE_HASHES];

	stored(w, name, page, have);
	assert_memory_equal(have, want, sizeof have);
}

static const uint8_t unknown[MANIFEST_PAGE_HASHES];

/* ---- Storing ---- */

static void pump_step_page_is_durable_before_its_ack(void **state)
{
	struct world *w = *state;
	uint8_t hashes[3][MANIFEST_PAGE_HASHES];

	fill(hashes[0], 0, 127);
	fill(hashes[1], 50, 127);
	fill(hashes[2], 90, 3);
	say_page(w, 0, 0, hashes[0]);
	say_page(w, 0, 1, hashes[1]);
	say_page(w, 1, 0, hashes[2]);
	syncs = 0;
	step(w);
	assert_int_equal(w->worker.acked, 0); /* what was asked for: all from the begin */
	assert_int_equal(w->pump.acked, 3);
	assert_int_equal(syncs, 2); /* one for each disk, not for each page */
	check_stored(w, "disk0", 0, hashes[0]);
	check_stored(w, "disk0", 1, hashes[1]);
	check_stored(w, "disk0", 2, unknown);
	check_stored(w, "disk1", 0, hashes[2]);
	assert_int_equal(w->disks[0].pages_recorded, 2);
	assert_int_equal(w->disks[1].pages_recorded, 1);
	step(w);
	assert_int_equal(w->worker.acked, 3);
	assert_int_equal(w->pump.acked, 3);
	assert_int_equal(syncs, 2);
}

static void pump_step_intent_is_durably_unknown_before_its_ack(void **state)
{
	struct world *w = *state;
	uint8_t hashes[MANIFEST_PAGE_HASHES];

	fill(hashes, 0, 127);
	say_page(w, 0, 0, hashes);
	say_page(w, 0, 1, hashes);
	step(w);
	say_intent(w, 0, 1);
	syncs = 0;
	step(w);
	assert_int_equal(syncs, 1);
	assert_int_equal(w->pump.acked, 3);
	check_stored(w, "disk0", 0, hashes);
	check_stored(w, "disk0", 1, unknown);
	assert_int_equal(w->disks[0].pages_recorded, 2);
}

/* Nothing is acknowledged that is not on the disk. */
static void pump_step_failed_sync_acknowledges_nothing(void **state)
{
	for (unsigned at = 1; at <= 2; at++) {
		struct world *w = fresh(state);
		uint8_t hashes[MANIFEST_PAGE_HASHES];

		fill(hashes, 0, 3);
		say_intent(w, 0, 1);
		say_page(w, 1, 0, hashes);
		syncs = 0;
		sync_fails_at = at;
		step_fails(w, ERR_IO, "cannot make durable manifest");
		assert_int_equal(w->pump.acked, 0);
		step(w);
		assert_int_equal(w->worker.acked, 0);
	}
}

static void pump_step_disk_and_finished_are_kept(void **state)
{
	struct world *w = *state;
	uint8_t root[MANIFEST_HASH];

	memset(root, 7, sizeof root);
	say(w, (struct feed_record){.type = API_FEED_DISK, .disk = 1, .payload = root, .payload_len = sizeof root});
	step(w);
	assert_false(w->disks[0].done);
	assert_true(w->disks[1].done);
	assert_memory_equal(w->disks[1].root, root, sizeof root);
	assert_false(w->pump.finished);
	say(w, (struct feed_record){.type = API_FEED_FINISHED});
	step(w);
	assert_true(w->pump.finished);
	assert_int_equal(w->pump.acked, 2);
}

static void pump_step_failed_worker_keeps_what_came_before(void **state)
{
	struct world *w = *state;
	struct feed_record failed = {.type = API_FEED_FAILED, .kind = ERR_NO_SPACE, .message = "disk 1 is full"};
	uint8_t hashes[MANIFEST_PAGE_HASHES];

	fill(hashes, 0, 127);
	say_page(w, 0, 0, hashes);
	say(w, failed);
	syncs = 0;
	step_fails(w, ERR_NO_SPACE, "disk 1 is full");
	assert_int_equal(syncs, 1);
	check_stored(w, "disk0", 0, hashes);
	assert_false(w->pump.finished);
}

static void pump_step_cut_connection_is_told(void **state)
{
	struct world *w = *state;

	err_set(&w->worker.fails, ERR_NETWORK, 0, "the connection was cut");
	step_fails(w, ERR_NETWORK, "the connection was cut");
}

/* ---- Baseline pages ---- */

static void pump_step_want_answers_those_pages(void **state)
{
	static const struct {
		uint16_t disk;
		uint64_t page;
		uint32_t count;
	} cases[] = {{0, 0, 1}, {0, 1, 2}, {0, 2, 1}, {0, 0, 3}, {1, 0, 1}};
	struct world *w = *state;
	uint8_t pages[PAGES + 1][MANIFEST_PAGE_HASHES];
	struct err e = ERR_INIT;

	for (unsigned p = 0; p < PAGES; p++) {
		fill(pages[p], 40 * p, p < PAGES - 1 ? 127 : 5);
		assert_int_equal(manifest_write_page(w->disks[0].manifest, p, pages[p], &e), 0);
	}
	fill(pages[PAGES], 200, 3);
	assert_int_equal(manifest_write_page(w->disks[1].manifest, 0, pages[PAGES], &e), 0);
	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		say(w, (struct feed_record){.type = API_FEED_WANT, .disk = cases[i].disk, .page = cases[i].page,
					    .count = cases[i].count});
		step(w);
		assert_int_equal(w->worker.put_count, i + 1);
		assert_int_equal(w->worker.puts[i].disk, cases[i].disk);
		assert_int_equal(w->worker.puts[i].first, cases[i].page);
		assert_int_equal(w->worker.puts[i].len, cases[i].count * FEED_PAGE_BYTES);
		assert_memory_equal(w->worker.puts[i].hashes, pages[cases[i].disk == 0 ? cases[i].page : PAGES],
				    cases[i].count * FEED_PAGE_BYTES);
		assert_int_equal(w->pump.acked, i + 1);
	}
}

/* A body is bounded: many pages go in several. */
static void pump_step_want_of_many_pages_is_answered_in_parts(void **state)
{
	struct world *w = *state;
	uint8_t hashes[MANIFEST_PAGE_HASHES];
	struct err e = ERR_INIT;
	uint64_t pages = 1300, at = 10;

	manifest_close(w->disks[1].manifest);
	w->disks[1].manifest = make_manifest(w, "large", pages * MANIFEST_PAGE_CHUNKS, CHUNK);
	for (uint64_t p = 0; p < pages; p++) {
		fill(hashes, (unsigned)p, 127);
		assert_int_equal(manifest_write_page(w->disks[1].manifest, p, hashes, &e), 0);
	}
	say(w, (struct feed_record){.type = API_FEED_WANT, .disk = 1, .page = at, .count = 1290});
	step(w);
	assert_true(w->worker.put_count > 1);
	for (unsigned i = 0; i < w->worker.put_count; i++) {
		assert_int_equal(w->worker.puts[i].first, at);
		assert_true(w->worker.puts[i].len <= API_MAX_BODY);
		for (size_t k = 0; k < w->worker.puts[i].len; k += FEED_PAGE_BYTES) {
			fill(hashes, (unsigned)at++, 127);
			assert_memory_equal(w->worker.puts[i].hashes + k, hashes, FEED_PAGE_BYTES);
		}
	}
	assert_int_equal(at, pages);
}

static void pump_step_want_that_cannot_be_answered_is_not_acknowledged(void **state)
{
	struct world *w = *state;

	err_set(&w->worker.put_fails, ERR_NETWORK, 0, "the connection was cut");
	say(w, (struct feed_record){.type = API_FEED_WANT, .count = 1});
	step_fails(w, ERR_NETWORK, "the connection was cut");
}

/* ---- Workers that break the protocol ---- */

static void pump_step_refuted_tells_where(void **state)
{
	struct world *w = *state;
	uint32_t chunk = manifest_info(w->pump.disks[0].manifest)->chunk_size;

	say(w, (struct feed_record){.type = API_FEED_REFUTED, .page = 1, .count = 5});
	step(w);
	assert_true(w->pump.disks[0].refuted);
	assert_int_equal(w->pump.disks[0].refuted_at, UINT64_C(132) * chunk);
	assert_false(w->pump.disks[1].refuted);
}

static void pump_step_of_a_disk_of_another_batch_is_refused(void **state)
{
	static const uint8_t kinds[] = {API_FEED_INTENT, API_FEED_WANT, API_FEED_DISK};

	for (size_t i = 0; i < sizeof kinds; i++) {
		struct world *w = fresh(state);
		struct manifest *other = w->pump.disks[1].manifest;
		uint8_t root[MANIFEST_HASH] = {0};

		w->pump.disks[1].manifest = NULL;
		say(w, (struct feed_record){.type = kinds[i], .disk = 1, .count = kinds[i] == API_FEED_WANT, .payload = root,
					    .payload_len = kinds[i] == API_FEED_DISK ? sizeof root : 0});
		step_fails(w, ERR_PROTOCOL, "names disk 1 of 2, which it does not have");
		w->pump.disks[1].manifest = other;
	}
}

static void pump_step_records_out_of_range_are_refused(void **state)
{
	static const uint8_t hashes[FEED_PAGE_BYTES] = {1};
	static const struct {
		struct feed_record r;
		const char *words;
	} cases[] = {
		{{.seq = 3, .type = API_FEED_INTENT}, "jumps from record 1 to 3"},
		{{.seq = 1, .type = API_FEED_INTENT}, "jumps from record 1 to 1"},
		{{.type = API_FEED_INTENT, .disk = 2}, "names disk 2 of 2"},
		{{.type = API_FEED_DISK, .disk = 65535, .payload = hashes, .payload_len = 32}, "names disk 65535 of 2"},
		{{.type = API_FEED_WANT, .disk = 2, .count = 1}, "names disk 2 of 2"},
		{{.type = API_FEED_INTENT, .disk = 0, .page = PAGES}, "a page past the end of disk 0"},
		{{.type = API_FEED_INTENT, .disk = 1, .page = 1}, "a page past the end of disk 1"},
		{{.type = API_FEED_INTENT, .page = UINT64_MAX}, "a page past the end of disk 0"},
		{{.type = API_FEED_PAGE, .page = PAGES, .payload = hashes, .payload_len = FEED_PAGE_BYTES}, "past the end"},
		{{.type = API_FEED_WANT, .page = PAGES, .count = 1}, "pages past the end of disk 0"},
		{{.type = API_FEED_WANT, .page = 1, .count = 3}, "pages past the end of disk 0"},
		{{.type = API_FEED_WANT, .page = UINT64_MAX, .count = 2}, "pages past the end of disk 0"},
		{{.type = API_FEED_WANT, .page = 1, .count = UINT32_MAX}, "pages past the end of disk 0"},
		{{.type = 0}, "unknown type 0"},
		{{.type = 8}, "unknown type 8"},
		{{.type = API_FEED_REFUTED, .page = PAGES}, "a page past the end of disk 0"},
		{{.type = API_FEED_REFUTED, .count = 127}, "refutes hints"},
		{{.type = API_FEED_INTENT, .payload = hashes, .payload_len = 1}, "of type 2 with 1 bytes"},
		{{.type = API_FEED_PAGE, .payload = hashes, .payload_len = FEED_PAGE_BYTES - 32}, "of type 3 with 4032 bytes"},
		{{.type = API_FEED_PAGE}, "of type 3 with 0 bytes"},
		{{.type = API_FEED_DISK, .payload = hashes, .payload_len = 31}, "of type 4 with 31 bytes"},
		{{.type = API_FEED_FINISHED, .payload = hashes, .payload_len = 4}, "of type 5 with 4 bytes"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct world *w = fresh(state);
		uint8_t good[MANIFEST_PAGE_HASHES];

		fill(good, 0, 127);
		say_page(w, 0, 0, good);
		say(w, cases[i].r);
		syncs = 0;
		step_fails(w, ERR_PROTOCOL, cases[i].words);
		/* What came before was in order, and the rest of the disk is as it was. */
		assert_int_equal(syncs, 1);
		check_stored(w, "disk0", 0, good);
		check_stored(w, "disk0", 1, unknown);
		assert_int_equal(w->worker.put_count, 0);
		assert_false(w->pump.finished);
	}
}

static void pump_step_cut_record_is_refused(void **state)
{
	uint8_t hashes[MANIFEST_PAGE_HASHES];

	fill(hashes, 0, 127);
	for (size_t cut = 1; cut < API_FEED_HEADER + FEED_PAGE_BYTES; cut += 127) {
		struct world *w = fresh(state);

		say_page(w, 0, 0, hashes);
		w->worker.say.len -= cut;
		step_fails(w, ERR_PROTOCOL, "ends in the middle of a record");
		check_stored(w, "disk0", 0, unknown);
	}
}

/* ---- Comparing ---- */

static void compare_world(struct world *w, bool repair)
{
	uint8_t hashes[MANIFEST_PAGE_HASHES];
	struct err e = ERR_INIT;

	w->pump.pages = PUMP_COMPARE;
	if (repair)
		w->disks[0].repair = make_manifest(w, "repair", (PAGES - 1) * MANIFEST_PAGE_CHUNKS + 5, CHUNK);
	for (unsigned p = 0; p < PAGES; p++) {
		fill(hashes, 40 * p, p < PAGES - 1 ? 127 : 5);
		assert_int_equal(manifest_write_page(w->disks[0].manifest, p, hashes, &e), 0);
		if (repair)
			assert_int_equal(manifest_write_page(w->disks[0].repair, p, hashes, &e), 0);
	}
}

static void pump_step_compare_marks_what_differs(void **state)
{
	struct world *w = *state;
	uint8_t page[PAGES][MANIFEST_PAGE_HASHES], want[MANIFEST_PAGE_HASHES];

	compare_world(w, true);
	for (unsigned p = 0; p < PAGES; p++)
		fill(page[p], 40 * p, p < PAGES - 1 ? 127 : 5);
	page[1][3 * MANIFEST_HASH + 31] ^= 1;
	page[1][126 * MANIFEST_HASH] ^= 128;
	page[2][4 * MANIFEST_HASH] ^= 1;
	say_page(w, 0, 2, page[2]); /* in any order */
	say_page(w, 0, 0, page[0]);
	say_page(w, 0, 1, page[1]);
	syncs = 0;
	step(w);
	assert_int_equal(w->pump.acked, 3);
	assert_int_equal(syncs, 2); /* one for each page */
	assert_int_equal(w->disks[0].differing, 3);
	assert_int_equal(w->disks[0].first_differing, (127 + 3) * CHUNK);
	assert_int_equal(w->disks[0].pages_recorded, 3);
	fill(want, 0, 127);
	check_stored(w, "repair", 0, want);
	fill(want, 40, 127);
	check_stored(w, "disk0", 1, want); /* the committed one is never changed */
	memset(want + 3 * MANIFEST_HASH, 0, MANIFEST_HASH);
	memset(want + 126 * MANIFEST_HASH, 0, MANIFEST_HASH);
	check_stored(w, "repair", 1, want);
	fill(want, 80, 4);
	check_stored(w, "repair", 2, want);
}

static void pump_step_compare_without_repair_only_counts(void **state)
{
	struct world *w = *state;
	uint8_t page[MANIFEST_PAGE_HASHES];

	compare_world(w, false);
	memset(page, 0, sizeof page); /* chunks that the worker could not read */
	say_page(w, 0, 2, page);
	step(w);
	assert_int_equal(w->disks[0].differing, 5);
	assert_int_equal(w->disks[0].first_differing, 254 * CHUNK);
}

static void pump_step_compare_equal_changes_nothing(void **state)
{
	struct world *w = *state;
	uint8_t page[MANIFEST_PAGE_HASHES];

	compare_world(w, true);
	fill(page, 40, 127);
	say_page(w, 0, 1, page);
	syncs = 0;
	step(w);
	assert_int_equal(w->disks[0].differing, 0);
	assert_int_equal(w->disks[0].pages_recorded, 1);
	assert_int_equal(syncs, 0);
	check_stored(w, "repair", 1, page);
}

/* The chunk size of the job was changed, and the run that began anew with it died before it wrote. */
static void pump_step_compare_repair_of_another_grid_is_left_alone(void **state)
{
	struct world *w = *state;
	uint8_t page[MANIFEST_PAGE_HASHES];

	compare_world(w, false);
	w->disks[0].repair = make_manifest(w, "repair", 5, 64 * CHUNK);
	fill(page, 41, 127);
	say_page(w, 0, 1, page);
	step(w);
	assert_int_equal(w->disks[0].differing, 127);
	check_stored(w, "repair", 0, unknown);
}

/* It brings no hashes; reading them would be reading past the record. */
static void pump_step_compare_intent_is_refused(void **state)
{
	struct world *w = *state;

	compare_world(w, true);
	say_intent(w, 0, 1);
	step_fails(w, ERR_PROTOCOL, "announces a write to disk 0");
	assert_int_equal(w->disks[0].differing, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(pump_step_page_is_durable_before_its_ack, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pump_step_intent_is_durably_unknown_before_its_ack, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pump_step_failed_sync_acknowledges_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pump_step_disk_and_finished_are_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pump_step_failed_worker_keeps_what_came_before, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pump_step_cut_connection_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pump_step_want_answers_those_pages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pump_step_want_of_many_pages_is_answered_in_parts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pump_step_want_that_cannot_be_answered_is_not_acknowledged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pump_step_refuted_tells_where, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pump_step_of_a_disk_of_another_batch_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pump_step_records_out_of_range_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pump_step_cut_record_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pump_step_compare_marks_what_differs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pump_step_compare_without_repair_only_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pump_step_compare_equal_changes_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pump_step_compare_repair_of_another_grid_is_left_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pump_step_compare_intent_is_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
