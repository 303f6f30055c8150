// SPDX-License-Identifier: Apache-2.0
#include "job/api_json.h"

#include <stdlib.h>
#include <yyjson.h>

#include "base/clock.h"
#include "net/wire.h"

static void write_out(yyjson_mut_doc *doc, struct buf *out)
{
	size_t len = 0;
	/* A message may hold bytes of a peer or of a device name that are no UTF-8. */
	char *text = yyjson_mut_write(doc, YYJSON_WRITE_ALLOW_INVALID_UNICODE | YYJSON_WRITE_ESCAPE_UNICODE, &len);

	if (text != NULL)
		buf_add(out, text, len);
	free(text);
	yyjson_mut_doc_free(doc);
}

static yyjson_mut_val *new_root(yyjson_mut_doc **doc)
{
	*doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = yyjson_mut_obj(*doc);
	yyjson_mut_doc_set_root(*doc, root);
	return root;
}

static const char *role_name(const struct api *api)
{
	return api->boot->role == WIRE_SOURCE ? "export" : "import";
}

void api_json_identity(const struct api *api, struct buf *out)
{
	yyjson_mut_doc *doc;
	yyjson_mut_val *root = new_root(&doc);

	yyjson_mut_obj_add_str(doc, root, "version", WHERRY_VERSION);
	yyjson_mut_val *wire = yyjson_mut_obj_add_arr(doc, root, "wire");
	yyjson_mut_arr_add_uint(doc, wire, WIRE_VERSION);
	yyjson_mut_arr_add_uint(doc, wire, WIRE_VERSION);
	yyjson_mut_obj_add_str(doc, root, "spki", identity_spki(api->identity));
	yyjson_mut_obj_add_str(doc, root, "job", api->boot->job);
	yyjson_mut_obj_add_str(doc, root, "run", api->boot->run);
	yyjson_mut_obj_add_uint(doc, root, "epoch", api->boot->epoch);
	yyjson_mut_obj_add_str(doc, root, "role", role_name(api));
	write_out(doc, out);
}

static void add_error(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct err *e)
{
	yyjson_mut_val *error = yyjson_mut_obj_add_obj(doc, root, "error");

	yyjson_mut_obj_add_str(doc, error, "kind", err_kind_name(e->kind));
	yyjson_mut_obj_add_strcpy(doc, error, "message", e->msg);
}

static void add_disk(yyjson_mut_doc *doc, yyjson_mut_val *list, const struct runner_disk *d)
{
	const struct {
		const char *name;
		uint64_t value;
	} fields[] = {
		{"index", d->index},         {"size", d->size},           {"scanned", d->scanned},
		{"skipped", d->skipped},     {"zero", d->zero},           {"holes", d->holes},
		{"unchanged", d->unchanged}, {"sent", d->sent},           {"sent_zero", d->sent_zero},
		{"sent_wire", d->sent_wire}, {"chunks", d->chunks},       {"written", d->written},
		{"verified", d->verified},   {"durable", d->durable},     {"checkpoints", d->checkpoints},
	};
	yyjson_mut_val *disk = yyjson_mut_arr_add_obj(doc, list);

	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		yyjson_mut_obj_add_uint(doc, disk, fields[i].name, fields[i].value);
}

static void add_packing(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct runner_status *s)
{
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, root, "packing");

	for (unsigned i = 0; i < s->packing_count; i++) {
		const struct runner_packing *p = &s->packing[i];
		yyjson_mut_val *level = yyjson_mut_arr_add_obj(doc, list);

		yyjson_mut_obj_add_int(doc, level, "level", p->level);
		yyjson_mut_obj_add_uint(doc, level, "chunks", p->chunks);
		yyjson_mut_obj_add_uint(doc, level, "bytes", p->bytes);
		yyjson_mut_obj_add_uint(doc, level, "packed", p->packed);
	}
}

static void add_counters(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct counters *c)
{
	yyjson_mut_val *counters = yyjson_mut_obj_add_obj(doc, root, "counters");

	yyjson_mut_obj_add_uint(doc, counters, "cpu_user_ns", c->cpu_user_ns);
	yyjson_mut_obj_add_uint(doc, counters, "cpu_system_ns", c->cpu_system_ns);
	yyjson_mut_obj_add_uint(doc, counters, "memory_available", c->memory_available);
	yyjson_mut_obj_add_uint(doc, counters, "disk_read_bytes", c->disk_read_bytes);
	yyjson_mut_obj_add_uint(doc, counters, "disk_written_bytes", c->disk_written_bytes);
	yyjson_mut_obj_add_uint(doc, counters, "net_in_bytes", c->net_in_bytes);
	yyjson_mut_obj_add_uint(doc, counters, "net_out_bytes", c->net_out_bytes);
}

static void add_link(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct runner_status *s)
{
	const struct copy_link_status *st = &s->link.st;
	yyjson_mut_val *link = yyjson_mut_obj_add_obj(doc, root, "link");

	yyjson_mut_obj_add_uint(doc, link, "connections", st->channels);
	yyjson_mut_obj_add_uint(doc, link, "up", st->up);
	yyjson_mut_obj_add_uint(doc, link, "cuts", st->cuts);
	yyjson_mut_obj_add_uint(doc, link, "resent", st->resent);
	if (s->link.down_ns == 0)
		return;
	yyjson_mut_obj_add_uint(doc, link, "reconnecting_ms", (uint64_t)(s->link.down_ns / NS_PER_MS));
	yyjson_mut_obj_add_strcpy(doc, link, "why", st->why.msg);
}

void api_json_status(const struct api *api, const struct runner_status *s, const struct counters *c, struct buf *out)
{
	yyjson_mut_doc *doc;
	yyjson_mut_val *root = new_root(&doc);
	char limits[LIMITS_TEXT];

	yyjson_mut_obj_add_str(doc, root, "version", WHERRY_VERSION);
	yyjson_mut_obj_add_str(doc, root, "role", role_name(api));
	yyjson_mut_obj_add_str(doc, root, "state", runner_state_name(s->state));
	if (s->state == RUNNER_FAILED)
		add_error(doc, root, &s->error);
	yyjson_mut_val *disks = yyjson_mut_obj_add_arr(doc, root, "disks");
	for (unsigned i = 0; i < s->disk_count; i++)
		add_disk(doc, disks, &s->disks[i]);
	yyjson_mut_obj_add_val(doc, root, "limits", yyjson_mut_rawcpy(doc, limits_json(&s->limits, limits)));
	add_packing(doc, root, s);
	yyjson_mut_val *wire = yyjson_mut_obj_add_obj(doc, root, "wire");
	yyjson_mut_obj_add_uint(doc, wire, "in", s->link.in);
	yyjson_mut_obj_add_uint(doc, wire, "out", s->link.out);
	if (s->link.st.channels > 0)
		add_link(doc, root, s);
	add_counters(doc, root, c);
	write_out(doc, out);
}

void api_json_disks(const struct disk_list *disks, struct buf *out)
{
	yyjson_mut_doc *doc;
	yyjson_mut_val *root = new_root(&doc);
	yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, root, "disks");

	for (size_t i = 0; i < disks->list.len; i++) {
		const struct disk_entry *d = &disks->list.at[i];
		yyjson_mut_val *disk = yyjson_mut_arr_add_obj(doc, list);

		yyjson_mut_obj_add_str(doc, disk, "name", d->name);
		yyjson_mut_obj_add_str(doc, disk, "serial", d->serial);
		yyjson_mut_obj_add_uint(doc, disk, "size", d->size);
		yyjson_mut_obj_add_uint(doc, disk, "logical_sector", d->logical_sector);
		yyjson_mut_obj_add_uint(doc, disk, "physical_sector", d->physical_sector);
	}
	write_out(doc, out);
}

void api_json_error(const struct err *e, struct buf *out)
{
	yyjson_mut_doc *doc;
	yyjson_mut_val *root = new_root(&doc);

	add_error(doc, root, e);
	write_out(doc, out);
}
