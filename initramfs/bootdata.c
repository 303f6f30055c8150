// SPDX-License-Identifier: Apache-2.0
#include "bootdata.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker.h"
#include "disks.h"
#include "say.h"
#include "spawn.h"
#include "sysfile.h"

static const char fw_cfg[] = "/sys/firmware/qemu_fw_cfg/by_name/opt/wherry/bootdata/raw";

enum { LINES_MAX = 8192, RAW_MAX = 262144, LOCAL_SECONDS = 60, NETWORK_SECONDS = 300 };

static const char *const with_network[] = { "PATH=/bin", "HOME=/", "WHERRY_NETWORK=1", NULL };
static const char *const without_network[] = { "PATH=/bin", "HOME=/", NULL };

static int run_helper(const char *option, bool network_up, char *output, size_t size, size_t *used)
{
	const char *const argv[] = { BROKER_WORKER_PATH, "boot-data", option, NULL };
	const struct spawn helper = {
		.argv = argv,
		.envp = network_up ? with_network : without_network,
		.pass_fd = SPAWN_NO_FD,
		.stdout_fd = SPAWN_NO_FD,
		.uid = BROKER_BOOTDATA_UID,
	};

	disks_let_read(BROKER_BOOTDATA_UID);
	int status = spawn_collect(helper, network_up ? NETWORK_SECONDS : LOCAL_SECONDS, output,
				   size, used);
	int saved = errno;
	disks_let_read(0);
	errno = saved;
	return status;
}

void bootdata_prepare(void)
{
	if (chown(fw_cfg, 0, BROKER_BOOTDATA_UID) == 0 && chmod(fw_cfg, 0440) == 0)
		return;
	if (errno != ENOENT)
		say("%s cannot be made readable: %s.", fw_cfg, strerror(errno));
}

static bool parse_mac(const char *text, char mac[MAC_TEXT])
{
	if (strlen(text) != MAC_TEXT - 1)
		return false;
	for (int i = 0; i < MAC_TEXT - 1; i++) {
		bool fits = i % 3 == 2 ? text[i] == ':' : isxdigit((unsigned char)text[i]) != 0;
		if (!fits)
			return false;
		mac[i] = (char)tolower((unsigned char)text[i]);
	}
	mac[MAC_TEXT - 1] = '\0';
	return true;
}

static struct bootdata_nic *nic_of(struct bootdata *data, const char *text)
{
	char mac[MAC_TEXT];

	if (!parse_mac(text, mac))
		return NULL;
	for (int i = 0; i < data->nnics; i++)
		if (strcmp(data->nics[i].mac, mac) == 0)
			return &data->nics[i];
	if (data->nnics == BOOTDATA_NICS_MAX)
		return NULL;
	struct bootdata_nic *nic = &data->nics[data->nnics++];
	*nic = (struct bootdata_nic){ 0 };
	memcpy(nic->mac, mac, MAC_TEXT);
	return nic;
}

static bool take_nic(struct bootdata *data, char *value)
{
	if (strcmp(value, "auto") == 0) {
		data->all_nics = true;
		return true;
	}
	return nic_of(data, value) != NULL;
}

// "<mac> <ip>/<prefix> [<gateway>]"
static bool take_addr(struct bootdata *data, char *value)
{
	char *rest;
	char *mac = strtok_r(value, " ", &rest);
	char *address = strtok_r(NULL, " ", &rest);
	char *gateway = strtok_r(NULL, " ", &rest);
	char *slash = address ? strchr(address, '/') : NULL;
	struct bootdata_nic *nic = slash ? nic_of(data, mac) : NULL;

	if (!nic)
		return false;
	*slash = '\0';
	nic->family = strchr(address, ':') ? AF_INET6 : AF_INET;
	nic->prefix = atoi(slash + 1);
	nic->has_gateway = gateway != NULL;
	nic->fixed = inet_pton(nic->family, address, &nic->address) == 1 && nic->prefix > 0 &&
		     nic->prefix <= (nic->family == AF_INET6 ? 128 : 32) &&
		     (!gateway || inet_pton(nic->family, gateway, &nic->gateway) == 1);
	return nic->fixed;
}

static bool take_dns(struct bootdata *data, char *value)
{
	size_t used = strlen(data->dns);

	if (used + strlen(value) + 2 > sizeof data->dns)
		return false;
	snprintf(data->dns + used, sizeof data->dns - used, "%s%s", used ? " " : "", value);
	return true;
}

static bool take_hostname(struct bootdata *data, char *value)
{
	size_t length = strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-");

	if (length == 0 || value[length] || length >= sizeof data->hostname)
		return false;
	memcpy(data->hostname, value, length + 1);
	return true;
}

static bool take_debug(struct bootdata *data, char *value)
{
	data->debug = strcmp(value, "1") == 0;
	return true;
}

static const struct {
	const char *key;
	bool (*take)(struct bootdata *data, char *value);
} keys[] = {
	{ "nic", take_nic },	       { "addr", take_addr },	{ "dns", take_dns },
	{ "hostname", take_hostname }, { "debug", take_debug },
};

static void take_line(struct bootdata *data, char *line)
{
	char *equals = strchr(line, '=');

	if (!equals)
		return;
	*equals = '\0';
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (strcmp(line, keys[i].key) == 0 && !keys[i].take(data, equals + 1))
			say("The bootstrap data's %s is not usable; it is left out.", line);
}

void bootdata_parse(struct bootdata *data, char *text)
{
	char *rest;

	*data = (struct bootdata){ 0 };
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		take_line(data, line);
	if (data->nnics == 0)
		data->all_nics = true;
}

static void say_failure(int status)
{
	if (status < 0)
		say("The bootstrap data cannot be read: %s.", strerror(errno));
	else if (WIFEXITED(status))
		say("No bootstrap data: wherry-worker boot-data exited with %d.",
		    WEXITSTATUS(status));
	else
		say("No bootstrap data: wherry-worker boot-data was killed by signal %d.",
		    WTERMSIG(status));
}

enum bootdata_result bootdata_ask(struct bootdata *data, bool network_up)
{
	static char text[LINES_MAX];
	size_t used = 0;
	int status = run_helper(NULL, network_up, text, sizeof text - 1, &used);

	if (status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == BROKER_NEEDS_NETWORK &&
	    !network_up)
		return BOOTDATA_NEEDS_NETWORK;
	if (status != 0) {
		say_failure(status);
		return BOOTDATA_NONE;
	}
	text[used] = '\0';
	bootdata_parse(data, text);
	return BOOTDATA_FOUND;
}

int bootdata_save(bool network_up)
{
	static char bytes[RAW_MAX];
	size_t used = 0;
	int status = run_helper("--raw", network_up, bytes, sizeof bytes, &used);

	if (status != 0) {
		say_failure(status);
		return -1;
	}
	if (sysfile_create(BROKER_BOOTDATA_PATH, bytes, used, 0444) < 0) {
		say("%s cannot be written: %s.", BROKER_BOOTDATA_PATH, strerror(errno));
		return -1;
	}
	return 0;
}
