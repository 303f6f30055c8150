// SPDX-License-Identifier: Apache-2.0
/* How `send` and `receive` get the connections of one copy (copy/link.h), and what has passed over all of them. */
#ifndef WHERRY_HOST_LINK_H
#define WHERRY_HOST_LINK_H

#include <stdatomic.h>
#include <stdbool.h>

#include "copy/link.h"
#include "host_peer.h"

struct host_link {
	const struct host_peer *peer;   /* borrowed, as is the address */
	const char *address;            /* dialed; NULL: the listener accepts */
	int listener;
	unsigned cuts;                  /* told on stderr */
	bool down;
	atomic_uint_fast64_t bytes;     /* on the wire in both directions, of connections that are closed */
};

/* One channel, which outlives its connections: one that breaks is made again within 20 s, which stderr tells. `first` is
 * open already. h lives as long as the copy. */
struct copy_link host_link(struct host_link *h, struct stream *first);

#endif
