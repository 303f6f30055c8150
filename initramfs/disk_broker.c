// SPDX-License-Identifier: Apache-2.0
#include "disk_broker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "broker.h"
#include "disks.h"

enum { SERVE_NO_FD = -1 };

// 2020-01-01 and 2200-01-01: outside of them a clock is a mistake, not a time.
static const int64_t clock_first = 1577836800;
static const int64_t clock_last = 7258118400;

int disk_broker_open(struct disk_broker *broker, int *worker_fd)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	broker->fd = ends[0];
	broker->ngrants = 0;
	*worker_fd = ends[1];
	return 0;
}

static void reply_bytes(const struct disk_broker *broker, const char *text, size_t size, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { .iov_base = (char *)text, .iov_len = size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd != SERVE_NO_FD) {
		message.msg_control = control.space;
		message.msg_controllen = sizeof control.space;
		struct cmsghdr *c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
	}
	// A worker that does not read loses its reply, and PID 1 never waits for it.
	(void)!sendmsg(broker->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

__attribute__((format(printf, 3, 4))) static void
refuse(const struct disk_broker *broker, int error, const char *format, ...)
{
	char text[512];
	int used = snprintf(text, sizeof text, "err %d ", error);
	va_list args;

	va_start(args, format);
	int n = vsnprintf(text + used, sizeof text - (size_t)used - 1, format, args);
	va_end(args);
	used += n < (int)sizeof text - used - 1 ? n : (int)sizeof text - used - 2;
	text[used++] = '\n';
	reply_bytes(broker, text, (size_t)used, SERVE_NO_FD);
}

static struct broker_grant *find_grant(struct disk_broker *broker, uint64_t sequence)
{
	for (int i = 0; i < broker->ngrants; i++)
		if (broker->grants[i].sequence == sequence)
			return &broker->grants[i];
	return NULL;
}

static int print_disk(char *text, size_t size, const struct disk *disk, bool read_only)
{
	return snprintf(text, size, "%s %llu %u %u %d %s\n", disk->name,
			(unsigned long long)disk->size, disk->logical, disk->physical, read_only,
			disk->serial[0] ? disk->serial : "-");
}

static bool field_matches(const char **pattern, const char **address)
{
	size_t wanted = strcspn(*pattern, ":");
	size_t have = strcspn(*address, ":");
	bool same = (wanted == 1 && **pattern == '*') ||
		    (wanted == have && memcmp(*pattern, *address, have) == 0);

	*pattern += wanted + ((*pattern)[wanted] == ':');
	*address += have + ((*address)[have] == ':');
	return same;
}

static bool address_matches(const char *pattern, const char *address)
{
	if (!*address)
		return false;
	for (int field = 0; field < 4; field++)
		if (!field_matches(&pattern, &address))
			return false;
	return !*pattern;
}

static bool disk_matches(const struct disk *disk, const char *serial)
{
	if (serial[0] == '@' && strcmp(serial + 1, disk->name) == 0)
		return true;
	if (strncmp(serial, "lun:", 4) == 0)
		return address_matches(serial + 4, disk->address);
	return strcmp(serial, disk->serial) == 0;
}

// The one disk of this serial. NULL after the refusal has been sent.
static struct disk *find_disk(const struct disk_broker *broker, struct disk *disks,
			      const char *serial)
{
	struct disk *found = NULL;
	int n = disks_read(disks);

	for (int i = 0; i < n; i++) {
		if (!disk_matches(&disks[i], serial))
			continue;
		if (found) {
			refuse(broker, ENOTUNIQ,
			       "Disks %s and %s both answer to %s; ask for @%s or @%s.", found->name,
			       disks[i].name, serial, found->name, disks[i].name);
			return NULL;
		}
		found = &disks[i];
	}
	if (!found)
		refuse(broker, ENODEV, "No disk with serial %s is attached; attach it or wait.",
		       serial);
	return found;
}

// What the open descriptor says goes over what sysfs said a moment before.
static int measure(int fd, struct disk *disk)
{
	uint64_t size;
	unsigned int physical;
	int logical;

	if (ioctl(fd, BLKGETSIZE64, &size) < 0 || ioctl(fd, BLKSSZGET, &logical) < 0 ||
	    ioctl(fd, BLKPBSZGET, &physical) < 0)
		return -1;
	disk->size = size;
	disk->logical = (unsigned int)logical;
	disk->physical = physical;
	return 0;
}

// Opens the node. Returns the descriptor or -1 with errno set.
static int open_node(struct disk *disk, bool writable)
{
	const int read_only = 1;
	char path[DISK_NAME_MAX + 8];

	snprintf(path, sizeof path, "/dev/%s", disk->name);
	int fd = open(path, (writable ? O_RDWR | O_EXCL : O_RDONLY) | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if ((!writable && ioctl(fd, BLKROSET, &read_only) < 0) || measure(fd, disk) < 0) {
		int saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

// Whether this disk may be given out in this mode; sends the refusal when not.
static bool may_grant(struct disk_broker *broker, const struct disk *disk, bool writable)
{
	const struct broker_grant *grant = find_grant(broker, disk->sequence);

	if (!grant && broker->ngrants == BROKER_MEMORY)
		refuse(broker, ENOSPC, "%d disks have been opened in this boot; start a new worker.",
		       BROKER_MEMORY);
	else if (grant && writable && !grant->writable)
		refuse(broker, EROFS,
		       "Disk %s (%s) is a source of this boot; write to it with another worker.",
		       disk->serial, disk->name);
	else if (grant && !writable && grant->writable)
		refuse(broker, EBUSY,
		       "Disk %s (%s) is a target of this boot; read it with another worker.",
		       disk->serial, disk->name);
	else
		return true;
	return false;
}

static void remember(struct disk_broker *broker, const struct disk *disk, bool writable)
{
	if (!find_grant(broker, disk->sequence))
		broker->grants[broker->ngrants++] =
			(struct broker_grant){ .sequence = disk->sequence, .writable = writable };
}

static void serve_open(struct disk_broker *broker, const char *serial, bool writable)
{
	static struct disk disks[DISKS_MAX];
	char text[BROKER_REQUEST_MAX + 256] = "ok ";
	struct disk *disk = find_disk(broker, disks, serial);

	if (!disk || !may_grant(broker, disk, writable))
		return;
	int fd = open_node(disk, writable);
	if (fd < 0) {
		int error = errno;
		refuse(broker, error, "Disk %s (%s) cannot be opened for %s: %s.", disk->serial,
		       disk->name, writable ? "writing" : "reading", strerror(error));
		return;
	}
	remember(broker, disk, writable);
	int used = 3 + print_disk(text + 3, sizeof text - 3, disk, !writable);
	reply_bytes(broker, text, (size_t)used, fd);
	close(fd);
}

static void serve_list(struct disk_broker *broker)
{
	static struct disk disks[DISKS_MAX];
	char text[BROKER_REPLY_MAX] = "ok\n";
	size_t used = strlen(text);
	int n = disks_read(disks);

	if (n < 0) {
		int error = errno;
		refuse(broker, error, "/sys/block cannot be read: %s.", strerror(error));
		return;
	}
	for (int i = 0; i < n; i++) {
		const struct broker_grant *grant = find_grant(broker, disks[i].sequence);
		bool read_only = disks[i].read_only || (grant && !grant->writable);
		int size = print_disk(text + used, sizeof text - used, &disks[i], read_only);
		if ((size_t)size >= sizeof text - used) {
			refuse(broker, E2BIG, "%d disks do not fit one reply; open them by serial.",
			       n);
			return;
		}
		used += (size_t)size;
	}
	reply_bytes(broker, text, used, SERVE_NO_FD);
}

static void serve_settime(const struct disk_broker *broker, const char *text)
{
	char *end;

	errno = 0;
	int64_t nanoseconds = strtoll(text, &end, 10);
	struct timespec now = { .tv_sec = (time_t)(nanoseconds / 1000000000),
				.tv_nsec = (long)(nanoseconds % 1000000000) };
	if (errno || end == text || *end || now.tv_sec < clock_first || now.tv_sec >= clock_last)
		refuse(broker, EINVAL, "%s is no time in nanoseconds between 2020 and 2200.", text);
	else if (clock_settime(CLOCK_REALTIME, &now) < 0)
		refuse(broker, errno, "The clock cannot be set.");
	else
		reply_bytes(broker, "ok\n", 3, SERVE_NO_FD);
}

// Splits "open <serial> ro|rw". Returns false when it is not that.
static bool parse_open(char *text, char **serial, bool *writable)
{
	char *mode = strrchr(text, ' ');

	if (strncmp(text, "open ", 5) != 0 || mode < text + 6)
		return false;
	*mode++ = '\0';
	*serial = text + 5;
	*writable = strcmp(mode, "rw") == 0;
	return *writable || strcmp(mode, "ro") == 0;
}

static enum broker_order serve_text(struct disk_broker *broker, char *text)
{
	enum broker_order order = strcmp(text, "poweroff") == 0 ? BROKER_POWEROFF :
				  strcmp(text, "reboot") == 0	? BROKER_REBOOT :
								  BROKER_GO_ON;
	char *serial;
	bool writable;

	if (order != BROKER_GO_ON)
		reply_bytes(broker, "ok\n", 3, SERVE_NO_FD);
	else if (strcmp(text, "list") == 0)
		serve_list(broker);
	else if (strncmp(text, "settime ", 8) == 0)
		serve_settime(broker, text + 8);
	else if (parse_open(text, &serial, &writable))
		serve_open(broker, serial, writable);
	else
		refuse(broker, EINVAL, "The broker has no such request; see initramfs/broker.h.");
	return order;
}

enum broker_order disk_broker_serve(struct disk_broker *broker)
{
	char text[BROKER_REQUEST_MAX + 1];
	ssize_t size = recv(broker->fd, text, sizeof text, MSG_DONTWAIT);

	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return BROKER_GO_ON;
	if (size <= 0)
		return BROKER_CLOSED;
	if (size > BROKER_REQUEST_MAX || text[size - 1] != '\n' || memchr(text, '\0', (size_t)size)) {
		refuse(broker, EMSGSIZE, "A request is one line of at most %d bytes.",
		       BROKER_REQUEST_MAX);
		return BROKER_GO_ON;
	}
	text[size - 1] = '\0';
	return serve_text(broker, text);
}
