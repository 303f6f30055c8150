// SPDX-License-Identifier: Apache-2.0
#include "qemu_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "json_read.h"
#include "json_format.h"
#include "qemu_record_json.h"

const char *const qemu_format_names[] = {[QEMU_RAW] = "raw", [QEMU_QCOW2] = "qcow2", NULL};
static const char *const state_names[] = {
	[SNAPSHOT_CREATING] = "creating", [SNAPSHOT_READY] = "ready", [SNAPSHOT_MERGING] = "merging", NULL};

struct json_doc *qemu_record_open(const struct qemu_cloud *c, enum qemu_folder f, const char *name,
				  const char *word, struct err *e)
{
	cleanup(cleanup_free) char *file = qemu_record_file(c, f, name);

	if (qemu_name_check(name, e) < 0)
		return NULL;
	struct json_doc *doc = json_load(file, e);

	if (doc == NULL && e->kind == ERR_NOT_FOUND)
		err_set(e, ERR_NOT_FOUND, 0, "there is no %s %s in the qemu cloud %s (no file %s): is the name right?", word, name,
			c->dir, file);
	return doc;
}

int qemu_record_close(struct json_doc *doc, struct json_at *at, struct err *e)
{
	json_no_more(at);
	int rc = json_finish(doc, e);

	json_free(doc);
	return rc;
}

void qemu_read_text(struct json_at *at, const char *key, enum json_need need, char *out, size_t size)
{
	const char *text = json_string(at, key, need, "");

	if (strlen(text) >= size)
		json_complain(at, key, "is longer than %zu characters", size - 1);
	snprintf(out, size, "%s", text);
}

void qemu_read_tags(struct json_at *at, enum json_need need, struct res_tags *t)
{
	static const char *const purposes[] = {"scaffold", "replica", "generation", "baseline", "target", NULL};
	struct json_at tags = json_object(at, "tags", need);

	qemu_read_text(&tags, "owner", JSON_REQUIRED, t->owner, sizeof t->owner);
	qemu_read_text(&tags, "job", JSON_REQUIRED, t->job, sizeof t->job);
	qemu_read_text(&tags, "run", JSON_REQUIRED, t->run, sizeof t->run);
	t->epoch = json_number(&tags, "epoch", JSON_REQUIRED, 0, UINT64_MAX, 0);
	t->purpose = (enum res_purpose)json_choice(&tags, "purpose", JSON_REQUIRED, purposes, PURPOSE_SCAFFOLD);
	t->expires_s = (int64_t)json_number(&tags, "expires_s", JSON_OPTIONAL, 0, INT64_MAX, 0);
	t->generation = json_number(&tags, "generation", JSON_OPTIONAL, 0, UINT64_MAX, 0);
	t->dirty = json_bool(&tags, "dirty", JSON_OPTIONAL, false);
	json_no_more(&tags);
}

char *qemu_tags_json(const struct res_tags *t)
{
	return json_format("{'owner':%s,'job':%s,'run':%s,'epoch':%u,'purpose':%s,'expires_s':%u,'generation':%u,'"
			  "dirty':%b}",
			  t->owner, t->job, t->run, t->epoch, res_purpose_name(t->purpose), (uint64_t)t->expires_s,
			  t->generation, t->dirty);
}

static uint32_t read_sector(struct json_at *at)
{
	uint64_t sector = json_number(at, "logical_sector", JSON_OPTIONAL, 512, 4096, 512);

	if (sector != 512 && sector != 4096)
		json_complain(at, "logical_sector", "expected 512 or 4096, found %u", (unsigned)sector);
	return (uint32_t)sector;
}

int qemu_disk_load(const struct qemu_cloud *c, const char *name, struct qemu_disk *d, struct err *e)
{
	struct json_doc *doc = qemu_record_open(c, QEMU_DISKS, name, "disk", e);

	*d = (struct qemu_disk){0};
	if (doc == NULL)
		return -1;
	struct json_at at = json_root(doc);

	snprintf(d->name, sizeof d->name, "%s", name);
	qemu_read_text(&at, "uid", JSON_REQUIRED, d->uid, sizeof d->uid);
	d->ready = json_bool(&at, "ready", JSON_REQUIRED, false);
	d->removed = json_bool(&at, "removed", JSON_OPTIONAL, false);
	d->size = json_number(&at, "size", JSON_REQUIRED, 0, INT64_MAX, 0);
	d->logical_sector = read_sector(&at);
	d->image.format = (enum qemu_format)json_choice(&at, "format", JSON_REQUIRED, qemu_format_names, QEMU_RAW);
	qemu_read_text(&at, "file", JSON_REQUIRED, d->image.file, sizeof d->image.file);
	qemu_read_text(&at, "snapshot", JSON_OPTIONAL, d->snapshot, sizeof d->snapshot);
	qemu_read_tags(&at, JSON_REQUIRED, &d->tags);
	return qemu_record_close(doc, &at, e);
}

char *qemu_disk_json(const struct qemu_disk *d)
{
	cleanup(cleanup_free) char *tags = qemu_tags_json(&d->tags);

	return json_format("{'uid':%s,'ready':%b,'removed':%b,'size':%u,'logical_sector':%d,'format':%s,'file':%s,"
			  "'snapshot':%s,'tags':%j}",
			  d->uid, d->ready, d->removed, d->size, (int)d->logical_sector,
			  qemu_format_names[d->image.format], d->image.file, d->snapshot, tags);
}

int qemu_disk_save(const struct qemu_cloud *c, const struct qemu_disk *d, struct err *e)
{
	cleanup(cleanup_free) char *json = qemu_disk_json(d);

	return qemu_record_save(c, QEMU_DISKS, d->name, json, e);
}

static void read_proc(struct json_at *at, struct qemu_proc *p)
{
	struct json_at proc = json_object(at, "process", JSON_OPTIONAL);

	if (proc.val == NULL)
		return;
	p->pid = (int)json_number(&proc, "pid", JSON_REQUIRED, 0, INT32_MAX, 0);
	p->start = json_number(&proc, "start", JSON_REQUIRED, 0, UINT64_MAX, 0);
	qemu_read_text(&proc, "boot", JSON_REQUIRED, p->boot, sizeof p->boot);
	json_no_more(&proc);
}

static void add_proc(struct buf *b, const struct qemu_proc *p)
{
	json_format_add(b, "'process':{'pid':%d,'start':%u,'boot':%s},", p->pid, p->start, p->boot);
}

static void read_pause(struct json_at *at, struct qemu_pause *p)
{
	struct json_at pause = json_object(at, "paused", JSON_OPTIONAL);

	if (pause.val == NULL)
		return;
	qemu_read_text(&pause, "machine", JSON_REQUIRED, p->machine, sizeof p->machine);
	p->disk = (unsigned)json_number(&pause, "disk", JSON_REQUIRED, 0, INT32_MAX, 0);
	read_proc(&pause, &p->proc);
	json_no_more(&pause);
}

static void add_pause(struct buf *b, const struct qemu_pause *p)
{
	json_format_add(b, "'paused':{");
	add_proc(b, &p->proc);
	json_format_add(b, "'machine':%s,'disk':%d},", p->machine, (int)p->disk);
}

int qemu_snapshot_load(const struct qemu_cloud *c, const char *name, struct qemu_snapshot *s, struct err *e)
{
	static const char *const kinds[] = {"overlay", "live", NULL};
	struct json_doc *doc = qemu_record_open(c, QEMU_SNAPSHOTS, name, "snapshot", e);

	*s = (struct qemu_snapshot){0};
	if (doc == NULL)
		return -1;
	struct json_at at = json_root(doc);

	snprintf(s->name, sizeof s->name, "%s", name);
	qemu_read_text(&at, "uid", JSON_REQUIRED, s->uid, sizeof s->uid);
	s->state = (enum qemu_snapshot_state)json_choice(&at, "state", JSON_REQUIRED, state_names,
							 SNAPSHOT_CREATING);
	s->live = json_choice(&at, "kind", JSON_REQUIRED, kinds, 0) == 1;
	qemu_read_text(&at, "machine", JSON_OPTIONAL, s->machine, sizeof s->machine);
	qemu_read_text(&at, "disk", JSON_REQUIRED, s->disk, sizeof s->disk);
	s->size = json_number(&at, "size", JSON_REQUIRED, 0, INT64_MAX, 0);
	s->logical_sector = read_sector(&at);
	read_proc(&at, &s->proc);
	s->base.format = (enum qemu_format)json_choice(&at, "base_format", JSON_OPTIONAL, qemu_format_names,
						       QEMU_RAW);
	qemu_read_text(&at, "base", JSON_OPTIONAL, s->base.file, sizeof s->base.file);
	qemu_read_text(&at, "over", JSON_OPTIONAL, s->over, sizeof s->over);
	read_pause(&at, &s->paused);
	qemu_read_tags(&at, JSON_REQUIRED, &s->tags);
	return qemu_record_close(doc, &at, e);
}

char *qemu_snapshot_json(const struct qemu_snapshot *s)
{
	cleanup(cleanup_free) char *tags = qemu_tags_json(&s->tags);
	cleanup(buf_fini) struct buf b = BUF_INIT;

	json_format_add(&b, "{'uid':%s,'state':%s,'kind':%s,'machine':%s,'disk':%s,'size':%u,'logical_sector':%d,",
		      s->uid, state_names[s->state], s->live ? "live" : "overlay", s->machine, s->disk, s->size,
		      (int)s->logical_sector);
	if (s->live)
		add_proc(&b, &s->proc);
	else
		json_format_add(&b, "'base':%s,'base_format':%s,'over':%s,", s->base.file,
			      qemu_format_names[s->base.format], s->over);
	if (s->paused.machine[0] != '\0')
		add_pause(&b, &s->paused);
	json_format_add(&b, "'tags':%j}", tags);
	return buf_take(&b);
}

int qemu_snapshot_save(const struct qemu_cloud *c, const struct qemu_snapshot *s, struct err *e)
{
	cleanup(cleanup_free) char *json = qemu_snapshot_json(s);

	return qemu_record_save(c, QEMU_SNAPSHOTS, s->name, json, e);
}

int qemu_worker_load(const struct qemu_cloud *c, const char *name, struct qemu_worker *w, struct err *e)
{
	struct json_doc *doc = qemu_record_open(c, QEMU_RUN, name, "worker", e);
	struct json_at disks;

	*w = (struct qemu_worker){0};
	if (doc == NULL)
		return -1;
	struct json_at at = json_root(doc);

	snprintf(w->name, sizeof w->name, "%s", name);
	qemu_read_text(&at, "uid", JSON_REQUIRED, w->uid, sizeof w->uid);
	w->ready = json_bool(&at, "ready", JSON_REQUIRED, false);
	w->host_port = (uint16_t)json_number(&at, "host_port", JSON_REQUIRED, 0, UINT16_MAX, 0);
	w->guest_port = (uint16_t)json_number(&at, "guest_port", JSON_REQUIRED, 0, UINT16_MAX, 0);
	size_t n = json_array(&at, "disks", JSON_REQUIRED, &disks);

	for (size_t i = 0; i < n && i < QEMU_WORKER_DISKS; i++) {
		struct json_at one = json_element(&disks, i);
		struct qemu_worker_disk *d = &w->disks[w->disk_count++];

		qemu_read_text(&one, "disk", JSON_REQUIRED, d->disk, sizeof d->disk);
		qemu_read_text(&one, "serial", JSON_REQUIRED, d->serial, sizeof d->serial);
		d->read_only = json_bool(&one, "read_only", JSON_REQUIRED, false);
		d->port = (int)json_number(&one, "port", JSON_OPTIONAL, 0, 255, UINT64_MAX);
		json_no_more(&one);
	}
	qemu_read_tags(&at, JSON_REQUIRED, &w->tags);
	return qemu_record_close(doc, &at, e);
}

char *qemu_worker_json(const struct qemu_worker *w)
{
	cleanup(cleanup_free) char *tags = qemu_tags_json(&w->tags);
	cleanup(buf_fini) struct buf b = BUF_INIT;

	json_format_add(&b, "{'uid':%s,'ready':%b,'host_port':%d,'guest_port':%d,'disks':[", w->uid, w->ready,
		      (int)w->host_port, (int)w->guest_port);
	for (unsigned i = 0; i < w->disk_count; i++) {
		const struct qemu_worker_disk *d = &w->disks[i];

		json_format_add(&b, i == 0 ? "" : ",");
		json_format_add(&b, "{'disk':%s,'serial':%s,'read_only':%b", d->disk, d->serial, d->read_only);
		if (d->port >= 0)
			json_format_add(&b, ",'port':%d", d->port);
		buf_adds(&b, "}");
	}
	json_format_add(&b, "],'tags':%j}", tags);
	return buf_take(&b);
}

int qemu_worker_save(const struct qemu_cloud *c, const struct qemu_worker *w, struct err *e)
{
	cleanup(cleanup_free) char *json = qemu_worker_json(w);

	return qemu_record_save(c, QEMU_RUN, w->name, json, e);
}
