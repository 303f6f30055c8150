// SPDX-License-Identifier: Apache-2.0
#include "qemu_bitmap.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "json_format.h"
#include "qemu_live.h"
#include "qemu_proc.h"

#define MONITOR_NS (30 * NS_PER_S)
#define KEEP       4 /* runs that fail in a row after a good one before its hints are lost */

static char *prefix_of(const struct qemu_snapshot *s)
{
	return mem_printf("wherry.%s.%s.", s->tags.owner, s->tags.job);
}

char *qemu_bitmap_name(const struct qemu_snapshot *s)
{
	return mem_printf("wherry.%s.%s.%" PRIu64 ".%s", s->tags.owner, s->tags.job, s->tags.epoch, s->uid);
}

/* The "dirty-bitmaps" of a node within an answer to query-named-block-nodes; NULL: it has none. */
static struct yyjson_val *bitmaps_of(struct yyjson_val *nodes, const char *node)
{
	struct yyjson_val *one;
	yyjson_arr_iter it;

	yyjson_arr_iter_init(nodes, &it);
	while ((one = yyjson_arr_iter_next(&it)) != NULL)
		if (yyjson_equals_str(yyjson_obj_get(one, "node-name"), node))
			return yyjson_obj_get(one, "dirty-bitmaps");
	return NULL;
}

static int drop(struct qmp *q, const char *node, const char *bitmap, struct err *e)
{
	cleanup(cleanup_free) char *args = json_format("{'node':%s,'name':%s}", node, bitmap);
	struct err why = ERR_INIT;

	if (qmp_do(q, "block-dirty-bitmap-remove", args, &why) == 0 || why.kind == ERR_NOT_FOUND)
		return 0;
	*e = why;
	return -1;
}

/* The oldest bitmap of ours when there are too many, else NULL. Borrowed from the answer. */
static const char *oldest_surplus(struct yyjson_val *bitmaps, const char *prefix)
{
	struct yyjson_val *one;
	yyjson_arr_iter it;
	const char *oldest = NULL;
	unsigned long long lowest = 0;
	unsigned count = 0;

	yyjson_arr_iter_init(bitmaps, &it);
	while ((one = yyjson_arr_iter_next(&it)) != NULL) {
		const char *name = yyjson_get_str(yyjson_obj_get(one, "name"));

		if (name == NULL || strncmp(name, prefix, strlen(prefix)) != 0)
			continue;
		unsigned long long epoch = strtoull(name + strlen(prefix), NULL, 10);

		count++;
		if (oldest == NULL || epoch < lowest) {
			oldest = name;
			lowest = epoch;
		}
	}
	return count >= KEEP ? oldest : NULL;
}

int qemu_bitmaps_prune(struct qmp *q, const char *node, const struct qemu_snapshot *s, struct err *e)
{
	cleanup(cleanup_free) char *prefix = prefix_of(s);

	for (;;) {
		cleanup(qmp_doc_cleanup) struct yyjson_doc *doc = NULL;
		struct yyjson_val *nodes;

		if (qmp_ask(q, "query-named-block-nodes", "{\"flat\":true}", &doc, &nodes, e) < 0)
			return -1;
		const char *name = oldest_surplus(bitmaps_of(nodes, node), prefix);

		if (name == NULL)
			return 0;
		if (drop(q, node, name, e) < 0)
			return -1;
	}
}

int qemu_bitmap_drop(const struct qemu_cloud *c, struct qmp *q, const struct qemu_snapshot *s, struct err *e)
{
	cleanup(cleanup_free) char *name = qemu_bitmap_name(s);
	cleanup(qemu_machine_fini) struct qemu_machine m = {0};
	char node[QEMU_NODE_SIZE];

	struct err why = ERR_INIT;

	if (qemu_machine_load(c, s->machine, &m, &why) == 0 &&
	    qemu_live_disk_node(c, q, &m, s->disk, node, &why) == 0)
		return drop(q, node, name, e);
	if (why.kind == ERR_NOT_FOUND)
		return 0;
	*e = why;
	return -1;
}

/* Full name of the bitmap that began with the snapshot of this uid. */
static int find_bitmap(struct qmp *q, const char *node, const char *uid, char *out, size_t size, struct err *e)
{
	cleanup(qmp_doc_cleanup) struct yyjson_doc *doc = NULL;
	struct yyjson_val *nodes, *one;
	yyjson_arr_iter it;

	if (qmp_ask(q, "query-named-block-nodes", "{\"flat\":true}", &doc, &nodes, e) < 0)
		return -1;
	yyjson_arr_iter_init(bitmaps_of(nodes, node), &it);
	while ((one = yyjson_arr_iter_next(&it)) != NULL) {
		const char *name = yyjson_get_str(yyjson_obj_get(one, "name"));
		const char *dot = name != NULL ? strrchr(name, '.') : NULL;

		if (dot != NULL && strncmp(name, "wherry.", 7) == 0 && strcmp(dot + 1, uid) == 0 &&
		    !yyjson_get_bool(yyjson_obj_get(one, "inconsistent"))) {
			snprintf(out, size, "%s", name);
			return 0;
		}
	}
	return err_set(e, ERR_UNSUPPORTED, 0,
		       "the machine has no record of changes since that snapshot: it was restarted "
		       "since, or the record was pruned; the whole disk is read");
}

/* A bitmap must not record while it is exported, so a still copy of it is. */
static int still_copy(struct qmp *q, const char *node, const char *from, const char *to, struct err *e)
{
	cleanup(cleanup_free) char *args = json_format(
		"{'actions':[{'type':'block-dirty-bitmap-add','data':{'node':%s,'name':%s,'disabled':true}},"
		"{'type':'block-dirty-bitmap-merge','data':{'node':%s,'target':%s,'bitmaps':[%s]}}]}",
		node, to, node, to, from);

	return qmp_do(q, "transaction", args, e);
}

static int export_bitmap(struct qmp *q, const char *node, const char *bitmap, struct err *e)
{
	cleanup(cleanup_free) char *args = json_format("{'type':'nbd','id':'wherry-hints','node-name':%s,'name':'"
						      "wherry-hints','writable':false,"
						      "'bitmaps':[%s]}",
						      node, bitmap);
	struct err why = ERR_INIT;

	if (qmp_do(q, "nbd-server-start", "{\"addr\":{\"type\":\"unix\",\"data\":{\"path\":\"nbd.sock\"}}}", &why) <
		    0 &&
	    strstr(why.msg, "already running") == NULL) {
		*e = why;
		return -1;
	}
	return qmp_do(q, "block-export-add", args, e);
}

/* With x-dirty-bitmap, qemu-img map shows dirty parts as "data":false (qemu: NBD's meta context takes the place of
 * the allocation state). Neighbours are joined. */
static int parse_map(const struct buf *json, struct byte_range **out, size_t *count, struct err *e)
{
	yyjson_doc *doc = yyjson_read(buf_str(json), json->len, YYJSON_READ_NOFLAG);
	VEC(struct byte_range) list = {0};
	yyjson_arr_iter it;
	yyjson_val *one;

	if (!yyjson_is_arr(yyjson_doc_get_root(doc))) {
		yyjson_doc_free(doc);
		return err_set(e, ERR_PROTOCOL, 0,
			       "qemu-img map did not answer with a list of ranges: is it older than 7.0?");
	}
	yyjson_arr_iter_init(yyjson_doc_get_root(doc), &it);
	while ((one = yyjson_arr_iter_next(&it)) != NULL) {
		uint64_t start = yyjson_get_uint(yyjson_obj_get(one, "start"));
		uint64_t length = yyjson_get_uint(yyjson_obj_get(one, "length"));

		if (yyjson_get_bool(yyjson_obj_get(one, "data")) || length == 0)
			continue;
		if (list.len > 0 && list.at[list.len - 1].offset + list.at[list.len - 1].length == start)
			list.at[list.len - 1].length += length;
		else
			*vec_push(&list) = (struct byte_range){.offset = start, .length = length};
	}
	yyjson_doc_free(doc);
	*out = list.at;
	*count = list.len;
	return 0;
}

static int read_map(const char *run_dir, const char *bitmap, struct byte_range **out, size_t *count, struct err *e)
{
	cleanup(cleanup_free) char *image = json_format("json:{'driver':'nbd','server':{'type':'unix','path':'nbd."
						       "sock'},'export':'wherry-hints',"
						       "'x-dirty-bitmap':'qemu:dirty-bitmap:%j'}",
						       bitmap);
	const char *const argv[] = {"qemu-img", "map", "--output=json", image, NULL};
	cleanup(buf_fini) struct buf json = BUF_INIT;

	if (qemu_tool(argv, run_dir, &json, e) < 0)
		return err_wrap(e, "asking for the changed ranges");
	return parse_map(&json, out, count, e);
}

static void tidy(struct qmp *q, const char *node, const char *bitmap)
{
	cleanup(cleanup_free) char *args = json_format("{'node':%s,'name':%s}", node, bitmap);
	cleanup(qmp_doc_cleanup) struct yyjson_doc *doc = NULL;
	struct err ignored = ERR_INIT;
	struct yyjson_val *list;

	if (qmp_do(q, "block-export-del", "{\"id\":\"wherry-hints\",\"mode\":\"hard\"}", &ignored) == 0)
		qmp_wait_event(q, "BLOCK_EXPORT_DELETED", "id", "wherry-hints", 5 * NS_PER_S);
	qmp_do(q, "block-dirty-bitmap-remove", args, &ignored);
	if (qmp_ask(q, "query-block-exports", NULL, &doc, &list, &ignored) == 0 && yyjson_arr_size(list) == 0)
		qmp_do(q, "nbd-server-stop", NULL, &ignored);
}

int qemu_changed_ranges(const struct qemu_cloud *c, const struct machine *m, unsigned disk, const char *baseline_id,
			struct byte_range **out, size_t *count, struct err *e)
{
	static const char still[] = "wherry-hints";
	cleanup(cleanup_free) char *run_dir = qemu_record_dir(c, QEMU_RUN, m->name);
	cleanup(qemu_machine_fini) struct qemu_machine record = {0};
	const char *uid = strrchr(baseline_id, '#');
	char node[QEMU_NODE_SIZE], bitmap[256];

	*out = NULL;
	*count = 0;
	if (uid == NULL || !qemu_proc_alive(run_dir, NULL))
		return err_set(e, ERR_UNSUPPORTED, 0,
			       "machine %s is off, and only a running machine knows what it changed; the "
			       "whole disk is read",
			       m->name);
	cleanup(cleanup_fd) int lock = qemu_cloud_lock(c, "asking for changed ranges", e);
	cleanup(qmp_cleanup) struct qmp *q = lock < 0 ? NULL : qmp_open(run_dir, MONITOR_NS, e);

	if (q == NULL || qemu_machine_load(c, m->name, &record, e) < 0)
		return -1;
	if (disk >= record.disks.len)
		return err_set(e, ERR_NOT_FOUND, 0, "machine %s has no disk %u", m->name, disk);
	if (qemu_live_disk_node(c, q, &record, record.disks.at[disk].name, node, e) < 0 ||
	    find_bitmap(q, node, uid + 1, bitmap, sizeof bitmap, e) < 0)
		return -1;
	tidy(q, node, still); /* of somebody who died */
	int rc = still_copy(q, node, bitmap, still, e) < 0 || export_bitmap(q, node, still, e) < 0
			 ? -1
			 : read_map(run_dir, still, out, count, e);

	tidy(q, node, still);
	return rc;
}
