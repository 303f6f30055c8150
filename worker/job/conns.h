// SPDX-License-Identifier: Apache-2.0
/*
 * All TCP connections of this worker, so that they can be ended from outside: a handshake that waits in the
 * controller's backlog with a certificate that has just been replaced, everything when the worker ends. Any thread.
 */
#ifndef WHERRY_JOB_CONNS_H
#define WHERRY_JOB_CONNS_H

#include <stdbool.h>

#include "net/stream.h"

struct conns;

enum conn_kind {
	CONN_WAITING, /* dialed out, the controller has not taken it yet */
	CONN_OTHER
};

struct conns *conns_new(void);
void conns_free(struct conns *c); /* all of its streams are closed */

/* A stream that forwards to `lower` (taken) and is on the list until it is closed. Aborted at once when c is shut. */
struct stream *conns_track(struct conns *c, struct stream *lower, enum conn_kind kind);
void conns_set_kind(struct stream *tracked, enum conn_kind kind);
void conns_abort_waiting(struct conns *c);
/* Aborts all, also those still to come. */
void conns_shut(struct conns *c);

#endif
