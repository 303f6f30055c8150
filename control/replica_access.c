// SPDX-License-Identifier: Apache-2.0
#include "replica_access.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "json_format.h"

bool replica_access_is_direct(const struct context *c)
{
	return c->target_p->ops->disk_access != NULL;
}

void replica_access_fini(struct replica_access *a)
{
	for (unsigned i = 0; i < a->count; i++)
		disk_access_fini(&a->disks[i]);
	a->count = 0;
}

int replica_access_gather(struct context *c, const struct replica *r, bool read_only, struct replica_access *a, struct err *e)
{
	const struct provider_ops *from = c->source_p->ops, *to = c->target_p->ops;
	const char *loopback = from->host_alias != NULL ? from->host_alias(c->source_p) : NULL;
	int64_t shortest = INT64_MAX;

	replica_access_fini(a);
	a->read_only = read_only;
	for (unsigned i = 0; replica_access_is_direct(c) && i < r->count; i++) {
		if (to->disk_access(c->target_p, &r->disks[i].res.ref, read_only, loopback, &a->disks[i], e) < 0)
			return -1;
		a->count = i + 1;
		shortest = a->disks[i].valid_s < shortest ? a->disks[i].valid_s : shortest;
	}
	if (a->count > 0)
		a->renew_ns = clock_mono_ns() + shortest * (NS_PER_S / 2);
	return 0;
}

/* Who lost a disk stops, also while there is nothing to write to it. */
static int still_held(struct context *c, const struct replica *r, const struct replica_access *a, struct err *e)
{
	for (unsigned i = 0; !a->read_only && i < a->count; i++)
		if (c->target_p->ops->replica_lock(c->target_p, &r->disks[i].res.ref, "", e) < 0)
			return -1;
	return 0;
}

int replica_access_keep(struct context *c, const struct replica *r, struct batch b, struct replica_access *a,
			struct worker_client *w, struct err *e)
{
	cleanup(buf_fini) struct buf list = BUF_INIT;

	if (still_held(c, r, a, e) < 0)
		return -1;
	if (a->count == 0 || clock_mono_ns() < a->renew_ns)
		return 0;
	if (replica_access_gather(c, r, a->read_only, a, e) < 0)
		return -1;
	for (unsigned i = b.first; i < b.end; i++)
		json_format_add(&list, "%j{'index':%u,'token':%s}", i > b.first ? "," : "", (uint64_t)i, a->disks[i].token);
	int rc = worker_client_tokens(w, buf_str(&list), e);
	mem_wipe(list.data, list.len);
	return rc;
}
