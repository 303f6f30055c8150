// SPDX-License-Identifier: Apache-2.0
/* Texts of TCP addresses, for stream_tcp.c, tcp_dial.c and tcp_listen.c. */
#ifndef WHERRY_NET_TCP_ADDRESS_H
#define WHERRY_NET_TCP_ADDRESS_H

#include <netdb.h>
#include <sys/socket.h>

#include "base/err.h"

#define TCP_ADDRESS_TEXT 64 /* "[v6%scope]:port" and its NUL */

struct tcp_address {
	char host[256]; /* without brackets; "" for all interfaces */
	char port[6]; /* decimal, 0 to 65535 */
};

/* "host:port", "[v6]:port", ":port"; CONFIG otherwise. */
int tcp_address_parse(const char *text, struct tcp_address *out, struct err *e);
/* Addresses to try, in the system's order of preference; freeaddrinfo(). NETWORK when there is none. */
struct addrinfo *tcp_address_resolve(const struct tcp_address *a, int flags, struct err *e);
/* "10.0.0.1:4433" or "[fe80::1]:4433" into out; returns out. */
char *tcp_address_format(const struct sockaddr *sa, socklen_t len, char out[TCP_ADDRESS_TEXT]);

#endif
