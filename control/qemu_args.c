// SPDX-License-Identifier: Apache-2.0
#include "qemu_args.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "qemu_file.h"
#include "json_format.h"

void qemu_args_fini(struct qemu_args *a)
{
	for (size_t i = 0; i < a->list.len; i++)
		free(a->list.at[i]);
	vec_fini(&a->list);
}

void qemu_args_add(struct qemu_args *a, const char *s)
{
	*vec_push(&a->list) = mem_strdup(s);
}

void qemu_args_addf(struct qemu_args *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	*vec_push(&a->list) = mem_vprintf(fmt, ap);
	va_end(ap);
}

void qemu_args_take(struct qemu_args *a, const char *option, char *value)
{
	qemu_args_add(a, option);
	*vec_push(&a->list) = value;
}

char *const *qemu_args_argv(struct qemu_args *a)
{
	*vec_push(&a->list) = NULL;
	return a->list.at;
}

/* The working directory is the run directory, so sockets and logs are named without their path: a unix socket's path
 * holds only 107 bytes. The pid file's full path marks the process as ours (qemu_proc.h). */
void qemu_args_base(struct qemu_args *a, const char *name, const char *run_dir, enum qemu_accel accel,
		    uint64_t memory_mib, unsigned vcpus, bool keyboard)
{
	static const char *const fixed[] = {
		"-nodefaults", "-no-user-config",
		"-display",    "none",
		"-machine",    "q35",
		"-chardev",    "socket,id=mon,path=qmp.sock,server=on,wait=off",
		"-mon",        "chardev=mon,mode=control",
		"-serial",     "chardev:con",
		"-object",     "rng-builtin,id=rng0",
		"-device",     "virtio-rng-pci,rng=rng0",
	};

	qemu_args_add(a, QEMU_BINARY);
	qemu_args_add(a, "-name");
	qemu_args_add(a, name);
	qemu_args_add(a, "-pidfile");
	qemu_args_addf(a, "%s/qemu.pid", run_dir);
	for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
		qemu_args_add(a, fixed[i]);
	qemu_args_add(a, "-chardev");
	qemu_args_add(a, keyboard ? "socket,id=con,path=serial.sock,server=on,wait=off,logfile=serial.log"
				  : "file,id=con,path=serial.log");
	qemu_args_add(a, "-accel");
	qemu_args_add(a, accel == QEMU_KVM ? "kvm" : "tcg,thread=multi,tb-size=128");
	qemu_args_add(a, "-cpu");
	qemu_args_add(a, accel == QEMU_KVM ? "host" : "max");
	qemu_args_add(a, "-m");
	qemu_args_addf(a, "%" PRIu64 "M", memory_mib);
	qemu_args_add(a, "-smp");
	qemu_args_addf(a, "%u", vcpus);
}

char *qemu_node_image(const struct qemu_cloud *c, const struct qemu_image *image, const char *node, bool read_only)
{
	cleanup(cleanup_free) char *path = qemu_cloud_resolve(c, image->file);
	const char *driver = qemu_file_is_block(path) ? "host_device" : "file";

	return json_format("{'driver':%s,'node-name':%s,'read-only':%b,'auto-read-only':false,'discard':'unmap',"
			  "'detect-zeroes':'off','cache':{'direct':%b,'no-flush':false},"
			  "'file':{'driver':%s,'filename':%s}}",
			  qemu_format_names[image->format], node, read_only, qemu_file_can_direct(path), driver,
			  path);
}

char *qemu_node_live(const struct qemu_snapshot *s, const char *node)
{
	cleanup(cleanup_free) char *socket = mem_printf("../%s/nbd.sock", s->machine);
	cleanup(cleanup_free) char *export = mem_printf("s-%s", s->uid);

	return json_format("{'driver':'nbd','node-name':%s,'read-only':true,'server':{'type':'unix','path':%s},"
			  "'export':%s}",
			  node, socket, export);
}

char *qemu_device_json(const struct qemu_device *d)
{
	struct buf b = BUF_INIT;

	json_format_add(&b,
		      "{'driver':'virtio-blk-pci','id':%s,'drive':%s,'logical_block_size':%d,'physical_block_size':"
		      "%d",
		      d->id, d->node, (int)d->logical_sector, (int)d->logical_sector);
	if (d->serial != NULL)
		json_format_add(&b, ",'serial':%s", d->serial);
	if (d->bus != NULL) {
		json_format_add(&b, ",'bus':%s", d->bus);
	} else if (d->index >= 0) {
		/* Eight to a slot from slot 8 on, in the guest's order: 64 disks fit beside everything else. */
		cleanup(cleanup_free) char *addr = mem_printf("%x.%x", 8 + d->index / 8, d->index % 8);

		json_format_add(&b, ",'addr':%s,'multifunction':true", addr);
	}
	if (d->iothread != NULL)
		json_format_add(&b, ",'iothread':%s", d->iothread);
	if (d->bootindex >= 0)
		json_format_add(&b, ",'bootindex':%d", d->bootindex);
	if (d->report)
		json_format_add(&b, ",'werror':'report','rerror':'report'");
	buf_adds(&b, "}");
	return buf_take(&b);
}
