// SPDX-License-Identifier: Apache-2.0
#include "block/block.h"

#include <errno.h>
#include <stddef.h>

#include "block/disk_error.h"

static int range_error(const struct block *b, const char *what, uint64_t offset, uint64_t length, struct err *e)
{
	return err_set(e, ERR_INTERNAL, 0,
		"%s %llu bytes at offset %llu of %s: not possible with %llu bytes in sectors of %u; please report it",
		what, (unsigned long long)length, (unsigned long long)offset, b->info.name,
		(unsigned long long)b->info.size, b->info.logical_sector);
}

static int check(const struct block *b, enum disk_action action, uint64_t offset, uint64_t length, struct err *e)
{
	const struct block_info *i = &b->info;
	const char *what = disk_action_name(action);

	if (b->failed != 0)
		return err_set(e, ERR_IO, b->failed,
			"%s is not used any more after a flush of it failed, because what was written since the flush "
			"before may be lost; check the device and run again", i->name);
	if (action != DISK_READ && i->read_only)
		return err_set(e, ERR_REFUSED, 0, "%s is open for reading only and is not changed", i->name);
	if (offset > i->size || length > i->size - offset || offset % i->logical_sector != 0)
		return range_error(b, what, offset, length, e);
	bool odd_end = i->is_file && offset + length == i->size;
	if (length % i->logical_sector != 0 && !odd_end)
		return range_error(b, what, offset, length, e);
	return 0;
}

int block_submit(struct block *b, struct block_request *r, struct err *e)
{
	enum disk_action action = r->op == BLOCK_WRITE ? DISK_WRITE : DISK_READ;

	if (check(b, action, r->offset, r->length, e) < 0)
		return -1;
	if (r->length == 0)
		return range_error(b, disk_action_name(action), r->offset, 0, e);
	if (r->parts != NULL && (r->op != BLOCK_WRITE || r->length > b->info.gathers))
		return err_set(e, ERR_INTERNAL, 0, "%s takes no writes in parts; please report it", b->info.name);
	r->error = 0;
	r->done = 0;
	return b->ops->submit(b, r, e);
}

struct block_request *block_wait(struct block *b, int64_t timeout_ns, struct err *e)
{
	return b->ops->wait(b, timeout_ns, e);
}

int block_request_error(const struct block *b, const struct block_request *r, struct err *e)
{
	enum disk_action action = r->op == BLOCK_WRITE ? DISK_WRITE : DISK_READ;

	if (b->ops->explain != NULL)
		return b->ops->explain(b, r, e);
	return disk_error(e, action, r->error, &b->info, r->offset, r->length);
}

int block_io(struct block *b, enum block_op op, uint64_t offset, void *data, uint32_t length, struct err *e)
{
	struct block_request r = {.op = op, .offset = offset, .length = length, .data = data};

	if (block_submit(b, &r, e) < 0)
		return -1;
	e->kind = ERR_NONE;
	if (block_wait(b, -1, e) != &r)
		return e->kind != ERR_NONE ? -1 :
			err_set(e, ERR_INTERNAL, 0, "%s: another request was under way; please report it", b->info.name);
	return r.error != 0 ? block_request_error(b, &r, e) : 0;
}

int block_read_aside(struct block *b, uint64_t offset, void *data, uint32_t length, struct err *e)
{
	if (check(b, DISK_READ, offset, length, e) < 0)
		return -1;
	return length == 0 ? 0 : b->ops->read_aside(b, offset, data, length, e);
}

int block_zero(struct block *b, uint64_t offset, uint64_t length, struct err *e)
{
	if (check(b, DISK_ZERO, offset, length, e) < 0)
		return -1;
	return length == 0 ? 0 : b->ops->zero(b, offset, length, e);
}

int block_flush(struct block *b, struct err *e)
{
	if (check(b, DISK_READ, 0, 0, e) < 0)
		return -1;
	if (b->info.read_only || b->ops->flush(b, e) == 0)
		return 0;
	/* The kernel reports a lost write once and then calls the pages clean, so a second flush that succeeds proves
	 * nothing. */
	b->failed = e->sys != 0 ? e->sys : EIO;
	return -1;
}

int block_next_data(struct block *b, uint64_t from, uint64_t *start, uint64_t *end, struct err *e)
{
	*start = *end = b->info.size;
	if (from >= b->info.size)
		return 0;
	return b->ops->next_data(b, from, start, end, e);
}

struct block *block_reader(struct block *b, unsigned depth, struct err *e)
{
	struct block *r = b->ops->reader(b, depth, e);

	if (r == NULL)
		return NULL;
	r->info = b->info;
	r->info.read_only = true;
	return r;
}

void block_buffers(struct block *b, void *base, size_t size)
{
	if (b->ops->buffers != NULL)
		b->ops->buffers(b, base, size);
}

void block_cancel(struct block *b)
{
	if (b->ops->cancel != NULL)
		b->ops->cancel(b);
}

void block_close(struct block *b)
{
	if (b != NULL)
		b->ops->close(b);
}
