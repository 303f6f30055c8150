// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/mem.h"
#include "cmd.h"
#include "copy/copy.h"
#include "host_key.h"
#include "host_manifest.h"
#include "host_options.h"
#include "host_target.h"
#include "host_watch.h"

#define SOURCE_DEPTH 4

struct copy {
	struct host_options o;
	struct manifest_keys keys;
	struct block *source;
	struct host_target target;
	struct host_manifest manifest;
	struct host_watch watch;
	struct copy_progress progress, verified; /* verified: of --verify */
	struct copy_disk disk, whole;            /* whole: the target, of --verify */
	bool distrusted;                         /* the target turned out to be another than a manifest said */
	double seconds;
};

static void copy_fini(struct copy *c)
{
	host_manifest_fini(&c->manifest);
	host_target_close(&c->target);
	block_close(c->source);
	mem_wipe(&c->keys, sizeof c->keys);
}

static struct copy_config config_of(struct copy *c, struct copy_disk *disk)
{
	return (struct copy_config){
		.keys = &c->keys,
		.chunk_size = (uint32_t)c->o.chunk_size,
		.checkpoint_bytes = c->o.checkpoint_size != 0 ? c->o.checkpoint_size : COPY_DEFAULT_CHECKPOINT_BYTES,
		.checkpoint_ns = COPY_DEFAULT_CHECKPOINT_NS,
		.pool_bytes = COPY_DEFAULT_POOL_BYTES,
		.read_back = !c->o.no_read_back,
		.disks = disk,
		.disk_count = 1,
		.cancel = &c->watch.cancel,
	};
}

/* --sector-size: what a file stands for; a device says it itself. */
static int set_sector(struct copy *c, struct block *b, struct err *e)
{
	uint64_t sector = c->o.sector_size;

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

static int open_source(struct copy *c, struct err *e)
{
	const struct host_options *o = &c->o;

	if (host_key_load(o->key_file, &c->keys, e) != 0)
		return -1;
	c->source = block_disk_open(o->path[0], BLOCK_RO, SOURCE_DEPTH, e);
	if (c->source == NULL || set_sector(c, c->source, e) != 0)
		return -1;
	return host_manifest_open_in(&c->manifest, o->manifest_in, o->manifest_out, &c->keys, &c->source->info,
				     &c->o.chunk_size, e);
}

/* Everything that can be refused is, before the first file is made. */
static int prepare(struct copy *c, struct err *e)
{
	const struct host_options *o = &c->o;

	if (open_source(c, e) != 0)
		return -1;
	if (host_target_open(&c->target, o->path[1], o->path[0], &c->source->info, o->manifest_in != NULL, e) != 0)
		return -1;
	c->disk = (struct copy_disk){
		.block = c->source,
		.target = c->target.block,
		.size = c->source->info.size,
		.progress = &c->progress,
	};
	struct copy_config config = config_of(c, &c->disk);
	if (set_sector(c, c->target.block, e) == 0 && copy_check(&config, true, e) == 0 &&
	    host_manifest_begin(&c->manifest, &c->keys, &c->source->info, config.chunk_size, e) == 0)
		return 0;
	host_target_discard(&c->target);
	host_manifest_fail(&c->manifest, true, e);
	return -1;
}

static int copy(struct copy *c, struct err *e)
{
	struct copy_config config = config_of(c, &c->disk);
	struct ledger *l = c->manifest.working != NULL ? ledger_file_new(&c->manifest.working, 1) : ledger_none_new();
	int rc = copy_local(&config, l, e);

	ledger_close(l);
	return rc;
}

/* Reads all of the target again, whoever wrote it when. */
static int verify(struct copy *c, struct err *e)
{
	if (!c->o.verify)
		return 0;
	c->whole = (struct copy_disk){
		.block = c->target.block,
		.size = c->disk.size,
		.progress = &c->verified,
	};
	struct copy_config config = config_of(c, &c->whole);
	struct ledger *l = ledger_none_new();
	atomic_store(&c->watch.what, "verifying");
	atomic_store(&c->watch.shown, &c->verified);
	int rc = copy_scan(&config, l, e);
	ledger_close(l);
	if (rc != 0)
		return err_wrap(e, "verifying the target");
	if (memcmp(c->whole.root, c->disk.root, sizeof c->disk.root) == 0)
		return 0;
	if (host_manifest_distrust(&c->manifest, e) != 0)
		return -1;
	c->distrusted = true;
	return err_set(e, ERR_CORRUPT, 0,
		       "%s does not hold what %s holds: its manifest was of another target, somebody else wrote to it, or it "
		       "lost data", c->o.path[1], c->o.path[0]);
}

static int run(struct copy *c, struct err *e)
{
	int64_t started = clock_mono_ns();

	if (host_watch_start(&c->watch, "copying", &c->progress, c->disk.size, e) != 0)
		return -1;
	int rc = copy(c, e);
	if (rc == 0)
		rc = verify(c, e);
	if (rc == 0)
		rc = host_manifest_commit(&c->manifest, c->disk.root, e);
	host_watch_stop(&c->watch);
	c->seconds = (double)(clock_mono_ns() - started) / (double)NS_PER_S;
	return rc;
}

/* A target that was made for this copy is of no use without a manifest to go on with. */
static void fail(struct copy *c, struct err *e)
{
	bool untouched = atomic_load(&c->progress.chunks) == 0 && !c->distrusted;

	if (untouched || c->manifest.working == NULL) {
		untouched = untouched || c->target.created || c->target.grown;
		host_target_discard(&c->target);
	}
	host_manifest_fail(&c->manifest, untouched, e);
}

static void report_json(const struct copy *c)
{
	const struct copy_progress *p = &c->progress;
	uint64_t size = c->disk.size, holes = atomic_load(&p->holes);
	char root[2 * MANIFEST_HASH + 1];
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = yyjson_mut_obj(doc);

	yyjson_mut_doc_set_root(doc, o);
	yyjson_mut_obj_add_str(doc, o, "source", c->o.path[0]);
	yyjson_mut_obj_add_str(doc, o, "target", c->o.path[1]);
	yyjson_mut_obj_add_uint(doc, o, "size", size);
	yyjson_mut_obj_add_uint(doc, o, "chunk_size", c->o.chunk_size);
	yyjson_mut_obj_add_uint(doc, o, "chunks", (size + c->o.chunk_size - 1) / c->o.chunk_size);
	yyjson_mut_obj_add_uint(doc, o, "chunks_written", atomic_load(&p->chunks));
	yyjson_mut_obj_add_uint(doc, o, "bytes_read", size - holes);
	yyjson_mut_obj_add_uint(doc, o, "bytes_zero", atomic_load(&p->zero));
	yyjson_mut_obj_add_uint(doc, o, "bytes_holes", holes);
	yyjson_mut_obj_add_uint(doc, o, "bytes_unchanged", atomic_load(&p->unchanged));
	yyjson_mut_obj_add_uint(doc, o, "bytes_written", atomic_load(&p->sent));
	yyjson_mut_obj_add_uint(doc, o, "bytes_zeroed", atomic_load(&p->sent_zero));
	yyjson_mut_obj_add_uint(doc, o, "bytes_read_back", atomic_load(&p->verified));
	yyjson_mut_obj_add_uint(doc, o, "checkpoints", atomic_load(&p->checkpoints));
	yyjson_mut_obj_add_bool(doc, o, "verified", c->o.verify);
	yyjson_mut_obj_add_real(doc, o, "seconds", c->seconds);
	yyjson_mut_obj_add_real(doc, o, "bytes_per_second", (double)(size - holes) / c->seconds);
	yyjson_mut_obj_add_str(doc, o, "root", hex_encode(c->disk.root, sizeof c->disk.root, root));
	if (c->o.manifest_in != NULL)
		yyjson_mut_obj_add_str(doc, o, "manifest_in", c->o.manifest_in);
	if (c->o.manifest_out != NULL)
		yyjson_mut_obj_add_str(doc, o, "manifest_out", c->o.manifest_out);
	cleanup(cleanup_free) char *text = yyjson_mut_write(doc, 0, NULL);
	puts(text != NULL ? text : "{}");
	yyjson_mut_doc_free(doc);
}

static void line(const char *label, uint64_t bytes)
{
	char text[16];

	printf("%-10s %16llu bytes (%s)\n", label, (unsigned long long)bytes, num_format_size(bytes, text));
}

static void report(const struct copy *c)
{
	const struct copy_progress *p = &c->progress;
	uint64_t size = c->disk.size, holes = atomic_load(&p->holes);
	char text[2 * MANIFEST_HASH + 1];

	line("size", size);
	line("read", size - holes);
	line("zero", atomic_load(&p->zero));
	line("holes", holes);
	line("unchanged", atomic_load(&p->unchanged));
	line("written", atomic_load(&p->sent));
	line("zeroed", atomic_load(&p->sent_zero));
	printf("chunks     %16llu written of %llu\n", (unsigned long long)atomic_load(&p->chunks),
	       (unsigned long long)((size + c->o.chunk_size - 1) / c->o.chunk_size));
	printf("root       %s\n", hex_encode(c->disk.root, sizeof c->disk.root, text));
	printf("time       %.2f s, %s/s read\n", c->seconds,
	       num_format_size((uint64_t)((double)(size - holes) / c->seconds), text));
	if (c->o.verify)
		puts("verified   the whole target was read back");
	if (c->o.manifest_out != NULL)
		printf("manifest   %s\n", c->o.manifest_out);
}

int cmd_copy(int argc, char **argv, struct err *e)
{
	cleanup(copy_fini) struct copy c = {0};

	if (host_options_parse(argc, argv, 2, true, &c.o, e) != 0 || prepare(&c, e) != 0)
		return -1;
	if (run(&c, e) != 0) {
		fail(&c, e);
		return -1;
	}
	if (c.o.json)
		report_json(&c);
	else
		report(&c);
	return 0;
}
