// SPDX-License-Identifier: Apache-2.0
#include "scaffold.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hex.h"
#include "net/api_names.h"
#include "net/stream_tcp.h"
#include "replica_access.h"

#define CONSOLE_POLL_NS  (200 * NS_PER_MS)
#define CONSOLE_SLOW_NS  (2 * NS_PER_S) /* where a boot takes long anyway */
#define SCAFFOLD_LIFE_S  (7 * 24 * 3600)

void scaffold_init(struct scaffold *s, struct context *c, const struct run *run, const struct batches *batches)
{
	*s = (struct scaffold){
		.c = c,
		.run = run,
		.batches = batches,
		.source = {.role = "source", .cloud = &c->source, .listener = -1, .size = batches->source},
		.target = {.role = "target", .cloud = &c->target, .listener = -1, .size = batches->target},
	};
	s->holder = replica_access_is_direct(c) ? &s->source : &s->target;
}

static void name_it(struct scaffold *s, struct cloud_res *r, enum res_kind kind, const char *what)
{
	cloud_ref(r, kind, PURPOSE_SCAFFOLD, journal_owner(s->c->journal), s->run, what,
		  clock_wall_ns() / NS_PER_S + SCAFFOLD_LIFE_S);
}

/* From the start what it will be when this run is committed: until then no generation is made from it, and it goes. */
static void name_snapshot(struct scaffold *s, struct cloud_res *r, const char *what)
{
	name_it(s, r, RES_SNAPSHOT, what);
	if (!s->c->source_p->needs_baseline || !s->c->job.use_hints)
		return;
	r->ref.tags.purpose = PURPOSE_BASELINE;
	r->ref.tags.expires_s = 0;
}

int scaffold_snapshots(struct scaffold *s, const struct machine *m, struct err *e)
{
	char what[24];
	unsigned n = (unsigned)m->disks.len;

	for (unsigned i = 0; i < n; i++) {
		snprintf(what, sizeof what, "snap%u", i);
		name_snapshot(s, &s->snapshots[i], what);
	}
	s->snapshot_count = n;
	if (cloud_snapshot_machine(&s->c->source, m, s->snapshots, n, e) < 0)
		return -1;
	/* Only now it is known: what the machine promised may have been refused. */
	bool apart = m->not_one_instant || (m->running && n > 1 && s->c->source_p->not_one_instant);
	events_step(s->c->events, "snapshot", "%u disk%s of %s machine %s %s", n, n == 1 ? "" : "s", m->running ? "running" : "stopped",
		    m->name, apart ? "one after the other, not at one instant" : "at one instant");
	for (unsigned i = 0; i < n; i++)
		if (cloud_wait_ready(&s->c->source, &s->snapshots[i].ref, e) < 0)
			return -1;
	return 0;
}

int scaffold_source_disks(struct scaffold *s, const struct machine *m, struct err *e)
{
	char what[24];

	if (scaffold_snapshots(s, m, e) < 0)
		return -1;
	for (unsigned i = 0; i < s->snapshot_count; i++) {
		struct disk_spec spec = {.size = m->disks.at[i].size, .logical_sector = m->disks.at[i].logical_sector,
					 .from_snapshot = &s->snapshots[i].ref};

		snprintf(what, sizeof what, "clone%u", i);
		name_it(s, &s->clones[i], RES_DISK, what);
		s->clone_count = i + 1;
		if (cloud_disk_create(&s->c->source, &spec, &s->clones[i], e) < 0 ||
		    cloud_wait_ready(&s->c->source, &s->clones[i].ref, e) < 0)
			return -1;
	}
	return 0;
}

/* dial-out: a listening socket of our own for this worker, and the address it finds us under. */
static int listen_for(struct scaffold *s, struct side *side, char *address, size_t size, struct err *e)
{
	struct provider *p = side->cloud->p;
	const char *alias = p->ops->host_alias != NULL ? p->ops->host_alias(p) : NULL;

	address[0] = '\0';
	if (s->c->job.control_path == CONTROL_DIAL_IN)
		return 0;
	if (alias == NULL)
		return err_set(e, ERR_UNSUPPORTED, 0, "workers in %s cannot dial this host: use \"control_path\": \"dial-in\"",
			       p->place);
	side->listener = stream_tcp_listen("127.0.0.1:0", e);
	if (side->listener < 0)
		return -1;
	snprintf(address, size, "%s:%d", alias, stream_tcp_port(side->listener));
	return 0;
}

/* boot/bootdata.h says what is in it; all of it is public. */
static char *bootdata(const struct scaffold *s, const struct side *side, const char *dial, struct err *e)
{
	uint8_t pin[PKI_PIN_SIZE];
	char hex[2 * PKI_PIN_SIZE + 1];

	if (pki_key_pin(s->c->keys.controller, pin, e) < 0)
		return NULL;
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = yyjson_mut_obj(doc);
	yyjson_mut_doc_set_root(doc, root);
	yyjson_mut_obj_add_int(doc, root, "wherry", 1);
	yyjson_mut_obj_add_str(doc, root, "job", s->c->job.name);
	yyjson_mut_obj_add_str(doc, root, "run", s->run->id);
	yyjson_mut_obj_add_uint(doc, root, "epoch", s->run->epoch);
	yyjson_mut_obj_add_str(doc, root, "role", side == &s->source ? "export" : "import");
	yyjson_mut_obj_add_str(doc, root, "controller", hex_encode(pin, sizeof pin, hex));
	yyjson_mut_val *control = yyjson_mut_obj_add_obj(doc, root, "control");
	yyjson_mut_obj_add_str(doc, control, "path", dial[0] != '\0' ? "dial-out" : "dial-in");
	if (dial[0] != '\0')
		yyjson_mut_obj_add_str(doc, control, "address", dial);
	yyjson_mut_obj_add_str(doc, root, "nics", "auto");
	yyjson_mut_obj_add_uint(doc, root, "lease_seconds", s->c->job.lease_seconds);
	yyjson_mut_obj_add_bool(doc, root, "debug", false);
	char *text = yyjson_mut_write(doc, 0, NULL);
	yyjson_mut_doc_free(doc);
	return text;
}

static int start_worker(struct scaffold *s, struct side *side, unsigned batch, bool import, struct err *e)
{
	struct batch of = side->attached;
	char dial[192], what[BATCH_TEXT], disks[BATCH_TEXT];

	if (listen_for(s, side, dial, sizeof dial, e) < 0)
		return -1;
	cleanup(cleanup_free) char *boot = bootdata(s, side, dial, e);
	if (boot == NULL)
		return -1;
	struct worker_spec spec = {.bootdata = boot, .size = side->size.name[0] != '\0' ? side->size.name : NULL,
				   .disks = side->disks + of.first,
				   .disk_count = of.end - of.first, .port = API_PORT, .import = import};
	name_it(s, &side->worker, RES_WORKER, batches_name(s->batches, batch, import ? "import" : "export", what));
	events_step(s->c->events, "worker", "%s worker %s in %s%s%s", side->role, side->worker.ref.name, side->cloud->p->place,
		    s->batches->count > 1 ? " for " : "", s->batches->count > 1 ? batches_text(s->batches, batch, disks) : "");
	if (cloud_worker_create(side->cloud, &spec, &side->worker, e) < 0)
		return -1;
	for (unsigned i = of.first; i < of.end; i++)
		if (side->disks[i].hotplug &&
		    (cloud_wait_ready(side->cloud, &side->worker.ref, e) < 0 ||
		     side->cloud->p->ops->attach(side->cloud->p, &side->worker.ref, &side->disks[i], e) < 0))
			return -1;
	return 0;
}

/* Last words of a console as one line, for the message of a worker that did not come up. */
static const char *console_tail(const struct buf *console, char out[200])
{
	const char *p = buf_str(console), *end = p + console->len;
	size_t n = 0;

	p = console->len >= 200 ? end - 199 : p;
	while (p > buf_str(console) && p < end && (unsigned char)*p > ' ')
		p++; /* whole words only */
	for (; p < end; p++) {
		char c = *p >= ' ' && *p < 0x7f ? *p : ' ';

		if (c != ' ' || (n > 0 && out[n - 1] != ' '))
			out[n++] = c;
	}
	while (n > 0 && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
	return n > 0 ? out : "(nothing)";
}

static int not_in_time(const struct scaffold *s, struct side *side, struct err *e)
{
	struct provider *p = side->cloud->p;
	cleanup(buf_fini) struct buf console = BUF_INIT;
	struct err ignored = ERR_INIT;
	char tail[200];

	p->ops->console(p, &side->worker.ref, &console, &ignored);
	return err_set(e, ERR_TIMEOUT, 0,
		       "the %s worker %s was not ready within %u s: raise \"worker_timeout_seconds\" if it is only slow, "
		       "build its image again (`make image`) if not; its console ends: %s", side->role,
		       side->worker.ref.name, s->c->job.worker_timeout_seconds, console_tail(&console, tail));
}

/* One look at a worker that boots. */
static int look_at(struct side *side, struct cloud_wait *w, enum res_state *state, bool *ready, struct err *e)
{
	struct provider *p = side->cloud->p;
	cleanup(buf_fini) struct buf console = BUF_INIT;
	struct err silent = ERR_INIT;
	char tail[200];

	if (p->ops->poll(p, &side->worker.ref, state, e) < 0)
		return -1;
	if (*state == RES_PENDING)
		cloud_wait_see(side->cloud, w);
	bool gone = *state == RES_ABSENT || *state == RES_FAILED;
	/* Of one that is not there yet, or failed, the cloud's word counts, whether or not there is a console. */
	if (p->ops->console(p, &side->worker.ref, &console, *state == RES_READY ? e : &silent) < 0 && *state == RES_READY)
		return -1;
	if (gone) {
		if (e->kind == ERR_NONE)
			err_set(e, ERR_NOT_FOUND, 0, "worker %s is gone; its console ends: %s", side->worker.ref.name,
				console_tail(&console, tail));
		return err_wrap(e, "the %s worker did not boot (is its image right? `make image` builds one)", side->role);
	}
	return worker_pin_from_console(buf_str(&console), side->pin, &side->pinned, ready, e);
}

/* A look that failed for a moment is no reason to give the worker up. */
static int wait_ready(struct scaffold *s, struct side *side, int64_t deadline, struct err *e)
{
	struct cloud_wait w = cloud_wait_begin(side->cloud, &side->worker.ref);
	enum res_state state = RES_PENDING;
	bool ready = false;

	w.deadline = deadline;
	w.option = "worker_timeout_seconds";
	for (int64_t delay = CONSOLE_POLL_NS;; delay = delay * 9 / 8 < CONSOLE_SLOW_NS ? delay * 9 / 8 : CONSOLE_SLOW_NS) {
		int rc = look_at(side, &w, &state, &ready, e);

		if (rc < 0 && !err_is_retryable(e))
			return -1;
		if (rc < 0 && clock_mono_ns() > deadline)
			return err_wrap(e, "the %s worker %s was not ready within %u s", side->role, side->worker.ref.name,
					s->c->job.worker_timeout_seconds);
		*e = (struct err)ERR_INIT;
		if (rc == 0 && ready && side->pinned)
			return 0;
		if (s->c->cancel != NULL && atomic_load(s->c->cancel))
			return err_set(e, ERR_CANCELED, 0, "interrupted while the %s worker booted", side->role);
		if (clock_mono_ns() > deadline)
			return state == RES_PENDING ? cloud_wait_over(side->cloud, &w, e) : not_in_time(s, side, e);
		clock_sleep_ns(delay);
	}
}

static int enrol(struct scaffold *s, struct side *side, struct err *e)
{
	struct worker_client_spec spec = {
		.keys = &s->c->keys,
		.run = s->run->id,
		.role = side->role,
		.lease_seconds = s->c->job.lease_seconds,
		.listener = side->listener,
		.cancel = s->c->cancel,
	};

	if (cloud_endpoint(side->cloud, &side->worker.ref, API_PORT, &side->endpoint, e) < 0)
		return -1;
	snprintf(spec.address, sizeof spec.address, strchr(side->endpoint.host, ':') != NULL ? "[%s]:%u" : "%s:%u",
		 side->endpoint.host, side->endpoint.port);
	memcpy(spec.pin, side->pin, sizeof spec.pin);
	side->client = worker_client_new(&spec, e);
	return side->client == NULL ? -1 : 0;
}

static void leave_worker(struct side *side)
{
	struct err ignored = ERR_INIT;

	if (side->client != NULL)
		worker_client_poweroff(side->client, &ignored);
	worker_client_free(side->client);
	side->client = NULL;
	side->pinned = false;
	if (side->listener >= 0)
		close(side->listener);
	side->listener = -1;
}

/* Goes on after a failure and keeps the first. A place that would not let go of one is given less time for the others:
 * often one service of it does not work, and all of them wait for that. */
static void take_away(struct side *side, struct cloud_res *r, struct err *first)
{
	struct cloud stubborn = *side->cloud;
	struct err e = ERR_INIT;

	if (r->row == 0)
		return;
	stubborn.cancel = NULL; /* an interrupted run still cleans up */
	if (side->cloud->cancel != NULL && atomic_load(side->cloud->cancel))
		stubborn.resource_ns = 0;
	if (side->stuck)
		cloud_hasten(&stubborn);
	if (cloud_remove(&stubborn, r, &e) < 0) {
		side->stuck = true;
		if (first->kind == ERR_NONE)
			*first = e;
	}
	r->row = 0;
}

static void take_workers_away(struct scaffold *s, struct err *first)
{
	leave_worker(&s->source);
	leave_worker(&s->target);
	take_away(&s->source, &s->source.worker, first);
	take_away(&s->target, &s->target.worker, first);
}

/* The disks of batch i, as its workers get them. */
static void deal(struct scaffold *s, const struct replica *r, unsigned i, bool target_read_only)
{
	s->batch = batches_at(s->batches, i);
	for (unsigned k = s->batch.first; k < s->batch.end; k++) {
		s->source.disks[k] = (struct worker_disk){.disk = &s->clones[k].ref, .read_only = true};
		s->target.disks[k] = (struct worker_disk){.disk = &r->disks[k].res.ref, .read_only = target_read_only};
	}
	s->source.attached = s->clone_count > 0 ? s->batch : (struct batch){0};
	s->target.attached = s->holder == &s->target ? s->batch : (struct batch){0};
}

int scaffold_workers(struct scaffold *s, const struct replica *r, unsigned i, bool source_side, bool target_read_only,
		     struct err *e)
{
	struct side *sides[] = {s->holder, &s->source};
	unsigned n = source_side && s->holder == &s->target ? 2 : 1;

	take_workers_away(s, e);
	if (e->kind != ERR_NONE)
		return err_wrap(e, "before the workers of the next disks are made");
	deal(s, r, i, target_read_only);
	for (unsigned k = 0; k < n; k++)
		if (start_worker(s, sides[k], i, sides[k] == &s->target, e) < 0)
			return -1;
	int64_t deadline = clock_mono_ns() + s->c->job.worker_timeout_seconds * NS_PER_S;
	for (unsigned k = 0; k < n; k++)
		if (wait_ready(s, sides[k], deadline, e) < 0)
			return -1;
	for (unsigned k = 0; k < n; k++)
		if (enrol(s, sides[k], e) < 0)
			return -1;
	events_step(s->c->events, "ready", "%s", n == 2 ? "both workers are enrolled" : "the worker is enrolled");
	return 0;
}

struct old_baselines {
	struct context *c;
	VEC(struct cloud_res) list;
	struct err err;
};

static int collect_old(void *ctx, const struct journal_entry *entry)
{
	struct old_baselines *old = ctx;
	bool kept = true;

	if (entry->ref.tags.purpose != PURPOSE_BASELINE || entry->place != old->c->source.place)
		return 0;
	if (journal_is_baseline(old->c->journal, old->c->job.name, entry->ref.id, &kept, &old->err) == 0 && !kept)
		*vec_push(&old->list) = (struct cloud_res){.ref = entry->ref, .row = entry->row};
	return old->err.kind != ERR_NONE;
}

/* The snapshots of the generation before the newest one, or of a run that came to nothing. */
static void take_old_baselines_away(struct scaffold *s, struct err *first)
{
	struct old_baselines old = {.c = s->c};

	if (journal_entries(s->c->journal, s->c->job.name, collect_old, &old, &old.err) < 0 && first->kind == ERR_NONE)
		*first = old.err;
	for (size_t i = 0; i < old.list.len; i++)
		take_away(&s->source, &old.list.at[i], first);
	vec_fini(&old.list);
}

/* Something was made, or may have been. */
static bool has_any(const struct scaffold *s)
{
	return s->source.worker.row != 0 || s->target.worker.row != 0 || (s->clone_count > 0 && s->clones[0].row != 0) ||
	       (s->snapshot_count > 0 && s->snapshots[0].row != 0);
}

int scaffold_remove(struct scaffold *s, struct err *e)
{
	struct err first = ERR_INIT;

	if (has_any(s))
		events_step(s->c->events, "remove", "workers, cloned disks and snapshots");
	take_workers_away(s, &first);
	for (unsigned i = 0; i < s->clone_count; i++)
		take_away(&s->source, &s->clones[i], &first);
	for (unsigned i = 0; i < s->snapshot_count; i++)
		if (s->snapshots[i].ref.tags.purpose == PURPOSE_SCAFFOLD)
			take_away(&s->source, &s->snapshots[i], &first);
	take_old_baselines_away(s, &first);
	if (first.kind == ERR_NONE)
		return 0;
	*e = first;
	return err_wrap(e, "something could not be removed; `wherry cleanup` will try again");
}
