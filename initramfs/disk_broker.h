// SPDX-License-Identifier: Apache-2.0
/*
 * PID 1's end of the disk broker; the protocol is in broker.h. One worker, one socket, one
 * request at a time.
 */
#ifndef WHERRY_INITRAMFS_DISK_BROKER_H
#define WHERRY_INITRAMFS_DISK_BROKER_H

#include <stdbool.h>
#include <stdint.h>

enum broker_order { BROKER_GO_ON, BROKER_CLOSED, BROKER_POWEROFF, BROKER_REBOOT };
enum { BROKER_MEMORY = 1024 };

// A disk that has been given out in this boot, and how.
struct broker_grant {
	uint64_t sequence;
	bool writable;
};

struct disk_broker {
	int fd;
	int ngrants;
	struct broker_grant grants[BROKER_MEMORY];
};

// Makes the socket pair; *worker_fd is the end to hand to the worker. 0, or -1 with errno.
int disk_broker_open(struct disk_broker *broker, int *worker_fd);

// Answers the one request that poll has announced on broker->fd, and says what the worker
// wants of PID 1 after that.
enum broker_order disk_broker_serve(struct disk_broker *broker);

#endif
