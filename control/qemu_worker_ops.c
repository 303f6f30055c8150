// SPDX-License-Identifier: Apache-2.0
/* What happens to a worker after it was started. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "qemu_args.h"
#include "qemu_disk.h"
#include "qemu_file.h"
#include "json_format.h"
#include "qemu_proc.h"
#include "qemu_worker.h"
#include "qemu_worker_plug.h"
#include "qmp.h"

#define MONITOR_NS   (10 * NS_PER_S)
#define UNPLUG_NS    (30 * NS_PER_S)
#define CONSOLE_MAX  ((size_t)16 << 20)
#define LITTLE_SPACE (UINT64_C(64) << 20)

static int find_disk(const struct qemu_worker *w, const char *disk)
{
	for (unsigned i = 0; i < w->disk_count; i++)
		if (strcmp(w->disks[i].disk, disk) == 0)
			return (int)i;
	return -1;
}

static int free_port(const struct qemu_worker *w)
{
	for (int port = 0; port < QEMU_WORKER_PORTS; port++) {
		bool used = false;

		for (unsigned i = 0; i < w->disk_count; i++)
			used |= w->disks[i].port == port;
		if (!used)
			return port;
	}
	return -1;
}

static int plug(struct qmp *q, const char *node_json, const char *id, const struct qemu_worker_disk *d,
		uint32_t sector, struct err *e)
{
	cleanup(cleanup_free) char *bus = mem_printf("rp%d", d->port);
	struct qemu_device dev = {.id = id,
				  .node = id,
				  .serial = d->serial,
				  .bus = bus,
				  .iothread = "io0",
				  .logical_sector = sector,
				  .bootindex = -1,
				  .report = true};
	cleanup(cleanup_free) char *device = qemu_device_json(&dev);
	cleanup(cleanup_free) char *del = json_format("{'node-name':%s}", id);
	struct err ignored = ERR_INIT;

	if (qmp_do(q, "blockdev-add", node_json, e) < 0)
		return -1;
	if (qmp_do(q, "device_add", device, e) == 0)
		return 0;
	qmp_do(q, "blockdev-del", del, &ignored);
	return -1;
}

int qemu_worker_plug(const struct qemu_cloud *c, struct qemu_worker *w, struct worker_disk *disk, struct err *e)
{
	cleanup(cleanup_free) char *run_dir = qemu_record_dir(c, QEMU_RUN, w->name);
	struct qemu_worker_disk *d = &w->disks[w->disk_count];
	char user[RES_NAME_SIZE + 16], id[16];
	struct qemu_disk record;

	if (find_disk(w, disk->disk->name) >= 0) {
		qemu_worker_serial(disk->disk->name, disk->serial);
		return 0;
	}
	int port = free_port(w);

	if (port < 0 || w->disk_count == QEMU_WORKER_DISKS)
		return err_set(e, ERR_UNSUPPORTED, 0,
			       "worker %s has no free place for another disk: %d can be plugged in", w->name,
			       QEMU_WORKER_PORTS);
	if (qemu_disk_usable(c, disk->disk, &record, e) < 0)
		return -1;
	if (!disk->read_only && qemu_disk_user(c, record.name, user))
		return err_set(e, ERR_BUSY, 0, "disk %s is in use by %s", record.name, user);
	if (!disk->read_only && qemu_disk_flush(c, &record, e) < 0)
		return -1;
	*d = (struct qemu_worker_disk){.read_only = disk->read_only, .port = port};
	snprintf(d->disk, sizeof d->disk, "%s", record.name);
	qemu_worker_serial(record.name, d->serial);
	snprintf(disk->serial, sizeof disk->serial, "%s", d->serial);
	snprintf(id, sizeof id, "h%d", port);
	cleanup(cleanup_free) char *node = qemu_disk_node(c, &record, id, disk->read_only, e);
	cleanup(qmp_cleanup) struct qmp *q = node == NULL ? NULL : qmp_open(run_dir, MONITOR_NS, e);

	if (q == NULL)
		return -1;
	/* Record before deed: what may be in use counts as in use. */
	w->disk_count++;
	if (qemu_worker_save(c, w, e) == 0 && plug(q, node, id, d, record.logical_sector, e) == 0)
		return 0;
	w->disk_count--;
	struct err ignored = ERR_INIT;

	qemu_worker_save(c, w, &ignored);
	return err_wrap(e, "attaching disk %s to worker %s", record.name, w->name);
}

static int load_live(const struct qemu_cloud *c, const struct res_ref *ref, struct qemu_worker *w, struct err *e)
{
	cleanup(cleanup_free) char *run_dir = qemu_record_dir(c, QEMU_RUN, ref->name);

	if (qemu_worker_load(c, ref->name, w, e) < 0)
		return -1;
	if (!qemu_id_matches(ref, w->uid) || !qemu_proc_alive(run_dir, NULL))
		return err_set(e, ERR_NOT_FOUND, 0, "worker %s has ended: see %s/serial.log", ref->name, run_dir);
	return 0;
}

int qemu_worker_attach(const struct qemu_cloud *c, const struct res_ref *ref, struct worker_disk *disk,
		       struct err *e)
{
	cleanup(cleanup_fd) int lock = qemu_cloud_lock(c, "attaching a disk", e);
	struct qemu_worker w;

	return lock < 0 || load_live(c, ref, &w, e) < 0 ? -1 : qemu_worker_plug(c, &w, disk, e);
}

/* The guest must agree; one that boots or hangs does not answer, hence the time limit. */
static int unplug(struct qmp *q, const char *id, struct err *e)
{
	cleanup(cleanup_free) char *device = json_format("{'id':%s}", id);
	cleanup(cleanup_free) char *node = json_format("{'node-name':%s}", id);
	struct err why = ERR_INIT;

	if (qmp_do(q, "device_del", device, &why) == 0) {
		if (!qmp_wait_event(q, "DEVICE_DELETED", "device", id, UNPLUG_NS))
			return err_set(e, ERR_TIMEOUT, 0, "the guest does not let go of the disk: has it booted?");
	} else if (why.kind != ERR_NOT_FOUND) {
		*e = why;
		return -1;
	}
	why = (struct err)ERR_INIT;
	if (qmp_do(q, "blockdev-del", node, &why) == 0 || why.kind == ERR_NOT_FOUND)
		return 0;
	*e = why;
	return -1;
}

int qemu_worker_detach(const struct qemu_cloud *c, const struct res_ref *ref, const struct res_ref *disk,
		       struct err *e)
{
	cleanup(cleanup_fd) int lock = qemu_cloud_lock(c, "detaching a disk", e);
	cleanup(cleanup_free) char *run_dir = qemu_record_dir(c, QEMU_RUN, ref->name);
	struct err why = ERR_INIT;
	struct qemu_worker w;
	char id[16];

	if (lock < 0)
		return -1;
	if (load_live(c, ref, &w, &why) < 0) {
		if (why.kind == ERR_NOT_FOUND)
			return 0;
		*e = why;
		return -1;
	}
	int i = find_disk(&w, disk->name);

	if (i < 0)
		return 0;
	if (w.disks[i].port < 0)
		return err_set(e, ERR_UNSUPPORTED, 0,
			       "disk %s was there when worker %s was started and goes with it: remove the "
			       "worker",
			       disk->name, w.name);
	snprintf(id, sizeof id, "h%d", w.disks[i].port);
	cleanup(qmp_cleanup) struct qmp *q = qmp_open(run_dir, MONITOR_NS, e);

	if (q == NULL || unplug(q, id, e) < 0)
		return err_wrap(e, "detaching disk %s from worker %s", disk->name, w.name);
	w.disks[i] = w.disks[--w.disk_count];
	return qemu_worker_save(c, &w, e);
}

/* Sum of the write errors QEMU has counted. The guest sees only "I/O error"; whether the cloud's file system was full
 * can be told from here. */
static uint64_t write_errors(const char *run_dir)
{
	struct err ignored = ERR_INIT;
	cleanup(qmp_doc_cleanup) struct yyjson_doc *doc = NULL;
	cleanup(qmp_cleanup) struct qmp *q = qmp_open(run_dir, MONITOR_NS, &ignored);
	struct yyjson_val *list, *one;
	yyjson_arr_iter it;
	uint64_t sum = 0;

	if (q == NULL || qmp_ask(q, "query-blockstats", NULL, &doc, &list, &ignored) < 0)
		return 0;
	yyjson_arr_iter_init(list, &it);
	while ((one = yyjson_arr_iter_next(&it)) != NULL) {
		struct yyjson_val *stats = yyjson_obj_get(one, "stats");

		sum += yyjson_get_uint(yyjson_obj_get(stats, "failed_wr_operations")) +
		       yyjson_get_uint(yyjson_obj_get(stats, "failed_flush_operations"));
	}
	return sum;
}

static int poll_disks(const struct qemu_cloud *c, const struct qemu_worker *w, const char *run_dir,
		      enum res_state *state, struct err *e)
{
	struct err ignored = ERR_INIT;
	bool writes = false;
	uint64_t space = UINT64_MAX;

	for (unsigned i = 0; i < w->disk_count; i++)
		writes |= !w->disks[i].read_only;
	if (!writes || write_errors(run_dir) == 0)
		return 0;
	qemu_file_free_space(c->dir, &space, &ignored);
	*state = RES_FAILED;
	if (space < LITTLE_SPACE)
		err_set(e, ERR_NO_SPACE, 0,
			"the file system of the qemu cloud %s is full, so worker %s could not write its disks: "
			"free space there, then run again",
			c->dir, w->name);
	else
		err_set(e, ERR_IO, 0,
			"worker %s got write errors from its disks in %s: look at that file system and at the "
			"kernel's log, then run again",
			w->name, c->dir);
	return 0;
}

int qemu_worker_poll(const struct qemu_cloud *c, const struct res_ref *ref, enum res_state *state, struct err *e)
{
	cleanup(cleanup_free) char *run_dir = qemu_record_dir(c, QEMU_RUN, ref->name);
	cleanup(cleanup_free) char *serial = mem_printf("%s/serial.log", run_dir);
	cleanup(cleanup_free) char *log = mem_printf("%s/qemu.log", run_dir);
	struct err why = ERR_INIT;
	struct qemu_worker w;
	char said[200], words[160];

	*state = RES_ABSENT;
	if (qemu_worker_load(c, ref->name, &w, &why) < 0) {
		if (why.kind == ERR_NOT_FOUND)
			return 0;
		*e = why;
		return -1;
	}
	if (!qemu_id_matches(ref, w.uid))
		return 0;
	*state = RES_READY;
	if (w.ready && qemu_proc_alive(run_dir, NULL))
		return poll_disks(c, &w, run_dir, state, e);
	*state = RES_FAILED;
	qemu_tail(serial, said, sizeof said);
	qemu_tail(log, words, sizeof words);
	err_set(e, ERR_NOT_FOUND, 0, "worker %s %s; its console ends: %s%s%s", w.name,
		w.ready ? "has powered itself off or was killed" : "did not start",
		said[0] != '\0' ? said : "(nothing)", words[0] != '\0' ? "; QEMU said: " : "", words);
	return 0;
}

int qemu_worker_remove(const struct qemu_cloud *c, const struct res_ref *ref, struct err *e)
{
	cleanup(cleanup_fd) int lock = qemu_cloud_lock(c, "removing a worker", e);
	cleanup(cleanup_free) char *run_dir = qemu_record_dir(c, QEMU_RUN, ref->name);
	struct err why = ERR_INIT;
	struct qemu_worker w;

	if (lock < 0 || qemu_cloud_sweep(c, e) < 0)
		return -1;
	if (qemu_worker_load(c, ref->name, &w, &why) < 0) {
		if (why.kind == ERR_NOT_FOUND)
			return 0;
		*e = why;
		return -1;
	}
	if (!qemu_id_matches(ref, w.uid))
		return 0;
	return qemu_proc_end(run_dir, e) < 0 ? -1 : qemu_record_retire(c, QEMU_RUN, w.name, e);
}

int qemu_worker_console(const struct qemu_cloud *c, const struct res_ref *ref, struct buf *out, struct err *e)
{
	cleanup(cleanup_free) char *path = qemu_cloud_path(c, "run/%s/serial.log", ref->name);
	struct err why = ERR_INIT;

	if (qemu_name_check(ref->name, e) < 0)
		return -1;
	/* QEMU makes the file as it starts. */
	if (qemu_file_read(path, CONSOLE_MAX, out, &why) == 0 || why.kind == ERR_NOT_FOUND)
		return 0;
	*e = why;
	return -1;
}

int qemu_worker_endpoint(const struct qemu_cloud *c, const struct res_ref *ref, uint16_t port, struct endpoint *out,
			 struct err *e)
{
	struct qemu_worker w;

	if (qemu_worker_load(c, ref->name, &w, e) < 0)
		return -1;
	if (port != w.guest_port)
		return err_set(e, ERR_UNSUPPORTED, 0,
			       "port %u of worker %s is not forwarded to this host, only port %u is", port, w.name,
			       w.guest_port);
	*out = (struct endpoint){.reach = REACH_LOOPBACK, .host = "127.0.0.1", .port = w.host_port};
	return 0;
}
