// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "qemu_args.h"
#include "qemu_file.h"
#include "qemu_machine.h"
#include "qemu_proc.h"
#include "qemu_target.h"
#include "qmp.h"

#define OLDEST_QEMU 7

/* "QEMU emulator version 7.2.22 (...)", "qemu-img version 7.2.22 (...)" */
static void check_tool(const char *tool, struct findings *out)
{
	const char *const argv[] = {tool, "--version", NULL};
	cleanup(buf_fini) struct buf said = BUF_INIT;
	struct err e = ERR_INIT;

	if (qemu_tool(argv, NULL, &said, &e) < 0) {
		findings_add(out, FINDING_ERROR, e.kind, "%s", e.msg);
		return;
	}
	const char *version = strstr(buf_str(&said), "version ");
	int major = version != NULL ? atoi(version + strlen("version ")) : 0;

	if (major < OLDEST_QEMU)
		findings_add(out, FINDING_ERROR, ERR_UNSUPPORTED,
			     "%s is version %d; %d or newer is needed: install a newer one", tool, major,
			     OLDEST_QEMU);
}

static void check_writable(const struct qemu_cloud *c, struct findings *out)
{
	if (access(c->dir, W_OK | X_OK) < 0)
		findings_add(out, FINDING_ERROR, ERR_DENIED,
			     "the qemu cloud %s cannot be written to (%s): run this as a user "
			     "who may, or change its permissions",
			     c->dir, strerror(errno));
}

/* Where nobody insists on KVM, the choice itself tries it. */
static void check_kvm(const struct qemu_options *o, const char *kernel, struct findings *out)
{
	char why[160];

	if (o->accel != QEMU_KVM)
		return;
	if (kernel[0] == '\0')
		findings_add(out, FINDING_NOT_CHECKED, ERR_NONE,
			     "whether KVM works here: the worker image has no kernel beside its disk to try it with");
	else if (!qemu_accel_kvm_works(kernel, true, why))
		findings_add(out, FINDING_ERROR, ERR_UNSUPPORTED,
			     "\"acceleration\" is \"kvm\", but %s: leave it out, or set it to \"tcg\"", why);
}

static void check_image(const struct qemu_options *o, struct findings *out)
{
	struct qemu_boot_image image;
	struct err e = ERR_INIT;
	char why[160];

	if (qemu_boot_image_find(o, &image, &e) < 0) {
		findings_add(out, FINDING_ERROR, e.kind, "%s", e.msg);
		return;
	}
	check_kvm(o, image.kernel, out);
	qemu_accel_choose(o->accel, image.kernel, why);
	findings_add(out, FINDING_NOTE, ERR_NONE, "workers boot %s with %s",
		     image.disk ? image.image.file : image.kernel, why);
}

static void check_space(const struct qemu_cloud *c, bool source, const struct machine *m, struct findings *out)
{
	uint64_t free_bytes, need = 0;
	struct err e = ERR_INIT;
	char have[16], want[16];

	for (size_t i = 0; i < m->disks.len; i++)
		need += m->disks.at[i].size;
	if (qemu_file_free_space(c->dir, &free_bytes, &e) < 0) {
		findings_add(out, FINDING_ERROR, e.kind, "%s", e.msg);
		return;
	}
	if (free_bytes >= need)
		return;
	num_format_size(free_bytes, have);
	num_format_size(need, want);
	if (source)
		findings_add(out, FINDING_WARNING, ERR_NONE,
			     "the qemu cloud %s has %s free and the disks hold %s: a machine that overwrites more "
			     "than that during "
			     "a run is paused until the run ends",
			     c->dir, have, want);
	else
		findings_add(out, FINDING_WARNING, ERR_NONE,
			     "the qemu cloud %s has %s free and the disks hold %s: the replica fits only while "
			     "that much of them is "
			     "zeros",
			     c->dir, have, want);
}

/* What qemu_machine_describe does not tell: images that can be read, but not snapshotted or not as they say. */
static void check_disks(const struct qemu_cloud *c, const struct machine *m, struct findings *out)
{
	cleanup(qemu_machine_fini) struct qemu_machine record = {0};
	struct err e = ERR_INIT;

	if (qemu_machine_load(c, m->name, &record, &e) < 0) {
		findings_add(out, FINDING_ERROR, e.kind, "%s", e.msg);
		return;
	}
	for (size_t i = 0; i < record.disks.len; i++) {
		cleanup(cleanup_free) char *path = qemu_cloud_resolve(c, record.disks.at[i].image.file);

		if (qemu_file_exists(path) && access(path, R_OK | W_OK) < 0)
			findings_add(out, FINDING_ERROR, ERR_DENIED,
				     "machine %s, disk %s: %s cannot be opened for writing (%s), "
				     "which a snapshot needs",
				     m->name, record.disks.at[i].name, path, strerror(errno));
		if (record.disks.at[i].image.format == QEMU_RAW && qemu_file_is_qcow2(path))
			findings_add(out, FINDING_ERROR, ERR_CONFIG,
				     "machine %s, disk %s: %s is a qcow2 image, but its \"format\" "
				     "says raw: correct the machine's record",
				     m->name, record.disks.at[i].name, path);
	}
}

/* Does its monitor answer? Another program may hold it. */
static void check_monitor(const struct qemu_cloud *c, const struct machine *m, struct findings *out)
{
	cleanup(cleanup_free) char *run_dir = qemu_record_dir(c, QEMU_RUN, m->name);
	struct err e = ERR_INIT;

	if (!m->running)
		return;
	struct qmp *q = qmp_open(run_dir, INT64_C(3000000000), &e);

	if (q == NULL)
		findings_add(out, FINDING_ERROR, e.kind, "machine %s runs, but %s", m->name, e.msg);
	qmp_close(q);
}

int qemu_validate(const struct qemu_cloud *c, const struct qemu_options *o, bool source, const struct machine *m,
		  struct findings *out, struct err *e)
{
	check_tool(QEMU_BINARY, out);
	check_tool("qemu-img", out);
	check_writable(c, out);
	check_image(o, out);
	check_space(c, source, m, out);
	if (source) {
		check_disks(c, m, out);
		check_monitor(c, m, out);
		if (m->running)
			findings_add(out, FINDING_NOT_CHECKED, ERR_NONE,
				     "whether the guest of machine %s flushes its files before "
				     "the snapshot: it is as after a power failure",
				     m->name);
		return 0;
	}
	if (m->firmware == FIRMWARE_UEFI && qemu_machine_check_uefi(m->name, m->nvram.len, e) < 0) {
		findings_add(out, FINDING_WARNING, ERR_NONE, "%s: until then the machine cannot be promoted here", e->msg);
		*e = (struct err)ERR_INIT;
	}
	for (size_t i = 0; i < m->disks.len; i++)
		if (m->disks.at[i].logical_sector != 512 && m->disks.at[i].logical_sector != 4096)
			findings_add(out, FINDING_ERROR, ERR_UNSUPPORTED,
				     "disk %s has logical sectors of %u bytes; the qemu "
				     "provider knows 512 and 4096",
				     m->disks.at[i].name, m->disks.at[i].logical_sector);
	return 0;
}
