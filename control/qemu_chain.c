// SPDX-License-Identifier: Apache-2.0
#include "qemu_chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "qemu_chain_holder.h"
#include "qemu_file.h"

#define SUFFIX_LEN (sizeof ".0123456789abcdef.qcow2" - 1)

/* "data.qcow2" + ".<uid>.qcow2"; an earlier suffix of the kind is replaced, so names do not grow with the chain. */
static int name_over(const struct qemu_cloud *c, struct qemu_snapshot *s, struct err *e)
{
	cleanup(cleanup_free) char *path = qemu_cloud_resolve(c, s->base.file);
	size_t n = strlen(s->base.file);
	int len;

	if (n > SUFFIX_LEN && s->base.file[n - SUFFIX_LEN] == '.' &&
	    strspn(s->base.file + n - SUFFIX_LEN + 1, "0123456789abcdef") == 16 &&
	    strcmp(s->base.file + n - 6, ".qcow2") == 0)
		n -= SUFFIX_LEN;
	if (qemu_file_is_block(path)) /* nothing can lie beside a device node */
		len = snprintf(s->over, sizeof s->over, "machines/%s.%s.%s.qcow2", s->machine, s->disk, s->uid);
	else
		len = snprintf(s->over, sizeof s->over, "%.*s.%s.qcow2", (int)n, s->base.file, s->uid);
	if ((size_t)len >= sizeof s->over)
		return err_set(e, ERR_UNSUPPORTED, 0,
			       "the path of disk %s is too long for a snapshot beside it: move it to a "
			       "shorter one",
			       s->disk);
	return 0;
}

/* The backing file is named relative to the overlay where both lie in one directory, so a cloud can be moved. "./"
 * keeps QEMU from taking a name with a colon for a protocol. */
int qemu_chain_overlay(const char *base, enum qemu_format format, const char *over, uint64_t size, struct err *e)
{
	const char *slash_base = strrchr(base, '/'), *slash_over = strrchr(over, '/');
	bool beside = slash_base - base == slash_over - over &&
		      strncmp(base, over, (size_t)(slash_base - base)) == 0;
	cleanup(cleanup_free) char *backing = beside ? mem_printf("./%s", slash_base + 1) : mem_strdup(base);
	cleanup(cleanup_free) char *bytes = mem_printf("%llu", (unsigned long long)size);
	const char *const argv[] = {"qemu-img",
				    "create",
				    "-q",
				    "-f",
				    "qcow2",
				    "-F",
				    qemu_format_names[format],
				    "-b",
				    backing,
				    over,
				    size != 0 ? bytes : NULL,
				    NULL};

	if (qemu_file_unlink(over, e) < 0 || qemu_tool(argv, NULL, NULL, e) < 0 || qemu_file_sync(over, e) < 0)
		return -1;
	cleanup(cleanup_free) char *dir = mem_printf("%.*s", (int)(slash_over - over), over);

	return qemu_file_sync(dir, e);
}

/* Creating an overlay takes no lock on what is below it, so one that is being written would go unseen. */
static int refuse_writer(const char *base, struct err *e)
{
	if (!qemu_file_has_writer(base))
		return 0;
	return err_set(e, ERR_BUSY, 0,
		       "%s is in use: another QEMU or tool has it open for writing; stop that, then run again",
		       base);
}

static int make_over(const struct qemu_cloud *c, struct qemu_snapshot *s, struct err *e)
{
	bool there;

	if (qemu_holder_get(c, s, &s->base, &there, e) < 0)
		return -1;
	if (!there)
		return err_set(e, ERR_NOT_FOUND, 0, "disk %s of snapshot %s is gone", s->disk, s->name);
	if (name_over(c, s, e) < 0 || qemu_snapshot_save(c, s, e) < 0)
		return -1;
	cleanup(cleanup_free) char *base = qemu_cloud_resolve(c, s->base.file);
	cleanup(cleanup_free) char *over = qemu_cloud_resolve(c, s->over);

	if (refuse_writer(base, e) < 0)
		return -1;
	return qemu_chain_overlay(base, s->base.format, over, 0, e);
}

static int make_all(const struct qemu_cloud *c, struct qemu_snapshot *set, unsigned n, struct err *e)
{
	for (unsigned i = 0; i < n; i++)
		if (qemu_chain_finish(c, set[i].machine, set[i].disk, e) < 0 || make_over(c, &set[i], e) < 0)
			return -1;
	if (qemu_holder_set_all(c, set, n, true, e) < 0)
		return -1;
	for (unsigned i = 0; i < n; i++) {
		set[i].state = SNAPSHOT_READY;
		if (qemu_snapshot_save(c, &set[i], e) < 0)
			return -1;
	}
	return 0;
}

int qemu_chain_snapshot(const struct qemu_cloud *c, struct qemu_snapshot *set, unsigned n, struct err *e)
{
	if (make_all(c, set, n, e) == 0)
		return 0;
	/* The lock is held and nothing ran meanwhile: the overlays are empty, so going back loses nothing. */
	for (unsigned i = 0; i < n; i++) {
		struct err ignored = ERR_INIT;

		if (set[i].over[0] == '\0')
			continue;
		cleanup(cleanup_free) char *over = qemu_cloud_resolve(c, set[i].over);

		if (qemu_holder_set_all(c, &set[i], 1, false, &ignored) == 0)
			qemu_file_unlink(over, &ignored);
	}
	return err_wrap(e, "snapshot of disk %s", set[0].disk);
}

int qemu_chain_settle(const struct qemu_cloud *c, struct qemu_snapshot *s, bool *keep, struct err *e)
{
	struct qemu_image now;
	bool there;

	*keep = false;
	if (s->over[0] == '\0')
		return 0;
	if (qemu_holder_get(c, s, &now, &there, e) < 0)
		return -1;
	if (there && strcmp(now.file, s->over) == 0) {
		*keep = true;
		s->state = SNAPSHOT_READY;
		return qemu_snapshot_save(c, s, e);
	}
	cleanup(cleanup_free) char *over = qemu_cloud_resolve(c, s->over);

	return qemu_file_unlink(over, e);
}

struct search {
	const char *machine, *disk;
	const char *base;     /* find one that stands on this file */
	const char *not_name; /* but not this one */
	bool merging;         /* find one that is MERGING */
	struct qemu_snapshot found;
};

static int match(void *ctx, const struct qemu_snapshot *s)
{
	struct search *w = ctx;

	if (s->live || strcmp(s->machine, w->machine) != 0 || strcmp(s->disk, w->disk) != 0)
		return 0;
	if (w->base != NULL && strcmp(s->base.file, w->base) != 0)
		return 0;
	if (w->not_name != NULL && strcmp(s->name, w->not_name) == 0)
		return 0;
	if (w->merging && s->state != SNAPSHOT_MERGING)
		return 0;
	w->found = *s;
	return 1;
}

bool qemu_chain_any(const struct qemu_cloud *c, const char *machine, const char *disk, char out[RES_NAME_SIZE])
{
	struct search w = {.machine = machine, .disk = disk};
	struct err ignored = ERR_INIT;

	if (qemu_snapshots_each(c, match, &w, &ignored) != 1)
		return false;
	snprintf(out, RES_NAME_SIZE, "%s", w.found.name);
	return true;
}

int qemu_chain_finish(const struct qemu_cloud *c, const char *machine, const char *disk, struct err *e)
{
	for (;;) {
		struct search w = {.machine = machine, .disk = disk, .merging = true};
		int rc = qemu_snapshots_each(c, match, &w, e);

		if (rc <= 0)
			return rc;
		if (qemu_chain_undo(c, &w.found, e) < 0 ||
		    qemu_record_retire(c, QEMU_SNAPSHOTS, w.found.name, e) < 0)
			return err_wrap(e, "finishing the removal of snapshot %s", w.found.name);
	}
}

static int refuse_clone(const struct qemu_cloud *c, const struct qemu_snapshot *s, const char *for_what,
			struct err *e)
{
	char clone[RES_NAME_SIZE];

	if (!qemu_snapshot_clone(c, s->name, clone))
		return 0;
	return err_set(e, ERR_BUSY, 0,
		       "snapshot %s cannot be removed while disk %s is a clone of %s: remove that disk first",
		       for_what, clone, s->name);
}

static int commit_off(const char *over, const char *base, struct err *e)
{
	const char *const argv[] = {"qemu-img", "commit", "-q", "-d", "-f", "qcow2", over, NULL};

	return qemu_tool(argv, NULL, NULL, e) < 0 ? -1 : qemu_file_sync(base, e);
}

struct swap {
	const struct qemu_cloud *c;
	struct qemu_snapshot *s;
	struct qemu_pause pause; /* what the record says while the machine is paused */
};

static int swap_back(void *ctx, struct err *e)
{
	struct swap *w = ctx;

	return qemu_holder_set_all(w->c, w->s, 1, false, e);
}

static int mark_paused(void *ctx, bool paused, struct err *e)
{
	struct swap *w = ctx;

	w->s->paused = paused ? w->pause : (struct qemu_pause){0};
	return qemu_snapshot_save(w->c, w->s, e);
}

static struct qemu_merge merge_of(struct swap *w, const char *run_dir, const char *over, const char *base, bool top)
{
	return (struct qemu_merge){.run_dir = run_dir,
				   .disk = w->pause.disk,
				   .over = over,
				   .base = base,
				   .top = top,
				   .swap = swap_back,
				   .mark = mark_paused,
				   .ctx = w};
}

static int merge_live(struct swap *w, const char *run_dir, const char *over, const char *base, bool top,
		      struct err *e)
{
	struct qemu_merge m = merge_of(w, run_dir, over, base, top);

	snprintf(w->pause.machine, sizeof w->pause.machine, "%s", strrchr(run_dir, '/') + 1);
	if (!qemu_proc_alive(run_dir, &w->pause.proc))
		return err_set(e, ERR_BUSY, 0, "machine %s has just stopped: run again", w->pause.machine);
	return qemu_live_commit(&m, e);
}

static bool is_paused(const struct qemu_cloud *c, const struct qemu_pause *p)
{
	cleanup(cleanup_free) char *run_dir = qemu_record_dir(c, QEMU_RUN, p->machine);
	struct qemu_proc now;

	return qemu_proc_alive(run_dir, &now) && now.pid == p->proc.pid && now.start == p->proc.start &&
	       strcmp(now.boot, p->proc.boot) == 0;
}

int qemu_chain_resume(const struct qemu_cloud *c, struct qemu_snapshot *s, struct err *e)
{
	if (s->paused.machine[0] == '\0')
		return 0;
	cleanup(cleanup_free) char *run_dir = qemu_record_dir(c, QEMU_RUN, s->paused.machine);
	cleanup(cleanup_free) char *over = qemu_cloud_resolve(c, s->over);
	cleanup(cleanup_free) char *base = qemu_cloud_resolve(c, s->base.file);
	struct swap w = {.c = c, .s = s, .pause = s->paused};
	struct qemu_merge m = merge_of(&w, run_dir, over, base, true);
	struct err why = ERR_INIT;

	/* It may end at any moment; then there is nobody left to go on. */
	if (is_paused(c, &w.pause) && qemu_live_resume(&m, &why) == 0)
		return 0;
	if (why.kind == ERR_NONE || !is_paused(c, &w.pause))
		return mark_paused(&w, false, e);
	*e = why;
	return err_wrap(e, "machine %s was paused to remove snapshot %s", w.pause.machine, s->name);
}

/* over into base, by the QEMU that runs on it or by qemu-img; for the top one the holder goes back to base. */
static int merge(const struct qemu_cloud *c, struct qemu_snapshot *s, bool top, struct err *e)
{
	cleanup(cleanup_free) char *over = qemu_cloud_resolve(c, s->over);
	cleanup(cleanup_free) char *base = qemu_cloud_resolve(c, s->base.file);
	cleanup(cleanup_free) char *run_dir = NULL;
	struct swap w = {.c = c, .s = s};

	if (qemu_holder_running(c, s, &run_dir, &w.pause.disk, e) < 0)
		return -1;
	if (run_dir != NULL)
		return merge_live(&w, run_dir, over, base, top, e);
	if (commit_off(over, base, e) < 0)
		return -1;
	return top ? swap_back(&w, e) : 0;
}

/* The snapshot above now stands on our base. Both backing names are right at any moment: the bytes are the same. */
static int rebase_above(const struct qemu_cloud *c, const struct qemu_snapshot *s, struct qemu_snapshot *above,
			struct err *e)
{
	cleanup(cleanup_free) char *over = qemu_cloud_resolve(c, above->over);
	cleanup(cleanup_free) char *base = qemu_cloud_resolve(c, s->base.file);
	cleanup(cleanup_free) char *backing = mem_printf("./%s", strrchr(base, '/') + 1);
	cleanup(cleanup_free) char *run_dir = NULL;
	const char *const argv[] = {"qemu-img", "rebase", "-q", "-u", "-f", "qcow2", "-F",
				    qemu_format_names[s->base.format], "-b",
				    qemu_file_is_block(base) ? base : backing, over, NULL};
	unsigned disk;

	if (qemu_holder_running(c, s, &run_dir, &disk, e) < 0)
		return -1;
	/* A running QEMU has written the new backing name itself. */
	if (run_dir == NULL && qemu_file_exists(over) &&
	    (qemu_tool(argv, NULL, NULL, e) < 0 || qemu_file_sync(over, e) < 0))
		return -1;
	above->base = s->base;
	return qemu_snapshot_save(c, above, e);
}

static int mark_merging(const struct qemu_cloud *c, struct qemu_snapshot *s, struct err *e)
{
	s->state = SNAPSHOT_MERGING;
	return qemu_snapshot_save(c, s, e);
}

static int drop_over(const struct qemu_cloud *c, const struct qemu_snapshot *s, struct err *e)
{
	cleanup(cleanup_free) char *over = qemu_cloud_resolve(c, s->over);

	return qemu_file_unlink(over, e);
}

/* The disk record was removed before its last snapshot: what is left serves nobody but this snapshot. */
static int drop_orphan(const struct qemu_cloud *c, const struct qemu_snapshot *s, struct err *e)
{
	cleanup(cleanup_free) char *base = qemu_cloud_resolve(c, s->base.file);

	return qemu_file_unlink(base, e) < 0 ? -1 : drop_over(c, s, e);
}

/* The end of a removal in which a process died after the snapshot above had been put on our base. */
static int merged_below(const struct qemu_cloud *c, const struct qemu_snapshot *s, struct err *e)
{
	struct search w = {.machine = s->machine, .disk = s->disk, .base = s->base.file, .not_name = s->name};

	return s->state == SNAPSHOT_MERGING ? qemu_snapshots_each(c, match, &w, e) : 0;
}

static int undo_middle(const struct qemu_cloud *c, struct qemu_snapshot *s, struct qemu_snapshot *above,
		       struct err *e)
{
	if (refuse_clone(c, above, s->name, e) < 0 || mark_merging(c, s, e) < 0 || merge(c, s, false, e) < 0 ||
	    rebase_above(c, s, above, e) < 0)
		return -1;
	return drop_over(c, s, e);
}

static int undo_top(const struct qemu_cloud *c, struct qemu_snapshot *s, struct err *e)
{
	struct qemu_image now = {0};
	bool there;

	if (qemu_holder_get(c, s, &now, &there, e) < 0)
		return -1;
	if (!there && s->machine[0] == '\0')
		return drop_orphan(c, s, e);
	if (there && strcmp(now.file, s->base.file) == 0)
		return drop_over(c, s, e);
	int below = there && strcmp(now.file, s->over) != 0 ? merged_below(c, s, e) : -2;

	if (below == -1)
		return -1;
	if (below == 1)
		return drop_over(c, s, e);
	if (below == 0)
		return err_set(e, ERR_REFUSED, 0,
			       "disk %s was changed by hand to %s, which is neither %s nor %s: put one of "
			       "them back",
			       s->disk, now.file, s->base.file, s->over);
	if (mark_merging(c, s, e) < 0 || merge(c, s, true, e) < 0)
		return -1;
	return drop_over(c, s, e);
}

int qemu_chain_undo(const struct qemu_cloud *c, struct qemu_snapshot *s, struct err *e)
{
	struct search w = {.machine = s->machine, .disk = s->disk, .base = s->over};

	if (s->over[0] == '\0')
		return 0;
	/* First: the machine waits. */
	if (qemu_chain_resume(c, s, e) < 0 || refuse_clone(c, s, s->name, e) < 0)
		return -1;
	int above = qemu_snapshots_each(c, match, &w, e);

	if (above < 0 || (above == 1 ? undo_middle(c, s, &w.found, e) : undo_top(c, s, e)) < 0)
		return err_wrap(e, "removing snapshot %s", s->name);
	return 0;
}
