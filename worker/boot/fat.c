// SPDX-License-Identifier: Apache-2.0
/*
 * FAT12, FAT16 and FAT32 without a partition table (Microsoft's "FAT: General Overview of On-Disk Format", 2000), just
 * enough to read one small file by its long or short name. Chains are followed for as many clusters as the wanted
 * file or MAX_FOLDER needs and no further, so a loop in the table ends by itself.
 */
#include <string.h>

#include "boot/volume.h"

#define MAX_FOLDER   (64u << 10) /* bytes of one folder that are looked at */
#define ENTRY_SIZE   32
#define LONG_PARTS   20          /* entries of a long name, 13 characters each */
#define LONG_CHARS   13
#define ATTR_LABEL   0x08
#define ATTR_FOLDER  0x10
#define ATTR_LONG    0x0f

struct fat {
	const struct volume *v;
	unsigned bits;            /* 12, 16, 32 */
	uint32_t sector;          /* bytes */
	uint32_t cluster;         /* bytes */
	uint64_t table;           /* byte offset of the first FAT */
	uint64_t table_size;      /* bytes */
	uint64_t root;            /* byte offset of FAT12/16's root folder */
	uint32_t root_size;       /* bytes; 0: FAT32 */
	uint32_t root_cluster;    /* FAT32 */
	uint64_t data;            /* byte offset of cluster 2 */
	uint32_t clusters;
};

struct node {
	uint32_t cluster; /* first; 0 and folder: the root of FAT12/16 */
	uint32_t size;    /* bytes, files only */
	bool folder;
};

/* A long name while its parts go by, last part first. */
struct long_name {
	char text[LONG_PARTS * LONG_CHARS];
	unsigned parts;   /* 0: none */
	unsigned expect;  /* ordinal of the next part; 0: complete */
	uint8_t checksum;
};

/* Called for every entry that names a file or folder, or the label. Returns whether to stop. */
typedef bool entry_fn(void *ctx, const uint8_t *entry, const struct long_name *name);

static uint16_t le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t le32(const uint8_t *p)
{
	return (uint32_t)le16(p) | (uint32_t)le16(p + 2) << 16;
}

static bool power_of_two(uint32_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

/* Whether the first sector is a FAT boot sector; fills *f. A thing that merely looks like one is not ours. */
static bool parse_boot_sector(const struct volume *v, const uint8_t *b, struct fat *f)
{
	uint32_t sector = le16(b + 11), per_cluster = b[13], reserved = le16(b + 14), tables = b[16];
	uint32_t total = le16(b + 19) != 0 ? le16(b + 19) : le32(b + 32);
	uint32_t per_table = le16(b + 22) != 0 ? le16(b + 22) : le32(b + 36);
	uint64_t root_size = (uint64_t)le16(b + 17) * ENTRY_SIZE;

	if (b[510] != 0x55 || b[511] != 0xaa || !power_of_two(sector) || sector < 512 || sector > 4096 ||
	    !power_of_two(per_cluster) || reserved == 0 || tables == 0 || tables > 2 || per_table == 0)
		return false;
	root_size = (root_size + sector - 1) / sector * sector;
	*f = (struct fat){
		.v = v,
		.sector = sector,
		.cluster = sector * per_cluster,
		.table = (uint64_t)reserved * sector,
		.table_size = (uint64_t)per_table * sector,
		.root_size = (uint32_t)root_size,
	};
	f->root = f->table + tables * f->table_size;
	f->data = f->root + root_size;
	uint64_t bytes = (uint64_t)total * sector;
	if (bytes <= f->data || bytes > v->size)
		return false;
	f->clusters = (uint32_t)((bytes - f->data) / f->cluster);
	f->bits = f->clusters < 4085 ? 12 : f->clusters < 65525 ? 16 : 32;
	if ((f->bits == 32) != (root_size == 0))
		return false;
	f->root_cluster = f->bits == 32 ? le32(b + 44) : 0;
	return f->clusters > 0;
}

static int damaged(const struct fat *f, struct err *e)
{
	return err_set(e, ERR_CORRUPT, 0, "the file allocation table of the config drive %s is damaged: make it anew",
		       f->v->name);
}

static bool is_cluster(const struct fat *f, uint32_t cluster)
{
	return cluster >= 2 && cluster - 2 < f->clusters;
}

/* *cluster becomes the one after it; one that is_cluster() denies is the end of the chain. */
static int next_cluster(const struct fat *f, uint32_t *cluster, struct err *e)
{
	uint8_t raw[4] = {0};
	unsigned size = f->bits == 32 ? 4 : 2;
	uint64_t at = f->bits == 12 ? *cluster + *cluster / 2 : (uint64_t)*cluster * size;

	if (at + size > f->table_size)
		return damaged(f, e);
	if (volume_read(f->v, f->table + at, raw, size, e) < 0)
		return -1;
	uint32_t value = f->bits == 32 ? le32(raw) & 0x0fffffff : le16(raw);
	if (f->bits == 12)
		value = *cluster % 2 == 0 ? value & 0xfff : value >> 4;
	*cluster = value;
	return 0;
}

static void long_reset(struct long_name *l)
{
	l->parts = 0;
	l->expect = 0;
}

static void long_take(struct long_name *l, const uint8_t *entry)
{
	static const uint8_t at[LONG_CHARS] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};
	unsigned ordinal = entry[0] & 0x3f;

	if ((entry[0] & 0x40) != 0 && ordinal >= 1 && ordinal <= LONG_PARTS) {
		memset(l->text, 0, sizeof l->text);
		l->parts = l->expect = ordinal;
		l->checksum = entry[13];
	}
	if (l->expect == 0 || ordinal != l->expect || entry[13] != l->checksum) {
		long_reset(l);
		return;
	}
	l->expect--;
	for (unsigned i = 0; i < LONG_CHARS; i++) {
		uint16_t c = le16(entry + at[i]);

		/* What we look for is ASCII; anything else must merely not be equal to it. */
		l->text[(ordinal - 1) * LONG_CHARS + i] = c == 0xffff ? '\0' : c < 0x80 ? (char)c : '?';
	}
}

/* Ties a long name to the short entry that follows it. */
static uint8_t short_checksum(const uint8_t *entry)
{
	uint8_t sum = 0;

	for (unsigned i = 0; i < 11; i++)
		sum = (uint8_t)((sum << 7 | sum >> 1) + entry[i]);
	return sum;
}

static size_t short_name(const uint8_t *entry, char out[13])
{
	size_t n = 0;

	for (unsigned i = 0; i < 8 && entry[i] != ' '; i++)
		out[n++] = (char)entry[i];
	if (entry[8] != ' ')
		out[n++] = '.';
	for (unsigned i = 8; i < 11 && entry[i] != ' '; i++)
		out[n++] = (char)entry[i];
	return n;
}

/* Entries of one piece of a folder. 1: fn said stop, -1: the folder ends here, 0: go on. */
static int walk_entries(const uint8_t *p, size_t n, struct long_name *name, entry_fn *fn, void *ctx)
{
	for (size_t at = 0; at + ENTRY_SIZE <= n; at += ENTRY_SIZE) {
		const uint8_t *entry = p + at;

		if (entry[0] == 0)
			return -1;
		if (entry[0] == 0xe5) {
			long_reset(name);
		} else if ((entry[11] & 0x3f) == ATTR_LONG) {
			long_take(name, entry);
		} else {
			if (name->expect != 0 || name->checksum != short_checksum(entry))
				long_reset(name);
			if (fn(ctx, entry, name))
				return 1;
			long_reset(name);
		}
	}
	return 0;
}

static int walk_folder(const struct fat *f, const struct node *folder, entry_fn *fn, void *ctx, struct err *e)
{
	struct long_name name = {.parts = 0};
	uint32_t cluster = folder->cluster;
	bool fixed = cluster == 0;
	uint32_t limit = fixed && f->root_size < MAX_FOLDER ? f->root_size : MAX_FOLDER;
	uint8_t piece[512];

	for (uint32_t done = 0; done < limit; done += sizeof piece) {
		uint32_t within = fixed ? done : done % f->cluster;

		if (!fixed && done != 0 && within == 0 && next_cluster(f, &cluster, e) < 0)
			return -1;
		if (!fixed && !is_cluster(f, cluster))
			return 0;
		uint64_t base = fixed ? f->root : f->data + (uint64_t)(cluster - 2) * f->cluster;
		if (volume_read(f->v, base + within, piece, sizeof piece, e) < 0)
			return -1;
		if (walk_entries(piece, sizeof piece, &name, fn, ctx) != 0)
			return 0;
	}
	return 0;
}

struct search {
	const char *name;
	size_t len;
	bool found;
	struct node node;
	char label[12];
};

static bool match_label(void *ctx, const uint8_t *entry, const struct long_name *name)
{
	struct search *s = ctx;
	size_t len = 11;

	(void)name;
	if ((entry[11] & (ATTR_LABEL | ATTR_FOLDER)) != ATTR_LABEL)
		return false;
	while (len > 0 && entry[len - 1] == ' ')
		len--;
	memcpy(s->label, entry, len);
	s->label[len] = '\0';
	return s->found = true;
}

static bool match_name(void *ctx, const uint8_t *entry, const struct long_name *name)
{
	struct search *s = ctx;
	char brief[13];
	size_t len = short_name(entry, brief);

	if ((entry[11] & ATTR_LABEL) != 0)
		return false;
	bool same = volume_name_equal(brief, len, s->name, s->len) ||
		    (name->parts != 0 &&
		     volume_name_equal(name->text, strnlen(name->text, sizeof name->text), s->name, s->len));
	if (!same)
		return false;
	s->node = (struct node){
		.cluster = (uint32_t)le16(entry + 20) << 16 | le16(entry + 26),
		.size = le32(entry + 28),
		.folder = (entry[11] & ATTR_FOLDER) != 0,
	};
	return s->found = true;
}

static int read_chain(const struct fat *f, const struct node *file, struct buf *out, struct err *e)
{
	uint32_t cluster = file->cluster;

	for (uint32_t left = file->size; left > 0;) {
		uint32_t n = left < f->cluster ? left : f->cluster;

		if (!is_cluster(f, cluster))
			return damaged(f, e);
		if (volume_append(f->v, f->data + (uint64_t)(cluster - 2) * f->cluster, n, out, e) < 0)
			return -1;
		left -= n;
		if (left > 0 && next_cluster(f, &cluster, e) < 0)
			return -1;
	}
	return 0;
}

/* The label is the root folder's label entry; the copy in the boot sector is often stale. */
static int has_label(const struct fat *f, const struct node *root, const char *label, bool *has, struct err *e)
{
	struct search s = {.found = false};

	if (walk_folder(f, root, match_label, &s, e) < 0)
		return -1;
	*has = s.found && volume_name_equal(s.label, strlen(s.label), label, strlen(label));
	return 0;
}

int fat_read_file(const struct volume *v, const struct volume_want *want, struct buf *out, bool *found, struct err *e)
{
	uint8_t boot[512];
	struct fat f;
	const char *path = want->path;

	*found = false;
	if (v->size < sizeof boot)
		return 0;
	if (volume_read(v, 0, boot, sizeof boot, e) < 0)
		return -1;
	if (!parse_boot_sector(v, boot, &f))
		return 0;
	struct node at = {.cluster = f.root_cluster, .folder = true};
	if (has_label(&f, &at, want->label, found, e) < 0)
		return -1;
	if (!*found)
		return 0;
	while (*path != '\0') {
		struct search s = {.name = path, .len = volume_path_part(path, &path)};

		*found = false;
		if (walk_folder(&f, &at, match_name, &s, e) < 0)
			return -1;
		if (!s.found || s.node.folder != (*path != '\0'))
			return 0;
		at = s.node;
		if (at.folder && !is_cluster(&f, at.cluster))
			return damaged(&f, e);
	}
	if (at.size > want->max)
		return err_set(e, ERR_CORRUPT, 0, "%s on the config drive %s is longer than %zu bytes", want->path,
			       v->name, want->max);
	*found = true;
	return read_chain(&f, &at, out, e);
}
