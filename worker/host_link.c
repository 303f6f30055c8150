// SPDX-License-Identifier: Apache-2.0
#include "host_link.h"

#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"

#define ACCEPT_NS   (NS_PER_S / 5)
/* Also when dialing is refused: a tunnel or a forwarder that is being started again refuses, too. */
#define PATIENCE_S  20

static struct stream *open_link(void *ctx, struct err *e)
{
	const struct host_link *h = ctx;

	return h->address != NULL ? host_peer_dial(h->peer, h->address, e)
				  : host_peer_accept(h->peer, h->listener, ACCEPT_NS, e);
}

static void wake_link(void *ctx)
{
	const struct host_link *h = ctx;

	if (h->address == NULL)
		shutdown(h->listener, SHUT_RDWR);
}

static void close_link(void *ctx, struct stream *s)
{
	struct host_link *h = ctx;

	atomic_fetch_add(&h->bytes, host_peer_bytes(h->peer, s));
	stream_close(s);
}

/* One at a time (link.h). */
static void report_link(void *ctx, const struct copy_link_status *st)
{
	struct host_link *h = ctx;

	if (st->up < st->channels && st->cuts > h->cuts)
		fprintf(stderr, "wherry-worker: %s; connecting again, for %d s at most\n", st->why.msg, PATIENCE_S);
	else if (st->up == st->channels && h->down)
		fprintf(stderr, "wherry-worker: connected again\n");
	h->down = st->up < st->channels && (h->down || st->cuts > h->cuts);
	h->cuts = st->cuts;
}

struct copy_link host_link(struct host_link *h, struct stream *first)
{
	return (struct copy_link){
		.channels = 1,
		.dials = h->address != NULL,
		.first = first,
		.patience_ns = PATIENCE_S * NS_PER_S,
		.open = open_link,
		.wake = wake_link,
		.close = close_link,
		.report = report_link,
		.ctx = h,
	};
}
