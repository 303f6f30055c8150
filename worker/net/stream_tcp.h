// SPDX-License-Identifier: Apache-2.0
/* TCP, IPv4 and IPv6. Keep-alive and TCP_USER_TIMEOUT are on, so a half-open connection dies within a minute. */
#ifndef WHERRY_NET_STREAM_TCP_H
#define WHERRY_NET_STREAM_TCP_H

#include <stdint.h>

#include "net/stream.h"

/*
 * address: "host:port", "[v6]:port". All addresses of a name are tried, IPv6 and IPv4 in turn, the next one a quarter
 * of a second after the last (RFC 8305); the first to answer wins. timeout_ns: for all of them; 0 = as long as the
 * system tries. CONFIG: no such form; NETWORK: no such name, refused; TIMEOUT.
 */
struct stream *stream_tcp_dial(const char *address, int64_t timeout_ns, struct err *e);
struct stream *stream_tcp_new(int fd); /* takes a connected socket */

/* address: "127.0.0.1:0", ":4433" (all interfaces, v6 and v4). Returns the listening socket, which the caller closes,
 * or -1: CONFIG: no such form, or not an address of this machine; BUSY: port in use; DENIED: port below 1024. */
int stream_tcp_listen(const char *address, struct err *e);
int stream_tcp_port(int listener); /* the port really bound */
/* Waits up to timeout_ns (0 = for ever): a stream, or NULL with TIMEOUT. shutdown() of the listener in another thread
 * ends the wait: CANCELED. */
struct stream *stream_tcp_accept(int listener, int64_t timeout_ns, struct err *e);

#endif
