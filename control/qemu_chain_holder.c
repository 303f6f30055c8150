// SPDX-License-Identifier: Apache-2.0
#include "qemu_chain_holder.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "qemu_machine.h"

int qemu_holder_get(const struct qemu_cloud *c, const struct qemu_snapshot *s, struct qemu_image *out, bool *there,
		    struct err *e)
{
	struct err why = ERR_INIT;

	*there = false;
	if (s->machine[0] == '\0') {
		struct qemu_disk d;
		int rc = qemu_disk_load(c, s->disk, &d, &why);

		*there = rc == 0 && !d.removed;
		*out = d.image;
	} else {
		cleanup(qemu_machine_fini) struct qemu_machine m = {0};
		int rc = qemu_machine_load(c, s->machine, &m, &why);
		int disk = rc < 0 ? -1 : qemu_machine_disk_index(&m, s->disk);

		*there = disk >= 0;
		if (*there)
			*out = m.disks.at[disk].image;
	}
	if (why.kind == ERR_NONE || why.kind == ERR_NOT_FOUND)
		return 0;
	*e = why;
	return -1;
}

static struct qemu_image wanted(const struct qemu_snapshot *s, bool over)
{
	struct qemu_image image = s->base;

	if (over) {
		image.format = QEMU_QCOW2;
		snprintf(image.file, sizeof image.file, "%s", s->over);
	}
	return image;
}

static int set_disk(const struct qemu_cloud *c, const struct qemu_snapshot *s, bool over, struct err *e)
{
	struct qemu_disk d;
	struct err why = ERR_INIT;

	if (qemu_disk_load(c, s->disk, &d, &why) == 0) {
		d.image = wanted(s, over);
		return qemu_disk_save(c, &d, e);
	}
	if (why.kind == ERR_NOT_FOUND)
		return 0;
	*e = why;
	return -1;
}

static int set_machine(const struct qemu_cloud *c, const char *machine, const struct qemu_snapshot *set, unsigned n,
		       bool over, struct err *e)
{
	cleanup(qemu_machine_fini) struct qemu_machine m = {0};
	struct err why = ERR_INIT;

	if (qemu_machine_load(c, machine, &m, &why) < 0) {
		if (why.kind == ERR_NOT_FOUND)
			return 0;
		*e = why;
		return -1;
	}
	for (unsigned i = 0; i < n; i++) {
		int disk = strcmp(set[i].machine, machine) == 0 ? qemu_machine_disk_index(&m, set[i].disk) : -1;

		if (disk >= 0)
			m.disks.at[disk].image = wanted(&set[i], over);
	}
	return qemu_machine_save(c, &m, e);
}

int qemu_holder_set_all(const struct qemu_cloud *c, struct qemu_snapshot *set, unsigned n, bool over, struct err *e)
{
	const char *machine = NULL;

	for (unsigned i = 0; i < n; i++) {
		if (set[i].machine[0] != '\0')
			machine = set[i].machine; /* a set is of one machine */
		else if (set_disk(c, &set[i], over, e) < 0)
			return -1;
	}
	return machine == NULL ? 0 : set_machine(c, machine, set, n, over, e);
}

/* The running machine that is made of disk record `disk`. */
static int find_machine(const struct qemu_cloud *c, const char *disk, char **run_dir, unsigned *index,
			struct err *e)
{
	cleanup(qemu_names_fini) struct qemu_names names = {0};

	if (qemu_record_names(c, QEMU_MACHINES, &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.list.len && *run_dir == NULL; i++) {
		struct qemu_machine m;

		if (!qemu_machine_running(c, names.list.at[i]))
			continue;
		if (qemu_machine_load(c, names.list.at[i], &m, e) < 0)
			return -1;
		for (size_t k = 0; k < m.disks.len && *run_dir == NULL; k++) {
			if (strcmp(m.disks.at[k].disk, disk) != 0)
				continue;
			*run_dir = qemu_record_dir(c, QEMU_RUN, m.name);
			*index = (unsigned)k;
		}
		qemu_machine_fini(&m);
	}
	return 0;
}

int qemu_holder_running(const struct qemu_cloud *c, const struct qemu_snapshot *s, char **run_dir, unsigned *disk,
			struct err *e)
{
	char user[RES_NAME_SIZE + 16];

	*run_dir = NULL;
	if (s->machine[0] != '\0') {
		cleanup(qemu_machine_fini) struct qemu_machine m = {0};

		if (!qemu_machine_running(c, s->machine))
			return 0;
		if (qemu_machine_load(c, s->machine, &m, e) < 0)
			return -1;
		int index = qemu_machine_disk_index(&m, s->disk);

		if (index < 0)
			return err_set(e, ERR_REFUSED, 0,
				       "machine %s runs, but its disk %s was taken out of its record: stop it, "
				       "then clean up again",
				       s->machine, s->disk);
		*disk = (unsigned)index;
		*run_dir = qemu_record_dir(c, QEMU_RUN, s->machine);
		return 0;
	}
	if (find_machine(c, s->disk, run_dir, disk, e) < 0)
		return -1;
	if (*run_dir == NULL && qemu_disk_user(c, s->disk, user))
		return err_set(e, ERR_BUSY, 0, "disk %s is in use by %s: remove that first", s->disk, user);
	return 0;
}
