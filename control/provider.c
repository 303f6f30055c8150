// SPDX-License-Identifier: Apache-2.0
#include "provider.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const struct {
	const char *name;
	int rank;
} kinds[RES_KINDS] = {
	/* A machine holds NICs and disks, a NIC holds an address and a firewall, a clone may hold its snapshot. */
	[RES_WORKER] = {"worker", 0},
	[RES_MACHINE] = {"machine", 1},
	[RES_NIC] = {"nic", 2},
	[RES_ADDRESS] = {"address", 3},
	[RES_FIREWALL] = {"firewall", 4},
	[RES_DISK] = {"disk", 5},
	[RES_SNAPSHOT] = {"snapshot", 6},
	[RES_IMAGE] = {"image", 7},
};

static const char *const purposes[PURPOSE_KINDS] = {
	[PURPOSE_SCAFFOLD] = "scaffold",
	[PURPOSE_REPLICA] = "replica",
	[PURPOSE_GENERATION] = "generation",
	[PURPOSE_BASELINE] = "baseline",
	[PURPOSE_TARGET] = "target",
	[PURPOSE_COPY] = "copy",
};

const char *res_kind_name(enum res_kind k)
{
	return (unsigned)k < RES_KINDS ? kinds[k].name : "unknown";
}

const char *res_purpose_name(enum res_purpose p)
{
	return (unsigned)p < PURPOSE_KINDS ? purposes[p] : "unknown";
}

int res_kind_by_name(const char *name)
{
	for (int k = 0; k < RES_KINDS; k++)
		if (strcmp(kinds[k].name, name) == 0)
			return k;
	return -1;
}

int res_purpose_by_name(const char *name)
{
	for (int p = 0; p < PURPOSE_KINDS; p++)
		if (strcmp(purposes[p], name) == 0)
			return p;
	return -1;
}

int res_kind_removal_rank(enum res_kind k)
{
	return (unsigned)k < RES_KINDS ? kinds[k].rank : RES_KINDS;
}

bool res_is_replica(const struct res_ref *ref)
{
	return ref->kind == RES_DISK && (ref->tags.purpose == PURPOSE_REPLICA || ref->tags.purpose == PURPOSE_COPY);
}

void machine_fini(struct machine *m)
{
	buf_fini(&m->nvram);
	vec_fini(&m->disks);
	vec_fini(&m->nics);
}

void disk_access_fini(struct disk_access *a)
{
	if (a->token != NULL)
		mem_wipe(a->token, strlen(a->token));
	free(a->token);
	a->token = NULL;
}

void findings_add(struct findings *f, enum finding_level level, enum err_kind kind, const char *fmt, ...)
{
	struct finding *n = vec_push(&f->list);
	va_list ap;

	n->level = level;
	n->kind = kind;
	va_start(ap, fmt);
	vsnprintf(n->text, sizeof n->text, fmt, ap);
	va_end(ap);
}

void findings_add_machine(struct findings *f, const struct machine *m)
{
	if (m->not_one_instant)
		findings_add(f, FINDING_WARNING, ERR_NONE, "the snapshots of the running machine's %zu disks are taken one after the other, so "
			     "data spread over several disks may not fit together: stop the machine for the last sync", m->disks.len);
}

void findings_fini(struct findings *f)
{
	vec_fini(&f->list);
}

void provider_close(struct provider *p)
{
	if (p != NULL)
		p->ops->close(p);
}

bool provider_same_place(const struct provider *a, const struct provider *b)
{
	return a->ops == b->ops && strcmp(a->place, b->place) == 0 && strcmp(a->identity, b->identity) == 0;
}

void provider_add_boots(const struct provider_ops *ops, struct buf *out)
{
	buf_addf(out, "workers of %s %s", ops->name, ops->boots != NULL ? ops->boots : "boot from files of this host");
}
