// SPDX-License-Identifier: Apache-2.0
/*
 * The network cards. Each wanted one is brought up and gets its address from BusyBox udhcpc
 * (dhcp_event.h) or, where the bootstrap data has one, by hand; IPv6 comes from the
 * kernel's own SLAAC beside it and delays nothing. Cards are looked for again and again, so
 * that one that comes late (hot-plug, VMBus) is taken as well.
 */
#ifndef WHERRY_INITRAMFS_NET_H
#define WHERRY_INITRAMFS_NET_H

#include <net/if.h>
#include <stdbool.h>
#include <sys/types.h>

#include "bootdata.h"

enum { NET_CARDS_MAX = 32 };

struct net_card {
	char name[IFNAMSIZ];
	char mac[MAC_TEXT];
	int index;
	bool fixed;   // has its address by hand: no udhcpc
	bool bound;   // has an IPv4 address
	pid_t client; // its udhcpc, 0 when none runs
};

struct net {
	const struct bootdata *wanted;
	int event_fd;  // readable: udhcpc has told something
	int client_fd; // the other end, inherited by udhcpc
	int ncards;
	struct net_card cards[NET_CARDS_MAX];
};

// Brings up the loopback interface and prepares. 0, or -1 after having said why. wanted
// stays the caller's and may change between calls.
int net_open(struct net *net, const struct bootdata *wanted);

// Takes wanted cards that have appeared, forgets those that are gone, and starts again the
// clients that ended.
void net_look(struct net *net);

// Takes what event_fd has.
void net_event(struct net *net);

// A child has ended; true when it was one of ours.
bool net_reaped(struct net *net, pid_t pid);

// Whether some card can be talked through: it has an IPv4 address, or there is an
// IPv6 address that reaches beyond the link.
bool net_has_ipv4(const struct net *net);
bool net_has_ipv6(void);

#endif
