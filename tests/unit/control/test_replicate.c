// SPDX-License-Identifier: Apache-2.0
/* What a sync says and leaves when it cannot get as far as its workers. */
#include "replica_fixture.h"

/* A sync at desk "a" that fails with that kind; what it told. Caller frees. */
static char *failing_sync(struct world *w, enum err_kind kind, const char *words)
{
	struct context c;
	char *told = NULL;
	size_t len = 0;
	FILE *talk = open_memstream(&told, &len);

	ok(open_desk(w, "a", &c, e));
	events_free(c.events);
	c.events = events_new_on(&events_plain_ops, "web1", talk, talk, clock_mono_ns, clock_wall_ns);
	refused(replicate_sync(&c, e), kind, words);
	close_desk(&c);
	fclose(talk);
	return told;
}

static void replicateSync_refused_before_anything_was_made_removes_nothing(void **state)
{
	struct world *w = *state;

	sync_at(w, "a");
	w->from->disk_size[1] -= 512;
	cleanup(cleanup_free) char *told = failing_sync(w, ERR_REFUSED, "disk1 shrank");
	assert_null(strstr(told, "remove"));
	assert_int_equal(mem_cloud_count(w->from, -1), 0);
}

static void replicateSync_failing_after_a_snapshot_removes_it_and_says_so(void **state)
{
	static const struct {
		enum mem_call call;
		bool source, baseline; /* baseline: it would have become one, had the run been committed */
	} cases[] = {{MEM_SNAPSHOT_MACHINE, true, false}, {MEM_DISK_CREATE, true, false}, {MEM_WORKER_CREATE, false, false},
		     {MEM_DISK_CREATE, true, true}, {MEM_WORKER_CREATE, false, true}};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct world *w = fresh(state);

		w->hints = w->from->needs_baseline = cases[i].baseline;
		mem_cloud_fault(cases[i].source ? w->from : w->to, cases[i].call, MEM_AFTER, ERR_IO, 0, 1);
		cleanup(cleanup_free) char *told = failing_sync(w, ERR_IO, "told to fail");
		assert_has(told, "remove: workers, cloned disks and snapshots");
		assert_int_equal(mem_cloud_count(w->from, -1), 0);
		assert_int_equal(mem_cloud_count(w->to, -1), 0);
	}
}

static void replicateSync_cloud_busy_while_it_is_checked_is_asked_again(void **state)
{
	struct world *w = *state;

	w->from->busy = w->to->busy = 2;
	w->from->complains = w->to->complains = true; /* so that it ends there: the target is full */
	free(failing_sync(w, ERR_NO_SPACE, "the memory cloud is full"));
	assert_int_equal(w->from->calls[MEM_VALIDATE], 3);
	assert_int_equal(w->to->calls[MEM_VALIDATE], 3);
}

static void cloudRemove_of_a_worker_that_was_refused_takes_its_parts(void **state)
{
	struct world *w = *state;
	struct worker_spec spec = {.bootdata = "{}"};
	struct context c;
	struct run run;
	struct cloud_res r;

	ok(open_desk(w, "a", &c, e));
	ok(journal_run_begin(c.journal, "web1", RUN_SYNC, &run, e));
	cloud_ref(&r, RES_WORKER, PURPOSE_SCAFFOLD, journal_owner(c.journal), &run, "import", 0);
	mem_cloud_fault(w->to, MEM_WORKER_CREATE, MEM_BEFORE, ERR_NO_SPACE, 0, 1);
	refused(cloud_worker_create(&c.target, &spec, &r, e), ERR_NO_SPACE, "");
	struct res_ref nic = r.ref, address = r.ref, other = r.ref, disk = r.ref;
	nic.kind = RES_NIC;
	address.kind = RES_ADDRESS;
	other.kind = RES_FIREWALL;
	strcat(nic.name, "-nic");
	strcat(address.name, "-address");
	strcat(other.name, "-other");
	disk.kind = RES_DISK;
	strcat(disk.name, "-disk0");
	disk.tags.purpose = PURPOSE_REPLICA;
	strcpy(other.tags.run, "another-run");
	mem_cloud_add(w->to, &nic);
	mem_cloud_add(w->to, &address);
	mem_cloud_add(w->to, &other);
	mem_cloud_add(w->to, &disk);
	ok(cloud_remove(&c.target, &r, e));
	assert_null(mem_cloud_get(w->to, nic.name));
	assert_null(mem_cloud_get(w->to, address.name));
	assert_non_null(mem_cloud_get(w->to, other.name));
	assert_non_null(mem_cloud_get(w->to, disk.name));
	close_desk(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(replicateSync_refused_before_anything_was_made_removes_nothing, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(replicateSync_cloud_busy_while_it_is_checked_is_asked_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cloudRemove_of_a_worker_that_was_refused_takes_its_parts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(replicateSync_failing_after_a_snapshot_removes_it_and_says_so, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
