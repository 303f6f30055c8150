// SPDX-License-Identifier: Apache-2.0
/*
 * What init wants to know before the worker starts: which NICs, which addresses. The
 * worker's own helper finds it (`wherry-worker boot-data`, see broker.h); here its lines are
 * read and nothing is searched for.
 *
 * The helper looks at disks whose bytes may be hostile: it runs without privileges, under a
 * uid that can read disks and fw_cfg while it runs, and write nothing.
 */
#ifndef WHERRY_INITRAMFS_BOOTDATA_H
#define WHERRY_INITRAMFS_BOOTDATA_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>

enum { BOOTDATA_NICS_MAX = 16, BOOTDATA_DNS_MAX = 256, MAC_TEXT = 18 };

struct bootdata_nic {
	char mac[MAC_TEXT]; // lower case, "aa:bb:cc:dd:ee:ff"
	bool fixed;         // the address below instead of DHCP
	int family;
	struct in6_addr address; // of family; in_addr in its first bytes for AF_INET
	int prefix;
	bool has_gateway;
	struct in6_addr gateway;
};

struct bootdata {
	bool all_nics; // nic=auto
	int nnics;
	struct bootdata_nic nics[BOOTDATA_NICS_MAX];
	char dns[BOOTDATA_DNS_MAX]; // separated by spaces
	char hostname[64];
	bool debug;
};

enum bootdata_result { BOOTDATA_FOUND, BOOTDATA_NONE, BOOTDATA_NEEDS_NETWORK };

// Lets the helper read fw_cfg. Call before /sys is sealed.
void bootdata_prepare(void);

// Reads the helper's lines; text is cut up. Lines with unknown keys are passed over, ones
// that make no sense are said and left out.
void bootdata_parse(struct bootdata *data, char *text);

// Runs the helper and reads its lines. network_up is what the helper is told: with it, it
// may ask metadata services. BOOTDATA_NEEDS_NETWORK: nothing local, ask again with the
// network up. BOOTDATA_NONE: the reason has been said.
enum bootdata_result bootdata_ask(struct bootdata *data, bool network_up);

// Writes the exact bytes to /run/bootdata. Returns 0, or -1 after having said why.
int bootdata_save(bool network_up);

#endif
