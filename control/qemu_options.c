// SPDX-License-Identifier: Apache-2.0
#include "qemu_options.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "image_file.h"
#include "qemu_file.h"
#include "qemu_record_json.h"

#define DEFAULT_APPEND "console=ttyS0 quiet panic=-1"

void qemu_options_default(struct qemu_options *o)
{
	*o = (struct qemu_options){.accel = QEMU_AUTO, .memory_mib = WORKER_MEMORY_MIB, .vcpus = 2,
				    .worker_disks = QEMU_WORKER_DISKS, .format = QEMU_QCOW2};
}

void qemu_options_read(struct json_at *block, struct qemu_options *o)
{
	static const char *const accels[] = {[QEMU_AUTO] = "auto", [QEMU_KVM] = "kvm", [QEMU_TCG] = "tcg", NULL};
	static const char *const boots[] = {"kernel", "disk", NULL};

	qemu_options_default(o);
	json_choice(block, "provider", JSON_REQUIRED, (const char *const[]){"qemu", NULL}, 0);
	json_string(block, "machine", JSON_OPTIONAL, NULL); /* the core's */
	qemu_read_text(block, "cloud", JSON_REQUIRED, o->cloud, sizeof o->cloud);
	qemu_read_text(block, "image", JSON_OPTIONAL, o->image, sizeof o->image);
	int boot = json_choice(block, "boot", JSON_OPTIONAL, boots, -1);

	o->boot = boot < 0 ? QEMU_BOOT_ANY : boot == 0 ? QEMU_BOOT_KERNEL : QEMU_BOOT_DISK;
	o->accel = (enum qemu_accel)json_choice(block, "acceleration", JSON_OPTIONAL, accels, QEMU_AUTO);
	o->memory_mib = json_number(block, "worker_memory_mib", JSON_OPTIONAL, 64, UINT64_C(1) << 20,
				    o->memory_mib);
	o->vcpus = (unsigned)json_number(block, "worker_vcpus", JSON_OPTIONAL, 1, 255, o->vcpus);
	o->hotplug = json_bool(block, "hotplug", JSON_OPTIONAL, false);
	unsigned most = o->hotplug ? QEMU_WORKER_PORTS : QEMU_WORKER_DISKS;
	o->worker_disks = (unsigned)json_number(block, "worker_disks", JSON_OPTIONAL, 1, most, most);
	o->format = (enum qemu_format)json_choice(block, "format", JSON_OPTIONAL, qemu_format_names,
						  (int)o->format);
	json_no_more(block);
}

static bool is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The boot protocol's mark at 0x202 (kernel: Documentation/arch/x86/boot.rst). */
static bool is_kernel(const char *path)
{
	cleanup(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char mark[4];

	return fd >= 0 && pread(fd, mark, 4, 0x202) == 4 && memcmp(mark, "HdrS", 4) == 0;
}

static void read_append(const char *dir, char *out, size_t size)
{
	cleanup(cleanup_free) char *path = mem_printf("%s/cmdline", dir);
	cleanup(buf_fini) struct buf text = BUF_INIT;
	struct err e = ERR_INIT;

	snprintf(out, size, "%s", DEFAULT_APPEND);
	if (qemu_file_read(path, size - 1, &text, &e) < 0 || text.len == 0)
		return;
	text.data[strcspn(text.data, "\n")] = '\0';
	snprintf(out, size, "%s%s", strstr(text.data, "console=") != NULL ? "" : "console=ttyS0 ", text.data);
}

static int kernel_image(const char *dir, struct qemu_boot_image *out, struct err *e)
{
	snprintf(out->kernel, sizeof out->kernel, "%.900s/vmlinuz", dir);
	snprintf(out->initrd, sizeof out->initrd, "%.900s/initramfs.img", dir);
	read_append(dir, out->append, sizeof out->append);
	for (int i = 0; i < 2; i++) {
		const char *part = i == 0 ? out->kernel : out->initrd;

		if (!qemu_file_exists(part))
			return err_set(e, ERR_NOT_FOUND, 0,
				       "the worker image %s has no %s: build it with `make image`", dir,
				       strrchr(part, '/') + 1);
	}
	if (!is_kernel(out->kernel))
		return err_set(e, ERR_CONFIG, 0,
			       "%s is not a Linux kernel: build the worker image again with `make image`",
			       out->kernel);
	return 0;
}

static bool has_end(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n > m && strcmp(name + n - m, end) == 0;
}

/* The disk image of a directory: .qcow2 before .raw, then the first by name. */
static bool find_disk(const char *dir, char *out, size_t size)
{
	DIR *d = opendir(dir);
	struct dirent *entry;

	out[0] = '\0';
	while (d != NULL && (entry = readdir(d)) != NULL) {
		bool qcow2 = has_end(entry->d_name, ".qcow2"), had = has_end(out, ".qcow2");
		const char *name = out[0] != '\0' ? strrchr(out, '/') + 1 : NULL;

		if (!qcow2 && !has_end(entry->d_name, ".raw"))
			continue;
		if (name == NULL || (qcow2 && !had) || (qcow2 == had && strcmp(entry->d_name, name) < 0))
			snprintf(out, size, "%s/%s", dir, entry->d_name);
	}
	if (d != NULL)
		closedir(d);
	return out[0] != '\0';
}

static int disk_image(const char *file, struct qemu_boot_image *out, struct err *e)
{
	cleanup(cleanup_free) char *real = realpath(file, NULL);
	struct stat st;

	if (real == NULL || stat(real, &st) < 0)
		return err_set(e, err_kind_of_errno(errno), errno, "cannot open the worker image %s", file);
	if (is_kernel(real))
		return err_set(e, ERR_CONFIG, 0,
			       "the worker image %s is a bare Linux kernel, which cannot boot as a disk: name the folder "
			       "with vmlinuz and initramfs.img, or the disk image (.qcow2 or .raw) that `make image` builds",
			       file);
	if (st.st_size == 0 || st.st_size % 512 != 0)
		return err_set(e, ERR_CONFIG, 0,
			       "%s is no disk image: its %lld bytes are not whole sectors; build it with `make "
			       "image`",
			       file, (long long)st.st_size);
	out->disk = true;
	out->image.format = qemu_file_is_qcow2(real) ? QEMU_QCOW2 : QEMU_RAW;
	snprintf(out->image.file, sizeof out->image.file, "%s", real);
	return 0;
}

int qemu_boot_image_find(const struct qemu_options *o, struct qemu_boot_image *out, struct err *e)
{
	char place[QEMU_PATH_SIZE], disk[QEMU_PATH_SIZE + 300];
	struct err ignored = ERR_INIT;

	*out = (struct qemu_boot_image){0};
	if (image_place(o->image, place, sizeof place, e) < 0)
		return -1;
	if (is_dir(place) && o->boot != QEMU_BOOT_DISK)
		return kernel_image(place, out, e);
	if (is_dir(place)) {
		if (!find_disk(place, disk, sizeof disk))
			return err_set(e, ERR_NOT_FOUND, 0,
				       "the worker image %s has no disk image (.qcow2 or .raw): build it with "
				       "`make image`, or "
				       "set \"boot\" to \"kernel\"",
				       place);
		if (kernel_image(place, out, &ignored) < 0)
			out->kernel[0] = '\0';
		return disk_image(disk, out, e);
	}
	if (o->boot == QEMU_BOOT_KERNEL)
		return err_set(e, ERR_CONFIG, 0,
			       "the worker image %s is a file, but \"boot\" is \"kernel\": name a directory with "
			       "vmlinuz and "
			       "initramfs.img, or set \"boot\" to \"disk\"",
			       place);
	return disk_image(place, out, e);
}
