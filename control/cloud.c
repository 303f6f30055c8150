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
#define SLICE        (50 * NS_PER_MS)
#define APPEAR_NS    (30 * NS_PER_S)

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

static int64_t patience(const struct cloud *c)
{
	return c->patience_ns != 0 ? c->patience_ns : PATIENCE_NS;
}

struct backoff cloud_backoff(const struct cloud *c)
{
	return (struct backoff){.deadline = clock_mono_ns() + patience(c), .delay = FIRST_DELAY};
}

static bool nap(const struct cloud *c, int64_t ns, struct err *e)
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
	int64_t asked = c->p->not_before_ns - clock_mono_ns();

	delay = asked > delay ? asked : delay;
	b->tries++;
	if (clock_mono_ns() + delay > b->deadline) {
		if (e->kind != ERR_NONE)
			err_wrap(e, "%s gave up after %u tries", c->p->place, b->tries);
		return false;
	}
	if (e->kind != ERR_NONE)
		log_debug(c->log, "%s; trying again in %lld ms", e->msg, (long long)(delay / NS_PER_MS));
	b->delay = b->delay * 2 < LONGEST ? b->delay * 2 : LONGEST;
	return nap(c, delay, e);
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
		if (i != 0 && !nap(c, (patience(c) / 600) << (i - 1), e)) /* 200 ms, 400 ms, ... */
			return -1;
		if (cloud_find(c, ref->tags.job, match, &l, e) < 0)
			return -1;
	}
	*found = l.found;
	return 0;
}

/* ", which calls it "attaching"": what somebody who looks there will find. */
static const char *in_its_words(const struct cloud *c, char out[128])
{
	snprintf(out, 128, c->p->seen[0] != '\0' ? ", which calls it \"%s\"" : "%s", c->p->seen);
	return out;
}

static int not_ready(const struct cloud *c, const struct res_ref *r, enum res_state state, int64_t timeout_ns,
		     struct err *e)
{
	char words[128];

	if (state == RES_ABSENT)
		return err_set(e, ERR_NOT_FOUND, 0, "%s %s is not in %s: it was removed, or never came to be",
			       res_kind_name(r->kind), r->name, c->p->place);
	return err_set(e, ERR_TIMEOUT, 0, "%s %s was not ready after %lld s in %s%s: find out there what holds it up, then try again",
		       res_kind_name(r->kind), r->name, (long long)(timeout_ns / NS_PER_S), c->p->place,
		       in_its_words(c, words));
}

int cloud_wait_ready(struct cloud *c, const struct res_ref *r, int64_t timeout_ns, struct err *e)
{
	int64_t begin = clock_mono_ns(), delay = FIRST_DELAY;
	enum res_state state = RES_PENDING;
	bool seen = false;

	for (;; delay = delay * 3 / 2 < 2 * NS_PER_S ? delay * 3 / 2 : 2 * NS_PER_S) {
		struct err why = ERR_INIT;
		int rc = c->p->ops->poll(c->p, r, &state, &why);
		int64_t waited = clock_mono_ns() - begin;

		if ((rc < 0 && !err_is_retryable(&why)) || (rc == 0 && state == RES_FAILED)) {
			*e = why;
			if (e->kind == ERR_NONE)
				err_set(e, ERR_IO, 0, "%s %s failed in %s, which does not say why",
					res_kind_name(r->kind), r->name, c->p->place);
			return -1;
		}
		if (rc == 0 && state == RES_READY)
			return 0;
		seen |= rc == 0 && state == RES_PENDING;
		/* What was just made may appear late; what was there and is not has gone. */
		if (rc == 0 && state == RES_ABSENT && (seen || waited > APPEAR_NS))
			return not_ready(c, r, state, timeout_ns, e);
		if (waited + delay > timeout_ns) {
			if (rc == 0)
				return not_ready(c, r, state, timeout_ns, e);
			*e = why;
			return -1;
		}
		if (!nap(c, delay, e))
			return -1;
	}
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

/* Ask, look, ask again unless the removal is under way: an accepted removal may still fail. */
static int remove_until_absent(struct cloud *c, const struct res_ref *ref, struct err *e)
{
	struct backoff b = cloud_backoff(c);
	enum res_state state = RES_READY;
	char words[128];

	for (;;) {
		struct err why = ERR_INIT;
		int rc = state == RES_PENDING ? 0 : c->p->ops->remove(c->p, ref, &why);

		if (rc == 0)
			rc = c->p->ops->poll(c->p, ref, &state, &why);
		if (rc == 0 && state == RES_ABSENT)
			return 0;
		if (rc == 0)
			err_set(&why, ERR_TIMEOUT, 0, "%s %s is still in %s%s", res_kind_name(ref->kind), ref->name,
				c->p->place, in_its_words(c, words));
		else
			state = RES_READY;
		*e = why;
		if (why.kind == ERR_BUSY && is_anothers(c, ref))
			return 0;
		/* BUSY: something that still holds it may be going away. */
		if (rc < 0 && !err_is_retryable(&why) && why.kind != ERR_BUSY)
			return -1;
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

int cloud_remove(struct cloud *c, struct cloud_res *r, struct err *e)
{
	bool found = true;

	if (r->row != 0 && on_record(c, r, journal_removing(c->j, r->row, e), e) < 0)
		return -1;
	if (r->ref.id[0] == '\0' && cloud_lookup(c, &r->ref, 3, &r->ref, &found, e) < 0)
		return -1;
	if (found && remove_until_absent(c, &r->ref, e) < 0)
		return err_wrap(e, "removing %s %s", res_kind_name(r->ref.kind), r->ref.name);
	*e = (struct err)ERR_INIT;
	return r->row != 0 ? on_record(c, r, journal_removed(c->j, r->row, e), e) : 0;
}
