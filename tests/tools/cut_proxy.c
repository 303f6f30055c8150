// SPDX-License-Identifier: Apache-2.0
/*
 * A bad network for tests: passes TCP connections on and cuts them as told.
 *
 *   cut_proxy TO [bytes=N] [every_ms=N] [cuts=N] [rate=N] [listen=PORT]
 *
 * TO is HOST:PORT. A connection is cut once N bytes went towards TO, all of them every N ms, at most `cuts` times; `rate`
 * bounds the bytes per second, of all connections and both ways together. Prints the port it listens on, and at SIGTERM what it
 * did: "connections=N cuts=N there=BYTES back=BYTES moved=N", moved: the cuts before which at least 64 KiB had passed since
 * the one before.
 */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/stream_tcp.h"

#define BLOCK   65536
#define POLL_MS 10

struct proxy {
	const char *to;
	uint64_t bytes, every_ms, max_cuts, rate;
	int listener;
	atomic_uint connections, cuts, generation;
	atomic_uint_fast64_t there, back;
	pthread_mutex_t pace; /* of those who write */
	int64_t paid_ns;      /* until then the rate is used up */
};

struct conn {
	struct proxy *proxy;
	struct stream *a, *b;
	atomic_bool over;
	uint64_t sent;
};

static void keep_pace(struct proxy *p, size_t n)
{
	if (p->rate == 0)
		return;
	pthread_mutex_lock(&p->pace);
	int64_t now = clock_mono_ns();
	p->paid_ns = (p->paid_ns > now ? p->paid_ns : now) + (int64_t)((double)n * 1e9 / (double)p->rate);
	int64_t wait = p->paid_ns - now;
	pthread_mutex_unlock(&p->pace);
	clock_sleep_ns(wait);
}

static void hang_up(struct conn *c)
{
	atomic_store(&c->over, true);
	stream_abort(c->a);
	stream_abort(c->b);
}

/* Where to stop, seen from what this connection has sent. */
static size_t clip(const struct conn *c, size_t n)
{
	const struct proxy *p = c->proxy;

	if (p->bytes == 0 || p->cuts >= p->max_cuts || c->sent + n < p->bytes)
		return n;
	return (size_t)(p->bytes - c->sent);
}

static void *pump_there(void *arg)
{
	struct conn *c = arg;
	struct proxy *p = c->proxy;
	char *block = mem_alloc(BLOCK);
	struct err e = ERR_INIT;
	ssize_t n;

	while ((n = stream_read(c->a, block, BLOCK, &e)) > 0) {
		size_t take = clip(c, (size_t)n);

		keep_pace(p, take);
		/* Counted as the peer may see it: all of it or nothing. */
		if (stream_write(c->b, block, take, &e) < 0)
			break;
		atomic_fetch_add(&p->there, take);
		c->sent += take;
		if (take < (size_t)n || (p->bytes > 0 && c->sent == p->bytes && p->cuts < p->max_cuts)) {
			atomic_fetch_add(&p->cuts, 1);
			break;
		}
	}
	hang_up(c);
	free(block);
	return NULL;
}

static void *pump_back(void *arg)
{
	struct conn *c = arg;
	char *block = mem_alloc(BLOCK);
	struct err e = ERR_INIT;
	ssize_t n;

	while ((n = stream_read(c->b, block, BLOCK, &e)) > 0) {
		keep_pace(c->proxy, (size_t)n);
		if (stream_write(c->a, block, (size_t)n, &e) < 0)
			break;
		atomic_fetch_add(&c->proxy->back, (uint64_t)n);
	}
	hang_up(c);
	free(block);
	return NULL;
}

static void *conn_main(void *arg)
{
	struct conn *c = arg;
	struct proxy *p = c->proxy;
	unsigned generation = p->generation;
	struct err e = ERR_INIT;
	pthread_t there, back;

	c->b = stream_tcp_dial(p->to, 5 * NS_PER_S, &e);
	if (c->b == NULL) {
		stream_close(c->a);
		free(c);
		return NULL;
	}
	if (pthread_create(&there, NULL, pump_there, c) != 0 || pthread_create(&back, NULL, pump_back, c) != 0)
		abort();
	while (!c->over && p->generation == generation)
		clock_sleep_ns(POLL_MS * NS_PER_MS);
	hang_up(c);
	pthread_join(there, NULL);
	pthread_join(back, NULL);
	stream_close(c->a);
	stream_close(c->b);
	free(c);
	return NULL;
}

static void *accept_main(void *arg)
{
	struct proxy *p = arg;

	for (;;) {
		struct err e = ERR_INIT;
		struct stream *a = stream_tcp_accept(p->listener, 0, &e);
		pthread_t thread;

		if (a == NULL)
			continue;
		struct conn *c = mem_alloc(sizeof *c);
		c->proxy = p;
		c->a = a;
		p->connections++;
		if (pthread_create(&thread, NULL, conn_main, c) != 0)
			abort();
		pthread_detach(thread);
	}
	return NULL;
}

/* Until SIGTERM. Returns the cuts before which something had moved. */
static unsigned cut_by_time(struct proxy *p, const sigset_t *signals)
{
	uint64_t ms = p->every_ms > 0 ? p->every_ms : 1000, before = 0;
	const struct timespec pause = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000 * 1000000)};
	unsigned moved = 0;

	while (sigtimedwait(signals, NULL, &pause) < 0) {
		if (p->every_ms == 0 || p->connections == 0 || p->cuts >= p->max_cuts)
			continue;
		moved += p->there + p->back - before >= BLOCK;
		before = p->there + p->back;
		p->cuts++;
		p->generation++;
	}
	return moved;
}

static void parse(struct proxy *p, int argc, char **argv, char listen[64])
{
	unsigned port;

	p->to = argv[1];
	p->max_cuts = UINT64_MAX;
	strcpy(listen, "127.0.0.1:0");
	for (int i = 2; i < argc; i++) {
		if (sscanf(argv[i], "bytes=%" SCNu64, &p->bytes) == 1 || sscanf(argv[i], "every_ms=%" SCNu64, &p->every_ms) == 1 ||
		    sscanf(argv[i], "cuts=%" SCNu64, &p->max_cuts) == 1 || sscanf(argv[i], "rate=%" SCNu64, &p->rate) == 1)
			continue;
		if (sscanf(argv[i], "listen=%u", &port) == 1)
			snprintf(listen, 64, "127.0.0.1:%u", port);
	}
}

int main(int argc, char **argv)
{
	struct proxy p = {.pace = PTHREAD_MUTEX_INITIALIZER};
	struct err e = ERR_INIT;
	sigset_t signals;
	pthread_t thread;
	char listen[64];

	if (argc < 2) {
		fputs("cut_proxy TO [bytes=N] [every_ms=N] [cuts=N] [rate=N] [listen=PORT]\n", stderr);
		return 2;
	}
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	parse(&p, argc, argv, listen);
	p.listener = stream_tcp_listen(listen, &e);
	if (p.listener < 0 || pthread_create(&thread, NULL, accept_main, &p) != 0) {
		fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
	printf("%d\n", stream_tcp_port(p.listener));
	fflush(stdout);
	unsigned moved = cut_by_time(&p, &signals);
	printf("connections=%u cuts=%u there=%" PRIuFAST64 " back=%" PRIuFAST64 " moved=%u\n", p.connections, p.cuts,
	       p.there, p.back, moved);
	return 0;
}
