// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "net/stream_tcp.h"
#include "net/tcp_address.h"

#define BACKLOG 16

static void cleanup_addrinfo(struct addrinfo **list)
{
	if (*list != NULL)
		freeaddrinfo(*list);
}

static int cannot(const char *address, const char *port, int sys, struct err *e)
{
	switch (sys) {
	case EADDRINUSE:
		return err_set(e, ERR_BUSY, 0,
			"cannot listen at %s: port %s is in use by another program (find it with "
			"`ss -ltnp`); end that program or choose another port",
			address, port);
	case EADDRNOTAVAIL:
		return err_set(e, ERR_CONFIG, 0,
			"cannot listen at %s: that is no address of this machine; choose one of "
			"`ip address`, or ':%s' for all",
			address, port);
	case EACCES:
	case EPERM:
		return err_set(e, ERR_DENIED, sys,
			"cannot listen at %s (ports below 1024 are root's; choose a higher one)", address);
	default:
		return err_set(e, err_kind_of_errno(sys), sys, "cannot listen at %s", address);
	}
}

/* The socket, or -1 with errno. */
static int listen_at(int family, const struct sockaddr *sa, socklen_t len, int v6_only)
{
	cleanup(cleanup_fd) int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	if (fd < 0)
		return -1;
	/* A worker started anew must not wait for connections of the last one to be forgotten. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
		return -1;
	if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only) < 0)
		return -1;
	if (bind(fd, sa, len) < 0 || listen(fd, BACKLOG) < 0)
		return -1;
	return take_fd(&fd);
}

static int listen_everywhere(const struct tcp_address *a, const char *address, struct err *e)
{
	in_port_t port = htons((uint16_t)strtoul(a->port, NULL, 10));
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = port, .sin6_addr = in6addr_any};
	struct sockaddr_in v4 = {
		.sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_ANY)};
	int fd = listen_at(AF_INET6, (struct sockaddr *)&v6, sizeof v6, 0);

	if (fd < 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) /* a kernel without IPv6 */
		fd = listen_at(AF_INET, (struct sockaddr *)&v4, sizeof v4, 0);
	return fd < 0 ? cannot(address, a->port, errno, e) : fd;
}

int stream_tcp_listen(const char *address, struct err *e)
{
	struct tcp_address a;
	cleanup(cleanup_addrinfo) struct addrinfo *list = NULL;

	if (tcp_address_parse(address, &a, e) < 0)
		return -1;
	if (a.host[0] == '\0')
		return listen_everywhere(&a, address, e);
	list = tcp_address_resolve(&a, AI_PASSIVE | AI_NUMERICSERV, e);
	if (list == NULL) {
		e->kind = ERR_CONFIG;
		return err_wrap(e, "cannot listen at %s", address);
	}
	for (const struct addrinfo *at = list; at != NULL; at = at->ai_next) {
		int fd = listen_at(at->ai_family, at->ai_addr, at->ai_addrlen, 1);

		if (fd >= 0)
			return fd;
	}
	return cannot(address, a.port, errno, e);
}

int stream_tcp_port(int listener)
{
	struct sockaddr_storage sa = {0};
	socklen_t len = sizeof sa;

	if (getsockname(listener, (struct sockaddr *)&sa, &len) < 0)
		return -1;
	if (sa.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&sa)->sin6_port);
	return ntohs(((struct sockaddr_in *)&sa)->sin_port);
}

/* What accept() may say of a connection that is gone again, and of nothing else. */
static bool only_this_one(int sys)
{
	return sys == EAGAIN || sys == EINTR || sys == ECONNABORTED || sys == EPROTO || sys == ENETDOWN ||
	       sys == EHOSTUNREACH || sys == ENETUNREACH;
}

struct stream *stream_tcp_accept(int listener, int64_t timeout_ns, struct err *e)
{
	int64_t end = clock_mono_ns() + timeout_ns;

	for (;;) {
		struct pollfd at = {.fd = listener, .events = POLLIN};
		int64_t left = timeout_ns > 0 ? (end - clock_mono_ns() + NS_PER_MS - 1) / NS_PER_MS : -1;

		if (timeout_ns > 0 && left <= 0) {
			err_set(e, ERR_TIMEOUT, 0, "nobody connected to port %d within %lld ms",
				stream_tcp_port(listener), (long long)(timeout_ns / NS_PER_MS));
			return NULL;
		}
		if (poll(&at, 1, left > INT_MAX ? INT_MAX : (int)left) <= 0)
			continue;
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			return stream_tcp_new(fd);
		if (only_this_one(errno))
			continue;
		if (errno == EINVAL)
			err_set(e, ERR_CANCELED, 0, "port %d was closed by this side",
				stream_tcp_port(listener));
		else
			err_set(e, err_kind_of_errno(errno), errno, "cannot take connections at port %d",
				stream_tcp_port(listener));
		return NULL;
	}
}
