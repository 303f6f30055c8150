// SPDX-License-Identifier: Apache-2.0
/* Dialing: all addresses of a name, staggered, the first to answer wins (RFC 8305, "Happy Eyeballs"). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "net/stream_tcp.h"
#include "net/tcp_address.h"

#define DIAL_MAX        16 /* addresses of one name that are tried */
#define DIAL_STAGGER_NS (250 * NS_PER_MS) /* RFC 8305, section 8: Connection Attempt Delay */

struct dial {
	const struct addrinfo *order[DIAL_MAX];
	size_t count, next;
	struct pollfd open[DIAL_MAX];
	size_t open_count;
	int sys; /* why the last attempt failed */
};

static void cleanup_addrinfo(struct addrinfo **list)
{
	if (*list != NULL)
		freeaddrinfo(*list);
}

static void cleanup_dial(struct dial *d)
{
	for (size_t i = 0; i < d->open_count; i++)
		close(d->open[i].fd);
}

/* The system's order, but families in turn, so that a dead IPv6 never delays IPv4 by more than one step. */
static void put_in_order(struct dial *d, const struct addrinfo *list)
{
	const struct addrinfo *same = list, *other = list;

	while (d->count < DIAL_MAX && (same != NULL || other != NULL)) {
		while (same != NULL && same->ai_family != list->ai_family)
			same = same->ai_next;
		if (same != NULL) {
			d->order[d->count++] = same;
			same = same->ai_next;
		}
		while (other != NULL && other->ai_family == list->ai_family)
			other = other->ai_next;
		if (other != NULL && d->count < DIAL_MAX) {
			d->order[d->count++] = other;
			other = other->ai_next;
		}
	}
}

static void start_next(struct dial *d)
{
	const struct addrinfo *a = d->order[d->next++];
	cleanup(cleanup_fd) int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || (connect(fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS)) {
		d->sys = errno;
		return;
	}
	d->open[d->open_count++] = (struct pollfd){.fd = take_fd(&fd), .events = POLLOUT};
}

/* A connected socket, or -1: none yet. Failed ones are dropped, and *failed set. */
static int collect(struct dial *d, bool *failed)
{
	for (size_t i = 0; i < d->open_count;) {
		int fd = d->open[i].fd, sys = 0;
		socklen_t len = sizeof sys;

		if (d->open[i].revents == 0) {
			i++;
			continue;
		}
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys, &len) < 0)
			sys = errno;
		d->open[i] = d->open[--d->open_count];
		if (sys == 0)
			return fd;
		close(fd);
		d->sys = sys;
		*failed = true;
	}
	return -1;
}

static int wait_ms(int64_t until, int64_t now)
{
	int64_t ms = (until - now + NS_PER_MS - 1) / NS_PER_MS;

	return ms < 0 ? 0 : ms > INT_MAX ? INT_MAX : (int)ms;
}

static int race(struct dial *d, const char *address, int64_t timeout_ns, struct err *e)
{
	int64_t now = clock_mono_ns(), end = timeout_ns > 0 ? now + timeout_ns : INT64_MAX, next_at = now;

	for (;; now = clock_mono_ns()) {
		if (now >= end)
			return err_set(e, ERR_TIMEOUT, 0,
				"%s did not answer within %lld ms: check that it runs and that no "
				"firewall is between",
				address, (long long)(timeout_ns / NS_PER_MS));
		if (d->next < d->count && (now >= next_at || d->open_count == 0)) {
			start_next(d);
			next_at = now + DIAL_STAGGER_NS;
			continue;
		}
		if (d->open_count == 0)
			return err_set(e, ERR_NETWORK, d->sys,
				"cannot connect to %s (check that it runs and that no "
				"firewall is between)",
				address);
		int64_t until = d->next < d->count && next_at < end ? next_at : end;
		int n = poll(d->open, d->open_count, until == INT64_MAX ? -1 : wait_ms(until, now));
		bool failed = false;
		int fd = n > 0 ? collect(d, &failed) : -1;

		if (fd >= 0)
			return fd;
		if (failed)
			next_at = now;
	}
}

struct stream *stream_tcp_dial(const char *address, int64_t timeout_ns, struct err *e)
{
	struct tcp_address a;
	cleanup(cleanup_addrinfo) struct addrinfo *list = NULL;
	cleanup(cleanup_dial) struct dial d = {.sys = EHOSTUNREACH};

	if (tcp_address_parse(address, &a, e) < 0)
		return NULL;
	if (a.host[0] == '\0' || strcmp(a.port, "0") == 0) {
		err_set(e, ERR_CONFIG, 0, "'%s' is no address to connect to: it lacks a %s", address,
			a.host[0] == '\0' ? "host" : "port");
		return NULL;
	}
	list = tcp_address_resolve(&a, AI_NUMERICSERV, e);
	if (list == NULL)
		return NULL;
	put_in_order(&d, list);
	int fd = race(&d, address, timeout_ns, e);
	if (fd < 0)
		return NULL;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	return stream_tcp_new(fd);
}
