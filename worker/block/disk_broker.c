// SPDX-License-Identifier: Apache-2.0
#include "block/disk_broker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"

#define REQUEST_MAX   256
#define REPLY_MAX     16384
#define REPLY_WAIT_MS 120000 /* a device that answers slower than that is dead; PID 1 may be stuck in its open */

struct broker {
	struct disk_source base;
	pthread_mutex_t lock; /* one request and its reply at a time */
	int fd;
	bool broken; /* a reply was missed, so any later one would be taken for another's */
};

static struct broker *self(struct disk_source *s)
{
	return (struct broker *)s;
}

/* ---- One packet there, one back ------------------------------------------------------------------------------------- */

/* A descriptor that came with the reply, or -1. More than one, or a cut-off one, is a broken broker. */
static int received_fd(struct msghdr *m)
{
	int fd = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof fd))
			memcpy(&fd, CMSG_DATA(c), sizeof fd);
	return fd;
}

/* The reply as text without its last newline. *fd is -1 or owned by the caller. */
static int receive(struct broker *b, char text[REPLY_MAX + 1], int *fd, struct err *e)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec part = {.iov_base = text, .iov_len = REPLY_MAX};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space,
			   .msg_controllen = sizeof control.space};
	struct pollfd wait = {.fd = b->fd, .events = POLLIN};
	ssize_t n;
	int ready;

	do
		ready = poll(&wait, 1, REPLY_WAIT_MS);
	while (ready < 0 && errno == EINTR);
	if (ready == 0)
		return err_set(e, ERR_TIMEOUT, 0, "the disk broker gave no answer in %d s; a disk may hang",
			REPLY_WAIT_MS / 1000);
	do
		n = recvmsg(b->fd, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set(e, ERR_INTERNAL, errno, "cannot read the disk broker's answer");
	*fd = received_fd(&m);
	if (n == 0)
		return err_set(e, ERR_INTERNAL, 0, "the disk broker is gone");
	if (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || text[n - 1] != '\n' || memchr(text, '\0', (size_t)n) != NULL)
		return err_set(e, ERR_PROTOCOL, 0, "the disk broker's answer is not one line or list");
	text[n - 1] = '\0';
	return 0;
}

static int exchange(struct broker *b, const char *request, char text[REPLY_MAX + 1], int *fd, struct err *e)
{
	if (b->broken)
		return err_set(e, ERR_INTERNAL, 0, "the disk broker failed before and is not asked any more");
	if (send(b->fd, request, strlen(request), MSG_NOSIGNAL) < 0) {
		b->broken = true;
		return err_set(e, ERR_INTERNAL, errno, "cannot ask the disk broker");
	}
	if (receive(b, text, fd, e) == 0)
		return 0;
	b->broken = true;
	return -1;
}

static enum err_kind kind_of(int sys)
{
	switch (sys) {
	case ENOTUNIQ:
	case EINVAL:
		return ERR_CONFIG;
	case EROFS:
		return ERR_REFUSED;
	case E2BIG:
		return ERR_UNSUPPORTED;
	default:
		return err_kind_of_errno(sys);
	}
}

/* "ok ..." gives the text behind "ok", "err <errno> <sentence>" an error. */
static const char *judge(const char *text, struct err *e)
{
	char *sentence;

	if (strncmp(text, "ok", 2) == 0 && (text[2] == '\0' || text[2] == '\n' || text[2] == ' '))
		return text + 2;
	if (strncmp(text, "err ", 4) != 0) {
		err_set(e, ERR_PROTOCOL, 0, "the disk broker answered '%.80s'", text);
		return NULL;
	}
	int sys = (int)strtol(text + 4, &sentence, 10);
	err_set(e, kind_of(sys), 0, "%s", *sentence == ' ' ? sentence + 1 : "the disk broker refused without a reason");
	e->sys = sys;
	return NULL;
}

/* What is behind "ok" in `text`, or NULL. An unexpected descriptor is closed. */
static const char *ask(struct broker *b, const char *request, char text[REPLY_MAX + 1], int *fd, struct err *e)
{
	cleanup(cleanup_fd) int got = -1;

	pthread_mutex_lock(&b->lock);
	int rc = exchange(b, request, text, &got, e);
	pthread_mutex_unlock(&b->lock);
	const char *rest = rc < 0 ? NULL : judge(text, e);
	if (rest != NULL && fd != NULL)
		*fd = take_fd(&got);
	return rest;
}

/* ---- disk_source_ops ------------------------------------------------------------------------------------------------ */

static int parse_line(const char *line, struct disk_entry *d, struct err *e)
{
	unsigned long long size;
	int end = 0;
	unsigned ro;

	*d = (struct disk_entry){.name = ""};
	if (sscanf(line, "%63s %llu %u %u %u %128s%n", d->name, &size, &d->logical_sector, &d->physical_sector, &ro,
		    d->serial, &end) != 6 || (line[end] != '\n' && line[end] != '\0') || ro > 1)
		return err_set(e, ERR_PROTOCOL, 0, "the disk broker described a disk as '%.80s'", line);
	d->size = size;
	d->read_only = ro == 1;
	if (strcmp(d->serial, "-") == 0)
		d->serial[0] = '\0';
	return 0;
}

static int broker_list(struct disk_source *s, struct disk_list *out, struct err *e)
{
	cleanup(cleanup_free) char *text = mem_alloc(REPLY_MAX + 1);
	const char *line = ask(self(s), "list\n", text, NULL, e);

	if (line == NULL)
		return -1;
	while ((line = strchr(line, '\n')) != NULL) {
		struct disk_entry d;

		if (parse_line(++line, &d, e) < 0)
			return -1;
		*vec_push(&out->list) = d;
	}
	return 0;
}

static struct block *broker_open(struct disk_source *s, const char *serial, enum block_mode mode, unsigned depth,
				 struct err *e)
{
	cleanup(cleanup_free) char *text = mem_alloc(REPLY_MAX + 1);
	cleanup(cleanup_fd) int fd = -1;
	char request[REQUEST_MAX + 1], name[DISK_SERIAL_MAX + 80];
	struct disk_entry d;

	snprintf(request, sizeof request, "open %s %s\n", serial, mode == BLOCK_RW ? "rw" : "ro");
	const char *line = ask(self(s), request, text, &fd, e);
	if (line == NULL || parse_line(line + (*line == ' '), &d, e) < 0)
		return NULL;
	if (fd < 0) {
		err_set(e, ERR_PROTOCOL, 0, "the disk broker opened %s but sent no descriptor", serial);
		return NULL;
	}
	snprintf(name, sizeof name, "%s (%s)", d.name, serial);
	return block_disk_new(take_fd(&fd), name, mode, depth, e);
}

static int simple(struct disk_source *s, const char *request, struct err *e)
{
	cleanup(cleanup_free) char *text = mem_alloc(REPLY_MAX + 1);

	return ask(self(s), request, text, NULL, e) == NULL ? -1 : 0;
}

static int broker_poweroff(struct disk_source *s, struct err *e)
{
	return simple(s, "poweroff\n", e);
}

static int broker_set_time(struct disk_source *s, int64_t wall_ns, struct err *e)
{
	char request[REQUEST_MAX];

	snprintf(request, sizeof request, "settime %lld\n", (long long)wall_ns);
	return simple(s, request, e);
}

static void broker_close(struct disk_source *s)
{
	struct broker *b = self(s);

	pthread_mutex_destroy(&b->lock);
	close(b->fd);
	free(b);
}

static const struct disk_source_ops broker_ops = {
	.list = broker_list,
	.open = broker_open,
	.poweroff = broker_poweroff,
	.set_time = broker_set_time,
	.close = broker_close,
};

struct disk_source *disk_broker_new(int fd)
{
	struct broker *b = mem_alloc(sizeof *b);

	b->base.ops = &broker_ops;
	b->fd = fd;
	pthread_mutex_init(&b->lock, NULL);
	return &b->base;
}
