// SPDX-License-Identifier: Apache-2.0
/* What a replica must not be made from or into, and a source that grew. */
#include "replica_fixture.h"

/* A run that opens the replica for machine m; the caller closes. */
static int open_replica(struct context *c, const struct machine *m, struct replica *r, struct err *e)
{
	struct run run;

	*r = (struct replica){0};
	if (journal_run_begin(c->journal, "web1", RUN_SYNC, &run, e) < 0)
		return -1;
	int rc = replica_open(c, m, &run, r, e);
	run.state = RUN_FAILED;
	struct err ignored = ERR_INIT;
	return journal_run_end(c->journal, &run, &ignored) < 0 ? -1 : rc;
}

/* The inventory, and that no call changed anything in it. */
struct inventory {
	struct mem_item *items;
	unsigned calls[MEM_CALLS];
};

static struct inventory take_inventory(const struct world *w)
{
	struct inventory v = {.items = mem_array(1, sizeof w->to->items)};

	memcpy(v.items, w->to->items, sizeof w->to->items);
	memcpy(v.calls, w->to->calls, sizeof v.calls);
	return v;
}

static void check_untouched(const struct world *w, struct inventory *v)
{
	static const enum mem_call changes[] = {
		MEM_SNAPSHOT_DISK, MEM_DISK_CREATE, MEM_WORKER_CREATE, MEM_REMOVE, MEM_CLAIM, MEM_TARGET_CREATE, MEM_RESIZE,
	};

	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
		if (w->to->calls[changes[i]] != v->calls[changes[i]])
			fail_msg("call %d was made", (int)changes[i]);
	assert_memory_equal(v->items, w->to->items, sizeof w->to->items);
	free(v->items);
}

static void replica_open_of_another_owner_is_busy(void **state)
{
	static const char *const kept[] = {"wherry-web1-disk0", "wherry-web1-disk1"};

	/* A whole replica of another's, and one of which only the second disk is left. */
	for (unsigned first = 0; first < 2; first++) {
		struct world *w = fresh(state);
		struct replica r;
		struct machine m;
		struct context c;

		sync_at(w, "b");
		mem_cloud_get(w->to, kept[0])->used = first == 0;
		struct inventory before = take_inventory(w);
		ok(open_desk(w, "a", &c, e));
		ok(c.source_p->ops->machine_get(c.source_p, "web1", &m, e));
		refused(open_replica(&c, &m, &r, e), ERR_BUSY, kept[first]);
		refused(open_replica(&c, &m, &r, e), ERR_BUSY, "is kept by another state directory (owner ");
		assert_int_equal(r.count, 0);
		machine_fini(&m);
		close_desk(&c);
		check_untouched(w, &before);
		if (first == 0)
			check_committed(w, "b", 1);
	}
}

static void replica_open_committed_taken_by_another_owner_is_busy(void **state)
{
	struct world *w = *state;
	struct replica r;
	struct context c;

	sync_at(w, "a");
	snprintf(replica_item(w, 1)->ref.tags.owner, sizeof replica_item(w, 1)->ref.tags.owner, "somebody");
	struct inventory before = take_inventory(w);
	ok(open_desk(w, "a", &c, e));
	refused(replica_open_committed(&c, &r, e), ERR_BUSY, "wherry-web1-disk1");
	close_desk(&c);
	check_untouched(w, &before);
}

/* ---- Machines and disks that became others ---- */

static void shrink(struct world *w, struct machine *m)
{
	(void)w;
	m->disks.at[1].size -= 512;
}

static void replace(struct world *w, struct machine *m)
{
	(void)w;
	snprintf(m->disks.at[1].id, sizeof m->disks.at[1].id, "mem-disk-9");
}

static void swap(struct world *w, struct machine *m)
{
	struct machine_disk first = m->disks.at[0];

	(void)w;
	m->disks.at[0] = m->disks.at[1];
	m->disks.at[1] = first;
}

static void take_away(struct world *w, struct machine *m)
{
	(void)w;
	m->disks.len = 1;
}

static void add(struct world *w, struct machine *m)
{
	struct machine_disk third = m->disks.at[1];

	(void)w;
	snprintf(third.id, sizeof third.id, "mem-disk-2");
	*vec_push(&m->disks) = third;
}

static void take_all(struct world *w, struct machine *m)
{
	(void)w;
	m->disks.len = 0;
}

static void change_sector(struct world *w, struct machine *m)
{
	(void)w;
	m->disks.at[1].logical_sector = 4096;
}

static void change_sector_there(struct world *w, struct machine *m)
{
	(void)m;
	replica_item(w, 1)->sector = 4096;
}

static void cannot(struct world *w, struct machine *m)
{
	(void)w;
	snprintf(m->disks.at[1].why_not, sizeof m->disks.at[1].why_not, "it is shared");
	m->disks.at[1].why_kind = ERR_UNSUPPORTED;
}

static void lose(struct world *w, struct machine *m)
{
	(void)m;
	replica_item(w, 1)->used = false;
}

static void replica_open_of_what_changed_is_refused(void **state)
{
	static const struct {
		void (*change)(struct world *w, struct machine *m);
		enum err_kind kind;
		const char *words[2];
	} cases[] = {
		{shrink, ERR_REFUSED, {"disk1 shrank from 3146240 to 3145728", "cleanup --discard"}},
		{replace, ERR_REFUSED, {"is now mem-disk-9, but the replica was made from mem-disk-1", "--discard"}},
		{swap, ERR_REFUSED, {"disk 0 of the machine is now mem-disk-1", "bring the old disk order back"}},
		{take_away, ERR_REFUSED, {"has 1 disks now and had 2", "--discard"}},
		{add, ERR_REFUSED, {"has 3 disks now and had 2", "--discard"}},
		{take_all, ERR_UNSUPPORTED, {"has 0 disks", "1 to 64"}},
		{change_sector, ERR_REFUSED, {"disk1 has logical sectors of 4096", "wherry-web1-disk1 of 512"}},
		{change_sector_there, ERR_REFUSED, {"disk1 has logical sectors of 512", "wherry-web1-disk1 of 4096"}},
		{cannot, ERR_UNSUPPORTED, {"disk1 cannot be replicated", "it is shared"}},
		{lose, ERR_NOT_FOUND, {"wherry-web1-disk1 is no longer in", "--discard"}},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct world *w = fresh(state);
		struct machine m;
		struct context c;
		struct replica r;

		sync_at(w, "a");
		ok(open_desk(w, "a", &c, e));
		ok(c.source_p->ops->machine_get(c.source_p, "web1", &m, e));
		cases[i].change(w, &m);
		struct inventory before = take_inventory(w);
		refused(open_replica(&c, &m, &r, e), cases[i].kind, cases[i].words[0]);
		refused(open_replica(&c, &m, &r, e), cases[i].kind, cases[i].words[1]);
		machine_fini(&m);
		close_desk(&c);
		check_untouched(w, &before);
	}
}

/* The first disk could have been made: nothing is, when the second cannot. */
static void replica_open_first_of_what_cannot_be_makes_nothing(void **state)
{
	struct world *w = *state;
	struct machine m;
	struct context c;
	struct replica r;

	ok(open_desk(w, "a", &c, e));
	ok(c.source_p->ops->machine_get(c.source_p, "web1", &m, e));
	cannot(w, &m);
	refused(open_replica(&c, &m, &r, e), ERR_UNSUPPORTED, "it is shared");
	machine_fini(&m);
	close_desk(&c);
	assert_int_equal(mem_cloud_count(w->to, -1), 0);
}

/* Clouds allocate what they like; a replica may be larger than its source. */
static void sync_into_a_larger_disk_is_right(void **state)
{
	struct world *w = *state;

	sync_at(w, "a");
	replica_item(w, 1)->size = 16 * MIB;
	w->source[1][2] = 7;
	sync_at(w, "a");
	check_committed(w, "a", 2);
	assert_int_equal(replica_item(w, 1)->size, 16 * MIB);
	assert_int_equal(w->to->calls[MEM_RESIZE], 0);
}

/* ---- A source that grew ---- */

static void replica_keepGeneration_of_a_grown_source_knows_nothing_of_the_new_part(void **state)
{
	struct world *w = *state;
	uint8_t page[MANIFEST_PAGE_HASHES];
	struct context c;
	struct replica r;
	struct machine m;
	struct run run;

	sync_at(w, "a");
	w->from->disk_size[0] = 16 * MIB; /* 160 chunks in two pages become 256 in three */
	w->from->disk_size[1] = 4 * MIB;
	ok(open_desk(w, "a", &c, e));
	ok(c.source_p->ops->machine_get(c.source_p, "web1", &m, e));
	ok(open_replica(&c, &m, &r, e));
	assert_int_equal(w->to->calls[MEM_RESIZE], 0); /* not before the old size was kept */
	assert_int_equal(manifest_info(r.disks[0].working)->size, 10 * MIB);
	ok(journal_run_begin(c.journal, "web1", RUN_SYNC, &run, e));
	ok(replica_keep_generation(&c, &run, &r, e));
	assert_int_equal(manifest_info(r.disks[0].working)->size, 16 * MIB);
	ok(manifest_read_page(r.disks[0].working, 0, page, NULL, e));
	for (unsigned i = 0; i < MANIFEST_PAGE_CHUNKS; i++)
		assert_false(manifest_is_unknown(page + i * MANIFEST_HASH));
	for (unsigned p = 1; p < 3; p++) {
		ok(manifest_read_page(r.disks[0].working, p, page, NULL, e));
		for (unsigned i = 0; i < MANIFEST_PAGE_CHUNKS; i++)
			assert_true(manifest_is_unknown(page + i * MANIFEST_HASH));
	}
	ok(manifest_read_page(r.disks[1].working, 0, page, NULL, e));
	for (unsigned i = 48; i < 64; i++) /* the old last chunk had 512 bytes */
		assert_true(manifest_is_unknown(page + i * MANIFEST_HASH));
	replica_close(&r);
	machine_fini(&m);
	close_desk(&c);
}

static void sync_of_a_grown_source_resizes_after_the_snapshot(void **state)
{
	static const struct {
		enum point at;
		enum mem_call call;
		enum mem_when when;
		unsigned skip;
	} cases[] = {
		{AT_NOWHERE, MEM_CALLS, 0, 0}, /* not killed */
		{AT_OPENED, 0, 0, 0},
		{AT_NOWHERE, MEM_SNAPSHOT_DISK, MEM_KILL_AFTER, 0},
		{AT_NOWHERE, MEM_RESIZE, MEM_KILL_BEFORE, 0},
		{AT_NOWHERE, MEM_RESIZE, MEM_KILL_AFTER, 0},
		{AT_NOWHERE, MEM_RESIZE, MEM_KILL_AFTER, 1},
		{AT_KEPT, 0, 0, 0},
		{AT_HALF, 0, 0, 0},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct world *w = fresh(state);

		sync_at(w, "a");
		w->from->disk_size[0] = 16 * MIB;
		w->from->disk_size[1] = 4 * MIB;
		if (cases[i].at == AT_NOWHERE && cases[i].call != MEM_CALLS)
			mem_cloud_fault(w->to, cases[i].call, cases[i].when, ERR_NONE, cases[i].skip, 1);
		if (cases[i].call != MEM_CALLS)
			sync_and_die(w, "a", cases[i].at);
		sync_and_die(w, "a", AT_COPIED);
		assert_int_equal(replica_item(w, 0)->size, 16 * MIB);
		assert_int_equal(replica_item(w, 1)->size, 4 * MIB);
		assert_int_equal(mem_cloud_get(w->to, "wherry-web1-gen1-disk0")->size, 10 * MIB);
		assert_int_equal(mem_cloud_get(w->to, "wherry-web1-gen1-disk1")->size, 3 * MIB + 512);
		assert_int_equal(sync_at(w, "a").generation, 2);
		check_committed(w, "a", 2);
		assert_int_equal(mem_cloud_count(w->to, -1), DISKS);
	}
}

/* Grown, copied and killed before the commit; then somebody cuts the new part off. What was there is known no more. */
static void sync_of_a_grown_replica_that_was_cut_off_hashes_it(void **state)
{
	struct world *w = *state;

	sync_at(w, "a");
	w->from->disk_size[0] = 16 * MIB;
	sync_and_die(w, "a", AT_COPIED);
	replica_item(w, 0)->size = 12 * MIB;
	memset(replica_item(w, 0)->data + chunks_of(12 * MIB), 0, (MEM_CHUNKS - chunks_of(12 * MIB)) * sizeof(uint32_t));
	struct did d = sync_at(w, "a");
	assert_true(d.rehash[0]);
	assert_false(d.rehash[1]);
	assert_int_equal(d.sent, chunks_of(4 * MIB));
	check_committed(w, "a", 2);
}

/* A question may time out, and the reply to a resize be lost, without an end of the run. */
static void sync_where_questions_are_not_answered_at_once_succeeds(void **state)
{
	static const struct {
		enum mem_call call;
		enum mem_when when;
	} cases[] = {
		{MEM_FIND, MEM_BEFORE}, {MEM_FIND, MEM_AFTER}, {MEM_DISK_GET, MEM_BEFORE}, {MEM_RESIZE, MEM_BEFORE},
		{MEM_RESIZE, MEM_AFTER},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct world *w = fresh(state);

		sync_at(w, "a");
		w->from->disk_size[1] = 4 * MIB;
		for (unsigned skip = 0; skip < 8; skip++) /* again and again */
			mem_cloud_fault(w->to, cases[i].call, cases[i].when, ERR_TIMEOUT, 2 * skip, 1);
		sync_at(w, "a");
		assert_true(w->to->calls[cases[i].call] > 1);
		check_committed(w, "a", 2);
		assert_int_equal(mem_cloud_count(w->to, -1), DISKS);
	}
}

static int no_resize(struct world *w, struct context *c, struct did *d, struct err *e)
{
	struct provider_ops ops = *c->target_p->ops;
	const struct provider_ops *real = c->target_p->ops;

	ops.disk_resize = NULL;
	c->target_p->ops = &ops;
	int rc = sync_run(w, c, d, e);
	c->target_p->ops = real;
	return rc;
}

static void sync_of_a_grown_source_where_disks_cannot_grow_is_refused(void **state)
{
	struct world *w = *state;
	struct context c;
	struct did d;

	sync_at(w, "a");
	w->from->disk_size[1] = 4 * MIB;
	struct inventory before = take_inventory(w);
	ok(open_desk(w, "a", &c, e));
	refused(no_resize(w, &c, &d, e), ERR_REFUSED, "wherry-web1-disk1 holds 3146240 bytes and the source disk disk1 4194304");
	close_desk(&c);
	check_untouched(w, &before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(replica_open_of_another_owner_is_busy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(replica_open_committed_taken_by_another_owner_is_busy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(replica_open_of_what_changed_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(replica_open_first_of_what_cannot_be_makes_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_into_a_larger_disk_is_right, set_up, tear_down),
		cmocka_unit_test_setup_teardown(replica_keepGeneration_of_a_grown_source_knows_nothing_of_the_new_part, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(sync_of_a_grown_replica_that_was_cut_off_hashes_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_where_questions_are_not_answered_at_once_succeeds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_of_a_grown_source_resizes_after_the_snapshot, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sync_of_a_grown_source_where_disks_cannot_grow_is_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
