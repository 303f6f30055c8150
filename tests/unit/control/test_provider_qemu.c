// SPDX-License-Identifier: Apache-2.0
/* Snapshots of running and stopped machines. */
#include "qemu_fixture.h"

static void start(const struct fixture *f)
{
	ok(f->p->ops->machine_start(f->p, "m", e));
}

static void stop(const struct fixture *f)
{
	ok(qemu_machine_stop(&f->cloud, "m", 0, e));
}

static void machine_get_offAndRunning_describesIt(void **state)
{
	struct fixture *f = *state;
	struct machine m;

	for (int running = 0; running < 2; running++) {
		if (running)
			start(f);
		ok(f->p->ops->machine_get(f->p, "m", &m, e));
		assert_int_equal(m.running, running);
		assert_int_equal(m.disks.len, 2);
		assert_string_equal(m.disks.at[1].name, "d1");
		assert_string_equal(m.disks.at[1].id, "machines/m/d1");
		assert_int_equal(m.disks.at[1].size, DISK_SIZE);
		assert_true(m.disks.at[0].boot);
		assert_string_equal(m.disks.at[0].why_not, "");
		machine_fini(&m);
	}
	stop(f);
	assert_nothing_left(f);
	refused(f->p->ops->machine_get(f->p, "nobody", &m, e), ERR_NOT_FOUND, "nobody");
}

static void snapshotMachine_running_readsAsBefore(void **state)
{
	struct fixture *f = *state;
	struct res_ref snap[2], clone[2];
	struct err why;

	start(f);
	two_snapshots(f, "r", snap);
	guest_io(f, 0, "write -P 0xaa 0 64k");
	guest_io(f, 1, "write -P 0xbb 1M 64k");
	clone[0] = clone_of(f, &snap[0], "c0");
	clone[1] = clone_of(f, &snap[1], "c1");
	guest_io(f, 1, "write -P 0xcc 3M 64k");
	for (int i = 0; i < 2; i++) {
		char *data = disk_bytes(f, clone[i].name);

		assert_bytes(data, 0, DISK_SIZE, 0x11 * (i + 1));
		free(data);
		assert_int_equal(state_of(f, &snap[i], &why), RES_READY);
		assert_int_equal(state_of(f, &clone[i], &why), RES_READY);
		refused(f->p->ops->remove(f->p, &snap[i], e), ERR_BUSY, clone[i].name);
		take_away(f, &clone[i]);
		take_away(f, &snap[i]);
	}
	assert_nothing_left(f);
	char *server = qemu_cloud_path(&f->cloud, "run/m/nbd.sock");
	assert_false(qemu_file_exists(server));
	free(server);
	stop(f);
	char *data = file_bytes(f, "d0.raw");
	assert_bytes(data, 0, 65536, 0xaa);
	free(data);
	assert_nothing_left(f);
}

/* A writer numbers its writes: n to disk 0, then n to disk 1. */
static void start_writer(struct fixture *f)
{
	f->child = fork();
	for (int n = 1; f->child == 0; n = n % 250 + 1) {
		char command[40];

		snprintf(command, sizeof command, "write -P %d 0 4k", n);
		guest_io(f, 0, command);
		guest_io(f, 1, command);
	}
}

static void snapshotMachine_whileItWrites_isOneInstant(void **state)
{
	struct fixture *f = *state;

	start(f);
	guest_io(f, 0, "write -P 250 0 4k");
	guest_io(f, 1, "write -P 250 0 4k");
	start_writer(f);

	for (int round = 0; round < 5; round++) {
		struct res_ref snap[2];
		char run[16], *data[2];

		snprintf(run, sizeof run, "r%d", round);
		two_snapshots(f, run, snap);
		for (int i = 0; i < 2; i++) {
			struct res_ref clone = clone_of(f, &snap[i], "c");

			data[i] = disk_bytes(f, "c");
			take_away(f, &clone);
			take_away(f, &snap[i]);
		}
		int a = (unsigned char)data[0][0], b = (unsigned char)data[1][0];

		assert_true(a == b || a == b % 250 + 1);
		assert_bytes(data[0], 0, 4096, a);
		free(data[0]);
		free(data[1]);
	}
	end_child(f);
	stop(f);
	assert_nothing_left(f);
}

static void snapshotMachine_sameNamesAgain_adoptsOrRefuses(void **state)
{
	struct fixture *f = *state;
	struct res_ref first[2], again[2];
	struct machine m;

	for (int running = 0; running < 2; running++) {
		if (running)
			start(f);
		two_snapshots(f, "r", first);
		two_snapshots(f, "r", again);
		assert_string_equal(first[0].id, again[0].id);
		assert_string_equal(first[1].id, again[1].id);
		again[1].tags.job[0] = 'x';
		ok(f->p->ops->machine_get(f->p, "m", &m, e));
		refused(f->p->ops->snapshot_machine(f->p, &m, again, 2, e), ERR_BUSY, "s1-r");
		/* One that was made since under the same name is not touched. */
		snprintf(again[0].id, sizeof again[0].id, "snapshots/s0-r#0000000000000000");
		ok(f->p->ops->remove(f->p, &again[0], e));
		machine_fini(&m);
		take_away(f, &first[0]);
		again[1] = first[1];
		ok(f->p->ops->machine_get(f->p, "m", &m, e));
		refused(f->p->ops->snapshot_machine(f->p, &m, (struct res_ref[]){first[0], again[1]}, 2, e),
			ERR_BUSY, "1 of 2");
		machine_fini(&m);
		take_away(f, &first[1]);
		assert_nothing_left(f);
	}
	stop(f);
}

static void snapshotMachine_qemuKilled_failsAndIsRemoved(void **state)
{
	struct fixture *f = *state;
	struct res_ref snap[2];
	struct err why;
	char *run_dir = qemu_record_dir(&f->cloud, QEMU_RUN, "m");

	start(f);
	two_snapshots(f, "r", snap);
	struct res_ref clone = clone_of(f, &snap[0], "c0");

	ok(qemu_proc_signal(run_dir, SIGKILL, e));
	assert_true(qemu_proc_wait_gone(run_dir, 10 * NS_PER_S));
	assert_int_equal(state_of(f, &snap[0], &why), RES_FAILED);
	assert_has(why.msg, "died with its machine");
	assert_int_equal(state_of(f, &clone, &why), RES_FAILED);
	assert_has(why.msg, "died with its machine");
	take_away(f, &clone);
	take_away(f, &snap[0]);
	start(f); /* another QEMU knows nothing of it */
	take_away(f, &snap[1]);
	stop(f);
	assert_nothing_left(f);
	free(run_dir);
}

static void snapshotMachine_off_machineStartsMeanwhile(void **state)
{
	struct fixture *f = *state;

	/* 0: stays off; 1: was started and is off again; 2: runs when the snapshots are removed */
	for (int how = 0; how < 3; how++) {
		struct res_ref snap[2];
		char command[40];

		two_snapshots(f, "r", snap);
		struct res_ref clone = clone_of(f, &snap[1], "c1");

		if (how > 0) {
			start(f);
			snprintf(command, sizeof command, "write -P 0xa%d 1M 64k", how);
			guest_io(f, 1, command);
		}
		if (how == 1)
			stop(f);
		char *data = disk_bytes(f, "c1");

		assert_bytes(data, 0, MIB, 0x22);
		assert_bytes(data, MIB, MIB + 65536, how == 2 ? 0xa1 : 0x22);
		free(data);
		refused(f->p->ops->remove(f->p, &snap[1], e), ERR_BUSY, "c1");
		take_away(f, &clone);
		take_away(f, &snap[1]);
		if (how == 2)
			guest_io(f, 1, "write -P 0xee 2M 64k");
		take_away(f, &snap[0]);
		assert_nothing_left(f);
		if (how == 2)
			stop(f);
		data = file_bytes(f, "d1.raw");
		assert_bytes(data, MIB, MIB + 65536, how == 0 ? 0x22 : 0xa0 + how);
		assert_bytes(data, 2 * MIB, 2 * MIB + 65536, how == 2 ? 0xee : 0x22);
		free(data);
		assert_nothing_left(f);
	}
}

static void removeSnapshot_stacked_mergesInAnyOrder(void **state)
{
	struct fixture *f = *state;

	for (int how = 0; how < 4; how++) {
		bool running = how & 1, older_first = how & 2;
		struct res_ref one[2], two[2];

		two_snapshots(f, "r1", one);
		start(f);
		guest_io(f, 0, "write -P 0x77 0 64k");
		stop(f);
		two_snapshots(f, "r2", two);
		start(f);
		guest_io(f, 0, "write -P 0x88 64k 64k");
		if (!running)
			stop(f);
		for (int i = 0; i < 2; i++)
			take_away(f, older_first ? &one[i] : &two[i]);
		struct res_ref clone = clone_of(f, older_first ? &two[0] : &one[0], "c");
		char *data = disk_bytes(f, "c");

		assert_bytes(data, 0, 65536, older_first || how > 0 ? 0x77 : 0x11);
		if (how == 0)
			assert_bytes(data, 65536, DISK_SIZE, 0x11);
		free(data);
		take_away(f, &clone);
		for (int i = 0; i < 2; i++)
			take_away(f, older_first ? &two[i] : &one[i]);
		if (running)
			stop(f);
		assert_nothing_left(f);
		data = file_bytes(f, "d0.raw");
		assert_bytes(data, 0, 65536, 0x77);
		assert_bytes(data, 65536, 131072, 0x88);
		free(data);
	}
}

static void changedRanges_sinceBaseline_areWhatWasWritten(void **state)
{
	struct fixture *f = *state;
	struct res_ref snap[2], later[2];
	struct machine again;
	struct byte_range *ranges;
	struct machine m;
	size_t n;

	start(f);
	two_snapshots(f, "r1", snap);
	take_away(f, &snap[0]); /* hints outlive their snapshot */
	ok(f->p->ops->machine_get(f->p, "m", &m, e));
	ok(f->p->ops->changed_ranges(f->p, &m, 0, snap[0].id, "", &ranges, &n, e));
	assert_int_equal(n, 0);
	free(ranges);
	guest_io(f, 0, "write -P 1 64k 128k");
	guest_io(f, 0, "write -P 1 2M 512");
	later[0] = ref_of(RES_SNAPSHOT, "s0-r2", "r2");
	later[1] = ref_of(RES_SNAPSHOT, "s1-r2", "r2");
	ok(f->p->ops->machine_get(f->p, "m", &again, e));
	refused(f->p->ops->snapshot_machine(f->p, &again, later, 2, e), ERR_BUSY, "s1-r1");
	machine_fini(&again);
	take_away(f, &snap[1]);
	two_snapshots(f, "r2", later);
	ok(f->p->ops->changed_ranges(f->p, &m, 0, snap[0].id, "", &ranges, &n, e));
	assert_int_equal(n, 2);
	assert_int_equal(ranges[0].offset, 65536);
	assert_int_equal(ranges[0].length, 131072);
	assert_int_equal(ranges[1].offset, 2 * MIB);
	assert_int_equal(ranges[1].length, 65536);
	free(ranges);
	ok(f->p->ops->changed_ranges(f->p, &m, 1, snap[1].id, "", &ranges, &n, e));
	assert_int_equal(n, 0);
	free(ranges);
	take_away(f, &later[0]);
	take_away(f, &later[1]);
	stop(f);
	refused(f->p->ops->changed_ranges(f->p, &m, 0, snap[0].id, "", &ranges, &n, e), ERR_UNSUPPORTED, "is off");
	start(f);
	refused(f->p->ops->changed_ranges(f->p, &m, 0, snap[0].id, "", &ranges, &n, e), ERR_UNSUPPORTED, "restarted");
	stop(f);
	machine_fini(&m);
	assert_nothing_left(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
		T(machine_get_offAndRunning_describesIt),        T(snapshotMachine_running_readsAsBefore),
		T(snapshotMachine_whileItWrites_isOneInstant),   T(snapshotMachine_sameNamesAgain_adoptsOrRefuses),
		T(snapshotMachine_qemuKilled_failsAndIsRemoved), T(snapshotMachine_off_machineStartsMeanwhile),
		T(removeSnapshot_stacked_mergesInAnyOrder),      T(changedRanges_sinceBaseline_areWhatWasWritten),
	};

	return skip_without_qemu() != 0 ? 77 : cmocka_run_group_tests(tests, NULL, NULL);
}
