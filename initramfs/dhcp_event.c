// SPDX-License-Identifier: Apache-2.0
#include "dhcp_event.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netlink.h"
#include "resolv.h"
#include "say.h"

enum { METRIC_BASE = 100, MTU_MIN = 576, MTU_MAX = 65535, LIST_MAX = 1024 };

struct lease {
	const char *interface;
	int index;
	struct in_addr address;
	int prefix;
};

// RFC 3927: where clouds answer questions about the machine itself.
static const char metadata[] = "169.254.169.254";

static const char *variable(const char *name)
{
	const char *value = getenv(name);
	return value ? value : "";
}

static bool read_lease(struct lease *lease)
{
	lease->interface = variable("interface");
	lease->index = (int)if_nametoindex(lease->interface);
	lease->prefix = atoi(variable("mask"));
	return lease->index > 0 && lease->prefix > 0 && lease->prefix <= 32 &&
	       inet_pton(AF_INET, variable("ip"), &lease->address) == 1;
}

static void add_route(const struct lease *lease, const struct in_addr *to, int prefix,
		      const struct in_addr *gateway)
{
	const struct route route = {
		.family = AF_INET,
		.interface = lease->index,
		.to = prefix ? to : NULL,
		.prefix = prefix,
		.gateway = gateway && gateway->s_addr ? gateway : NULL,
		// Of several NICs the first one's default route counts.
		.metric = METRIC_BASE + lease->index,
	};

	if (netlink_add_route(&route) < 0)
		say("%s: a route of the DHCP lease cannot be set: %s.", lease->interface,
		    strerror(errno));
}

// A router outside the subnet (clouds give /32 leases) is reached on the link.
static void add_gateway(const struct lease *lease, const struct in_addr *to, int prefix,
			const struct in_addr *gateway)
{
	in_addr_t mask = htonl(0xffffffffu << (32 - lease->prefix));

	if (gateway->s_addr && (gateway->s_addr & mask) != (lease->address.s_addr & mask))
		add_route(lease, gateway, 32, NULL);
	add_route(lease, to, prefix, gateway);
}

// RFC 3442: "net/prefix gateway" pairs; when they are there, option 3 does not count.
static int add_static_routes(const struct lease *lease)
{
	char list[LIST_MAX];
	char *rest;
	int n = 0;

	snprintf(list, sizeof list, "%s", variable("staticroutes"));
	for (char *to = strtok_r(list, " ", &rest); to; to = strtok_r(NULL, " ", &rest)) {
		char *gateway = strtok_r(NULL, " ", &rest);
		char *slash = strchr(to, '/');
		struct in_addr net, via;
		if (!gateway || !slash)
			break;
		*slash = '\0';
		int prefix = atoi(slash + 1);
		if (inet_pton(AF_INET, to, &net) != 1 || inet_pton(AF_INET, gateway, &via) != 1 ||
		    prefix < 0 || prefix > 32)
			continue;
		add_gateway(lease, &net, prefix, &via);
		n++;
	}
	return n;
}

// With a router the metadata service is behind it; without one it can only be on the link.
static void add_routes(const struct lease *lease)
{
	char router[INET_ADDRSTRLEN] = "";
	struct in_addr gateway, service;

	if (add_static_routes(lease) > 0)
		return;
	sscanf(variable("router"), "%15s", router);
	if (inet_pton(AF_INET, router, &gateway) == 1)
		add_gateway(lease, &gateway, 0, &gateway);
	else if (inet_pton(AF_INET, metadata, &service) == 1)
		add_route(lease, &service, 32, NULL);
}

static void tell_init(const char *interface)
{
	char line[IFNAMSIZ + 16];
	int fd = atoi(variable(DHCP_EVENT_FD_ENV));
	int size = snprintf(line, sizeof line, "bound %s\n", interface);

	if (fd > STDERR_FILENO && write(fd, line, (size_t)size) < 0)
		say("%s: PID 1 does not hear of the DHCP lease: %s.", interface, strerror(errno));
}

static int configure(bool renewed)
{
	struct lease lease;
	int mtu = atoi(variable("mtu"));

	if (!read_lease(&lease)) {
		say("The DHCP lease for %s (%s/%s) makes no sense; check the DHCP server.",
		    variable("interface"), variable("ip"), variable("mask"));
		return 1;
	}
	if (mtu >= MTU_MIN && mtu <= MTU_MAX && netlink_set_mtu(lease.index, (unsigned int)mtu) < 0)
		say("%s: the MTU cannot be %d: %s.", lease.interface, mtu, strerror(errno));
	if (netlink_add_address(AF_INET, lease.index, &lease.address, lease.prefix) < 0) {
		say("%s: the address %s cannot be set: %s.", lease.interface, variable("ip"),
		    strerror(errno));
		return 1;
	}
	add_routes(&lease);
	resolv_add(lease.interface, variable("dns"), variable("domain"));
	if (!renewed)
		say("%s has %s/%d by DHCP.", lease.interface, variable("ip"), lease.prefix);
	tell_init(lease.interface);
	return 0;
}

static int deconfigure(void)
{
	int index = (int)if_nametoindex(variable("interface"));

	if (index > 0 && netlink_flush_ipv4(index) < 0 && errno != EADDRNOTAVAIL)
		say("%s: the old address cannot be removed: %s.", variable("interface"),
		    strerror(errno));
	return 0;
}

int dhcp_event_main(int argc, char **argv)
{
	const char *event = argc > 1 ? argv[1] : "";

	if (strcmp(event, "deconfig") == 0)
		return deconfigure();
	if (strcmp(event, "bound") == 0 || strcmp(event, "renew") == 0)
		return configure(strcmp(event, "renew") == 0);
	if (strcmp(event, "leasefail") == 0)
		say("%s: no DHCP server answers; still asking.", variable("interface"));
	return 0;
}
