// SPDX-License-Identifier: Apache-2.0
#include "host_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

#include "base/cleanup.h"
#include "base/hex.h"

static uint64_t chunks_of(const struct host_report *r)
{
	return (r->disk->size + r->options->chunk_size - 1) / r->options->chunk_size;
}

/* The sample included. */
static uint64_t read_of(const struct host_report *r)
{
	const struct copy_progress *p = r->disk->progress;

	return r->disk->size - atomic_load(&p->holes) - atomic_load(&p->skipped) + atomic_load(&p->sampled);
}

static void add_bytes(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct host_report *r)
{
	const struct copy_progress *p = r->disk->progress;

	yyjson_mut_obj_add_uint(doc, o, "chunks", chunks_of(r));
	yyjson_mut_obj_add_uint(doc, o, "chunks_written", atomic_load(&p->chunks));
	yyjson_mut_obj_add_uint(doc, o, "bytes_read", read_of(r));
	yyjson_mut_obj_add_uint(doc, o, "bytes_zero", atomic_load(&p->zero));
	yyjson_mut_obj_add_uint(doc, o, "bytes_holes", atomic_load(&p->holes));
	yyjson_mut_obj_add_uint(doc, o, "bytes_skipped", atomic_load(&p->skipped));
	yyjson_mut_obj_add_uint(doc, o, "bytes_sampled", atomic_load(&p->sampled));
	yyjson_mut_obj_add_uint(doc, o, "bytes_unchanged", atomic_load(&p->unchanged));
	yyjson_mut_obj_add_uint(doc, o, "bytes_written", atomic_load(&p->sent));
	yyjson_mut_obj_add_uint(doc, o, "bytes_zeroed", atomic_load(&p->sent_zero));
	if (r->wire > 0)
		yyjson_mut_obj_add_uint(doc, o, "bytes_wire", r->wire);
	else
		yyjson_mut_obj_add_uint(doc, o, "bytes_read_back", atomic_load(&p->verified));
	yyjson_mut_obj_add_uint(doc, o, "checkpoints", atomic_load(&p->checkpoints));
}

static void report_json(const struct host_report *r)
{
	const struct host_options *opt = r->options;
	char root[2 * MANIFEST_HASH + 1];
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *o = yyjson_mut_obj(doc);

	yyjson_mut_doc_set_root(doc, o);
	yyjson_mut_obj_add_str(doc, o, "source", opt->path[0]);
	yyjson_mut_obj_add_str(doc, o, "target", opt->path[1]);
	yyjson_mut_obj_add_uint(doc, o, "size", r->disk->size);
	yyjson_mut_obj_add_uint(doc, o, "chunk_size", opt->chunk_size);
	add_bytes(doc, o, r);
	if (r->wire == 0)
		yyjson_mut_obj_add_bool(doc, o, "verified", opt->verify);
	yyjson_mut_obj_add_real(doc, o, "seconds", r->seconds);
	yyjson_mut_obj_add_real(doc, o, "bytes_per_second", (double)read_of(r) / r->seconds);
	yyjson_mut_obj_add_str(doc, o, "hints", host_hints_fate(r->hints, r->disk));
	if (r->disk->refuted)
		yyjson_mut_obj_add_uint(doc, o, "hints_refuted_at", r->disk->refuted_at);
	yyjson_mut_obj_add_str(doc, o, "root", hex_encode(r->disk->root, sizeof r->disk->root, root));
	if (opt->manifest_in != NULL)
		yyjson_mut_obj_add_str(doc, o, "manifest_in", opt->manifest_in);
	if (opt->manifest_out != NULL)
		yyjson_mut_obj_add_str(doc, o, "manifest_out", opt->manifest_out);
	cleanup(cleanup_free) char *text = yyjson_mut_write(doc, 0, NULL);
	puts(text != NULL ? text : "{}");
	yyjson_mut_doc_free(doc);
}

static void line(const char *label, uint64_t bytes)
{
	char text[16];

	printf("%-10s %16llu bytes (%s)\n", label, (unsigned long long)bytes, num_format_size(bytes, text));
}

static void report_text(const struct host_report *r)
{
	const struct copy_progress *p = r->disk->progress;
	char text[2 * MANIFEST_HASH + 1];

	line("size", r->disk->size);
	line("read", read_of(r));
	line("zero", atomic_load(&p->zero));
	line("holes", atomic_load(&p->holes));
	if (r->options->hints != NULL)
		line("skipped", atomic_load(&p->skipped));
	line("unchanged", atomic_load(&p->unchanged));
	line("written", atomic_load(&p->sent));
	line("zeroed", atomic_load(&p->sent_zero));
	if (r->wire > 0)
		line("wire", r->wire);
	printf("chunks     %16llu written of %llu\n", (unsigned long long)atomic_load(&p->chunks),
	       (unsigned long long)chunks_of(r));
	printf("root       %s\n", hex_encode(r->disk->root, sizeof r->disk->root, text));
	printf("time       %.2f s, %s/s read\n", r->seconds,
	       num_format_size((uint64_t)((double)read_of(r) / r->seconds), text));
	if (r->options->verify)
		puts("verified   the whole target was read back");
	if (r->options->hints != NULL)
		printf("hints      %s\n", host_hints_fate(r->hints, r->disk));
	if (r->options->manifest_out != NULL)
		printf("manifest   %s\n", r->options->manifest_out);
}

void host_report(const struct host_report *r)
{
	if (r->options->json)
		report_json(r);
	else
		report_text(r);
}
