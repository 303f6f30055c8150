// SPDX-License-Identifier: Apache-2.0
/*
 * The two ways to get disks. The broker's protocol (one SOCK_SEQPACKET packet a request, one a reply, the descriptor by
 * SCM_RIGHTS) is specified in initramfs/broker.h, which is the truth where this differs.
 */
#ifndef WHERRY_BLOCK_DISK_BROKER_H
#define WHERRY_BLOCK_DISK_BROKER_H

#include "block/disk_source.h"

/* Takes the worker's end of the socket pair. */
struct disk_source *disk_broker_new(int fd);

/* A plain host: gives out only what was allowed by disk_broker_host_allow. */
struct disk_source *disk_broker_host_new(void);
/* One `--disk SERIAL=PATH`; USAGE when it is not that, or the serial was given before. A serial holds no '=' here. */
int disk_broker_host_allow(struct disk_source *host, const char *serial_is_path, struct err *e);

#endif
