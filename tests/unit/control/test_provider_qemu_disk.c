// SPDX-License-Identifier: Apache-2.0
/* Replica disks: making, locks, claims, generations; machines made of them. */
#include "qemu_fixture.h"

#include <errno.h>
#include <sys/mount.h>

static struct res_ref disk(const struct fixture *f, const char *name, uint64_t size)
{
	struct res_ref ref = ref_of(RES_DISK, name, "r");
	struct disk_spec spec = {.size = size, .logical_sector = 512};

	ref.tags.purpose = PURPOSE_REPLICA;
	ok(f->p->ops->disk_create(f->p, &spec, &ref, e));
	return ref;
}

/* As an import worker would, through QEMU's own tool. */
static void write_disk(const struct fixture *f, const char *name, const char *command)
{
	struct qemu_disk d;

	ok(qemu_disk_load(&f->cloud, name, &d, e));
	char *file = qemu_cloud_resolve(&f->cloud, d.image.file);

	tool(NULL, "qemu-io", "-f", d.image.format == QEMU_RAW ? "raw" : "qcow2", "-c", command, file);
	free(file);
}

static void assert_disk(const struct fixture *f, const char *name, size_t from, size_t to, int byte)
{
	char *data = disk_bytes(f, name);

	assert_bytes(data, from, to, byte);
	free(data);
}

static struct res_ref generation(const struct fixture *f, const struct res_ref *of, const char *name)
{
	struct res_ref ref = ref_of(RES_SNAPSHOT, name, name);

	ref.tags.purpose = PURPOSE_GENERATION;
	ok(f->p->ops->snapshot_disk(f->p, of, &ref, e));
	return ref;
}

static void diskCreate_eachFormat_isAdoptedGrownAndRemoved(void **state)
{
	struct fixture *f = *state;
	static const char *const formats[] = {"", ",\"format\":\"raw\""};

	for (size_t i = 0; i < 2; i++) {
		struct provider *p = provider_for(f->cloud.dir, formats[i]);
		struct res_ref ref = ref_of(RES_DISK, "x", "r"), again = ref, other = ref;
		struct disk_spec spec = {.size = MIB + 512, .logical_sector = 512};
		struct machine_disk d;
		struct err why;

		ok(p->ops->disk_create(p, &spec, &ref, e));
		ok(p->ops->disk_create(p, &spec, &again, e));
		assert_string_equal(ref.id, again.id);
		snprintf(other.tags.run, sizeof other.tags.run, "other");
		refused(p->ops->disk_create(p, &spec, &other, e), ERR_BUSY, "job job, run r");
		ok(p->ops->disk_get(p, &ref, &d, e));
		assert_int_equal(d.size, MIB + 512);
		assert_string_equal(d.id, ref.id);
		assert_int_equal(state_of(f, &ref, &why), RES_READY);
		refused(p->ops->disk_resize(p, &ref, MIB, e), ERR_REFUSED, "smaller");
		ok(p->ops->disk_resize(p, &ref, 2 * MIB, e));
		ok(p->ops->disk_get(p, &ref, &d, e));
		assert_int_equal(d.size, 2 * MIB);
		assert_disk(f, "x", 0, 2 * MIB, 0);
		take_away(f, &ref);
		p->ops->close(p);
	}
	assert_nothing_left(f);
}

static void diskCreate_wrong_isRefusedAndLeavesNothing(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *name;
		uint64_t size;
		enum err_kind kind;
		const char *words;
	} cases[] = {
		{"../x", MIB, ERR_CONFIG, "cannot be a name"}, {".x", MIB, ERR_CONFIG, "cannot be a name"},
		{"", MIB, ERR_CONFIG, "cannot be a name"},     {"x", 0, ERR_UNSUPPORTED, "whole sectors"},
		{"x", 1000, ERR_UNSUPPORTED, "whole sectors"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct res_ref ref = ref_of(RES_DISK, cases[i].name, "r");
		struct disk_spec spec = {.size = cases[i].size, .logical_sector = 512};

		refused(f->p->ops->disk_create(f->p, &spec, &ref, e), cases[i].kind, cases[i].words);
		assert_nothing_left(f);
	}
}

static void diskCreate_fileSystemFull_saysSo(void **state)
{
	struct fixture *f = *state;
	char *full = in_dir(f, "full"), *filler = in_dir(f, "full/filler");
	struct res_ref ref = ref_of(RES_DISK, "x", "r");
	struct disk_spec spec = {.size = 64 << 20, .logical_sector = 512};

	assert_int_equal(mkdir(full, 0700), 0);
	if (mount("none", full, "tmpfs", 0, "size=1m") < 0) {
		assert_int_equal(errno, EPERM); /* only root mounts; the rest of the tests needs no root */
		free(full);
		free(filler);
		skip();
	}
	ok(qemu_cloud_init(full, e));
	struct provider *p = provider_for(full, "");
	int fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	char block[4096] = {0};

	while (write(fd, block, sizeof block) == sizeof block)
		;
	close(fd);
	refused(p->ops->disk_create(p, &spec, &ref, e), ERR_NO_SPACE, "free space");
	p->ops->close(p);
	assert_int_equal(umount(full), 0);
	free(full);
	free(filler);
}

static void replicaClaim_twoProcesses_oneWins(void **state)
{
	struct fixture *f = *state;
	struct res_ref ref = disk(f, "x", MIB);
	pid_t pids[2];
	int wins = 0;

	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		if (pids[i] != 0)
			continue;
		struct res_tags set = ref.tags;
		struct err e = ERR_INIT;

		set.epoch = 2;
		set.dirty = true;
		snprintf(set.run, sizeof set.run, "run%d", i);
		int rc = f->p->ops->replica_claim(f->p, &ref, &ref.tags, &set, &e);

		_exit(rc == 0 ? 0 : e.kind == ERR_BUSY ? 1 : 2);
	}
	for (int i = 0; i < 2; i++) {
		int status;

		waitpid(pids[i], &status, 0);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
		wins += WEXITSTATUS(status) == 0;
	}
	assert_int_equal(wins, 1);
	struct qemu_disk d;

	ok(qemu_disk_load(&f->cloud, "x", &d, e));
	assert_int_equal(d.tags.epoch, 2);
	assert_true(d.tags.dirty);
	struct res_tags foreign = d.tags;

	snprintf(foreign.owner, sizeof foreign.owner, "somebody");
	refused(f->p->ops->replica_claim(f->p, &ref, &foreign, &foreign, e), ERR_BUSY, "owner owner");
	take_away(f, &ref);
}

static void replicaLock_heldByAnotherProcess_namesItUntilItDies(void **state)
{
	struct fixture *f = *state;
	struct res_ref ref = disk(f, "x", MIB);
	int ready[2];
	char c;

	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();

	if (pid == 0) {
		struct err e = ERR_INIT;

		if (f->p->ops->replica_lock(f->p, &ref, "job a, pid 7 on host h", &e) == 0 &&
		    write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	refused(f->p->ops->replica_lock(f->p, &ref, "me", e), ERR_BUSY, "held by job a, pid 7 on host h");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ok(f->p->ops->replica_lock(f->p, &ref, "me", e));
	ok(f->p->ops->replica_lock(f->p, &ref, "me again", e)); /* one process, one holder */
	close(ready[0]);
	close(ready[1]);
	take_away(f, &ref);
	assert_nothing_left(f);
}

static void snapshotDisk_generations_mergeForward(void **state)
{
	struct fixture *f = *state;
	struct res_ref x = disk(f, "x", DISK_SIZE);
	struct qemu_disk d;

	write_disk(f, "x", "write -P 1 0 64k");
	struct res_ref one = generation(f, &x, "g1");

	write_disk(f, "x", "write -P 2 0 64k");
	struct res_ref two = generation(f, &x, "g2");

	write_disk(f, "x", "write -P 3 0 64k");
	struct res_ref clone = clone_of(f, &one, "c");

	assert_disk(f, "c", 0, 65536, 1);
	refused(f->p->ops->remove(f->p, &one, e), ERR_BUSY, "c is a clone");
	take_away(f, &clone);
	clone = clone_of(f, &two, "c");
	refused(f->p->ops->remove(f->p, &one, e), ERR_BUSY, "c is a clone"); /* it stands on what would be merged */
	assert_disk(f, "c", 0, 65536, 2);
	take_away(f, &clone);
	take_away(f, &one);
	clone = clone_of(f, &two, "c");
	assert_disk(f, "c", 0, 65536, 2);
	write_disk(f, "c", "write -P 9 0 64k"); /* of its own */
	assert_disk(f, "x", 0, 65536, 3);
	take_away(f, &clone);
	take_away(f, &two);
	assert_disk(f, "x", 0, 65536, 3);
	ok(qemu_disk_load(&f->cloud, "x", &d, e));
	assert_string_equal(d.image.file, "disks/x/data.qcow2");
	take_away(f, &x);
	assert_nothing_left(f);
}

static void snapshotDisk_inUseByAnybody_isRefused(void **state)
{
	struct fixture *f = *state;
	struct res_ref x = disk(f, "x", DISK_SIZE), ref = ref_of(RES_SNAPSHOT, "g", "r");
	char *file = qemu_cloud_path(&f->cloud, "disks/x/data.qcow2"), *up = in_dir(f, "nbd.sock");
	pid_t pid = fork();

	if (pid == 0) {
		execlp("qemu-nbd", "qemu-nbd", "-t", "-f", "qcow2", "-k", up, file, NULL);
		_exit(1);
	}
	for (int i = 0; i < 1000 && !qemu_file_exists(up); i++)
		clock_sleep_ns(10 * NS_PER_MS);
	char *uri = mem_printf("nbd+unix:///?socket=%s", up);

	tool(NULL, "qemu-io", "-r", "-f", "raw", "-c", "read 0 512", uri); /* it serves, so it has the file open */
	free(uri);
	refused(f->p->ops->snapshot_disk(f->p, &x, &ref, e), ERR_BUSY, "disk x");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	free(file);
	free(up);
	take_away(f, &x);
	assert_nothing_left(f);
}

static void diskRemove_beforeItsSnapshots_leavesThemUsable(void **state)
{
	struct fixture *f = *state;

	for (int older_first = 0; older_first < 2; older_first++) {
		struct res_ref x = disk(f, "x", DISK_SIZE);
		struct disk_spec spec = {.size = MIB, .logical_sector = 512};

		write_disk(f, "x", "write -P 1 0 64k");
		struct res_ref one = generation(f, &x, "g1");

		write_disk(f, "x", "write -P 2 64k 64k");
		struct res_ref two = generation(f, &x, "g2");

		take_away(f, &x);
		refused(f->p->ops->disk_create(f->p, &spec, &x, e), ERR_BUSY, "held by a snapshot");
		struct res_ref clone = clone_of(f, &two, "c");

		assert_disk(f, "c", 0, 65536, 1);
		assert_disk(f, "c", 65536, 131072, 2);
		take_away(f, &clone);
		take_away(f, older_first ? &one : &two);
		clone = clone_of(f, older_first ? &two : &one, "c");
		assert_disk(f, "c", 0, 65536, 1);
		assert_disk(f, "c", 65536, 131072, older_first ? 2 : 0);
		take_away(f, &clone);
		take_away(f, older_first ? &two : &one);
		assert_nothing_left(f);
	}
}

static int count(void *ctx, const struct res_ref *ref)
{
	unsigned *seen = ctx;

	assert_string_equal(ref->tags.owner, "owner");
	assert_true(ref->id[0] != '\0');
	seen[ref->kind]++;
	return 0;
}

static void find_byJob_listsOursOnly(void **state)
{
	struct fixture *f = *state;
	struct res_ref x = disk(f, "x", MIB), g = generation(f, &x, "g");
	unsigned of_job[RES_KINDS] = {0}, of_other[RES_KINDS] = {0}, of_any[RES_KINDS] = {0};

	ok(f->p->ops->find(f->p, "job", count, of_job, e));
	ok(f->p->ops->find(f->p, "other", count, of_other, e));
	ok(f->p->ops->find(f->p, NULL, count, of_any, e));
	for (int k = 0; k < RES_KINDS; k++) {
		assert_int_equal(of_job[k], k == RES_DISK || k == RES_SNAPSHOT);
		assert_int_equal(of_any[k], of_job[k]);
		assert_int_equal(of_other[k], 0);
	}
	take_away(f, &g);
	take_away(f, &x);
}

static void targetCreate_ofReplicas_startsAndGoes(void **state)
{
	struct fixture *f = *state;
	struct res_ref x[2] = {disk(f, "x0", DISK_SIZE), disk(f, "x1", DISK_SIZE)},
		       t = ref_of(RES_MACHINE, "t", "r"), g;
	struct machine like, made;
	struct err why;
	char *run_dir = qemu_record_dir(&f->cloud, QEMU_RUN, "t");

	ok(f->p->ops->machine_get(f->p, "m", &like, e));
	struct target_spec spec = {.like = &like, .disks = x, .disk_count = 2};
	struct res_ref taken = ref_of(RES_MACHINE, "m", "r");

	refused(f->p->ops->target_create(f->p, &spec, &taken, e), ERR_BUSY, "choose another name");
	t.tags.purpose = PURPOSE_TARGET;
	ok(f->p->ops->target_create(f->p, &spec, &t, e));
	ok(f->p->ops->target_create(f->p, &spec, &t, e));
	assert_int_equal(state_of(f, &t, &why), RES_READY);
	ok(f->p->ops->machine_start(f->p, "t", e));
	ok(f->p->ops->machine_get(f->p, "t", &made, e));
	assert_true(made.running && made.disks.at[0].boot);
	assert_string_equal(made.disks.at[1].name, "d1");
	machine_fini(&made);
	refused(f->p->ops->remove(f->p, &x[0], e), ERR_BUSY, "machine t");
	g = ref_of(RES_SNAPSHOT, "g", "g");
	refused(f->p->ops->snapshot_disk(f->p, &x[0], &g, e), ERR_BUSY, "machine t");
	ok(qemu_proc_signal(run_dir, SIGKILL, e));
	assert_true(qemu_proc_wait_gone(run_dir, 10 * NS_PER_S));
	refused(f->p->ops->remove(f->p, &x[0], e), ERR_BUSY, "machine t is made of it");
	take_away(f, &t);
	take_away(f, &x[0]);
	take_away(f, &x[1]);
	machine_fini(&like);
	free(run_dir);
	assert_nothing_left(f);
}

/* Its variables come with it, in place of any that an earlier machine of that name left, and go with it. */
static void targetCreate_likeAUefiMachine_hasItsVariables(void **state)
{
	struct fixture *f = *state;
	struct res_ref x = disk(f, "x", DISK_SIZE);
	char *vars = qemu_cloud_path(&f->cloud, "machines/t.efivars");

	for (int known = 0; known < 2; known++) {
		struct res_ref t = ref_of(RES_MACHINE, "t", "r");
		struct machine like = {.name = "m", .firmware = FIRMWARE_UEFI, .vcpus = 1, .memory_mib = 64}, made;
		struct target_spec spec = {.like = &like, .disks = &x, .disk_count = 1};

		if (known)
			buf_adds(&like.nvram, "variables");
		temp_write(vars, "of another", 10);
		for (int again = 0; again < 2; again++) /* the first reply may have been lost */
			ok(f->p->ops->target_create(f->p, &spec, &t, e));
		ok(f->p->ops->machine_get(f->p, "t", &made, e));
		assert_int_equal(made.firmware, FIRMWARE_UEFI);
		assert_string_equal(buf_str(&made.nvram), known ? "variables" : "");
		machine_fini(&made);
		machine_fini(&like);
		take_away(f, &t);
		assert_false(qemu_file_exists(vars));
	}
	take_away(f, &x);
	free(vars);
	assert_nothing_left(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
		T(diskCreate_eachFormat_isAdoptedGrownAndRemoved),
		T(diskCreate_wrong_isRefusedAndLeavesNothing),
		T(diskCreate_fileSystemFull_saysSo),
		T(replicaClaim_twoProcesses_oneWins),
		T(replicaLock_heldByAnotherProcess_namesItUntilItDies),
		T(snapshotDisk_generations_mergeForward),
		T(snapshotDisk_inUseByAnybody_isRefused),
		T(diskRemove_beforeItsSnapshots_leavesThemUsable),
		T(find_byJob_listsOursOnly),
		T(targetCreate_ofReplicas_startsAndGoes),
		T(targetCreate_likeAUefiMachine_hasItsVariables),
	};

	return skip_without_qemu() != 0 ? 77 : cmocka_run_group_tests(tests, NULL, NULL);
}
