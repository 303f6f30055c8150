// SPDX-License-Identifier: Apache-2.0
/* Everything that makes something: intent, call, outcome. A call that failed leaves its intent open on purpose: the
 * reply may have been lost, so clean-up looks for it by name. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "cloud_try.h"

typedef int make_call(struct provider *p, void *arg, struct res_ref *refs, struct err *e);

static int lacks(const struct cloud *c, const char *what, struct err *e)
{
	return err_set(e, ERR_UNSUPPORTED, 0, "%s cannot %s: choose another provider for this end", c->p->place, what);
}

static int intend(struct cloud *c, struct cloud_res *res, unsigned n, struct err *e)
{
	for (unsigned i = 0; i < n; i++)
		if (journal_intend(c->j, c->place, &res[i].ref, &res[i].row, e) < 0)
			return -1;
	return 0;
}

static int make(struct cloud *c, struct cloud_res *res, unsigned n, make_call *call, void *arg, struct err *e)
{
	struct backoff b = cloud_backoff(c);
	cleanup(cleanup_free) struct res_ref *refs = mem_array(n, sizeof *refs);

	if (cloud_canceled(c, e) || intend(c, res, n, e) < 0)
		return -1;
	*e = (struct err)ERR_INIT;
	for (;;) {
		for (unsigned i = 0; i < n; i++)
			refs[i] = res[i].ref;
		if (call(c->p, arg, refs, e) == 0)
			break;
		if (!err_is_retryable(e) || !cloud_again(c, &b, e))
			return -1;
	}
	*e = (struct err)ERR_INIT;
	for (unsigned i = 0; i < n; i++) {
		res[i].ref = refs[i];
		if (journal_created(c->j, res[i].row, &res[i].ref, e) < 0)
			return -1;
	}
	return 0;
}

struct snapshot_args {
	const struct machine *machine;
	const struct res_ref *disk;
	unsigned n;
};

static int call_snapshot_machine(struct provider *p, void *arg, struct res_ref *refs, struct err *e)
{
	const struct snapshot_args *a = arg;

	return p->ops->snapshot_machine(p, a->machine, refs, a->n, e);
}

static int call_snapshot_disk(struct provider *p, void *arg, struct res_ref *refs, struct err *e)
{
	const struct snapshot_args *a = arg;

	return p->ops->snapshot_disk(p, a->disk, refs, e);
}

static int call_disk_create(struct provider *p, void *arg, struct res_ref *refs, struct err *e)
{
	return p->ops->disk_create(p, arg, refs, e);
}

static int call_worker_create(struct provider *p, void *arg, struct res_ref *refs, struct err *e)
{
	return p->ops->worker_create(p, arg, refs, e);
}

static int call_target_create(struct provider *p, void *arg, struct res_ref *refs, struct err *e)
{
	return p->ops->target_create(p, arg, refs, e);
}

int cloud_snapshot_machine(struct cloud *c, const struct machine *m, struct cloud_res *refs, unsigned n, struct err *e)
{
	struct snapshot_args args = {.machine = m, .n = n};

	if (c->p->ops->snapshot_machine == NULL)
		return lacks(c, "snapshot a machine", e);
	return make(c, refs, n, call_snapshot_machine, &args, e);
}

int cloud_snapshot_disk(struct cloud *c, const struct res_ref *disk, struct cloud_res *r, struct err *e)
{
	struct snapshot_args args = {.disk = disk};

	if (c->p->ops->snapshot_disk == NULL)
		return lacks(c, "snapshot a disk", e);
	return make(c, r, 1, call_snapshot_disk, &args, e);
}

int cloud_disk_create(struct cloud *c, const struct disk_spec *spec, struct cloud_res *r, struct err *e)
{
	struct disk_spec copy = *spec;

	if (c->p->ops->disk_create == NULL)
		return lacks(c, "make a disk", e);
	return make(c, r, 1, call_disk_create, &copy, e);
}

int cloud_worker_create(struct cloud *c, struct worker_spec *spec, struct cloud_res *r, struct err *e)
{
	if (c->p->ops->worker_create == NULL)
		return lacks(c, "start a worker", e);
	return make(c, r, 1, call_worker_create, spec, e);
}

int cloud_target_create(struct cloud *c, const struct target_spec *spec, struct cloud_res *r, struct err *e)
{
	struct target_spec copy = *spec;

	if (c->p->ops->target_create == NULL)
		return lacks(c, "make a machine", e);
	return make(c, r, 1, call_target_create, &copy, e);
}
