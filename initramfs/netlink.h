// SPDX-License-Identifier: Apache-2.0
/*
 * The few things the appliance asks the kernel's network of (rtnetlink(7)). Addresses are
 * struct in_addr or in6_addr by family. Calls are synchronous and return 0, or -1 with
 * errno set.
 */
#ifndef WHERRY_INITRAMFS_NETLINK_H
#define WHERRY_INITRAMFS_NETLINK_H

struct route {
	int family;
	int interface;       // index
	const void *to;      // NULL for the default route
	int prefix;          // of to
	const void *gateway; // NULL when to is on the link
	int metric;
};

int netlink_up(int interface);
int netlink_set_mtu(int interface, unsigned int mtu);

// Adds the address, or renews what it is already.
int netlink_add_address(int family, int interface, const void *address, int prefix);

// Takes away every IPv4 address of the interface, and so the routes that hang on them.
int netlink_flush_ipv4(int interface);

int netlink_add_route(const struct route *route);

#endif
