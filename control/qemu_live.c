// SPDX-License-Identifier: Apache-2.0
#include "qemu_live.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "qemu_bitmap.h"
#include "qemu_file.h"
#include "json_format.h"
#include "qemu_proc.h"

#define MONITOR_NS (30 * NS_PER_S)
#define SETTLE_NS  (60 * NS_PER_S)
#define LOOK_NS    (20 * NS_PER_MS)

bool qemu_live_alive(const struct qemu_cloud *c, const struct qemu_snapshot *s)
{
	cleanup(cleanup_free) char *run_dir = qemu_record_dir(c, QEMU_RUN, s->machine);
	struct qemu_proc now;

	return qemu_proc_alive(run_dir, &now) && now.pid == s->proc.pid && now.start == s->proc.start &&
	       strcmp(now.boot, s->proc.boot) == 0;
}

/* "/machine/peripheral/disk0/virtio-backend", or without what is behind the id. */
static bool names_device(const char *qdev, const char *id)
{
	const char *at = strstr(qdev, id);

	return at != NULL && (at[strlen(id)] == '/' || at[strlen(id)] == '\0');
}

int qemu_live_node(struct qmp *q, unsigned disk, char node[QEMU_NODE_SIZE], struct err *e)
{
	cleanup(qmp_doc_cleanup) struct yyjson_doc *doc = NULL;
	struct yyjson_val *list, *one;
	yyjson_arr_iter it;
	char part[32];

	snprintf(part, sizeof part, "/disk%u", disk);
	if (qmp_ask(q, "query-block", NULL, &doc, &list, e) < 0)
		return -1;
	yyjson_arr_iter_init(list, &it);
	while ((one = yyjson_arr_iter_next(&it)) != NULL) {
		const char *qdev = yyjson_get_str(yyjson_obj_get(one, "qdev"));
		const char *name = yyjson_get_str(yyjson_obj_get(yyjson_obj_get(one, "inserted"), "node-name"));

		if (qdev != NULL && name != NULL && names_device(qdev, part)) {
			snprintf(node, QEMU_NODE_SIZE, "%s", name);
			return 0;
		}
	}
	return err_set(e, ERR_NOT_FOUND, 0,
		       "the running QEMU has no device disk%u: its machine's record was changed while "
		       "it ran; stop and start the machine",
		       disk);
}

int qemu_live_file_node(struct qmp *q, const char *path, char node[QEMU_NODE_SIZE], struct err *e)
{
	cleanup(qmp_doc_cleanup) struct yyjson_doc *doc = NULL;
	struct yyjson_val *list, *one;
	yyjson_arr_iter it;

	node[0] = '\0';
	if (qmp_ask(q, "query-named-block-nodes", "{\"flat\":true}", &doc, &list, e) < 0)
		return -1;
	yyjson_arr_iter_init(list, &it);
	while ((one = yyjson_arr_iter_next(&it)) != NULL) {
		const char *driver = yyjson_get_str(yyjson_obj_get(one, "drv"));
		const char *file = yyjson_get_str(yyjson_obj_get(one, "file"));
		const char *name = yyjson_get_str(yyjson_obj_get(one, "node-name"));

		if (driver == NULL || file == NULL || name == NULL ||
		    (strcmp(driver, "raw") != 0 && strcmp(driver, "qcow2") != 0))
			continue;
		if (qemu_file_same(file, path))
			snprintf(node, QEMU_NODE_SIZE, "%s", name);
	}
	return 0;
}

int qemu_live_disk_node(const struct qemu_cloud *c, struct qmp *q, const struct qemu_machine *m, const char *disk,
			char node[QEMU_NODE_SIZE], struct err *e)
{
	int i = qemu_machine_disk_index(m, disk);
	cleanup(cleanup_free) char *path = i < 0 ? NULL : qemu_cloud_resolve(c, m->disks.at[i].image.file);

	if (path != NULL && qemu_live_file_node(q, path, node, e) < 0)
		return -1;
	if (path != NULL && node[0] != '\0')
		return 0;
	return err_set(e, ERR_NOT_FOUND, 0,
		       "the running QEMU of machine %s does not have its disk %s open: the machine's record "
		       "was changed while it ran; stop and start the machine",
		       m->name, disk);
}

static char *fleece_path(const struct qemu_cloud *c, const struct qemu_snapshot *s)
{
	return qemu_cloud_path(c, "snapshots/%s/fleece.qcow2", s->name);
}

/* It is scratch: whoever loses the host loses the snapshot with it, so nothing is flushed. */
static int add_fleece(const struct qemu_cloud *c, struct qmp *q, const struct qemu_snapshot *s, const char *node,
		      struct err *e)
{
	cleanup(cleanup_free) char *path = fleece_path(c, s);
	cleanup(cleanup_free) char *size = mem_printf("%" PRIu64, s->size);
	const char *const create[] = {"qemu-img", "create", "-q", "-f", "qcow2", path, size, NULL};

	if (qemu_tool(create, NULL, NULL, e) < 0)
		return -1;
	cleanup(cleanup_free) char *id = mem_printf("f-%s", s->uid);
	cleanup(cleanup_free) char *args =
		json_format("{'driver':'qcow2','node-name':%s,'discard':'unmap','cache':{'no-flush':true},"
			   "'file':{'driver':'file','filename':%s},'backing':%s}",
			   id, path, node);

	return qmp_do(q, "blockdev-add", args, e);
}

static int take_instant(struct qmp *q, struct qemu_snapshot *set, char (*nodes)[QEMU_NODE_SIZE], unsigned n,
			struct err *e)
{
	cleanup(buf_fini) struct buf b = BUF_INIT;

	buf_adds(&b, "{\"actions\":[");
	for (unsigned i = 0; i < n; i++) {
		cleanup(cleanup_free) char *bitmap = qemu_bitmap_name(&set[i]);
		cleanup(cleanup_free) char *job = mem_printf("j-%s", set[i].uid);
		cleanup(cleanup_free) char *fleece = mem_printf("f-%s", set[i].uid);

		json_format_add(&b, i == 0 ? "" : ",");
		json_format_add(&b,
			      "{'type':'block-dirty-bitmap-add','data':{'node':%s,'name':%s}},"
			      "{'type':'blockdev-backup','data':{'job-id':%s,'device':%s,'target':%s,'sync':'none'}"
			      "}",
			      nodes[i], bitmap, job, nodes[i], fleece);
	}
	buf_adds(&b, "]}");
	return qmp_do(q, "transaction", buf_str(&b), e);
}

static int start_server(struct qmp *q, struct err *e)
{
	struct err why = ERR_INIT;

	/* A name without directory: QEMU runs in its run directory, and socket paths must be short. */
	if (qmp_do(q, "nbd-server-start", "{\"addr\":{\"type\":\"unix\",\"data\":{\"path\":\"nbd.sock\"}}}",
		   &why) == 0 ||
	    strstr(why.msg, "already running") != NULL)
		return 0;
	*e = why;
	return -1;
}

static int export_fleece(struct qmp *q, const struct qemu_snapshot *s, struct err *e)
{
	cleanup(cleanup_free) char *id = mem_printf("e-%s", s->uid);
	cleanup(cleanup_free) char *name = mem_printf("s-%s", s->uid);
	cleanup(cleanup_free) char *node = mem_printf("f-%s", s->uid);
	cleanup(cleanup_free) char *args =
		json_format("{'type':'nbd','id':%s,'node-name':%s,'name':%s,'writable':false}", id, node, name);

	return qmp_do(q, "block-export-add", args, e);
}

static int make_all(const struct qemu_cloud *c, const struct qemu_machine *m, struct qmp *q,
		    struct qemu_snapshot *set, char (*nodes)[QEMU_NODE_SIZE], unsigned n, struct err *e)
{
	for (unsigned i = 0; i < n; i++) {
		if (qemu_live_disk_node(c, q, m, set[i].disk, nodes[i], e) < 0 ||
		    qemu_bitmaps_prune(q, nodes[i], &set[i], e) < 0 || add_fleece(c, q, &set[i], nodes[i], e) < 0)
			return -1;
	}
	if (start_server(q, e) < 0 || take_instant(q, set, nodes, n, e) < 0)
		return -1;
	for (unsigned i = 0; i < n; i++) {
		if (export_fleece(q, &set[i], e) < 0)
			return -1;
		set[i].state = SNAPSHOT_READY;
		if (qemu_snapshot_save(c, &set[i], e) < 0)
			return -1;
	}
	return 0;
}

struct other {
	const struct qemu_cloud *c;
	const char *machine;
	struct qemu_snapshot found;
};

static int is_other(void *ctx, const struct qemu_snapshot *s)
{
	struct other *o = ctx;

	if (!s->live || s->state != SNAPSHOT_READY || strcmp(s->machine, o->machine) != 0 ||
	    !qemu_live_alive(o->c, s))
		return 0;
	o->found = *s;
	return 1;
}

/* QEMU copies before write for one snapshot of a disk at a time. */
static int refuse_second(const struct qemu_cloud *c, const char *machine, struct err *e)
{
	struct other o = {.c = c, .machine = machine};
	int rc = qemu_snapshots_each(c, is_other, &o, e);

	if (rc <= 0)
		return rc;
	return err_set(e, ERR_BUSY, 0,
		       "the running machine %s has a snapshot already, %s of job %s, run %s, and can have one at a "
		       "time: wait for that run to end, or clean up after it",
		       machine, o.found.name, o.found.tags.job, o.found.tags.run);
}

int qemu_live_snapshot(const struct qemu_cloud *c, const struct qemu_machine *m, struct qemu_snapshot *set,
		       unsigned n, struct err *e)
{
	cleanup(cleanup_free) char *run_dir = qemu_record_dir(c, QEMU_RUN, m->name);

	if (refuse_second(c, m->name, e) < 0)
		return -1;
	char(*nodes)[QEMU_NODE_SIZE] = mem_array(n, QEMU_NODE_SIZE);
	struct qmp *q = qmp_open(run_dir, MONITOR_NS, e);
	int rc = q == NULL ? -1 : make_all(c, m, q, set, nodes, n, e);

	qmp_close(q);
	free(nodes);
	if (rc == 0)
		return 0;
	for (unsigned i = 0; i < n; i++) {
		struct err ignored = ERR_INIT;

		set[i].state = SNAPSHOT_CREATING; /* so that its bitmap goes, too */
		qemu_live_undo(c, &set[i], &ignored);
	}
	return err_wrap(e, "snapshot of the running machine %s", m->name);
}

static int unless_absent(struct qmp *q, const char *command, const char *args, struct err *e)
{
	struct err why = ERR_INIT;

	if (qmp_do(q, command, args, &why) == 0 || why.kind == ERR_NOT_FOUND)
		return 0;
	*e = why;
	return -1;
}

/* Is there an element whose `key` is `id` in what `query` lists? count: how many there are at all. */
static int listed(struct qmp *q, const char *query, const char *key, const char *id, bool *there, size_t *count,
		  struct err *e)
{
	cleanup(qmp_doc_cleanup) struct yyjson_doc *doc = NULL;
	struct yyjson_val *list, *one;
	yyjson_arr_iter it;

	*there = false;
	if (qmp_ask(q, query, NULL, &doc, &list, e) < 0)
		return -1;
	*count = yyjson_arr_size(list);
	yyjson_arr_iter_init(list, &it);
	while ((one = yyjson_arr_iter_next(&it)) != NULL)
		*there |= yyjson_equals_str(yyjson_obj_get(one, key), id);
	return 0;
}

static int wait_unlisted(struct qmp *q, const char *query, const char *id, size_t *left, struct err *e)
{
	int64_t deadline = clock_mono_ns() + SETTLE_NS;
	bool there;

	for (;;) {
		if (listed(q, query, "id", id, &there, left, e) < 0)
			return -1;
		if (!there)
			return 0;
		if (clock_mono_ns() > deadline)
			return err_set(e, ERR_TIMEOUT, 0,
				       "QEMU does not let go of %s: somebody may still read the snapshot; "
				       "end the worker first, then clean up again",
				       id);
		clock_sleep_ns(LOOK_NS);
	}
}

/* A machine that ran out of room for its old blocks stands still; without the snapshot it needs none. */
static int go_on(struct qmp *q, struct err *e)
{
	cleanup(qmp_doc_cleanup) struct yyjson_doc *doc = NULL;
	struct yyjson_val *status;

	if (qmp_ask(q, "query-status", NULL, &doc, &status, e) < 0)
		return -1;
	if (yyjson_equals_str(yyjson_obj_get(status, "status"), "io-error"))
		return qmp_do(q, "cont", NULL, e);
	return 0;
}

static int take_apart(const struct qemu_cloud *c, struct qmp *q, const struct qemu_snapshot *s, struct err *e)
{
	cleanup(cleanup_free) char *export = mem_printf("e-%s", s->uid);
	cleanup(cleanup_free) char *job = mem_printf("j-%s", s->uid);
	cleanup(cleanup_free) char *node = mem_printf("f-%s", s->uid);
	cleanup(cleanup_free) char *del_export = json_format("{'id':%s,'mode':'hard'}", export);
	cleanup(cleanup_free) char *del_job = json_format("{'id':%s}", job);
	cleanup(cleanup_free) char *del_node = json_format("{'node-name':%s}", node);
	size_t exports = 1, jobs;

	if (unless_absent(q, "block-export-del", del_export, e) < 0 ||
	    wait_unlisted(q, "query-block-exports", export, &exports, e) < 0 ||
	    unless_absent(q, "job-cancel", del_job, e) < 0 || wait_unlisted(q, "query-jobs", job, &jobs, e) < 0 ||
	    unless_absent(q, "blockdev-del", del_node, e) < 0)
		return -1;
	if (s->state == SNAPSHOT_CREATING && qemu_bitmap_drop(c, q, s, e) < 0)
		return -1;
	struct err ignored = ERR_INIT;

	if (exports == 0)
		qmp_do(q, "nbd-server-stop", NULL, &ignored);
	return go_on(q, e);
}

int qemu_live_undo(const struct qemu_cloud *c, const struct qemu_snapshot *s, struct err *e)
{
	cleanup(cleanup_free) char *run_dir = qemu_record_dir(c, QEMU_RUN, s->machine);
	cleanup(cleanup_free) char *fleece = fleece_path(c, s);

	if (qemu_live_alive(c, s)) {
		cleanup(qmp_cleanup) struct qmp *q = qmp_open(run_dir, MONITOR_NS, e);

		/* It may end at any moment; then there is nothing left to take apart. */
		if ((q == NULL || take_apart(c, q, s, e) < 0) && qemu_live_alive(c, s))
			return err_wrap(e, "removing snapshot %s", s->name);
	}
	return qemu_file_unlink(fleece, e);
}
