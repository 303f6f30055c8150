// SPDX-License-Identifier: Apache-2.0
/*
 * The worker's side of the network: one listening TCP port, a thread per connection and a bound on their number; when
 * the controller listens instead, a few connections kept dialed to it, on which this side is the TLS client and still
 * the HTTP server. ALPN decides: HTTP goes to the API, chunks go to the runner.
 */
#ifndef WHERRY_JOB_SERVER_H
#define WHERRY_JOB_SERVER_H

#include "job/api.h"
#include "job/conns.h"

struct server_config {
	const struct bootdata *boot; /* all borrowed */
	const struct api *api;
	struct conns *conns;
	int listener;                /* borrowed */
	const struct log *log;
};

struct server;

struct server *server_new(const struct server_config *c, struct err *e); /* its threads run from now on */
void server_free(struct server *s); /* ends all connections of conns, waits for all threads. NULL is fine */
/* How many connections are being served; those waiting to be taken by the controller do not count. */
unsigned server_active(struct server *s);

/* runner_config.dial: to the other worker. ctx is a struct server_peer. */
struct server_peer {
	struct identity *identity;
	struct conns *conns;
};
struct stream *server_dial_peer(void *ctx, const char *address, struct err *e);

#endif
