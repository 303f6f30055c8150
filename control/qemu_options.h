// SPDX-License-Identifier: Apache-2.0
/*
 * The keys of a provider block of type "qemu", the worker image they name, and the choice of acceleration.
 */
#ifndef WHERRY_CONTROL_QEMU_OPTIONS_H
#define WHERRY_CONTROL_QEMU_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "json_read.h"
#include "qemu_record.h"

enum qemu_accel { QEMU_AUTO, QEMU_KVM, QEMU_TCG };
enum qemu_boot { QEMU_BOOT_ANY, QEMU_BOOT_KERNEL, QEMU_BOOT_DISK };

struct qemu_options {
	char cloud[QEMU_PATH_SIZE];
	char image[QEMU_PATH_SIZE];  /* "": the default place */
	enum qemu_boot boot;
	enum qemu_accel accel;
	uint64_t memory_mib;         /* of a worker */
	unsigned vcpus;
	unsigned worker_disks;       /* that a worker takes at most */
	bool hotplug;                /* workers get all their disks after they were started */
	enum qemu_format format;     /* of new replica disks */
};

void qemu_options_default(struct qemu_options *o);
/* Reads all keys and complains to json_at's document; never fails by itself. */
void qemu_options_read(struct json_at *block, struct qemu_options *o);

/* A worker image ready to boot: kernel and initramfs, or a disk. */
struct qemu_boot_image {
	bool disk;
	char kernel[QEMU_PATH_SIZE]; /* with `disk` still filled when one lies beside it: KVM is probed with it */
	char initrd[QEMU_PATH_SIZE];
	char append[1024];
	struct qemu_image image;     /* disk; absolute */
};

/* Order: "image" of the job; $WHERRY_IMAGE; image/ beside the running program; /usr/share/wherry/image.
 * NOT_FOUND, or CONFIG when what is there is no image. */
int qemu_boot_image_find(const struct qemu_options *o, struct qemu_boot_image *out, struct err *e);

/* KVM or TCG. AUTO takes KVM only when a kernel booted with it within seconds, tried once per boot of this host
 * (remembered in $XDG_CACHE_HOME/wherry/kvm-probe). kernel: "" or NULL when there is none to try with.
 * why: one sentence part for people. */
enum qemu_accel qemu_accel_choose(enum qemu_accel wish, const char *kernel, char why[160]);
/* Does KVM boot a kernel here, asked and remembered in the same way? again: a remembered failure is tried once more.
 * why: as above. Takes 5 s at the most. */
bool qemu_accel_kvm_works(const char *kernel, bool again, char why[160]);
/* The trial itself; exposed so that tests can run it with TCG. */
bool qemu_accel_probe(const char *accel, const char *kernel, int64_t timeout_ns);

#endif
