// SPDX-License-Identifier: Apache-2.0
#include "block/block_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "block/disk_error.h"
#include "block/disk_holder.h"
#include "block/disk_probe.h"

#define LINGER_NS NS_PER_S

static const struct engine_ops *const engines_by_preference[] = {&engine_uring, &engine_psync, NULL};

struct disk *disk_of(struct block *b)
{
	return (struct disk *)b;
}

/* ---- Bodies and edges -------------------------------------------------------------------------------------------- */

static uint32_t body_length(const struct disk *d, uint64_t offset, uint32_t length)
{
	return offset % d->align != 0 ? 0 : length - length % d->align;
}

static int write_all(int fd, const char *p, uint32_t n, uint64_t offset)
{
	while (n > 0) {
		ssize_t got = pwrite(fd, p, n, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? errno : EIO;
		p += got;
		offset += (uint64_t)got;
		n -= (uint32_t)got;
	}
	return 0;
}

int disk_write_sync(struct disk *d, const void *p, uint64_t offset, uint32_t n)
{
	uint32_t body = body_length(d, offset, n);
	int sys = write_all(d->fd, p, body, offset);

	return sys != 0 ? sys : write_all(d->edge_fd, (const char *)p + body, n - body, offset + body);
}

/* The aligned 4096 bytes at `at`, of which `need` must be there. */
static int read_bounce(int fd, void *bounce, uint64_t at, uint32_t need)
{
	for (;;) {
		ssize_t got = pread(fd, bounce, DISK_BOUNCE, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno;
		/* No second try for a short one: a direct read stops short only at the end of the file. */
		return (size_t)got >= need ? 0 : EIO;
	}
}

static int read_edge(int fd, void *bounce, char *p, uint32_t n, uint64_t offset)
{
	while (n > 0) {
		uint32_t skip = (uint32_t)(offset % DISK_BOUNCE);
		uint32_t part = n < DISK_BOUNCE - skip ? n : DISK_BOUNCE - skip;
		int sys = read_bounce(fd, bounce, offset - skip, skip + part);

		if (sys != 0)
			return sys;
		memcpy(p, (char *)bounce + skip, part);
		p += part;
		offset += part;
		n -= part;
	}
	return 0;
}

/* ---- block_ops ------------------------------------------------------------------------------------------------- */

static int disk_submit(struct block *b, struct block_request *r, struct err *e)
{
	struct disk *d = disk_of(b);

	if (d->engine->ops->submit(d->engine, r, body_length(d, r->offset, r->length), e) < 0)
		return err_wrap(e, "%s", b->info.name);
	return 0;
}

static struct block_request *disk_wait(struct block *b, int64_t timeout_ns, struct err *e)
{
	struct disk *d = disk_of(b);
	struct block_request *r = d->engine->ops->wait(d->engine, timeout_ns, e);

	/* A file that shrank ends a direct transfer at an odd place, and going on from there is what was invalid. */
	if (r != NULL && r->error == EINVAL && r->done % 512 != 0)
		r->error = EIO;
	if (r == NULL || r->error != 0)
		return r;
	uint32_t body = body_length(d, r->offset, r->length);
	char *p = (char *)r->data + body;
	if (body < r->length)
		r->error = r->op == BLOCK_WRITE ? write_all(d->edge_fd, p, r->length - body, r->offset + body) :
			read_edge(d->fd, d->bounce, p, r->length - body, r->offset + body);
	return r;
}

static int read_all(int fd, char *p, uint32_t n, uint64_t offset)
{
	while (n > 0) {
		ssize_t got = pread(fd, p, n, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? errno : EIO;
		p += got;
		offset += (uint64_t)got;
		n -= (uint32_t)got;
	}
	return 0;
}

static int disk_read_aside(struct block *b, uint64_t offset, void *data, uint32_t length, struct err *e)
{
	struct disk *d = disk_of(b);
	_Alignas(DISK_BOUNCE) char bounce[DISK_BOUNCE]; /* the disk's own is another thread's */
	uint32_t body = body_length(d, offset, length);
	int sys = read_all(d->fd, data, body, offset);

	if (sys == 0)
		sys = read_edge(d->fd, bounce, (char *)data + body, length - body, offset + body);
	return sys != 0 ? disk_error(e, DISK_READ, sys, &b->info, offset, length) : 0;
}

static int disk_flush(struct block *b, struct err *e)
{
	/* One inode, so this covers what went through edge_fd, too. */
	if (fdatasync(disk_of(b)->fd) < 0)
		return disk_error(e, DISK_FLUSH, errno, &b->info, 0, 0);
	return 0;
}

static int disk_next_data(struct block *b, uint64_t from, uint64_t *start, uint64_t *end, struct err *e)
{
	int fd = disk_of(b)->fd;

	(void)e; /* a file system that does not know its holes is no error */
	*start = *end = b->info.size;
	off_t data = b->info.is_file ? lseek(fd, (off_t)from, SEEK_DATA) : (off_t)from;
	if (data < 0 && errno == ENXIO)
		return 0;
	off_t hole = b->info.is_file && data >= 0 ? lseek(fd, data, SEEK_HOLE) : (off_t)b->info.size;
	if (data < 0 || hole < 0) {
		*start = from;
		return 0;
	}
	if ((uint64_t)data < b->info.size)
		*start = (uint64_t)data;
	if ((uint64_t)hole < b->info.size)
		*end = (uint64_t)hole;
	return 0;
}

static void disk_buffers(struct block *b, void *base, size_t size)
{
	struct engine *n = disk_of(b)->engine;

	if (n->ops->buffers != NULL)
		n->ops->buffers(n, base, size);
}

static void disk_close(struct block *b)
{
	struct disk *d = disk_of(b);

	if (d->engine != NULL)
		d->engine->ops->close(d->engine);
	if (d->edge_fd != d->fd)
		close(d->edge_fd);
	if (d->fd >= 0)
		close(d->fd);
	free(d->bounce);
	free(d);
}

static struct block *disk_reader(struct block *b, unsigned depth, struct err *e);

static const struct block_ops disk_ops = {
	.submit = disk_submit,
	.wait = disk_wait,
	.read_aside = disk_read_aside,
	.zero = disk_zero,
	.flush = disk_flush,
	.next_data = disk_next_data,
	.reader = disk_reader,
	.buffers = disk_buffers,
	.close = disk_close,
};

/* ---- Opening ----------------------------------------------------------------------------------------------------- */

static int check_mode(struct disk *d, enum block_mode mode, struct err *e)
{
	int flags = fcntl(d->fd, F_GETFL);
	struct block_info *i = &d->base.info;

	if (mode == BLOCK_RO) {
		i->read_only = true;
		return 0;
	}
	if (i->read_only || (flags & O_ACCMODE) != O_RDWR)
		return err_set(e, ERR_REFUSED, 0,
			"%s is read-only and cannot be written; make it writable (blockdev --setrw) or name another disk",
			i->name);
	if (!i->is_file || flock(d->fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return disk_holder_busy(i->name, e);
	return err_set(e, err_kind_of_errno(errno), errno, "cannot lock %s", i->name);
}

/* A second, buffered descriptor of the file, for its edges. */
static bool open_edge(struct disk *d)
{
	char path[64];

	if (!d->base.info.is_file || d->base.info.read_only)
		return true;
	snprintf(path, sizeof path, "/proc/self/fd/%d", d->fd);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return false;
	d->edge_fd = fd;
	return true;
}

/* Some file systems take the flag and then refuse every transfer. */
static bool direct_works(struct disk *d)
{
	return pread(d->fd, d->bounce, DISK_BOUNCE, 0) >= 0 || errno != EINVAL;
}

/* O_DIRECT, or buffered where the file system refuses it. No O_NONBLOCK in any case: io_uring would take it as leave
 * to answer EAGAIN. */
static int choose_cache(struct disk *d, struct err *e)
{
	const struct block_info *i = &d->base.info;

	if (fcntl(d->fd, F_SETFL, O_DIRECT) == 0 && direct_works(d) && open_edge(d)) {
		d->align = i->is_file ? DISK_BOUNCE : i->logical_sector;
		return 0;
	}
	d->align = 1;
	if (fcntl(d->fd, F_SETFL, 0) < 0)
		return err_set(e, ERR_IO, errno, "cannot set up %s for transfers", i->name);
	return 0;
}

static int choose_engine(struct disk *d, struct err *e)
{
	struct err first = ERR_INIT;

	for (size_t i = 0; d->engines[i] != NULL; i++) {
		d->engine = d->engines[i]->open(d->fd, d->base.depth, e);
		if (d->engine != NULL)
			return 0;
		if (first.kind == ERR_NONE)
			first = *e;
	}
	*e = first;
	return err_wrap(e, "%s", d->base.info.name);
}

/* Takes fd, which may be -1. */
static struct disk *disk_new(int fd, unsigned depth, const struct engine_ops *const *engines)
{
	struct disk *d = mem_alloc(sizeof *d);

	d->base.ops = &disk_ops;
	d->base.depth = depth > 0 ? depth : 1;
	d->fd = d->edge_fd = fd;
	d->engines = engines;
	d->bounce = aligned_alloc(DISK_BOUNCE, DISK_BOUNCE);
	return d;
}

struct block *block_disk_new_with(int fd, const char *name, enum block_mode mode, unsigned depth,
				  const struct engine_ops *const *engines, struct err *e)
{
	struct disk *d = disk_new(fd, depth, engines);

	if (d->bounce == NULL)
		err_set(e, ERR_INTERNAL, ENOMEM, "cannot open %s", name);
	else if (disk_probe(fd, name, &d->base.info, e) == 0 && check_mode(d, mode, e) == 0 && choose_cache(d, e) == 0 &&
		 choose_engine(d, e) == 0)
		return &d->base;
	disk_close(&d->base);
	return NULL;
}

/* The descriptors share the open file, and so its flags and its lock. */
static struct block *disk_reader(struct block *b, unsigned depth, struct err *e)
{
	const struct disk *of = disk_of(b);
	struct disk *d = disk_new(fcntl(of->fd, F_DUPFD_CLOEXEC, 0), depth, of->engines);

	d->base.info = of->base.info;
	d->align = of->align;
	if (d->fd < 0 || d->bounce == NULL)
		err_set(e, ERR_INTERNAL, d->fd < 0 ? errno : ENOMEM, "cannot open %s once more", b->info.name);
	else if (choose_engine(d, e) == 0)
		return &d->base;
	disk_close(&d->base);
	return NULL;
}

struct block *block_disk_new(int fd, const char *name, enum block_mode mode, unsigned depth, struct err *e)
{
	return block_disk_new_with(fd, name, mode, depth, engines_by_preference, e);
}

static int open_path(const char *path, enum block_mode mode, struct err *e)
{
	/* O_NONBLOCK so that a FIFO given by mistake does not hang; O_EXCL has a meaning on block devices only. */
	int flags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	struct stat st;

	if (mode == BLOCK_RW && stat(path, &st) == 0 && S_ISBLK(st.st_mode))
		flags |= O_EXCL;
	int fd = open(path, flags | (mode == BLOCK_RW ? O_RDWR : O_RDONLY));
	if (fd >= 0)
		return fd;
	if (errno == EBUSY)
		return disk_holder_busy(path, e);
	if (errno == EROFS)
		return err_set(e, ERR_REFUSED, EROFS, "cannot open %s for writing; name a disk that can be written", path);
	return err_set(e, err_kind_of_errno(errno), errno, "cannot open disk %s for %s", path,
		mode == BLOCK_RW ? "writing" : "reading");
}

static struct block *open_once(const char *path, enum block_mode mode, unsigned depth, struct err *e)
{
	cleanup(cleanup_fd) int fd = open_path(path, mode, e);

	return fd < 0 ? NULL : block_disk_new(take_fd(&fd), path, mode, depth, e);
}

/* The ring of a process that was killed has hold of its disk until the kernel has taken it apart. */
struct block *block_disk_open(const char *path, enum block_mode mode, unsigned depth, struct err *e)
{
	int64_t until = clock_mono_ns() + LINGER_NS;
	struct err why = ERR_INIT;
	struct block *b;

	while ((b = open_once(path, mode, depth, &why)) == NULL && why.kind == ERR_BUSY && clock_mono_ns() < until)
		clock_sleep_ns(LINGER_NS / 50);
	if (b == NULL)
		*e = why;
	return b;
}
