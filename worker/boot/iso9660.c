// SPDX-License-Identifier: Apache-2.0
/*
 * ISO 9660 (ECMA-119), just enough to read one small file: the primary descriptor's label; names from a Joliet
 * descriptor where there is one, else from Rock Ridge NM entries (SUSP, IEEE P1282), else the plain ones with
 * ";version" cut off. Files and folders of one extent; no continuation areas, no relocated folders.
 */
#include <string.h>

#include "boot/volume.h"

#define SECTOR          2048
#define FIRST_DESCRIPTOR  16
#define MAX_DESCRIPTORS   32
#define MAX_FOLDER      (64u << 10) /* bytes of one folder that are looked at */
#define RECORD_FIXED      33        /* of a directory record, before its name */
#define FLAG_FOLDER     0x02
#define FLAG_MORE       0x80        /* the file goes on in another extent */

struct entry {
	uint64_t offset; /* bytes */
	uint32_t size;
	uint8_t flags;
};

struct disc {
	struct entry root;
	bool joliet;
	char label[33];
};

static uint32_t le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static struct entry entry_of(const uint8_t *record)
{
	return (struct entry){
		.offset = (uint64_t)le32(record + 2) * SECTOR,
		.size = le32(record + 10),
		.flags = record[25],
	};
}

static void take_label(struct disc *d, const uint8_t *descriptor)
{
	size_t len = 32;

	memcpy(d->label, descriptor + 40, len);
	while (len > 0 && (d->label[len - 1] == ' ' || d->label[len - 1] == '\0'))
		len--;
	d->label[len] = '\0';
}

/* Escape sequences that say UCS-2 big-endian: Joliet levels 1 to 3. */
static bool is_joliet(const uint8_t *descriptor)
{
	const uint8_t *escape = descriptor + 88;

	return escape[0] == '%' && escape[1] == '/' && (escape[2] == '@' || escape[2] == 'C' || escape[2] == 'E');
}

/* Reads the descriptors. *found false: no ISO 9660 here. */
static int read_descriptors(const struct volume *v, struct disc *d, bool *found, struct err *e)
{
	uint8_t sector[SECTOR];

	*found = false;
	for (unsigned i = 0; i < MAX_DESCRIPTORS; i++) {
		uint64_t offset = (uint64_t)(FIRST_DESCRIPTOR + i) * SECTOR;

		if (offset + SECTOR > v->size)
			return 0;
		if (volume_read(v, offset, sector, sizeof sector, e) < 0)
			return -1;
		if (memcmp(sector + 1, "CD001", 5) != 0 || sector[0] == 255)
			return 0;
		/* Blocks of another size than a sector are allowed by the standard and made by nobody. */
		bool usable = sector[128] == 0 && sector[129] == SECTOR >> 8;
		if (sector[0] == 1 && usable && !*found) {
			take_label(d, sector);
			d->root = entry_of(sector + 156);
			*found = true;
		} else if (sector[0] == 2 && usable && *found && is_joliet(sector)) {
			d->root = entry_of(sector + 156);
			d->joliet = true;
		}
	}
	return 0;
}

static size_t joliet_name(const uint8_t *record, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i + 1 < record[32] && n < size; i += 2) {
		const uint8_t *c = record + RECORD_FIXED + i;

		out[n++] = c[0] == 0 && c[1] < 0x80 ? (char)c[1] : '?'; /* what we look for is ASCII */
	}
	return n;
}

/* The NM entries in the record's system use area, joined. 0: there is none. */
static size_t rock_ridge_name(const uint8_t *record, char *out, size_t size)
{
	size_t at = RECORD_FIXED + record[32] + (record[32] % 2 == 0), n = 0;

	while (at + 4 <= record[0]) {
		size_t len = record[at + 2];

		if (len < 4 || len > record[0] - at)
			break;
		if (record[at] == 'N' && record[at + 1] == 'M' && len > 5) {
			size_t part = len - 5 < size - n ? len - 5 : size - n;

			memcpy(out + n, record + at + 5, part);
			n += part;
		}
		at += len;
	}
	return n;
}

static size_t plain_name(const uint8_t *record, char *out, size_t size)
{
	size_t n = record[32] < size ? record[32] : size;

	memcpy(out, record + RECORD_FIXED, n);
	return n;
}

/* "USER_DAT.TXT;1" and "LATEST.;1" are how they stand on the disc. */
static size_t without_version(const char *name, size_t n)
{
	const char *semicolon = memchr(name, ';', n);

	if (semicolon != NULL)
		n = (size_t)(semicolon - name);
	return n > 0 && name[n - 1] == '.' ? n - 1 : n;
}

static bool record_named(const struct disc *d, const uint8_t *record, const char *name, size_t name_len)
{
	char own[256];
	size_t n = d->joliet ? joliet_name(record, own, sizeof own) : rock_ridge_name(record, own, sizeof own);
	bool rock_ridge = !d->joliet && n > 0;

	if (n == 0)
		n = plain_name(record, own, sizeof own);
	if (!rock_ridge)
		n = without_version(own, n);
	return volume_name_equal(own, n, name, name_len);
}

/* Looks for a name in one folder. */
static int find_in_folder(const struct volume *v, const struct disc *d, const struct entry *folder, const char *name,
			  size_t name_len, struct entry *out, bool *found, struct err *e)
{
	uint32_t size = folder->size < MAX_FOLDER ? folder->size : MAX_FOLDER;
	uint8_t sector[SECTOR];

	*found = false;
	for (uint32_t done = 0; done < size; done += SECTOR) {
		if (volume_read(v, folder->offset + done, sector, sizeof sector, e) < 0)
			return -1;
		/* Records never cross a sector; a length of 0 ends the sector. */
		for (size_t at = 0; at + RECORD_FIXED < SECTOR && sector[at] != 0; at += sector[at]) {
			const uint8_t *record = sector + at;

			if (record[0] > SECTOR - at || record[0] < RECORD_FIXED + 1 ||
			    record[32] > record[0] - RECORD_FIXED)
				return err_set(e, ERR_CORRUPT, 0,
					       "a folder of the config drive %s is damaged: make it anew", v->name);
			if (!record_named(d, record, name, name_len))
				continue;
			*out = entry_of(record);
			*found = true;
			return 0;
		}
	}
	return 0;
}

int iso9660_read_file(const struct volume *v, const struct volume_want *want, struct buf *out, bool *found,
		      struct err *e)
{
	struct disc d = {.joliet = false};
	const char *path = want->path;

	if (read_descriptors(v, &d, found, e) < 0)
		return -1;
	if (!*found || !volume_name_equal(d.label, strlen(d.label), want->label, strlen(want->label))) {
		*found = false;
		return 0;
	}
	struct entry at = d.root;
	while (*path != '\0') {
		const char *name = path;
		size_t len = volume_path_part(name, &path);

		if (find_in_folder(v, &d, &at, name, len, &at, found, e) < 0)
			return -1;
		if (!*found)
			return 0;
		if (((at.flags & FLAG_FOLDER) != 0) != (*path != '\0')) {
			*found = false;
			return 0;
		}
	}
	if (at.size > want->max || (at.flags & FLAG_MORE) != 0)
		return err_set(e, ERR_CORRUPT, 0, "%s on the config drive %s is longer than %zu bytes", want->path,
			       v->name, want->max);
	return volume_append(v, at.offset, at.size, out, e);
}
