// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/stream.h"
#include "net/stream_tcp.h"
#include "net/wire.h"
#include "paths.h"

#define ACCEPT_WAIT_NS  (200 * NS_PER_MS)
#define DIAL_TIMEOUT_NS (15 * NS_PER_S)
#define BLOCK           65536
/* A session's channels, and as many that their workers know to be dead and this host does not yet. */
#define MAX_SPLICES     (2 * WIRE_MAX_CHANNELS)

/* One connection through this host, in a thread of its own. */
struct splice {
	struct relay *relay;
	struct stream *a, *b; /* b: NULL until it is dialed */
	struct splice *next;  /* the one that came before */
};

struct relay {
	int listener;
	char *to;
	pthread_t thread;
	atomic_bool stop;
	pthread_mutex_t lock; /* everything below; streams are closed only after they are off the list */
	pthread_cond_t changed;
	struct splice *newest;
	unsigned count;
};

/* One direction. */
struct half {
	struct stream *from, *to;
};

static void *pump_half(void *arg)
{
	struct half *h = arg;
	char *block = mem_alloc(BLOCK);
	struct err e = ERR_INIT;
	ssize_t n;

	while ((n = stream_read(h->from, block, BLOCK, &e)) > 0)
		if (stream_write(h->to, block, (size_t)n, &e) < 0)
			break;
	/* An end in one direction ends both: the protocol inside has its own END. */
	stream_abort(h->from);
	stream_abort(h->to);
	free(block);
	return NULL;
}

/* Until one side ends. */
static void pass_bytes(struct splice *s)
{
	struct half there = {.from = s->a, .to = s->b}, back = {.from = s->b, .to = s->a};
	pthread_t other;

	if (pthread_create(&other, NULL, pump_half, &there) != 0)
		return;
	pump_half(&back);
	pthread_join(other, NULL);
}

static bool dial(struct splice *s)
{
	struct relay *r = s->relay;
	struct err e = ERR_INIT;
	struct stream *b = stream_tcp_dial(r->to, DIAL_TIMEOUT_NS, &e);

	pthread_mutex_lock(&r->lock);
	s->b = b;
	if (b != NULL && atomic_load(&r->stop))
		stream_abort(b);
	pthread_mutex_unlock(&r->lock);
	return b != NULL;
}

/* Whoever dialed dials again when the other side cannot be reached now. */
static void *splice_main(void *arg)
{
	struct splice *s = arg;
	struct relay *r = s->relay;

	if (dial(s))
		pass_bytes(s);
	pthread_mutex_lock(&r->lock);
	struct splice **at = &r->newest;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	pthread_mutex_unlock(&r->lock);
	stream_close(s->b);
	stream_close(s->a);
	free(s);
	pthread_mutex_lock(&r->lock);
	r->count--;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* With the lock held. */
static void abort_splice(struct splice *s)
{
	stream_abort(s->a);
	if (s->b != NULL)
		stream_abort(s->b);
}

/* There is always room for one more: the oldest makes it. */
static void make_room(struct relay *r)
{
	pthread_mutex_lock(&r->lock);
	while (r->count == MAX_SPLICES) {
		struct splice *oldest = r->newest;

		while (oldest != NULL && oldest->next != NULL)
			oldest = oldest->next;
		if (oldest != NULL)
			abort_splice(oldest);
		pthread_cond_wait(&r->changed, &r->lock);
	}
	pthread_mutex_unlock(&r->lock);
}

static void start_splice(struct relay *r, struct stream *a)
{
	struct splice *s = mem_alloc(sizeof *s);
	pthread_t thread;

	s->relay = r;
	s->a = a;
	pthread_mutex_lock(&r->lock);
	s->next = r->newest;
	r->newest = s;
	bool started = pthread_create(&thread, NULL, splice_main, s) == 0;
	if (started)
		r->count++;
	else
		r->newest = s->next;
	pthread_mutex_unlock(&r->lock);
	if (started) {
		pthread_detach(thread);
		return;
	}
	stream_close(a);
	free(s);
}

static void *relay_main(void *arg)
{
	struct relay *r = arg;

	while (!atomic_load(&r->stop)) {
		struct err e = ERR_INIT;
		struct stream *a = stream_tcp_accept(r->listener, ACCEPT_WAIT_NS, &e);

		if (a == NULL)
			continue;
		make_room(r);
		start_splice(r, a);
	}
	return NULL;
}

struct relay *relay_start(const char *to, struct err *e)
{
	struct relay *r = mem_alloc(sizeof *r);

	r->to = mem_strdup(to);
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	r->listener = stream_tcp_listen("127.0.0.1:0", e);
	if (r->listener < 0)
		goto fail;
	int rc = pthread_create(&r->thread, NULL, relay_main, r);
	if (rc != 0) {
		err_set(e, ERR_INTERNAL, rc, "starting the relay's thread");
		goto fail_listener;
	}
	return r;
fail_listener:
	close(r->listener);
fail:
	free(r->to);
	free(r);
	return NULL;
}

int relay_port(const struct relay *r)
{
	return stream_tcp_port(r->listener);
}

void relay_stop(struct relay *r)
{
	if (r == NULL)
		return;
	atomic_store(&r->stop, true);
	pthread_join(r->thread, NULL);
	pthread_mutex_lock(&r->lock);
	for (struct splice *s = r->newest; s != NULL; s = s->next)
		abort_splice(s);
	while (r->count > 0)
		pthread_cond_wait(&r->changed, &r->lock);
	pthread_mutex_unlock(&r->lock);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	close(r->listener);
	free(r->to);
	free(r);
}
