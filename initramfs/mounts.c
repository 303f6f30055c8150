// SPDX-License-Identifier: Apache-2.0
#include "mounts.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "say.h"
#include "sysfile.h"

struct mounting {
	const char *type;
	const char *where;
	unsigned long flags;
	const char *options;
};

static const struct mounting mountings[] = {
	{ "proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=2" },
	{ "sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "devtmpfs", "/dev", MS_NOSUID | MS_NOEXEC, "mode=0755" },
	{ "tmpfs", "/run", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755,size=64m" },
};

struct setting {
	const char *file;
	const char *value;
};

// The socket limits let one stream fill 10 Gbit/s at 50 ms; BBR keeps the queue short.
static const struct setting settings[] = {
	{ "/proc/sys/net/core/rmem_max", "67108864" },
	{ "/proc/sys/net/core/wmem_max", "67108864" },
	{ "/proc/sys/net/ipv4/tcp_rmem", "4096 262144 67108864" },
	{ "/proc/sys/net/ipv4/tcp_wmem", "4096 262144 67108864" },
	{ "/proc/sys/net/ipv4/tcp_slow_start_after_idle", "0" },
	{ "/proc/sys/net/ipv6/conf/default/accept_ra", "1" },
	{ "/proc/sys/net/ipv6/conf/default/optimistic_dad", "1" },
	{ "/proc/sys/net/ipv6/conf/default/use_optimistic", "1" },
	// The kernel switches huge pages off below 512 MiB; here they are worth three times the
	// read speed (PERF.md).
	{ "/sys/kernel/mm/transparent_hugepage/enabled", "always" },
};

int mounts_make(void)
{
	for (size_t i = 0; i < sizeof mountings / sizeof mountings[0]; i++) {
		const struct mounting *m = &mountings[i];
		if (mount(m->type, m->where, m->type, m->flags, m->options) < 0) {
			say("%s cannot be mounted: %s; the image is damaged.", m->where, strerror(errno));
			return -1;
		}
	}
	umask(022);
	return 0;
}

void mounts_settings(void)
{
	for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
		if (sysfile_write(settings[i].file, settings[i].value) < 0)
			say("%s cannot be set to %s: %s.", settings[i].file, settings[i].value,
			    strerror(errno));
}

void mounts_seal(void)
{
	const unsigned long sealed = MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV;

	if (mount(NULL, "/", NULL, sealed, NULL) < 0 ||
	    mount(NULL, "/sys", NULL, sealed | MS_NOEXEC, NULL) < 0)
		say("/ and /sys cannot be made read-only: %s.", strerror(errno));
}
