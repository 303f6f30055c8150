// SPDX-License-Identifier: Apache-2.0
#include "qemu_target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "qemu_disk.h"
#include "qemu_file.h"
#include "qemu_machine.h"
#include "qemu_proc.h"

static int load(const struct qemu_cloud *c, const char *name, struct qemu_machine *m, struct err *e)
{
	struct err why = ERR_INIT;

	if (qemu_machine_load(c, name, m, &why) == 0)
		return 0;
	if (why.kind == ERR_NOT_FOUND && !qemu_record_exists(c, QEMU_MACHINES, name))
		return 1;
	*e = why;
	return -1;
}

static int describe(const struct qemu_cloud *c, const struct target_spec *spec, const struct res_ref *ref,
		    struct qemu_machine *m, struct err *e)
{
	*m = (struct qemu_machine){.tagged = true, .tags = ref->tags};
	snprintf(m->name, sizeof m->name, "%s", ref->name);
	m->memory_mib = spec->like->memory_mib;
	m->vcpus = spec->like->vcpus != 0 ? spec->like->vcpus : 1;
	m->firmware = spec->like->firmware;
	qemu_uid_make(m->uid);
	for (unsigned i = 0; i < spec->disk_count; i++) {
		struct qemu_machine_disk *d = vec_push(&m->disks);
		struct qemu_disk record;

		if (qemu_disk_usable(c, &spec->disks[i], &record, e) < 0)
			return -1;
		if (record.image.file[0] == '\0')
			return err_set(e, ERR_UNSUPPORTED, 0,
				       "disk %s is a view of a snapshot and cannot hold a machine", record.name);
		snprintf(d->disk, sizeof d->disk, "%s", record.name);
		snprintf(d->name, sizeof d->name, "%s",
			 i < spec->like->disks.len ? spec->like->disks.at[i].name : record.name);
		d->logical_sector = record.logical_sector;
		d->boot = i < spec->like->disks.len && spec->like->disks.at[i].boot;
	}
	for (size_t i = 0; i < spec->like->nics.len; i++)
		*vec_push(&m->nics) = spec->like->nics.at[i];
	return 0;
}

static int create(const struct qemu_cloud *c, const struct target_spec *spec, struct res_ref *ref, struct err *e)
{
	cleanup(qemu_machine_fini) struct qemu_machine m = {0};
	int absent = load(c, ref->name, &m, e);

	if (absent < 0)
		return -1;
	if (!absent && (!m.tagged || !qemu_tags_same(&m.tags, &ref->tags)))
		return err_set(e, ERR_BUSY, 0,
			       "there is a machine %s in the qemu cloud %s already: choose another name by "
			       "\"machine\" in the "
			       "job's target, or remove that machine",
			       ref->name, c->dir);
	cleanup(cleanup_free) char *vars = qemu_machine_nvram(c, ref->name);

	if (absent) {
		if (describe(c, spec, ref, &m, e) < 0)
			return -1;
		cleanup(cleanup_free) char *json = qemu_machine_json(&m);

		if (qemu_file_unlink(vars, e) < 0 || qemu_record_publish(c, QEMU_MACHINES, m.name, json, e) < 0)
			return -1;
	}
	/* After the record, whose removal takes them along; the machine has not been started yet. */
	const struct buf *nvram = &spec->like->nvram;
	if (nvram->len != 0 && !qemu_file_exists(vars) && qemu_file_write(vars, nvram->data, nvram->len, 0644, e) < 0)
		return -1;
	qemu_ref_id(ref, m.uid);
	return 0;
}

int qemu_target_create(const struct qemu_cloud *c, const struct target_spec *spec, struct res_ref *ref,
		       struct err *e)
{
	cleanup(cleanup_fd) int lock = qemu_cloud_lock(c, "creating a machine", e);

	if (lock < 0 || qemu_name_check(ref->name, e) < 0 || create(c, spec, ref, e) < 0)
		return -1;
	return 0;
}

int qemu_target_poll(const struct qemu_cloud *c, const struct res_ref *ref, enum res_state *state, struct err *e)
{
	cleanup(qemu_machine_fini) struct qemu_machine m = {0};
	int absent = load(c, ref->name, &m, e);

	if (absent < 0)
		return -1;
	*state = absent || (m.tagged && !qemu_id_matches(ref, m.uid)) ? RES_ABSENT : RES_READY;
	return 0;
}

int qemu_target_remove(const struct qemu_cloud *c, const struct res_ref *ref, struct err *e)
{
	cleanup(cleanup_fd) int lock = qemu_cloud_lock(c, "removing a machine", e);
	cleanup(cleanup_free) char *run_dir = qemu_record_dir(c, QEMU_RUN, ref->name);
	cleanup(cleanup_free) char *vars = qemu_machine_nvram(c, ref->name);
	cleanup(qemu_machine_fini) struct qemu_machine m = {0};

	if (lock < 0)
		return -1;
	int absent = load(c, ref->name, &m, e);

	if (absent != 0)
		return absent < 0 ? -1 : 0;
	/* A machine of somebody else, made since under that name. */
	if (!m.tagged || !qemu_id_matches(ref, m.uid))
		return 0;
	if (qemu_proc_end(run_dir, e) < 0 || qemu_record_retire(c, QEMU_MACHINES, m.name, e) < 0 ||
	    qemu_file_unlink(vars, e) < 0)
		return -1;
	return qemu_record_retire(c, QEMU_RUN, m.name, e);
}
