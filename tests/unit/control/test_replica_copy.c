// SPDX-License-Identifier: Apache-2.0
/* The cloud's own copy: whole syncs, in one cloud in memory, killed in every call. */
#include "replica_copy.h"
#include "replica_fixture.h"

/* One cloud for both ends. */
static int set_up_one(void **state)
{
	set_up(state);
	struct world *w = *state;
	mem_cloud_free(w->to);
	w->to = w->from;
	w->to->copies = true;
	return 0;
}

static int tear_down_one(void **state)
{
	struct world *w = *state;

	w->to = mem_cloud_new();
	return tear_down(state);
}

static void open_copying(struct world *w, struct context *c)
{
	ok(open_desk(w, "a", c, e));
	c->job.copy = COPY_BY_CLOUD;
}

static int sync_by_cloud(struct world *w, struct context *c, struct err *e)
{
	(void)w;
	c->job.copy = COPY_BY_CLOUD;
	return replicate_sync(c, e);
}

static void sync_now(struct world *w, uint32_t holds)
{
	struct context c;

	w->from->holds = holds;
	open_copying(w, &c);
	ok(replicate_sync(&c, e));
	close_desk(&c);
}

/* The newest generation and what its disks hold. */
static uint64_t newest(struct world *w, uint32_t *holds)
{
	struct replica r;
	struct context c;

	open_copying(w, &c);
	ok(replica_open_committed(&c, &r, e));
	assert_true(replica_is_copied(&r));
	assert_false(r.dirty);
	assert_int_equal(r.count, DISKS);
	for (unsigned i = 0; i < r.count; i++) {
		const struct mem_item *it = mem_cloud_get(w->to, r.disks[i].res.ref.name);

		assert_non_null(it);
		assert_false(it->removing);
		assert_int_equal(it->size, w->from->disk_size[i]);
		assert_true(i == 0 || it->data[0] == *holds);
		*holds = it->data[0];
	}
	uint64_t generation = r.generation;
	replica_close(&r);
	close_desk(&c);
	return generation;
}

static void sync_by_cloud_replaces_the_disks_when_the_new_ones_are_whole(void **state)
{
	struct world *w = *state;
	uint32_t holds;

	for (uint32_t n = 1; n <= 3; n++) {
		w->from->new_pending = n; /* polls until a disk is ready, or gone */
		sync_now(w, 70 + n);
		assert_int_equal(newest(w, &holds), n);
		assert_int_equal(holds, 70 + n);
		assert_int_equal(mem_cloud_count(w->to, PURPOSE_COPY), DISKS);
		assert_int_equal(mem_cloud_count(w->to, -1), DISKS);
	}
	assert_int_equal(w->to->calls[MEM_WORKER_CREATE], 0);
	assert_int_equal(w->to->calls[MEM_SNAPSHOT_DISK], 0);
}

/* A run that dies anywhere leaves one generation whole, and nothing once it was cleared up after. */
static void sync_by_cloud_killed_in_any_call_leaves_a_generation_and_no_leak(void **state)
{
	static const struct {
		enum mem_call call;
		enum mem_when when;
		unsigned calls; /* of a second sync */
	} cases[] = {
		{MEM_SNAPSHOT_MACHINE, MEM_KILL_AFTER, 1}, {MEM_DISK_CREATE, MEM_KILL_AFTER, DISKS},
		{MEM_DISK_GET, MEM_KILL_BEFORE, DISKS}, {MEM_POLL, MEM_KILL_BEFORE, 3 * DISKS}, {MEM_REMOVE, MEM_KILL_AFTER, 2 * DISKS},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		for (unsigned k = 0; k < cases[i].calls; k++) {
			uint32_t holds;

			tear_down_one(state);
			set_up_one(state);
			struct world *w = *state;
			sync_now(w, 1);
			w->from->holds = 2;
			mem_cloud_fault(w->to, cases[i].call, cases[i].when, ERR_NONE, k, 1);
			run_and_die(w, "a", AT_NOWHERE, sync_by_cloud);
			uint64_t was = newest(w, &holds);
			assert_int_equal(holds, was);
			struct context c;
			unsigned removed;
			open_copying(w, &c);
			ok(recover(&c, &removed, e));
			close_desk(&c);
			assert_int_equal(mem_cloud_count(w->to, -1), DISKS);
			assert_int_equal(newest(w, &holds), was);
			sync_now(w, 3);
			assert_int_equal(newest(w, &holds), was + 1);
			assert_int_equal(holds, 3);
			assert_int_equal(mem_cloud_count(w->to, -1), DISKS);
		}
}

static void sync_by_cloud_that_fails_keeps_the_generation_before(void **state)
{
	static const struct {
		enum mem_call call;
		enum mem_when when;
		unsigned skip;
	} cases[] = {{MEM_SNAPSHOT_MACHINE, MEM_AFTER, 0}, {MEM_DISK_CREATE, MEM_BEFORE, 0}, {MEM_DISK_CREATE, MEM_AFTER, 1},
		     {MEM_DISK_GET, MEM_BEFORE, 1}};
	struct world *w = *state;
	uint32_t holds;

	sync_now(w, 1);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct context c;

		mem_cloud_fault(w->to, cases[i].call, cases[i].when, ERR_IO, cases[i].skip, 1);
		open_copying(w, &c);
		refused(replicate_sync(&c, e), ERR_IO, "was told to fail");
		close_desk(&c);
		assert_int_equal(newest(w, &holds), 1);
		assert_int_equal(mem_cloud_count(w->to, -1), DISKS);
	}
}

static void recover_at(struct world *w, const char *desk)
{
	struct context c;
	unsigned removed;

	ok(open_desk(w, desk, &c, e));
	ok(recover(&c, &removed, e));
	close_desk(&c);
}

/* A snapshot that would not go does not keep the disks of the generation before. */
static void sync_by_cloud_that_cannot_remove_a_snapshot_removes_the_old_disks(void **state)
{
	struct world *w = *state;
	struct context c;

	sync_now(w, 1);
	mem_cloud_fault(w->to, MEM_REMOVE, MEM_BEFORE, ERR_IO, 0, 1);
	open_copying(w, &c);
	refused(replicate_sync(&c, e), ERR_IO, "was told to fail");
	close_desk(&c);
	assert_int_equal(mem_cloud_count(w->to, -1), DISKS);
}

/* A state directory that was brought back from a backup does not take the replica of a later one for left over. */
static void sweep_with_an_older_journal_keeps_later_copies(void **state)
{
	struct world *w = *state;

	sync_now(w, 1);
	copy_desk(w, "a", "b");
	sync_now(w, 2);
	recover_at(w, "b");
	assert_int_equal(mem_cloud_count(w->to, PURPOSE_COPY), DISKS);
}

/* As the run that makes the next one does when it has committed. */
static void remove_generation(struct world *w, uint64_t generation)
{
	for (size_t i = 0; i < sizeof w->to->items / sizeof w->to->items[0]; i++) {
		struct mem_item *it = &w->to->items[i];

		if (it->used && it->ref.tags.purpose == PURPOSE_COPY && it->ref.tags.generation == generation)
			it->used = false;
	}
}

/* The backup is from the middle of a run that went on, so it knows the disks of the next generation, or that they were asked for. */
static void sweep_with_a_journal_from_within_a_run_keeps_what_the_run_committed(void **state)
{
	static const struct {
		enum mem_call call;
		enum mem_when when;
		unsigned skip;
	} cases[] = {{MEM_DISK_GET, MEM_KILL_BEFORE, 0}, {MEM_DISK_CREATE, MEM_KILL_AFTER, DISKS - 1}};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		tear_down_one(state);
		set_up_one(state);
		struct world *w = *state;
		sync_now(w, 1);
		mem_cloud_fault(w->to, cases[i].call, cases[i].when, ERR_NONE, cases[i].skip, 1);
		run_and_die(w, "a", AT_NOWHERE, sync_by_cloud);
		assert_int_equal(mem_cloud_count(w->to, PURPOSE_COPY), 2 * DISKS);
		remove_generation(w, 1);
		recover_at(w, "a");
		assert_int_equal(mem_cloud_count(w->to, PURPOSE_COPY), DISKS);
	}
}

/* To discard would be to lose the newer copy. */
static void sync_and_promote_with_an_older_journal_ask_for_the_newer_one(void **state)
{
	static const char words[] = "generation 2 is there): bring back the newer one";
	struct world *w = *state;
	struct context c;

	sync_now(w, 1);
	copy_desk(w, "a", "b");
	sync_now(w, 2);
	ok(open_desk(w, "b", &c, e));
	refused(sync_by_cloud(w, &c, e), ERR_REFUSED, words);
	refused(replicate_promote(&c, false, true, e), ERR_REFUSED, words);
	close_desk(&c);
	assert_int_equal(mem_cloud_count(w->to, -1), DISKS);
	remove_generation(w, 2);
	open_copying(w, &c);
	refused(replicate_sync(&c, e), ERR_NOT_FOUND, "was removed by somebody");
	close_desk(&c);
}

/* Numbers start over when a replica is given up: a low one may be the newer. */
static void sweep_with_a_journal_from_before_a_discard_keeps_later_copies(void **state)
{
	struct world *w = *state;
	struct context c;

	sync_now(w, 1);
	sync_now(w, 2);
	copy_desk(w, "a", "b");
	open_copying(w, &c);
	ok(journal_forget_replica(c.journal, "web1", e));
	close_desk(&c);
	recover_at(w, "a");
	assert_int_equal(mem_cloud_count(w->to, -1), 0);
	sync_now(w, 3);
	recover_at(w, "b");
	assert_int_equal(mem_cloud_count(w->to, PURPOSE_COPY), DISKS);
}

static void copied_generation_is_never_verified_nor_gone_on_with_by_workers(void **state)
{
	struct world *w = *state;
	struct context c;

	sync_now(w, 1);
	open_copying(w, &c);
	refused(replicate_verify(&c, e), ERR_UNSUPPORTED, "generation 1 of web1 was copied by the cloud itself and never hashed here");
	c.job.copy = COPY_BY_WORKER;
	refused(replicate_sync(&c, e), ERR_REFUSED, "bring back \"copy\": \"cloud\"");
	close_desk(&c);
	assert_int_equal(mem_cloud_count(w->to, -1), DISKS);
}

static void sync_by_cloud_each_obstacle_is_refused(void **state)
{
	struct world *w = *state;
	struct res_ref ref = {.kind = RES_DISK, .name = "wherry-web1-disk0", .tags = {.owner = "other", .job = "web1", .purpose = PURPOSE_REPLICA}};
	struct context c;

	open_copying(w, &c);
	w->to->copies = false;
	refused(replicate_sync(&c, e), ERR_UNSUPPORTED, "takes one account and region");
	w->to->copies = true;
	struct mem_item *it = mem_cloud_add(w->to, &ref);
	refused(replicate_sync(&c, e), ERR_BUSY, "kept by another state directory");
	snprintf(it->ref.tags.owner, sizeof it->ref.tags.owner, "%s", journal_owner(c.journal));
	refused(replicate_sync(&c, e), ERR_REFUSED, "was written by workers");
	close_desk(&c);
	assert_int_equal(w->to->calls[MEM_SNAPSHOT_MACHINE], 0);
}

static void promote_of_a_copied_generation_makes_a_machine_of_its_disks(void **state)
{
	struct world *w = *state;
	struct context c;
	struct err why = ERR_INIT;

	sync_now(w, 1);
	sync_now(w, 2);
	open_copying(w, &c);
	ok(replicate_promote(&c, false, true, e));
	close_desk(&c);
	const struct mem_item *machine = mem_cloud_get(w->to, "web1-there");
	assert_non_null(machine);
	assert_true(machine->running);
	assert_int_equal(machine->disk_count, DISKS);
	for (unsigned i = 0; i < DISKS; i++) {
		const struct mem_item *disk = mem_cloud_get(w->to, machine->disks[i]);

		assert_non_null(disk);
		assert_int_equal(disk->ref.tags.purpose, PURPOSE_COPY);
		assert_int_equal(disk->data[0], 2);
		assert_int_equal(disk->size, w->from->disk_size[i]);
	}
	open_copying(w, &c);
	assert_int_equal(replicate_sync(&c, &why), -1);
	assert_has(why.msg, "was promoted");
	close_desk(&c);
}

/* With a state directory from before the promotion, its machine keeps its disks. */
static void sync_by_cloud_with_a_journal_from_before_a_promote_is_refused(void **state)
{
	struct world *w = *state;
	struct context c;

	sync_now(w, 1);
	copy_desk(w, "a", "b");
	open_copying(w, &c);
	ok(replicate_promote(&c, false, true, e));
	close_desk(&c);
	ok(open_desk(w, "b", &c, e));
	refused(sync_by_cloud(w, &c, e), ERR_REFUSED, "was handed to a machine by a run that this state directory does not know");
	close_desk(&c);
	const struct mem_item *machine = mem_cloud_get(w->to, "web1-there");
	assert_non_null(machine);
	for (unsigned i = 0; i < DISKS; i++)
		assert_non_null(mem_cloud_get(w->to, machine->disks[i]));
	assert_int_equal(mem_cloud_count(w->to, PURPOSE_COPY), DISKS);
}

static int promote_by_cloud(struct world *w, struct context *c, struct err *e)
{
	(void)w;
	c->job.copy = COPY_BY_CLOUD;
	return replicate_promote(c, false, true, e);
}

/* A promotion that died when it had marked the first disk is this journal's own, whether or not it learned of the mark. */
static void sync_by_cloud_after_a_promote_that_died_goes_on(void **state)
{
	struct world *w = *state;
	uint32_t holds;

	sync_now(w, 1);
	mem_cloud_fault(w->to, MEM_CLAIM, MEM_KILL_AFTER, ERR_NONE, 0, 1);
	run_and_die(w, "a", AT_NOWHERE, promote_by_cloud);
	struct context c;
	open_copying(w, &c);
	ok(journal_fact_set(c.journal, "web1", "promoted", NULL, e)); /* as when its machine is gone */
	close_desk(&c);
	sync_now(w, 2);
	assert_int_equal(newest(w, &holds), 2);
	assert_int_equal(mem_cloud_count(w->to, PURPOSE_COPY), DISKS);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup_teardown(name, set_up_one, tear_down_one)
	const struct CMUnitTest tests[] = {
		ONE(sync_by_cloud_replaces_the_disks_when_the_new_ones_are_whole),
		ONE(sync_by_cloud_killed_in_any_call_leaves_a_generation_and_no_leak),
		ONE(sync_by_cloud_that_fails_keeps_the_generation_before),
		ONE(sync_by_cloud_that_cannot_remove_a_snapshot_removes_the_old_disks),
		ONE(sweep_with_an_older_journal_keeps_later_copies),
		ONE(sync_and_promote_with_an_older_journal_ask_for_the_newer_one),
		ONE(sweep_with_a_journal_from_within_a_run_keeps_what_the_run_committed),
		ONE(sweep_with_a_journal_from_before_a_discard_keeps_later_copies),
		ONE(copied_generation_is_never_verified_nor_gone_on_with_by_workers),
		ONE(sync_by_cloud_each_obstacle_is_refused),
		ONE(promote_of_a_copied_generation_makes_a_machine_of_its_disks),
		ONE(sync_by_cloud_with_a_journal_from_before_a_promote_is_refused),
		ONE(sync_by_cloud_after_a_promote_that_died_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
