// SPDX-License-Identifier: Apache-2.0
/*
 * A qemu cloud in a temporary folder with a machine "m" of two disks, for the tests of the qemu provider. Its machines
 * are real QEMU processes without a guest system: QEMU's own `qemu-io` command writes as a guest would. Every test ends
 * with the inventory it began with and no process of the cloud.
 */
#ifndef WHERRY_TESTS_UNIT_CONTROL_QEMU_FIXTURE_H
#define WHERRY_TESTS_UNIT_CONTROL_QEMU_FIXTURE_H

#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "provider_qemu.h"
#include "qemu_cloud.h"
#include "qemu_file.h"
#include "qemu_inventory.h"
#include "json_format.h"
#include "qemu_live.h"
#include "qemu_machine.h"
#include "qemu_proc.h"
#include "qmp.h"

#define DISK_SIZE (4 << 20)
#define MIB       (1 << 20)

struct fixture {
	char *dir; /* temporary folder: cloud/, images, outputs */
	struct qemu_cloud cloud;
	struct provider *p;
	char *before; /* inventory */
	pid_t child;  /* that works beside the test; 0: none */
};

/* more: keys of the block, each after a comma. */
static inline struct provider *provider_with(const char *cloud, const char *more)
{
	char *text = mem_printf("{\"provider\":\"qemu\",\"cloud\":\"%s\"%s}", cloud, more);
	struct err e = ERR_INIT;
	struct json_doc *doc = json_parse(text, strlen(text), "test", &e);
	struct json_at at = json_root(doc);
	struct provider *p = provider_qemu_ops.open(&at, NULL, &e);

	if (p == NULL || json_finish(doc, &e) < 0)
		fail_msg("opening %s: %s", text, e.msg);
	json_free(doc);
	free(text);
	return p;
}

static inline struct provider *provider_for(const char *cloud, const char *more)
{
	char *keys = mem_printf(",\"acceleration\":\"tcg\"%s", more);
	struct provider *p = provider_with(cloud, keys);

	free(keys);
	return p;
}

static inline char *in_dir(const struct fixture *f, const char *name)
{
	return mem_printf("%s/%s", f->dir, name);
}

static inline void fill_file(const char *path, size_t size, int byte)
{
	char *data = mem_alloc(size);

	memset(data, byte, size);
	temp_write(path, data, size);
	free(data);
}

static inline char *inventory_of(const struct fixture *f)
{
	struct buf b = BUF_INIT;

	ok(qemu_inventory(&f->cloud, &b, e));
	return buf_take(&b);
}

static inline int fixture_setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof *f);
	struct qemu_machine m = {.name = "m", .memory_mib = 64, .vcpus = 1};

	f->dir = temp_make();
	char *cloud = in_dir(f, "cloud");

	ok(qemu_cloud_init(cloud, e));
	ok(qemu_cloud_open(cloud, &f->cloud, e));
	for (int i = 0; i < 2; i++) {
		struct qemu_machine_disk *d = vec_push(&m.disks);
		char name[16];

		snprintf(name, sizeof name, "d%d.raw", i);
		char *path = in_dir(f, name);

		fill_file(path, DISK_SIZE, 0x11 * (i + 1));
		snprintf(d->name, sizeof d->name, "d%d", i);
		snprintf(d->image.file, sizeof d->image.file, "%s", path);
		d->logical_sector = 512;
		d->boot = i == 0;
		free(path);
	}
	ok(qemu_machine_save(&f->cloud, &m, e));
	qemu_machine_fini(&m);
	f->p = provider_for(cloud, "");
	f->before = inventory_of(f);
	free(cloud);
	*state = f;
	return 0;
}

/* Ends QEMUs a failed test left, by pid file, so that one failure does not become many. */
static inline void end_all(const struct fixture *f)
{
	char *runs = qemu_cloud_path(&f->cloud, "run");
	DIR *d = opendir(runs);
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL) {
		char *run_dir = mem_printf("%s/%s", runs, entry->d_name);
		struct err e = ERR_INIT;

		if (entry->d_name[0] != '.' && qemu_proc_signal(run_dir, SIGKILL, &e) == 0)
			qemu_proc_wait_gone(run_dir, 10 * NS_PER_S);
		free(run_dir);
	}
	if (d != NULL)
		closedir(d);
	free(runs);
}

static inline void end_child(struct fixture *f)
{
	if (f->child <= 0)
		return;
	kill(f->child, SIGKILL);
	waitpid(f->child, NULL, 0);
	f->child = 0;
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	end_child(f);
	end_all(f);
	f->p->ops->close(f->p);
	qemu_cloud_fini(&f->cloud);
	temp_remove(f->dir);
	free(f->before);
	free(f);
	return 0;
}

/* The cloud lists what it listed before; its machines may run. */
static inline void assert_nothing_left(const struct fixture *f)
{
	char *now = inventory_of(f);

	assert_string_equal(now, f->before);
	free(now);
}

static inline struct res_ref ref_of(enum res_kind kind, const char *name, const char *run)
{
	struct res_ref r = {.kind = kind, .tags = {.owner = "owner", .job = "job", .epoch = 1}};

	snprintf(r.name, sizeof r.name, "%s", name);
	snprintf(r.tags.run, sizeof r.tags.run, "%s", run);
	return r;
}

/* One command of qemu-io on disk i of the running machine m: "write -P 0xaa 0 64k". */
static inline void guest_io(const struct fixture *f, unsigned disk, const char *command)
{
	char *run_dir = qemu_record_dir(&f->cloud, QEMU_RUN, "m");
	struct err why = ERR_INIT;
	struct qmp *q = qmp_open(run_dir, 30 * NS_PER_S, &why);

	if (q == NULL)
		fail_msg("%s", why.msg);
	/* By device, not by node: above any filter a snapshot has put there, as the guest is. */
	char *line = mem_printf("qemu-io -d /machine/peripheral/disk%u/virtio-backend \"%s\"", disk, command);
	char *args = json_format("{'command-line':%s}", line);

	ok(qmp_do(q, "human-monitor-command", args, e));
	qmp_close(q);
	free(line);
	free(args);
	free(run_dir);
}

/* Runs a tool in directory cwd. */
#define tool(cwd, ...)                                                                                             \
	do {                                                                                                       \
		const char *const tool_argv[] = {__VA_ARGS__, NULL};                                               \
		ok(qemu_tool(tool_argv, cwd, NULL, e));                                                            \
	} while (0)

/* Content of a disk record as a worker would read it, as a raw file `name` in the test's folder. Caller frees. */
static inline char *disk_bytes(const struct fixture *f, const char *disk)
{
	char *run_dir = qemu_record_dir(&f->cloud, QEMU_RUN, "m");
	char *out = in_dir(f, "out.raw");
	struct qemu_disk d;
	struct qemu_snapshot s;
	struct buf b = BUF_INIT;

	ok(qemu_disk_load(&f->cloud, disk, &d, e));
	if (d.image.file[0] == '\0') {
		ok(qemu_snapshot_load(&f->cloud, d.snapshot, &s, e));
		char *image = json_format(
			"json:{'driver':'nbd','server':{'type':'unix','path':'nbd.sock'},'export':'s-%j'}", s.uid);

		tool(run_dir, "qemu-img", "convert", "-O", "raw", image, out);
		free(image);
	} else {
		char *file = qemu_cloud_resolve(&f->cloud, d.image.file);

		tool(NULL, "qemu-img", "convert", "-O", "raw", file, out);
		free(file);
	}
	ok(qemu_file_read(out, 64 << 20, &b, e));
	free(out);
	free(run_dir);
	return buf_take(&b);
}

static inline void assert_bytes(const char *data, size_t from, size_t to, int byte)
{
	for (size_t i = from; i < to; i++)
		if ((unsigned char)data[i] != byte)
			fail_msg("byte %zu is 0x%02x instead of 0x%02x", i, (unsigned char)data[i], byte);
}

/* Content of an image file of the machine. Caller frees. */
static inline char *file_bytes(const struct fixture *f, const char *name)
{
	char *path = in_dir(f, name);
	struct buf b = BUF_INIT;

	ok(qemu_file_read(path, 64 << 20, &b, e));
	free(path);
	return buf_take(&b);
}

static inline void two_snapshots(const struct fixture *f, const char *run, struct res_ref refs[2])
{
	struct machine m;
	char name[RES_NAME_SIZE];

	for (int i = 0; i < 2; i++) {
		snprintf(name, sizeof name, "s%d-%s", i, run);
		refs[i] = ref_of(RES_SNAPSHOT, name, run);
	}
	ok(f->p->ops->machine_get(f->p, "m", &m, e));
	ok(f->p->ops->snapshot_machine(f->p, &m, refs, 2, e));
	machine_fini(&m);
}

static inline struct res_ref clone_of(const struct fixture *f, const struct res_ref *snapshot, const char *name)
{
	struct res_ref clone = ref_of(RES_DISK, name, "r");
	struct disk_spec spec = {.from_snapshot = snapshot};

	ok(f->p->ops->disk_create(f->p, &spec, &clone, e));
	return clone;
}

static inline enum res_state state_of(const struct fixture *f, const struct res_ref *ref, struct err *why)
{
	enum res_state s = RES_PENDING;

	*why = (struct err)ERR_INIT;
	if (f->p->ops->poll(f->p, ref, &s, why) < 0)
		fail_msg("poll of %s: %s", ref->name, why->msg);
	return s;
}

static inline void take_away(const struct fixture *f, const struct res_ref *ref)
{
	struct err why;

	ok(f->p->ops->remove(f->p, ref, e));
	assert_int_equal(state_of(f, ref, &why), RES_ABSENT);
	ok(f->p->ops->remove(f->p, ref, e)); /* of what is absent is success */
}

static inline int skip_without_qemu(void)
{
	const char *const img[] = {"qemu-img", "--version", NULL};
	const char *const sys[] = {"qemu-system-x86_64", "--version", NULL};
	struct err e = ERR_INIT;

	if (qemu_tool(img, NULL, NULL, &e) == 0 && qemu_tool(sys, NULL, NULL, &e) == 0)
		return 0;
	printf("%s\n", e.msg);
	return 77;
}

#endif
