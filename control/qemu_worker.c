// SPDX-License-Identifier: Apache-2.0
#include "qemu_worker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "qemu_args.h"
#include "qemu_chain.h"
#include "qemu_disk.h"
#include "qemu_file.h"
#include "json_format.h"
#include "qemu_proc.h"
#include "qemu_worker_plug.h"

#define MONITOR_NS (30 * NS_PER_S)
#define PORT_TRIES 20

/* FNV-1a; a name is at most 79 characters, a virtio-blk serial 20. */
void qemu_worker_serial(const char *disk, char out[24])
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *disk != '\0'; disk++)
		h = (h ^ (unsigned char)*disk) * UINT64_C(0x100000001b3);
	snprintf(out, 24, "w-%016" PRIx64, h);
}

/* A port nobody listens on at this moment. Somebody may before QEMU does: then QEMU fails and another is tried. */
static int free_port(uint16_t *port, struct err *e)
{
	cleanup(cleanup_fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		return err_set(e, err_kind_of_errno(errno), errno,
			       "cannot find a free port on 127.0.0.1 for a worker");
	*port = ntohs(a.sin_port);
	return 0;
}

/* The kernel's boot-time test of the timer counts loops, and under emulation on a busy host too few ticks come while it
 * does; with a hypervisor it knows, it leaves the test out by itself. */
#define TCG_APPEND " no_timer_check"

struct launch {
	const struct qemu_cloud *c;
	const struct qemu_options *o;
	const struct qemu_boot_image *image;
	enum qemu_accel accel;
	struct qemu_worker *w;
	const char *run_dir;
	char *nodes[QEMU_WORKER_DISKS]; /* -blockdev of the disks that are there from the start; owned */
	uint32_t sectors[QEMU_WORKER_DISKS];
};

static void launch_fini(struct launch *l)
{
	for (unsigned i = 0; i < QEMU_WORKER_DISKS; i++)
		free(l->nodes[i]);
}

static void add_boot(const struct launch *l, struct qemu_args *a)
{
	const struct qemu_image boot = {.format = QEMU_QCOW2, .file = "boot.qcow2"};

	if (!l->image->disk) {
		qemu_args_add(a, "-kernel");
		qemu_args_add(a, l->image->kernel);
		qemu_args_add(a, "-initrd");
		qemu_args_add(a, l->image->initrd);
		qemu_args_take(a, "-append", mem_printf("%s%s", l->image->append,
							l->accel == QEMU_TCG ? TCG_APPEND : ""));
		return;
	}
	struct qemu_device dev = {.id = "boot",
				  .node = "boot0",
				  .serial = "wherry-boot",
				  .index = -1,
				  .logical_sector = 512,
				  .bootindex = 0,
				  .report = true};
	struct qemu_cloud here = {.dir = (char *)(uintptr_t)l->run_dir};

	qemu_args_take(a, "-blockdev", qemu_node_image(&here, &boot, "boot0", false));
	qemu_args_take(a, "-device", qemu_device_json(&dev));
}

static void add_disks(const struct launch *l, struct qemu_args *a)
{
	for (unsigned i = 0; i < l->w->disk_count; i++) {
		char node[16], id[16];

		if (l->nodes[i] == NULL)
			continue;
		snprintf(node, sizeof node, "d%u", i);
		snprintf(id, sizeof id, "disk%u", i);
		struct qemu_device dev = {.id = id,
					  .node = node,
					  .serial = l->w->disks[i].serial,
					  .iothread = "io0",
					  .index = (int)i,
					  .logical_sector = l->sectors[i],
					  .bootindex = -1,
					  .report = true};

		qemu_args_add(a, "-blockdev");
		qemu_args_add(a, l->nodes[i]);
		qemu_args_take(a, "-device", qemu_device_json(&dev));
	}
}

static void build_args(const struct launch *l, struct qemu_args *a)
{
	qemu_args_base(a, l->w->name, l->run_dir, l->accel, l->o->memory_mib, l->o->vcpus, false);
	qemu_args_add(a, "-no-reboot");
	qemu_args_add(a, "-object");
	qemu_args_add(a, "iothread,id=io0");
	qemu_args_add(a, "-netdev");
	qemu_args_addf(a, "user,id=net0,hostfwd=tcp:127.0.0.1:%u-:%u", l->w->host_port, l->w->guest_port);
	qemu_args_add(a, "-device");
	qemu_args_add(a, "virtio-net-pci,netdev=net0,romfile=");
	qemu_args_add(a, "-fw_cfg");
	qemu_args_add(a, "name=opt/wherry/bootdata,file=bootdata.json");
	/* q35 hot-plugs only behind root ports, which must be there from the start; eight functions take one slot. */
	for (int i = 0; i < QEMU_WORKER_PORTS; i++) {
		qemu_args_add(a, "-device");
		qemu_args_addf(a, "pcie-root-port,id=rp%d,chassis=%d,addr=1e.%d%s", i, i + 1, i,
			       i == 0 ? ",multifunction=on" : "");
	}
	add_boot(l, a);
	add_disks(l, a);
}

static int try_port(const struct launch *l, struct err *e)
{
	cleanup(qemu_args_fini) struct qemu_args a = {0};
	struct err ignored = ERR_INIT;

	if (free_port(&l->w->host_port, e) < 0 || qemu_worker_save(l->c, l->w, e) < 0)
		return -1;
	build_args(l, &a);
	if (qemu_proc_start(qemu_args_argv(&a), l->run_dir, e) == 0 &&
	    qemu_proc_wait_monitor(l->run_dir, MONITOR_NS, e) == 0)
		return 0;
	qemu_proc_end(l->run_dir, &ignored);
	return -1;
}

static int start(const struct launch *l, struct err *e)
{
	for (int i = 0; i < PORT_TRIES; i++) {
		struct err why = ERR_INIT;

		if (try_port(l, &why) == 0)
			return 0;
		*e = why;
		if (strstr(why.msg, "host forwarding") == NULL)
			return -1;
	}
	return err_wrap(e, "no port of 127.0.0.1 was free in %d tries (end programs that listen there, `ss -ltn` lists them)",
			PORT_TRIES);
}

static int prepare_disk(struct launch *l, struct worker_disk *wd, bool later, struct err *e)
{
	unsigned i = l->w->disk_count;
	struct qemu_worker_disk *d = &l->w->disks[i];
	char user[RES_NAME_SIZE + 16], node[16];
	struct qemu_disk record;

	qemu_worker_serial(wd->disk->name, d->serial);
	snprintf(wd->serial, sizeof wd->serial, "%s", d->serial);
	if (later)
		return 0;
	snprintf(node, sizeof node, "d%u", i);
	snprintf(d->disk, sizeof d->disk, "%s", wd->disk->name);
	d->read_only = wd->read_only;
	d->port = -1;
	if (qemu_disk_usable(l->c, wd->disk, &record, e) < 0)
		return -1;
	if (!wd->read_only && qemu_disk_user(l->c, record.name, user))
		return err_set(e, ERR_BUSY, 0, "disk %s is in use by %s", record.name, user);
	/* Nobody writes it now, so this is short, after flush_before(). */
	if (!wd->read_only && qemu_disk_flush(l->c, &record, e) < 0)
		return -1;
	l->nodes[i] = qemu_disk_node(l->c, &record, node, wd->read_only, e);
	l->sectors[i] = record.logical_sector;
	l->w->disk_count++;
	return l->nodes[i] == NULL ? -1 : 0;
}

/* Disks, bootstrap data, and for a disk image a scratch layer, so that the image itself stays as it is. */
static int prepare(struct launch *l, struct worker_spec *spec, struct err *e)
{
	cleanup(cleanup_free) char *bootdata = mem_printf("%s/bootdata.json", l->run_dir);
	cleanup(cleanup_free) char *boot = mem_printf("%s/boot.qcow2", l->run_dir);

	if (spec->disk_count > QEMU_WORKER_DISKS)
		return err_set(e, ERR_UNSUPPORTED, 0,
			       "a worker of the qemu provider takes at most %d disks, not %u", QEMU_WORKER_DISKS,
			       spec->disk_count);
	for (unsigned i = 0; i < spec->disk_count; i++)
		if (prepare_disk(l, &spec->disks[i], spec->disks[i].hotplug || l->o->hotplug, e) < 0)
			return -1;
	if (l->image->disk && qemu_chain_overlay(l->image->image.file, l->image->image.format, boot, 0, e) < 0)
		return -1;
	return qemu_file_write(bootdata, spec->bootdata, strlen(spec->bootdata), 0644, e);
}

/* "hotplug" of the provider block: disks that the core did not want to attach later itself. */
static int plug_rest(const struct launch *l, struct worker_spec *spec, struct err *e)
{
	for (unsigned i = 0; l->o->hotplug && i < spec->disk_count; i++)
		if (!spec->disks[i].hotplug && qemu_worker_plug(l->c, l->w, &spec->disks[i], e) < 0)
			return -1;
	return 0;
}

static int launch(struct launch *l, struct worker_spec *spec, struct err *e)
{
	if (prepare(l, spec, e) < 0 || start(l, e) < 0 || plug_rest(l, spec, e) < 0)
		return -1;
	l->w->ready = true;
	return qemu_worker_save(l->c, l->w, e);
}

/* 1: there and ours, answer as an earlier call did; 0: make it; -1. What is ours but half-made is taken away first. */
static int adopt(const struct qemu_cloud *c, struct worker_spec *spec, struct res_ref *ref, struct err *e)
{
	cleanup(cleanup_free) char *run_dir = qemu_record_dir(c, QEMU_RUN, ref->name);
	struct err why = ERR_INIT;
	struct qemu_worker w;

	if (qemu_record_exists(c, QEMU_MACHINES, ref->name))
		return err_set(e, ERR_BUSY, 0, "%s is the name of a machine in the qemu cloud %s", ref->name,
			       c->dir);
	if (qemu_worker_load(c, ref->name, &w, &why) < 0) {
		if (why.kind == ERR_NOT_FOUND)
			return qemu_file_remove_tree(run_dir, e);
		*e = why;
		return -1;
	}
	if (!qemu_tags_same(&w.tags, &ref->tags))
		return err_set(e, ERR_BUSY, 0, "there is another worker %s in the qemu cloud %s, of job %s, run %s",
			       w.name, c->dir, w.tags.job, w.tags.run);
	if (!w.ready)
		return qemu_proc_end(run_dir, e) < 0 || qemu_record_retire(c, QEMU_RUN, w.name, e) < 0 ? -1 : 0;
	for (unsigned i = 0; i < spec->disk_count; i++)
		qemu_worker_serial(spec->disks[i].disk->name, spec->disks[i].serial);
	qemu_ref_id(ref, w.uid);
	return 1;
}

static int make(const struct qemu_cloud *c, const struct qemu_options *o, struct worker_spec *spec,
		struct res_ref *ref, const struct qemu_boot_image *image, enum qemu_accel accel, struct err *e)
{
	cleanup(cleanup_free) char *run_dir = qemu_record_dir(c, QEMU_RUN, ref->name);
	struct qemu_worker w = {.tags = ref->tags, .guest_port = spec->port};
	cleanup(launch_fini) struct launch l = {
		.c = c, .o = o, .image = image, .accel = accel, .w = &w, .run_dir = run_dir};

	snprintf(w.name, sizeof w.name, "%s", ref->name);
	qemu_uid_make(w.uid);
	cleanup(cleanup_free) char *json = qemu_worker_json(&w);

	if (qemu_record_publish(c, QEMU_RUN, w.name, json, e) < 0)
		return -1;
	if (launch(&l, spec, e) == 0) {
		qemu_ref_id(ref, w.uid);
		return 0;
	}
	struct err ignored = ERR_INIT;

	if (qemu_proc_end(run_dir, &ignored) == 0)
		qemu_record_retire(c, QEMU_RUN, w.name, &ignored);
	return err_wrap(e, "starting worker %s", w.name);
}

/* Much may wait to be written, which takes minutes: not with the cloud locked. */
static int flush_before(const struct qemu_cloud *c, const struct worker_spec *spec, struct err *e)
{
	for (unsigned i = 0; i < spec->disk_count; i++) {
		const struct worker_disk *wd = &spec->disks[i];
		struct err told_later = ERR_INIT;
		char user[RES_NAME_SIZE + 16];
		struct qemu_disk record;

		if (wd->read_only || qemu_disk_usable(c, wd->disk, &record, &told_later) < 0 ||
		    qemu_disk_user(c, record.name, user))
			continue;
		if (qemu_disk_flush(c, &record, e) < 0)
			return -1;
	}
	return 0;
}

int qemu_worker_create(const struct qemu_cloud *c, const struct qemu_options *o, struct worker_spec *spec,
		       struct res_ref *ref, const struct log *log, struct err *e)
{
	struct qemu_boot_image image;
	char why[160];

	if (qemu_boot_image_find(o, &image, e) < 0 || flush_before(c, spec, e) < 0)
		return -1;
	/* Before the lock: a probe takes seconds. */
	enum qemu_accel accel = qemu_accel_choose(o->accel, image.kernel, why);
	cleanup(cleanup_fd) int lock = qemu_cloud_lock(c, "starting a worker", e);

	if (lock < 0 || qemu_name_check(ref->name, e) < 0 || qemu_cloud_sweep(c, e) < 0)
		return -1;
	int there = adopt(c, spec, ref, e);

	if (there != 0)
		return there < 0 ? -1 : 0;
	log_debug(log, "worker %s runs with %s", ref->name, why);
	return make(c, o, spec, ref, &image, accel, e);
}
