// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "block/disk_broker.h"
#include "block/disk_probe.h"

struct allowed {
	char serial[DISK_SERIAL_MAX + 1];
	char *path; /* owned */
};

struct host {
	struct disk_source base;
	VEC(struct allowed) disks; /* not changed any more once threads use it */
};

static struct host *self(struct disk_source *s)
{
	return (struct host *)s;
}

static const struct allowed *find(const struct host *h, const char *serial)
{
	for (size_t i = 0; i < h->disks.len; i++)
		if (strcmp(h->disks.at[i].serial, serial) == 0)
			return &h->disks.at[i];
	return NULL;
}

int disk_broker_host_allow(struct disk_source *host, const char *serial_is_path, struct err *e)
{
	const char *is = strchr(serial_is_path, '=');
	struct allowed a;
	int n = is == NULL ? 0 : snprintf(a.serial, sizeof a.serial, "%.*s", (int)(is - serial_is_path),
		serial_is_path);

	if (n <= 0 || n > DISK_SERIAL_MAX || !disk_serial_is_valid(a.serial) || is[1] == '\0')
		return err_set(e, ERR_USAGE, 0, "--disk: expected SERIAL=PATH, found '%s'", serial_is_path);
	if (find(self(host), a.serial) != NULL)
		return err_set(e, ERR_USAGE, 0, "--disk: serial %s was given twice", a.serial);
	a.path = mem_strdup(is + 1);
	*vec_push(&self(host)->disks) = a;
	return 0;
}

static int describe(const struct allowed *a, struct disk_entry *d, struct err *e)
{
	cleanup(cleanup_fd) int fd = open(a->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	const char *slash = strrchr(a->path, '/');
	struct block_info i;

	if (fd < 0)
		return err_set(e, err_kind_of_errno(errno), errno, "cannot look at disk %s (%s)", a->serial, a->path);
	if (disk_probe(fd, a->path, &i, e) < 0)
		return -1;
	*d = (struct disk_entry){.size = i.size, .logical_sector = i.logical_sector,
		.physical_sector = i.physical_sector, .read_only = i.read_only};
	snprintf(d->name, sizeof d->name, "%.63s", slash != NULL ? slash + 1 : a->path);
	memcpy(d->serial, a->serial, sizeof d->serial);
	return 0;
}

static int host_list(struct disk_source *s, struct disk_list *out, struct err *e)
{
	struct host *h = self(s);

	for (size_t i = 0; i < h->disks.len; i++) {
		struct disk_entry d;

		if (describe(&h->disks.at[i], &d, e) == 0)
			*vec_push(&out->list) = d;
		else if (e->kind != ERR_NOT_FOUND) /* what is not there yet is like a disk not yet attached */
			return -1;
	}
	return 0;
}

static struct block *host_open(struct disk_source *s, const char *serial, enum block_mode mode, unsigned depth,
			       struct err *e)
{
	const struct allowed *a = find(self(s), serial);

	if (a != NULL)
		return block_disk_open(a->path, mode, depth, e);
	err_set(e, ERR_NOT_FOUND, 0, "this worker was started without a disk %s; start it with --disk %s=PATH", serial,
		serial);
	return NULL;
}

static int host_poweroff(struct disk_source *s, struct err *e)
{
	(void)s;
	(void)e;
	return 0;
}

static int host_set_time(struct disk_source *s, int64_t wall_ns, struct err *e)
{
	(void)s;
	(void)wall_ns;
	(void)e;
	return 0;
}

static void host_close(struct disk_source *s)
{
	struct host *h = self(s);

	for (size_t i = 0; i < h->disks.len; i++)
		free(h->disks.at[i].path);
	vec_fini(&h->disks);
	free(h);
}

static const struct disk_source_ops host_ops = {
	.list = host_list,
	.open = host_open,
	.poweroff = host_poweroff,
	.set_time = host_set_time,
	.close = host_close,
};

struct disk_source *disk_broker_host_new(void)
{
	struct host *h = mem_alloc(sizeof *h);

	h->base.ops = &host_ops;
	return &h->base;
}
