// SPDX-License-Identifier: Apache-2.0
#include "replica.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hex.h"
#include "json_format.h"


static void generation_name(const struct context *c, uint64_t generation, unsigned disk, char out[RES_NAME_SIZE])
{
	snprintf(out, RES_NAME_SIZE, "wherry-%.32s-gen%llu-disk%u", c->job.name, (unsigned long long)generation, disk);
}

/* The epoch that committed generation n of disk i; 0 when its manifest cannot be read. */
static uint64_t committed_epoch(struct context *c, unsigned i, uint64_t generation)
{
	cleanup(cleanup_free) char *path = state_generation_path(&c->state, c->job.name, i, generation);
	struct err ignored = ERR_INIT;
	struct manifest *m = manifest_open(path, MANIFEST_READ, &c->keys.hash, &ignored);
	uint64_t epoch = m == NULL ? 0 : manifest_info(m)->epoch;

	manifest_close(m);
	return epoch;
}

struct wanted {
	const struct context *c;
	const char *name;
	struct res_ref ref;
	bool found;
};

static int look(void *ctx, const struct res_ref *ref)
{
	struct wanted *w = ctx;

	if (ref->kind != RES_SNAPSHOT || strcmp(ref->name, w->name) != 0 ||
	    strcmp(ref->tags.owner, journal_owner(w->c->journal)) != 0)
		return 0;
	w->ref = *ref;
	w->found = true;
	return 1;
}

/* The snapshot under its name, whatever became of it; row 0: there, but not known to this journal, which is older then.
 * *valid: it is there and was made after the commit of that generation, so not by an earlier life of the replica. */
static int look_up(struct context *c, unsigned i, uint64_t generation, struct journal_entry *out, bool *there,
		   bool *valid, struct err *e)
{
	char name[RES_NAME_SIZE];
	struct wanted w = {.c = c, .name = name};
	bool known;

	*valid = false;
	generation_name(c, generation, i, name);
	if (journal_find_entry(c->journal, c->job.name, PURPOSE_GENERATION, name, out, &known, e) < 0 ||
	    cloud_find(&c->target, c->job.name, look, &w, e) < 0)
		return -1;
	*there = known || w.found;
	if (!w.found)
		return 0;
	if (!known)
		out->state = ENTRY_CREATED;
	out->ref = w.ref;
	if (out->state == ENTRY_REMOVING || w.ref.tags.generation != generation ||
	    w.ref.tags.epoch <= committed_epoch(c, i, generation))
		return 0;
	if (out->state == ENTRY_INTENDED && journal_created(c->journal, out->row, &w.ref, e) < 0)
		return -1;
	*valid = true;
	return 0;
}

int replica_generation(struct context *c, const struct replica *r, unsigned i, uint64_t generation,
		       struct journal_entry *out, bool *found, struct err *e)
{
	bool there;

	(void)r;
	return look_up(c, i, generation, out, &there, found, e);
}

static int keep_disk(struct context *c, const struct run *run, struct replica *r, unsigned i, struct err *e)
{
	struct journal_entry entry;
	struct cloud_res snap = {0};
	bool there, valid;

	if (look_up(c, i, r->generation, &entry, &there, &valid, e) < 0)
		return -1;
	/* One that this journal does not know may be of another copy's generation of that number. */
	if (valid && entry.row != 0)
		return 0;
	if (there) {
		struct cloud_res old = {.ref = entry.ref, .row = entry.row};

		if (cloud_remove(&c->target, &old, e) < 0)
			return -1;
	}
	cloud_ref(&snap, RES_SNAPSHOT, PURPOSE_GENERATION, journal_owner(c->journal), run, "gen", 0);
	generation_name(c, r->generation, i, snap.ref.name);
	snap.ref.tags.generation = r->generation;
	events_step(c->events, "keep", "generation %llu of %s as snapshot %s", (unsigned long long)r->generation,
		    r->disks[i].res.ref.name, snap.ref.name);
	if (cloud_snapshot_disk(&c->target, &r->disks[i].res.ref, &snap, e) < 0)
		return -1;
	return cloud_wait_ready(&c->target, &snap.ref, e);
}

/* After growth the old last chunk was shorter: its page is unknown, and pages past the old end read as unknown. */
static int fit_manifest(struct replica_disk *d, struct err *e)
{
	static const uint8_t unknown[MANIFEST_PAGE_HASHES];

	if (d->working == NULL || manifest_info(d->working)->size == d->size)
		return 0;
	struct manifest_info info = *manifest_info(d->working);
	uint64_t last = manifest_page_count(&info) - 1;

	info.size = d->size;
	if (manifest_write_page(d->working, last, unknown, e) < 0 || manifest_sync(d->working, e) < 0)
		return -1;
	return manifest_set_info(d->working, &info, e);
}

/* The disk first: a manifest that speaks of more than its disk has room for is not believed. */
static int grow(struct context *c, struct replica_disk *d, struct err *e)
{
	if (d->grow) {
		events_step(c->events, "resize", "replica disk %s to %llu bytes", d->res.ref.name,
			    (unsigned long long)d->size);
		if (cloud_disk_resize(&c->target, &d->res.ref, d->size, e) < 0 ||
		    cloud_wait_ready(&c->target, &d->res.ref, e) < 0)
			return -1;
		d->grow = false;
		d->held = d->size;
	}
	return fit_manifest(d, e);
}

static int claim(struct context *c, struct replica_disk *d, const struct run *run, uint64_t generation, bool dirty,
		 struct err *e)
{
	struct res_tags set = d->res.ref.tags;

	snprintf(set.run, sizeof set.run, "%s", run->id);
	set.epoch = run->epoch;
	set.generation = generation;
	set.dirty = dirty;
	return cloud_claim(&c->target, &d->res, &set, e);
}

int replica_begin_writing(struct context *c, struct run *run, struct replica *r, struct batch b, struct err *e)
{
	if (journal_run_state(c->journal, run, RUN_WRITING, e) < 0)
		return -1;
	/* The manifest first: its epoch may run ahead of the replica's, never behind. */
	for (unsigned i = b.first; i < b.end; i++) {
		struct manifest_info info = *manifest_info(r->disks[i].working);

		info.epoch = run->epoch; /* the generation stays the one that "touched" counts from */
		if (manifest_set_info(r->disks[i].working, &info, e) < 0)
			return -1;
	}
	for (unsigned i = b.first; i < b.end; i++)
		if (claim(c, &r->disks[i], run, r->generation, true, e) < 0)
			return -1;
	r->dirty = true;
	return 0;
}

static int check_root(const struct replica_disk *d, const uint8_t root[MANIFEST_HASH], struct err *e)
{
	uint8_t mine[MANIFEST_HASH];
	uint64_t unknown;

	if ((d->hinted ? manifest_root_by_tree : manifest_root)(d->working, mine, &unknown, e) < 0)
		return -1;
	if (unknown != 0)
		return err_set(e, ERR_INTERNAL, 0, "%llu chunks of %s are still unknown after a whole run: not committed, "
			       "run `wherry sync` again", (unsigned long long)unknown, d->res.ref.name);
	if (memcmp(mine, root, MANIFEST_HASH) != 0)
		return err_set(e, ERR_CORRUPT, 0, "the root of %s differs from the one the source worker computed: not "
			       "committed, run `wherry sync` again", d->res.ref.name);
	return 0;
}

static int commit_manifest(struct context *c, const struct run *run, struct replica *r, unsigned i,
			   const uint8_t root[MANIFEST_HASH], struct generation_disk *g, struct err *e)
{
	struct replica_disk *d = &r->disks[i];
	struct manifest_info info = *manifest_info(d->working);
	cleanup(cleanup_free) char *path = state_generation_path(&c->state, c->job.name, i, r->generation + 1);

	info.generation = r->generation + 1;
	info.epoch = run->epoch;
	info.flags = d->hinted ? MANIFEST_F_HINTED : 0;
	memcpy(info.root, root, MANIFEST_HASH);
	*g = (struct generation_disk){.index = i, .size = info.size, .chunk_size = info.chunk_size,
				      .sector_size = info.sector_size};
	snprintf(g->source_disk, sizeof g->source_disk, "%s", d->source_id);
	snprintf(g->baseline, sizeof g->baseline, "%s", d->baseline);
	memcpy(g->root, root, MANIFEST_HASH);
	return manifest_commit(d->working, path, &info, e);
}

/* From the commit on hints count from the new generation, and so must "touched". Not doing it costs a full scan. */
static void settle_manifests(struct context *c, struct replica *r)
{
	for (unsigned i = 0; i < r->count; i++) {
		struct manifest_info info = *manifest_info(r->disks[i].working);
		struct err e = ERR_INIT;

		info.generation = r->generation;
		if (manifest_set_info(r->disks[i].working, &info, &e) < 0 || manifest_settle(r->disks[i].working, &e) < 0)
			events_warn(c->events, "the next run will read all of disk %u: %s", i, e.msg);
	}
}

/* For whoever finds the disks without us. It follows from the rest, so that a run does not fail for want of it. */
static void describe(struct context *c, const struct replica *r, const char *machine_json)
{
	char at[24], root[2 * MANIFEST_HASH + 1];

	for (unsigned i = 0; c->target_p->ops->replica_describe != NULL && i < r->count; i++) {
		const struct generation_disk *g = &r->committed[i];
		struct err e = ERR_INIT;
		cleanup(cleanup_free) char *json = json_format(
			"{'wherry':1,'job':%s,'generation':%u,'committed':%s,'disk':%u,'disks':%u,'source_disk':%s,'size':%u,"
			"'sector_size':%u,'chunk_size':%u,'root':%s,'machine':%j}\n", c->job.name, r->generation,
			clock_format(r->committed_s * NS_PER_S, at), (uint64_t)i, (uint64_t)r->count, r->disks[i].source_name,
			g->size, (uint64_t)g->sector_size, (uint64_t)g->chunk_size, hex_encode(g->root, sizeof g->root, root),
			machine_json);

		if (c->target_p->ops->replica_describe(c->target_p, &r->disks[i].res.ref, json, &e) < 0)
			events_warn(c->events, "%s; the next sync tries again", e.msg);
	}
}

int replica_commit(struct context *c, struct run *run, struct replica *r, const struct machine *m,
		   const uint8_t (*roots)[MANIFEST_HASH], struct err *e)
{
	cleanup(cleanup_free) char *json = machine_to_json(m);
	bool hinted = false;

	for (unsigned i = 0; i < r->count; i++)
		hinted |= r->disks[i].hinted;
	for (unsigned i = 0; i < r->count; i++)
		if (check_root(&r->disks[i], roots[i], e) < 0)
			return -1;
	if (journal_run_state(c->journal, run, RUN_COMMITTING, e) < 0)
		return -1;
	for (unsigned i = 0; i < r->count; i++)
		if (commit_manifest(c, run, r, i, roots[i], &r->committed[i], e) < 0)
			return -1;
	if (journal_commit(c->journal, c->job.name, run->id, r->generation + 1, hinted, r->committed, r->count, json, e) < 0)
		return -1;
	r->generation++;
	r->committed_count = r->count;
	r->committed_s = clock_wall_ns() / NS_PER_S;
	for (unsigned i = 0; i < r->count; i++)
		if (claim(c, &r->disks[i], run, r->generation, false, e) < 0)
			return -1;
	r->dirty = false;
	settle_manifests(c, r);
	describe(c, r, json);
	return 0;
}

int replica_hand_over(struct context *c, const struct run *run, struct replica *r, struct err *e)
{
	for (unsigned i = 0; i < r->count; i++)
		if (claim(c, &r->disks[i], run, r->generation, true, e) < 0)
			return -1;
	r->dirty = true;
	return 0;
}

int replica_settle(struct context *c, struct replica *r, struct err *e)
{
	bool dirty = false;

	for (unsigned i = 0; i < r->count; i++) {
		struct replica_disk *d = &r->disks[i];
		struct res_tags set = d->res.ref.tags;

		if (d->believed && set.dirty && r->generation > 0 && committed_epoch(c, i, r->generation) == set.epoch) {
			set.dirty = false;
			set.generation = r->generation;
			if (cloud_claim(&c->target, &d->res, &set, e) < 0)
				return -1;
		}
		dirty |= set.dirty || !d->believed;
	}
	r->dirty = dirty;
	return 0;
}

struct old {
	const struct context *c;
	uint64_t before;
	struct cloud_res found[2 * WIRE_MAX_DISKS];
	unsigned count;
};

static void add_old(struct old *o, const struct res_ref *ref, int64_t row)
{
	if (ref->tags.purpose != PURPOSE_GENERATION || ref->tags.generation >= o->before ||
	    o->count == sizeof o->found / sizeof o->found[0])
		return;
	for (unsigned i = 0; i < o->count; i++)
		if (strcmp(o->found[i].ref.name, ref->name) == 0)
			return;
	o->found[o->count++] = (struct cloud_res){.ref = *ref, .row = row};
}

static int collect_old(void *ctx, const struct journal_entry *entry)
{
	add_old(ctx, &entry->ref, entry->row);
	return 0;
}

static int see_old(void *ctx, const struct res_ref *ref)
{
	struct old *o = ctx;

	if (ref->kind == RES_SNAPSHOT && strcmp(ref->tags.owner, journal_owner(o->c->journal)) == 0)
		add_old(o, ref, 0);
	return 0;
}

static int drop_old(struct context *c, const struct replica *r, bool look_there, struct err *e)
{
	struct old o = {.c = c, .before = r->generation};

	if (journal_entries(c->journal, c->job.name, collect_old, &o, e) < 0 ||
	    (look_there && cloud_find(&c->target, c->job.name, see_old, &o, e) < 0))
		return -1;
	for (unsigned i = 0; i < o.count; i++) {
		events_step(c->events, "remove", "snapshot %s of an older generation", o.found[i].ref.name);
		if (cloud_remove(&c->target, &o.found[i], e) < 0)
			return -1;
	}
	for (unsigned i = 0; r->generation > 1 && i < r->count; i++) {
		cleanup(cleanup_free) char *path = state_generation_path(&c->state, c->job.name, i, r->generation - 1);

		if (unlink(path) < 0 && errno != ENOENT)
			return err_set(e, err_kind_of_errno(errno), errno, "removing the old manifest %s", path);
	}
	return 0;
}

int replica_drop_old_generations(struct context *c, const struct replica *r, struct err *e)
{
	return drop_old(c, r, false, e);
}

int replica_keep_generation(struct context *c, const struct run *run, struct replica *r, struct err *e)
{
	bool keep = r->generation != 0 && !r->dirty && c->target_p->ops->snapshot_disk != NULL;

	/* Those, too, that only the cloud knows of: this journal may be older than they. */
	if (drop_old(c, r, true, e) < 0)
		return -1;
	for (unsigned i = 0; keep && i < r->count; i++)
		if (keep_disk(c, run, r, i, e) < 0)
			return -1;
	for (unsigned i = 0; i < r->count; i++)
		if (grow(c, &r->disks[i], e) < 0)
			return -1;
	return 0;
}
