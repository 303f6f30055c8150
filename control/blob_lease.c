// SPDX-License-Identifier: Apache-2.0
/*
 * A replica is held by a lease on its blob, which a thread of this process renews: it ends with the process, not at once
 * but within LEASE_S. Without its id nobody can write, not even a worker of a run that died: each process draws ids anew.
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

#define LEASE_S     45
#define RENEW_S     12
#define LOOK_AGAIN  (2 * NS_PER_S)
#define LONGEST_NS  ((LEASE_S + 10) * NS_PER_S)

struct lease {
	struct res_ref disk;
	char id[40];
	bool lost;
};

struct blob_leases {
	struct blob_store *s;
	struct rest *rest;     /* the thread's own */
	pthread_t thread;
	pthread_mutex_t lock;  /* below */
	pthread_cond_t changed;
	VEC(struct lease) list;
	bool stop;
};

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
static int ask_lease(struct blob_store *s, struct rest *rest, const struct res_ref *disk, const char *action, const char *id,
		     struct rest_reply *reply, struct err *e)
{
	char name[RES_NAME_SIZE + 8];
	bool acquires = strcmp(action, "acquire") == 0;

	blob_name(disk, name);
	cleanup(blob_request_fini) struct blob_request q = {.method = "PUT", .name = name, .query = {{"comp", "lease"}}};
	blob_header(&q, "x-ms-lease-action: %s", action);
	blob_header(&q, acquires ? "x-ms-proposed-lease-id: %s" : "x-ms-lease-id: %s", id);
	if (acquires)
		blob_header(&q, "x-ms-lease-duration: %d", LEASE_S);
	int status = blob_ask(s, rest, &q, reply, e);
	if (status >= 300 && acquires && status != 409)
		return blob_refused(s, &q, reply, e);
	return status;
}

/* ---- Renewing ---- */

static void renew(struct blob_leases *l, struct lease *it)
{
	cleanup(rest_reply_fini) struct rest_reply reply = REST_REPLY_INIT;
	struct err e = ERR_INIT;
	int status = ask_lease(l->s, l->rest, &it->disk, "renew", it->id, &reply, &e);
	char reason[64];

	if (status == 200 || (status != 404 && status != 409 && status != 412))
		return; /* what did not get through is tried again in time */
	it->lost = true;
	log_warn(l->s->p.log, "the lease on %s is lost (%d %s): nothing more is written to it", it->disk.name, status,
		 blob_reason(&reply, reason));
}

static void *renew_all(void *arg)
{
	struct blob_leases *l = arg;

	pthread_mutex_lock(&l->lock);
	while (!l->stop) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += RENEW_S;
		if (pthread_cond_timedwait(&l->changed, &l->lock, &until) != ETIMEDOUT)
			continue;
		for (size_t i = 0; i < l->list.len && !l->stop; i++) {
			struct lease it = l->list.at[i];

			if (it.lost)
				continue;
			pthread_mutex_unlock(&l->lock);
			renew(l, &it);
			pthread_mutex_lock(&l->lock);
			l->list.at[i].lost = it.lost; /* the list only grows */
		}
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

static struct blob_leases *leases_new(struct blob_store *s, struct err *e)
{
	struct blob_leases *l = mem_alloc(sizeof *l);
	struct rest_options options = {.ca_file = s->config.ca_file, .id_header = "x-ms-request-id", .timeout_s = RENEW_S,
				       .log = s->p.log};

	l->s = s;
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->changed, NULL);
	l->rest = rest_new(&options, e);
	if (l->rest != NULL && pthread_create(&l->thread, NULL, renew_all, l) == 0)
		return l;
	if (l->rest != NULL)
		err_set(e, ERR_INTERNAL, 0, "no thread can be started that renews leases");
	rest_free(l->rest);
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->lock);
	free(l);
	return NULL;
}

void blob_leases_free(struct blob_leases *l)
{
	if (l == NULL)
		return;
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_cond_signal(&l->changed);
	pthread_mutex_unlock(&l->lock);
	pthread_join(l->thread, NULL);
	for (size_t i = 0; i < l->list.len; i++) {
		struct rest_reply reply = REST_REPLY_INIT;
		struct err ignored = ERR_INIT; /* it ends by itself */

		ask_lease(l->s, l->rest, &l->list.at[i].disk, "release", l->list.at[i].id, &reply, &ignored);
		rest_reply_fini(&reply);
	}
	rest_free(l->rest);
	vec_fini(&l->list);
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

char *blob_lease_of(struct blob_store *s, const struct res_ref *disk, char out[40])
{
	struct blob_leases *l = s->leases;

	out[0] = '\0';
	if (l == NULL)
		return out;
	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < l->list.len; i++)
		if (strcmp(l->list.at[i].disk.name, disk->name) == 0)
			memcpy(out, l->list.at[i].id, 40);
	pthread_mutex_unlock(&l->lock);
	return out;
}

/* ---- Locking ---- */

/* A run of ours that died leaves its lease behind for a while: the core asks again. Another one's is not waited for. */
static int held(struct blob_store *s, const struct res_ref *disk, const struct blob_seen *seen, struct err *e)
{
	int64_t now = clock_mono_ns();
	bool ours = seen->ours && !seen->leased_for_ever && strcmp(seen->ref.tags.owner, disk->tags.owner) == 0;

	if (s->lock_since_ns == 0)
		s->lock_since_ns = now;
	if (ours && now - s->lock_since_ns < LONGEST_NS)
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

static void remember(struct blob_leases *l, const struct res_ref *disk, const char *id)
{
	pthread_mutex_lock(&l->lock);
	struct lease *it = vec_push(&l->list);
	*it = (struct lease){.disk = *disk};
	memcpy(it->id, id, sizeof it->id);
	pthread_mutex_unlock(&l->lock);
}

int blob_lock(struct provider *p, const struct res_ref *disk, const char *holder, struct err *e)
{
	struct blob_store *s = store_of(p);
	cleanup(rest_reply_fini) struct rest_reply reply = REST_REPLY_INIT;
	struct blob_seen seen;
	char id[40];

	if (blob_lease_of(s, disk, id)[0] != '\0')
		return 0;
	if (s->leases == NULL)
		s->leases = leases_new(s, e);
	if (s->leases == NULL || draw_id(id, e) < 0)
		return -1;
	int status = ask_lease(s, s->rest, disk, "acquire", id, &reply, e);
	if (status < 0 || blob_look(s, disk, &seen, e) < 0)
		return -1;
	if (status == 409)
		return held(s, disk, &seen, e);
	/* From now on it is to be let go, whatever comes. */
	remember(s->leases, disk, id);
	s->lock_since_ns = 0;
	return seen.ours ? write_holder(s, disk, holder, id, &seen, e) : 0;
}
