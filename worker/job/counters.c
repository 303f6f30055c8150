// SPDX-License-Identifier: Apache-2.0
#include "job/counters.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"

#define DISKSTATS_SECTOR 512 /* bytes, whatever the disk's own (kernel: Documentation/admin-guide/iostats.rst) */

static uint64_t ns_of(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * NS_PER_S + (uint64_t)t->tv_usec * 1000;
}

static void read_cpu(struct counters *c)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) < 0)
		return;
	c->cpu_user_ns = ns_of(&usage.ru_utime);
	c->cpu_system_ns = ns_of(&usage.ru_stime);
}

static void take_memory(const char *root, const char *line, struct counters *c)
{
	uint64_t kib;

	(void)root;
	if (sscanf(line, "MemAvailable: %" SCNu64 " kB", &kib) == 1)
		c->memory_available = kib * 1024;
}

/* Partitions have no entry of their own in /sys/block, and would count twice. */
static int is_disk(const char *root, const char *name)
{
	cleanup(cleanup_free) char *path = mem_printf("%s/sys/block/%s", root, name);

	return strncmp(name, "loop", 4) != 0 && strncmp(name, "ram", 3) != 0 && strncmp(name, "zram", 4) != 0 &&
	       strncmp(name, "dm-", 3) != 0 && access(path, F_OK) == 0;
}

static void take_disk(const char *root, const char *line, struct counters *c)
{
	char name[64];
	uint64_t in, out;

	if (sscanf(line, "%*u %*u %63s %*u %*u %" SCNu64 " %*u %*u %*u %" SCNu64, name, &in, &out) != 3 ||
	    !is_disk(root, name))
		return;
	c->disk_read_bytes += in * DISKSTATS_SECTOR;
	c->disk_written_bytes += out * DISKSTATS_SECTOR;
}

static void take_network(const char *root, const char *line, struct counters *c)
{
	char name[64];
	uint64_t in, out;

	(void)root;
	if (sscanf(line, " %63[^: ]: %" SCNu64 " %*u %*u %*u %*u %*u %*u %*u %" SCNu64, name, &in, &out) != 3 ||
	    strcmp(name, "lo") == 0)
		return;
	c->net_in_bytes += in;
	c->net_out_bytes += out;
}

static void read_lines(const char *root, const char *file, struct counters *c,
		       void (*take)(const char *root, const char *line, struct counters *c))
{
	cleanup(cleanup_free) char *path = mem_printf("%s%s", root, file);
	cleanup(cleanup_file) FILE *f = fopen(path, "re");
	char line[512];

	while (f != NULL && fgets(line, sizeof line, f) != NULL)
		take(root, line, c);
}

void counters_read(const char *root, struct counters *c)
{
	*c = (struct counters){.cpu_user_ns = 0};
	read_cpu(c);
	read_lines(root, "/proc/meminfo", c, take_memory);
	read_lines(root, "/proc/diskstats", c, take_disk);
	read_lines(root, "/proc/net/dev", c, take_network);
}
