// SPDX-License-Identifier: Apache-2.0
/*
 * KVM that exists may still not work: nested virtualization of some hosts runs firmware and hangs every kernel. So a
 * kernel without anything to boot into must reach its panic, which needs interrupts, timers and paging.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "qemu_args.h"
#include "qemu_file.h"
#include "qemu_options.h"
#include "qemu_proc.h"

#define PROBE_NS (5 * NS_PER_S)

bool qemu_accel_probe(const char *accel, const char *kernel, int64_t timeout_ns)
{
	const char *const argv[] = {QEMU_BINARY,
				    "-nodefaults",
				    "-no-user-config",
				    "-display",
				    "none",
				    "-no-reboot",
				    "-machine",
				    "q35",
				    "-accel",
				    accel,
				    "-cpu",
				    strcmp(accel, "kvm") == 0 ? "host" : "max",
				    "-m",
				    "128M",
				    "-serial",
				    "stdio",
				    "-kernel",
				    kernel,
				    "-append",
				    "console=ttyS0 panic=-1",
				    NULL};
	struct err e = ERR_INIT;
	bool seen;

	return qemu_tool_watch(argv, "Kernel panic - not syncing", timeout_ns, &seen, &e) == 0 && seen;
}

static char *cache_path(void)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	struct err ignored = ERR_INIT;
	cleanup(cleanup_free) char *base = NULL;

	if (cache != NULL && cache[0] == '/')
		base = mem_strdup(cache);
	else if (home != NULL && home[0] == '/')
		base = mem_printf("%s/.cache", home);
	else
		return NULL;
	cleanup(cleanup_free) char *dir = mem_printf("%s/wherry", base);

	if (qemu_file_mkdir(base, &ignored) < 0 || qemu_file_mkdir(dir, &ignored) < 0)
		return NULL;
	return mem_printf("%s/kvm-probe", dir);
}

/* "<boot id> kvm" or "<boot id> tcg"; anything else, or of another boot, is no answer. */
static bool remembered(const char *path, enum qemu_accel *accel)
{
	cleanup(buf_fini) struct buf text = BUF_INIT;
	struct err e = ERR_INIT;
	char boot[40], want[48];

	qemu_boot_id(boot);
	if (path == NULL || boot[0] == '\0' || qemu_file_read(path, 256, &text, &e) < 0)
		return false;
	for (int i = 0; i < 2; i++) {
		snprintf(want, sizeof want, "%s %s", boot, i == 0 ? "kvm" : "tcg");
		if (strncmp(buf_str(&text), want, strlen(want)) == 0) {
			*accel = i == 0 ? QEMU_KVM : QEMU_TCG;
			return true;
		}
	}
	return false;
}

static void remember(const char *path, bool kvm)
{
	char boot[40], line[64];
	struct err ignored = ERR_INIT; /* then it is tried again next time */

	qemu_boot_id(boot);
	int n = snprintf(line, sizeof line, "%s %s\n", boot, kvm ? "kvm" : "tcg");

	if (path != NULL && boot[0] != '\0')
		qemu_file_write(path, line, (size_t)n, 0644, &ignored);
}

bool qemu_accel_kvm_works(const char *kernel, bool again, char why[160])
{
	cleanup(cleanup_fd) int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	cleanup(cleanup_free) char *path = NULL;
	enum qemu_accel accel;

	if (fd < 0) {
		snprintf(why, 160, "/dev/kvm cannot be opened: %s", strerror(errno));
		return false;
	}
	path = cache_path();
	bool known = remembered(path, &accel), works = known && accel == QEMU_KVM;

	if (!works && (again || !known)) {
		if (kernel == NULL || kernel[0] == '\0') {
			snprintf(why, 160, "there is no worker kernel to try KVM with");
			return false;
		}
		works = qemu_accel_probe("kvm", kernel, PROBE_NS);
		remember(path, works);
	}
	snprintf(why, 160, works ? "KVM has booted a kernel here" : "KVM is there but did not boot a kernel within 5 s");
	return works;
}

enum qemu_accel qemu_accel_choose(enum qemu_accel wish, const char *kernel, char why[160])
{
	char reason[160];

	if (wish != QEMU_AUTO) {
		snprintf(why, 160, "%s, as the job says", wish == QEMU_KVM ? "KVM" : "TCG");
		return wish;
	}
	bool works = qemu_accel_kvm_works(kernel, false, reason);

	snprintf(why, 160, "%s, for %.140s", works ? "KVM" : "TCG", reason);
	return works ? QEMU_KVM : QEMU_TCG;
}
