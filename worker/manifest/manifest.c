// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "manifest/manifest_format.h"

static int file_error(struct err *e, const char *what, const char *path)
{
	int sys = errno;

	return err_set(e, err_kind_of_errno(sys), sys, "cannot %s manifest %s%s", what, path,
		       sys == ENOSPC || sys == EDQUOT ? "; make room on that disk, then run again" : "");
}

static int write_full(int fd, const uint8_t *p, size_t n, off_t at)
{
	while (n > 0) {
		ssize_t got = pwrite(fd, p, n, at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		p += got;
		n -= (size_t)got;
		at += got;
	}
	return 0;
}

/* How many bytes there were before the end of the file, or -1. */
static ssize_t read_full(int fd, uint8_t *p, size_t n, off_t at)
{
	size_t have = 0;

	while (have < n) {
		ssize_t got = pread(fd, p + have, n - have, at + (off_t)have);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		have += (size_t)got;
	}
	return (ssize_t)have;
}

int manifest_put(int fd, const char *path, const uint8_t page[MANIFEST_PAGE], off_t at, struct err *e)
{
	return write_full(fd, page, MANIFEST_PAGE, at) < 0 ? file_error(e, "write", path) : 0;
}

int manifest_sync_folder(const char *path, struct err *e)
{
	cleanup(cleanup_free) char *copy = mem_strdup(path);
	cleanup(cleanup_fd) int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return file_error(e, "make durable the name of", path);
	return 0;
}

static int lock(int fd, const char *path, struct err *e)
{
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return file_error(e, "lock", path);
	return err_set(e, ERR_BUSY, 0,
		"manifest %s is in use by another run; wait for its end, or find it with lslocks", path);
}

/* After a lock was won, its file may already have been given its real name, or removed, by who held it before. */
static bool still_named(int fd, const char *temp)
{
	struct stat ours, named;

	return fstat(fd, &ours) == 0 && stat(temp, &named) == 0 && ours.st_dev == named.st_dev &&
		ours.st_ino == named.st_ino;
}

int manifest_open_temp(const char *temp, const char *path, struct err *e)
{
	cleanup(cleanup_fd) int fd = open(temp, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return file_error(e, "create", path);
	if (lock(fd, path, e) < 0)
		return -1;
	if (!still_named(fd, temp))
		return err_set(e, ERR_BUSY, 0, "manifest %s was made by another run just now; run again", path);
	if (ftruncate(fd, 0) < 0)
		return file_error(e, "create", path);
	return take_fd(&fd);
}

struct manifest *manifest_new(int fd, enum manifest_mode mode, const char *path, const struct manifest_info *i,
			      const struct manifest_keys *k)
{
	struct manifest *m = mem_alloc(sizeof *m);

	m->fd = fd;
	m->mode = mode;
	m->info = *i;
	m->keys = *k;
	m->path = mem_strdup(path);
	return m;
}

/* A file of the right length without a page written: its holes read as unknown. */
static int fill_new(int fd, const char *path, const struct manifest_info *i, const struct manifest_keys *k,
		    struct err *e)
{
	uint8_t header[MANIFEST_PAGE];

	manifest_header_encode(i, k, header);
	if (manifest_put(fd, path, header, 0, e) < 0)
		return -1;
	if (ftruncate(fd, manifest_file_size(i)) < 0 || fsync(fd) < 0)
		return file_error(e, "write", path);
	return 0;
}

/* link(2), because rename(2) would replace a file that is there. */
int manifest_publish(const char *temp, const char *path, struct err *e)
{
	int rc = 0;

	if (link(temp, path) < 0)
		rc = errno != EEXIST ? file_error(e, "create", path) :
			err_set(e, ERR_REFUSED, EEXIST, "cannot create manifest %s; open it, or remove it", path);
	unlink(temp);
	return rc < 0 ? -1 : manifest_sync_folder(path, e);
}

struct manifest *manifest_create(const char *path, const struct manifest_info *i, const struct manifest_keys *k,
				 struct err *e)
{
	/* A crash must not leave a half-made file under the real name, so it gets that name when it is durable. */
	cleanup(cleanup_free) char *temp = mem_printf("%s.new", path);

	if (manifest_info_check(i, path, e) < 0)
		return NULL;
	cleanup(cleanup_fd) int fd = manifest_open_temp(temp, path, e);
	if (fd < 0)
		return NULL;
	if (fill_new(fd, path, i, k, e) < 0) {
		unlink(temp);
		return NULL;
	}
	return manifest_publish(temp, path, e) < 0 ? NULL : manifest_new(take_fd(&fd), MANIFEST_WRITE, path, i, k);
}

struct manifest *manifest_open(const char *path, enum manifest_mode mode, const struct manifest_keys *k,
			       struct err *e)
{
	cleanup(cleanup_fd) int fd = open(path, (mode == MANIFEST_WRITE ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	uint8_t header[MANIFEST_PAGE];
	struct manifest_info i;

	if (fd < 0) {
		file_error(e, "open", path);
		return NULL;
	}
	if (mode == MANIFEST_WRITE && lock(fd, path, e) < 0)
		return NULL;
	ssize_t have = read_full(fd, header, sizeof header, 0);
	if (have < 0) {
		file_error(e, "read", path);
		return NULL;
	}
	if ((size_t)have < sizeof header) {
		err_set(e, ERR_CORRUPT, 0,
			"manifest %s ends within its header, after %zd bytes; remove it, and the next run hashes the "
			"target again", path, have);
		return NULL;
	}
	if (manifest_header_decode(header, k, path, &i, e) < 0)
		return NULL;
	return manifest_new(take_fd(&fd), mode, path, &i, k);
}

void manifest_close(struct manifest *m)
{
	if (m == NULL)
		return;
	close(m->fd);
	free(m->path);
	mem_wipe(m, sizeof *m); /* holds keys */
	free(m);
}

const struct manifest_info *manifest_info(const struct manifest *m)
{
	return &m->info;
}

/* The formerly last chunk, if it was a short one, has become longer: its hash means nothing any more. That must be
 * durable before the header says so. The tree would be in the way of new pages: it goes, and all is touched. */
static int grow(struct manifest *m, const struct manifest_info *to, struct err *e)
{
	if (m->info.size % m->info.chunk_size != 0) {
		uint64_t last = manifest_chunk_count(&m->info) - 1;
		uint8_t hashes[MANIFEST_PAGE_HASHES];

		if (manifest_read_page(m, last / MANIFEST_PAGE_CHUNKS, hashes, NULL, e) < 0)
			return -1;
		memset(hashes + last % MANIFEST_PAGE_CHUNKS * MANIFEST_HASH, 0, MANIFEST_HASH);
		if (manifest_write_page(m, last / MANIFEST_PAGE_CHUNKS, hashes, e) < 0)
			return -1;
	}
	if (ftruncate(m->fd, manifest_place_offset(&m->info, (struct manifest_place){.level = 1})) < 0 ||
	    ftruncate(m->fd, manifest_file_size(to)) < 0)
		return file_error(e, "extend", m->path);
	return manifest_sync(m, e);
}

static int may_become(const struct manifest *m, const struct manifest_info *to, struct err *e)
{
	const struct manifest_info *is = &m->info;

	if (m->mode != MANIFEST_WRITE)
		return err_set(e, ERR_INTERNAL, 0, "manifest %s was opened for reading only", m->path);
	if (manifest_info_check(to, m->path, e) < 0)
		return -1;
	if (to->chunk_size != is->chunk_size || to->sector_size != is->sector_size)
		return err_set(e, ERR_REFUSED, 0,
			"manifest %s has chunks of %u and sectors of %u bytes, not %u and %u; make a new one and hash "
			"the target again", m->path, is->chunk_size, is->sector_size, to->chunk_size, to->sector_size);
	if (strcmp(to->job, is->job) != 0 || strcmp(to->disk, is->disk) != 0)
		return err_set(e, ERR_REFUSED, 0, "manifest %s is of disk %s of job %s, not of disk %s of job %s",
			m->path, is->disk, is->job, to->disk, to->job);
	if (to->size < is->size)
		return err_set(e, ERR_REFUSED, 0,
			"manifest %s: the disk shrank from %llu to %llu bytes; make a new replica for it", m->path,
			(unsigned long long)is->size, (unsigned long long)to->size);
	return 0;
}

int manifest_set_info(struct manifest *m, const struct manifest_info *i, struct err *e)
{
	uint8_t header[MANIFEST_PAGE];

	if (may_become(m, i, e) < 0 || (i->size > m->info.size && grow(m, i, e) < 0))
		return -1;
	manifest_header_encode(i, &m->keys, header);
	if (manifest_put(m->fd, m->path, header, 0, e) < 0)
		return -1;
	m->info = *i;
	return manifest_sync(m, e);
}

static int check_page(const struct manifest *m, uint64_t p, struct err *e)
{
	uint64_t pages = manifest_page_count(&m->info);

	if (p < pages)
		return 0;
	return err_set(e, ERR_INTERNAL, 0, "manifest %s has %llu pages; there is no page %llu", m->path,
		(unsigned long long)pages, (unsigned long long)p);
}

int manifest_get_place(struct manifest *m, struct manifest_place at, uint8_t slots[MANIFEST_PAGE_HASHES],
		       uint64_t *damaged, struct err *e)
{
	uint8_t page[MANIFEST_PAGE];
	ssize_t have = read_full(m->fd, page, sizeof page, manifest_place_offset(&m->info, at));

	/* A bad sector under a page is damage to that page alone. */
	if (have < 0 && errno != EIO)
		return file_error(e, "read", m->path);
	if (have != MANIFEST_PAGE)
		memset(slots, 0, MANIFEST_PAGE_HASHES);
	if ((have != MANIFEST_PAGE || manifest_page_decode(&m->keys, at, page, slots) == MANIFEST_PAGE_DAMAGED) &&
	    damaged != NULL)
		++*damaged;
	return 0;
}

int manifest_put_place(struct manifest *m, struct manifest_place at, const uint8_t *slots, struct err *e)
{
	uint8_t page[MANIFEST_PAGE];

	manifest_page_encode(&m->keys, at, slots, manifest_place_used(&m->info, at), page);
	return manifest_put(m->fd, m->path, page, manifest_place_offset(&m->info, at), e);
}

int manifest_read_page(struct manifest *m, uint64_t p, uint8_t hashes[MANIFEST_PAGE_HASHES], uint64_t *damaged,
		       struct err *e)
{
	if (check_page(m, p, e) < 0)
		return -1;
	return manifest_get_place(m, (struct manifest_place){.index = p}, hashes, damaged, e);
}

int manifest_write_page(struct manifest *m, uint64_t p, const uint8_t hashes[MANIFEST_PAGE_HASHES], struct err *e)
{
	if (m->mode != MANIFEST_WRITE)
		return err_set(e, ERR_INTERNAL, 0, "manifest %s was opened for reading only", m->path);
	if (check_page(m, p, e) < 0 || manifest_touch(m, p, e) < 0)
		return -1;
	return manifest_put_place(m, (struct manifest_place){.index = p}, hashes, e);
}

int manifest_sync(struct manifest *m, struct err *e)
{
	/* fdatasync also makes a new length durable (fsync(2)). */
	return fdatasync(m->fd) < 0 ? file_error(e, "make durable", m->path) : 0;
}

static int copy_by_hand(int from, int to, off_t at, off_t size)
{
	uint8_t block[4 * MANIFEST_PAGE];

	while (at < size) {
		ssize_t got = read_full(from, block, sizeof block, at);

		if (got < 0 || write_full(to, block, (size_t)got, at) < 0)
			return -1;
		if (got == 0)
			break;
		at += got;
	}
	return 0;
}

/* copy_file_range(2) shares blocks where the file system can; where it cannot copy at all, we can. */
int manifest_copy_file(struct manifest *m, int fd, const char *path, const struct manifest_info *i, struct err *e)
{
	off_t size = manifest_file_size(i), from = 0, to = 0;
	ssize_t got = 1;

	while (from < size && got > 0)
		got = copy_file_range(m->fd, &from, fd, &to, (size_t)(size - from), 0);
	if ((got < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EIO)) ||
	    (got < 0 && copy_by_hand(m->fd, fd, from, size) < 0))
		return file_error(e, "copy to", path);
	return ftruncate(fd, size) < 0 ? file_error(e, "extend", path) : 0;
}
