// SPDX-License-Identifier: Apache-2.0
/* The last generation, kept as snapshots while a run writes. */
#include "replica_fixture.h"

#define SNAP0 "wherry-web1-gen1-disk0"
#define SNAP1 "wherry-web1-gen1-disk1"

static const struct mem_item *snapshot(const struct world *w, const char *name)
{
	const struct mem_item *it = mem_cloud_get(w->to, name);

	if (it == NULL)
		fail_msg("there is no snapshot %s", name);
	return it;
}

/* Which snapshots of generation 1 a fail-over would be given. */
static unsigned usable(struct world *w, const char *desk)
{
	struct context c;
	struct replica r;
	unsigned n = 0;

	ok(open_desk(w, desk, &c, e));
	ok(replica_open_committed(&c, &r, e));
	assert_int_equal(r.generation, 1);
	for (unsigned i = 0; i < DISKS; i++) {
		struct journal_entry kept;
		bool found;

		ok(replica_generation(&c, &r, i, 1, &kept, &found, e));
		if (found)
			assert_string_equal(kept.ref.name, i == 0 ? SNAP0 : SNAP1);
		n += found;
	}
	replica_close(&r);
	close_desk(&c);
	return n;
}

static void sync_keeps_the_last_generation_once(void **state)
{
	struct world *w = *state;
	uint32_t old[DISKS][MEM_CHUNKS];
	char ids[2][RES_ID_SIZE];

	sync_at(w, "a");
	memcpy(old, w->source, sizeof old);
	w->source[0][3] = w->source[1][3] = 7;
	sync_and_die(w, "a", AT_HALF);
	memcpy(ids[0], snapshot(w, SNAP0)->ref.id, RES_ID_SIZE);
	memcpy(ids[1], snapshot(w, SNAP1)->ref.id, RES_ID_SIZE);
	sync_and_die(w, "a", AT_COPIED);
	assert_int_equal(w->to->calls[MEM_SNAPSHOT_DISK], 2);
	for (unsigned i = 0; i < DISKS; i++) {
		const struct mem_item *it = snapshot(w, i == 0 ? SNAP0 : SNAP1);

		assert_string_equal(it->ref.id, ids[i]);
		assert_memory_equal(it->data, old[i], chunks_of(w->from->disk_size[i]) * sizeof old[i][0]);
		assert_int_equal(it->ref.tags.purpose, PURPOSE_GENERATION);
		assert_int_equal(it->ref.tags.generation, 1);
		assert_int_equal(it->ref.tags.epoch, 2);
	}
	assert_int_equal(usable(w, "a"), 2);
}

static void sync_drops_what_came_before_its_commit(void **state)
{
	struct world *w = *state;
	cleanup(cleanup_free) char *first = mem_printf("%s/a/manifests/web1/disk0/1", w->dir);
	cleanup(cleanup_free) char *second = mem_printf("%s/a/manifests/web1/disk0/2", w->dir);

	sync_at(w, "a");
	assert_int_equal(mem_cloud_count(w->to, PURPOSE_GENERATION), 0); /* there was nothing to keep */
	sync_and_die(w, "a", AT_COMMITTED);
	assert_int_equal(mem_cloud_count(w->to, PURPOSE_GENERATION), DISKS);
	assert_int_equal(access(first, F_OK), 0);
	sync_and_die(w, "a", AT_KEPT);
	assert_null(mem_cloud_get(w->to, SNAP0));
	assert_non_null(mem_cloud_get(w->to, "wherry-web1-gen2-disk0"));
	assert_int_equal(mem_cloud_count(w->to, PURPOSE_GENERATION), DISKS);
	assert_int_equal(access(first, F_OK), -1);
	assert_int_equal(access(second, F_OK), 0);
	sync_at(w, "a");
	assert_int_equal(mem_cloud_count(w->to, -1), DISKS);
	check_committed(w, "a", 3);
}

static void sync_killed_while_keeping_completes_it(void **state)
{
	static const struct {
		enum mem_when when;
		unsigned skip;
		unsigned usable, made; /* made: snapshot calls of both runs */
	} cases[] = {
		{MEM_KILL_BEFORE, 0, 0, 3}, {MEM_KILL_AFTER, 0, 1, 2}, {MEM_KILL_BEFORE, 1, 1, 3}, {MEM_KILL_AFTER, 1, 2, 2},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct world *w = fresh(state);

		sync_at(w, "a");
		mem_cloud_fault(w->to, MEM_SNAPSHOT_DISK, cases[i].when, ERR_NONE, cases[i].skip, 1);
		sync_and_die(w, "a", AT_NOWHERE);
		assert_int_equal(usable(w, "a"), cases[i].usable);
		w->source[0][3] = w->source[1][3] = 7;
		sync_and_die(w, "a", AT_HALF);
		assert_int_equal(w->to->calls[MEM_SNAPSHOT_DISK], cases[i].made);
		assert_int_equal(usable(w, "a"), 2);
		assert_int_equal(snapshot(w, SNAP0)->data[3], 1003);
		assert_int_equal(snapshot(w, SNAP1)->data[3], 2003);
		sync_at(w, "a");
		assert_int_equal(mem_cloud_count(w->to, -1), DISKS);
	}
}

/* `wherry cleanup --discard` that died between replica and snapshots, or before it could remove those. */
static void discard_all_but_snapshots(struct world *w, bool removing)
{
	cleanup(cleanup_free) char *line = mem_printf("rm -r '%s/a/manifests/web1'", w->dir);
	struct context c;

	ok(open_desk(w, "a", &c, e));
	ok(journal_forget_replica(c.journal, "web1", e));
	assert_int_equal(system(line), 0);
	for (unsigned i = 0; i < DISKS; i++) {
		struct journal_entry entry;
		bool found;

		ok(journal_find_entry(c.journal, "web1", PURPOSE_GENERATION, i == 0 ? SNAP0 : SNAP1, &entry, &found, e));
		assert_true(found);
		if (removing)
			ok(journal_removing(c.journal, entry.row, e));
		ok(journal_find_entry(c.journal, "web1", PURPOSE_REPLICA, replica_item(w, i)->ref.name, &entry, &found, e));
		assert_true(found);
		struct cloud_res res = {.ref = entry.ref, .row = entry.row};
		ok(cloud_remove(&c.target, &res, e));
	}
	close_desk(&c);
}

static void replica_generation_of_an_earlier_life_is_not_taken(void **state)
{
	for (int removing = 0; removing < 2; removing++) {
		struct world *w = fresh(state);

		sync_at(w, "a");
		sync_and_die(w, "a", AT_KEPT);
		discard_all_but_snapshots(w, removing);
		assert_int_equal(mem_cloud_count(w->to, -1), 2);
		w->source[0][3] = w->source[1][3] = 7;
		assert_int_equal(sync_at(w, "a").generation, 1);
		check_committed(w, "a", 1);
		assert_int_equal(snapshot(w, SNAP0)->data[3], 1003); /* still the old one */
		assert_int_equal(usable(w, "a"), 0);
		w->source[0][3] = w->source[1][3] = 8;
		sync_and_die(w, "a", AT_HALF);
		assert_int_equal(usable(w, "a"), 2);
		assert_int_equal(snapshot(w, SNAP0)->data[3], 7);
		assert_int_equal(snapshot(w, SNAP1)->data[3], 7);
		sync_at(w, "a");
		assert_int_equal(mem_cloud_count(w->to, -1), DISKS);
	}
}

static void replica_generation_that_was_being_removed_is_not_taken(void **state)
{
	struct world *w = *state;
	struct journal_entry entry;
	struct context c;
	bool found;

	sync_at(w, "a");
	sync_and_die(w, "a", AT_KEPT);
	cleanup(cleanup_free) char *id = mem_strdup(snapshot(w, SNAP1)->ref.id);
	ok(open_desk(w, "a", &c, e));
	ok(journal_find_entry(c.journal, "web1", PURPOSE_GENERATION, SNAP1, &entry, &found, e));
	ok(journal_removing(c.journal, entry.row, e));
	close_desk(&c);
	assert_int_equal(usable(w, "a"), 1);
	sync_and_die(w, "a", AT_BEGUN);
	assert_string_not_equal(snapshot(w, SNAP1)->ref.id, id);
	assert_int_equal(w->to->calls[MEM_SNAPSHOT_DISK], 3);
	assert_int_equal(usable(w, "a"), 2);
}

/* As above, but another copy of the state directory has removed it, and made it again. */
static void replica_generation_made_again_by_a_copy_is_ours_to_remove(void **state)
{
	struct world *w = *state;
	struct journal_entry entry;
	struct context c;
	bool found;

	sync_at(w, "a");
	copy_desk(w, "a", "b");
	sync_and_die(w, "a", AT_KEPT);
	sync_and_die(w, "b", AT_KEPT);
	ok(open_desk(w, "a", &c, e));
	ok(journal_find_entry(c.journal, "web1", PURPOSE_GENERATION, SNAP1, &entry, &found, e));
	assert_string_not_equal(entry.ref.tags.run, snapshot(w, SNAP1)->ref.tags.run);
	ok(journal_removing(c.journal, entry.row, e));
	close_desk(&c);
	sync_and_die(w, "a", AT_BEGUN);
	assert_int_equal(usable(w, "a"), 2);
	sync_at(w, "a");
	sync_at(w, "a");
	assert_int_equal(mem_cloud_count(w->to, -1), DISKS);
}

static void replica_generation_removed_by_somebody_is_not_found(void **state)
{
	struct world *w = *state;

	sync_at(w, "a");
	sync_and_die(w, "a", AT_KEPT);
	mem_cloud_get(w->to, SNAP0)->used = false;
	assert_int_equal(usable(w, "a"), 1);
	sync_and_die(w, "a", AT_KEPT); /* the replica is as it was: it is kept again */
	assert_int_equal(usable(w, "a"), 2);
	mem_cloud_get(w->to, SNAP0)->used = false;
	w->source[0][3] = w->source[1][3] = 7;
	sync_and_die(w, "a", AT_HALF);
	assert_int_equal(usable(w, "a"), 2);
	mem_cloud_get(w->to, SNAP0)->used = false;
	sync_and_die(w, "a", AT_HALF); /* now it is not */
	assert_null(mem_cloud_get(w->to, SNAP0));
	assert_int_equal(usable(w, "a"), 1);
}

/* The backup is from before the run that kept them. */
static void sync_restored_from_a_backup_finds_the_snapshots(void **state)
{
	struct world *w = *state;

	sync_at(w, "a");
	copy_desk(w, "a", "b");
	w->source[0][3] = w->source[1][3] = 7;
	sync_and_die(w, "a", AT_HALF);
	assert_false(is_clean(w, "b"));
	assert_int_equal(usable(w, "b"), 2);
	assert_int_equal(sync_at(w, "b").generation, 2);
	sync_at(w, "b");
	check_committed(w, "b", 3);
	assert_int_equal(mem_cloud_count(w->to, -1), DISKS);
}

static void sync_restored_from_a_backup_keeps_anew(void **state)
{
	struct world *w = *state;

	sync_at(w, "a");
	copy_desk(w, "a", "b");
	sync_and_die(w, "a", AT_KEPT);
	assert_true(is_clean(w, "b"));
	w->source[0][3] = w->source[1][3] = 7;
	sync_and_die(w, "b", AT_HALF);
	assert_int_equal(usable(w, "b"), 2);
	assert_int_equal(usable(w, "a"), 2);
	assert_int_equal(snapshot(w, SNAP0)->data[3], 1003);
	sync_at(w, "b");
	check_committed(w, "b", 2);
	assert_int_equal(mem_cloud_count(w->to, -1), DISKS);
}

static void sync_name_of_a_snapshot_taken_by_another_is_busy(void **state)
{
	struct world *w = *state;
	struct res_ref foreign = {.kind = RES_SNAPSHOT, .name = SNAP1, .tags = {.owner = "somebody", .job = "web1"}};
	struct context c;
	struct did d;

	sync_at(w, "a");
	foreign.tags.purpose = PURPOSE_GENERATION;
	foreign.tags.generation = 1;
	foreign.tags.epoch = 99;
	mem_cloud_add(w->to, &foreign);
	assert_int_equal(usable(w, "a"), 0);
	ok(open_desk(w, "a", &c, e));
	refused(sync_run(w, &c, &d, e), ERR_BUSY, SNAP1);
	close_desk(&c);
	assert_string_equal(snapshot(w, SNAP1)->ref.tags.owner, "somebody");
	assert_true(is_clean(w, "a"));
}

static void sync_without_snapshots_goes_on(void **state)
{
	struct world *w = *state;
	struct provider_ops ops;
	struct context c;
	struct did d;

	sync_at(w, "a");
	w->source[0][3] = 7;
	ok(open_desk(w, "a", &c, e));
	ops = *c.target_p->ops;
	ops.snapshot_disk = NULL;
	c.target_p->ops = &ops;
	ok(sync_run(w, &c, &d, e));
	close_desk(&c);
	assert_int_equal(w->to->calls[MEM_SNAPSHOT_DISK], 0);
	check_committed(w, "a", 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sync_keeps_the_last_generation_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_drops_what_came_before_its_commit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_killed_while_keeping_completes_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(replica_generation_of_an_earlier_life_is_not_taken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(replica_generation_that_was_being_removed_is_not_taken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(replica_generation_made_again_by_a_copy_is_ours_to_remove, set_up, tear_down),
		cmocka_unit_test_setup_teardown(replica_generation_removed_by_somebody_is_not_found, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_restored_from_a_backup_finds_the_snapshots, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_restored_from_a_backup_keeps_anew, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_name_of_a_snapshot_taken_by_another_is_busy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_without_snapshots_goes_on, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
