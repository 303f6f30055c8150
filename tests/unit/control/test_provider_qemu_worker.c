// SPDX-License-Identifier: Apache-2.0
/* Workers, with an empty disk as image: they wait in the firmware. */
#include "qemu_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "qemu_options.h"
#include "qemu_worker.h"

/* Takes the place of the C library's: what was synced, by inode, and one that cannot be. */
static struct {
	dev_t dev[256];
	ino_t ino[256];
	unsigned count;
	ino_t broken;
} synced;

int fsync(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	if (synced.count < 256) {
		synced.dev[synced.count] = st.st_dev;
		synced.ino[synced.count++] = st.st_ino;
	}
	if (synced.broken != 0 && st.st_ino == synced.broken) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fsync, fd);
}

static bool was_synced(const struct fixture *f, const char *file)
{
	char *path = qemu_cloud_resolve(&f->cloud, file);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	free(path);
	for (unsigned i = 0; i < synced.count; i++)
		if (synced.dev[i] == st.st_dev && synced.ino[i] == st.st_ino)
			return true;
	return false;
}

static struct provider *with_image(const struct fixture *f, const char *more)
{
	char *image = in_dir(f, "image.raw");
	char *keys = mem_printf(",\"image\":\"%s\",\"worker_memory_mib\":64%s", image, more);

	fill_file(image, MIB, 0);
	struct provider *p = provider_for(f->cloud.dir, keys);

	free(image);
	free(keys);
	return p;
}

static struct res_ref worker(struct provider *p, const char *name, struct worker_disk *disks, unsigned n)
{
	struct res_ref ref = ref_of(RES_WORKER, name, "r");
	struct worker_spec spec = {.bootdata = "{\"wherry\":1}", .disks = disks, .disk_count = n, .port = 4433};

	ok(p->ops->worker_create(p, &spec, &ref, e));
	return ref;
}

static bool listening(uint16_t port)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool up = connect(fd, (struct sockaddr *)&a, sizeof a) == 0;

	close(fd);
	return up;
}

static struct res_ref replica(const struct fixture *f, const char *name)
{
	struct res_ref ref = ref_of(RES_DISK, name, "r");
	struct disk_spec spec = {.size = MIB, .logical_sector = 4096};

	ok(f->p->ops->disk_create(f->p, &spec, &ref, e));
	return ref;
}

static void workerCreate_withDisks_runsUntilRemoved(void **state)
{
	struct fixture *f = *state;
	struct provider *p = with_image(f, "");
	struct res_ref x = replica(f, "x"), y = replica(f, "y");
	struct worker_disk disks[] = {{.disk = &x}, {.disk = &y, .read_only = true}},
			   late = {.disk = &y, .hotplug = true};
	struct res_ref w = worker(p, "w", disks, 2);
	struct endpoint at;
	struct err why;
	char serial[24];

	qemu_worker_serial("x", serial);
	assert_string_equal(disks[0].serial, serial);
	assert_string_not_equal(disks[0].serial, disks[1].serial);
	assert_true(strlen(serial) <= 20);
	assert_int_equal(state_of(f, &w, &why), RES_READY);
	ok(p->ops->endpoint(p, &w, 4433, &at, e));
	assert_int_equal(at.reach, REACH_LOOPBACK);
	assert_true(listening(at.port));
	refused(p->ops->endpoint(p, &w, 22, &at, e), ERR_UNSUPPORTED, "not forwarded");
	assert_string_equal(p->ops->host_alias(p), "10.0.2.2");
	struct res_ref again = worker(p, "w", disks, 2);

	assert_string_equal(again.id, w.id);
	refused(p->ops->remove(p, &x, e), ERR_BUSY, "worker w");
	ok(p->ops->attach(p, &w, &late, e)); /* is there already */
	refused(p->ops->detach(p, &w, &x, e), ERR_UNSUPPORTED, "goes with it");
	struct buf console = BUF_INIT;

	ok(p->ops->console(p, &w, &console, e));
	buf_fini(&console);
	take_away(f, &w);
	assert_false(listening(at.port));
	ok(p->ops->detach(p, &w, &x, e));
	take_away(f, &x);
	take_away(f, &y);
	p->ops->close(p);
	assert_nothing_left(f);
}

static void workerSize_followsFromTheBlock(void **state)
{
	static const struct {
		const char *more;
		unsigned disks, takes;
	} cases[] = {{"", 64, 64}, {"", 3, 3}, {",\"hotplug\":true", 64, 8}, {",\"worker_disks\":2", 5, 2},
		     {",\"hotplug\":true,\"worker_disks\":8", 5, 5}};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct provider *p = with_image(f, cases[i].more);
		struct worker_size size;

		ok(p->ops->worker_size(p, cases[i].disks, &size, e));
		assert_int_equal(size.disks, cases[i].takes);
		assert_string_equal(size.name, "");
		p->ops->close(p);
	}
}

static void workerCreate_two_haveTheirOwnPorts(void **state)
{
	struct fixture *f = *state;
	struct provider *p = with_image(f, "");
	struct res_ref a = worker(p, "a", NULL, 0), b = worker(p, "b", NULL, 0);
	struct endpoint at, bt;

	ok(p->ops->endpoint(p, &a, 4433, &at, e));
	ok(p->ops->endpoint(p, &b, 4433, &bt, e));
	assert_true(at.port != bt.port && listening(at.port) && listening(bt.port));
	take_away(f, &a);
	assert_true(listening(bt.port));
	take_away(f, &b);
	p->ops->close(p);
	assert_nothing_left(f);
}

static void attach_hotplug_isRecordedAndNotWrittenTwice(void **state)
{
	struct fixture *f = *state;
	struct provider *p = with_image(f, ",\"hotplug\":true");
	struct res_ref x = replica(f, "x"), y = replica(f, "y");
	struct worker_disk first = {.disk = &x}, second = {.disk = &y, .hotplug = true};
	struct res_ref w = worker(p, "w", &first, 1), v = worker(p, "v", NULL, 0);
	struct qemu_worker record;

	ok(p->ops->attach(p, &w, &second, e));
	ok(qemu_worker_load(&f->cloud, "w", &record, e));
	assert_int_equal(record.disk_count, 2);
	assert_int_equal(record.disks[0].port, 0);
	assert_int_equal(record.disks[1].port, 1);
	assert_string_equal(record.disks[1].serial, second.serial);
	refused(p->ops->attach(p, &v, &second, e), ERR_BUSY, "in use by worker w");
	take_away(f, &w);
	take_away(f, &v);
	take_away(f, &x);
	take_away(f, &y);
	p->ops->close(p);
	assert_nothing_left(f);
}

/* What an earlier worker left in the host's memory is flushed before another one may read and believe it. */
static void workerCreate_writable_flushesTheWholeChain(void **state)
{
	struct fixture *f = *state;
	struct provider *p = with_image(f, "");
	struct res_ref x = replica(f, "x"), snap = ref_of(RES_SNAPSHOT, "s", "r"), none = worker(p, "v", NULL, 0);
	struct qemu_snapshot s;

	ok(p->ops->snapshot_disk(p, &x, &snap, e));
	ok(qemu_snapshot_load(&f->cloud, "s", &s, e));
	const char *const chain[] = {s.base.file, s.over, "disks/x"};

	for (int how = 0; how < 3; how++) { /* 0: reads only; 1: from the start; 2: attached later */
		struct worker_disk disk = {.disk = &x, .read_only = how == 0};
		struct res_ref w = none;

		synced.count = 0;
		if (how < 2)
			w = worker(p, "w", &disk, 1);
		else
			ok(p->ops->attach(p, &w, &disk, e));
		for (int i = 0; i < 3; i++)
			assert_int_equal(was_synced(f, chain[i]), how > 0);
		take_away(f, &w);
	}
	take_away(f, &snap);
	take_away(f, &x);
	p->ops->close(p);
	assert_nothing_left(f);
}

static void workerCreate_cannotFlush_isRefused(void **state)
{
	struct fixture *f = *state;
	struct provider *p = with_image(f, "");
	struct res_ref x = replica(f, "x"), snap = ref_of(RES_SNAPSHOT, "s", "r"), bad = ref_of(RES_WORKER, "w", "r");
	struct res_ref other = worker(p, "v", NULL, 0);
	struct worker_disk disk = {.disk = &x};
	struct worker_spec spec = {.bootdata = "{}", .disks = &disk, .disk_count = 1, .port = 4433};
	struct qemu_snapshot s;
	struct stat st;

	ok(p->ops->snapshot_disk(p, &x, &snap, e));
	ok(qemu_snapshot_load(&f->cloud, "s", &s, e));
	char *base = qemu_cloud_resolve(&f->cloud, s.base.file);

	assert_int_equal(stat(base, &st), 0);
	synced.broken = st.st_ino;
	refused(p->ops->worker_create(p, &spec, &bad, e), ERR_IO, "safe on its storage");
	refused(p->ops->attach(p, &other, &disk, e), ERR_IO, "data.qcow2");
	synced.broken = 0;
	ok(p->ops->attach(p, &other, &disk, e)); /* nothing of it was left behind */
	take_away(f, &other);
	take_away(f, &snap);
	take_away(f, &x);
	free(base);
	p->ops->close(p);
	assert_nothing_left(f);
}

static void workerCreate_onLiveAndOverlayClones_opensThem(void **state)
{
	struct fixture *f = *state;
	struct provider *p = with_image(f, "");

	for (int running = 0; running < 2; running++) {
		struct res_ref snap[2];

		if (running)
			ok(p->ops->machine_start(p, "m", e));
		two_snapshots(f, "r", snap);
		struct res_ref c[2] = {clone_of(f, &snap[0], "c0"), clone_of(f, &snap[1], "c1")};
		struct worker_disk disks[] = {{.disk = &c[0], .read_only = true},
					      {.disk = &c[1], .read_only = true}};
		struct worker_disk writable = {.disk = &c[0]};
		struct res_ref w = worker(p, "w", disks, 2), bad = ref_of(RES_WORKER, "bad", "r");
		struct worker_spec spec = {.bootdata = "{}", .disks = &writable, .disk_count = 1, .port = 4433};

		refused(p->ops->worker_create(p, &spec, &bad, e), ERR_BUSY, "in use by worker w");
		refused(p->ops->remove(p, &c[0], e), ERR_BUSY, "worker w");
		take_away(f, &w);
		if (running)
			refused(p->ops->worker_create(p, &spec, &bad, e), ERR_UNSUPPORTED, "cannot be written");
		for (int i = 0; i < 2; i++) {
			take_away(f, &c[i]);
			take_away(f, &snap[i]);
		}
	}
	ok(qemu_machine_stop(&f->cloud, "m", 0, e));
	p->ops->close(p);
	assert_nothing_left(f);
}

static void workerPoll_killed_failsWithItsConsole(void **state)
{
	struct fixture *f = *state;
	struct provider *p = with_image(f, "");
	struct res_ref w = worker(p, "w", NULL, 0), other = w;
	char *run_dir = qemu_record_dir(&f->cloud, QEMU_RUN, "w"), *serial = mem_printf("%s/serial.log", run_dir);
	struct err why;

	temp_write(serial, "one\r\ntwo\x1b last words\r\n", 22);
	ok(qemu_proc_signal(run_dir, SIGKILL, e));
	assert_true(qemu_proc_wait_gone(run_dir, 10 * NS_PER_S));
	assert_int_equal(state_of(f, &w, &why), RES_FAILED);
	assert_has(why.msg, "two last words");
	assert_has(why.msg, "powered itself off");
	snprintf(other.id, sizeof other.id, "run/w#0000000000000000");
	assert_int_equal(state_of(f, &other, &why), RES_ABSENT);
	take_away(f, &w);
	free(run_dir);
	free(serial);
	p->ops->close(p);
	assert_nothing_left(f);
}

/* A child that does nothing; it has become that program when this returns. */
static pid_t start_sleep(void)
{
	int done[2];
	char c;

	assert_int_equal(pipe2(done, O_CLOEXEC), 0);
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		for (int fd = 0; fd < 3; fd++)
			dup2(null, fd);
		execlp("sleep", "sleep", "600", NULL);
		_exit(1);
	}
	close(done[1]);
	assert_int_equal(read(done[0], &c, 1), 0);
	close(done[0]);
	return pid;
}

static unsigned long long start_of(pid_t pid)
{
	struct buf stat = BUF_INIT;
	unsigned long long start = 0;
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	ok(qemu_file_read(path, 4096, &stat, e));
	assert_int_equal(sscanf(strrchr(buf_str(&stat), ')') + 1,
				" %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
				&start),
			 1);
	buf_fini(&stat);
	return start;
}

static void remove_recordOfAForeignProcess_signalsNobody(void **state)
{
	struct fixture *f = *state;
	struct provider *p = with_image(f, "");
	struct res_ref w = worker(p, "w", NULL, 0);
	char *run_dir = qemu_record_dir(&f->cloud, QEMU_RUN, "w"), *record = mem_printf("%s/process.json", run_dir);
	struct buf real = BUF_INIT;
	char boot[40];
	pid_t pid = start_sleep();

	qemu_boot_id(boot);
	char *forged = mem_printf("{\"pid\":%d,\"start\":%llu,\"boot\":\"%s\"}", (int)pid, start_of(pid), boot);

	ok(qemu_file_read(record, 4096, &real, e));
	temp_write(record, forged, strlen(forged)); /* right pid, right start time: still not our QEMU */
	bool alive = qemu_proc_alive(run_dir, NULL);
	ok(qemu_proc_signal(run_dir, SIGKILL, e));
	bool spared = waitpid(pid, NULL, WNOHANG) == 0;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	temp_write(record, real.data, real.len);
	assert_false(alive);
	assert_true(spared);
	assert_true(qemu_proc_alive(run_dir, NULL));
	take_away(f, &w);
	buf_fini(&real);
	free(forged);
	free(record);
	free(run_dir);
	p->ops->close(p);
	assert_nothing_left(f);
}

/* What passes for a kernel until it is booted. */
static void write_kernel(const char *path)
{
	char data[4096] = "";

	memcpy(data + 0x202, "HdrS", 4);
	temp_write(path, data, sizeof data);
}

static void workerCreate_badImage_namesTheRemedy(void **state)
{
	struct fixture *f = *state;
	char *dir = in_dir(f, "image"), *kernel = in_dir(f, "image/vmlinuz"),
	     *initrd = in_dir(f, "image/initramfs.img");
	char *odd = in_dir(f, "odd.raw"), *bare = in_dir(f, "bzImage");
	struct worker_spec spec = {.bootdata = "{}", .port = 4433};

	assert_int_equal(mkdir(dir, 0700), 0);
	fill_file(odd, 100, 1);
	write_kernel(bare);
	const struct {
		const char *image, *more;
		enum err_kind kind;
		const char *words;
	} cases[] = {
		{"/nonexistent/image", "", ERR_NOT_FOUND, "make image"},
		{dir, "", ERR_NOT_FOUND, "no vmlinuz"},
		{dir, ",\"boot\":\"disk\"", ERR_NOT_FOUND, "no disk image"},
		{odd, "", ERR_CONFIG, "not whole sectors"},
		{odd, ",\"boot\":\"kernel\"", ERR_CONFIG, "name a directory"},
		{bare, "", ERR_CONFIG, "bare Linux kernel"},
		{bare, ",\"boot\":\"disk\"", ERR_CONFIG, "name the folder with vmlinuz and initramfs.img"},
		{dir, "", ERR_NOT_FOUND, "no initramfs.img"}, /* from here on with a vmlinuz that is none */
		{dir, "", ERR_CONFIG, "not a Linux kernel"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char *keys = mem_printf(",\"image\":\"%s\"%s", cases[i].image, cases[i].more);
		struct provider *p = provider_for(f->cloud.dir, keys);
		struct res_ref w = ref_of(RES_WORKER, "w", "r");

		if (i == 7)
			temp_write(kernel, "text", 4);
		if (i == 8)
			temp_write(initrd, "text", 4);
		refused(p->ops->worker_create(p, &spec, &w, e), cases[i].kind, cases[i].words);
		p->ops->close(p);
		free(keys);
	}
	free(dir);
	free(kernel);
	free(initrd);
	free(odd);
	free(bare);
	assert_nothing_left(f);
}

static void open_wrongKeys_areAllNamed(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *more, *path;
	} cases[] = {
		{",\"image\":1", "image"},
		{",\"boot\":\"floppy\"", "boot"},
		{",\"acceleration\":\"hvf\"", "acceleration"},
		{",\"worker_memory_mib\":1", "worker_memory_mib"},
		{",\"worker_vcpus\":0", "worker_vcpus"},
		{",\"hotplug\":\"yes\"", "hotplug"},
		{",\"format\":\"vmdk\"", "format"},
		{",\"sauce\":1", "sauce"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char *text = mem_printf("{\"provider\":\"qemu\",\"cloud\":\"%s\"%s}", f->cloud.dir, cases[i].more);
		struct err why = ERR_INIT;
		struct json_doc *doc = json_parse(text, strlen(text), "job.json", &why);
		struct json_at at = json_root(doc);
		struct provider *p = provider_qemu_ops.open(&at, NULL, &why);

		assert_has(json_findings(doc), cases[i].path);
		if (p != NULL)
			p->ops->close(p);
		json_free(doc);
		free(text);
	}
}

static void open_noCloud_saysHowToMakeOne(void **state)
{
	struct fixture *f = *state;
	struct qemu_cloud c;

	refused(qemu_cloud_open("/nonexistent/cloud", &c, e), ERR_NOT_FOUND, "mkdir -p /nonexistent/cloud");
	refused(qemu_cloud_open(f->dir, &c, e), ERR_NOT_FOUND, "no cloud.json");
}

static void validate_goodAndBad_givesAllReasons(void **state)
{
	struct fixture *f = *state;
	struct provider *good = with_image(f, "");
	struct provider *bad = provider_for(f->cloud.dir, ",\"image\":\"/nonexistent\"");
	struct findings found = {0};
	struct machine m;
	char *d1 = in_dir(f, "d1.raw");
	unsigned errors = 0;

	ok(f->p->ops->machine_get(f->p, "m", &m, e));
	ok(good->ops->validate(good, true, &m, &found, e));
	ok(good->ops->validate(good, false, &m, &found, e));
	for (size_t i = 0; i < found.list.len; i++)
		errors += found.list.at[i].level == FINDING_ERROR;
	assert_int_equal(errors, 0);
	findings_fini(&found);
	machine_fini(&m);
	assert_int_equal(truncate(d1, 1000), 0);
	ok(f->p->ops->machine_get(f->p, "m", &m, e));
	assert_has(m.disks.at[1].why_not, "not whole sectors");
	assert_int_equal(m.disks.at[1].why_kind, ERR_UNSUPPORTED);
	ok(bad->ops->validate(bad, true, &m, &found, e));
	for (size_t i = 0; i < found.list.len; i++)
		errors += found.list.at[i].level == FINDING_ERROR;
	assert_int_equal(errors, 1); /* the image; the disk is the core's to tell */
	findings_fini(&found);
	machine_fini(&m);
	assert_int_equal(unlink(d1), 0);
	ok(f->p->ops->machine_get(f->p, "m", &m, e));
	assert_has(m.disks.at[1].why_not, "d1.raw: bring it back, or correct machines/m.json");
	assert_int_equal(m.disks.at[1].why_kind, ERR_NOT_FOUND);
	machine_fini(&m);
	free(d1);
	good->ops->close(good);
	bad->ops->close(bad);
}

/* There is no kernel to boot here: the trial must end by itself, say no, and leave no process. */
static void accelProbe_nothingBoots_isNo(void **state)
{
	struct fixture *f = *state;
	char *kernel = in_dir(f, "kernel"), why[160];

	fill_file(kernel, 65536, 0);
	assert_false(qemu_accel_probe("tcg", kernel, 300 * NS_PER_MS));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(qemu_accel_choose(QEMU_TCG, NULL, why), QEMU_TCG);
	assert_int_equal(qemu_accel_choose(QEMU_KVM, NULL, why), QEMU_KVM);
	assert_has(why, "as the job says");
	free(kernel);
}

/* A QEMU in front of the real one, which says so and ends. */
static void fake_qemu(const char *dir, const char *says)
{
	char *file = mem_printf("%s/qemu-system-x86_64", dir);
	char *text = mem_printf("#!/bin/sh\n[ \"$1\" = --version ] && echo 'QEMU emulator version 9.0.0' && exit\necho '%s'\n", says);

	temp_write(file, text, strlen(text));
	assert_int_equal(chmod(file, 0700), 0);
	free(text);
	free(file);
}

/* Who insists on KVM hears from validate that it does not work; and once it does, a failure is not held against it. */
static void validate_kvmThatDoesNotBoot_isAnError(void **state)
{
	struct fixture *f = *state;
	static const char *const says[] = {"nothing", "Kernel panic - not syncing: VFS"};
	char *image = in_dir(f, "image"), *kernel = in_dir(f, "image/vmlinuz"), *initrd = in_dir(f, "image/initramfs.img");
	char *keys = mem_printf(",\"image\":\"%s\",\"acceleration\":\"kvm\"", image);
	char *path = mem_printf("%s:%s", f->dir, getenv("PATH")), *real = mem_strdup(getenv("PATH"));
	bool has_kvm = access("/dev/kvm", R_OK | W_OK) == 0;

	assert_int_equal(mkdir(image, 0700), 0);
	write_kernel(kernel);
	temp_write(initrd, "text", 4);
	setenv("PATH", path, 1);
	setenv("XDG_CACHE_HOME", f->dir, 1);
	for (size_t i = 0; i < sizeof says / sizeof says[0]; i++) {
		struct provider *p = provider_with(f->cloud.dir, keys);
		struct findings found = {0};
		struct machine m = {0};
		bool error = false;

		fake_qemu(f->dir, says[i]);
		ok(p->ops->validate(p, false, &m, &found, e));
		for (size_t k = 0; k < found.list.len; k++) {
			if (found.list.at[k].level != FINDING_ERROR)
				continue;
			assert_has(found.list.at[k].text, "\"acceleration\" is \"kvm\", but ");
			assert_int_equal(found.list.at[k].kind, ERR_UNSUPPORTED);
			error = true;
		}
		assert_int_equal(error, i == 0 || !has_kvm);
		findings_fini(&found);
		p->ops->close(p);
	}
	setenv("PATH", real, 1);
	unsetenv("XDG_CACHE_HOME");
	free(real);
	free(path);
	free(keys);
	free(initrd);
	free(kernel);
	free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
		T(workerCreate_withDisks_runsUntilRemoved),
		T(workerSize_followsFromTheBlock),
		T(workerCreate_two_haveTheirOwnPorts),
		T(attach_hotplug_isRecordedAndNotWrittenTwice),
		T(workerCreate_writable_flushesTheWholeChain),
		T(workerCreate_cannotFlush_isRefused),
		T(workerCreate_onLiveAndOverlayClones_opensThem),
		T(workerPoll_killed_failsWithItsConsole),
		T(remove_recordOfAForeignProcess_signalsNobody),
		T(workerCreate_badImage_namesTheRemedy),
		T(open_wrongKeys_areAllNamed),
		T(open_noCloud_saysHowToMakeOne),
		T(validate_goodAndBad_givesAllReasons),
		T(accelProbe_nothingBoots_isNo),
		T(validate_kvmThatDoesNotBoot_isAnError),
	};

	return skip_without_qemu() != 0 ? 77 : cmocka_run_group_tests(tests, NULL, NULL);
}
