// SPDX-License-Identifier: Apache-2.0
/*
 * A network in memory between the two ends of a copy, which breaks as told: the dialer gets a new pair of streams for
 * each connection, the listener the other ends in that order.
 */
#ifndef WHERRY_TESTS_CUT_FIXTURE_H
#define WHERRY_TESTS_CUT_FIXTURE_H

#include <pthread.h>

#include "copy/copy_fixture.h"

#define NET_FAULTS 64

struct net {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	VEC(struct stream *) waiting;     /* the listener's ends */
	unsigned made;                    /* connections so far */
	size_t pipe;

	/* Set before the run. */
	unsigned channels;
	bool target_dials;
	int64_t patience_ns;
	unsigned faults;
	struct net_fault {
		unsigned connection;          /* the n-th that is made, from 0 */
		bool target_writes;           /* in what the target sends */
		enum stream_mem_fault fault;
		uint64_t at;
	} fault[NET_FAULTS];
	unsigned refuse_after;            /* dialing fails once so many were made; 0: never */
	/* What the listener gets of a connection instead of its end; NULL: itself. */
	struct stream *(*wrap)(struct net *n, unsigned connection, struct stream *s);

	/* Of the last run. */
	struct copy_link_status source, target;
};

void net_init(struct net *n);
void net_fini(struct net *n);
void net_fault(struct net *n, unsigned connection, bool target_writes, enum stream_mem_fault fault, uint64_t at);
/* Put a stream into the listener's queue. */
void net_offer(struct net *n, struct stream *s);
/* A copy over it; 0 when both ended well. */
int net_wire(struct net *n, struct fx *f);

#endif
