// SPDX-License-Identifier: Apache-2.0
#include "transfer.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/mem.h"
#include "job_limits.h"
#include "net/api_names.h"
#include "paths.h"
#include "replica_access.h"
#include "run_order.h"

#define FEED_WAIT_MS      250
#define STATUS_EVERY_NS   (500 * NS_PER_MS)
/* A disk or network that hangs below us answers no call with an error; nobody waits for it longer than this. */
#define STALL_NS          (600 * NS_PER_S)
#define STOP_TIMEOUT_NS   (60 * NS_PER_S)
#define MAX_FRUITLESS     5 /* attempts in a row that made nothing durable */

static int start_run(struct context *c, const struct run_order *spec, struct replica_access *access, struct err *e)
{
	const char *attempt = worker_client_attempt_new(spec->side->client, e);

	if (attempt == NULL || replica_access_gather(c, spec->replica, spec->read_only, access, e) < 0)
		return -1;
	struct run_order order = *spec;
	order.access = access;
	cleanup(cleanup_free) char *body = run_order_body(c, &order, attempt);
	int rc = worker_client_run(spec->side->client, body, e);

	mem_wipe(body, strlen(body));
	return rc;
}

static bool canceled(const struct context *c)
{
	return c->cancel != NULL && atomic_load(c->cancel);
}

static void free_access(struct replica_access **a)
{
	replica_access_fini(*a);
	free(*a);
}

/* ---- one worker that scans ---- */

static void name_disks(const struct replica *r, struct disk_progress *d, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const char *name = d[i].index < r->count ? r->disks[d[i].index].source_name : "";

		snprintf(d[i].name, sizeof d[i].name, "%s", name[0] != '\0' ? name : "disk");
		if (name[0] == '\0' && d[i].index < r->count)
			snprintf(d[i].name, sizeof d[i].name, "%s", r->disks[d[i].index].res.ref.name);
	}
}

static int show_scan(struct scaffold *s, const struct replica *r, int64_t *next, struct err *e)
{
	struct disk_progress disks[WIRE_MAX_DISKS];
	struct worker_state state;
	unsigned n;

	if (clock_mono_ns() < *next)
		return 0;
	*next = clock_mono_ns() + STATUS_EVERY_NS;
	if (worker_client_status(s->holder->client, disks, WIRE_MAX_DISKS, &n, &state, e) < 0)
		return -1;
	name_disks(r, disks, n);
	events_progress(s->c->events, disks, n);
	return 0;
}

static int scan(struct scaffold *s, const struct replica *r, bool only_rehash, struct pump *p, struct err *e)
{
	cleanup(free_access) struct replica_access *access = mem_alloc(sizeof *access);
	struct run_order spec = {.kind = "scan", .way = PEER_NONE, .side = s->holder, .replica = r, .batch = s->batch,
				.only_rehash = only_rehash, .read_only = p->pages == PUMP_COMPARE};
	int64_t next = 0;

	if (start_run(s->c, &spec, access, e) < 0)
		return -1;
	while (!p->finished) {
		if (canceled(s->c))
			return err_set(e, ERR_CANCELED, 0, "interrupted");
		if (pump_step(p, FEED_WAIT_MS, e) < 0 || show_scan(s, r, &next, e) < 0 ||
		    replica_access_keep(s->c, r, s->batch, access, s->holder->client, e) < 0)
			return -1;
	}
	return 0;
}

int transfer_compare(struct scaffold *s, struct replica *r, struct pump_disk *disks, struct err *e)
{
	struct pump p = {.worker = s->holder->client, .pages = PUMP_COMPARE, .disks = disks, .disk_count = r->count};

	return scan(s, r, false, &p, e);
}

int transfer_rehash(struct scaffold *s, struct replica *r, struct err *e)
{
	struct pump_disk disks[WIRE_MAX_DISKS] = {0};
	struct pump p = {.worker = s->holder->client, .pages = PUMP_STORE, .disks = disks, .disk_count = r->count};
	bool any = false;

	for (unsigned i = s->batch.first; i < s->batch.end; i++) {
		disks[i].manifest = r->disks[i].working;
		any |= r->disks[i].rehash;
	}
	if (!any)
		return 0;
	events_step(s->c->events, "rehash", "hashing the replica where it is");
	return scan(s, r, true, &p, e);
}

/* ---- two workers that copy, or one that does it alone ---- */

struct copy {
	struct scaffold *s;
	struct replica *r;
	struct source_hints *hints;
	struct path_choice path;
	struct pump_disk disks[WIRE_MAX_DISKS];
	struct pump pump;
	struct worker_state source, target;
	struct limits limits;             /* that the source worker keeps to */
	struct transfer_totals base, now; /* of finished attempts; of this one */
	uint64_t moved;                   /* read, written and durable bytes when anything last moved ... */
	int64_t moved_at;                 /* ... and when that was */
	bool reconnecting;                /* it was told */
	bool alone;                       /* the source worker writes the replica's disks ... */
	struct replica_access *access;    /* ... which it reaches so */
};

static int read_limits(struct copy *t, struct limits *now, struct err *e)
{
	const struct context *c = t->s->c;

	return job_limits_now(c->journal, c->job.name, &c->job.limits, now, e);
}

/* `wherry limit` may have been at work. */
static int keep_limits(struct copy *t, struct err *e)
{
	struct limits now;

	if (read_limits(t, &now, e) < 0)
		return -1;
	if (limits_equal(&now, &t->limits))
		return 0;
	if (worker_client_limits(t->s->source.client, &now, e) < 0)
		return -1;
	t->limits = now;
	events_limits(t->s->c->events, &now);
	return 0;
}

static int start_alone(struct copy *t, struct err *e)
{
	struct run_order copy = {.kind = "copy", .way = PEER_NONE, .side = &t->s->source, .replica = t->r,
				 .batch = t->s->batch, .hints = t->hints, .limits = t->limits};

	return start_run(t->s->c, &copy, t->access, e);
}

static int start_copy(struct copy *t, struct err *e)
{
	if (read_limits(t, &t->limits, e) < 0)
		return -1;
	events_limits(t->s->c->events, &t->limits);

	bool target_dials = t->path.path == DATA_TARGET_DIALS;
	uint8_t id[API_ATTEMPT_LEN / 2];
	char session[API_ATTEMPT_LEN + 1];
	struct run_order import = {.kind = "import", .way = target_dials ? PEER_DIAL : PEER_LISTEN, .dial = t->path.dial,
				  .session = session, .side = &t->s->target, .replica = t->r, .batch = t->s->batch};
	struct run_order export = {.kind = "export", .way = target_dials ? PEER_LISTEN : PEER_DIAL, .dial = t->path.dial,
				  .session = session, .side = &t->s->source, .replica = t->r, .batch = t->s->batch,
				  .hints = t->hints, .limits = t->limits};
	const struct run_order *first = target_dials ? &export : &import; /* the listener, then the dialer */
	const struct run_order *second = target_dials ? &import : &export;

	if (pki_random(id, sizeof id, e) < 0)
		return -1;
	hex_encode(id, sizeof id, session);
	t->reconnecting = false;
	t->pump = (struct pump){.worker = t->s->source.client, .pages = PUMP_STORE, .disks = t->disks,
				.disk_count = t->r->count};
	for (unsigned i = 0; i < t->r->count; i++)
		t->disks[i].done = false;
	t->source = t->target = (struct worker_state){.running = true};
	if (source_hints_refresh(t->hints, t->r, e) < 0)
		return -1;
	if (t->alone)
		return start_alone(t, e);
	return start_run(t->s->c, first, t->access, e) < 0 ? -1 : start_run(t->s->c, second, t->access, e);
}

static void add_up(struct copy *t, const struct disk_progress *d, unsigned n)
{
	struct transfer_totals *now = &t->now;

	*now = (struct transfer_totals){.packing = t->source.packing};
	for (unsigned i = 0; i < n; i++) {
		now->read += d[i].scanned - d[i].skipped;
		now->zero += d[i].zero;
		now->unchanged += d[i].unchanged;
		now->sent += d[i].sent;
		now->wire += d[i].sent_wire;
		now->written += d[i].written;
		now->checkpoints = d[i].checkpoints > now->checkpoints ? d[i].checkpoints : now->checkpoints;
	}
}

static void note_movement(struct copy *t, const struct disk_progress *d, unsigned n)
{
	uint64_t moved = t->now.written;

	for (unsigned i = 0; i < n; i++)
		moved += d[i].scanned + d[i].durable;
	if (moved == t->moved)
		return;
	t->moved = moved;
	t->moved_at = clock_mono_ns();
}

/* Most cuts are over before anybody asks. The source knows what both sides know of a broken connection. */
static void tell_link(struct copy *t)
{
	const struct worker_state *s = &t->source;
	struct events *ev = t->s->c->events;

	t->now.cuts = s->cuts;
	if ((s->reconnecting_ms > 0) == t->reconnecting)
		return;
	t->reconnecting = s->reconnecting_ms > 0;
	if (t->reconnecting)
		events_warn(ev, "the connection between the workers broke %llu ms ago and is being made again: %s",
			    (unsigned long long)s->reconnecting_ms, s->why);
	else
		events_step(ev, "copy", "the connection between the workers is back");
}

/* Both workers' own figures, joined per disk: what was read and sent, what is written. */
static int look(struct copy *t, struct err *e)
{
	struct disk_progress from[WIRE_MAX_DISKS], to[WIRE_MAX_DISKS];
	unsigned n, m = 0;

	if (worker_client_status(t->s->source.client, from, WIRE_MAX_DISKS, &n, &t->source, e) < 0)
		return -1;
	if (t->alone)
		t->target = t->source;
	else if (worker_client_status(t->s->target.client, to, WIRE_MAX_DISKS, &m, &t->target, e) < 0)
		return -1;
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < m; k++)
			if (to[k].index == from[i].index)
				from[i].written = to[k].written;
	name_disks(t->r, from, n);
	add_up(t, from, n);
	note_movement(t, from, n);
	tell_link(t);
	events_progress(t->s->c->events, from, n);
	return 0;
}

/* What a place itself says of a worker is better still: its disk is full, its process is gone. */
static bool place_explains(const struct side *side, struct err *e)
{
	enum res_state state = RES_READY;
	struct err why = ERR_INIT;

	if (side->client == NULL)
		return false;
	side->cloud->p->ops->poll(side->cloud->p, &side->worker.ref, &state, &why);
	if (why.kind == ERR_NONE || err_is_retryable(&why))
		return false;
	*e = why;
	err_wrap(e, "%s worker", side->role);
	return true;
}

/* The target's own reason is better than the source's "the peer says". */
static int prefer_target_error(struct copy *t, struct err *e)
{
	struct err ignored = ERR_INIT;

	if (place_explains(&t->s->target, e) || place_explains(&t->s->source, e))
		return -1;
	if (look(t, &ignored) == 0 && t->target.failed && !err_is_retryable(&t->target.error) &&
	    t->target.error.kind != ERR_CANCELED) {
		*e = t->target.error;
		err_wrap(e, "%s worker", t->s->holder->role);
	}
	return -1;
}

/* A lying cloud is to be known: now, and in `status` later. */
static int tell_refuted(struct copy *t, struct err *e)
{
	struct context *c = t->s->c;

	for (unsigned i = 0; i < t->r->count; i++) {
		const struct pump_disk *d = &t->disks[i];

		if (!d->refuted || t->hints->refuted[i])
			continue;
		t->hints->refuted[i] = true;
		events_warn(c->events, "the source cloud's list of changes of disk %s is wrong: the chunk at %llu has changed and is "
			    "not in it; all of the disk is read", t->r->disks[i].source_name,
			    (unsigned long long)d->refuted_at);
		cleanup(cleanup_free) char *fact = mem_printf("run %s, disk %s, at %llu", t->s->run->id,
							      t->r->disks[i].source_name,
							      (unsigned long long)d->refuted_at);
		if (journal_fact_set(c->journal, c->job.name, "hints refuted", fact, e) < 0)
			return -1;
	}
	return 0;
}

static int keep_access(struct copy *t, struct err *e)
{
	return replica_access_keep(t->s->c, t->r, t->s->batch, t->access, t->s->holder->client, e);
}

static int attempt(struct copy *t, struct err *e)
{
	int64_t next = 0;

	if (start_copy(t, e) < 0)
		return -1;
	t->moved_at = clock_mono_ns();
	while (!t->pump.finished || !t->target.finished) {
		if (canceled(t->s->c))
			return err_set(e, ERR_CANCELED, 0,
				       "interrupted; what is durable is kept, `wherry sync` goes on from there");
		if (pump_step(&t->pump, t->pump.finished ? 10 : FEED_WAIT_MS, e) < 0)
			return prefer_target_error(t, e);
		if (tell_refuted(t, e) < 0)
			return -1;
		if (clock_mono_ns() < next && !t->pump.finished)
			continue;
		next = clock_mono_ns() + STATUS_EVERY_NS;
		if (look(t, e) < 0 || (t->source.running && (keep_limits(t, e) < 0 || keep_access(t, e) < 0)))
			return prefer_target_error(t, e);
		if (t->target.failed) {
			*e = t->target.error;
			err_wrap(e, "%s worker", t->s->holder->role);
			return prefer_target_error(t, e);
		}
		/* The workers themselves bound how long they reconnect. */
		if (!t->reconnecting && clock_mono_ns() - t->moved_at > STALL_NS)
			return err_set(e, ERR_TIMEOUT, 0,
				       "nothing was read, written or made durable for %lld minutes: a disk or network below "
				       "a worker hangs", (long long)(STALL_NS / NS_PER_S / 60));
	}
	return look(t, e);
}

static int stop_side(struct side *side, struct err *e)
{
	struct disk_progress d[WIRE_MAX_DISKS];
	struct worker_state state;
	unsigned n;
	int64_t deadline = clock_mono_ns() + STOP_TIMEOUT_NS;

	while (side->client != NULL) {
		if (worker_client_status(side->client, d, WIRE_MAX_DISKS, &n, &state, e) < 0)
			return -1;
		if (!state.running)
			return 0;
		if (worker_client_stop(side->client, e) < 0)
			return -1;
		if (clock_mono_ns() > deadline)
			return err_set(e, ERR_TIMEOUT, 0, "the %s worker does not end its run", side->role);
		clock_sleep_ns(200 * NS_PER_MS);
	}
	return 0;
}

static void add_totals(struct transfer_totals *to, const struct transfer_totals *t)
{
	to->read += t->read;
	to->zero += t->zero;
	to->unchanged += t->unchanged;
	to->sent += t->sent;
	to->wire += t->wire;
	to->written += t->written;
	to->checkpoints += t->checkpoints;
	to->attempts += t->attempts;
	to->cuts += t->cuts;
	packing_add(&to->packing, &t->packing);
}

/* After a broken connection: both workers idle again, totals carried over. */
static int rest(struct copy *t, struct err *e)
{
	if (stop_side(&t->s->source, e) < 0 || stop_side(&t->s->target, e) < 0)
		return -1;
	add_totals(&t->base, &t->now);
	t->base.read = t->base.zero = t->base.unchanged = 0; /* the next one goes over all again */
	t->now = (struct transfer_totals){0};
	return 0;
}

static uint64_t recorded(const struct copy *t)
{
	uint64_t pages = 0;

	for (unsigned i = 0; i < t->r->count; i++)
		pages += t->disks[i].pages_recorded;
	return pages;
}

static int attempts(struct copy *t, struct err *e)
{
	unsigned fruitless = 0;

	for (;;) {
		uint64_t before = recorded(t);

		t->base.attempts++;
		if (attempt(t, e) == 0)
			return 0;
		fruitless = recorded(t) > before ? 0 : fruitless + 1;
		if (!err_is_retryable(e) || fruitless == MAX_FRUITLESS)
			return -1;
		struct err broken = *e;
		events_warn(t->s->c->events, "%s; going on from what is durable", broken.msg);
		clock_sleep_ns(fruitless * NS_PER_S);
		if (rest(t, e) < 0) {
			*e = broken; /* the worker itself is gone: that error tells why */
			return -1;
		}
		*e = (struct err)ERR_INIT;
	}
}

static const char *alias(const struct cloud *cloud)
{
	return cloud->p->ops->host_alias != NULL ? cloud->p->ops->host_alias(cloud->p) : NULL;
}

static int choose_path(struct copy *t, struct relay **relay, struct err *e)
{
	struct scaffold *s = t->s;
	char to[192];

	if (t->alone) {
		events_step(s->c->events, "copy", "alone: the source worker writes to %s itself", s->c->target_p->place);
		return 0;
	}
	if (path_choose(s->c->job.data_path, alias(&s->c->source), &s->source.endpoint, alias(&s->c->target),
			&s->target.endpoint, &t->path, e) < 0)
		return -1;
	if (t->path.path == DATA_RELAY) {
		snprintf(to, sizeof to, "%s:%u", s->target.endpoint.host, s->target.endpoint.port);
		*relay = relay_start(to, e);
		if (*relay == NULL)
			return -1;
		snprintf(t->path.dial, sizeof t->path.dial, "%s:%d", alias(&s->c->source), relay_port(*relay));
	}
	events_step(s->c->events, "copy", "%s: %s", data_path_name(t->path.path), t->path.reason);
	return 0;
}

int transfer_copy(struct scaffold *s, struct replica *r, struct source_hints *h, uint8_t (*roots)[MANIFEST_HASH],
		  struct transfer_totals *out, struct err *e)
{
	cleanup(free_access) struct replica_access *access = mem_alloc(sizeof *access);
	struct copy t = {.s = s, .r = r, .hints = h, .alone = s->holder == &s->source, .access = access};
	struct relay *relay = NULL;

	for (unsigned i = s->batch.first; i < s->batch.end; i++)
		t.disks[i].manifest = r->disks[i].working;
	int rc = choose_path(&t, &relay, e) < 0 ? -1 : attempts(&t, e);
	relay_stop(relay);
	for (unsigned i = s->batch.first; rc == 0 && i < s->batch.end; i++) {
		if (!t.disks[i].done)
			rc = err_set(e, ERR_PROTOCOL, 0, "the source worker finished without a root for disk %u", i);
		memcpy(roots[i], t.disks[i].root, MANIFEST_HASH);
		if (rc == 0)
			rc = source_hints_root(h, r, i, roots[i], e);
	}
	add_totals(out, &t.base);
	add_totals(out, &t.now);
	return rc;
}
