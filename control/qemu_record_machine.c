// SPDX-License-Identifier: Apache-2.0
/* machines/<name>.json, and questions that go over several records. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "json_format.h"
#include "qemu_record.h"
#include "qemu_record_json.h"

const char *const qemu_firmware_names[] = {[FIRMWARE_BIOS] = "bios", [FIRMWARE_UEFI] = "uefi", NULL};

void qemu_machine_fini(struct qemu_machine *m)
{
	vec_fini(&m->disks);
	vec_fini(&m->nics);
}

static void read_disk(struct json_at *at, struct qemu_machine_disk *d)
{
	qemu_read_text(at, "name", JSON_REQUIRED, d->name, sizeof d->name);
	qemu_read_text(at, "disk", JSON_OPTIONAL, d->disk, sizeof d->disk);
	qemu_read_text(at, "file", d->disk[0] != '\0' ? JSON_OPTIONAL : JSON_REQUIRED, d->image.file,
		       sizeof d->image.file);
	d->image.format = (enum qemu_format)json_choice(at, "format",
							d->disk[0] != '\0' ? JSON_OPTIONAL : JSON_REQUIRED,
							qemu_format_names, QEMU_RAW);
	d->logical_sector = (uint32_t)json_number(at, "logical_sector", JSON_OPTIONAL, 512, 4096, 512);
	d->boot = json_bool(at, "boot", JSON_OPTIONAL, false);
	if (d->logical_sector != 512 && d->logical_sector != 4096)
		json_complain(at, "logical_sector", "expected 512 or 4096, found %u", d->logical_sector);
	if (d->disk[0] != '\0' && d->image.file[0] != '\0')
		json_complain(at, "file",
			      "stands beside \"disk\": a disk is either a file or a disk of this cloud");
	json_no_more(at);
}

static void read_nic(struct json_at *at, struct machine_nic *n)
{
	qemu_read_text(at, "mac", JSON_REQUIRED, n->mac, sizeof n->mac);
	qemu_read_text(at, "network", JSON_OPTIONAL, n->network, sizeof n->network);
	qemu_read_text(at, "model", JSON_OPTIONAL, n->model, sizeof n->model);
	if (n->model[0] == '\0')
		snprintf(n->model, sizeof n->model, "virtio-net-pci");
	json_no_more(at);
}

static void read_machine(struct json_at *at, struct qemu_machine *m)
{
	struct json_at list;

	m->memory_mib = json_number(at, "memory_mib", JSON_REQUIRED, 16, UINT64_C(1) << 30, 256);
	m->vcpus = (unsigned)json_number(at, "vcpus", JSON_OPTIONAL, 1, 1024, 1);
	m->firmware = (enum firmware)json_choice(at, "firmware", JSON_OPTIONAL, qemu_firmware_names, FIRMWARE_BIOS);
	size_t n = json_array(at, "disks", JSON_REQUIRED, &list);

	for (size_t i = 0; i < n; i++) {
		struct json_at one = json_element(&list, i);

		read_disk(&one, vec_push(&m->disks));
		for (size_t k = 0; k < i; k++)
			if (strcmp(m->disks.at[k].name, m->disks.at[i].name) == 0)
				json_complain(&one, "name", "\"%s\" is the name of another disk, too",
					      m->disks.at[i].name);
	}
	n = json_array(at, "nics", JSON_OPTIONAL, &list);
	for (size_t i = 0; i < n; i++) {
		struct json_at one = json_element(&list, i);

		read_nic(&one, vec_push(&m->nics));
	}
	qemu_read_text(at, "kernel", JSON_OPTIONAL, m->kernel, sizeof m->kernel);
	qemu_read_text(at, "initrd", JSON_OPTIONAL, m->initrd, sizeof m->initrd);
	qemu_read_text(at, "append", JSON_OPTIONAL, m->append, sizeof m->append);
	m->tagged = json_has(at, "tags");
	if (m->tagged)
		qemu_read_tags(at, JSON_REQUIRED, &m->tags);
	qemu_read_text(at, "uid", JSON_OPTIONAL, m->uid, sizeof m->uid);
}

static int resolve_disks(const struct qemu_cloud *c, struct qemu_machine *m, struct err *e)
{
	for (size_t i = 0; i < m->disks.len; i++) {
		struct qemu_machine_disk *d = &m->disks.at[i];
		struct qemu_disk record;

		if (d->disk[0] == '\0')
			continue;
		if (qemu_disk_load(c, d->disk, &record, e) < 0)
			return err_wrap(e, "machine %s, disk %s", m->name, d->name);
		if (record.removed || record.image.file[0] == '\0')
			return err_set(e, ERR_NOT_FOUND, 0, "machine %s, disk %s: disk %s cannot hold a machine",
				       m->name, d->name, d->disk);
		d->image = record.image;
		d->logical_sector = record.logical_sector;
	}
	return 0;
}

int qemu_machine_load(const struct qemu_cloud *c, const char *name, struct qemu_machine *m, struct err *e)
{
	struct json_doc *doc = qemu_record_open(c, QEMU_MACHINES, name, "machine", e);

	*m = (struct qemu_machine){0};
	if (doc == NULL)
		return -1;
	struct json_at at = json_root(doc);

	snprintf(m->name, sizeof m->name, "%s", name);
	read_machine(&at, m);
	if (qemu_record_close(doc, &at, e) == 0 && resolve_disks(c, m, e) == 0)
		return 0;
	qemu_machine_fini(m);
	return -1;
}

static void add_disks(struct buf *b, const struct qemu_machine *m)
{
	for (size_t i = 0; i < m->disks.len; i++) {
		const struct qemu_machine_disk *d = &m->disks.at[i];

		json_format_add(b, i == 0 ? "{'name':%s," : ",{'name':%s,", d->name);
		if (d->disk[0] != '\0')
			json_format_add(b, "'disk':%s,", d->disk);
		else
			json_format_add(b, "'file':%s,'format':%s,", d->image.file,
				      qemu_format_names[d->image.format]);
		json_format_add(b, "'logical_sector':%d,'boot':%b}", (int)d->logical_sector, d->boot);
	}
}

char *qemu_machine_json(const struct qemu_machine *m)
{
	cleanup(buf_fini) struct buf b = BUF_INIT;

	json_format_add(&b, "{'memory_mib':%u,'vcpus':%d,'firmware':%s,'disks':[", m->memory_mib, (int)m->vcpus,
		      qemu_firmware_names[m->firmware]);
	add_disks(&b, m);
	buf_adds(&b, "],\"nics\":[");
	for (size_t i = 0; i < m->nics.len; i++)
		json_format_add(&b,
			      i == 0 ? "{'mac':%s,'network':%s,'model':%s}" : ",{'mac':%s,'network':%s,'model':%s}",
			      m->nics.at[i].mac, m->nics.at[i].network, m->nics.at[i].model);
	buf_adds(&b, "]");
	if (m->kernel[0] != '\0')
		json_format_add(&b, ",'kernel':%s", m->kernel);
	if (m->initrd[0] != '\0')
		json_format_add(&b, ",'initrd':%s", m->initrd);
	if (m->append[0] != '\0')
		json_format_add(&b, ",'append':%s", m->append);
	if (m->tagged) {
		cleanup(cleanup_free) char *tags = qemu_tags_json(&m->tags);

		json_format_add(&b, ",'uid':%s,'tags':%j", m->uid, tags);
	}
	buf_adds(&b, "}");
	return buf_take(&b);
}

int qemu_machine_save(const struct qemu_cloud *c, const struct qemu_machine *m, struct err *e)
{
	cleanup(cleanup_free) char *json = qemu_machine_json(m);

	return qemu_record_save(c, QEMU_MACHINES, m->name, json, e);
}

int qemu_machine_disk_index(const struct qemu_machine *m, const char *disk)
{
	for (size_t i = 0; i < m->disks.len; i++)
		if (strcmp(m->disks.at[i].name, disk) == 0)
			return (int)i;
	return -1;
}

int qemu_snapshots_each(const struct qemu_cloud *c, qemu_snapshot_cb *cb, void *ctx, struct err *e)
{
	cleanup(qemu_names_fini) struct qemu_names names = {0};
	int rc = 0;

	if (qemu_record_names(c, QEMU_SNAPSHOTS, &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.list.len && rc == 0; i++) {
		struct qemu_snapshot s;

		if (qemu_snapshot_load(c, names.list.at[i], &s, e) < 0)
			return -1;
		rc = cb(ctx, &s);
	}
	return rc;
}

bool qemu_snapshot_clone(const struct qemu_cloud *c, const char *snapshot, char out[RES_NAME_SIZE])
{
	cleanup(qemu_names_fini) struct qemu_names names = {0};
	struct err e = ERR_INIT;

	qemu_record_names(c, QEMU_DISKS, &names, &e);
	for (size_t i = 0; i < names.list.len; i++) {
		struct qemu_disk d;

		if (qemu_disk_load(c, names.list.at[i], &d, &e) == 0 && strcmp(d.snapshot, snapshot) == 0) {
			snprintf(out, RES_NAME_SIZE, "%s", d.name);
			return true;
		}
	}
	return false;
}

static bool running(const struct qemu_cloud *c, const char *name)
{
	cleanup(cleanup_free) char *dir = qemu_record_dir(c, QEMU_RUN, name);

	return qemu_proc_alive(dir, NULL);
}

static bool worker_user(const struct qemu_cloud *c, const char *disk, char out[RES_NAME_SIZE + 16])
{
	cleanup(qemu_names_fini) struct qemu_names names = {0};
	struct err e = ERR_INIT;

	qemu_record_names(c, QEMU_RUN, &names, &e);
	for (size_t i = 0; i < names.list.len; i++) {
		struct qemu_worker w;

		if (qemu_worker_load(c, names.list.at[i], &w, &e) < 0 || !running(c, w.name))
			continue;
		for (unsigned k = 0; k < w.disk_count; k++) {
			if (strcmp(w.disks[k].disk, disk) != 0)
				continue;
			snprintf(out, RES_NAME_SIZE + 16, "worker %s", w.name);
			return true;
		}
	}
	return false;
}

bool qemu_disk_user(const struct qemu_cloud *c, const char *disk, char out[RES_NAME_SIZE + 16])
{
	cleanup(qemu_names_fini) struct qemu_names names = {0};
	struct err e = ERR_INIT;
	bool found = worker_user(c, disk, out);

	qemu_record_names(c, QEMU_MACHINES, &names, &e);
	for (size_t i = 0; i < names.list.len && !found; i++) {
		struct qemu_machine m;

		if (!running(c, names.list.at[i]) || qemu_machine_load(c, names.list.at[i], &m, &e) < 0)
			continue;
		for (size_t k = 0; k < m.disks.len && !found; k++)
			found = strcmp(m.disks.at[k].disk, disk) == 0;
		qemu_machine_fini(&m);
		if (found)
			snprintf(out, RES_NAME_SIZE + 16, "machine %s", names.list.at[i]);
	}
	return found;
}

void qemu_ref_id(struct res_ref *ref, const char *uid)
{
	static const enum qemu_folder folder[RES_KINDS] = {[RES_SNAPSHOT] = QEMU_SNAPSHOTS,
							   [RES_DISK] = QEMU_DISKS,
							   [RES_WORKER] = QEMU_RUN,
							   [RES_MACHINE] = QEMU_MACHINES};

	snprintf(ref->id, sizeof ref->id, "%s/%s#%s", qemu_folder_name(folder[ref->kind]), ref->name, uid);
}

bool qemu_tags_same(const struct res_tags *a, const struct res_tags *b)
{
	return strcmp(a->owner, b->owner) == 0 && strcmp(a->job, b->job) == 0 && strcmp(a->run, b->run) == 0;
}

bool qemu_id_matches(const struct res_ref *ref, const char *uid)
{
	const char *mark = strrchr(ref->id, '#');

	return ref->id[0] == '\0' || (mark != NULL && strcmp(mark + 1, uid) == 0);
}
