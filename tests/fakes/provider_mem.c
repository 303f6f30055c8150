// SPDX-License-Identifier: Apache-2.0
#include "fakes/provider_mem.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"

struct provider_mem {
	struct provider base;
	struct provider_ops ops;
	struct mem_cloud *cloud;
	bool own;
};

static struct mem_cloud *cloud_of(struct provider *p)
{
	return ((struct provider_mem *)p)->cloud;
}

struct mem_cloud *mem_cloud_new(void)
{
	struct mem_cloud *c = mmap(NULL, sizeof *c, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (c == MAP_FAILED)
		abort();
	*c = (struct mem_cloud){.machine = "web1", .disk_size = {10 << 20, 3 << 20}, .disk_count = 2};
	return c;
}

void mem_cloud_free(struct mem_cloud *c)
{
	if (c != NULL)
		munmap(c, sizeof *c);
}

void mem_cloud_fault(struct mem_cloud *c, enum mem_call call, enum mem_when when, enum err_kind kind, unsigned skip,
		     unsigned times)
{
	c->faults[c->fault_count++] =
		(struct mem_fault){.call = call, .when = when, .kind = kind, .skip = skip, .times = times};
}

struct mem_item *mem_cloud_get(struct mem_cloud *c, const char *name)
{
	for (size_t i = 0; i < sizeof c->items / sizeof c->items[0]; i++)
		if (c->items[i].used && strcmp(c->items[i].ref.name, name) == 0)
			return &c->items[i];
	return NULL;
}

unsigned mem_cloud_count(const struct mem_cloud *c, int purpose)
{
	unsigned n = 0;

	for (size_t i = 0; i < sizeof c->items / sizeof c->items[0]; i++)
		n += c->items[i].used && (purpose < 0 || (int)c->items[i].ref.tags.purpose == purpose);
	return n;
}

struct mem_item *mem_cloud_add(struct mem_cloud *c, const struct res_ref *ref)
{
	for (size_t i = 0; i < sizeof c->items / sizeof c->items[0]; i++) {
		struct mem_item *it = &c->items[i];

		if (it->used)
			continue;
		*it = (struct mem_item){.used = true, .ref = *ref, .pending = c->new_pending, .refusals = c->new_refusals,
					.hidden = c->new_hidden};
		if (it->ref.id[0] == '\0')
			snprintf(it->ref.id, sizeof it->ref.id, "mem-%u", ++c->next_id);
		return it;
	}
	abort();
}

/* Which fault strikes this call at this point. */
static bool strikes(struct mem_cloud *c, enum mem_call call, bool after, struct err *e)
{
	for (unsigned i = 0; i < c->fault_count; i++) {
		struct mem_fault *f = &c->faults[i];

		if (f->call != call || f->times == 0 || (f->when == MEM_AFTER || f->when == MEM_KILL_AFTER) != after)
			continue;
		if (f->skip > 0) {
			f->skip--;
			continue;
		}
		f->times--;
		if (f->when == MEM_KILL_BEFORE || f->when == MEM_KILL_AFTER)
			kill(getpid(), SIGKILL);
		err_set(e, f->kind, 0, "the memory cloud was told to fail");
		return true;
	}
	return false;
}

static int begin(struct mem_cloud *c, enum mem_call call, struct err *e)
{
	c->calls[call]++;
	if (e->kind != ERR_NONE) {
		fprintf(stderr, "a provider was called with an error at hand: %s\n", e->msg);
		abort();
	}
	return strikes(c, call, false, e) ? -1 : 0;
}

static int end(struct mem_cloud *c, enum mem_call call, struct err *e)
{
	return strikes(c, call, true, e) ? -1 : 0;
}

static struct mem_item *make(struct mem_cloud *c, struct res_ref *ref, struct err *e)
{
	struct mem_item *it = mem_cloud_get(c, ref->name);

	if (it == NULL) {
		it = mem_cloud_add(c, ref);
	} else if (strcmp(it->ref.tags.owner, ref->tags.owner) != 0 || strcmp(it->ref.tags.job, ref->tags.job) != 0 ||
		   strcmp(it->ref.tags.run, ref->tags.run) != 0) {
		err_set(e, ERR_BUSY, 0, "the memory cloud has another %s", ref->name);
		return NULL;
	}
	snprintf(ref->id, sizeof ref->id, "%s", it->ref.id);
	return it;
}

static int snapshot_machine(struct provider *p, const struct machine *m, struct res_ref *refs, unsigned n,
		struct err *e)
{
	struct mem_cloud *c = cloud_of(p);

	if (begin(c, MEM_SNAPSHOT_MACHINE, e) < 0)
		return -1;
	for (unsigned i = 0; i < n; i++) {
		struct mem_item *it = make(c, &refs[i], e);

		if (it == NULL)
			return -1;
		it->size = m->disks.at[i].size;
		it->sector = m->disks.at[i].logical_sector;
		it->data[0] = c->holds;
	}
	return end(c, MEM_SNAPSHOT_MACHINE, e);
}

static int changed_ranges(struct provider *p, const struct machine *m, unsigned disk, const char *baseline_id,
			  const char *snapshot_id, struct byte_range **out, size_t *count, struct err *e)
{
	struct mem_cloud *c = cloud_of(p);

	(void)snapshot_id;
	*out = NULL;
	*count = 0;
	if (disk >= m->disks.len)
		return err_set(e, ERR_NOT_FOUND, 0, "the memory cloud has no disk %u", disk);
	snprintf(c->asked[disk], sizeof c->asked[disk], "%s", baseline_id);
	if (!c->tracks)
		return err_set(e, ERR_UNSUPPORTED, 0, "the memory cloud does not know what has changed");
	*count = c->changed_count[disk];
	*out = mem_array(*count + 1, sizeof **out);
	memcpy(*out, c->changed[disk], *count * sizeof **out);
	return 0;
}

static int snapshot_disk(struct provider *p, const struct res_ref *disk, struct res_ref *ref, struct err *e)
{
	struct mem_cloud *c = cloud_of(p);
	const struct mem_item *from = mem_cloud_get(c, disk->name);

	if (begin(c, MEM_SNAPSHOT_DISK, e) < 0)
		return -1;
	if (from == NULL)
		return err_set(e, ERR_NOT_FOUND, 0, "the memory cloud has no disk %s", disk->name);
	struct mem_item *it = make(c, ref, e);
	if (it == NULL)
		return -1;
	it->size = from->size;
	it->sector = from->sector;
	memcpy(it->data, from->data, sizeof it->data);
	return end(c, MEM_SNAPSHOT_DISK, e);
}

static int disk_create(struct provider *p, const struct disk_spec *spec, struct res_ref *ref, struct err *e)
{
	struct mem_cloud *c = cloud_of(p);
	const struct mem_item *from = spec->from_snapshot == NULL ? NULL : mem_cloud_get(c, spec->from_snapshot->name);

	if (begin(c, MEM_DISK_CREATE, e) < 0)
		return -1;
	if (spec->from_snapshot != NULL && from == NULL)
		return err_set(e, ERR_NOT_FOUND, 0, "the memory cloud has no snapshot %s", spec->from_snapshot->name);
	struct mem_item *it = make(c, ref, e);
	if (it == NULL)
		return -1;
	it->size = spec->size != 0 || from == NULL ? spec->size : from->size;
	it->sector = spec->logical_sector;
	if (from != NULL)
		memcpy(it->data, from->data, sizeof it->data);
	return end(c, MEM_DISK_CREATE, e);
}

static bool copies_from(const struct provider *p, const struct provider *source)
{
	const struct mem_cloud *c = ((const struct provider_mem *)p)->cloud;

	return c->copies && ((const struct provider_mem *)source)->cloud == c;
}

static int disk_resize(struct provider *p, const struct res_ref *ref, uint64_t size, struct err *e)
{
	struct mem_cloud *c = cloud_of(p);
	struct mem_item *it = mem_cloud_get(c, ref->name);

	if (begin(c, MEM_RESIZE, e) < 0)
		return -1;
	if (it == NULL)
		return err_set(e, ERR_NOT_FOUND, 0, "the memory cloud has no disk %s", ref->name);
	if (size < it->size)
		return err_set(e, ERR_REFUSED, 0, "the memory cloud shrinks no disks");
	it->size = size;
	return end(c, MEM_RESIZE, e);
}

static int worker_size(struct provider *p, unsigned disks, struct worker_size *out, struct err *e)
{
	const struct mem_cloud *c = cloud_of(p);

	(void)e;
	*out = (struct worker_size){.name = "tiny", .disks = disks < c->worker_disks ? disks : c->worker_disks};
	return 0;
}

static int worker_create(struct provider *p, struct worker_spec *spec, struct res_ref *ref, struct err *e)
{
	struct mem_cloud *c = cloud_of(p);

	if (begin(c, MEM_WORKER_CREATE, e) < 0)
		return -1;
	if (c->worker_disks != 0 && spec->disk_count > c->worker_disks)
		return err_set(e, ERR_UNSUPPORTED, 0, "a worker of the memory cloud takes %u disks, not %u", c->worker_disks,
			       spec->disk_count);
	struct mem_item *it = make(c, ref, e);
	if (it == NULL)
		return -1;
	for (it->disk_count = 0; it->disk_count < spec->disk_count && it->disk_count < 4; it->disk_count++)
		snprintf(it->disks[it->disk_count], sizeof it->disks[0], "%s", spec->disks[it->disk_count].disk->name);
	return end(c, MEM_WORKER_CREATE, e);
}

static int target_create(struct provider *p, const struct target_spec *spec, struct res_ref *ref, struct err *e)
{
	struct mem_cloud *c = cloud_of(p);

	if (begin(c, MEM_TARGET_CREATE, e) < 0)
		return -1;
	struct mem_item *it = make(c, ref, e);
	if (it == NULL)
		return -1;
	it->running = c->starts_at_once;
	for (it->disk_count = 0; it->disk_count < spec->disk_count && it->disk_count < 4; it->disk_count++)
		snprintf(it->disks[it->disk_count], sizeof it->disks[0], "%s", spec->disks[it->disk_count].name);
	return end(c, MEM_TARGET_CREATE, e);
}

static struct mem_item *made_machine(struct mem_cloud *c, const char *name)
{
	struct mem_item *it = mem_cloud_get(c, name);

	return it != NULL && it->ref.kind == RES_MACHINE ? it : NULL;
}

static int machine_start(struct provider *p, const char *name, struct err *e)
{
	struct mem_cloud *c = cloud_of(p);
	struct mem_item *it = made_machine(c, name);

	if (begin(c, MEM_START, e) < 0)
		return -1;
	if (it == NULL)
		return err_set(e, ERR_NOT_FOUND, 0, "%s has no machine %s", p->place, name);
	it->running = true;
	return end(c, MEM_START, e);
}

static int machine_get(struct provider *p, const char *name, struct machine *out, struct err *e)
{
	struct mem_cloud *c = cloud_of(p);

	*out = (struct machine){0};
	if (begin(c, MEM_MACHINE_GET, e) < 0)
		return -1;
	const struct mem_item *made = made_machine(c, name);
	if (made == NULL && strcmp(name, c->machine) != 0)
		return err_set(e, ERR_NOT_FOUND, 0, "%s has no machine %s", p->place, name);
	snprintf(out->id, sizeof out->id, "mem/%s", name);
	snprintf(out->name, sizeof out->name, "%s", name);
	out->running = made == NULL || made->running;
	out->vcpus = 2;
	out->memory_mib = 512;
	for (unsigned i = 0; i < c->disk_count; i++) {
		struct machine_disk *d = vec_push(&out->disks);

		snprintf(d->id, sizeof d->id, "mem-disk-%u", i);
		snprintf(d->name, sizeof d->name, "disk%u", i);
		d->size = c->disk_size[i];
		d->logical_sector = 512;
		d->boot = i == 0;
	}
	return 0;
}

static int validate(struct provider *p, bool source, const struct machine *m, struct findings *out, struct err *e)
{
	struct mem_cloud *c = cloud_of(p);

	(void)m;
	if (begin(c, MEM_VALIDATE, e) < 0)
		return -1;
	if (c->busy > 0) {
		c->busy--;
		findings_add(out, FINDING_ERROR, ERR_NETWORK, "the memory cloud is busy");
	}
	if (c->complains && !source) {
		findings_add(out, FINDING_WARNING, ERR_NONE, "the memory cloud is slow");
		findings_add(out, FINDING_ERROR, ERR_NO_SPACE, "the memory cloud is full");
		findings_add(out, FINDING_NOT_CHECKED, ERR_NONE, "the memory cloud's quota");
	}
	return 0;
}

static int disk_get(struct provider *p, const struct res_ref *ref, struct machine_disk *out, struct err *e)
{
	struct mem_cloud *c = cloud_of(p);
	const struct mem_item *it = mem_cloud_get(c, ref->name);

	*out = (struct machine_disk){0};
	if (begin(c, MEM_DISK_GET, e) < 0)
		return -1;
	if (it == NULL)
		return err_set(e, ERR_NOT_FOUND, 0, "the memory cloud has no disk %s", ref->name);
	snprintf(out->id, sizeof out->id, "%s", it->ref.id);
	snprintf(out->name, sizeof out->name, "%s", it->ref.name);
	out->size = it->size;
	out->logical_sector = it->sector;
	return end(c, MEM_DISK_GET, e);
}

static int poll_item(struct provider *p, const struct res_ref *ref, enum res_state *state, struct err *e)
{
	struct mem_cloud *c = cloud_of(p);
	struct mem_item *it = mem_cloud_get(c, ref->name);

	if (begin(c, MEM_POLL, e) < 0)
		return -1;
	*state = RES_ABSENT;
	if (it == NULL || it->hidden > 0) {
		if (it != NULL)
			it->hidden--;
		return end(c, MEM_POLL, e);
	}
	*state = RES_PENDING;
	if (it->pending > 0) {
		it->pending--;
	} else if (it->missed > 0) {
		it->missed--;
		*state = RES_ABSENT;
	} else if (it->removing) {
		*it = (struct mem_item){.used = false};
		*state = RES_ABSENT;
	} else if (it->failed) {
		*state = RES_FAILED;
		err_set(e, ERR_IO, 0, "%s broke", ref->name);
	} else {
		*state = RES_READY;
	}
	return end(c, MEM_POLL, e);
}

static int remove_item(struct provider *p, const struct res_ref *ref, struct err *e)
{
	struct mem_cloud *c = cloud_of(p);
	struct mem_item *it = mem_cloud_get(c, ref->name);

	if (begin(c, MEM_REMOVE, e) < 0)
		return -1;
	if (it != NULL && it->refusals > 0) {
		it->refusals--;
		return err_set(e, ERR_BUSY, 0, "%s is still held", ref->name);
	}
	if (it != NULL && (strcmp(it->ref.tags.owner, ref->tags.owner) != 0 ||
			   (it->ref.tags.purpose != PURPOSE_REPLICA && strcmp(it->ref.tags.run, ref->tags.run) != 0)))
		return err_set(e, ERR_BUSY, 0, "%s is another's", ref->name);
	if (it != NULL) {
		c->removal_order[c->removals++ % 128] = it->ref.kind;
		it->removing = true;
		it->pending = c->new_pending;
		if (it->pending == 0)
			*it = (struct mem_item){.used = false};
	}
	return end(c, MEM_REMOVE, e);
}

static int find(struct provider *p, const char *job, provider_found *cb, void *ctx, struct err *e)
{
	struct mem_cloud *c = cloud_of(p);

	if (begin(c, MEM_FIND, e) < 0)
		return -1;
	for (size_t i = 0; i < sizeof c->items / sizeof c->items[0]; i++) {
		struct mem_item *it = &c->items[i];

		if (!it->used || (job != NULL && strcmp(it->ref.tags.job, job) != 0))
			continue;
		if (it->hidden > 0)
			it->hidden--;
		else if (cb(ctx, &it->ref) != 0)
			break;
	}
	return end(c, MEM_FIND, e);
}

static int replica_lock(struct provider *p, const struct res_ref *disk, const char *holder, struct err *e)
{
	(void)disk;
	(void)holder;
	return begin(cloud_of(p), MEM_LOCK, e);
}

static int replica_claim(struct provider *p, struct res_ref *disk, const struct res_tags *expect,
			 const struct res_tags *set, struct err *e)
{
	struct mem_cloud *c = cloud_of(p);
	struct mem_item *it = mem_cloud_get(c, disk->name);

	if (begin(c, MEM_CLAIM, e) < 0)
		return -1;
	if (it == NULL)
		return err_set(e, ERR_NOT_FOUND, 0, "the memory cloud has no disk %s", disk->name);
	if (it->ref.tags.epoch != expect->epoch || strcmp(it->ref.tags.owner, expect->owner) != 0)
		return err_set(e, ERR_BUSY, 0, "%s was claimed by epoch %llu", disk->name,
			       (unsigned long long)it->ref.tags.epoch);
	it->ref.tags = *set;
	disk->tags = *set;
	if (c->claim_count < sizeof c->claims / sizeof c->claims[0]) {
		struct mem_claim *claim = &c->claims[c->claim_count++];

		claim->tags = *set;
		snprintf(claim->disk, sizeof claim->disk, "%s", disk->name);
	}
	return end(c, MEM_CLAIM, e);
}

static int console(struct provider *p, const struct res_ref *worker, struct buf *out, struct err *e)
{
	(void)p;
	(void)worker;
	(void)e;
	buf_adds(out, "");
	return 0;
}

static int endpoint(struct provider *p, const struct res_ref *worker, uint16_t port, struct endpoint *out,
		struct err *e)
{
	(void)p;
	(void)worker;
	(void)e;
	*out = (struct endpoint){.reach = REACH_LOOPBACK, .host = "127.0.0.1", .port = port};
	return 0;
}

static const char *host_alias(struct provider *p)
{
	(void)p;
	return "host.mem";
}

struct provider *provider_mem_new(struct mem_cloud *c, const struct log *log)
{
	struct provider_mem *m = mem_alloc(sizeof *m);

	m->ops = provider_mem_ops;
	m->ops.target_runs_at_once = c->starts_at_once;
	if (c->worker_disks != 0)
		m->ops.worker_size = worker_size;
	m->base.ops = &m->ops;
	m->base.log = log;
	m->base.needs_baseline = c->needs_baseline;
	snprintf(m->base.place, sizeof m->base.place, "memory cloud");
	m->cloud = c;
	return &m->base;
}

static struct provider *open_block(struct json_at *block, const struct log *log, struct err *e)
{
	const char *name = json_string(block, "cloud", JSON_REQUIRED, "");
	json_string(block, "folder", JSON_OPTIONAL, NULL);
	bool complains = json_bool(block, "complains", JSON_OPTIONAL, false);

	json_no_more(block);
	if (strcmp(name, "gone") == 0) {
		err_set(e, ERR_NOT_FOUND, 0, "there is no memory cloud \"gone\": choose another name");
		return NULL;
	}
	struct provider *p = provider_mem_new(mem_cloud_new(), log);
	snprintf(p->place, sizeof p->place, "memory cloud %.200s", name);
	((struct provider_mem *)p)->own = true;
	cloud_of(p)->complains = complains;
	return p;
}

static void close_provider(struct provider *p)
{
	struct provider_mem *m = (struct provider_mem *)p;

	if (m->own)
		mem_cloud_free(m->cloud);
	free(m);
}

static const char *const path_keys[] = {"folder", NULL};

const struct provider_ops provider_mem_ops = {
	.name = "mem",
	.path_keys = path_keys,
	.lacks = "It keeps no changed ranges: every run reads the whole disks.",
	.open = open_block,
	.close = close_provider,
	.machine_get = machine_get,
	.validate = validate,
	.snapshot_machine = snapshot_machine,
	.snapshot_disk = snapshot_disk,
	.changed_ranges = changed_ranges,
	.copies_from = copies_from,
	.disk_create = disk_create,
	.disk_get = disk_get,
	.disk_resize = disk_resize,
	.worker_create = worker_create,
	.poll = poll_item,
	.remove = remove_item,
	.find = find,
	.console = console,
	.endpoint = endpoint,
	.host_alias = host_alias,
	.replica_lock = replica_lock,
	.replica_claim = replica_claim,
	.target_create = target_create,
	.machine_start = machine_start,
};
