// SPDX-License-Identifier: Apache-2.0
#include "cloud.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "cloud_try.h"
#include "res_tags.h"

#define PATIENCE_NS  (120 * NS_PER_S)
#define FIRST_DELAY  (100 * NS_PER_MS)
#define LONGEST      (10 * NS_PER_S)
#define HASTE_NS     (10 * NS_PER_S)
#define SLICE        (50 * NS_PER_MS)
#define GRACE_NS     (600 * NS_PER_S)

void cloud_hasten(struct cloud *c)
{
	c->patience_ns = cloud_patience_ns(c) < HASTE_NS ? cloud_patience_ns(c) : HASTE_NS;
	c->resource_ns = 0;
}

static unsigned random16(void)
{
	unsigned short r = 0;

	/* Jitter and suffixes: without entropy the name is still unique within its run. */
	if (getrandom(&r, sizeof r, GRND_NONBLOCK) != (ssize_t)sizeof r)
		r = (unsigned short)clock_mono_ns();
	return r;
}

void cloud_ref(struct cloud_res *r, enum res_kind kind, enum res_purpose purpose, const char *owner,
	       const struct run *run, const char *what, int64_t expires_s)
{
	struct res_tags *t = &r->ref.tags;

	*r = (struct cloud_res){.ref = {.kind = kind}};
	if (purpose == PURPOSE_REPLICA)
		snprintf(r->ref.name, sizeof r->ref.name, "wherry-%.40s-%.24s", run->job, what);
	else
		snprintf(r->ref.name, sizeof r->ref.name, "wherry-%.40s-%.24s-%04x", run->job, what, random16());
	snprintf(t->owner, sizeof t->owner, "%s", owner);
	snprintf(t->job, sizeof t->job, "%s", run->job);
	snprintf(t->run, sizeof t->run, "%s", run->id);
	t->epoch = run->epoch;
	t->purpose = purpose;
	t->expires_s = expires_s;
}

bool cloud_canceled(const struct cloud *c, struct err *e)
{
	if (c->cancel == NULL || !atomic_load(c->cancel))
		return false;
	err_set(e, ERR_CANCELED, 0, "interrupted; `wherry cleanup` removes what was left");
	return true;
}

int64_t cloud_patience_ns(const struct cloud *c)
{
	return c->patience_ns != 0 ? c->patience_ns : PATIENCE_NS;
}

struct backoff cloud_backoff(const struct cloud *c)
{
	return (struct backoff){.deadline = clock_mono_ns() + cloud_patience_ns(c), .delay = FIRST_DELAY,
				.grace = GRACE_NS};
}

bool cloud_nap(const struct cloud *c, int64_t ns, struct err *e)
{
	for (int64_t end = clock_mono_ns() + ns, left; (left = end - clock_mono_ns()) > 0;) {
		if (cloud_canceled(c, e))
			return false;
		clock_sleep_ns(left < SLICE ? left : SLICE);
	}
	return true;
}

bool cloud_again(const struct cloud *c, struct backoff *b, struct err *e)
{
	/* 75 to 125 per cent, so that many controllers do not come back together. */
	int64_t delay = b->delay * (int64_t)(75 + random16() % 51) / 100;
	int64_t asked = c->p->not_before_ns - clock_mono_ns(), more = asked - delay;

	b->tries++;
	/* Waiting as it was asked to is no lack of patience, within reason. */
	if (more > 0) {
		delay = asked;
		more = more < b->grace ? more : b->grace;
		b->grace -= more;
		b->deadline += more;
	}
	if (clock_mono_ns() + delay > b->deadline) {
		if (e->kind != ERR_NONE)
			err_wrap(e, "%s gave up after %u tries", c->p->place, b->tries);
		return false;
	}
	if (e->kind != ERR_NONE)
		log_debug(c->log, "%s; trying again in %lld ms", e->msg, (long long)(delay / NS_PER_MS));
	b->delay = b->delay * 2 < LONGEST ? b->delay * 2 : LONGEST;
	*e = (struct err)ERR_INIT;
	return cloud_nap(c, delay, e);
}

struct lookup {
	const struct res_ref *want;
	struct res_ref *out;
	bool found;
};

static int match(void *ctx, const struct res_ref *ref)
{
	struct lookup *l = ctx;

	if (ref->kind != l->want->kind || strcmp(ref->name, l->want->name) != 0 ||
	    !res_same_owner(&l->want->tags, &ref->tags))
		return 0;
	*l->out = *ref;
	l->found = true;
	return 1;
}

int cloud_lookup(struct cloud *c, const struct res_ref *ref, unsigned looks, struct res_ref *out, bool *found,
		 struct err *e)
{
	struct lookup l = {.want = ref, .out = out};

	for (unsigned i = 0; i < looks && !l.found; i++) {
		if (i != 0 && !cloud_nap(c, (cloud_patience_ns(c) / 600) << (i - 1), e)) /* 200 ms, 400 ms, ... */
			return -1;
		if (cloud_find(c, ref->tags.job, match, &l, e) < 0)
			return -1;
	}
	*found = l.found;
	return 0;
}

static bool same_tags(const struct res_tags *a, const struct res_tags *b)
{
	return strcmp(a->owner, b->owner) == 0 && strcmp(a->job, b->job) == 0 && strcmp(a->run, b->run) == 0 &&
	       a->epoch == b->epoch && a->generation == b->generation && a->dirty == b->dirty;
}

static int see_claim(void *ctx, const struct res_ref *ref)
{
	struct lookup *l = ctx;

	if (ref->kind != l->want->kind || strcmp(ref->name, l->want->name) != 0)
		return 0;
	*l->out = *ref;
	l->found = true;
	return 1;
}

/* BUSY after a lost reply may be the echo of our own success. */
static bool was_ours(struct cloud *c, const struct res_ref *want, const struct res_tags *set)
{
	struct res_ref now;
	struct lookup l = {.want = want, .out = &now};
	struct err ignored = ERR_INIT;

	return cloud_find(c, want->tags.job, see_claim, &l, &ignored) == 0 && l.found && same_tags(&now.tags, set);
}

int cloud_replica_lock(struct cloud *c, const struct res_ref *replica, const char *holder, struct err *e)
{
	struct backoff b = cloud_backoff(c);

	while (c->p->ops->replica_lock(c->p, replica, holder, e) < 0) {
		bool waits = e->kind == ERR_BUSY && c->p->not_before_ns > clock_mono_ns();

		if ((!waits && !err_is_retryable(e)) || !cloud_again(c, &b, e))
			return -1;
		*e = (struct err)ERR_INIT;
	}
	return 0;
}

int cloud_claim(struct cloud *c, struct cloud_res *replica, const struct res_tags *set, struct err *e)
{
	struct backoff b = cloud_backoff(c);
	struct res_tags expect = replica->ref.tags;

	while (c->p->ops->replica_claim(c->p, &replica->ref, &expect, set, e) < 0) {
		if (e->kind == ERR_BUSY && b.tries > 0 && was_ours(c, &replica->ref, set))
			break;
		if (!err_is_retryable(e) || !cloud_again(c, &b, e))
			return -1;
	}
	*e = (struct err)ERR_INIT;
	replica->ref.tags = *set;
	return journal_retag(c->j, replica->row, set, e);
}

/* BUSY may mean that the name is another's by now: nothing of ours is there then. */
static bool is_anothers(struct cloud *c, const struct res_ref *ref)
{
	struct res_ref ours;
	struct err ignored = ERR_INIT;
	bool found = false;

	return cloud_lookup(c, ref, 1, &ours, &found, &ignored) == 0 && !found;
}

/* Ask, look, ask again unless the removal is under way: an accepted removal may still fail. What is refused is asked for
 * while there is patience, what is under way is waited for as long as a resource may take. */
static int remove_until_absent(struct cloud *c, const struct res_ref *ref, struct err *e)
{
	struct backoff b = cloud_backoff(c);
	struct cloud_wait w = cloud_wait_begin(c, ref);
	const int64_t refused_until = b.deadline;
	enum res_state state = RES_READY;

	for (;;) {
		struct err why = ERR_INIT;
		int rc = state == RES_PENDING ? 0 : c->p->ops->remove(c->p, ref, &why);

		if (rc == 0)
			rc = c->p->ops->poll(c->p, ref, &state, &why);
		if (rc == 0 && state == RES_ABSENT)
			return 0;
		if (rc == 0) {
			cloud_wait_see(c, &w);
			cloud_wait_over(c, &w, &why);
		} else {
			state = RES_READY;
		}
		*e = why;
		if (why.kind == ERR_BUSY && is_anothers(c, ref))
			return 0;
		/* BUSY: something that still holds it may be going away. */
		if (rc < 0 && !err_is_retryable(&why) && why.kind != ERR_BUSY)
			return -1;
		b.deadline = state == RES_PENDING ? w.deadline : refused_until;
		if (!cloud_again(c, &b, e))
			return -1;
	}
}

/* Scaffold, and a replica that never held a generation, goes even when the journal cannot record it any more (its disk
 * is full): a worker that goes on running is worse than an entry that the next sweep finds absent. */
static int on_record(const struct cloud *c, const struct cloud_res *r, int rc, struct err *e)
{
	const struct res_tags *t = &r->ref.tags;
	bool kept = t->purpose != PURPOSE_SCAFFOLD && (t->purpose != PURPOSE_REPLICA || t->generation != 0);

	if (rc == 0 || kept || (e->kind != ERR_NO_SPACE && e->kind != ERR_IO))
		return rc;
	log_debug(c->log, "%s", e->msg);
	*e = (struct err)ERR_INIT;
	return 0;
}

struct parts {
	const struct res_ref *of;
	VEC(struct res_ref) list;
};

static int see_part(void *ctx, const struct res_ref *ref)
{
	struct parts *p = ctx;
	const struct res_tags *a = &p->of->tags, *b = &ref->tags;

	if (ref->kind != p->of->kind && strncmp(ref->name, p->of->name, strlen(p->of->name)) == 0 &&
	    a->purpose == b->purpose && strcmp(a->owner, b->owner) == 0 && strcmp(a->job, b->job) == 0 && strcmp(a->run, b->run) == 0)
		*vec_push(&p->list) = *ref;
	return 0;
}

/* What was made for a worker or machine that itself was refused: its NIC and address, which cost money, too. */
static int remove_parts(struct cloud *c, const struct res_ref *of, struct err *e)
{
	struct parts p = {.of = of};
	int rc = cloud_find(c, of->tags.job, see_part, &p, e), last = res_kind_removal_rank(RES_IMAGE);

	for (int rank = 0; rc == 0 && rank <= last; rank++)
		for (size_t i = 0; rc == 0 && i < p.list.len; i++)
			if (res_kind_removal_rank(p.list.at[i].kind) == rank)
				rc = remove_until_absent(c, &p.list.at[i], e);
	vec_fini(&p.list);
	return rc;
}

int cloud_remove(struct cloud *c, struct cloud_res *r, struct err *e)
{
	bool found = true;

	if (r->row != 0 && on_record(c, r, journal_removing(c->j, r->row, e), e) < 0)
		return -1;
	if (r->ref.id[0] == '\0' && cloud_lookup(c, &r->ref, 3, &r->ref, &found, e) < 0)
		return -1;
	bool has_parts = r->ref.kind == RES_WORKER || r->ref.kind == RES_MACHINE;
	if ((found ? remove_until_absent(c, &r->ref, e) : has_parts ? remove_parts(c, &r->ref, e) : 0) < 0)
		return err_wrap(e, "removing %s %s", res_kind_name(r->ref.kind), r->ref.name);
	*e = (struct err)ERR_INIT;
	return r->row != 0 ? on_record(c, r, journal_removed(c->j, r->row, e), e) : 0;
}
