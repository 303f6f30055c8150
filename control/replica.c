// SPDX-License-Identifier: Apache-2.0
#include "replica.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "places.h"
#include "replica_copy.h"


/* What the target cloud itself says of our replica disks. */
struct seen {
	struct res_ref refs[2 * WIRE_MAX_DISKS]; /* of copies there may be another set */
	unsigned count;
};

/* A run's own is above it: no two state directories ever write under one epoch. */
static uint64_t top_epoch(const struct seen *s)
{
	uint64_t top = 0;

	for (unsigned i = 0; i < s->count; i++)
		top = s->refs[i].tags.epoch > top ? s->refs[i].tags.epoch : top;
	return top;
}

static int see(void *ctx, const struct res_ref *ref)
{
	struct seen *s = ctx;

	if (res_is_replica(ref) && s->count < sizeof s->refs / sizeof s->refs[0])
		s->refs[s->count++] = *ref;
	return 0;
}

static const struct res_ref *seen_by_name(const struct seen *s, const char *name)
{
	for (unsigned i = 0; i < s->count; i++)
		if (strcmp(s->refs[i].name, name) == 0)
			return &s->refs[i];
	return NULL;
}

static void replica_name(const struct context *c, unsigned i, char out[RES_NAME_SIZE])
{
	snprintf(out, RES_NAME_SIZE, "wherry-%.32s-disk%u", c->job.name, i);
}

static int check_owner(const struct context *c, const struct res_ref *ref, struct err *e)
{
	if (strcmp(ref->tags.owner, journal_owner(c->journal)) == 0)
		return 0;
	return err_set(e, ERR_BUSY, 0,
		       "replica disk %s in %s is kept by another state directory (owner %s): run this job from there, or "
		       "remove that replica there with `wherry cleanup --discard`, or choose another job name",
		       ref->name, c->target_p->place, ref->tags.owner);
}

static int check_unchanged(const struct replica *r, unsigned i, const struct machine_disk *d, struct err *e)
{
	for (unsigned k = 0; k < r->committed_count; k++) {
		const struct generation_disk *g = &r->committed[k];

		if (g->index != i)
			continue;
		if (strcmp(g->source_disk, d->id) != 0)
			return err_set(e, ERR_REFUSED, 0,
				       "disk %u of the machine is now %s, but the replica was made from %s: bring the old "
				       "disk order back, or discard the replica with `wherry cleanup --discard` and start "
				       "over", i, d->id, g->source_disk);
		if (d->size < g->size)
			return err_set(e, ERR_REFUSED, 0,
				       "disk %s shrank from %llu to %llu bytes since generation %llu: a shrunken disk is "
				       "not replicated; discard the replica with `wherry cleanup --discard` and start over",
				       d->name, (unsigned long long)g->size, (unsigned long long)d->size,
				       (unsigned long long)r->generation);
	}
	return 0;
}

/* Do the replica's tags follow from what this journal did last? `known` is what it knows of them; `ours`: the last run
 * of this journal that wrote is the one they name. */
static bool tags_follow(const struct res_tags *known, const struct res_tags *now, bool ours, uint64_t generation)
{
	/* A copy of this state directory may use the same epoch, but never the same run. */
	bool same_run = now->epoch == known->epoch && strcmp(now->run, known->run) == 0;

	if (now->generation > generation)
		return false; /* committed by a later state directory */
	if (same_run && now->dirty == known->dirty && now->generation == known->generation)
		return true;
	/* Claims whose outcome we never learned: for writing, and for clean after a commit. */
	if (now->dirty)
		return ours && known->epoch < now->epoch && now->generation == known->generation;
	return known->dirty && same_run && now->generation == generation;
}

struct writer {
	const struct res_tags *tags;
	bool found;
};

static int see_run(void *ctx, const struct run *run)
{
	struct writer *w = ctx;

	w->found = run->epoch == w->tags->epoch && strcmp(run->id, w->tags->run) == 0;
	return w->found || run->epoch < w->tags->epoch; /* the newest come first */
}

int replica_knows_run(struct context *c, const struct res_tags *tags, bool *known, struct err *e)
{
	struct writer w = {.tags = tags};
	int rc = journal_runs(c->journal, c->job.name, 0, see_run, &w, e);

	*known = w.found;
	return rc;
}

static int recognise(struct context *c, struct replica_disk *rd, const struct journal_entry *known, bool found,
		     uint64_t generation, struct err *e)
{
	const struct res_tags *now = &rd->res.ref.tags;
	uint64_t last_writer;
	bool ours;

	if (journal_last_writer(c->journal, c->job.name, &last_writer, e) < 0 || replica_knows_run(c, now, &ours, e) < 0)
		return -1;
	rd->believed = found && tags_follow(&known->ref.tags, now, ours && now->epoch == last_writer, generation);
	return 0;
}

/* Make the disk, or adopt the one that is there under our name and owner. */
static int obtain(struct context *c, const struct run *run, const struct machine_disk *d, enum firmware firmware,
		  const struct seen *seen, struct replica_disk *rd, uint64_t generation, const char *what, struct err *e)
{
	const struct res_ref *there = seen_by_name(seen, rd->res.ref.name);
	struct journal_entry entry;
	bool found;

	if (journal_find_entry(c->journal, c->job.name, PURPOSE_REPLICA, rd->res.ref.name, &entry, &found, e) < 0)
		return -1;
	if (there == NULL) {
		struct disk_spec spec = {.size = d->size, .logical_sector = d->logical_sector, .boots = d->boot,
					 .firmware = firmware};

		if (found && journal_removed(c->journal, entry.row, e) < 0)
			return -1;
		cloud_ref(&rd->res, RES_DISK, PURPOSE_REPLICA, journal_owner(c->journal), run, what, 0);
		rd->res.ref.tags.dirty = true;
		rd->believed = true;
		rd->made = true;
		events_step(c->events, "create", "replica disk %s, %llu bytes", rd->res.ref.name,
			    (unsigned long long)d->size);
		return cloud_disk_create(&c->target, &spec, &rd->res, e) < 0 ||
				       cloud_wait_ready(&c->target, &rd->res.ref, e) < 0
			       ? -1 : 0;
	}
	rd->res.ref = *there;
	rd->res.row = entry.row;
	if ((!found && journal_intend(c->journal, c->target.place, there, &rd->res.row, e) < 0) ||
	    recognise(c, rd, &entry, found, generation, e) < 0)
		return -1;
	/* Tags that were not believed are not believed the next time either, until a run of ours has claimed the disk. */
	struct res_ref known = *there;
	if (found && !rd->believed)
		known.tags = entry.ref.tags;
	return journal_created(c->journal, rd->res.row, &known, e);
}

/* committed: bytes that the last generation says are there; 0: none. */
static int fit_size(struct context *c, const struct machine_disk *d, uint64_t committed, struct replica_disk *rd,
		    struct err *e)
{
	struct machine_disk got = {0};

	if (cloud_disk_get(&c->target, &rd->res.ref, &got, e) < 0)
		return -1;
	rd->held = got.size;
	if (got.logical_sector != d->logical_sector)
		return err_set(e, ERR_REFUSED, 0,
			       "disk %s has logical sectors of %u bytes and replica disk %s of %u: partition tables would "
			       "mean something else there; choose a target that keeps the sector size", d->name,
			       d->logical_sector, rd->res.ref.name, got.logical_sector);
	if (got.size < committed)
		return err_set(e, ERR_REFUSED, 0,
			       "replica disk %s holds %llu bytes, but its last generation %llu: somebody cut it off; discard "
			       "it with `wherry cleanup --discard` and start over", rd->res.ref.name,
			       (unsigned long long)got.size, (unsigned long long)committed);
	if (got.size >= d->size)
		return 0;
	if (rd->res.ref.tags.generation == 0 || c->target_p->ops->disk_resize == NULL)
		return err_set(e, ERR_REFUSED, 0, "replica disk %s holds %llu bytes and the source disk %s %llu: the target "
			       "must not be smaller than the source", rd->res.ref.name, (unsigned long long)got.size,
			       d->name, (unsigned long long)d->size);
	rd->grow = true; /* after the last generation was kept: it has the old size */
	return 0;
}

static struct manifest *working_new(struct context *c, const struct replica_disk *rd, const char *path, struct err *e)
{
	struct manifest_info info = {
		.size = rd->size,
		.chunk_size = c->job.chunk_size,
		.sector_size = rd->logical_sector,
		.epoch = rd->res.ref.tags.epoch, /* all unknown is true in any epoch */
	};

	snprintf(info.job, sizeof info.job, "%s", c->job.name);
	snprintf(info.disk, sizeof info.disk, "%.63s", rd->source_id);
	if (unlink(path) < 0 && errno != ENOENT) {
		err_set(e, err_kind_of_errno(errno), errno, "removing the useless manifest %s", path);
		return NULL;
	}
	return manifest_create(path, &info, &c->keys.hash, e);
}

/* Why an existing working manifest cannot be believed; NULL: it can. */
static const char *distrust(const struct context *c, const struct replica_disk *rd, const struct manifest_info *i)
{
	if (i->chunk_size != c->job.chunk_size)
		return "the chunk size of the job was changed";
	if (!rd->believed)
		return "the replica is not in the state in which this state directory left it";
	if (i->epoch < rd->res.ref.tags.epoch)
		return "the replica was written by a later run than the state directory knows";
	if (strncmp(i->disk, rd->source_id, sizeof i->disk - 1) != 0)
		return "it belongs to another source disk";
	if (i->size > rd->size)
		return "it speaks of a larger disk";
	if (i->size > rd->held)
		return "the replica disk was cut off since";
	return NULL;
}

static int open_working(struct context *c, struct replica_disk *rd, unsigned i, bool fresh, struct err *e)
{
	cleanup(cleanup_free) char *path = state_working_path(&c->state, c->job.name, i);
	struct err why = ERR_INIT;
	const char *reason = "it is missing";

	rd->working = access(path, F_OK) == 0 ? manifest_open(path, MANIFEST_WRITE, &c->keys.hash, &why) : NULL;
	if (rd->working == NULL && why.kind == ERR_BUSY) {
		*e = why;
		return -1;
	}
	if (rd->working != NULL && !fresh) {
		reason = distrust(c, rd, manifest_info(rd->working));
		if (reason == NULL)
			return 0;
	} else if (why.kind != ERR_NONE) {
		reason = why.msg;
	}
	manifest_close(rd->working);
	rd->rehash = !fresh;
	if (rd->rehash)
		events_warn(c->events, "the working manifest of disk %u is not used because %s: the replica disk is hashed "
			    "where it is, nothing is copied again that is right", i, reason);
	rd->working = working_new(c, rd, path, e);
	return rd->working == NULL ? -1 : 0;
}

/* All that can be refused while nothing was made or changed. */
static int check_disk(struct context *c, const struct machine *m, unsigned i, const struct seen *seen, struct replica *r,
		      struct err *e)
{
	const struct machine_disk *d = &m->disks.at[i];
	struct replica_disk *rd = &r->disks[i];

	*rd = (struct replica_disk){.size = d->size, .logical_sector = d->logical_sector};
	snprintf(rd->source_id, sizeof rd->source_id, "%s", d->id);
	snprintf(rd->source_name, sizeof rd->source_name, "%s", d->name);
	replica_name(c, i, rd->res.ref.name);
	if (d->why_not[0] != '\0')
		return err_set(e, d->why_kind, 0, "disk %s cannot be replicated: %s", d->name, d->why_not);
	if (check_unchanged(r, i, d, e) < 0)
		return -1;
	const struct res_ref *there = seen_by_name(seen, rd->res.ref.name);
	if (there == NULL)
		return 0;
	rd->res.ref = *there;
	return check_owner(c, there, e) < 0 ? -1 : fit_size(c, d, r->generation > 0 ? r->committed[i].size : 0, rd, e);
}

static int open_disk(struct context *c, const struct machine *m, unsigned i, const struct run *run,
		     const struct seen *seen, struct replica *r, const char *holder, struct err *e)
{
	const struct machine_disk *d = &m->disks.at[i];
	struct replica_disk *rd = &r->disks[i];
	bool fresh = seen_by_name(seen, rd->res.ref.name) == NULL;
	char what[24];

	snprintf(what, sizeof what, "disk%u", i);
	if (obtain(c, run, d, m->firmware, seen, rd, r->generation, what, e) < 0)
		return -1;
	if (c->target_p->ops->replica_lock != NULL &&
	    cloud_replica_lock(&c->target, &rd->res.ref, holder, e) < 0)
		return -1;
	if ((fresh && fit_size(c, d, 0, rd, e) < 0) || open_working(c, rd, i, fresh, e) < 0)
		return -1;
	r->count = i + 1;
	return 0;
}

static int load_committed(struct context *c, struct replica *r, struct err *e)
{
	return journal_last_generation(c->journal, c->job.name, &r->generation, &r->committed_s, r->committed,
				       WIRE_MAX_DISKS, &r->committed_count, &r->machine_json, e);
}

void replica_unmake(struct context *c, const struct run *run, struct replica *r)
{
	struct cloud stubborn = c->target;
	struct err e = ERR_INIT;

	stubborn.cancel = NULL;
	for (unsigned i = 0; run->state == RUN_PLANNED && i < WIRE_MAX_DISKS; i++) {
		if (!r->disks[i].made || r->disks[i].res.row == 0)
			continue;
		if (cloud_remove(&stubborn, &r->disks[i].res, &e) < 0)
			events_warn(c->events, "%s", e.msg);
		r->disks[i].res.row = 0;
	}
}

int replica_open(struct context *c, const struct machine *m, struct run *run, struct replica *r, struct err *e)
{
	struct seen *seen = mem_alloc(sizeof *seen);
	char holder[200], host[80] = "";
	int rc;

	*r = (struct replica){0};
	gethostname(host, sizeof host - 1);
	snprintf(holder, sizeof holder, "job %s, run %s, pid %ld on %s", c->job.name, run->id, (long)getpid(), host);
	rc = m->disks.len == 0 || m->disks.len > WIRE_MAX_DISKS
		     ? err_set(e, ERR_UNSUPPORTED, 0, "machine %s has %zu disks; 1 to %d can be replicated", m->name,
			       m->disks.len, WIRE_MAX_DISKS)
		     : load_committed(c, r, e);
	if (rc == 0 && replica_is_copied(r))
		rc = err_set(e, ERR_REFUSED, 0, "the replica of this job was made by the cloud itself: bring back \"copy\": \"cloud\" in its "
			     "options, or discard the replica with `wherry cleanup --discard` and start over");
	if (rc == 0 && r->generation > 0 && r->committed_count != m->disks.len)
		rc = err_set(e, ERR_REFUSED, 0,
			     "machine %s has %zu disks now and had %u at generation %llu: discard the replica with `wherry "
			     "cleanup --discard` and start over", m->name, m->disks.len, r->committed_count,
			     (unsigned long long)r->generation);
	if (rc == 0)
		rc = places_check_replica(&c->target, c->job.name, e);
	if (rc == 0)
		rc = cloud_find(&c->target, c->job.name, see, seen, e);
	r->top_epoch = top_epoch(seen);
	if (rc == 0)
		rc = journal_run_raise(c->journal, run, r->top_epoch + 1, e);
	for (unsigned i = 0; rc == 0 && i < m->disks.len; i++)
		rc = check_disk(c, m, i, seen, r, e);
	for (unsigned i = 0; rc == 0 && i < m->disks.len; i++)
		rc = open_disk(c, m, i, run, seen, r, holder, e);
	free(seen);
	if (rc == 0)
		rc = replica_settle(c, r, e);
	if (rc < 0) {
		replica_unmake(c, run, r);
		replica_close(r);
	}
	return rc;
}

int replica_open_committed(struct context *c, struct replica *r, struct err *e)
{
	struct seen *seen = mem_alloc(sizeof *seen);
	int rc;

	*r = (struct replica){0};
	rc = load_committed(c, r, e);
	if (rc == 0 && r->generation == 0)
		rc = err_set(e, ERR_NOT_FOUND, 0, "job %s has no committed generation yet: run `wherry sync` first",
			     c->job.name);
	if (rc == 0)
		rc = places_check_replica(&c->target, c->job.name, e);
	if (rc == 0)
		rc = cloud_find(&c->target, c->job.name, see, seen, e);
	r->top_epoch = top_epoch(seen);
	for (unsigned i = 0; rc == 0 && i < r->committed_count; i++) {
		struct replica_disk *rd = &r->disks[i];
		struct journal_entry entry;
		char name[RES_NAME_SIZE];
		bool found;

		replica_name(c, i, name);
		if (replica_is_copied(r))
			rc = replica_copy_name(c, r->generation, i, name, e);
		if (rc < 0)
			break;
		const struct res_ref *there = seen_by_name(seen, name);
		if (there == NULL) {
			rc = err_set(e, ERR_NOT_FOUND, 0, "replica disk %s is not in %s any more: run `wherry sync` to make "
				     "a new one", name, c->target_p->place);
			break;
		}
		rc = check_owner(c, there, e) < 0 ? -1 : journal_find_entry(c->journal, c->job.name, there->tags.purpose, name,
									    &entry, &found, e);
		*rd = (struct replica_disk){.res = {.ref = *there, .row = entry.row},
					    .size = r->committed[i].size,
					    .logical_sector = r->committed[i].sector_size};
		if (rc == 0)
			rc = recognise(c, rd, &entry, found, r->generation, e);
		r->count = i + 1;
	}
	free(seen);
	if (rc == 0)
		rc = replica_settle(c, r, e);
	if (rc < 0)
		replica_close(r);
	return rc;
}

void replica_close(struct replica *r)
{
	for (unsigned i = 0; i < WIRE_MAX_DISKS; i++)
		manifest_close(r->disks[i].working);
	free(r->machine_json);
	*r = (struct replica){0};
}
