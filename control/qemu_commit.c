// SPDX-License-Identifier: Apache-2.0
/* Merging an overlay under a running machine (qemu_live_commit of qemu_live.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "qemu_file.h"
#include "qemu_json.h"
#include "qemu_live.h"

#define MONITOR_NS (30 * NS_PER_S)
#define LOOK_NS    (50 * NS_PER_MS)
#define JOB        "wherry-merge"

enum merge_state { MERGE_RUNS, MERGE_READY, MERGE_GONE };

static int look(struct qmp *q, enum merge_state *state, struct err *e)
{
	cleanup(qmp_doc_cleanup) struct yyjson_doc *doc = NULL;
	struct yyjson_val *list, *one;
	yyjson_arr_iter it;

	*state = MERGE_GONE;
	if (qmp_ask(q, "query-jobs", NULL, &doc, &list, e) < 0)
		return -1;
	yyjson_arr_iter_init(list, &it);
	while ((one = yyjson_arr_iter_next(&it)) != NULL)
		if (yyjson_equals_str(yyjson_obj_get(one, "id"), JOB))
			*state = yyjson_equals_str(yyjson_obj_get(one, "status"), "ready") ? MERGE_READY
											   : MERGE_RUNS;
	return 0;
}

/* Its length depends on what the machine wrote meanwhile; QEMU ends it by itself on an error, so no deadline. */
static int wait_for(struct qmp *q, enum merge_state wanted, struct err *e)
{
	enum merge_state state;

	for (;;) {
		if (look(q, &state, e) < 0)
			return -1;
		if (state == wanted || state == MERGE_GONE)
			return 0;
		clock_sleep_ns(LOOK_NS);
	}
}

static int is_running(struct qmp *q, bool *running, struct err *e)
{
	cleanup(qmp_doc_cleanup) struct yyjson_doc *doc = NULL;
	struct yyjson_val *status;

	if (qmp_ask(q, "query-status", NULL, &doc, &status, e) < 0)
		return -1;
	*running = yyjson_get_bool(yyjson_obj_get(status, "running"));
	return 0;
}

/* From the pause on both files hold the same, so whatever dies when, the record is right: before the swap it names the
 * overlay, after it the base. A pause left behind by a dead controller is ended by the next removal of the snapshot. */
static int pivot(struct qmp *q, unsigned disk, const char *base, qemu_live_swap *swap, void *ctx, struct err *e)
{
	char now[QEMU_NODE_SIZE], want[QEMU_NODE_SIZE];

	if (qmp_do(q, "job-complete", "{\"id\":\"" JOB "\"}", e) < 0 || wait_for(q, MERGE_GONE, e) < 0 ||
	    qemu_live_node(q, disk, now, e) < 0 || qemu_live_file_node(q, base, want, e) < 0)
		return -1;
	if (strcmp(now, want) != 0)
		return err_set(e, ERR_IO, 0,
			       "QEMU did not merge a snapshot back into %s: see qemu.log in its run directory",
			       base);
	return swap(ctx, e);
}

static int pause_and_pivot(struct qmp *q, unsigned disk, const char *base, qemu_live_swap *swap, void *ctx,
			   struct err *e)
{
	bool running;
	struct err why = ERR_INIT;

	if (is_running(q, &running, e) < 0 || (running && qmp_do(q, "stop", NULL, e) < 0))
		return -1;
	int rc = pivot(q, disk, base, swap, ctx, e);

	if (running && qmp_do(q, "cont", NULL, &why) < 0 && rc == 0) {
		*e = why;
		return err_wrap(e, "the machine stands still and must be continued by hand");
	}
	return rc;
}

/* What a dead controller left: a merge under way, or a machine paused by its pivot. */
static int clear_old_merge(struct qmp *q, struct err *e)
{
	enum merge_state state;

	struct err ignored = ERR_INIT;
	bool running;

	if (look(q, &state, e) < 0)
		return -1;
	if (state == MERGE_GONE)
		return 0;
	qmp_do(q, "block-job-cancel", "{\"device\":\"" JOB "\",\"force\":true}", &ignored);
	if (wait_for(q, MERGE_GONE, e) < 0 || is_running(q, &running, e) < 0)
		return -1;
	return !running && state == MERGE_READY ? qmp_do(q, "cont", NULL, e) : 0;
}

static int merge_middle(struct qmp *q, const char *args, const char *over, struct err *e)
{
	char node[QEMU_NODE_SIZE];

	if (qmp_do(q, "block-commit", args, e) < 0 || wait_for(q, MERGE_GONE, e) < 0 ||
	    qemu_live_file_node(q, over, node, e) < 0)
		return -1;
	if (node[0] != '\0')
		return err_set(e, ERR_IO, 0, "QEMU did not merge %s: see qemu.log in its run directory", over);
	return 0;
}

static int merge_top(struct qmp *q, unsigned disk, const char *args, const char *base, qemu_live_swap *swap,
		     void *ctx, struct err *e)
{
	enum merge_state state;

	if (qmp_do(q, "block-commit", args, e) < 0 || wait_for(q, MERGE_READY, e) < 0 || look(q, &state, e) < 0)
		return -1;
	if (state != MERGE_READY)
		return err_set(e, ERR_IO, 0,
			       "QEMU gave up merging a snapshot back into %s: is its file system full? See "
			       "qemu.log in its run directory",
			       base);
	return pause_and_pivot(q, disk, base, swap, ctx, e);
}

int qemu_live_commit(const char *run_dir, unsigned disk, const char *over, const char *base, bool top,
		     qemu_live_swap *swap, void *ctx, struct err *e)
{
	cleanup(qmp_cleanup) struct qmp *q = qmp_open(run_dir, MONITOR_NS, e);
	char active[QEMU_NODE_SIZE], over_node[QEMU_NODE_SIZE], base_node[QEMU_NODE_SIZE];

	if (q == NULL || clear_old_merge(q, e) < 0 || qemu_live_node(q, disk, active, e) < 0 ||
	    qemu_live_file_node(q, over, over_node, e) < 0 || qemu_live_file_node(q, base, base_node, e) < 0)
		return -1;
	/* A controller died between pivot and swap: the machine is on base already, paused. */
	if (top && strcmp(active, base_node) == 0)
		return swap(ctx, e) < 0 ? -1 : qmp_do(q, "cont", NULL, e);
	/* Or after the merge of a middle one: it is out of the chain already. */
	if (!top && over_node[0] == '\0' && base_node[0] != '\0')
		return 0;
	if (over_node[0] == '\0' || base_node[0] == '\0')
		return err_set(e, ERR_REFUSED, 0,
			       "the running QEMU of %s does not use %s: stop the machine, then clean up again",
			       run_dir, over);
	cleanup(cleanup_free) char *args = top ? qemu_jsonf("{'job-id':'" JOB "','device':%s,'base-node':%s}",
							    active, base_node)
					       : qemu_jsonf("{'job-id':'" JOB
							    "','device':%s,'top-node':%s,'base-node':%s}",
							    active, over_node, base_node);

	if (!top)
		return merge_middle(q, args, over, e);
	if (merge_top(q, disk, args, base, swap, ctx, e) < 0)
		return -1;
	/* The command line made that node, so it stays open until it is told to go. */
	cleanup(cleanup_free) char *del = qemu_jsonf("{'node-name':%s}", over_node);
	struct err ignored = ERR_INIT;

	qmp_do(q, "blockdev-del", del, &ignored);
	return 0;
}
