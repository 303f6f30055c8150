// SPDX-License-Identifier: Apache-2.0
/* A controller that dies in the middle, at every call of qemu-img. */
#include "qemu_fixture.h"

/* A qemu-img that kills its caller at the KILL_AT-th call, before or after doing its work. */
static void install_killer(const struct fixture *f)
{
	static const char script[] = "#!/bin/sh\n"
				     "PATH=$REAL_PATH\n"
				     "echo x >>\"$CALLS\"\n"
				     "n=$(wc -l <\"$CALLS\")\n"
				     "[ \"$n$WHEN\" = \"$KILL_AT\"before ] && { kill -9 $PPID; exit 1; }\n"
				     "qemu-img \"$@\"\n"
				     "rc=$?\n"
				     "[ \"$n\" = \"$KILL_AT\" ] && kill -9 $PPID\n"
				     "exit $rc\n";
	char *bin = in_dir(f, "bin"), *tool_path = in_dir(f, "bin/qemu-img");

	assert_int_equal(mkdir(bin, 0700), 0);
	temp_write(tool_path, script, sizeof script - 1);
	assert_int_equal(chmod(tool_path, 0700), 0);
	free(bin);
	free(tool_path);
}

typedef void step(const struct fixture *f);

/* In a process of its own. True: it was killed; false: it went through, there is no such call. */
static bool die_in(const struct fixture *f, step *s, int call, bool before)
{
	char *calls = in_dir(f, "calls"), *path = mem_printf("%s/bin:%s", f->dir, getenv("PATH")), number[8];
	int status;

	unlink(calls);
	snprintf(number, sizeof number, "%d", call);
	pid_t pid = fork();

	if (pid == 0) {
		setenv("REAL_PATH", getenv("PATH"), 1);
		setenv("PATH", path, 1);
		setenv("CALLS", calls, 1);
		setenv("KILL_AT", number, 1);
		setenv("WHEN", before ? "before" : "after", 1);
		s(f);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	free(calls);
	free(path);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	return WIFSIGNALED(status);
}

/* The next command opens the cloud. */
static void reopen(struct fixture *f)
{
	f->p->ops->close(f->p);
	f->p = provider_for(f->cloud.dir, "");
}

static void take_snapshots(const struct fixture *f)
{
	struct res_ref refs[2];

	two_snapshots(f, "r", refs);
}

static void remove_older(const struct fixture *f)
{
	struct res_ref ref = ref_of(RES_SNAPSHOT, "s0-r", "r");

	ok(f->p->ops->remove(f->p, &ref, e));
}

static void snapshotMachine_off_controllerDies_isUndone(void **state)
{
	struct fixture *f = *state;
	int deaths = 0;

	install_killer(f);
	for (int call = 1; call < 5; call++) {
		for (int before = 0; before < 2; before++) {
			struct res_ref refs[2];

			if (!die_in(f, take_snapshots, call, before)) {
				two_snapshots(f, "r", refs); /* adopted */
				take_away(f, &refs[0]);
				take_away(f, &refs[1]);
				continue;
			}
			deaths++;
			reopen(f);
			assert_nothing_left(f);
			two_snapshots(f, "r", refs);
			take_away(f, &refs[0]);
			take_away(f, &refs[1]);
			assert_nothing_left(f);
		}
	}
	assert_int_equal(deaths, 4); /* one overlay for each disk */
}

/* Records as a death between two of them leaves them. */
static void snapshotMachine_off_diesAfterTheSwap_isFinished(void **state)
{
	struct fixture *f = *state;
	struct res_ref refs[2];
	struct qemu_snapshot s;
	struct err why;

	two_snapshots(f, "r", refs);
	for (int i = 0; i < 2; i++) {
		ok(qemu_snapshot_load(&f->cloud, refs[i].name, &s, e));
		s.state = SNAPSHOT_CREATING;
		ok(qemu_snapshot_save(&f->cloud, &s, e));
		assert_int_equal(state_of(f, &refs[i], &why), RES_FAILED);
	}
	reopen(f);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(state_of(f, &refs[i], &why), RES_READY);
		take_away(f, &refs[i]);
	}
	assert_nothing_left(f);
}

static void snapshotMachine_running_controllerDies_isUndone(void **state)
{
	struct fixture *f = *state;
	int deaths = 0;

	install_killer(f);
	ok(f->p->ops->machine_start(f->p, "m", e));
	for (int call = 1; call < 5; call++) {
		for (int before = 0; before < 2; before++) {
			struct res_ref refs[2];

			if (!die_in(f, take_snapshots, call, before)) {
				two_snapshots(f, "r", refs);
				take_away(f, &refs[0]);
				take_away(f, &refs[1]);
				continue;
			}
			deaths++;
			reopen(f);
			assert_nothing_left(f);
		}
	}
	assert_int_equal(deaths, 4);
	/* After the transaction, before its record said so. */
	struct res_ref refs[2];
	struct qemu_snapshot s;

	two_snapshots(f, "r", refs);
	for (int i = 0; i < 2; i++) {
		ok(qemu_snapshot_load(&f->cloud, refs[i].name, &s, e));
		s.state = SNAPSHOT_CREATING;
		ok(qemu_snapshot_save(&f->cloud, &s, e));
	}
	reopen(f);
	assert_nothing_left(f);
	guest_io(f, 0, "write -P 5 0 64k");
	ok(qemu_machine_stop(&f->cloud, "m", 0, e));
	assert_nothing_left(f);
}

/* Older of two snapshots goes (commit, rebase), then the newer (commit), with a death at every call. */
static void removeSnapshot_off_controllerDies_isFinishedByTheNext(void **state)
{
	struct fixture *f = *state;
	int deaths = 0;

	install_killer(f);
	for (int call = 1; call < 4; call++) {
		for (int before = 0; before < 2; before++) {
			struct res_ref older[2], newer[2];

			two_snapshots(f, "r", older);
			ok(f->p->ops->machine_start(f->p, "m", e));
			guest_io(f, 0, "write -P 0x77 0 64k");
			ok(qemu_machine_stop(&f->cloud, "m", 0, e));
			two_snapshots(f, "r2", newer);
			ok(f->p->ops->machine_start(f->p, "m", e));
			guest_io(f, 0, "write -P 0x88 64k 64k");
			ok(qemu_machine_stop(&f->cloud, "m", 0, e));
			deaths += die_in(f, remove_older, call, before);
			reopen(f);
			/* The newer first: that must not let the older one's merge be done again later. */
			for (int i = 0; i < 2; i++)
				take_away(f, &newer[i]);
			for (int i = 0; i < 2; i++)
				take_away(f, &older[i]);
			assert_nothing_left(f);
			char *data = file_bytes(f, "d0.raw");

			assert_bytes(data, 0, 65536, 0x77);
			assert_bytes(data, 65536, 131072, 0x88);
			free(data);
			char *path = in_dir(f, "d0.raw");

			fill_file(path, DISK_SIZE, 0x11);
			free(path);
		}
	}
	assert_int_equal(deaths, 4);
}

static void open_leftoversOfDeadWriters_areSwept(void **state)
{
	struct fixture *f = *state;
	static const char *const left[] = {"disks/.new-a", "disks/.old-b", "snapshots/.new-c", "run/.old-d"};

	for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
		char *dir = qemu_cloud_path(&f->cloud, "%s", left[i]), *file = mem_printf("%s/x", dir);

		assert_int_equal(mkdir(dir, 0700), 0);
		temp_write(file, "x", 1);
		free(dir);
		free(file);
	}
	char *temp = qemu_cloud_path(&f->cloud, "machines/m.json.123.tmp");

	temp_write(temp, "x", 1);
	free(temp);
	reopen(f);
	assert_nothing_left(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
		T(snapshotMachine_off_controllerDies_isUndone),
		T(snapshotMachine_off_diesAfterTheSwap_isFinished),
		T(snapshotMachine_running_controllerDies_isUndone),
		T(removeSnapshot_off_controllerDies_isFinishedByTheNext),
		T(open_leftoversOfDeadWriters_areSwept),
	};

	return skip_without_qemu() != 0 ? 77 : cmocka_run_group_tests(tests, NULL, NULL);
}
