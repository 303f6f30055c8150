// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>

#include "copy/copy.h"

static int check_numbers(const struct copy_config *c, struct err *e)
{
	if (c->chunk_size < WIRE_MIN_CHUNK || c->chunk_size > WIRE_MAX_CHUNK || (c->chunk_size & (c->chunk_size - 1)) != 0)
		return err_set(e, ERR_USAGE, 0, "a chunk of %u bytes is not possible; give a power of two from 64K to 4M",
			       c->chunk_size);
	if (c->disk_count < 1 || c->disk_count > WIRE_MAX_DISKS)
		return err_set(e, ERR_USAGE, 0, "%u disks are not possible in one run; give 1 to %d", c->disk_count,
			       WIRE_MAX_DISKS);
	return 0;
}

static int check_size(const struct block *b, uint64_t size, const char *role, struct err *e)
{
	if (b->info.size < size)
		return err_set(e, ERR_REFUSED, 0,
			       "the %s %s has %" PRIu64 " bytes, but %" PRIu64 " are to be copied; nothing was written "
			       "(use a disk of at least that size)", role, b->info.name, b->info.size, size);
	return 0;
}

static int check_target(const struct copy_disk *d, const struct block *t, struct err *e)
{
	if (t->info.read_only)
		return err_set(e, ERR_REFUSED, 0, "the target %s is read-only; nothing was written", t->info.name);
	if (check_size(t, d->size, "target", e) != 0)
		return -1;
	if (d->size % t->info.logical_sector != 0 && !(t->info.is_file && t->info.size == d->size))
		return err_set(e, ERR_REFUSED, 0,
			       "%" PRIu64 " bytes are not a whole number of the %u-byte sectors of %s; nothing was written",
			       d->size, t->info.logical_sector, t->info.name);
	if (d->target == NULL || d->block->info.is_file || t->info.is_file ||
	    d->block->info.logical_sector == t->info.logical_sector)
		return 0;
	return err_set(e, ERR_REFUSED, 0,
		       "%s has sectors of %u bytes and %s of %u, so a copy would not boot; nothing was written (use a target "
		       "with the same sector size)",
		       d->block->info.name, d->block->info.logical_sector, t->info.name, t->info.logical_sector);
}

int copy_check_link(const struct copy_link *link, struct err *e)
{
	if (link->channels < 1 || link->channels > WIRE_MAX_CHANNELS || (link->channels > 1 && link->open == NULL))
		return err_set(e, ERR_USAGE, 0, "%u connections are not possible; give 1 to %d", link->channels,
			       WIRE_MAX_CHANNELS);
	return 0;
}

static int check_hints(const struct copy_config *c, const struct copy_disk *d, struct err *e)
{
	if (d->hints == NULL || (d->hints->size == d->size && d->hints->chunk_size == c->chunk_size))
		return 0;
	return err_set(e, ERR_INTERNAL, 0, "the hints of %s are of another size", d->block->info.name);
}

int copy_check(const struct copy_config *c, bool writes, struct err *e)
{
	if (check_numbers(c, e) != 0)
		return -1;
	for (unsigned i = 0; i < c->disk_count; i++) {
		const struct copy_disk *d = &c->disks[i];
		bool is_source = !writes || d->target != NULL;

		if (is_source && (check_size(d->block, d->size, "source", e) != 0 || check_hints(c, d, e) != 0))
			return -1;
		if (writes && check_target(d, d->target != NULL ? d->target : d->block, e) != 0)
			return -1;
	}
	return 0;
}
