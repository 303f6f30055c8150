// SPDX-License-Identifier: Apache-2.0
#include "provider_qemu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "qemu_bitmap.h"
#include "qemu_disk.h"
#include "qemu_machine.h"
#include "qemu_options.h"
#include "qemu_snapshot.h"
#include "qemu_target.h"
#include "qemu_worker.h"

#define STOP_GRACE_NS (30 * NS_PER_S)

struct held {
	char disk[RES_NAME_SIZE];
	int fd;
};

struct provider_qemu {
	struct provider p;
	struct qemu_cloud cloud;
	struct qemu_options options;
	VEC(struct held) locks;
};

static struct provider_qemu *of(struct provider *p)
{
	return (struct provider_qemu *)p;
}

/* What dead processes left half-done is finished now, unless somebody works here or we may not write. */
static void recover(struct provider_qemu *q)
{
	cleanup(cleanup_fd) int lock = qemu_cloud_try_lock(&q->cloud);
	struct err e = ERR_INIT;

	if (lock >= 0 && qemu_snapshots_recover(&q->cloud, &e) < 0)
		log_warn(q->p.log, "%s: %s", q->p.place, e.msg);
}

static struct provider *open_cloud(struct json_at *block, const struct log *log, struct err *e)
{
	struct provider_qemu *q = mem_alloc(sizeof *q);

	q->p.ops = &provider_qemu_ops;
	q->p.log = log;
	qemu_options_read(block, &q->options);
	/* Key errors are the document's; *e stays empty then (provider.h). */
	if (q->options.cloud[0] == '\0' || qemu_cloud_open(q->options.cloud, &q->cloud, e) < 0) {
		free(q);
		return NULL;
	}
	snprintf(q->p.place, sizeof q->p.place, "qemu cloud %.240s", q->cloud.dir);
	recover(q);
	return &q->p;
}

static void close_cloud(struct provider *p)
{
	struct provider_qemu *q = of(p);

	for (size_t i = 0; i < q->locks.len; i++)
		close(q->locks.at[i].fd);
	vec_fini(&q->locks);
	qemu_cloud_fini(&q->cloud);
	free(q);
}

static int machine_get(struct provider *p, const char *name, struct machine *out, struct err *e)
{
	return qemu_machine_describe(&of(p)->cloud, name, out, e);
}

static int validate(struct provider *p, bool source, const struct machine *m, struct findings *out, struct err *e)
{
	return qemu_validate(&of(p)->cloud, &of(p)->options, source, m, out, e);
}

static int snapshot_machine(struct provider *p, const struct machine *m, struct res_ref *refs, unsigned n,
			    struct err *e)
{
	return qemu_snapshot_machine(&of(p)->cloud, m, refs, n, e);
}

static int snapshot_disk(struct provider *p, const struct res_ref *disk, struct res_ref *ref, struct err *e)
{
	return qemu_snapshot_disk(&of(p)->cloud, disk, ref, e);
}

static int disk_create(struct provider *p, const struct disk_spec *spec, struct res_ref *ref, struct err *e)
{
	return qemu_disk_create(&of(p)->cloud, of(p)->options.format, spec, ref, e);
}

static int disk_get(struct provider *p, const struct res_ref *ref, struct machine_disk *out, struct err *e)
{
	return qemu_disk_get(&of(p)->cloud, ref, out, e);
}

static int disk_resize(struct provider *p, const struct res_ref *ref, uint64_t size, struct err *e)
{
	return qemu_disk_resize(&of(p)->cloud, ref, size, e);
}

static int worker_size(struct provider *p, unsigned disks, struct worker_size *out, struct err *e)
{
	unsigned most = of(p)->options.worker_disks;

	(void)e;
	*out = (struct worker_size){.disks = disks < most ? disks : most};
	return 0;
}

static int worker_create(struct provider *p, struct worker_spec *spec, struct res_ref *ref, struct err *e)
{
	return qemu_worker_create(&of(p)->cloud, &of(p)->options, spec, ref, p->log, e);
}

static int attach(struct provider *p, const struct res_ref *worker, struct worker_disk *disk, struct err *e)
{
	return qemu_worker_attach(&of(p)->cloud, worker, disk, e);
}

static int detach(struct provider *p, const struct res_ref *worker, const struct res_ref *disk, struct err *e)
{
	return qemu_worker_detach(&of(p)->cloud, worker, disk, e);
}

static int no_such_kind(const struct res_ref *ref, struct err *e)
{
	return err_set(e, ERR_UNSUPPORTED, 0, "the qemu provider has no resources of kind %s",
		       res_kind_name(ref->kind));
}

static int poll_resource(struct provider *p, const struct res_ref *ref, enum res_state *state, struct err *e)
{
	const struct qemu_cloud *c = &of(p)->cloud;

	switch (ref->kind) {
	case RES_SNAPSHOT:
		return qemu_snapshot_poll(c, ref, state, e);
	case RES_DISK:
		return qemu_disk_poll(c, ref, state, e);
	case RES_WORKER:
		return qemu_worker_poll(c, ref, state, e);
	case RES_MACHINE:
		return qemu_target_poll(c, ref, state, e);
	default:
		return no_such_kind(ref, e);
	}
}

static void let_go(struct provider_qemu *q, const char *disk)
{
	for (size_t i = 0; i < q->locks.len; i++) {
		if (strcmp(q->locks.at[i].disk, disk) != 0)
			continue;
		close(q->locks.at[i].fd);
		q->locks.at[i] = q->locks.at[--q->locks.len];
		return;
	}
}

static int remove_resource(struct provider *p, const struct res_ref *ref, struct err *e)
{
	const struct qemu_cloud *c = &of(p)->cloud;

	switch (ref->kind) {
	case RES_SNAPSHOT:
		return qemu_snapshot_remove(c, ref, e);
	case RES_DISK:
		if (qemu_disk_remove(c, ref, e) < 0)
			return -1;
		let_go(of(p), ref->name);
		return 0;
	case RES_WORKER:
		return qemu_worker_remove(c, ref, e);
	case RES_MACHINE:
		return qemu_target_remove(c, ref, e);
	default:
		return no_such_kind(ref, e);
	}
}

/* Tags and uid of one record; false: it is not ours, or vanished, or is unreadable (then validate tells). */
static bool read_tags(const struct qemu_cloud *c, enum qemu_folder f, const char *name, struct res_ref *ref,
		      char uid[QEMU_UID_SIZE])
{
	struct err e = ERR_INIT;

	switch (f) {
	case QEMU_DISKS: {
		struct qemu_disk d;
		bool ok = qemu_disk_load(c, name, &d, &e) == 0 && !d.removed;

		ref->tags = d.tags;
		memcpy(uid, d.uid, QEMU_UID_SIZE);
		return ok;
	}
	case QEMU_SNAPSHOTS: {
		struct qemu_snapshot s;
		bool ok = qemu_snapshot_load(c, name, &s, &e) == 0;

		ref->tags = s.tags;
		memcpy(uid, s.uid, QEMU_UID_SIZE);
		return ok;
	}
	case QEMU_RUN: {
		struct qemu_worker w;
		bool ok = qemu_worker_load(c, name, &w, &e) == 0;

		ref->tags = w.tags;
		memcpy(uid, w.uid, QEMU_UID_SIZE);
		return ok;
	}
	default: {
		struct qemu_machine m;
		bool ok = qemu_machine_load(c, name, &m, &e) == 0;

		ref->tags = m.tags;
		memcpy(uid, m.uid, QEMU_UID_SIZE);
		if (ok)
			qemu_machine_fini(&m);
		return ok && m.tagged;
	}
	}
}

static int find(struct provider *p, const char *job, provider_found *cb, void *ctx, struct err *e)
{
	static const struct {
		enum qemu_folder folder;
		enum res_kind kind;
	} where[] = {
		{QEMU_RUN, RES_WORKER},
		{QEMU_MACHINES, RES_MACHINE},
		{QEMU_DISKS, RES_DISK},
		{QEMU_SNAPSHOTS, RES_SNAPSHOT},
	};

	for (size_t w = 0; w < sizeof where / sizeof where[0]; w++) {
		cleanup(qemu_names_fini) struct qemu_names names = {0};

		if (qemu_record_names(&of(p)->cloud, where[w].folder, &names, e) < 0)
			return -1;
		for (size_t i = 0; i < names.list.len; i++) {
			struct res_ref ref = {.kind = where[w].kind};
			char uid[QEMU_UID_SIZE];

			snprintf(ref.name, sizeof ref.name, "%s", names.list.at[i]);
			if (!read_tags(&of(p)->cloud, where[w].folder, ref.name, &ref, uid) ||
			    (job != NULL && strcmp(job, ref.tags.job) != 0))
				continue;
			qemu_ref_id(&ref, uid);
			if (cb(ctx, &ref) != 0)
				return 0;
		}
	}
	return 0;
}

static int console(struct provider *p, const struct res_ref *worker, struct buf *out, struct err *e)
{
	return qemu_worker_console(&of(p)->cloud, worker, out, e);
}

static int endpoint(struct provider *p, const struct res_ref *worker, uint16_t port, struct endpoint *out,
		    struct err *e)
{
	return qemu_worker_endpoint(&of(p)->cloud, worker, port, out, e);
}

/* QEMU's user networking maps its gateway to the host's loopback. */
static const char *host_alias(struct provider *p)
{
	(void)p;
	return "10.0.2.2";
}

static int replica_lock(struct provider *p, const struct res_ref *disk, const char *holder, struct err *e)
{
	struct provider_qemu *q = of(p);

	for (size_t i = 0; i < q->locks.len; i++)
		if (strcmp(q->locks.at[i].disk, disk->name) == 0)
			return 0;
	int fd = qemu_disk_lock(&q->cloud, disk, holder, e);

	if (fd < 0)
		return -1;
	struct held *h = vec_push(&q->locks);

	snprintf(h->disk, sizeof h->disk, "%s", disk->name);
	h->fd = fd;
	return 0;
}

static int replica_claim(struct provider *p, struct res_ref *disk, const struct res_tags *expect,
			 const struct res_tags *set, struct err *e)
{
	return qemu_disk_claim(&of(p)->cloud, disk, expect, set, e);
}

static int changed_ranges(struct provider *p, const struct machine *m, unsigned disk, const char *baseline_id,
			  const char *snapshot_id, struct byte_range **out, size_t *count, struct err *e)
{
	(void)snapshot_id; /* bitmaps go on recording */
	return qemu_changed_ranges(&of(p)->cloud, m, disk, baseline_id, out, count, e);
}

static int target_create(struct provider *p, const struct target_spec *spec, struct res_ref *ref, struct err *e)
{
	return qemu_target_create(&of(p)->cloud, spec, ref, e);
}

static int machine_start(struct provider *p, const char *name, struct err *e)
{
	return qemu_machine_start(&of(p)->cloud, name, &of(p)->options, e);
}

static int machine_stop(struct provider *p, const char *name, struct err *e)
{
	return qemu_machine_stop(&of(p)->cloud, name, STOP_GRACE_NS, e);
}

const struct provider_ops provider_qemu_ops = {
	.name = "qemu",
	.lacks = NULL,
	.open = open_cloud,
	.close = close_cloud,
	.machine_get = machine_get,
	.validate = validate,
	.snapshot_machine = snapshot_machine,
	.snapshot_disk = snapshot_disk,
	.disk_create = disk_create,
	.disk_get = disk_get,
	.disk_resize = disk_resize,
	.worker_size = worker_size,
	.worker_create = worker_create,
	.attach = attach,
	.detach = detach,
	.poll = poll_resource,
	.remove = remove_resource,
	.find = find,
	.console = console,
	.endpoint = endpoint,
	.host_alias = host_alias,
	.replica_lock = replica_lock,
	.replica_claim = replica_claim,
	.changed_ranges = changed_ranges,
	.target_create = target_create,
	.machine_start = machine_start,
	.path_keys = (const char *const[]){"cloud", "image", NULL},
	.machine_stop = machine_stop,
};
