// SPDX-License-Identifier: Apache-2.0
#include "host_link.h"

#include "base/clock.h"

#define ACCEPT_NS (NS_PER_S / 5)

static struct stream *open_link(void *ctx, struct err *e)
{
	const struct host_link *h = ctx;

	return h->address != NULL ? host_peer_dial(h->peer, h->address, e)
				  : host_peer_accept(h->peer, h->listener, ACCEPT_NS, e);
}

static void close_link(void *ctx, struct stream *s)
{
	struct host_link *h = ctx;

	atomic_fetch_add(&h->bytes, host_peer_bytes(h->peer, s));
	stream_close(s);
}

struct copy_link host_link(struct host_link *h, struct stream *first)
{
	return (struct copy_link){
		.channels = 1,
		.dials = h->address != NULL,
		.first = first,
		.open = open_link,
		.close = close_link,
		.ctx = h,
	};
}
