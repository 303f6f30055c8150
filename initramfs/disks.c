// SPDX-License-Identifier: Apache-2.0
#include "disks.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "say.h"
#include "sysfile.h"

enum { VPD_MAX = 1024, VPD_HEADER = 4, DESIGNATOR_NAA = 3 };

static const char *const skipped[] = { "loop", "ram", "zram", "nbd", "fd", "sr", "md", "dm-" };

static bool is_skipped(const char *name)
{
	for (size_t i = 0; i < sizeof skipped / sizeof skipped[0]; i++)
		if (strncmp(name, skipped[i], strlen(skipped[i])) == 0)
			return true;
	return name[0] == '.' || strlen(name) >= DISK_NAME_MAX;
}

void disk_clean_serial(char *text)
{
	char *from = text;
	size_t length;

	while (isspace((unsigned char)*from))
		from++;
	length = strlen(from);
	while (length > 0 && isspace((unsigned char)from[length - 1]))
		length--;
	memmove(text, from, length);
	text[length] = '\0';
	for (char *c = text; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("._:+=@,-", *c))
			*c = '_';
}

void disks_let_read(gid_t group)
{
	char path[PATH_MAX];
	DIR *dir = opendir("/sys/block");
	if (!dir)
		return;
	for (struct dirent *entry; (entry = readdir(dir));) {
		const char *name = entry->d_name;
		if (is_skipped(name) && strncmp(name, "sr", 2) != 0)
			continue;
		snprintf(path, sizeof path, "/dev/%s", name);
		bool set = chown(path, 0, group) == 0 && chmod(path, group ? 0640 : 0600) == 0;
		if (!set && errno != ENOENT)
			say("the rights of %s cannot be set: %s.", path, strerror(errno));
	}
	closedir(dir);
}

static void path_of(char path[PATH_MAX], const char *name, const char *file)
{
	snprintf(path, PATH_MAX, "/sys/block/%s/%s", name, file);
}

// Unit serial number, SPC-5 7.7.20: two bytes of length at offset 2, then text.
static bool serial_of_page_80(const char *name, char *serial)
{
	unsigned char page[VPD_MAX];
	char path[PATH_MAX];

	path_of(path, name, "device/vpd_pg80");
	ssize_t got = sysfile_read(path, page, sizeof page);
	if (got < VPD_HEADER)
		return false;
	size_t length = (size_t)page[2] << 8 | page[3];
	if (length > (size_t)got - VPD_HEADER)
		length = (size_t)got - VPD_HEADER;
	if (length > BROKER_SERIAL_MAX)
		length = BROKER_SERIAL_MAX;
	memcpy(serial, page + VPD_HEADER, length);
	serial[length] = '\0';
	disk_clean_serial(serial);
	return serial[0] != '\0';
}

// Device identification, SPC-5 7.7.6: designators of the logical unit, NAA ones wanted.
static bool serial_of_page_83(const char *name, char *serial)
{
	unsigned char page[VPD_MAX];
	char path[PATH_MAX];

	path_of(path, name, "device/vpd_pg83");
	ssize_t got = sysfile_read(path, page, sizeof page);
	for (ssize_t at = VPD_HEADER; at + 4 <= got; at += 4 + page[at + 3]) {
		unsigned int length = page[at + 3];
		bool of_unit = (page[at + 1] & 0x30) == 0;
		if (!of_unit || (page[at + 1] & 0x0f) != DESIGNATOR_NAA || length == 0 ||
		    at + 4 + (ssize_t)length > got || 4 + 2 * length > BROKER_SERIAL_MAX)
			continue;
		strcpy(serial, "naa.");
		for (unsigned int i = 0; i < length; i++)
			sprintf(serial + 4 + (size_t)i * 2, "%02x", page[at + 4 + (ssize_t)i]);
		return true;
	}
	return false;
}

static bool serial_of_text(const char *name, const char *file, char *serial)
{
	char path[PATH_MAX];

	path_of(path, name, file);
	if (sysfile_text(path, serial, BROKER_SERIAL_MAX + 1) < 0)
		serial[0] = '\0';
	disk_clean_serial(serial);
	return serial[0] != '\0';
}

// Namespaces of one NVMe controller share its serial: all but the first are told apart.
static void add_namespace(const char *name, char *serial)
{
	const char *n = strrchr(name, 'n');
	size_t length = strlen(serial);

	if (strncmp(name, "nvme", 4) == 0 && n && strcmp(n, "n1") != 0)
		snprintf(serial + length, BROKER_SERIAL_MAX + 1 - length, ".%s", n);
}

static void read_serial(struct disk *disk)
{
	if (serial_of_text(disk->name, "serial", disk->serial) ||
	    serial_of_page_80(disk->name, disk->serial) ||
	    serial_of_page_83(disk->name, disk->serial))
		return;
	if (serial_of_text(disk->name, "device/serial", disk->serial))
		add_namespace(disk->name, disk->serial);
}

static void read_address(struct disk *disk)
{
	char path[PATH_MAX];
	char target[PATH_MAX];
	unsigned int host, channel, id;
	unsigned long long lun;

	path_of(path, disk->name, "device");
	ssize_t n = readlink(path, target, sizeof target - 1);
	if (n < 0)
		return;
	target[n] = '\0';
	if (sscanf(basename(target), "%u:%u:%u:%llu", &host, &channel, &id, &lun) == 4)
		snprintf(disk->address, sizeof disk->address, "%u:%u:%u:%llu", host, channel, id,
			 lun);
}

static uint64_t number_of(const char *name, const char *file)
{
	char path[PATH_MAX];
	uint64_t number = 0;

	path_of(path, name, file);
	return sysfile_number(path, &number) < 0 ? 0 : number;
}

static bool read_disk(const char *name, struct disk *disk)
{
	*disk = (struct disk){ 0 };
	memccpy(disk->name, name, '\0', sizeof disk->name - 1);
	disk->size = number_of(name, "size") * 512;
	disk->sequence = number_of(name, "diskseq");
	disk->logical = (unsigned int)number_of(name, "queue/logical_block_size");
	disk->physical = (unsigned int)number_of(name, "queue/physical_block_size");
	disk->read_only = number_of(name, "ro") != 0;
	if (disk->size == 0 || disk->logical == 0 || number_of(name, "hidden") != 0)
		return false;
	read_serial(disk);
	read_address(disk);
	return true;
}

// "sdb" before "sdaa": by length first within one driver's letters.
static int by_name(const void *a, const void *b)
{
	const char *left = ((const struct disk *)a)->name;
	const char *right = ((const struct disk *)b)->name;
	size_t left_length = strlen(left);
	size_t right_length = strlen(right);
	int driver = strncmp(left, right, 2);

	if (driver || left_length == right_length)
		return driver ? driver : strcmp(left, right);
	return left_length < right_length ? -1 : 1;
}

int disks_read(struct disk disks[DISKS_MAX])
{
	int n = 0;
	DIR *dir = opendir("/sys/block");
	if (!dir)
		return -1;
	for (struct dirent *entry; n < DISKS_MAX && (entry = readdir(dir));)
		if (!is_skipped(entry->d_name) && read_disk(entry->d_name, &disks[n]))
			n++;
	closedir(dir);
	qsort(disks, (size_t)n, sizeof disks[0], by_name);
	return n;
}
