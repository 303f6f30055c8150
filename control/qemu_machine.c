// SPDX-License-Identifier: Apache-2.0
#include "qemu_machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "qemu_args.h"
#include "qemu_file.h"
#include "json_format.h"
#include "qemu_proc.h"
#include "qmp.h"

#define MONITOR_NS (30 * NS_PER_S)

bool qemu_machine_running(const struct qemu_cloud *c, const char *name)
{
	cleanup(cleanup_free) char *dir = qemu_record_dir(c, QEMU_RUN, name);

	return qemu_proc_alive(dir, NULL);
}

static void describe_disk(const struct qemu_cloud *c, const char *machine, const struct qemu_machine_disk *d,
			  struct machine_disk *out)
{
	cleanup(cleanup_free) char *path = qemu_cloud_resolve(c, d->image.file);
	struct err e = ERR_INIT;

	out->why_kind = ERR_UNSUPPORTED;
	snprintf(out->id, sizeof out->id, "machines/%s/%s", machine, d->name);
	snprintf(out->name, sizeof out->name, "%s", d->name);
	out->logical_sector = d->logical_sector;
	out->boot = d->boot;
	if (qemu_file_image_size(path, d->image.format == QEMU_QCOW2, &out->size, &e) < 0) {
		out->why_kind = e.kind;
		if (e.kind == ERR_NOT_FOUND)
			snprintf(out->why_not, sizeof out->why_not,
				 "there is no file %.120s: bring it back, or correct machines/%.60s.json", path, machine);
		else
			snprintf(out->why_not, sizeof out->why_not, "%.*s", (int)sizeof out->why_not - 1, e.msg);
	} else if (out->size == 0) {
		snprintf(out->why_not, sizeof out->why_not, "it is empty");
	} else if (out->size % d->logical_sector != 0) {
		snprintf(out->why_not, sizeof out->why_not, "its %llu bytes are not whole sectors of %u",
			 (unsigned long long)out->size, d->logical_sector);
	}
}

static int read_nvram(const struct qemu_cloud *c, const char *name, struct buf *out, struct err *e)
{
	cleanup(cleanup_free) char *vars = qemu_machine_nvram(c, name);

	return qemu_file_exists(vars) ? qemu_file_read(vars, QEMU_NVRAM_MAX, out, e) : 0;
}

int qemu_machine_describe(const struct qemu_cloud *c, const char *name, struct machine *out, struct err *e)
{
	struct qemu_machine m;

	*out = (struct machine){0};
	if (qemu_machine_load(c, name, &m, e) < 0)
		return -1;
	snprintf(out->id, sizeof out->id, "machines/%s", name);
	snprintf(out->name, sizeof out->name, "%s", name);
	out->running = qemu_machine_running(c, name);
	out->firmware = m.firmware;
	out->vcpus = m.vcpus;
	out->memory_mib = m.memory_mib;
	for (size_t i = 0; i < m.disks.len; i++)
		describe_disk(c, name, &m.disks.at[i], vec_push(&out->disks));
	for (size_t i = 0; i < m.nics.len; i++)
		*vec_push(&out->nics) = m.nics.at[i];
	qemu_machine_fini(&m);
	if (out->firmware == FIRMWARE_BIOS || read_nvram(c, name, &out->nvram, e) == 0)
		return 0;
	machine_fini(out);
	return -1;
}

struct firmware_files {
	const char *code, *vars;
};

/* The two belong together: code that finds variables of another layout does not boot. nvram_bytes 0: any. */
static const struct firmware_files *find_firmware(size_t nvram_bytes)
{
	static const struct firmware_files known[] = {
		{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"},
		{"/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"},
		{"/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"},
		{"/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"},
	};

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		struct stat st;

		if (qemu_file_exists(known[i].code) && stat(known[i].vars, &st) == 0 &&
		    (nvram_bytes == 0 || (size_t)st.st_size == nvram_bytes))
			return &known[i];
	}
	return NULL;
}

static int no_firmware(const char *name, size_t nvram_bytes, struct err *e)
{
	if (find_firmware(0) == NULL)
		return err_set(e, ERR_NOT_FOUND, 0,
			       "machine %s wants UEFI, but no OVMF firmware is installed: install Debian's package ovmf",
			       name);
	return err_set(e, ERR_NOT_FOUND, 0,
		       "machine %s has UEFI variables of %zu bytes, and no OVMF firmware with variables of that size is "
		       "installed: install the one that it was set up with", name, nvram_bytes);
}

int qemu_machine_check_uefi(const char *name, size_t nvram_bytes, struct err *e)
{
	return find_firmware(nvram_bytes) != NULL ? 0 : no_firmware(name, nvram_bytes, e);
}

char *qemu_machine_nvram(const struct qemu_cloud *c, const char *name)
{
	return qemu_cloud_path(c, "machines/%s.efivars", name);
}

/* A machine keeps its boot entries in a copy of its own. */
static int add_uefi(const struct qemu_cloud *c, const char *name, struct qemu_args *a, struct err *e)
{
	cleanup(cleanup_free) char *vars = qemu_machine_nvram(c, name);
	cleanup(buf_fini) struct buf fresh = BUF_INIT;
	struct stat st;
	size_t have = stat(vars, &st) == 0 ? (size_t)st.st_size : 0;
	const struct firmware_files *f = find_firmware(have);

	if (f == NULL)
		return no_firmware(name, have, e);
	if (have == 0 && (qemu_file_read(f->vars, QEMU_NVRAM_MAX, &fresh, e) < 0 ||
			  qemu_file_write(vars, fresh.data, fresh.len, 0644, e) < 0))
		return -1;
	qemu_args_take(a, "-blockdev",
		       json_format("{'driver':'raw','node-name':'efi0','read-only':true,'file':"
				  "{'driver':'file','filename':%s}}",
				  f->code));
	qemu_args_take(a, "-blockdev",
		       json_format("{'driver':'raw','node-name':'efi1','file':{'driver':'file',"
				  "'filename':%s}}",
				  vars));
	qemu_args_add(a, "-machine");
	qemu_args_add(a, "pflash0=efi0,pflash1=efi1");
	return 0;
}

static void add_disk(const struct qemu_cloud *c, const struct qemu_machine_disk *d, unsigned i, struct qemu_args *a)
{
	char node[16], id[16], serial[24];

	snprintf(node, sizeof node, "d%u", i);
	snprintf(id, sizeof id, "disk%u", i);
	snprintf(serial, sizeof serial, "%.20s", d->name);
	struct qemu_device dev = {.id = id,
				  .node = node,
				  .serial = serial,
				  .index = (int)i,
				  .logical_sector = d->logical_sector,
				  .bootindex = d->boot ? (int)i + 1 : -1};

	/* Boot order counts from 1: 0 is the direct kernel. */
	qemu_args_take(a, "-blockdev", qemu_node_image(c, &d->image, node, false));
	qemu_args_take(a, "-device", qemu_device_json(&dev));
}

static void add_direct_boot(const struct qemu_cloud *c, const struct qemu_machine *m, struct qemu_args *a)
{
	if (m->kernel[0] == '\0')
		return;
	qemu_args_take(a, "-kernel", qemu_cloud_resolve(c, m->kernel));
	if (m->initrd[0] != '\0')
		qemu_args_take(a, "-initrd", qemu_cloud_resolve(c, m->initrd));
	if (m->append[0] != '\0') {
		qemu_args_add(a, "-append");
		qemu_args_add(a, m->append);
	}
}

/* All networks are QEMU's user networking, which needs no privilege; "none" is a NIC without a cable. */
static void add_nics(const struct qemu_machine *m, struct qemu_args *a)
{
	for (size_t i = 0; i < m->nics.len; i++) {
		const struct machine_nic *n = &m->nics.at[i];
		cleanup(cleanup_free) char *id = mem_printf("net%zu", i);

		if (strcmp(n->network, "none") == 0) {
			qemu_args_take(a, "-device", json_format("{'driver':%s,'mac':%s}", n->model, n->mac));
			continue;
		}
		qemu_args_add(a, "-netdev");
		qemu_args_addf(a, "user,id=%s", id);
		qemu_args_take(a, "-device",
			       json_format("{'driver':%s,'mac':%s,'netdev':%s,'romfile':''}", n->model, n->mac, id));
	}
}

static enum qemu_accel choose_accel(const struct qemu_options *o)
{
	struct qemu_boot_image image;
	struct err ignored = ERR_INIT;
	char why[160];

	if (o->accel == QEMU_AUTO && qemu_boot_image_find(o, &image, &ignored) < 0)
		image.kernel[0] = '\0';
	return qemu_accel_choose(o->accel, o->accel == QEMU_AUTO ? image.kernel : NULL, why);
}

static int launch(const struct qemu_cloud *c, const struct qemu_machine *m, const char *run_dir,
		  const struct qemu_options *o, struct err *e)
{
	cleanup(qemu_args_fini) struct qemu_args a = {0};

	if (m->disks.len > QEMU_WORKER_DISKS)
		return err_set(e, ERR_UNSUPPORTED, 0,
			       "machine %s has %zu disks; the qemu provider starts machines with at most %d",
			       m->name, m->disks.len, QEMU_WORKER_DISKS);
	qemu_args_base(&a, m->name, run_dir, choose_accel(o), m->memory_mib, m->vcpus, true);
	if (m->firmware == FIRMWARE_UEFI && add_uefi(c, m->name, &a, e) < 0)
		return -1;
	for (size_t i = 0; i < m->disks.len; i++)
		add_disk(c, &m->disks.at[i], (unsigned)i, &a);
	add_nics(m, &a);
	add_direct_boot(c, m, &a);
	if (qemu_proc_start(qemu_args_argv(&a), run_dir, e) < 0)
		return -1;
	if (qemu_proc_wait_monitor(run_dir, MONITOR_NS, e) == 0)
		return 0;
	struct err ignored = ERR_INIT;

	qemu_proc_end(run_dir, &ignored);
	return err_wrap(e, "machine %s", m->name);
}

int qemu_machine_start_locked(const struct qemu_cloud *c, const char *name, const struct qemu_options *o,
			      struct err *e)
{
	cleanup(qemu_machine_fini) struct qemu_machine m = {0};
	cleanup(cleanup_free) char *runs = qemu_cloud_path(c, "run");
	cleanup(cleanup_free) char *run_dir = qemu_record_dir(c, QEMU_RUN, name);

	if (qemu_machine_load(c, name, &m, e) < 0)
		return -1;
	if (qemu_record_exists(c, QEMU_RUN, name))
		return err_set(e, ERR_BUSY, 0,
			       "%s is the name of a worker in the qemu cloud %s, too: remove that with "
			       "`wherry cleanup`",
			       name, c->dir);
	if (qemu_proc_alive(run_dir, NULL))
		return 0;
	for (size_t i = 0; i < m.disks.len; i++) {
		char user[RES_NAME_SIZE + 16];

		if (m.disks.at[i].disk[0] != '\0' && qemu_disk_user(c, m.disks.at[i].disk, user))
			return err_set(e, ERR_BUSY, 0, "machine %s cannot start: its disk %s is in use by %s", name,
				       m.disks.at[i].disk, user);
	}
	if (qemu_file_mkdir(runs, e) < 0 || qemu_file_mkdir(run_dir, e) < 0)
		return -1;
	return launch(c, &m, run_dir, o, e);
}

int qemu_machine_start(const struct qemu_cloud *c, const char *name, const struct qemu_options *o, struct err *e)
{
	cleanup(cleanup_fd) int lock = qemu_cloud_lock(c, "starting a machine", e);

	return lock < 0 ? -1 : qemu_machine_start_locked(c, name, o, e);
}

int qemu_machine_stop(const struct qemu_cloud *c, const char *name, int64_t grace_ns, struct err *e)
{
	cleanup(cleanup_free) char *run_dir = qemu_record_dir(c, QEMU_RUN, name);

	if (qemu_name_check(name, e) < 0)
		return -1;
	if (!qemu_record_exists(c, QEMU_MACHINES, name))
		return err_set(e, ERR_NOT_FOUND, 0, "there is no machine %s in the qemu cloud %s", name, c->dir);
	if (grace_ns > 0 && qemu_proc_alive(run_dir, NULL)) {
		struct err ignored = ERR_INIT;
		struct qmp *q = qmp_open(run_dir, 3 * NS_PER_S, &ignored);

		if (q != NULL)
			qmp_do(q, "system_powerdown", NULL, &ignored);
		qmp_close(q);
		qemu_proc_wait_gone(run_dir, grace_ns);
	}
	cleanup(cleanup_fd) int lock = qemu_cloud_lock(c, "stopping a machine", e);

	return lock < 0 ? -1 : qemu_proc_end(run_dir, e);
}
