// SPDX-License-Identifier: Apache-2.0
/* Whether a replica and its working manifest are believed: copied, restored and rolled back state, and runs that died. */
#include "replica_fixture.h"

#include <fcntl.h>

/* Opens the replica as a run does, which must succeed. */
static void open_for_run(struct context *c, struct machine *m, struct run *run, struct replica *r)
{
	ok(c->source_p->ops->machine_get(c->source_p, "web1", m, e));
	ok(journal_run_begin(c->journal, "web1", RUN_SYNC, run, e));
	ok(replica_open(c, m, run, r, e));
}

static void check_distrusted(const struct did *d)
{
	for (unsigned i = 0; i < DISKS; i++)
		if (!d->rehash[i])
			fail_msg("the working manifest of disk %u was believed", i);
	assert_true(d->dirty);
}

static void check_believed(const struct did *d)
{
	for (unsigned i = 0; i < DISKS; i++)
		if (d->rehash[i])
			fail_msg("the working manifest of disk %u was not believed", i);
}

/* ---- Ordinary runs ---- */

static void sync_three_times_sends_what_changed(void **state)
{
	struct world *w = *state;
	struct did d = sync_at(w, "a");

	assert_int_equal(d.generation, 1);
	assert_int_equal(d.sent, 160 + 49);
	check_believed(&d);
	check_committed(w, "a", 1);
	w->source[0][150]++;
	w->source[1][48]++; /* 512 bytes */
	d = sync_at(w, "a");
	check_believed(&d);
	assert_int_equal(d.sent, 2);
	check_committed(w, "a", 2);
	d = sync_at(w, "a");
	assert_int_equal(d.sent, 0);
	assert_false(d.dirty);
	check_committed(w, "a", 3);
	assert_true(is_clean(w, "a"));
}

static void replica_open_committed_nothing_there_is_not_found(void **state)
{
	struct world *w = *state;
	struct context c;
	struct replica r;

	ok(open_desk(w, "a", &c, e));
	refused(replica_open_committed(&c, &r, e), ERR_NOT_FOUND, "no committed generation yet");
	close_desk(&c);
	sync_and_die(w, "a", AT_COPIED);
	ok(open_desk(w, "a", &c, e));
	refused(replica_open_committed(&c, &r, e), ERR_NOT_FOUND, "no committed generation yet");
	close_desk(&c);
	assert_true(replica_item(w, 0)->ref.tags.dirty);
}

static void replica_commit_unlike_the_source_commits_nothing(void **state)
{
	struct world *w = *state;
	uint8_t roots[DISKS][MANIFEST_HASH] = {{0}};
	struct machine m;
	struct context c;
	struct replica r;
	struct run run;

	sync_at(w, "a");
	ok(open_desk(w, "a", &c, e));
	open_for_run(&c, &m, &run, &r);
	ok(replica_begin_writing(&c, &run, &r, (struct batch){.end = r.count}, e));
	root_of(&c, w->source[0], r.disks[0].size, roots[0]);
	refused(replica_commit(&c, &run, &r, &m, (const uint8_t (*)[MANIFEST_HASH])roots, e), ERR_CORRUPT,
		"the root of wherry-web1-disk1 differs");
	static const uint8_t unknown[MANIFEST_PAGE_HASHES];
	ok(manifest_write_page(r.disks[0].working, 1, unknown, e));
	refused(replica_commit(&c, &run, &r, &m, (const uint8_t (*)[MANIFEST_HASH])roots, e), ERR_INTERNAL,
		"33 chunks of wherry-web1-disk0 are still unknown");
	replica_close(&r);
	machine_fini(&m);
	close_desk(&c);
	assert_true(replica_item(w, 0)->ref.tags.dirty);
	assert_false(is_clean(w, "a"));
	sync_at(w, "a");
	check_committed(w, "a", 2);
}

/* ---- Processes that died: what they left is believed ---- */

/* Claims of one run: disk 0 and 1 for writing, 0 and 1 for clean. */
static void sync_killed_anywhere_is_believed(void **state)
{
	static const struct {
		enum point at;
		enum mem_call call;
		enum mem_when when;
		unsigned skip;
		uint64_t generation; /* of the run after it */
		bool clean;          /* what the next command finds */
	} cases[] = {
		{AT_OPENED, 0, 0, 0, 2, true},
		{AT_KEPT, 0, 0, 0, 2, true},
		{AT_NOWHERE, MEM_SNAPSHOT_DISK, MEM_KILL_BEFORE, 1, 2, true},
		{AT_NOWHERE, MEM_SNAPSHOT_DISK, MEM_KILL_AFTER, 1, 2, true},
		{AT_WRITING, 0, 0, 0, 2, true},
		{AT_NOWHERE, MEM_CLAIM, MEM_KILL_BEFORE, 0, 2, true},
		{AT_NOWHERE, MEM_CLAIM, MEM_KILL_AFTER, 0, 2, false},
		{AT_NOWHERE, MEM_CLAIM, MEM_KILL_BEFORE, 1, 2, false},
		{AT_NOWHERE, MEM_CLAIM, MEM_KILL_AFTER, 1, 2, false},
		{AT_BEGUN, 0, 0, 0, 2, false},
		{AT_HALF, 0, 0, 0, 2, false},
		{AT_COPIED, 0, 0, 0, 2, false},
		{AT_MANIFESTS, 0, 0, 0, 2, false},
		{AT_NOWHERE, MEM_CLAIM, MEM_KILL_BEFORE, 2, 3, true},
		{AT_NOWHERE, MEM_CLAIM, MEM_KILL_AFTER, 2, 3, true},
		{AT_NOWHERE, MEM_CLAIM, MEM_KILL_BEFORE, 3, 3, true},
		{AT_NOWHERE, MEM_CLAIM, MEM_KILL_AFTER, 3, 3, true},
		{AT_COMMITTED, 0, 0, 0, 3, true},
		{AT_NOWHERE, MEM_REMOVE, MEM_KILL_AFTER, 0, 3, true},
		{AT_DROPPED, 0, 0, 0, 3, true},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct world *w = fresh(state);
		struct did d;

		sync_at(w, "a");
		uint32_t before = w->source[0][3];
		w->source[0][3] = 7;
		w->source[1][5] = 7;
		if (cases[i].at == AT_NOWHERE)
			mem_cloud_fault(w->to, cases[i].call, cases[i].when, ERR_NONE, cases[i].skip, 1);
		sync_and_die(w, "a", cases[i].at);
		/* What was written meanwhile is what it was: only an unknown chunk says that the replica differs. */
		w->source[0][3] = before;
		if (is_clean(w, "a") != cases[i].clean)
			fail_msg("case %zu: clean is %d", i, !cases[i].clean);
		d = sync_at(w, "a");
		check_believed(&d);
		if (d.generation != cases[i].generation)
			fail_msg("case %zu: generation %llu", i, (unsigned long long)d.generation);
		check_committed(w, "a", cases[i].generation);
		assert_int_equal(mem_cloud_count(w->to, -1), DISKS);
	}
}

static void sync_first_killed_anywhere_is_finished(void **state)
{
	static const struct {
		enum point at;
		enum mem_call call;
		enum mem_when when;
	} cases[] = {
		{AT_NOWHERE, MEM_DISK_CREATE, MEM_KILL_BEFORE}, {AT_NOWHERE, MEM_DISK_CREATE, MEM_KILL_AFTER},
		{AT_OPENED, 0, 0}, {AT_WRITING, 0, 0}, {AT_NOWHERE, MEM_CLAIM, MEM_KILL_AFTER}, {AT_HALF, 0, 0},
		{AT_COPIED, 0, 0}, {AT_MANIFESTS, 0, 0},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct world *w = fresh(state);

		if (cases[i].at == AT_NOWHERE)
			mem_cloud_fault(w->to, cases[i].call, cases[i].when, ERR_NONE, 1, 1);
		sync_and_die(w, "a", cases[i].at);
		assert_int_equal(sync_at(w, "a").generation, 1);
		check_committed(w, "a", 1);
		assert_int_equal(mem_cloud_count(w->to, -1), DISKS);
	}
}

static void replica_settle_finishes_what_was_committed(void **state)
{
	struct world *w = *state;
	struct context c;
	struct replica r;

	sync_at(w, "a");
	w->source[0][3] = 7;
	mem_cloud_fault(w->to, MEM_CLAIM, MEM_KILL_BEFORE, ERR_NONE, 3, 1); /* disk 0 is clean, disk 1 is not */
	sync_and_die(w, "a", AT_NOWHERE);
	assert_false(replica_item(w, 0)->ref.tags.dirty);
	assert_true(replica_item(w, 1)->ref.tags.dirty);
	ok(open_desk(w, "a", &c, e));
	ok(replica_open_committed(&c, &r, e));
	assert_int_equal(r.generation, 2);
	assert_false(r.dirty);
	replica_close(&r);
	close_desk(&c);
	check_committed(w, "a", 2);
}

/* ---- Two copies of one state directory ---- */

static void sync_from_an_older_copy_distrusts_and_is_distrusted(void **state)
{
	static const enum point fates[] = {AT_BEGUN, AT_HALF, AT_COPIED, AT_MANIFESTS, AT_COMMITTED, AT_NOWHERE};

	for (size_t i = 0; i < sizeof fates / sizeof fates[0]; i++) {
		struct world *w = fresh(state);
		struct did d;

		sync_at(w, "a");
		copy_desk(w, "a", "b");
		w->source[0][3] = 7;
		w->source[1][3] = 7;
		assert_int_equal(sync_at(w, "a").generation, 2);
		w->source[0][4]++;
		w->source[1][4]++;
		if (fates[i] == AT_NOWHERE) {
			d = sync_at(w, "b");
			check_distrusted(&d);
			check_committed(w, "b", 2);
		} else {
			sync_and_die(w, "b", fates[i]);
		}
		/* Back to what A's manifest says: it would skip what B wrote. */
		w->source[0][4]--;
		w->source[1][4]--;
		assert_false(is_clean(w, "a"));
		d = sync_at(w, "a");
		check_distrusted(&d);
		check_committed(w, "a", 3);
		d = sync_at(w, "b");
		check_distrusted(&d);
		check_committed(w, "b", d.generation);
		d = sync_at(w, "a");
		check_distrusted(&d);
		check_committed(w, "a", 4);
	}
}

/* Both begin epoch 2; it never reached the replica from A, but A's journal, and its manifests or not, know it. */
static void sync_two_copies_with_one_epoch_are_told_apart(void **state)
{
	for (int manifests = 0; manifests < 2; manifests++) {
		struct world *w = fresh(state);
		struct did d;

		sync_at(w, "a");
		copy_desk(w, "a", "b");
		if (manifests)
			mem_cloud_fault(w->to, MEM_CLAIM, MEM_KILL_BEFORE, ERR_NONE, 0, 1);
		sync_and_die(w, "a", manifests ? AT_NOWHERE : AT_WRITING);
		w->source[0][4]++;
		w->source[1][4]++;
		sync_and_die(w, "b", AT_COPIED);
		assert_int_equal(replica_item(w, 0)->ref.tags.epoch, 2);
		w->source[0][4]--;
		w->source[1][4]--;
		d = sync_at(w, "a");
		check_distrusted(&d);
		check_committed(w, "a", 2);
	}
}

/* As above, and what B wrote was rolled back in part: the epoch is the one that A claimed. */
static void sync_same_epoch_of_another_run_is_distrusted(void **state)
{
	struct world *w = *state;
	struct did d;

	sync_at(w, "a");
	copy_desk(w, "a", "b");
	keep_replica(w);
	sync_and_die(w, "a", AT_BEGUN);
	roll_back(w, 0);
	roll_back(w, 1);
	w->to->claim_count = 0;
	w->source[0][4]++;
	w->source[1][4]++;
	sync_and_die(w, "b", AT_COPIED);
	w->source[0][4]--;
	w->source[1][4]--;
	d = sync_at(w, "a");
	check_distrusted(&d);
	check_committed(w, "a", 2);
}

static void sync_from_copies_in_turn_stays_right(void **state)
{
	struct world *w = *state;
	uint64_t epoch = 0;

	sync_at(w, "a");
	copy_desk(w, "a", "b");
	for (unsigned i = 0; i < 8; i++) {
		const char *desk = i % 2 == 0 ? "b" : "a";
		struct did d;

		w->source[i % DISKS][20 + i % 3] = i;
		if (i == 4 || i == 5)
			sync_and_die(w, desk, AT_HALF);
		d = sync_at(w, desk);
		check_committed(w, desk, d.generation);
		assert_true(d.epoch > epoch);
		epoch = d.epoch;
	}
}

/* ---- A state directory backed up and restored ---- */

static void sync_restored_from_a_backup_in_mid_run_is_distrusted(void **state)
{
	static const enum point points[] = {AT_OPENED, AT_KEPT, AT_BEGUN, AT_HALF, AT_COPIED};

	for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
		struct world *w = fresh(state);
		struct did d;

		sync_at(w, "a");
		w->source[0][3] = w->source[0][140] = w->source[1][3] = 7;
		w->copy_at = points[i];
		assert_int_equal(sync_at(w, "a").generation, 2);
		w->copy_at = AT_NOWHERE;
		assert_false(is_clean(w, "b"));
		d = sync_at(w, "b");
		check_distrusted(&d);
		check_committed(w, "b", 2);
	}
}

static void sync_restored_from_a_backup_after_the_commit_is_believed(void **state)
{
	struct world *w = *state;
	struct did d;

	sync_at(w, "a");
	w->source[0][3] = 7;
	w->copy_at = AT_COMMITTED;
	sync_at(w, "a");
	w->copy_at = AT_NOWHERE;
	d = sync_at(w, "b");
	check_believed(&d);
	assert_int_equal(d.sent, 0);
	check_committed(w, "b", 3);
}

/* The backup has the owner's id and the keys, nothing else. */
static void sync_restored_from_a_backup_before_the_first_run_is_distrusted(void **state)
{
	struct world *w = *state;
	struct context c;
	struct did d;

	ok(open_desk(w, "a", &c, e));
	close_desk(&c);
	copy_desk(w, "a", "b");
	sync_at(w, "a");
	sync_at(w, "a");
	w->source[0][3] = w->source[1][3] = 7;
	sync_and_die(w, "b", AT_OPENED);
	sync_and_die(w, "b", AT_KEPT);
	d = sync_at(w, "b");
	check_distrusted(&d);
	assert_int_equal(d.sent, 2);
	check_committed(w, "b", 1);
	d = sync_at(w, "a");
	check_distrusted(&d);
	check_committed(w, "a", 3);
}

/* ---- A replica rolled back by its storage ---- */

/* Both commands that may follow, after every way to die before the first claim. */
static void check_stays_distrusted(struct world *w, bool both)
{
	static const enum point deaths[] = {AT_OPENED, AT_KEPT, AT_WRITING};
	struct did d;

	assert_false(is_clean(w, "a"));
	for (size_t i = 0; i < sizeof deaths / sizeof deaths[0]; i++) {
		sync_and_die(w, "a", deaths[i]);
		assert_false(is_clean(w, "a"));
	}
	mem_cloud_fault(w->to, MEM_CLAIM, MEM_KILL_BEFORE, ERR_NONE, 0, 1);
	sync_and_die(w, "a", AT_NOWHERE);
	assert_false(is_clean(w, "a"));
	d = sync_at(w, "a");
	assert_true(d.dirty);
	assert_true(d.rehash[1]);
	if (both)
		assert_true(d.rehash[0]);
	check_committed(w, "a", 3);
}

static void sync_after_a_rollback_is_distrusted_until_it_wrote(void **state)
{
	for (int both = 0; both < 2; both++) {
		struct world *w = fresh(state);

		sync_at(w, "a");
		keep_replica(w);
		w->source[0][3] = w->source[1][3] = 7;
		sync_at(w, "a");
		roll_back(w, 1);
		if (both)
			roll_back(w, 0);
		check_stays_distrusted(w, both);
		/* Nobody kept the old bytes as generation 2. */
		assert_null(mem_cloud_get(w->to, "wherry-web1-gen2-disk0"));
	}
}

/* Of the run that committed, or of one that died before it. */
static void sync_after_a_rollback_to_mid_run_is_distrusted(void **state)
{
	static const enum point points[] = {AT_BEGUN, AT_HALF, AT_COPIED};

	for (size_t i = 0; i < 2 * sizeof points / sizeof points[0]; i++) {
		struct world *w = fresh(state);
		struct did d;

		sync_at(w, "a");
		w->source[0][3] = w->source[0][140] = w->source[1][3] = 7;
		if (i % 2 == 0) {
			sync_and_die(w, "a", points[i / 2]);
			keep_replica(w);
		} else {
			w->keep_at = points[i / 2];
		}
		d = sync_at(w, "a");
		w->keep_at = AT_NOWHERE;
		check_believed(&d);
		roll_back(w, 0);
		roll_back(w, 1);
		check_stays_distrusted(w, true);
	}
}

/* It died when its claim had been granted but nothing was hashed yet: everything is unknown, so everything is sent. */
static void sync_killed_after_distrust_is_right(void **state)
{
	struct world *w = *state;
	struct did d;

	sync_at(w, "a");
	keep_replica(w);
	w->source[0][3] = w->source[1][3] = 7;
	sync_at(w, "a");
	roll_back(w, 0);
	roll_back(w, 1);
	mem_cloud_fault(w->to, MEM_CLAIM, MEM_KILL_AFTER, ERR_NONE, 0, 1);
	sync_and_die(w, "a", AT_NOWHERE);
	sync_and_die(w, "a", AT_BEGUN);
	d = sync_at(w, "a");
	assert_true(d.dirty);
	check_committed(w, "a", 3);
	assert_true(is_clean(w, "a"));
}

/* ---- Manifests that are of no use ---- */

static void overwrite(const char *path, long at, const char *bytes)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, strlen(bytes), at), strlen(bytes));
	close(fd);
}

static void spoil(const struct world *w, unsigned how)
{
	cleanup(cleanup_free) char *path = mem_printf("%s/a/manifests/web1/disk1/working", w->dir);
	cleanup(cleanup_free) char *old = mem_printf("%s/b/manifests/web1/disk1/working", w->dir);

	if (how == 0)
		assert_int_equal(unlink(path), 0);
	else if (how == 1)
		assert_int_equal(truncate(path, 1000), 0);
	else if (how == 2)
		overwrite(path, 300, "bit");
	else
		assert_int_equal(rename(old, path), 0); /* of the generation before */
}

static void sync_useless_working_manifest_is_hashed_anew(void **state)
{
	for (unsigned how = 0; how < 4; how++) {
		struct world *w = fresh(state);
		struct did d;

		sync_at(w, "a");
		copy_desk(w, "a", "b");
		w->source[0][3] = w->source[1][3] = 7;
		sync_at(w, "a");
		spoil(w, how);
		w->source[1][3] = 2003; /* as generation 1 had it */
		d = sync_at(w, "a");
		assert_false(d.rehash[0]);
		assert_true(d.rehash[1]);
		assert_int_equal(d.sent, 1);
		check_committed(w, "a", 3);
	}
}

static void sync_damaged_page_is_sent_again(void **state)
{
	struct world *w = *state;
	cleanup(cleanup_free) char *path = mem_printf("%s/a/manifests/web1/disk0/working", w->dir);
	struct did d;

	sync_at(w, "a");
	overwrite(path, 2 * MANIFEST_PAGE + 40, "bit");
	d = sync_at(w, "a");
	check_believed(&d);
	assert_int_equal(d.sent, 33);
	check_committed(w, "a", 2);
}

static void sync_other_chunk_size_is_hashed_anew(void **state)
{
	struct world *w = *state;
	struct did d;

	sync_at(w, "a");
	w->chunk_size = 2 * MEM_CHUNK;
	w->source[0][3] = 7;
	d = sync_at(w, "a");
	for (unsigned i = 0; i < DISKS; i++)
		assert_true(d.rehash[i]);
	assert_int_equal(d.sent, 1);
	check_committed(w, "a", 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sync_three_times_sends_what_changed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(replica_open_committed_nothing_there_is_not_found, set_up, tear_down),
		cmocka_unit_test_setup_teardown(replica_commit_unlike_the_source_commits_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_killed_anywhere_is_believed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_first_killed_anywhere_is_finished, set_up, tear_down),
		cmocka_unit_test_setup_teardown(replica_settle_finishes_what_was_committed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_from_an_older_copy_distrusts_and_is_distrusted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_two_copies_with_one_epoch_are_told_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_same_epoch_of_another_run_is_distrusted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_from_copies_in_turn_stays_right, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_restored_from_a_backup_in_mid_run_is_distrusted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_restored_from_a_backup_after_the_commit_is_believed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_restored_from_a_backup_before_the_first_run_is_distrusted, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(sync_after_a_rollback_is_distrusted_until_it_wrote, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_after_a_rollback_to_mid_run_is_distrusted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_killed_after_distrust_is_right, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_useless_working_manifest_is_hashed_anew, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_damaged_page_is_sent_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_other_chunk_size_is_hashed_anew, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
