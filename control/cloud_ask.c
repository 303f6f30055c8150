// SPDX-License-Identifier: Apache-2.0
/* What may simply be called again: questions, and changes to a state that is named. Nothing of it is journalled. */
#include "base/vec.h"
#include "cloud_try.h"

typedef int ask_call(struct provider *p, void *arg, struct err *e);

static int ask(struct cloud *c, ask_call *call, void *arg, struct err *e)
{
	struct backoff b = cloud_backoff(c);

	*e = (struct err)ERR_INIT;
	while (call(c->p, arg, e) < 0)
		if (!err_is_retryable(e) || !cloud_again(c, &b, e))
			return -1;
	*e = (struct err)ERR_INIT;
	return 0;
}

struct found {
	const char *job;
	VEC(struct res_ref) list;
};

static int collect(void *ctx, const struct res_ref *ref)
{
	struct found *f = ctx;

	*vec_push(&f->list) = *ref;
	return 0;
}

static int call_find(struct provider *p, void *arg, struct err *e)
{
	struct found *f = arg;

	f->list.len = 0; /* half an answer is none */
	return p->ops->find(p, f->job, collect, f, e);
}

int cloud_find(struct cloud *c, const char *job, provider_found *cb, void *ctx, struct err *e)
{
	struct found f = {.job = job};
	int rc = ask(c, call_find, &f, e);

	for (size_t i = 0; rc == 0 && i < f.list.len; i++)
		if (cb(ctx, &f.list.at[i]) != 0)
			break;
	vec_fini(&f.list);
	return rc;
}

static int call_worker_image(struct provider *p, void *id, struct err *e)
{
	return p->ops->images->of_workers(p, id, e);
}

int cloud_worker_image(struct cloud *c, char id[RES_ID_SIZE], struct err *e)
{
	return ask(c, call_worker_image, id, e);
}

struct validate_args {
	bool source;
	const struct machine *m;
	struct findings *out;
	size_t before; /* findings that are somebody else's */
};

static int call_validate(struct provider *p, void *arg, struct err *e)
{
	const struct validate_args *a = arg;
	struct findings *f = a->out;

	f->list.len = a->before;
	if (p->ops->validate(p, a->source, a->m, f, e) < 0)
		return -1;
	for (size_t i = a->before; i < f->list.len; i++) {
		if (f->list.at[i].level != FINDING_ERROR)
			continue;
		err_set(e, f->list.at[i].kind, 0, "%s", f->list.at[i].text);
		if (err_is_retryable(e))
			return -1;
	}
	return 0;
}

int cloud_validate(struct cloud *c, bool source, const struct machine *m, struct findings *out, struct err *e)
{
	struct validate_args args = {.source = source, .m = m, .out = out, .before = out->list.len};

	return ask(c, call_validate, &args, e);
}

struct machine_args {
	const char *name;
	struct machine *out;
};

static int call_machine_get(struct provider *p, void *arg, struct err *e)
{
	const struct machine_args *a = arg;

	return p->ops->machine_get(p, a->name, a->out, e);
}

int cloud_machine_get(struct cloud *c, const char *name, struct machine *out, struct err *e)
{
	struct machine_args args = {.name = name, .out = out};

	return ask(c, call_machine_get, &args, e);
}

static int call_machine_start(struct provider *p, void *arg, struct err *e)
{
	const struct machine_args *a = arg;

	return p->ops->machine_start(p, a->name, e);
}

int cloud_machine_start(struct cloud *c, const char *name, struct err *e)
{
	struct machine_args args = {.name = name};

	return ask(c, call_machine_start, &args, e);
}

struct disk_args {
	const struct res_ref *disk;
	struct machine_disk *out;
	uint64_t size;
};

static int call_disk_get(struct provider *p, void *arg, struct err *e)
{
	const struct disk_args *a = arg;

	return p->ops->disk_get(p, a->disk, a->out, e);
}

int cloud_disk_get(struct cloud *c, const struct res_ref *disk, struct machine_disk *out, struct err *e)
{
	struct disk_args args = {.disk = disk, .out = out};

	return ask(c, call_disk_get, &args, e);
}

static int call_disk_resize(struct provider *p, void *arg, struct err *e)
{
	const struct disk_args *a = arg;

	return p->ops->disk_resize(p, a->disk, a->size, e);
}

int cloud_disk_resize(struct cloud *c, const struct res_ref *disk, uint64_t size, struct err *e)
{
	struct disk_args args = {.disk = disk, .size = size};

	return ask(c, call_disk_resize, &args, e);
}

struct size_args {
	unsigned disks;
	struct worker_size *out;
};

static int call_worker_size(struct provider *p, void *arg, struct err *e)
{
	const struct size_args *a = arg;

	return p->ops->worker_size(p, a->disks, a->out, e);
}

int cloud_worker_size(struct cloud *c, unsigned disks, struct worker_size *out, struct err *e)
{
	struct size_args args = {.disks = disks, .out = out};

	*out = (struct worker_size){.disks = disks};
	return c->p->ops->worker_size == NULL ? 0 : ask(c, call_worker_size, &args, e);
}

struct endpoint_args {
	const struct res_ref *worker;
	uint16_t port;
	struct endpoint *out;
};

static int call_endpoint(struct provider *p, void *arg, struct err *e)
{
	const struct endpoint_args *a = arg;

	return p->ops->endpoint(p, a->worker, a->port, a->out, e);
}

int cloud_endpoint(struct cloud *c, const struct res_ref *worker, uint16_t port, struct endpoint *out, struct err *e)
{
	struct endpoint_args args = {.worker = worker, .port = port, .out = out};

	return ask(c, call_endpoint, &args, e);
}

struct changed_args {
	const struct machine *machine;
	unsigned disk;
	const char *baseline_id, *snapshot_id;
	struct byte_range **out;
	size_t *count;
};

static int call_changed_ranges(struct provider *p, void *arg, struct err *e)
{
	const struct changed_args *a = arg;

	return p->ops->changed_ranges(p, a->machine, a->disk, a->baseline_id, a->snapshot_id, a->out, a->count, e);
}

int cloud_changed_ranges(struct cloud *c, const struct machine *m, unsigned disk, const char *baseline_id,
			 const char *snapshot_id, struct byte_range **out, size_t *count, struct err *e)
{
	struct changed_args args = {.machine = m, .disk = disk, .baseline_id = baseline_id, .snapshot_id = snapshot_id,
				    .out = out, .count = count};

	return ask(c, call_changed_ranges, &args, e);
}
