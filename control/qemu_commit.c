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
#include "json_format.h"
#include "qemu_live.h"

#define MONITOR_NS  (30 * NS_PER_S)
#define OPEN_TRIES  5
#define CANCEL_NS   (60 * NS_PER_S)
#define LOOK_NS     (50 * NS_PER_MS)
#define LITTLE_LESS (UINT64_C(64) << 20)
#define JOB         "wherry-merge"

enum merge_state { MERGE_RUNS, MERGE_READY, MERGE_GONE };

struct merge_job {
	enum merge_state state;
	bool counted;  /* QEMU has looked how much there is */
	uint64_t left; /* bytes */
};

/* What QEMU had to say to a controller that was killed, the next one hears first, instead of the greeting. */
static struct qmp *open_monitor(const char *run_dir, struct err *e)
{
	struct qmp *q = NULL;

	for (int tries = 0; q == NULL && tries < OPEN_TRIES; tries++) {
		*e = (struct err)ERR_INIT;
		q = qmp_open(run_dir, MONITOR_NS, e);
		if (q == NULL && e->kind != ERR_PROTOCOL)
			break;
	}
	return q;
}

static int look(struct qmp *q, struct merge_job *job, struct err *e)
{
	cleanup(qmp_doc_cleanup) struct yyjson_doc *doc = NULL;
	struct yyjson_val *list, *one;
	yyjson_arr_iter it;

	*job = (struct merge_job){.state = MERGE_GONE};
	if (qmp_ask(q, "query-jobs", NULL, &doc, &list, e) < 0)
		return -1;
	yyjson_arr_iter_init(list, &it);
	while ((one = yyjson_arr_iter_next(&it)) != NULL) {
		uint64_t now = yyjson_get_uint(yyjson_obj_get(one, "current-progress"));
		uint64_t total = yyjson_get_uint(yyjson_obj_get(one, "total-progress"));

		if (!yyjson_equals_str(yyjson_obj_get(one, "id"), JOB))
			continue;
		job->state = yyjson_equals_str(yyjson_obj_get(one, "status"), "ready") ? MERGE_READY : MERGE_RUNS;
		job->counted = total > 0;
		job->left = total > now ? total - now : 0;
	}
	return 0;
}

/* Until it is in that state, or gone, or the deadline has passed: *job tells which. */
static int wait_for(struct qmp *q, enum merge_state wanted, int64_t deadline, struct merge_job *job, struct err *e)
{
	for (;;) {
		if (look(q, job, e) < 0)
			return -1;
		if (job->state == wanted || job->state == MERGE_GONE || clock_mono_ns() > deadline)
			return 0;
		clock_sleep_ns(LOOK_NS);
	}
}

/* Until it is ready or gone, or the guest outruns it, or the deadline has passed. What is left goes up and down with
 * what the guest writes; "clearly less" is an eighth, or 64 MiB where there is much. */
static int wait_ready(struct qmp *q, int64_t stall_ns, int64_t deadline, struct merge_job *job, struct err *e)
{
	uint64_t best = UINT64_MAX;
	int64_t since = clock_mono_ns();

	for (;;) {
		if (look(q, job, e) < 0)
			return -1;
		uint64_t less = best / 8 < LITTLE_LESS ? best / 8 : LITTLE_LESS;
		int64_t now = clock_mono_ns();

		if (job->state != MERGE_RUNS || now > deadline)
			return 0;
		if (!job->counted || job->left < best - less) {
			best = job->counted ? job->left : UINT64_MAX;
			since = now;
		} else if (now - since > stall_ns) {
			return 0;
		}
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

/* Ends a merge that is under way; the machine then stands on either file, but with no copying between them. */
static int cancel(struct qmp *q, struct err *e)
{
	struct err ignored = ERR_INIT;
	struct merge_job job;

	if (look(q, &job, e) < 0)
		return -1;
	if (job.state == MERGE_GONE)
		return 0;
	qmp_do(q, "block-job-cancel", "{\"device\":\"" JOB "\",\"force\":true}", &ignored);
	if (wait_for(q, MERGE_GONE, clock_mono_ns() + CANCEL_NS, &job, e) < 0)
		return -1;
	if (job.state == MERGE_GONE)
		return 0;
	return err_set(e, ERR_TIMEOUT, 0,
		       "QEMU does not end its merge: does the storage of the machine's images hang? Look at "
		       "that, then run again");
}

static int give_up(struct qmp *q, const struct qemu_merge *m, const char *why, struct err *e)
{
	if (cancel(q, e) < 0)
		return -1;
	return err_set(e, ERR_TIMEOUT, 0,
		       "the snapshot under %s was not merged, for %s; the machine goes on as before: remove the "
		       "snapshot again when it writes less, or stop the machine first",
		       m->base, why);
}

static int is_on_base(struct qmp *q, const struct qemu_merge *m, bool *on_base, struct err *e)
{
	char now[QEMU_NODE_SIZE], base[QEMU_NODE_SIZE];

	if (qemu_live_node(q, m->disk, now, e) < 0 || qemu_live_file_node(q, m->base, base, e) < 0)
		return -1;
	*on_base = strcmp(now, base) == 0;
	return 0;
}

/* The command line made that node, so it stays open until it is told to go. */
static void close_over(struct qmp *q, const struct qemu_merge *m)
{
	struct err ignored = ERR_INIT;
	char node[QEMU_NODE_SIZE];

	if (qemu_live_file_node(q, m->over, node, &ignored) < 0 || node[0] == '\0')
		return;
	cleanup(cleanup_free) char *del = json_format("{'node-name':%s}", node);

	qmp_do(q, "blockdev-del", del, &ignored);
}

/* The record must name the base before the guest writes there: from then on the overlay is old. So a record that cannot
 * be saved leaves the machine paused, which the mark says and a later call ends. */
static int go_on(struct qmp *q, const struct qemu_merge *m, bool ours, bool *merged, struct err *e)
{
	bool running;

	if (cancel(q, e) < 0 || is_on_base(q, m, merged, e) < 0 || (*merged && m->swap(m->ctx, e) < 0) ||
	    is_running(q, &running, e) < 0 || (ours && !running && qmp_do(q, "cont", NULL, e) < 0))
		return ours ? err_wrap(e, "the machine may stand still until the removal of its snapshot is tried again")
			    : -1;
	return ours ? m->mark(m->ctx, false, e) : 0;
}

static int pause_machine(struct qmp *q, const struct qemu_merge *m, bool *ours, struct err *e)
{
	if (is_running(q, ours, e) < 0)
		return -1;
	if (!*ours)
		return 0;
	return m->mark(m->ctx, true, e) < 0 ? -1 : qmp_do(q, "stop", NULL, e);
}

/* Nobody writes any more, so the rest becomes less, and then both files hold the same. */
static int complete(struct qmp *q, int64_t deadline, struct err *e)
{
	struct merge_job job;

	if (wait_for(q, MERGE_READY, deadline, &job, e) < 0)
		return -1;
	if (job.state == MERGE_READY && (qmp_do(q, "job-complete", "{\"id\":\"" JOB "\"}", e) < 0 ||
					 wait_for(q, MERGE_GONE, deadline, &job, e) < 0))
		return -1;
	return 0;
}

/* Whatever dies when, the record is right: before the swap it names the overlay, after it the base. */
static int pause_and_pivot(struct qmp *q, const struct qemu_merge *m, int64_t pause_ns, struct err *e)
{
	struct merge_job job = {.state = MERGE_GONE};
	struct err why = ERR_INIT, ignored = ERR_INIT;
	bool ours = false, merged = false;

	if (pause_machine(q, m, &ours, &why) == 0 && complete(q, clock_mono_ns() + pause_ns, &why) == 0)
		look(q, &job, &ignored);
	if (go_on(q, m, ours, &merged, e) < 0)
		return -1;
	if (merged)
		return 0;
	if (why.kind == ERR_NONE && job.state != MERGE_GONE)
		return give_up(q, m, "the machine stood still for long and the rest was not copied yet", e);
	if (why.kind == ERR_NONE)
		return err_set(e, ERR_IO, 0,
			       "QEMU did not merge a snapshot back into %s: see qemu.log in its run directory",
			       m->base);
	*e = why;
	return -1;
}

static int merge_middle(struct qmp *q, const struct qemu_merge *m, const struct qemu_merge_limits *limits,
			struct err *e)
{
	struct merge_job job;
	char node[QEMU_NODE_SIZE];

	if (wait_for(q, MERGE_GONE, clock_mono_ns() + limits->overall_ns, &job, e) < 0)
		return -1;
	if (job.state != MERGE_GONE)
		return give_up(q, m, "that took too long", e);
	if (qemu_live_file_node(q, m->over, node, e) < 0)
		return -1;
	if (node[0] != '\0')
		return err_set(e, ERR_IO, 0, "QEMU did not merge %s: see qemu.log in its run directory", m->over);
	return 0;
}

static int merge_top(struct qmp *q, const struct qemu_merge *m, const struct qemu_merge_limits *limits,
		     struct err *e)
{
	int64_t deadline = clock_mono_ns() + limits->overall_ns;
	struct merge_job job;

	if (wait_ready(q, limits->stall_ns, deadline, &job, e) < 0)
		return -1;
	if (job.state == MERGE_GONE)
		return err_set(e, ERR_IO, 0,
			       "QEMU gave up merging a snapshot back into %s: is its file system full? See "
			       "qemu.log in its run directory",
			       m->base);
	if (job.state == MERGE_RUNS && clock_mono_ns() > deadline)
		return give_up(q, m, "that took too long", e);
	if (pause_and_pivot(q, m, limits->pause_ns, e) < 0)
		return -1;
	close_over(q, m);
	return 0;
}

int qemu_live_commit(const struct qemu_merge *m, struct err *e)
{
	static const struct qemu_merge_limits usual = {
		.stall_ns = 20 * NS_PER_S, .pause_ns = 60 * NS_PER_S, .overall_ns = 2 * 3600 * NS_PER_S};
	const struct qemu_merge_limits *limits = m->limits != NULL ? m->limits : &usual;
	cleanup(qmp_cleanup) struct qmp *q = open_monitor(m->run_dir, e);
	char active[QEMU_NODE_SIZE], over[QEMU_NODE_SIZE], base[QEMU_NODE_SIZE];

	if (q == NULL || cancel(q, e) < 0 || qemu_live_node(q, m->disk, active, e) < 0 ||
	    qemu_live_file_node(q, m->over, over, e) < 0 || qemu_live_file_node(q, m->base, base, e) < 0)
		return -1;
	/* A controller died between pivot and swap, of a machine that its operator had paused. */
	if (m->top && strcmp(active, base) == 0)
		return m->swap(m->ctx, e);
	/* Or after the merge of a middle one: it is out of the chain already. */
	if (!m->top && over[0] == '\0' && base[0] != '\0')
		return 0;
	if (over[0] == '\0' || base[0] == '\0')
		return err_set(e, ERR_REFUSED, 0,
			       "the running QEMU of %s does not use %s: stop the machine, then clean up again",
			       m->run_dir, m->over);
	cleanup(cleanup_free) char *args =
		m->top ? json_format("{'job-id':'" JOB "','device':%s,'base-node':%s}", active, base)
		       : json_format("{'job-id':'" JOB "','device':%s,'top-node':%s,'base-node':%s}", active, over,
				    base);

	if (qmp_do(q, "block-commit", args, e) < 0)
		return -1;
	return m->top ? merge_top(q, m, limits, e) : merge_middle(q, m, limits, e);
}

int qemu_live_resume(const struct qemu_merge *m, struct err *e)
{
	cleanup(qmp_cleanup) struct qmp *q = open_monitor(m->run_dir, e);
	bool merged;

	if (q == NULL || go_on(q, m, true, &merged, e) < 0)
		return -1;
	if (merged)
		close_over(q, m);
	return 0;
}
