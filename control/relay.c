// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/stream.h"
#include "net/stream_tcp.h"
#include "paths.h"

#define ACCEPT_WAIT_NS  (200 * NS_PER_MS)
#define DIAL_TIMEOUT_NS (15 * NS_PER_S)
#define BLOCK           65536

struct relay {
	int listener;
	char *to;
	pthread_t thread;
	atomic_bool stop;
	pthread_mutex_t lock;      /* of the connection under way, so that relay_stop can end it */
	struct stream *active;     /* one end of it; its abort ends both */
};

/* One direction of one connection. */
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

/* Splice until one side ends. */
static void splice(struct stream *a, struct stream *b)
{
	struct half there = {.from = a, .to = b}, back = {.from = b, .to = a};
	pthread_t one, two;

	if (pthread_create(&one, NULL, pump_half, &there) != 0)
		return;
	if (pthread_create(&two, NULL, pump_half, &back) == 0)
		pthread_join(two, NULL);
	else
		stream_abort(a);
	pthread_join(one, NULL);
}

/* False: relay_stop has looked for a connection already and will not end this one. */
static bool set_active(struct relay *r, struct stream *a)
{
	pthread_mutex_lock(&r->lock);
	r->active = a;
	bool goes_on = !atomic_load(&r->stop);
	pthread_mutex_unlock(&r->lock);
	return goes_on;
}

static void *relay_main(void *arg)
{
	struct relay *r = arg;

	while (!atomic_load(&r->stop)) {
		struct err e = ERR_INIT;
		struct stream *a = stream_tcp_accept(r->listener, ACCEPT_WAIT_NS, &e), *b;

		if (a == NULL)
			continue;
		b = stream_tcp_dial(r->to, DIAL_TIMEOUT_NS, &e);
		if (b != NULL) {
			if (set_active(r, a))
				splice(a, b);
			set_active(r, NULL);
		}
		stream_close(b);
		stream_close(a);
	}
	return NULL;
}

struct relay *relay_start(const char *to, struct err *e)
{
	struct relay *r = mem_alloc(sizeof *r);

	r->to = mem_strdup(to);
	pthread_mutex_init(&r->lock, NULL);
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
	pthread_mutex_lock(&r->lock);
	if (r->active != NULL)
		stream_abort(r->active);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	close(r->listener);
	free(r->to);
	free(r);
}
