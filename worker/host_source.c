// SPDX-License-Identifier: Apache-2.0
#include "host_source.h"

#include "base/mem.h"
#include "host_key.h"

#define DEPTH 4

int host_sector_set(struct block *b, uint64_t sector, struct err *e)
{
	if (sector == 0)
		return 0;
	if (!b->info.is_file && b->info.logical_sector != sector)
		return err_set(e, ERR_REFUSED, 0, "%s has sectors of %u bytes, not of %llu; nothing was written", b->info.name,
			       b->info.logical_sector, (unsigned long long)sector);
	if (b->info.size % sector != 0)
		return err_set(e, ERR_REFUSED, 0, "the %llu bytes of %s are no whole number of sectors of %llu; nothing was written",
			       (unsigned long long)b->info.size, b->info.name, (unsigned long long)sector);
	b->info.logical_sector = (uint32_t)sector;
	return 0;
}

int host_source_open(struct host_source *s, struct host_options *o, struct err *e)
{
	s->limiter = limiter_new(&o->limits);
	if (host_key_load(o->key_file, &s->keys, e) != 0)
		return -1;
	s->block = block_disk_open(o->path[0], BLOCK_RO, DEPTH, e);
	if (s->block == NULL || host_sector_set(s->block, o->sector_size, e) != 0)
		return -1;
	if (host_manifest_open_in(&s->manifest, o->manifest_in, o->manifest_out, &s->keys, &s->block->info, &o->chunk_size,
				  e) != 0)
		return -1;
	return host_hints_load(&s->hints, o->hints, s->block->info.size, (uint32_t)o->chunk_size, e);
}

void host_source_close(struct host_source *s)
{
	host_hints_fini(&s->hints);
	host_manifest_fini(&s->manifest);
	block_close(s->block);
	limiter_free(s->limiter);
	mem_wipe(&s->keys, sizeof s->keys);
}

struct copy_config host_source_config(const struct host_source *s, const struct host_options *o, struct copy_disk *disk,
				      atomic_bool *cancel)
{
	return (struct copy_config){
		.keys = &s->keys,
		.chunk_size = (uint32_t)o->chunk_size,
		.checkpoint_bytes = o->checkpoint_size != 0 ? o->checkpoint_size : COPY_DEFAULT_CHECKPOINT_BYTES,
		.checkpoint_ns = COPY_DEFAULT_CHECKPOINT_NS,
		.pool_bytes = COPY_DEFAULT_POOL_BYTES,
		.compression = o->compression,
		.level = o->level,
		.read_back = !o->no_read_back,
		.disks = disk,
		.disk_count = 1,
		.limiter = s->limiter,
		.cancel = cancel,
	};
}

int host_source_begin(struct host_source *s, const struct host_options *o, struct err *e)
{
	if (host_manifest_begin(&s->manifest, &s->keys, &s->block->info, (uint32_t)o->chunk_size, e) != 0)
		return -1;
	return host_hints_use(&s->hints, s->manifest.working, e);
}

int host_source_commit(struct host_source *s, const struct copy_disk *disk, struct err *e)
{
	return host_manifest_commit(&s->manifest, disk->root, host_hints_held(&s->hints, disk), e);
}

struct ledger *host_source_ledger(struct host_source *s)
{
	return s->manifest.working != NULL ? ledger_file_new(&s->manifest.working, 1) : ledger_none_new();
}
