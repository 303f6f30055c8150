// SPDX-License-Identifier: Apache-2.0
#include "qemu_snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "qemu_chain.h"
#include "qemu_file.h"
#include "qemu_live.h"
#include "qemu_machine.h"

static int publish(const struct qemu_cloud *c, const struct qemu_snapshot *s, struct err *e)
{
	cleanup(cleanup_free) char *json = qemu_snapshot_json(s);

	return qemu_record_publish(c, QEMU_SNAPSHOTS, s->name, json, e);
}

static void retire_all(const struct qemu_cloud *c, const struct qemu_snapshot *set, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct err ignored = ERR_INIT;

		qemu_record_retire(c, QEMU_SNAPSHOTS, set[i].name, &ignored);
	}
}

/* An earlier call may have done it. 1: all of them are there and ours, ids filled; 0: none is; -1: BUSY. */
static int adopt(const struct qemu_cloud *c, struct res_ref *refs, unsigned n, struct err *e)
{
	unsigned found = 0;

	for (unsigned i = 0; i < n; i++) {
		struct qemu_snapshot s;
		struct err why = ERR_INIT;

		if (qemu_snapshot_load(c, refs[i].name, &s, &why) < 0) {
			if (why.kind == ERR_NOT_FOUND)
				continue;
			*e = why;
			return -1;
		}
		if (!qemu_tags_same(&s.tags, &refs[i].tags))
			return err_set(e, ERR_BUSY, 0,
				       "there is another snapshot %s in the qemu cloud %s, of job %s, run %s",
				       s.name, c->dir, s.tags.job, s.tags.run);
		qemu_ref_id(&refs[i], s.uid);
		found++;
	}
	if (found == 0 || found == n)
		return found == n && n > 0;
	return err_set(e, ERR_BUSY, 0,
		       "only %u of %u snapshots of one set are still there: remove them, then take new ones", found,
		       n);
}

static void fill(struct qemu_snapshot *s, const struct res_ref *ref)
{
	*s = (struct qemu_snapshot){.tags = ref->tags, .state = SNAPSHOT_CREATING};
	snprintf(s->name, sizeof s->name, "%s", ref->name);
	qemu_uid_make(s->uid);
}

/* A disk that is a disk record of the cloud keeps its chain there, whoever runs on it. */
static int describe(const struct qemu_cloud *c, const struct qemu_machine *m, unsigned i, bool live,
		    struct qemu_snapshot *s, struct err *e)
{
	const struct qemu_machine_disk *d = &m->disks.at[i];
	cleanup(cleanup_free) char *run_dir = qemu_record_dir(c, QEMU_RUN, m->name);
	cleanup(cleanup_free) char *path = qemu_cloud_resolve(c, d->image.file);
	bool own = d->disk[0] == '\0';

	s->live = live;
	s->logical_sector = d->logical_sector;
	if (live || own)
		snprintf(s->machine, sizeof s->machine, "%s", m->name);
	snprintf(s->disk, sizeof s->disk, "%s", live || own ? d->name : d->disk);
	if (live && !qemu_proc_alive(run_dir, &s->proc))
		return err_set(e, ERR_BUSY, 0, "machine %s has just stopped: run again to take an offline snapshot",
			       m->name);
	return qemu_file_image_size(path, d->image.format == QEMU_QCOW2, &s->size, e);
}

static int make_set(const struct qemu_cloud *c, const struct qemu_machine *m, struct res_ref *refs,
		    struct qemu_snapshot *set, unsigned n, bool live, struct err *e)
{
	unsigned published = 0;
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < n; i++) {
		fill(&set[i], &refs[i]);
		rc = describe(c, m, i, live, &set[i], e);
	}
	while (rc == 0 && published < n) {
		rc = publish(c, &set[published], e);
		published += rc == 0;
	}
	if (rc == 0)
		rc = live ? qemu_live_snapshot(c, m, set, n, e) : qemu_chain_snapshot(c, set, n, e);
	if (rc < 0) {
		retire_all(c, set, published);
		return -1;
	}
	for (unsigned i = 0; i < n; i++)
		qemu_ref_id(&refs[i], set[i].uid);
	return 0;
}

int qemu_snapshot_machine(const struct qemu_cloud *c, const struct machine *m, struct res_ref *refs, unsigned n,
			  struct err *e)
{
	cleanup(qemu_machine_fini) struct qemu_machine record = {0};
	cleanup(cleanup_fd) int lock = qemu_cloud_lock(c, "taking snapshots", e);

	if (lock < 0 || qemu_snapshots_recover(c, e) < 0 || qemu_machine_load(c, m->name, &record, e) < 0)
		return -1;
	for (unsigned i = 0; i < n; i++)
		if (qemu_name_check(refs[i].name, e) < 0)
			return -1;
	if (record.disks.len != n)
		return err_set(e, ERR_REFUSED, 0,
			       "machine %s has %zu disks now, and %u were there a moment ago: run again", m->name,
			       record.disks.len, n);
	int adopted = adopt(c, refs, n, e);

	if (adopted != 0 || n == 0)
		return adopted < 0 ? -1 : 0;
	struct qemu_snapshot *set = mem_array(n, sizeof *set);
	int rc = make_set(c, &record, refs, set, n, qemu_machine_running(c, m->name), e);

	free(set);
	return rc;
}

int qemu_snapshot_disk(const struct qemu_cloud *c, const struct res_ref *disk, struct res_ref *ref, struct err *e)
{
	cleanup(cleanup_fd) int lock = qemu_cloud_lock(c, "taking a snapshot", e);
	char user[RES_NAME_SIZE + 16];
	struct qemu_snapshot s;
	struct qemu_disk d;

	if (lock < 0 || qemu_snapshots_recover(c, e) < 0 || qemu_name_check(ref->name, e) < 0 ||
	    qemu_disk_load(c, disk->name, &d, e) < 0)
		return -1;
	int adopted = adopt(c, ref, 1, e);

	if (adopted != 0)
		return adopted < 0 ? -1 : 0;
	if (d.removed || !d.ready || d.image.file[0] == '\0')
		return err_set(e, ERR_UNSUPPORTED, 0,
			       "disk %s holds no image of its own, so there is no snapshot of it", d.name);
	if (qemu_disk_user(c, d.name, user))
		return err_set(e, ERR_BUSY, 0, "disk %s cannot be snapshotted while it is in use by %s", d.name,
			       user);
	fill(&s, ref);
	snprintf(s.disk, sizeof s.disk, "%s", d.name);
	s.size = d.size;
	s.logical_sector = d.logical_sector;
	if (publish(c, &s, e) < 0)
		return -1;
	if (qemu_chain_snapshot(c, &s, 1, e) < 0) {
		retire_all(c, &s, 1);
		return -1;
	}
	qemu_ref_id(ref, s.uid);
	return 0;
}

int qemu_snapshot_usable(const struct qemu_cloud *c, const struct res_ref *ref, struct qemu_snapshot *s,
			 struct err *e)
{
	if (qemu_snapshot_load(c, ref->name, s, e) < 0)
		return -1;
	if (!qemu_id_matches(ref, s->uid))
		return err_set(e, ERR_NOT_FOUND, 0,
			       "snapshot %s is another one of the same name, made since: run again", s->name);
	if (s->state != SNAPSHOT_READY)
		return err_set(e, ERR_NOT_FOUND, 0, "snapshot %s is %s", s->name,
			       s->state == SNAPSHOT_MERGING ? "being removed" : "half-made by a process that died");
	if (s->live && !qemu_live_alive(c, s))
		return err_set(e, ERR_NOT_FOUND, 0,
			       "snapshot %s died with its machine: the QEMU of %s has ended or was started "
			       "again; run again",
			       s->name, s->machine);
	cleanup(cleanup_free) char *base = qemu_cloud_resolve(c, s->base.file);

	if (!s->live && !qemu_file_exists(base))
		return err_set(e, ERR_NOT_FOUND, 0, "snapshot %s has lost its file %s", s->name, base);
	return 0;
}

int qemu_snapshot_poll(const struct qemu_cloud *c, const struct res_ref *ref, enum res_state *state, struct err *e)
{
	struct qemu_snapshot s;
	struct err why = ERR_INIT;

	*state = RES_READY;
	if (qemu_snapshot_usable(c, ref, &s, &why) == 0)
		return 0;
	*state = qemu_record_exists(c, QEMU_SNAPSHOTS, ref->name) ? RES_FAILED : RES_ABSENT;
	if (*state == RES_FAILED)
		*e = why;
	return 0;
}

static int undo(const struct qemu_cloud *c, struct qemu_snapshot *s, struct err *e)
{
	char clone[RES_NAME_SIZE];

	if (s->live && qemu_snapshot_clone(c, s->name, clone))
		return err_set(e, ERR_BUSY, 0,
			       "snapshot %s cannot be removed while disk %s reads from it: remove that disk first",
			       s->name, clone);
	return s->live ? qemu_live_undo(c, s, e) : qemu_chain_undo(c, s, e);
}

/* A disk that was removed before its snapshots has waited for the last of them. */
static int retire_disk(const struct qemu_cloud *c, const char *disk, struct err *e)
{
	struct err why = ERR_INIT;
	struct qemu_disk d;
	char other[RES_NAME_SIZE];

	if (qemu_disk_load(c, disk, &d, &why) < 0 || !d.removed || qemu_chain_any(c, "", disk, other))
		return 0;
	return qemu_record_retire(c, QEMU_DISKS, disk, e);
}

int qemu_snapshot_remove(const struct qemu_cloud *c, const struct res_ref *ref, struct err *e)
{
	cleanup(cleanup_fd) int lock = qemu_cloud_lock(c, "removing a snapshot", e);
	struct err why = ERR_INIT;
	struct qemu_snapshot s;

	if (lock < 0 || qemu_snapshots_recover(c, e) < 0)
		return -1;
	if (qemu_snapshot_load(c, ref->name, &s, &why) < 0) {
		if (why.kind == ERR_NOT_FOUND)
			return 0;
		*e = why;
		return -1;
	}
	/* Another one of that name: ours is gone. */
	if (!qemu_id_matches(ref, s.uid))
		return 0;
	if (!s.live && s.state != SNAPSHOT_MERGING && qemu_chain_finish(c, s.machine, s.disk, e) < 0)
		return -1;
	/* Finishing another removal may have put this one on another base. */
	if (qemu_snapshot_load(c, ref->name, &s, e) < 0 || undo(c, &s, e) < 0 ||
	    qemu_record_retire(c, QEMU_SNAPSHOTS, s.name, e) < 0)
		return -1;
	return s.machine[0] == '\0' ? retire_disk(c, s.disk, e) : 0;
}

int qemu_snapshots_recover(const struct qemu_cloud *c, struct err *e)
{
	cleanup(qemu_names_fini) struct qemu_names names = {0};

	if (qemu_cloud_sweep(c, e) < 0 || qemu_record_names(c, QEMU_SNAPSHOTS, &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.list.len; i++) {
		struct qemu_snapshot s;
		bool keep = false;

		if (qemu_snapshot_load(c, names.list.at[i], &s, e) < 0)
			return -1;
		if (qemu_chain_resume(c, &s, e) < 0)
			return -1;
		if (s.state != SNAPSHOT_CREATING)
			continue;
		if ((s.live ? qemu_live_undo(c, &s, e) : qemu_chain_settle(c, &s, &keep, e)) < 0 ||
		    (!keep && qemu_record_retire(c, QEMU_SNAPSHOTS, s.name, e) < 0))
			return err_wrap(e, "undoing the half-made snapshot %s", s.name);
	}
	return 0;
}
