// SPDX-License-Identifier: Apache-2.0
#include "net.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if_arp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dhcp_event.h"
#include "netlink.h"
#include "resolv.h"
#include "say.h"
#include "spawn.h"
#include "sysfile.h"

// udhcpc takes descriptors 3 and 4 for itself.
enum { FIXED_METRIC = 50, CLIENT_FD = 9 };

int net_open(struct net *net, const struct bootdata *wanted)
{
	int ends[2];

	*net = (struct net){ .wanted = wanted };
	if (netlink_up((int)if_nametoindex("lo")) < 0)
		say("lo cannot be brought up: %s.", strerror(errno));
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
		say("No pipe for the DHCP client: %s.", strerror(errno));
		return -1;
	}
	net->event_fd = ends[0];
	net->client_fd = ends[1];
	return 0;
}

static void path_of(char path[PATH_MAX], const char *name, const char *file)
{
	snprintf(path, PATH_MAX, "/sys/class/net/%s/%s", name, file);
}

// Ethernet, and not the lower half of another card (see is_known).
static bool is_card(const char *name)
{
	char path[PATH_MAX];
	uint64_t type;

	path_of(path, name, "type");
	if (sysfile_number(path, &type) < 0 || type != ARPHRD_ETHER)
		return false;
	path_of(path, name, "master");
	return access(path, F_OK) < 0;
}

static void read_mac(const char *name, char mac[MAC_TEXT])
{
	char path[PATH_MAX];

	path_of(path, name, "address");
	if (sysfile_text(path, mac, MAC_TEXT) < 0)
		mac[0] = '\0';
}

static const struct bootdata_nic *nic_of(const struct bootdata *data, const char *mac)
{
	for (int i = 0; i < data->nnics; i++)
		if (strcmp(data->nics[i].mac, mac) == 0)
			return &data->nics[i];
	return NULL;
}

// By MAC address: the accelerated functions of Azure and of virtio come up with that of the
// card above them, which carries the addresses, and are put under it a moment later.
static bool is_known(const struct net *net, const char *mac)
{
	for (int i = 0; i < net->ncards; i++)
		if (strcmp(net->cards[i].mac, mac) == 0)
			return true;
	return false;
}

static void forget_gone(struct net *net)
{
	for (int i = 0; i < net->ncards; i++) {
		struct net_card *card = &net->cards[i];
		if ((int)if_nametoindex(card->name) == card->index)
			continue;
		say("%s is gone.", card->name);
		if (card->client > 0)
			kill(card->client, SIGTERM);
		*card = net->cards[--net->ncards];
		i--;
	}
}

static void start_client(struct net *net, struct net_card *card)
{
	char event_fd[64];
	// -A: how long to rest after four questions; the client never gives up.
	const char *const argv[] = { "/bin/udhcpc", "-f", "-i", card->name, "-s", "/bin/dhcp-event",
				     "-t", "4", "-T", "2", "-A", "5", "-O", "mtu", "-O",
				     "staticroutes", NULL };
	const char *const envp[] = { "PATH=/bin", event_fd, NULL };
	const struct spawn client = {
		.argv = argv,
		.envp = envp,
		.pass_fd = net->client_fd,
		.pass_as = CLIENT_FD,
		.stdout_fd = SPAWN_NO_FD,
	};

	snprintf(event_fd, sizeof event_fd, "%s=%d", DHCP_EVENT_FD_ENV, CLIENT_FD);
	pid_t pid = spawn_start(&client);
	card->client = pid > 0 ? pid : 0;
}

static void set_fixed(struct net_card *card, const struct bootdata_nic *nic)
{
	const struct route route = {
		.family = nic->family,
		.interface = card->index,
		.gateway = &nic->gateway,
		.metric = FIXED_METRIC + card->index,
	};

	card->fixed = true;
	card->bound = true;
	if (netlink_add_address(nic->family, card->index, &nic->address, nic->prefix) < 0)
		say("%s: the address of the bootstrap data cannot be set: %s.", card->name,
		    strerror(errno));
	else if (nic->has_gateway && netlink_add_route(&route) < 0)
		say("%s: the gateway of the bootstrap data cannot be set: %s.", card->name,
		    strerror(errno));
}

static void take_card(struct net *net, const char *name, const char *mac,
		      const struct bootdata_nic *nic)
{
	struct net_card *card = &net->cards[net->ncards];

	*card = (struct net_card){ .index = (int)if_nametoindex(name) };
	memccpy(card->name, name, '\0', sizeof card->name - 1);
	memcpy(card->mac, mac, sizeof card->mac);
	if (card->index == 0)
		return;
	net->ncards++;
	if (netlink_up(card->index) < 0)
		say("%s cannot be brought up: %s.", name, strerror(errno));
	if (nic && nic->fixed)
		set_fixed(card, nic);
	if (net->wanted->dns[0])
		resolv_add("bootdata", net->wanted->dns, "");
}

static void look_for_cards(struct net *net)
{
	char mac[MAC_TEXT];
	DIR *dir = opendir("/sys/class/net");
	if (!dir)
		return;
	for (struct dirent *entry; net->ncards < NET_CARDS_MAX && (entry = readdir(dir));) {
		const char *name = entry->d_name;
		if (name[0] == '.' || !is_card(name))
			continue;
		read_mac(name, mac);
		const struct bootdata_nic *nic = nic_of(net->wanted, mac);
		if ((nic || net->wanted->all_nics) && !is_known(net, mac))
			take_card(net, name, mac, nic);
	}
	closedir(dir);
}

void net_look(struct net *net)
{
	forget_gone(net);
	look_for_cards(net);
	for (int i = 0; i < net->ncards; i++)
		if (!net->cards[i].fixed && net->cards[i].client == 0)
			start_client(net, &net->cards[i]);
}

void net_event(struct net *net)
{
	char text[512];
	char *rest;
	ssize_t size = read(net->event_fd, text, sizeof text - 1);

	if (size <= 0)
		return;
	text[size] = '\0';
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		for (int i = 0; i < net->ncards; i++)
			if (strncmp(line, "bound ", 6) == 0 &&
			    strcmp(line + 6, net->cards[i].name) == 0)
				net->cards[i].bound = true;
}

bool net_reaped(struct net *net, pid_t pid)
{
	for (int i = 0; i < net->ncards; i++)
		if (net->cards[i].client == pid) {
			net->cards[i].client = 0;
			return true;
		}
	return false;
}

bool net_has_ipv4(const struct net *net)
{
	for (int i = 0; i < net->ncards; i++)
		if (net->cards[i].bound)
			return true;
	return false;
}

// Lines of if_inet6: address, index, prefix, scope (10 is the host, 20 the link), flags, name.
bool net_has_ipv6(void)
{
	char text[8192];
	char *rest;

	if (sysfile_text("/proc/net/if_inet6", text, sizeof text) < 0)
		return false;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		unsigned int scope;
		if (sscanf(line, "%*s %*s %*s %x", &scope) == 1 && scope != 0x10 && scope != 0x20)
			return true;
	}
	return false;
}
