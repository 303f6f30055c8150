// SPDX-License-Identifier: Apache-2.0
#include "copy/copy_fixture.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct fx *fx_new(void)
{
	struct fx *f = mem_alloc(sizeof *f);
	const uint8_t secret[32] = "a secret of the tests of copy.";

	manifest_keys_derive(secret, &f->keys);
	f->source_sector = f->target_sector = 512;
	f->checkpoint_bytes = COPY_DEFAULT_CHECKPOINT_BYTES;
	f->pool_bytes = 4 << 20;
	f->pipe = 1 << 20;
	return f;
}

void fx_free(struct fx *f)
{
	for (unsigned i = 0; i < f->disks; i++) {
		mem_disk_free(f->source[i]);
		mem_disk_free(f->target[i]);
	}
	ledger_close(f->ledger);
	free(f);
}

void fx_add(struct fx *f, uint64_t size, uint64_t target_size, bool is_file)
{
	unsigned i = f->disks++;

	assert_true(i < FX_DISKS);
	f->size[i] = size;
	f->source[i] = mem_disk_new("source", size, f->source_sector, is_file);
	f->target[i] = mem_disk_new("target", target_size, f->target_sector, is_file);
}

void fx_start(struct fx *f)
{
	uint64_t pages[FX_DISKS];

	for (unsigned i = 0; i < f->disks; i++)
		pages[i] = (f->size[i] + FX_PAGE - 1) / FX_PAGE;
	f->ledger = ledger_mem_new(pages, f->disks);
}

void fx_fill(struct mem_disk *d, uint64_t offset, uint64_t length, uint64_t seed)
{
	uint64_t *words = mem_alloc(length + sizeof *words);
	uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + offset + 1;

	for (uint64_t i = 0; i <= length / sizeof *words; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		words[i] = x;
	}
	mem_disk_put(d, offset, words, length);
	free(words);
}

void fx_set(struct mem_disk *d, uint64_t offset, uint64_t length, int byte)
{
	void *p = mem_alloc(length);

	memset(p, byte, length);
	mem_disk_put(d, offset, p, length);
	free(p);
}

struct wire_hello fx_hello(const struct fx *f, enum wire_role role)
{
	struct wire_hello h = {.version_min = WIRE_VERSION, .version_max = WIRE_VERSION, .role = role, .epoch = 7,
			       .session = 0x5e55, .channel = role == WIRE_SOURCE ? 0 : WIRE_ANY_CHANNEL, .channels = 1};

	strcpy(h.job, "web1");
	strcpy(h.run, "run-1");
	memcpy(h.key_id, f->keys.id, sizeof h.key_id);
	return h;
}

static struct copy_config config(struct fx *f, struct copy_disk *disks, enum wire_role role)
{
	return (struct copy_config){
		.keys = &f->keys,
		.chunk_size = FX_CHUNK,
		.checkpoint_bytes = f->checkpoint_bytes,
		.checkpoint_ns = COPY_DEFAULT_CHECKPOINT_NS,
		.pool_bytes = f->pool_bytes,
		.compression = f->compression,
		.level = 1,
		.packing = role == WIRE_SOURCE ? &f->packing : NULL,
		.read_back = !f->no_read_back,
		.disks = disks,
		.disk_count = f->disks,
		.threads = f->threads != 0 ? f->threads : 2,
		.silence_ns = f->silence_ns,
		.hello = fx_hello(f, role),
		.cancel = &f->cancel,
	};
}

static void open_sources(struct fx *f, struct copy_disk *disks)
{
	memset(f->progress, 0, sizeof f->progress);
	memset(&f->packing, 0, sizeof f->packing);
	memset(&f->source_err, 0, sizeof f->source_err);
	for (unsigned i = 0; i < f->disks; i++) {
		disks[i] = (struct copy_disk){
			.block = block_mem_open(f->source[i], BLOCK_RO, 4),
			.size = f->size[i],
			.hints = f->hints[i],
			.progress = &f->progress[i],
		};
	}
}

static void close_disks(struct fx *f, struct copy_disk *disks)
{
	for (unsigned i = 0; i < f->disks; i++) {
		memcpy(f->root[i], disks[i].root, MANIFEST_HASH);
		f->refuted[i] = disks[i].refuted;
		f->refuted_at[i] = disks[i].refuted_at;
		block_close(disks[i].block);
		block_close(disks[i].target);
	}
}

int fx_local(struct fx *f)
{
	struct copy_disk disks[FX_DISKS];

	open_sources(f, disks);
	for (unsigned i = 0; i < f->disks; i++)
		disks[i].target = block_mem_open(f->target[i], BLOCK_RW, 8);
	struct copy_config c = config(f, disks, WIRE_SOURCE);
	int rc = copy_local(&c, f->ledger, &f->source_err);
	close_disks(f, disks);
	return rc;
}

int fx_scan(struct fx *f)
{
	struct copy_disk disks[FX_DISKS];

	open_sources(f, disks);
	struct copy_config c = config(f, disks, WIRE_SOURCE);
	int rc = copy_scan(&c, f->ledger, &f->source_err);
	close_disks(f, disks);
	return rc;
}

struct import {
	struct fx *f;
	const struct copy_link *link;
	int rc;
};

static void *import_main(void *arg)
{
	struct import *im = arg;
	struct fx *f = im->f;
	struct copy_disk disks[FX_DISKS];
	struct copy_config c = config(f, disks, WIRE_TARGET);

	memset(f->target_progress, 0, sizeof f->target_progress);
	memset(&f->target_err, 0, sizeof f->target_err);
	for (unsigned i = 0; i < f->disks; i++) {
		disks[i] = (struct copy_disk){
			.block = block_mem_open(f->target[i], BLOCK_RW, 8),
			.size = f->size[i],
			.progress = &f->target_progress[i],
		};
	}
	c.cancel = NULL;
	im->rc = copy_import(&c, im->link, &f->target_err);
	for (unsigned i = 0; i < f->disks; i++)
		block_close(disks[i].block);
	return NULL;
}

int fx_wire(struct fx *f)
{
	struct stream *end[2];

	stream_mem_pair(f->pipe, end);
	if (f->spoil != NULL)
		f->spoil(end[0], end[1], f->spoil_ctx);
	const struct copy_link source = {.channels = 1, .dials = true, .first = end[0]};
	const struct copy_link target = {.channels = 1, .first = end[1]};
	return fx_wire_over(f, &source, &target);
}

int fx_wire_over(struct fx *f, const struct copy_link *source, const struct copy_link *target)
{
	struct copy_disk disks[FX_DISKS];
	pthread_t thread;
	struct import im = {.f = f, .link = target};

	assert_int_equal(pthread_create(&thread, NULL, import_main, &im), 0);
	open_sources(f, disks);
	struct copy_config c = config(f, disks, WIRE_SOURCE);
	int rc = copy_export(&c, source, f->ledger, &f->source_err);
	close_disks(f, disks);
	pthread_join(thread, NULL);
	return rc != 0 || im.rc != 0 ? -1 : 0;
}

void fx_assert_equal(const struct fx *f)
{
	for (unsigned i = 0; i < f->disks; i++) {
		const uint8_t *s = mem_disk_bytes(f->source[i]), *t = mem_disk_bytes(f->target[i]);
		struct block *b = block_mem_open(f->target[i], BLOCK_RO, 1);
		uint64_t end = b->info.size, at = 0;

		block_close(b);
		while (at < f->size[i] && s[at] == t[at])
			at++;
		if (at < f->size[i])
			fail_msg("disk %u differs at %llu", i, (unsigned long long)at);
		for (; at < end; at++)
			if (t[at] != 0)
				fail_msg("disk %u: behind the copy, byte %llu is not zero", i, (unsigned long long)at);
	}
}

/* Calls fn for every chunk with its durable hash. */
static void each_chunk(const struct fx *f, void (*fn)(const struct fx *f, unsigned d, uint64_t at, const uint8_t *hash))
{
	for (unsigned d = 0; d < f->disks; d++)
		for (uint64_t c = 0, at = 0; at < f->size[d]; c++, at += FX_CHUNK)
			fn(f, d, at, ledger_mem_page(f->ledger, d, c / MANIFEST_PAGE_CHUNKS) +
			   c % MANIFEST_PAGE_CHUNKS * MANIFEST_HASH);
}

static void is_true(const struct fx *f, unsigned d, uint64_t at, const uint8_t *hash)
{
	uint64_t length = f->size[d] - at < FX_CHUNK ? f->size[d] - at : FX_CHUNK;
	uint8_t holds[MANIFEST_HASH];

	if (manifest_is_unknown(hash))
		return;
	manifest_hash(&f->keys, mem_disk_bytes(f->target[d]) + at, length, holds);
	if (memcmp(holds, hash, sizeof holds) != 0)
		fail_msg("disk %u: the ledger lies about the chunk at %llu", d, (unsigned long long)at);
}

void fx_assert_true(const struct fx *f)
{
	each_chunk(f, is_true);
}

static void is_known(const struct fx *f, unsigned d, uint64_t at, const uint8_t *hash)
{
	(void)f;
	if (manifest_is_unknown(hash))
		fail_msg("disk %u: the ledger does not know the chunk at %llu", d, (unsigned long long)at);
}

void fx_assert_complete(const struct fx *f)
{
	each_chunk(f, is_known);
}

uint64_t fx_chunks(const struct fx *f)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < f->disks; i++)
		n += atomic_load(&f->progress[i].chunks);
	return n;
}
