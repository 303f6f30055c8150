// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/mem.h"
#include "cmd.h"
#include "copy/copy.h"
#include "host_hints.h"
#include "host_key.h"
#include "host_options.h"
#include "host_watch.h"

#define DEPTH 4

struct scan {
	struct host_options o;
	struct manifest_keys keys;
	struct block *block;
	struct manifest *manifest;
	struct manifest *in;
	struct host_hints hints;
	char *working; /* file of `manifest`, removed at the end */
	struct copy_progress progress;
	struct copy_disk disk;
	double seconds;
};

static void scan_fini(struct scan *s)
{
	host_hints_fini(&s->hints);
	manifest_close(s->in);
	manifest_close(s->manifest);
	if (s->manifest != NULL)
		unlink(s->working);
	block_close(s->block);
	mem_wipe(&s->keys, sizeof s->keys);
	free(s->working);
}

static struct manifest_info info_of(const struct scan *s)
{
	return (struct manifest_info){
		.size = s->block->info.size,
		.chunk_size = (uint32_t)s->o.chunk_size,
		.sector_size = s->block->info.logical_sector,
		.generation = 1,
	};
}

/* What the disk held when IN was made, as far as the hints do not say otherwise. */
static int begin_with(struct scan *s, struct err *e)
{
	const struct host_options *o = &s->o;

	s->in = manifest_open(o->manifest_in, MANIFEST_READ, &s->keys, e);
	if (s->in == NULL)
		return -1;
	struct manifest_info info = *manifest_info(s->in);
	if (info.size != s->block->info.size || (o->chunk_size != 0 && o->chunk_size != info.chunk_size))
		return err_set(e, ERR_REFUSED, 0,
			       "manifest %s is of a disk of %llu bytes in chunks of %u, not of %s as asked for; scan without "
			       "--manifest-in and --hints", o->manifest_in, (unsigned long long)info.size, info.chunk_size,
			       s->block->info.name);
	s->o.chunk_size = info.chunk_size;
	if (host_hints_load(&s->hints, o->hints, info.size, info.chunk_size, e) != 0)
		return -1;
	s->manifest = manifest_clone(s->in, s->working, &info, e);
	return s->manifest == NULL ? -1 : host_hints_use(&s->hints, s->manifest, e);
}

static int begin_new(struct scan *s, struct err *e)
{
	struct manifest_info info = info_of(s);

	s->manifest = manifest_create(s->working, &info, &s->keys, e);
	return s->manifest != NULL ? 0 : -1;
}

static int prepare(struct scan *s, struct err *e)
{
	if (host_key_load(s->o.key_file, &s->keys, e) != 0)
		return -1;
	s->block = block_disk_open(s->o.path[0], BLOCK_RO, DEPTH, e);
	if (s->block == NULL)
		return -1;
	if (s->o.chunk_size == 0 && s->o.manifest_in == NULL)
		s->o.chunk_size = COPY_DEFAULT_CHUNK;
	if (s->o.manifest_out == NULL)
		return 0;
	s->working = mem_printf("%s.scan", s->o.manifest_out);
	unlink(s->working); /* of a scan that died; it was worth nothing */
	return s->o.manifest_in != NULL ? begin_with(s, e) : begin_new(s, e);
}

static int run(struct scan *s, struct err *e)
{
	struct host_watch watch = {0};
	struct copy_config c = {
		.keys = &s->keys,
		.chunk_size = (uint32_t)s->o.chunk_size,
		.checkpoint_bytes = COPY_DEFAULT_CHECKPOINT_BYTES,
		.checkpoint_ns = COPY_DEFAULT_CHECKPOINT_NS,
		.pool_bytes = COPY_DEFAULT_POOL_BYTES,
		.disks = &s->disk,
		.disk_count = 1,
		.cancel = &watch.cancel,
	};
	int64_t started = clock_mono_ns();

	s->disk = (struct copy_disk){.block = s->block, .size = s->block->info.size, .progress = &s->progress,
				     .hints = host_hints_of(&s->hints)};
	if (host_watch_start(&watch, "scanning", &s->progress, s->disk.size, e) != 0)
		return -1;
	struct ledger *l = s->manifest != NULL ? ledger_file_new(&s->manifest, 1) : ledger_none_new();
	int rc = copy_scan(&c, l, e);
	ledger_close(l);
	host_watch_stop(&watch);
	host_hints_warn(&s->hints, &s->disk);
	s->seconds = (double)(clock_mono_ns() - started) / (double)NS_PER_S;
	return rc;
}

static int commit(struct scan *s, struct err *e)
{
	if (s->manifest == NULL)
		return 0;
	struct manifest_info info = *manifest_info(s->manifest);
	if (host_hints_root(&s->hints, s->manifest, &s->disk, e) != 0)
		return -1;
	info.generation += s->in != NULL;
	info.flags = host_hints_held(&s->hints, &s->disk) ? MANIFEST_F_HINTED : 0;
	memcpy(info.root, s->disk.root, sizeof info.root);
	return manifest_commit(s->manifest, s->o.manifest_out, &info, e);
}

/* The sample included. */
static uint64_t bytes_read(const struct scan *s)
{
	const struct copy_progress *p = &s->progress;

	return s->disk.size - atomic_load(&p->holes) - atomic_load(&p->skipped) + atomic_load(&p->sampled);
}

static void report_json(const struct scan *s)
{
	const struct copy_progress *p = &s->progress;
	uint64_t size = s->disk.size, zero = atomic_load(&p->zero), holes = atomic_load(&p->holes);
	char root[2 * MANIFEST_HASH + 1];
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = yyjson_mut_obj(doc);

	yyjson_mut_doc_set_root(doc, o);
	yyjson_mut_obj_add_str(doc, o, "path", s->o.path[0]);
	yyjson_mut_obj_add_uint(doc, o, "size", size);
	yyjson_mut_obj_add_uint(doc, o, "sector_size", s->block->info.logical_sector);
	yyjson_mut_obj_add_uint(doc, o, "chunk_size", s->o.chunk_size);
	yyjson_mut_obj_add_uint(doc, o, "chunks", (size + s->o.chunk_size - 1) / s->o.chunk_size);
	yyjson_mut_obj_add_uint(doc, o, "bytes_read", bytes_read(s));
	yyjson_mut_obj_add_uint(doc, o, "bytes_data", size - zero - atomic_load(&p->skipped));
	yyjson_mut_obj_add_uint(doc, o, "bytes_zero", zero);
	yyjson_mut_obj_add_uint(doc, o, "bytes_holes", holes);
	yyjson_mut_obj_add_uint(doc, o, "bytes_skipped", atomic_load(&p->skipped));
	yyjson_mut_obj_add_uint(doc, o, "bytes_sampled", atomic_load(&p->sampled));
	yyjson_mut_obj_add_str(doc, o, "hints", host_hints_fate(&s->hints, &s->disk));
	if (s->disk.refuted)
		yyjson_mut_obj_add_uint(doc, o, "hints_refuted_at", s->disk.refuted_at);
	yyjson_mut_obj_add_real(doc, o, "seconds", s->seconds);
	yyjson_mut_obj_add_real(doc, o, "bytes_per_second", (double)bytes_read(s) / s->seconds);
	yyjson_mut_obj_add_str(doc, o, "root", hex_encode(s->disk.root, sizeof s->disk.root, root));
	if (s->o.manifest_out != NULL)
		yyjson_mut_obj_add_str(doc, o, "manifest_out", s->o.manifest_out);
	cleanup(cleanup_free) char *text = yyjson_mut_write(doc, 0, NULL);
	puts(text != NULL ? text : "{}");
	yyjson_mut_doc_free(doc);
}

static void line(const char *label, uint64_t bytes, uint64_t size)
{
	char text[16];

	printf("%-10s %16llu bytes (%s, %.1f %%)\n", label, (unsigned long long)bytes, num_format_size(bytes, text),
	       size > 0 ? 100.0 * (double)bytes / (double)size : 100.0);
}

static void report(const struct scan *s)
{
	const struct copy_progress *p = &s->progress;
	uint64_t size = s->disk.size, zero = atomic_load(&p->zero), holes = atomic_load(&p->holes);
	char text[2 * MANIFEST_HASH + 1], rate[16];

	line("size", size, size);
	line("data", size - zero - atomic_load(&p->skipped), size);
	line("zero", zero, size);
	line("holes", holes, size);
	if (s->o.hints != NULL)
		line("skipped", atomic_load(&p->skipped), size);
	printf("chunks     %16llu of %s\n", (unsigned long long)((size + s->o.chunk_size - 1) / s->o.chunk_size),
	       num_format_size(s->o.chunk_size, text));
	printf("root       %s\n", hex_encode(s->disk.root, sizeof s->disk.root, text));
	printf("time       %.2f s, %s/s read\n", s->seconds,
	       num_format_size((uint64_t)((double)bytes_read(s) / s->seconds), rate));
	if (s->o.hints != NULL)
		printf("hints      %s\n", host_hints_fate(&s->hints, &s->disk));
	if (s->o.manifest_out != NULL)
		printf("manifest   %s\n", s->o.manifest_out);
}

int cmd_scan(int argc, char **argv, struct err *e)
{
	cleanup(scan_fini) struct scan s = {0};

	if (host_options_parse(argc, argv, HOST_SCAN, &s.o, e) != 0 || prepare(&s, e) != 0 || run(&s, e) != 0 ||
	    commit(&s, e) != 0)
		return -1;
	if (s.o.json)
		report_json(&s);
	else
		report(&s);
	return 0;
}
