// SPDX-License-Identifier: Apache-2.0
/* Making a machine of the replica, dying at it, and clearing up. */
#include "replica_fixture.h"

#define MACHINE "web1-there"

static int promote(struct world *w, struct context *c, struct err *e)
{
	(void)w;
	return replicate_promote(c, false, true, e);
}

static int promote_last_good(struct world *w, struct context *c, struct err *e)
{
	(void)w;
	return replicate_promote(c, true, true, e);
}

static int promote_cold(struct world *w, struct context *c, struct err *e)
{
	(void)w;
	return replicate_promote(c, false, false, e);
}

static int sync_for_real(struct world *w, struct context *c, struct err *e)
{
	(void)w;
	return replicate_sync(c, e);
}

static int just_recover(struct world *w, struct context *c, struct err *e)
{
	unsigned removed;

	(void)w;
	return recover(c, &removed, e);
}

/* One process at desk "a" that succeeds. */
static void succeed(struct world *w, process *run)
{
	struct context c;

	ok(open_desk(w, "a", &c, e));
	ok(run(w, &c, e));
	close_desk(&c);
}

/* One that fails with that kind and those words. */
static void fail_as(struct world *w, process *run, enum err_kind kind, const char *words)
{
	struct context c;

	ok(open_desk(w, "a", &c, e));
	refused(run(w, &c, e), kind, words);
	close_desk(&c);
}

static const struct mem_item *machine(const struct world *w)
{
	const struct mem_item *it = mem_cloud_get(w->to, MACHINE);

	if (it == NULL)
		fail_msg("there is no machine " MACHINE);
	return it;
}

static char *promoted_fact(struct world *w)
{
	struct context c;
	char *name;

	ok(open_desk(w, "a", &c, e));
	ok(journal_fact_get(c.journal, "web1", "promoted", &name, e));
	close_desk(&c);
	return name;
}

static struct run last_run(struct world *w)
{
	struct context c;
	struct run run;
	bool found;

	ok(open_desk(w, "a", &c, e));
	ok(journal_run_last(c.journal, "web1", &run, &found, e));
	assert_true(found);
	close_desk(&c);
	return run;
}

/* The machine runs on disks that hold `numbers`. */
static void check_machine(const struct world *w, uint32_t (*numbers)[MEM_CHUNKS])
{
	const struct mem_item *it = machine(w);

	assert_int_equal(it->disk_count, DISKS);
	for (unsigned i = 0; i < DISKS; i++) {
		const struct mem_item *disk = mem_cloud_get(w->to, it->disks[i]);

		assert_non_null(disk);
		assert_int_equal(disk->size, w->from->disk_size[i]);
		assert_memory_equal(disk->data, numbers[i], chunks_of(disk->size) * sizeof disk->data[0]);
	}
	assert_true(it->running);
}

/* Nothing is there but replica and kept generation, and no promotion is under way. */
static void check_undone(struct world *w)
{
	cleanup(cleanup_free) char *fact = promoted_fact(w);

	assert_null(fact);
	assert_int_equal(mem_cloud_count(w->to, PURPOSE_TARGET), 0);
	assert_int_equal(mem_cloud_count(w->to, PURPOSE_REPLICA), DISKS);
	assert_int_equal(mem_cloud_count(w->to, -1), DISKS + mem_cloud_count(w->to, PURPOSE_GENERATION));
}

static void check_promoted_already(struct world *w)
{
	cleanup(cleanup_free) char *fact = promoted_fact(w);

	assert_string_equal(fact, MACHINE);
	fail_as(w, promote, ERR_REFUSED, "was promoted already: machine " MACHINE);
	fail_as(w, promote_last_good, ERR_REFUSED, "was promoted already: machine " MACHINE);
	fail_as(w, sync_for_real, ERR_REFUSED, "was promoted: its replica now is machine " MACHINE);
	succeed(w, just_recover);
	assert_true(machine(w)->running);
}

/* ---- A replica that is clean ---- */

static void promote_clean_replica_starts_a_machine_of_it(void **state)
{
	struct world *w = *state;

	sync_at(w, "a");
	succeed(w, promote);
	check_machine(w, w->source);
	assert_string_equal(machine(w)->disks[0], "wherry-web1-disk0");
	assert_string_equal(machine(w)->disks[1], "wherry-web1-disk1");
	assert_int_equal(mem_cloud_count(w->to, PURPOSE_GENERATION), DISKS); /* the way back */
	for (unsigned i = 0; i < DISKS; i++) {
		assert_true(replica_item(w, i)->ref.tags.dirty);
		assert_int_equal(replica_item(w, i)->ref.tags.epoch, 2);
	}
	assert_int_equal(last_run(w).state, RUN_DONE);
	check_promoted_already(w);
	check_epochs(w);
}

static void promote_without_start_leaves_it_off(void **state)
{
	struct world *w = *state;

	sync_at(w, "a");
	succeed(w, promote_cold);
	assert_false(machine(w)->running);
	assert_int_equal(w->to->calls[MEM_START], 0);
	assert_true(replica_item(w, 0)->ref.tags.dirty);
	fail_as(w, promote, ERR_REFUSED, "was promoted already");
	fail_as(w, sync_for_real, ERR_REFUSED, "was promoted");
	assert_false(machine(w)->running);
}

static void promote_after_a_commit_without_its_tag_settles_first(void **state)
{
	struct world *w = *state;

	sync_at(w, "a");
	w->source[0][3] = 7;
	mem_cloud_fault(w->to, MEM_CLAIM, MEM_KILL_BEFORE, ERR_NONE, 2, 1);
	sync_and_die(w, "a", AT_NOWHERE);
	succeed(w, promote);
	check_machine(w, w->source);
}

static void promote_what_cannot_be_is_refused(void **state)
{
	static const struct {
		size_t without; /* offset of the operation that is lacking, 0: none */
		bool synced;
		enum err_kind kind;
		const char *words;
	} cases[] = {
		{0, false, ERR_NOT_FOUND, "no committed generation yet: run `wherry sync` first"},
		{offsetof(struct provider_ops, target_create), true, ERR_UNSUPPORTED, "cannot create machines"},
		{offsetof(struct provider_ops, machine_start), true, ERR_UNSUPPORTED, "cannot create machines"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct world *w = fresh(state);
		struct provider_ops ops;
		struct context c;

		if (cases[i].synced)
			sync_at(w, "a");
		ok(open_desk(w, "a", &c, e));
		ops = *c.target_p->ops;
		if (cases[i].without != 0)
			memset((char *)&ops + cases[i].without, 0, sizeof ops.target_create);
		c.target_p->ops = &ops;
		refused(replicate_promote(&c, false, true, e), cases[i].kind, cases[i].words);
		close_desk(&c);
		assert_int_equal(mem_cloud_count(w->to, -1), cases[i].synced ? DISKS : 0);
	}
}

/* ---- A replica that is not ---- */

static void promote_dirty_replica_only_as_last_good(void **state)
{
	struct world *w = *state;
	uint32_t good[DISKS][MEM_CHUNKS];

	sync_at(w, "a");
	memcpy(good, w->source, sizeof good);
	w->source[0][3] = w->source[1][3] = 7;
	sync_and_die(w, "a", AT_COPIED);
	unsigned before = mem_cloud_count(w->to, -1);
	fail_as(w, promote, ERR_REFUSED, "is DIRTY");
	assert_int_equal(mem_cloud_count(w->to, -1), before);
	assert_int_equal(last_run(w).kind, RUN_SYNC);
	struct mem_item replica = *replica_item(w, 0);
	succeed(w, promote_last_good);
	check_machine(w, good);
	assert_string_not_equal(machine(w)->disks[0], "wherry-web1-disk0");
	assert_memory_equal(&replica, replica_item(w, 0), sizeof replica);
	check_promoted_already(w);
}

static void promote_rolled_back_replica_only_as_last_good(void **state)
{
	struct world *w = *state;

	sync_at(w, "a");
	keep_replica(w);
	w->source[0][3] = w->source[1][3] = 7;
	sync_at(w, "a");
	sync_and_die(w, "a", AT_KEPT);
	roll_back(w, 1);
	sync_and_die(w, "a", AT_OPENED);
	fail_as(w, promote, ERR_REFUSED, "is DIRTY");
	succeed(w, promote_last_good);
	check_machine(w, w->source);
}

static void promote_last_good_of_a_clean_replica_uses_it(void **state)
{
	struct world *w = *state;

	sync_at(w, "a");
	succeed(w, promote_last_good);
	check_machine(w, w->source);
	assert_string_equal(machine(w)->disks[1], "wherry-web1-disk1");
}

static void promote_last_good_without_a_snapshot_leaves_nothing(void **state)
{
	struct world *w = *state;

	sync_at(w, "a");
	w->source[0][3] = w->source[1][3] = 7;
	sync_and_die(w, "a", AT_HALF);
	mem_cloud_get(w->to, "wherry-web1-gen1-disk1")->used = false;
	fail_as(w, promote_last_good, ERR_NOT_FOUND, "no snapshot of generation 1 of wherry-web1-disk1 is kept");
	check_undone(w);
	assert_int_equal(last_run(w).state, RUN_FAILED);
	sync_at(w, "a");
	check_committed(w, "a", 2);
}

static void promote_last_good_that_fails_leaves_nothing(void **state)
{
	static const struct {
		enum mem_call call;
		enum mem_when when;
		unsigned skip;
	} cases[] = {
		{MEM_DISK_CREATE, MEM_BEFORE, 1}, {MEM_DISK_CREATE, MEM_AFTER, 1}, {MEM_TARGET_CREATE, MEM_BEFORE, 0},
		{MEM_TARGET_CREATE, MEM_AFTER, 0}, {MEM_START, MEM_BEFORE, 0}, {MEM_START, MEM_AFTER, 0},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct world *w = fresh(state);
		uint32_t good[DISKS][MEM_CHUNKS];

		sync_at(w, "a");
		memcpy(good, w->source, sizeof good);
		w->source[0][3] = w->source[1][3] = 7;
		sync_and_die(w, "a", AT_HALF);
		mem_cloud_fault(w->to, cases[i].call, cases[i].when, ERR_IO, cases[i].skip, 1);
		fail_as(w, promote_last_good, ERR_IO, "told to fail");
		check_undone(w);
		succeed(w, promote_last_good);
		check_machine(w, good);
	}
}

/* ---- Promotions that died ---- */

static void promote_killed_before_the_fact_is_undone(void **state)
{
	static const struct {
		enum mem_call call;
		enum mem_when when;
		unsigned skip;
		bool last_good;
	} cases[] = {
		{MEM_SNAPSHOT_DISK, MEM_KILL_AFTER, 0, false}, {MEM_TARGET_CREATE, MEM_KILL_BEFORE, 0, false},
		{MEM_TARGET_CREATE, MEM_KILL_AFTER, 0, false}, {MEM_DISK_CREATE, MEM_KILL_BEFORE, 1, true},
		{MEM_DISK_CREATE, MEM_KILL_AFTER, 1, true},    {MEM_TARGET_CREATE, MEM_KILL_BEFORE, 0, true},
		{MEM_TARGET_CREATE, MEM_KILL_AFTER, 0, true},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct world *w = fresh(state);
		process *again = cases[i].last_good ? promote_last_good : promote;
		uint32_t good[DISKS][MEM_CHUNKS];

		sync_at(w, "a");
		memcpy(good, w->source, sizeof good);
		w->source[0][3] = w->source[1][3] = 7;
		if (cases[i].last_good)
			sync_and_die(w, "a", AT_HALF);
		for (int finish = 0; finish < 2; finish++) {
			mem_cloud_fault(w->to, cases[i].call, cases[i].when, ERR_NONE, cases[i].skip, 1);
			if (finish && cases[i].call == MEM_SNAPSHOT_DISK)
				w->to->fault_count = 0; /* they are kept by now */
			else
				run_and_die(w, "a", AT_NOWHERE, again);
			w->to->removals = 0;
			if (finish)
				continue;
			succeed(w, just_recover);
			check_undone(w);
			assert_int_equal(last_run(w).state, RUN_FAILED);
			if (w->to->removals == DISKS + 1) /* what holds the disks goes first */
				assert_int_equal(w->to->removal_order[0], RES_MACHINE);
		}
		if (!cases[i].last_good)
			assert_true(is_clean(w, "a"));
		succeed(w, again);
		check_machine(w, good);
		assert_int_equal(mem_cloud_count(w->to, PURPOSE_TARGET), cases[i].last_good ? 1 + DISKS : 1);
		check_promoted_already(w);
	}
}

static void promote_killed_after_the_fact_is_finished(void **state)
{
	static const struct {
		enum mem_call call;
		enum mem_when when;
		unsigned skip;
		bool last_good;
	} cases[] = {
		{MEM_CLAIM, MEM_KILL_BEFORE, 0, false}, {MEM_CLAIM, MEM_KILL_AFTER, 0, false},
		{MEM_CLAIM, MEM_KILL_BEFORE, 1, false}, {MEM_CLAIM, MEM_KILL_AFTER, 1, false},
		{MEM_START, MEM_KILL_BEFORE, 0, false}, {MEM_START, MEM_KILL_BEFORE, 0, true},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct world *w = fresh(state);
		uint32_t good[DISKS][MEM_CHUNKS];

		sync_at(w, "a");
		copy_desk(w, "a", "b");
		memcpy(good, w->source, sizeof good);
		w->source[0][3] = w->source[1][3] = 7;
		if (cases[i].last_good)
			sync_and_die(w, "a", AT_HALF);
		mem_cloud_fault(w->to, cases[i].call, cases[i].when, ERR_NONE, cases[i].skip, 1);
		run_and_die(w, "a", AT_NOWHERE, cases[i].last_good ? promote_last_good : promote);
		assert_false(machine(w)->running);
		fail_as(w, sync_for_real, ERR_REFUSED, "was promoted: its replica now is machine " MACHINE);
		succeed(w, just_recover);
		assert_non_null(mem_cloud_get(w->to, MACHINE));
		/* A start that fails now keeps the promotion: it can be tried again. */
		mem_cloud_fault(w->to, MEM_START, MEM_BEFORE, ERR_IO, 0, 1);
		fail_as(w, promote, ERR_IO, "told to fail");
		w->to->fault_count = 0;
		succeed(w, promote);
		check_machine(w, good);
		assert_int_equal(last_run(w).kind, RUN_PROMOTE);
		assert_int_equal(last_run(w).state, RUN_DONE);
		check_promoted_already(w);
		check_epochs(w);
		/* Whatever the guest writes: nobody takes the replica for what it was. */
		assert_true(replica_item(w, 0)->ref.tags.dirty);
		assert_true(replica_item(w, 1)->ref.tags.dirty);
		assert_false(is_clean(w, "b"));
	}
}

static void promote_killed_after_the_start_is_done(void **state)
{
	struct world *w = *state;

	sync_at(w, "a");
	mem_cloud_fault(w->to, MEM_START, MEM_KILL_AFTER, ERR_NONE, 0, 1);
	run_and_die(w, "a", AT_NOWHERE, promote);
	check_machine(w, w->source);
	check_promoted_already(w);
}

/* ---- Clouds that start a machine when they make it ---- */

static void promote_where_machines_run_at_once_hands_over_first(void **state)
{
	static const enum mem_when whens[] = {MEM_KILL_BEFORE, MEM_KILL_AFTER};

	for (size_t i = 0; i < sizeof whens / sizeof whens[0]; i++) {
		struct world *w = fresh(state);

		w->to->starts_at_once = true;
		sync_at(w, "a");
		mem_cloud_fault(w->to, MEM_TARGET_CREATE, whens[i], ERR_NONE, 0, 1);
		run_and_die(w, "a", AT_NOWHERE, promote);
		assert_true(replica_item(w, 0)->ref.tags.dirty);
		assert_true(replica_item(w, 1)->ref.tags.dirty);
		fail_as(w, sync_for_real, ERR_REFUSED, "was promoted: its replica now is machine " MACHINE);
		if (whens[i] == MEM_KILL_BEFORE) { /* nothing ran, which nobody can know */
			fail_as(w, promote, ERR_REFUSED, "is DIRTY");
			check_undone(w);
			succeed(w, promote_last_good);
		}
		check_machine(w, w->source);
		check_promoted_already(w);
	}
}

static void promote_where_machines_run_at_once_each_end(void **state)
{
	struct world *w = fresh(state);

	w->to->starts_at_once = true;
	sync_at(w, "a");
	fail_as(w, promote_cold, ERR_UNSUPPORTED, "leave out --no-start");
	succeed(w, promote);
	check_machine(w, w->source);
	check_promoted_already(w);

	w = fresh(state);
	w->to->starts_at_once = true;
	sync_at(w, "a");
	mem_cloud_fault(w->to, MEM_TARGET_CREATE, MEM_AFTER, ERR_IO, 0, 1);
	fail_as(w, promote, ERR_IO, "told to fail");
	check_undone(w);
	fail_as(w, promote, ERR_REFUSED, "is DIRTY");
}

/* Another copy of the state directory knows nothing of the promotion and synced into the machine's disks. */
static void promote_is_not_finished_on_disks_that_were_written_since(void **state)
{
	struct world *w = *state;

	sync_at(w, "a");
	copy_desk(w, "a", "b");
	mem_cloud_fault(w->to, MEM_CLAIM, MEM_KILL_BEFORE, ERR_NONE, 0, 1);
	run_and_die(w, "a", AT_NOWHERE, promote);
	w->source[0][3] = w->source[1][3] = 7;
	sync_and_die(w, "b", AT_HALF);
	fail_as(w, promote, ERR_REFUSED, "was written since machine " MACHINE " was made of it");
	assert_false(machine(w)->running);
	check_epochs(w);
}

/* ---- Promotions that failed ---- */

static void promote_failing_start_is_undone_and_distrusted(void **state)
{
	static const enum mem_when whens[] = {MEM_BEFORE, MEM_AFTER};

	for (size_t i = 0; i < sizeof whens / sizeof whens[0]; i++) {
		struct world *w = fresh(state);
		struct did d;

		sync_at(w, "a");
		mem_cloud_fault(w->to, MEM_START, whens[i], ERR_IO, 0, 1);
		fail_as(w, promote, ERR_IO, "told to fail");
		check_undone(w);
		assert_false(is_clean(w, "a"));
		fail_as(w, promote, ERR_REFUSED, "is DIRTY");
		replica_item(w, 1)->data[9] = 99; /* the guest ran for a moment */
		succeed(w, promote_last_good);
		check_machine(w, w->source);

		w = fresh(state);
		sync_at(w, "a");
		mem_cloud_fault(w->to, MEM_START, whens[i], ERR_IO, 0, 1);
		fail_as(w, promote, ERR_IO, "told to fail");
		replica_item(w, 1)->data[9] = 99;
		d = sync_at(w, "a");
		assert_true(d.rehash[0] && d.rehash[1]);
		assert_int_equal(d.sent, 1);
		check_committed(w, "a", 2);
		assert_int_equal(mem_cloud_count(w->to, -1), DISKS);
	}
}

static void promote_killed_while_it_is_undone_is_undone(void **state)
{
	for (unsigned removals = 0; removals < 3; removals++) { /* the machine, restored disks */
		struct world *w = fresh(state);
		uint32_t good[DISKS][MEM_CHUNKS];

		sync_at(w, "a");
		memcpy(good, w->source, sizeof good);
		w->source[0][3] = w->source[1][3] = 7;
		sync_and_die(w, "a", AT_HALF);
		mem_cloud_fault(w->to, MEM_START, MEM_BEFORE, ERR_IO, 0, 1);
		mem_cloud_fault(w->to, MEM_REMOVE, MEM_KILL_AFTER, ERR_NONE, removals, 1);
		run_and_die(w, "a", AT_NOWHERE, promote_last_good);
		assert_null(mem_cloud_get(w->to, MACHINE));
		fail_as(w, promote, ERR_REFUSED, "is DIRTY");
		check_undone(w);
		succeed(w, promote_last_good);
		check_machine(w, good);
		check_promoted_already(w);
	}
}

/* It was promoted, and its machine is gone: that is not for us to judge. */
static void promote_of_what_was_removed_by_somebody_is_told(void **state)
{
	struct world *w = *state;

	sync_at(w, "a");
	succeed(w, promote);
	mem_cloud_get(w->to, MACHINE)->used = false;
	fail_as(w, promote, ERR_NOT_FOUND, "job web1 was promoted: memory cloud has no machine " MACHINE);
	fail_as(w, sync_for_real, ERR_REFUSED, "was promoted");
}

static void promote_failing_before_the_hand_over_stays_clean(void **state)
{
	static const struct {
		enum mem_call call;
		enum mem_when when;
	} cases[] = {
		{MEM_SNAPSHOT_DISK, MEM_BEFORE}, {MEM_SNAPSHOT_DISK, MEM_AFTER}, {MEM_TARGET_CREATE, MEM_BEFORE},
		{MEM_TARGET_CREATE, MEM_AFTER},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct world *w = fresh(state);

		sync_at(w, "a");
		mem_cloud_fault(w->to, cases[i].call, cases[i].when, ERR_NO_SPACE, 0, 1);
		fail_as(w, promote, ERR_NO_SPACE, "told to fail");
		check_undone(w);
		assert_true(is_clean(w, "a"));
		assert_int_equal(last_run(w).state, RUN_FAILED);
		succeed(w, promote);
		check_machine(w, w->source);
	}
}

static void promote_name_of_anothers_machine_is_busy(void **state)
{
	static const struct res_tags owners[] = {{.owner = ""}, {.owner = "somebody", .job = "web1"}};

	for (size_t i = 0; i < sizeof owners / sizeof owners[0]; i++) {
		struct world *w = fresh(state);
		struct res_ref foreign = {.kind = RES_MACHINE, .name = MACHINE, .tags = owners[i]};

		sync_at(w, "a");
		struct mem_item before = *mem_cloud_add(w->to, &foreign);
		fail_as(w, promote, ERR_BUSY, "another " MACHINE);
		assert_memory_equal(&before, machine(w), sizeof before);
		cleanup(cleanup_free) char *fact = promoted_fact(w);
		assert_null(fact);
		assert_true(is_clean(w, "a"));
		succeed(w, just_recover);
		assert_memory_equal(&before, machine(w), sizeof before);
		mem_cloud_get(w->to, MACHINE)->used = false;
		succeed(w, promote);
		check_machine(w, w->source);
	}
}

/* ---- recover() ---- */

static void leave(struct world *w, struct mem_cloud *cloud, const char *name, enum res_kind kind, const char *owner)
{
	struct res_ref ref = {.kind = kind, .tags = {.job = "web1", .run = "20260101-000000-0001"}};

	(void)w;
	snprintf(ref.name, sizeof ref.name, "%s", name);
	snprintf(ref.tags.owner, sizeof ref.tags.owner, "%s", owner);
	mem_cloud_add(cloud, &ref);
}

static void recover_clears_both_places_of_what_is_ours(void **state)
{
	struct world *w = *state;
	struct context c;
	unsigned removed;

	sync_at(w, "a");
	sync_and_die(w, "a", AT_BEGUN);
	ok(open_desk(w, "a", &c, e));
	leave(w, w->from, "clone", RES_DISK, journal_owner(c.journal));
	leave(w, w->to, "worker", RES_WORKER, journal_owner(c.journal));
	leave(w, w->to, "theirs", RES_WORKER, "somebody");
	ok(recover(&c, &removed, e));
	assert_int_equal(removed, 2);
	close_desk(&c);
	assert_int_equal(mem_cloud_count(w->from, -1), 0);
	assert_non_null(mem_cloud_get(w->to, "theirs"));
	assert_int_equal(mem_cloud_count(w->to, -1), 2 * DISKS + 1);
	struct run run = last_run(w);
	assert_int_equal(run.state, RUN_FAILED);
	assert_has(run.error, "the controller ended before the run did");
}

static void recover_after_a_commit_ends_the_run_as_done(void **state)
{
	struct world *w = *state;

	sync_at(w, "a");
	sync_and_die(w, "a", AT_COMMITTED);
	assert_int_equal(last_run(w).state, RUN_COMMITTING);
	succeed(w, just_recover);
	assert_int_equal(last_run(w).state, RUN_DONE);
}

/* The other place is cleared although this one cannot be asked, and the error tells. */
static void recover_of_a_place_that_fails_clears_the_other(void **state)
{
	for (int source = 0; source < 2; source++) {
		struct world *w = fresh(state);
		struct mem_cloud *bad = source ? w->from : w->to, *good = source ? w->to : w->from;
		struct context c;
		unsigned removed;

		ok(open_desk(w, "a", &c, e));
		leave(w, good, "left", RES_DISK, journal_owner(c.journal));
		mem_cloud_fault(bad, MEM_FIND, MEM_BEFORE, ERR_DENIED, 0, 1);
		refused(recover(&c, &removed, e), ERR_DENIED, "cleaning up after a run that died");
		assert_int_equal(removed, 1);
		close_desk(&c);
		assert_int_equal(mem_cloud_count(good, -1), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(promote_clean_replica_starts_a_machine_of_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(promote_without_start_leaves_it_off, set_up, tear_down),
		cmocka_unit_test_setup_teardown(promote_after_a_commit_without_its_tag_settles_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(promote_what_cannot_be_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(promote_dirty_replica_only_as_last_good, set_up, tear_down),
		cmocka_unit_test_setup_teardown(promote_rolled_back_replica_only_as_last_good, set_up, tear_down),
		cmocka_unit_test_setup_teardown(promote_last_good_of_a_clean_replica_uses_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(promote_last_good_without_a_snapshot_leaves_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(promote_last_good_that_fails_leaves_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(promote_killed_before_the_fact_is_undone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(promote_killed_after_the_fact_is_finished, set_up, tear_down),
		cmocka_unit_test_setup_teardown(promote_killed_after_the_start_is_done, set_up, tear_down),
		cmocka_unit_test_setup_teardown(promote_where_machines_run_at_once_hands_over_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(promote_where_machines_run_at_once_each_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(promote_is_not_finished_on_disks_that_were_written_since, set_up, tear_down),
		cmocka_unit_test_setup_teardown(promote_failing_start_is_undone_and_distrusted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(promote_killed_while_it_is_undone_is_undone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(promote_of_what_was_removed_by_somebody_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(promote_failing_before_the_hand_over_stays_clean, set_up, tear_down),
		cmocka_unit_test_setup_teardown(promote_name_of_anothers_machine_is_busy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(recover_clears_both_places_of_what_is_ours, set_up, tear_down),
		cmocka_unit_test_setup_teardown(recover_after_a_commit_ends_the_run_as_done, set_up, tear_down),
		cmocka_unit_test_setup_teardown(recover_of_a_place_that_fails_clears_the_other, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
