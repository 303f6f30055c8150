// SPDX-License-Identifier: Apache-2.0
#include "net/stream_tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/tcp_address.h"

/* A peer that vanished is given up after this: unacknowledged data (RFC 5482), or 20 + 4 * 10 s of idle
 * probes. */
#define DEAD_PEER_MS 60000
#define KEEP_IDLE_S  20
#define KEEP_EVERY_S 10
#define KEEP_PROBES  4

struct tcp {
	struct stream base;
	int fd;
	atomic_bool aborted;
	atomic_int_fast64_t timeout_ns;
	char peer[TCP_ADDRESS_TEXT];
};

static int fail(struct tcp *t, int sys, struct err *e)
{
	if (atomic_load(&t->aborted))
		return err_set(e, ERR_CANCELED, 0, "the connection with %s was ended by this side", t->peer);
	if (sys == EAGAIN)
		return err_set(e, ERR_TIMEOUT, 0,
			"%s did not answer for %lld s: is it overloaded, or the network cut?", t->peer,
			(long long)(atomic_load(&t->timeout_ns) / NS_PER_S));
	return err_set(e, ERR_NETWORK, sys, "the connection with %s was cut", t->peer);
}

static ssize_t tcp_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct tcp *t = (struct tcp *)s;

	for (;;) {
		ssize_t got = recv(t->fd, p, n, 0);

		/* An abort looks like the peer's orderly end. */
		if (got > 0 || (got == 0 && !atomic_load(&t->aborted)))
			return got;
		if (got == 0 || errno != EINTR)
			return fail(t, got == 0 ? 0 : errno, e);
	}
}

static int tcp_write(struct stream *s, const void *p, size_t n, struct err *e)
{
	struct tcp *t = (struct tcp *)s;
	int64_t start = clock_mono_ns();

	for (const char *at = p; n > 0;) {
		ssize_t put = send(t->fd, at, n, MSG_NOSIGNAL);

		if (put < 0 && errno != EINTR)
			return fail(t, errno, e);
		if (put < 0)
			continue;
		at += put;
		n -= (size_t)put;
		/* A peer that takes a byte now and then does not make the wait longer. */
		int64_t limit = atomic_load(&t->timeout_ns);
		if (n > 0 && limit > 0 && clock_mono_ns() - start >= limit)
			return fail(t, EAGAIN, e);
	}
	return 0;
}

static int tcp_flush(struct stream *s, struct err *e)
{
	(void)s;
	(void)e;
	return 0;
}

static bool tcp_ready(struct stream *s)
{
	struct pollfd p = {.fd = ((struct tcp *)s)->fd, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

static void tcp_abort(struct stream *s)
{
	struct tcp *t = (struct tcp *)s;

	atomic_store(&t->aborted, true);
	shutdown(t->fd, SHUT_RDWR);
}

static void tcp_set_timeout(struct stream *s, int64_t ns)
{
	struct tcp *t = (struct tcp *)s;
	struct timeval tv = {
		.tv_sec = (time_t)(ns / NS_PER_S), .tv_usec = (suseconds_t)(ns % NS_PER_S / 1000)};

	if (ns > 0 && tv.tv_sec == 0 && tv.tv_usec == 0)
		tv.tv_usec = 1; /* 0 would be for ever */
	atomic_store(&t->timeout_ns, ns);
	setsockopt(t->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
	setsockopt(t->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
}

static void tcp_close(struct stream *s)
{
	struct tcp *t = (struct tcp *)s;

	close(t->fd);
	free(t);
}

static const struct stream_ops tcp_ops = {
	.read = tcp_read,
	.write = tcp_write,
	.flush = tcp_flush,
	.ready = tcp_ready,
	.abort = tcp_abort,
	.set_timeout = tcp_set_timeout,
	.close = tcp_close,
};

static void tune(int fd)
{
	static const struct {
		int level, name, value;
	} option[] = {
		{SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_NODELAY, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S},
		{IPPROTO_TCP, TCP_KEEPINTVL, KEEP_EVERY_S},
		{IPPROTO_TCP, TCP_KEEPCNT, KEEP_PROBES},
		{IPPROTO_TCP, TCP_USER_TIMEOUT, DEAD_PEER_MS},
	};

	/* Each makes the connection better; none is worth refusing it (a socketpair in tests knows no TCP
	 * options). */
	for (size_t i = 0; i < sizeof option / sizeof option[0]; i++)
		setsockopt(fd, option[i].level, option[i].name, &option[i].value, sizeof option[i].value);
}

struct stream *stream_tcp_new(int fd)
{
	struct tcp *t = mem_alloc(sizeof *t);
	struct sockaddr_storage sa = {0};
	socklen_t len = sizeof sa;

	t->base.ops = &tcp_ops;
	t->fd = fd;
	if (getpeername(fd, (struct sockaddr *)&sa, &len) == 0)
		tcp_address_format((struct sockaddr *)&sa, len, t->peer);
	else
		strcpy(t->peer, "the peer");
	tune(fd);
	return &t->base;
}
