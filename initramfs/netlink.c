// SPDX-License-Identifier: Apache-2.0
#include "netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
	struct nlmsghdr header;
	char body[256];
};

static void *start(struct request *request, int type, int flags, size_t body)
{
	memset(request, 0, sizeof *request);
	request->header.nlmsg_len = (unsigned int)NLMSG_LENGTH(body);
	request->header.nlmsg_type = (unsigned short)type;
	request->header.nlmsg_flags = (unsigned short)(NLM_F_REQUEST | NLM_F_ACK | flags);
	return NLMSG_DATA(&request->header);
}

// The bodies here are small and fixed; 256 bytes hold all of them.
static void add(struct request *request, int type, const void *value, size_t size)
{
	size_t at = NLMSG_ALIGN(request->header.nlmsg_len);
	struct rtattr *attribute = (struct rtattr *)((char *)request + at);

	attribute->rta_type = (unsigned short)type;
	attribute->rta_len = (unsigned short)RTA_LENGTH(size);
	memcpy(RTA_DATA(attribute), value, size);
	request->header.nlmsg_len = (unsigned int)(at + RTA_LENGTH(size));
}

static int perform(struct request *request)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char rest[512];
	} reply;
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return -1;
	ssize_t size = sendto(fd, request, request->header.nlmsg_len, 0,
			      (const struct sockaddr *)&kernel, sizeof kernel);
	if (size >= 0)
		size = recv(fd, &reply, sizeof reply, 0);
	int saved = errno;
	close(fd);
	if (size >= 0)
		saved = reply.header.nlmsg_type == NLMSG_ERROR ? -reply.error.error : EPROTO;
	errno = saved;
	return saved ? -1 : 0;
}

int netlink_up(int interface)
{
	struct request request;
	struct ifinfomsg *link = start(&request, RTM_NEWLINK, 0, sizeof *link);

	link->ifi_index = interface;
	link->ifi_flags = IFF_UP;
	link->ifi_change = IFF_UP;
	return perform(&request);
}

int netlink_set_mtu(int interface, unsigned int mtu)
{
	struct request request;
	struct ifinfomsg *link = start(&request, RTM_NEWLINK, 0, sizeof *link);

	link->ifi_index = interface;
	add(&request, IFLA_MTU, &mtu, sizeof mtu);
	return perform(&request);
}

static size_t size_of(int family)
{
	return family == AF_INET6 ? sizeof(struct in6_addr) : sizeof(struct in_addr);
}

int netlink_add_address(int family, int interface, const void *address, int prefix)
{
	struct request request;
	struct ifaddrmsg *body = start(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE,
				       sizeof *body);

	body->ifa_family = (unsigned char)family;
	body->ifa_prefixlen = (unsigned char)prefix;
	body->ifa_index = (unsigned int)interface;
	add(&request, IFA_LOCAL, address, size_of(family));
	add(&request, IFA_ADDRESS, address, size_of(family));
	return perform(&request);
}

int netlink_flush_ipv4(int interface)
{
	struct ifreq request = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	// The ioctl of old does what rtnetlink needs a dump and a loop for: 0.0.0.0 removes the
	// interface's address. There is one, for init sets one.
	request.ifr_addr.sa_family = AF_INET;
	int result = if_indextoname((unsigned int)interface, request.ifr_name) ? 0 : -1;
	if (result == 0)
		result = ioctl(fd, SIOCSIFADDR, &request);
	int saved = errno;
	close(fd);
	errno = saved;
	return result;
}

int netlink_add_route(const struct route *route)
{
	struct request request;
	struct rtmsg *body = start(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE,
				   sizeof *body);

	body->rtm_family = (unsigned char)route->family;
	body->rtm_dst_len = (unsigned char)(route->to ? route->prefix : 0);
	body->rtm_table = RT_TABLE_MAIN;
	body->rtm_protocol = RTPROT_BOOT;
	body->rtm_scope = route->gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
	body->rtm_type = RTN_UNICAST;
	if (route->to)
		add(&request, RTA_DST, route->to, size_of(route->family));
	if (route->gateway)
		add(&request, RTA_GATEWAY, route->gateway, size_of(route->family));
	add(&request, RTA_OIF, &route->interface, sizeof route->interface);
	add(&request, RTA_PRIORITY, &route->metric, sizeof route->metric);
	return perform(&request);
}
