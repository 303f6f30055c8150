// SPDX-License-Identifier: Apache-2.0
/* Runs with the hints of a cloud: when they are used, when not, and that they never make a replica wrong. */
#include "replica_fixture.h"

/* The source writes chunk `chunk` of disk 0, and its cloud may say so. */
static void write_source(struct world *w, unsigned chunk, uint32_t number, bool said)
{
	struct mem_cloud *c = w->from;

	w->source[0][chunk] = number;
	if (said)
		c->changed[0][c->changed_count[0]++] =
			(struct byte_range){.offset = (uint64_t)chunk * MEM_CHUNK + 5, .length = 1};
}

static void forget_changes(struct world *w)
{
	memset(w->from->changed_count, 0, sizeof w->from->changed_count);
}

/* A world whose cloud tracks changes, with generation 1. */
static struct world *tracked(void **state)
{
	struct world *w = *state;

	w->from->tracks = w->hints = true;
	struct did d = sync_at(w, "a");
	assert_false(d.hinted[0]);
	check_committed(w, "a", 1);
	return w;
}

static void full_scan(struct world *w, int64_t *committed_s, unsigned *hinted)
{
	struct context c;

	ok(open_desk(w, "a", &c, e));
	ok(journal_full_scan(c.journal, "web1", committed_s, hinted, e));
	close_desk(&c);
}

static void sync_with_hints_reads_what_they_say_and_marks_the_generation(void **state)
{
	struct world *w = tracked(state);
	int64_t full_s;
	unsigned hinted;

	write_source(w, 3, 7, true);
	write_source(w, 130, 8, true);
	struct did d = sync_at(w, "a");
	assert_true(d.hinted[0] && d.hinted[1]);
	assert_int_equal(d.read, 2);
	assert_int_equal(d.sent, 2);
	check_committed(w, "a", 2);
	assert_string_equal(w->from->asked[0], "snap0 of epoch 1");
	full_scan(w, &full_s, &hinted);
	assert_true(full_s > 0);
	assert_int_equal(hinted, 1);
	forget_changes(w);
	write_source(w, 4, 9, true);
	d = sync_at(w, "a");
	assert_int_equal(d.read, 1);
	assert_string_equal(w->from->asked[1], "snap1 of epoch 2"); /* of the generation before, always */
	check_committed(w, "a", 3);
}

static void sync_committed_with_hints_has_a_flag_in_its_manifest(void **state)
{
	struct world *w = tracked(state);

	sync_at(w, "a");
	for (unsigned i = 0; i < DISKS; i++) {
		struct context c;

		ok(open_desk(w, "a", &c, e));
		cleanup(cleanup_free) char *path = state_generation_path(&c.state, "web1", i, 2);
		struct err none = ERR_INIT;
		struct manifest *m = manifest_open(path, MANIFEST_READ, &c.keys.hash, &none);
		assert_non_null(m);
		assert_int_equal(manifest_info(m)->flags, MANIFEST_F_HINTED);
		manifest_close(m);
		close_desk(&c);
	}
}

/* A dead run wrote chunk 3; the source went back, and its cloud says that nothing changed since generation 1. */
static void sync_after_a_dead_run_reads_what_that_wrote(void **state)
{
	static const enum point points[] = {AT_HALF, AT_COPIED, AT_MANIFESTS};

	for (size_t p = 0; p < sizeof points / sizeof points[0]; p++) {
		fresh(state);
		struct world *w = tracked(state);
		uint32_t before = w->source[0][3];

		write_source(w, 3, 7, true);
		sync_and_die(w, "a", points[p]);
		assert_int_equal(replica_item(w, 0)->data[3], 7);
		w->source[0][3] = before;
		forget_changes(w);
		struct did d = sync_at(w, "a");
		assert_true(d.hinted[0]);
		assert_int_equal(d.read, 127); /* the page of that chunk */
		check_committed(w, "a", 2);
	}
}

/* Generation 2 is in the journal, and the working manifest still counts from 1. */
static void sync_after_a_death_between_commit_and_settling_reads_everything(void **state)
{
	struct world *w = tracked(state);

	write_source(w, 3, 7, true);
	mem_cloud_fault(w->to, MEM_CLAIM, MEM_KILL_BEFORE, ERR_NONE, 2, 1); /* two for writing, then that of the commit */
	sync_and_die(w, "a", AT_NOWHERE);
	sync_and_die(w, "a", AT_BEGUN); /* which changes nothing about that */
	write_source(w, 5, 9, true);
	struct did d = sync_at(w, "a");
	assert_false(d.hinted[0] || d.hinted[1]);
	check_committed(w, "a", 3);
	forget_changes(w);
	d = sync_at(w, "a");
	assert_true(d.hinted[0] && d.hinted[1]);
	assert_int_equal(d.read, 0);
	check_committed(w, "a", 4);
}

static void sync_without_use_for_hints_reads_everything(void **state)
{
	enum { IGNORED, NOT_TRACKED, REHASHED, GROWN, SCAN_DUE, CASES };

	for (int how = 0; how < CASES; how++) {
		fresh(state);
		struct world *w = tracked(state);
		cleanup(cleanup_free) char *path = mem_printf("%s/a/manifests/web1/disk0/working", w->dir);

		w->source[0][100] = 4711; /* nobody says so */
		if (how == IGNORED)
			w->hints = false;
		else if (how == NOT_TRACKED)
			w->from->tracks = false;
		else if (how == REHASHED)
			unlink(path);
		else if (how == GROWN)
			w->from->disk_size[0] += MIB;
		else
			w->full_scan_every = 1;
		struct did d = sync_at(w, "a");
		assert_false(d.hinted[0]);
		assert_int_equal(d.hinted[1], how == REHASHED || how == GROWN); /* each disk for itself */
		check_committed(w, "a", 2);
	}
}

static void sync_every_so_many_generations_reads_everything(void **state)
{
	static const bool hinted[] = {true, true, false, true, true, false};
	struct world *w = tracked(state);
	int64_t full_s;
	unsigned since;

	w->full_scan_every = 3;
	for (size_t k = 0; k < sizeof hinted / sizeof hinted[0]; k++) {
		struct did d = sync_at(w, "a");

		assert_int_equal(d.hinted[0], hinted[k]);
		full_scan(w, &full_s, &since);
		assert_int_equal(since, hinted[k] ? k % 3 + 1 : 0);
	}
}

static void source_hints_gather_of_a_refuted_disk_reads_all_of_it(void **state)
{
	struct source_hints h = {.given = {true, true}, .refuted = {true, false}};

	(void)state;
	assert_null(source_hints_of(&h, 0));
	assert_ptr_equal(source_hints_of(&h, 1), &h.disk[1]);
	assert_null(source_hints_of(&h, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sync_with_hints_reads_what_they_say_and_marks_the_generation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_committed_with_hints_has_a_flag_in_its_manifest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_after_a_dead_run_reads_what_that_wrote, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_after_a_death_between_commit_and_settling_reads_everything, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(sync_without_use_for_hints_reads_everything, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_every_so_many_generations_reads_everything, set_up, tear_down),
		cmocka_unit_test(source_hints_gather_of_a_refuted_disk_reads_all_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
