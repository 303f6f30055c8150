// SPDX-License-Identifier: Apache-2.0
#include "quota.h"

#define GIB (UINT64_C(1) << 30)

/* Clouds allocate whole GiB. */
static uint64_t gib_of(const struct machine *m, size_t from)
{
	uint64_t sum = 0;

	for (size_t i = from; i < m->disks.len; i++)
		sum += (m->disks.at[i].size + GIB - 1) / GIB;
	return sum;
}

/* Snapshots, and where workers read them, their clones. */
static void add_source(const struct quota_check *c, struct place_needs *n)
{
	n->snapshots += (unsigned)c->m->disks.len;
	n->snapshot_gib += gib_of(c->m, 0);
	if (c->source->no_workers)
		return;
	n->workers++;
	n->disks += (unsigned)c->m->disks.len;
	n->disk_gib += gib_of(c->m, 0);
}

/* A replica that is there gets the snapshots of its last generation; else its disks are made. What the cloud itself copies are
 * new disks beside it. */
static void add_target(const struct quota_check *c, struct place_needs *n)
{
	unsigned there = c->target->no_workers ? 0 : c->replica < c->m->disks.len ? c->replica : (unsigned)c->m->disks.len;

	n->workers += !c->target->no_workers;
	n->disks += (unsigned)c->m->disks.len - there;
	n->disk_gib += gib_of(c->m, there);
	n->snapshots += there;
	n->snapshot_gib += gib_of(c->m, 0) - gib_of(c->m, there);
}

static void ask(struct provider *p, const struct place_needs *needs, struct findings *out)
{
	struct quotas q = {{0}};
	struct err e = ERR_INIT;

	if (p->ops->quota == NULL)
		return;
	if (p->ops->quota(p, needs, &q, &e) < 0)
		findings_add(out, FINDING_NOT_CHECKED, e.kind, "quotas of %s: %s", p->place, e.msg);
	for (size_t i = 0; i < q.list.len; i++) {
		const struct quota *it = &q.list.at[i];

		if (it->limit >= 0 && it->used + it->need > (uint64_t)it->limit)
			findings_add(out, FINDING_ERROR, ERR_NO_SPACE, "the quota of %s allows %lld %s; %llu are used and a sync needs %llu: "
				     "have it raised to %llu, or remove something", p->place, (long long)it->limit, it->what,
				     (unsigned long long)it->used, (unsigned long long)it->need,
				     (unsigned long long)(it->used + it->need));
	}
	vec_fini(&q.list);
}

static int count_disk(void *ctx, const struct res_ref *ref)
{
	unsigned *count = ctx;

	*count += ref->kind == RES_DISK && ref->tags.purpose == PURPOSE_REPLICA;
	return 0;
}

int quota_count_replica(struct cloud *target, const char *job, unsigned *count, struct err *e)
{
	*count = 0;
	return cloud_find(target, job, count_disk, count, e);
}

void quota_check(const struct quota_check *c, struct findings *at_source, struct findings *at_target)
{
	unsigned disks = (unsigned)c->m->disks.len;
	struct place_needs source = {.machine_disks = disks}, target = {.machine_disks = disks};

	bool one = provider_same_place(c->source, c->target);

	add_source(c, &source);
	add_target(c, one ? &source : &target);
	ask(c->source, &source, at_source);
	if (!one)
		ask(c->target, &target, at_target);
}
