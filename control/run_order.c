// SPDX-License-Identifier: Apache-2.0
#include "run_order.h"

#include <string.h>
#include <yyjson.h>

#include "base/hex.h"
#include "base/mem.h"

/* "changed": how many chunks are left out, how many are to be read, and so on. */
static void add_changed(yyjson_mut_doc *doc, yyjson_mut_val *disk, const struct hints *h)
{
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, disk, "changed");
	uint64_t at = 0;

	for (size_t i = 0; i < h->ranges.list.len; i++) {
		const struct extent *x = &h->ranges.list.at[i];
		uint64_t start = x->start / h->chunk_size, end = (x->end + h->chunk_size - 1) / h->chunk_size;

		yyjson_mut_arr_add_uint(doc, list, start - at);
		yyjson_mut_arr_add_uint(doc, list, end - start);
		at = end;
	}
}

static void add_place(yyjson_mut_doc *doc, yyjson_mut_val *disk, const struct disk_access *a)
{
	yyjson_mut_val *at = yyjson_mut_obj_add_obj(doc, disk, "at");

	yyjson_mut_obj_add_str(doc, at, "url", a->url);
	yyjson_mut_obj_add_str(doc, at, "token", a->token);
	yyjson_mut_obj_add_str(doc, at, "lease", a->lease);
}

char *run_order_body(const struct context *c, const struct run_order *o, const char *attempt)
{
	static const struct limits none;
	char key[2 * sizeof c->keys.hash_secret + 1], limits[LIMITS_TEXT];
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = yyjson_mut_obj(doc);

	yyjson_mut_doc_set_root(doc, root);
	yyjson_mut_obj_add_str(doc, root, "attempt", attempt);
	yyjson_mut_obj_add_str(doc, root, "kind", o->kind);
	yyjson_mut_obj_add_str(doc, root, "key", hex_encode(c->keys.hash_secret, sizeof c->keys.hash_secret, key));
	yyjson_mut_obj_add_uint(doc, root, "chunk_size", c->job.chunk_size);
	yyjson_mut_obj_add_uint(doc, root, "checkpoint_bytes", c->job.checkpoint_bytes);
	yyjson_mut_obj_add_uint(doc, root, "checkpoint_ms", c->job.checkpoint_seconds * UINT64_C(1000));
	yyjson_mut_obj_add_str(doc, root, "compression", compression_name(c->job.compression));
	yyjson_mut_obj_add_int(doc, root, "level", c->job.level);
	yyjson_mut_obj_add_bool(doc, root, "read_back", c->job.read_back);
	yyjson_mut_obj_add_bool(doc, root, "read_only", o->read_only);
	/* An image that knows no limits may serve a job without any. */
	if (!limits_equal(&o->limits, &none))
		yyjson_mut_obj_add_val(doc, root, "limits", yyjson_mut_raw(doc, limits_json(&o->limits, limits)));
	yyjson_mut_obj_add_uint(doc, root, "reconnect_ms", c->job.reconnect_seconds * UINT64_C(1000));
	yyjson_mut_val *disks = yyjson_mut_obj_add_arr(doc, root, "disks");
	for (unsigned i = o->batch.first; i < o->batch.end; i++) {
		if (o->only_rehash && !o->replica->disks[i].rehash)
			continue;
		yyjson_mut_val *d = yyjson_mut_arr_add_obj(doc, disks);
		yyjson_mut_obj_add_uint(doc, d, "index", i);
		if (strcmp(o->kind, "scan") != 0 || o->access->count == 0)
			yyjson_mut_obj_add_str(doc, d, "serial", o->side->disks[i].serial);
		yyjson_mut_obj_add_uint(doc, d, "size", o->replica->disks[i].size);
		if (o->hints != NULL && source_hints_of(o->hints, i) != NULL)
			add_changed(doc, d, source_hints_of(o->hints, i));
		if (i < o->access->count)
			add_place(doc, d, &o->access->disks[i]);
	}
	if (o->access->count > 0)
		yyjson_mut_obj_add_str(doc, root, "trust", o->access->disks[0].trust);
	if (o->way != PEER_NONE) {
		yyjson_mut_val *peer = yyjson_mut_obj_add_obj(doc, root, "peer");
		if (o->way == PEER_LISTEN)
			yyjson_mut_obj_add_bool(doc, peer, "listen", true);
		else
			yyjson_mut_obj_add_str(doc, peer, "dial", o->dial);
		yyjson_mut_obj_add_str(doc, peer, "session", o->session);
		yyjson_mut_obj_add_uint(doc, peer, "connections", c->job.connections);
	}
	char *text = yyjson_mut_write(doc, 0, NULL);
	yyjson_mut_doc_free(doc);
	mem_wipe(key, sizeof key);
	return text;
}
