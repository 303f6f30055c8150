// SPDX-License-Identifier: Apache-2.0
/*
 * Bootstrap data: what a worker is told before anybody speaks to it. It is public (clouds show it to many eyes) and
 * holds no secret: knowing it lets nobody enrol, because the controller proves its key and the worker's key is read
 * from its console. One JSON object, at most BOOTDATA_MAX bytes, unknown keys refused:
 *
 *   {"wherry":1, "job":"web1", "run":"<id>", "epoch":7, "role":"export"|"import",
 *    "controller":"<64 hex: SHA-256 of its SPKI>",
 *    "control":{"path":"dial-in"} | {"path":"dial-out","address":"host:port"},
 *    "nics":"auto" | ["52:54:00:12:34:56",...],
 *    "lease_seconds":300, "debug":false}
 *
 * Sources, first found wins: QEMU fw_cfg (opt/wherry/bootdata), the kernel command line
 * (wherry.bootdata=<base64>), the user data of an Azure VM (its metadata service), a config drive (ISO 9660 or FAT with label config-2 or cidata, file
 * openstack/latest/user_data or user-data; read by our own small bounded reader because the kernel has no file systems).
 */
#ifndef WHERRY_BOOT_BOOTDATA_H
#define WHERRY_BOOT_BOOTDATA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "net/wire.h"

#define BOOTDATA_MAX 16384
#define BOOTDATA_MAX_NICS 16

enum boot_control { BOOT_DIAL_IN, BOOT_DIAL_OUT };

struct bootdata {
	char job[64];
	char run[40];
	uint64_t epoch;
	enum wire_role role;           /* export: WIRE_SOURCE, import: WIRE_TARGET */
	uint8_t controller_pin[32];
	enum boot_control control;
	char controller_address[256];  /* dial-out */
	bool nics_auto;
	char nics[BOOTDATA_MAX_NICS][18];
	unsigned nic_count;
	uint32_t lease_seconds;
	bool debug;
};

/* CONFIG: which key, what was expected. */
int bootdata_parse(const char *json, size_t len, struct bootdata *out, struct err *e);

/* One place to look. `found` false and 0 when it has none; -1 when it has some that cannot be read; BOOT_NEEDS_NETWORK when it
 * has to be asked again with the network up, which WHERRY_NETWORK in the environment says. */
#define BOOT_NEEDS_NETWORK 1
struct boot_source {
	const char *name;
	int (*read)(const char *root, struct buf *out, bool *found, struct err *e); /* root: "" or a test's tree */
};
extern const struct boot_source boot_source_fw_cfg, boot_source_cmdline, boot_source_imds, boot_source_config_drive;

/* The bootstrap data in a reply of Azure's metadata service. NETWORK, PROTOCOL: ask again; CONFIG: they are none. */
int imds_take(const char *reply, struct buf *out, bool *found, struct err *e);

/* Asks the sources of the table in order; NOT_FOUND lists where it looked. BOOT_NEEDS_NETWORK: see above. */
int bootdata_find(const char *root, struct buf *raw, const char **source, struct err *e);

#endif
