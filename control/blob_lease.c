// SPDX-License-Identifier: Apache-2.0
/*
 * A replica is held by a lease on its blob, renewed by a thread of this process on a connection of its own, so that no blob
 * waits for another's: it ends with the process, not at once but within its length. Without its id nobody can write, not even a
 * worker of a run that died: each process draws ids anew. The service is the judge of whether a lease still holds: what is
 * written under one that was lost it refuses, and it renews one late as long as nobody else has touched the blob.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "blob.h"
#include "net/pki.h"

#define LOOK_AGAIN (2 * NS_PER_S)
#define TRY_AGAIN  NS_PER_S

struct blob_lease {
	struct blob_lease *next;
	struct blob_store *s;
	struct res_ref disk;
	char id[40];          /* one for all tries: asked with it again, the service gives what a lost reply gave already */
	struct rest *rest;    /* the thread's; NULL: there is none, the lease is not held yet */
	bool told;            /* the blob says who holds it */
	pthread_t thread;
	pthread_mutex_t lock; /* below */
	pthread_cond_t changed;
	bool stop;
	struct err lost;
};

/* Three tries that hang, one after the other, fit into the rest of a lease. */
static int64_t period_ns(const struct blob_store *s)
{
	return s->config.lease_s * (NS_PER_S / 6);
}

static uint32_t try_s(const struct blob_store *s)
{
	return s->config.lease_s / 5;
}

static int draw_id(char out[40], struct err *e)
{
	uint8_t b[16];

	if (pki_random(b, sizeof b, e) < 0)
		return -1;
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	snprintf(out, 40, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4],
		 b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
	return 0;
}

/* PUT comp=lease; the status, -1 without an answer. */
static int ask_lease(struct blob_lease *l, struct rest *rest, const char *action, struct rest_reply *reply, struct err *e)
{
	char name[RES_NAME_SIZE + 8];
	bool acquires = strcmp(action, "acquire") == 0;

	blob_name(&l->disk, name);
	cleanup(blob_request_fini) struct blob_request q = {.method = "PUT", .name = name, .query = {{"comp", "lease"}}};
	blob_header(&q, "x-ms-lease-action: %s", action);
	blob_header(&q, acquires ? "x-ms-proposed-lease-id: %s" : "x-ms-lease-id: %s", l->id);
	if (acquires)
		blob_header(&q, "x-ms-lease-duration: %u", l->s->config.lease_s);
	int status = blob_ask(l->s, rest, &q, reply, e);
	if (status >= 300 && acquires && status != 409)
		return blob_refused(l->s, &q, reply, e);
	return status;
}

/* ---- Renewing: the thread of one lease ---- */

/* Returns when to come back. */
static int64_t renew(struct blob_lease *l)
{
	cleanup(rest_reply_fini) struct rest_reply reply = REST_REPLY_INIT;
	struct err e = ERR_INIT;
	int64_t began = clock_mono_ns(), wait;
	int status = ask_lease(l, l->rest, "renew", &reply, &e);
	char reason[64];

	if (status == 200)
		return began + period_ns(l->s);
	wait = reply.retry_after_s * NS_PER_S;
	/* What did not get through, or was not judged, is tried again in time. */
	if (status != 404 && status != 409 && status != 412)
		return clock_mono_ns() + (wait < TRY_AGAIN ? TRY_AGAIN : wait < period_ns(l->s) ? wait : period_ns(l->s));
	pthread_mutex_lock(&l->lock);
	err_set(&l->lost, ERR_BUSY, 0, "the lease that this run held on %s in %s was taken away (%d %s): nothing more is written to "
		"it; find out who broke it, or was this host asleep? Then run again", l->disk.name, l->s->p.place, status,
		blob_reason(&reply, reason));
	pthread_mutex_unlock(&l->lock);
	return INT64_MAX;
}

static bool sleep_until(struct blob_lease *l, int64_t at)
{
	struct timespec until = {.tv_sec = (time_t)(at / NS_PER_S), .tv_nsec = (long)(at % NS_PER_S)};

	pthread_mutex_lock(&l->lock);
	while (!l->stop && pthread_cond_timedwait(&l->changed, &l->lock, &until) != ETIMEDOUT)
		continue;
	bool stop = l->stop;
	pthread_mutex_unlock(&l->lock);
	return !stop;
}

static void *keep(void *arg)
{
	struct blob_lease *l = arg;
	cleanup(rest_reply_fini) struct rest_reply reply = REST_REPLY_INIT;
	struct err ignored = ERR_INIT; /* it ends by itself */
	int64_t at = clock_mono_ns() + period_ns(l->s);

	while (sleep_until(l, at))
		at = renew(l);
	ask_lease(l, l->rest, "release", &reply, &ignored);
	return NULL;
}

static int start(struct blob_lease *l, struct err *e)
{
	struct rest_options options = {.ca_file = l->s->config.ca_file, .id_header = "x-ms-request-id",
				       .timeout_s = try_s(l->s), .log = l->s->p.log};

	l->rest = rest_new(&options, e);
	if (l->rest == NULL)
		return -1;
	if (pthread_create(&l->thread, NULL, keep, l) == 0)
		return 0;
	rest_free(l->rest);
	l->rest = NULL;
	return err_set(e, ERR_INTERNAL, 0, "no thread can be started that renews the lease on %s", l->disk.name);
}

/* ---- The list, of the provider's thread ---- */

static struct blob_lease *find(const struct blob_store *s, const struct res_ref *disk)
{
	struct blob_lease *l = s->leases;

	while (l != NULL && strcmp(l->disk.name, disk->name) != 0)
		l = l->next;
	return l;
}

static struct blob_lease *add(struct blob_store *s, const struct res_ref *disk, struct err *e)
{
	struct blob_lease *l = mem_alloc(sizeof *l);
	pthread_condattr_t monotonic;

	l->s = s;
	l->disk = *disk;
	l->next = s->leases;
	s->leases = l;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&l->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_init(&l->lock, NULL);
	return draw_id(l->id, e) == 0 ? l : NULL;
}

/* All are let go at once. */
void blob_leases_free(struct blob_lease *first)
{
	for (struct blob_lease *l = first; l != NULL; l = l->next) {
		pthread_mutex_lock(&l->lock);
		l->stop = true;
		pthread_cond_signal(&l->changed);
		pthread_mutex_unlock(&l->lock);
	}
	for (struct blob_lease *l = first, *next; l != NULL; l = next) {
		next = l->next;
		if (l->rest != NULL)
			pthread_join(l->thread, NULL);
		rest_free(l->rest);
		pthread_cond_destroy(&l->changed);
		pthread_mutex_destroy(&l->lock);
		free(l);
	}
}

const char *blob_lease_of(const struct blob_store *s, const struct res_ref *disk)
{
	const struct blob_lease *l = find(s, disk);

	return l != NULL && l->rest != NULL ? l->id : "";
}

/* ---- Locking ---- */

/* A run of ours that died leaves its lease behind for a while: the core asks again. Another one's is not waited for. */
static int held(struct blob_store *s, const struct res_ref *disk, const struct blob_seen *seen, struct err *e)
{
	int64_t now = clock_mono_ns();
	bool ours = seen->ours && !seen->leased_for_ever && strcmp(seen->ref.tags.owner, disk->tags.owner) == 0;

	if (s->lock_since_ns == 0)
		s->lock_since_ns = now;
	if (ours && now - s->lock_since_ns < (BLOB_LEASE_MAX + 10) * NS_PER_S)
		s->p.not_before_ns = now + LOOK_AGAIN;
	return err_set(e, ERR_BUSY, 0, "replica disk %s in %s is leased by %s: let that end, or break the lease if nothing uses it "
		       "any more (`az storage blob lease break`)", disk->name, s->p.place,
		       ours && seen->holder[0] != '\0' ? seen->holder : "somebody else");
}

/* For whoever finds it leased. */
static int write_holder(struct blob_store *s, const struct res_ref *disk, const char *holder, const char *id,
			const struct blob_seen *seen, struct err *e)
{
	char name[RES_NAME_SIZE + 8];

	blob_name(disk, name);
	cleanup(blob_request_fini) struct blob_request q = {.method = "PUT", .name = name, .query = {{"comp", "metadata"}},
							    .if_match = seen->etag};
	cleanup(rest_reply_fini) struct rest_reply reply = REST_REPLY_INIT;
	blob_add_tags(&q, &seen->ref);
	blob_header(&q, "x-ms-meta-" BLOB_HOLDER ": %s", holder);
	blob_header(&q, "x-ms-lease-id: %s", id);
	int status = blob_ask(s, s->rest, &q, &reply, e);
	if (status < 0)
		return -1;
	return status == 200 ? 0 : blob_refused(s, &q, &reply, e);
}

static int still_held(struct blob_lease *l, struct err *e)
{
	pthread_mutex_lock(&l->lock);
	struct err lost = l->lost;
	pthread_mutex_unlock(&l->lock);
	if (lost.kind == ERR_NONE)
		return 0;
	*e = lost;
	return -1;
}

int blob_lock(struct provider *p, const struct res_ref *disk, const char *holder, struct err *e)
{
	struct blob_store *s = store_of(p);
	cleanup(rest_reply_fini) struct rest_reply reply = REST_REPLY_INIT;
	struct blob_lease *l = find(s, disk);
	struct blob_seen seen;

	if (l != NULL && l->told)
		return still_held(l, e);
	if (l == NULL && (l = add(s, disk, e)) == NULL)
		return -1;
	/* Asked again, it may be leased already and only not say by whom. */
	int status = l->rest != NULL ? still_held(l, e) : ask_lease(l, s->rest, "acquire", &reply, e);
	/* From now on it is to be let go, whatever comes. */
	if (status < 0 || (status != 409 && l->rest == NULL && start(l, e) < 0) || blob_look(s, disk, &seen, e) < 0)
		return -1;
	if (status == 409)
		return held(s, disk, &seen, e);
	s->lock_since_ns = 0;
	if (seen.ours && write_holder(s, disk, holder, l->id, &seen, e) < 0)
		return -1;
	l->told = true;
	return 0;
}
