// SPDX-License-Identifier: Apache-2.0
/* Machines with more disks than a worker takes: how these are divided, and runs that die between two batches. */
#include "replica_fixture.h"

static void batchesDivide_each_end_has_its_say(void **state)
{
	static const struct {
		unsigned source, target, disks; /* source, target: what a worker takes, 0: all */
		bool verify;
		unsigned count, each;
		const char *last, *name;
	} cases[] = {
		{0, 0, 1, false, 1, 1, "the disks", "export"}, {0, 0, 64, false, 1, 64, "the disks", "export"},
		{4, 8, 4, false, 1, 4, "the disks", "export"}, {4, 8, 5, false, 2, 4, "disk 4 of 5", "export2"},
		{8, 2, 5, false, 3, 2, "disk 4 of 5", "export3"}, {2, 0, 4, false, 2, 2, "disks 2-3 of 4", "export2"},
		{1, 3, 5, true, 2, 3, "disks 3-4 of 5", "export2"}, {1, 1, 64, false, 64, 1, "disk 63 of 64", "export64"},
		{2, 2, 0, false, 1, 0, "the disks", "export"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct world *w = fresh(state);
		char text[BATCH_TEXT];
		struct batches b;
		struct context c;
		unsigned seen = 0;

		w->from->worker_disks = cases[i].source;
		w->to->worker_disks = cases[i].target;
		ok(open_desk(w, "a", &c, e));
		ok(batches_divide(&c, cases[i].disks, !cases[i].verify, &b, e));
		assert_int_equal(b.count, cases[i].count);
		assert_int_equal(b.each, cases[i].each);
		for (unsigned k = 0; k < b.count; k++) {
			struct batch at = batches_at(&b, k);

			assert_int_equal(at.first, seen);
			assert_true(at.end - at.first <= b.each && (at.end > at.first || b.disks == 0));
			seen = at.end;
		}
		assert_int_equal(seen, cases[i].disks);
		assert_string_equal(batches_text(&b, b.count - 1, text), cases[i].last);
		assert_string_equal(batches_name(&b, b.count - 1, "export", text), cases[i].name);
		close_desk(&c);
	}
}

static int real_sync(struct world *w, struct context *c, struct err *e)
{
	(void)w;
	return replicate_sync(c, e);
}

static unsigned count_workers(const struct mem_cloud *c, const char *name, const char *disk)
{
	unsigned n = 0;

	for (size_t i = 0; i < sizeof c->items / sizeof c->items[0]; i++) {
		const struct mem_item *it = &c->items[i];

		n += it->used && it->ref.kind == RES_WORKER && strncmp(it->ref.name, name, strlen(name)) == 0 &&
		     it->disk_count == 1 && strncmp(it->disks[0], disk, strlen(disk)) == 0;
	}
	return n;
}

/* The worker is there, whether or not its client has heard of it. */
static void replicateSync_killed_in_a_batch_leaves_workers_that_the_next_run_removes(void **state)
{
	static const enum mem_when whens[] = {MEM_KILL_BEFORE, MEM_KILL_AFTER};

	for (size_t i = 0; i < sizeof whens / sizeof whens[0]; i++) {
		struct world *w = fresh(state);
		struct context c;

		w->from->worker_disks = w->to->worker_disks = 1;
		mem_cloud_fault(w->from, MEM_WORKER_CREATE, whens[i], ERR_NONE, 0, 1);
		run_and_die(w, "a", AT_NOWHERE, real_sync);
		w->from->fault_count = 0;
		assert_int_equal(count_workers(w->to, "wherry-web1-import1-", "wherry-web1-disk0"), 1);
		assert_int_equal(count_workers(w->from, "wherry-web1-export1-", "wherry-web1-clone0-"), i);
		assert_int_equal(mem_cloud_count(w->from, PURPOSE_SCAFFOLD), 2 * DISKS + i);
		ok(open_desk(w, "a", &c, e));
		mem_cloud_fault(w->from, MEM_WORKER_CREATE, MEM_BEFORE, ERR_NO_SPACE, 0, 1);
		refused(replicate_sync(&c, e), ERR_NO_SPACE, "told to fail");
		close_desk(&c);
		assert_int_equal(mem_cloud_count(w->from, -1), 0);
		assert_int_equal(mem_cloud_count(w->to, PURPOSE_SCAFFOLD), 0);
	}
}

/* Of disk 0, which was copied, nothing is sent again; the generation before stays good until all disks are committed. */
static void sync_dead_in_the_second_batch_goes_on_from_the_first(void **state)
{
	static const struct {
		enum point at;
		unsigned sent; /* of disk 1: what differs; all of the page that was being written; nothing */
	} cases[] = {{AT_BEGUN, 1}, {AT_HALF, 49}, {AT_COPIED, 0}};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct world *w = fresh(state);

		w->each = 1;
		sync_at(w, "a");
		check_committed(w, "a", 1);
		w->source[0][3] = 7;
		w->source[1][5] = 8;
		w->die_in = 1;
		sync_and_die(w, "a", cases[i].at);
		assert_false(is_clean(w, "a"));
		assert_true(replica_item(w, 0)->ref.tags.dirty && replica_item(w, 1)->ref.tags.dirty);
		assert_int_equal(replica_item(w, 0)->data[3], 7);
		struct did d = sync_at(w, "a");
		assert_false(d.rehash[0] || d.rehash[1]);
		assert_int_equal(d.sent_of[0], 0);
		assert_int_equal(d.sent_of[1], cases[i].sent);
		check_committed(w, "a", 2);
	}
}

/* A disk whose batch was never begun is as the generation before left it, and is believed to be. */
static void sync_dead_in_the_first_batch_leaves_the_second_alone(void **state)
{
	struct world *w = *state;

	w->each = 1;
	sync_at(w, "a");
	w->source[0][3] = 7;
	w->source[1][5] = 8;
	sync_and_die(w, "a", AT_COPIED);
	assert_true(replica_item(w, 0)->ref.tags.dirty);
	assert_false(replica_item(w, 1)->ref.tags.dirty);
	assert_false(is_clean(w, "a"));
	struct did d = sync_at(w, "a");
	assert_true(d.dirty);
	assert_false(d.rehash[0] || d.rehash[1]);
	assert_int_equal(d.sent_of[0], 0);
	assert_int_equal(d.sent_of[1], 1);
	check_committed(w, "a", 2);
}

static void sync_killed_in_any_claim_of_two_batches_goes_on(void **state)
{
	static const enum mem_when whens[] = {MEM_KILL_BEFORE, MEM_KILL_AFTER};

	/* Two for writing, then two for the generation. */
	for (unsigned skip = 0; skip < 4; skip++)
		for (size_t i = 0; i < sizeof whens / sizeof whens[0]; i++) {
			struct world *w = fresh(state);

			w->each = 1;
			sync_at(w, "a");
			w->source[0][3] = 7;
			w->source[1][5] = 8;
			mem_cloud_fault(w->to, MEM_CLAIM, whens[i], ERR_NONE, skip, 1);
			sync_and_die(w, "a", AT_NOWHERE);
			struct did d = sync_at(w, "a");
			assert_false(d.rehash[0] || d.rehash[1]);
			check_committed(w, "a", skip < 2 ? 2 : 3);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(batchesDivide_each_end_has_its_say, set_up, tear_down),
		cmocka_unit_test_setup_teardown(replicateSync_killed_in_a_batch_leaves_workers_that_the_next_run_removes, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(sync_dead_in_the_second_batch_goes_on_from_the_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_dead_in_the_first_batch_leaves_the_second_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_killed_in_any_claim_of_two_batches_goes_on, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
