// SPDX-License-Identifier: Apache-2.0
/* Restore points of Azure, and the disks of a replica that it makes of them itself. Whole runs: tests/clouds/azure. */
#include "azure_driver_fixture.h"

#define SET        "restorePointCollections/s0"
#define DISK_POINT(name) "{\"managedDisk\":{\"id\":\"" COMPUTE "disks/" name "\"},\"diskRestorePoint\":{\"id\":\"/subscriptions/sub-1/" \
	"RESOURCEGROUPS/G/providers/Microsoft.Compute/" SET "/restorePoints/point/diskRestorePoints/" name "_guid\"}}"
#define POINT(state) "{" TAGGED("baseline", "s0") ",\"properties\":{\"restorePoints\":[{\"name\":\"point\",\"properties\":{" \
	"\"provisioningState\":\"" state "\",\"sourceMetadata\":{\"storageProfile\":{\"osDisk\":" DISK_POINT("os") ",\"dataDisks\":[" \
	DISK_POINT("x") "," DISK_POINT("a") "]}}}}]}}"

static void two_disks(struct machine *m, struct res_ref refs[2])
{
	*m = (struct machine){.id = COMPUTE "virtualMachines/web1", .name = "web1", .running = true};
	snprintf(vec_push(&m->disks)->id, RES_ID_SIZE, "%s", COMPUTE "disks/OS");
	snprintf(vec_push(&m->disks)->id, RES_ID_SIZE, "%s", COMPUTE "disks/a");
	refs[0] = a_ref(RES_SNAPSHOT, PURPOSE_BASELINE, "s0");
	refs[1] = a_ref(RES_SNAPSHOT, PURPOSE_BASELINE, "s1");
}

static void snapshot_machine_of_several_disks_is_one_restore_point(void **state)
{
	struct world *t = opened(state, false);
	struct res_ref refs[2], clone = a_ref(RES_DISK, PURPOSE_SCAFFOLD, "c");
	struct disk_spec spec = {.from_snapshot = &refs[1]};
	enum res_state got;
	struct machine m;

	two_disks(&m, refs);
	rest_replay_fault(t->w->cloud, "GET " COMPUTE SET, 404, NOT_THERE, 0, 2);
	says(t, "PUT " COMPUTE SET "?api-version=2024-07-01", 201, "{}");
	says(t, "PUT " COMPUTE SET "/restorePoints/point?", 201, "{}");
	refused(t->p->ops->snapshot_machine(t->p, &m, refs, 2, e), ERR_NETWORK, "is still being made");
	assert_string_equal(rest_replay_body(t->w->cloud, "PUT " COMPUTE SET "?"), "{\"location\":\"here\",\"tags\":{\"wherry\":\""
		TAGS("baseline", "s0") "\"},\"properties\":{\"source\":{\"id\":\"" COMPUTE "virtualMachines/web1\"}}}");
	assert_has(rest_replay_body(t->w->cloud, "PUT " COMPUTE SET "/"), "\"CrashConsistent\"");
	says(t, "GET " COMPUTE SET "?$expand=restorePoints&", 200, POINT("Creating"));
	refused(t->p->ops->snapshot_machine(t->p, &m, refs, 2, e), ERR_NETWORK, "is still being made");
	says(t, "GET " COMPUTE SET, 200, POINT("Succeeded"));
	ok(t->p->ops->snapshot_machine(t->p, &m, refs, 2, e));
	assert_string_equal(refs[0].id, COMPUTE SET "/restorePoints/point/diskRestorePoints/os_guid");
	assert_string_equal(refs[1].id, COMPUTE SET "/restorePoints/point/diskRestorePoints/a_guid");
	assert_int_equal(rest_replay_seen(t->w->cloud, "PUT "), 2);

	says(t, "GET " COMPUTE SET "/restorePoints/point/diskRestorePoints/a_guid?api-version=2024-03-02", 200, "{\"properties\":{"
	     "\"sourceResourceId\":\"" COMPUTE "disks/a\"}}");
	says(t, "GET " COMPUTE "disks/a?", 200, "{\"sku\":{\"name\":\"StandardSSD_LRS\"}}");
	says(t, "GET " COMPUTE "disks/c?", 404, NOT_THERE);
	says(t, "PUT " COMPUTE "disks/c?", 202, "");
	ok(t->p->ops->disk_create(t->p, &spec, &clone, e));
	assert_has(rest_replay_body(t->w->cloud, "PUT " COMPUTE "disks/c"), "\"sku\":{\"name\":\"StandardSSD_LRS\"},\"properties\":{\"creationData\":{"
		   "\"createOption\":\"Restore\",\"sourceResourceId\":\"" COMPUTE SET "/restorePoints/point/diskRestorePoints/a_guid\"}");

	/* They go together, though an address for reading holds them at first. */
	rest_replay_fault(t->w->cloud, "GET " COMPUTE SET "?", 200, POINT("Succeeded"), 0, 3);
	says(t, "DELETE " COMPUTE SET "?", 409, "{\"error\":{\"code\":\"OperationNotAllowed\",\"message\":\"active SAS\"}}");
	rest_replay_fault(t->w->cloud, "_guid/endGetAccess", 200, "{}", 0, 3);
	refused(t->p->ops->remove(t->p, &refs[1], e), ERR_BUSY, "active SAS");
	assert_int_equal(rest_replay_seen(t->w->cloud, "endGetAccess"), 3);
	says(t, "DELETE " COMPUTE SET "?", 202, "");
	ok(t->p->ops->remove(t->p, &refs[1], e));
	says(t, "GET " COMPUTE SET, 404, NOT_THERE);
	ok(t->p->ops->poll(t->p, &refs[0], &got, e));
	assert_int_equal(got, RES_ABSENT);
	machine_fini(&m);
}

static void snapshot_machine_without_a_restore_point_takes_single_snapshots(void **state)
{
	struct world *t = opened(state, false);
	struct res_ref refs[2];
	struct machine m;
	char text[4096] = "";

	two_disks(&m, refs);
	rest_replay_fault(t->w->cloud, "GET " COMPUTE SET "?", 404, NOT_THERE, 0, 2);
	says(t, "PUT " COMPUTE SET "?", 201, "{}");
	says(t, "PUT " COMPUTE SET "/", 409, "{\"error\":{\"code\":\"OperationNotAllowed\",\"message\":\"not for these disks\"}}");
	says(t, "GET " COMPUTE SET "/", 404, NOT_THERE);
	says(t, "GET " COMPUTE SET "?", 200, "{" TAGGED("baseline", "s0") "}");
	says(t, "DELETE " COMPUTE SET "?", 202, "");
	refused(t->p->ops->snapshot_machine(t->p, &m, refs, 2, e), ERR_NETWORK, "is still being removed");
	rest_replay_fault(t->w->cloud, "GET ", 404, NOT_THERE, 0, 3);
	rest_replay_fault(t->w->cloud, "PUT " COMPUTE "snapshots/s", 202, "", 0, 2);
	ok(t->p->ops->snapshot_machine(t->p, &m, refs, 2, e));
	assert_string_equal(refs[1].id, COMPUTE "snapshots/s1");
	assert_int_equal(rest_replay_seen(t->w->cloud, "PUT " COMPUTE SET), 2);
	assert_true(t->p->not_one_instant);
	assert_true(pread(t->w->log.fd, text, sizeof text - 1, 0) > 0);
	assert_has(text, "are not of one instant, because a restore point was refused: PUT " COMPUTE SET "/restorePoints/point");
	assert_has(text, "not for these disks");
	machine_fini(&m);
}

/* What passes is asked again, though not for ever. */
static void snapshot_machine_of_a_passing_refusal_asks_again(void **state)
{
	static const struct {
		int status;
		const char *body;
	} cases[] = {
		{404, "{\"error\":{\"code\":\"ParentResourceNotFound\",\"message\":\"passes\"}}"},
		{409, "{\"error\":{\"code\":\"Conflict\",\"message\":\"passes\"}}"},
	};
	struct world *t = opened(state, false);
	struct res_ref refs[2];
	struct machine m;

	two_disks(&m, refs);
	rest_replay_fault(t->w->cloud, "GET " COMPUTE SET "/", 404, NOT_THERE, 0, 99);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		rest_replay_fault(t->w->cloud, "GET " COMPUTE SET "?", 404, NOT_THERE, 0, 2);
		says(t, "PUT " COMPUTE SET "?", 201, "{}");
		says(t, "PUT " COMPUTE SET "/", cases[i].status, cases[i].body);
		refused(t->p->ops->snapshot_machine(t->p, &m, refs, 2, e), ERR_NETWORK, "passes");
		says(t, "GET " COMPUTE SET "?", 200, "{" TAGGED("baseline", "s0") "}");
		says(t, "PUT " COMPUTE SET "/", 201, "{}");
		refused(t->p->ops->snapshot_machine(t->p, &m, refs, 2, e), ERR_NETWORK, "is still being made");
		says(t, "GET " COMPUTE SET "?", 200, POINT("Succeeded"));
		ok(t->p->ops->snapshot_machine(t->p, &m, refs, 2, e));
		assert_false(t->p->not_one_instant);
	}
	rest_replay_fault(t->w->cloud, "GET " COMPUTE SET "?", 200, "{" TAGGED("baseline", "s0") "}", 0, 99);
	rest_replay_fault(t->w->cloud, "PUT " COMPUTE SET "/", 409, cases[1].body, 0, 99);
	says(t, "DELETE " COMPUTE SET "?", 202, "");
	for (int tries = 3; tries < 12; tries++)
		refused(t->p->ops->snapshot_machine(t->p, &m, refs, 2, e), ERR_NETWORK, "passes");
	refused(t->p->ops->snapshot_machine(t->p, &m, refs, 2, e), ERR_NETWORK, "is still being removed");
	assert_true(t->p->not_one_instant);
	machine_fini(&m);
}

static int keep(void *ctx, const struct res_ref *ref)
{
	*(struct res_ref *)ctx = *ref;
	return 0;
}

/* The journal knows a baseline by the id of its first disk's point, so that is what it has to be found by. */
static void find_of_a_restore_point_gives_the_id_of_its_first_disk(void **state)
{
	struct world *t = opened(state, false);
	struct res_ref found = {.kind = RES_KINDS};

	says(t, "/restorePointCollections?", 200, "{\"value\":[{" TAGGED("baseline", "s0") "}]}");
	says(t, "GET " COMPUTE SET "?$expand=restorePoints&", 200, POINT("Succeeded"));
	rest_replay_fault(t->w->cloud, "GET /subscriptions", 200, "{\"value\":[]}", 0, 9);
	ok(t->p->ops->find(t->p, "web1", keep, &found, e));
	assert_int_equal(found.kind, RES_SNAPSHOT);
	assert_string_equal(found.name, "s0");
	assert_string_equal(found.id, COMPUTE SET "/restorePoints/point/diskRestorePoints/os_guid");
}

static void changed_ranges_of_two_families_are_not_known(void **state)
{
	struct world *t = opened(state, false);
	struct machine m = {0};
	struct byte_range *ranges;
	size_t n;

	says(t, "points/now?", 200, "{\"properties\":{\"familyId\":\"f1\",\"sourceUniqueId\":\"u1\"}}");
	says(t, "snapshots/then?", 200, "{\"properties\":{\"incrementalSnapshotFamilyId\":\"f2\",\"creationData\":{\"sourceUniqueId\":\"u1\"}}}");
	refused(t->p->ops->changed_ranges(t->p, &m, 0, COMPUTE "snapshots/then", COMPUTE "points/now", &ranges, &n, e), ERR_UNSUPPORTED,
		"are of two families");
}

/* Tier and zone are the block's, what it boots and its keys the snapshot's. */
static void disk_create_of_a_copied_replica_says_what_it_is_to_be(void **state)
{
	struct world *t = opened(state, false);
	struct res_ref snapshot = a_ref(RES_SNAPSHOT, PURPOSE_SCAFFOLD, "s"), copy = a_ref(RES_DISK, PURPOSE_COPY, "r");
	struct disk_spec spec = {.from_snapshot = &snapshot};
	enum res_state got;

	snprintf(snapshot.id, sizeof snapshot.id, COMPUTE "snapshots/s");
	says(t, "GET " COMPUTE "snapshots/s?", 200, "{\"properties\":{\"creationData\":{\"sourceResourceId\":\"" COMPUTE "disks/src\"},"
	     "\"encryption\":{\"diskEncryptionSetId\":\"/keys\"},\"hyperVGeneration\":\"V2\",\"osType\":\"Windows\"}}");
	says(t, "GET " COMPUTE "disks/src?", 200, "{\"zones\":[\"2\"],\"sku\":{\"name\":\"StandardSSD_LRS\"}}");
	says(t, "GET " COMPUTE "disks/r?", 404, NOT_THERE);
	says(t, "PUT " COMPUTE "disks/r?", 202, "");
	ok(t->p->ops->disk_create(t->p, &spec, &copy, e));
	assert_string_equal(rest_replay_body(t->w->cloud, "PUT "),
		"{\"location\":\"here\",\"tags\":{\"wherry\":\"" TAGS("copy", "r") "\"},\"sku\":{\"name\":\"Premium_LRS\"},\"properties\":{"
		"\"creationData\":{\"createOption\":\"Copy\",\"sourceResourceId\":\"" COMPUTE "snapshots/s\"},\"encryption\":{"
		"\"diskEncryptionSetId\":\"/keys\",\"type\":\"EncryptionAtRestWithCustomerKey\"},\"hyperVGeneration\":\"V2\",\"osType\":\"Windows\"}}");
	says(t, "GET " COMPUTE "disks/r?", 200, "{" TAGGED("copy", "r") ",\"properties\":{\"provisioningState\":\"Succeeded\",\"completionPercent\":99}}");
	ok(t->p->ops->poll(t->p, &copy, &got, e));
	assert_int_equal(got, RES_PENDING); /* it still needs its snapshot */
	assert_string_equal(t->p->seen, "copied, 99 %");
}

static void copies_from_each_other_place(void **state)
{
	static const struct {
		const char *more;
		bool can;
	} cases[] = {
		{"", true},
		{",\"worker_resource_group\":\"w\"", true},
		{",\"subscription_id\":\"sub-2\"", false},
	};
	struct world *t = opened(state, false);

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct provider *other = open_more(t, false, cases[i].more);

		assert_int_equal(t->p->ops->copies_from(t->p, other), cases[i].can);
		snprintf(((struct azure *)other)->options.location, sizeof ((struct azure *)other)->options.location, "there");
		assert_false(t->p->ops->copies_from(t->p, other));
		provider_close(other);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(snapshot_machine_of_several_disks_is_one_restore_point, set_up, tear_down),
		cmocka_unit_test_setup_teardown(snapshot_machine_without_a_restore_point_takes_single_snapshots, set_up, tear_down),
		cmocka_unit_test_setup_teardown(snapshot_machine_of_a_passing_refusal_asks_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(find_of_a_restore_point_gives_the_id_of_its_first_disk, set_up, tear_down),
		cmocka_unit_test_setup_teardown(disk_create_of_a_copied_replica_says_what_it_is_to_be, set_up, tear_down),
		cmocka_unit_test_setup_teardown(copies_from_each_other_place, set_up, tear_down),
		cmocka_unit_test_setup_teardown(changed_ranges_of_two_families_are_not_known, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
