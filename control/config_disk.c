// SPDX-License-Identifier: Apache-2.0
#include "config_disk.h"

#include <stdint.h>
#include <string.h>

#define SECTOR     2048u
#define ROOT       18u   /* sectors */
#define PATHS      19u
#define FILE_AT    20u
#define FILE_NAME  "USER-DATA;1"
#define TEXT_MAX   (CONFIG_DISK_DATA - FILE_AT * SECTOR)
#define RECORD     33u   /* bytes of a directory record before its name */

static void be32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static void be64(uint8_t *p, uint64_t v)
{
	be32(p, (uint32_t)(v >> 32));
	be32(p + 4, (uint32_t)v);
}

/* ECMA-119 7.3.3 and 7.2.3: little-endian, then big-endian. */
static void both32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
	be32(p + 4, v);
}

static void both16(uint8_t *p, uint16_t v)
{
	p[0] = p[3] = (uint8_t)v;
	p[1] = p[2] = (uint8_t)(v >> 8);
}

/* A directory record (9.1); returns its length, which is even. */
static size_t record(uint8_t *p, uint32_t sector, uint32_t size, int folder, const char *name, size_t name_len)
{
	size_t len = (RECORD + name_len + 1) & ~(size_t)1;

	p[0] = (uint8_t)len;
	both32(p + 2, sector);
	both32(p + 10, size);
	p[18] = 126; /* 2026-01-01 */
	p[19] = p[20] = 1;
	p[25] = folder ? 2 : 0;
	both16(p + 28, 1);
	p[32] = (uint8_t)name_len;
	memcpy(p + RECORD, name, name_len);
	return len;
}

static void add_iso(uint8_t *disk, const char *text, size_t len)
{
	uint8_t *v = disk + 16 * SECTOR, *root = disk + ROOT * SECTOR, *paths = disk + PATHS * SECTOR;

	v[0] = 1;
	memcpy(v + 1, "CD001\1", 6);
	memset(v + 8, ' ', 64);
	memcpy(v + 40, "cidata", 6);
	both32(v + 80, CONFIG_DISK_DATA / SECTOR);
	both16(v + 120, 1);
	both16(v + 124, 1);
	both16(v + 128, SECTOR);
	both32(v + 132, 10);
	v[140] = PATHS; /* path table, little-endian; nobody needs the other */
	record(v + 156, ROOT, SECTOR, 1, "\0", 1);
	memset(v + 190, ' ', 623);
	v[881] = 1;
	memcpy(v + SECTOR, "\377CD001\1", 7);
	paths[0] = 1;
	paths[2] = ROOT;
	paths[6] = 1;
	root += record(root, ROOT, SECTOR, 1, "\0", 1);
	root += record(root, ROOT, SECTOR, 1, "\1", 1);
	record(root, FILE_AT, (uint32_t)len, 0, FILE_NAME, strlen(FILE_NAME));
	memcpy(disk + FILE_AT * SECTOR, text, len);
}

/* "win ": readers then take the size from the footer, not from its geometry. */
static void add_footer(uint8_t *f)
{
	uint32_t sum = 0;

	memcpy(f, "conectix", 8);
	be32(f + 8, 2);
	be32(f + 12, 0x00010000);
	be64(f + 16, UINT64_MAX);
	memcpy(f + 28, "win ", 4);
	be32(f + 32, 0x000a0000);
	memcpy(f + 36, "Wi2k", 4);
	be64(f + 40, CONFIG_DISK_SIZE);
	be64(f + 48, CONFIG_DISK_SIZE);
	be32(f + 56, 602u << 16 | 4 << 8 | 17); /* cylinders, heads, sectors */
	be32(f + 60, 2);                        /* fixed */
	memcpy(f + 68, "wherry config   ", 16);  /* its id */
	for (size_t i = 0; i < CONFIG_DISK_FOOTER; i++)
		sum += f[i];
	be32(f + 64, ~sum);
}

int config_disk(const char *text, struct buf *out, struct err *e)
{
	size_t len = strlen(text);
	uint8_t *p = buf_reserve(out, CONFIG_DISK_DATA + CONFIG_DISK_FOOTER);

	if (len > TEXT_MAX)
		return err_set(e, ERR_CONFIG, 0, "bootstrap data of %zu bytes does not fit on a config disk, which holds %u", len, TEXT_MAX);
	memset(p, 0, CONFIG_DISK_DATA + CONFIG_DISK_FOOTER);
	add_iso(p, text, len);
	add_footer(p + CONFIG_DISK_DATA);
	out->len += CONFIG_DISK_DATA + CONFIG_DISK_FOOTER;
	out->data[out->len] = '\0';
	return 0;
}
