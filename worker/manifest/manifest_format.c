// SPDX-License-Identifier: Apache-2.0
#include "manifest/manifest_format.h"

#include <blake3.h>
#include <string.h>

#include "base/hex.h"

#define SUM_AT (MANIFEST_PAGE - MANIFEST_HASH)

static const char magic[8] = {'W', 'H', 'E', 'R', 'R', 'Y', 'M', '1'};

/* Offsets in the header. */
enum {
	AT_MAGIC = 0, AT_VERSION = 8, AT_FLAGS = 12, AT_SIZE = 16, AT_CHUNK = 24, AT_SECTOR = 28, AT_GENERATION = 32,
	AT_EPOCH = 40, AT_JOB = 48, AT_DISK = 112, AT_KEY_ID = 176, AT_ROOT = 192
};

void manifest_put_le(uint8_t *to, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		to[i] = (uint8_t)(v >> (8 * i));
}

uint64_t manifest_get_le(const uint8_t *from, size_t bytes)
{
	uint64_t v = 0;

	for (size_t i = 0; i < bytes; i++)
		v |= (uint64_t)from[i] << (8 * i);
	return v;
}

uint64_t manifest_chunk_count(const struct manifest_info *i)
{
	return i->size / i->chunk_size + (i->size % i->chunk_size != 0);
}

uint64_t manifest_page_count(const struct manifest_info *i)
{
	uint64_t chunks = manifest_chunk_count(i);

	return chunks / MANIFEST_PAGE_CHUNKS + (chunks % MANIFEST_PAGE_CHUNKS != 0);
}

uint32_t manifest_chunk_length(const struct manifest_info *i, uint64_t c)
{
	uint64_t left = i->size - c * i->chunk_size;

	return left < i->chunk_size ? (uint32_t)left : i->chunk_size;
}

uint64_t manifest_level_pages(const struct manifest_info *i, unsigned level)
{
	uint64_t n = manifest_page_count(i);

	for (; level > 0; level--)
		n = n / MANIFEST_PAGE_CHUNKS + (n % MANIFEST_PAGE_CHUNKS != 0);
	return n;
}

unsigned manifest_levels(const struct manifest_info *i)
{
	unsigned level = 1;

	if (manifest_page_count(i) == 0)
		return 0;
	while (manifest_level_pages(i, level) > 1)
		level++;
	return level;
}

size_t manifest_place_used(const struct manifest_info *i, struct manifest_place at)
{
	uint64_t below = at.level == 0 ? manifest_chunk_count(i) : manifest_level_pages(i, at.level - 1);
	uint64_t left = below - at.index * MANIFEST_PAGE_CHUNKS;

	return left < MANIFEST_PAGE_CHUNKS ? (size_t)left : MANIFEST_PAGE_CHUNKS;
}

off_t manifest_place_offset(const struct manifest_info *i, struct manifest_place at)
{
	uint64_t before = 1 + at.index; /* the header */

	for (unsigned level = 0; level < at.level; level++)
		before += manifest_level_pages(i, level);
	return (off_t)(MANIFEST_PAGE * before);
}

off_t manifest_file_size(const struct manifest_info *i)
{
	return manifest_place_offset(i, (struct manifest_place){.level = manifest_levels(i) + 1});
}

static bool ends(const char text[64])
{
	return memchr(text, '\0', 64) != NULL;
}

int manifest_info_check(const struct manifest_info *i, const char *path, struct err *e)
{
	bool sector_good = i->sector_size >= 512 && (i->sector_size & (i->sector_size - 1)) == 0;

	if (!sector_good || i->chunk_size == 0 || i->chunk_size % i->sector_size != 0)
		return err_set(e, ERR_REFUSED, 0,
			"manifest %s: chunks of %u bytes on sectors of %u bytes are not possible; a chunk is a "
			"whole number of sectors, a sector a power of two of at least 512 bytes",
			path, i->chunk_size, i->sector_size);
	if (i->size > INT64_MAX)
		return err_set(e, ERR_REFUSED, 0, "manifest %s: a disk cannot have %llu bytes", path,
			(unsigned long long)i->size);
	if (!ends(i->job) || !ends(i->disk))
		return err_set(e, ERR_REFUSED, 0, "manifest %s: job and disk names have at most 63 bytes", path);
	return 0;
}

/* A text and nothing of what the caller's memory held behind it. */
static void put_text(uint8_t *to, const char text[64])
{
	memcpy(to, text, strnlen(text, 64));
}

static void sum(const struct manifest_keys *k, const void *prefix, size_t prefix_size, const uint8_t *p, uint8_t *out)
{
	blake3_hasher h;

	blake3_hasher_init_keyed(&h, k->page);
	blake3_hasher_update(&h, prefix, prefix_size);
	blake3_hasher_update(&h, p, SUM_AT);
	blake3_hasher_finalize(&h, out, MANIFEST_HASH);
}

void manifest_header_encode(const struct manifest_info *i, const struct manifest_keys *k, uint8_t out[MANIFEST_PAGE])
{
	memset(out, 0, MANIFEST_PAGE);
	memcpy(out + AT_MAGIC, magic, sizeof magic);
	manifest_put_le(out + AT_VERSION, MANIFEST_VERSION, 4);
	manifest_put_le(out + AT_FLAGS, i->flags, 4);
	manifest_put_le(out + AT_SIZE, i->size, 8);
	manifest_put_le(out + AT_CHUNK, i->chunk_size, 4);
	manifest_put_le(out + AT_SECTOR, i->sector_size, 4);
	manifest_put_le(out + AT_GENERATION, i->generation, 8);
	manifest_put_le(out + AT_EPOCH, i->epoch, 8);
	put_text(out + AT_JOB, i->job);
	put_text(out + AT_DISK, i->disk);
	memcpy(out + AT_KEY_ID, k->id, sizeof k->id);
	memcpy(out + AT_ROOT, i->root, MANIFEST_HASH);
	sum(k, NULL, 0, out, out + SUM_AT);
}

/* Why a header's checksum is wrong: damage and another key look alike, so the message says which is likelier. */
static int header_refused(const uint8_t *in, const struct manifest_keys *k, const char *path, struct err *e)
{
	char theirs[2 * MANIFEST_KEY_ID + 1], ours[2 * MANIFEST_KEY_ID + 1];

	if (memcmp(in + AT_MAGIC, magic, sizeof magic) != 0)
		return err_set(e, ERR_CORRUPT, 0,
			"%s is no manifest, or its beginning is damaged; name another file, or remove it and the "
			"next run hashes the target again", path);
	if (memcmp(in + AT_KEY_ID, k->id, MANIFEST_KEY_ID) != 0)
		return err_set(e, ERR_CORRUPT, 0,
			"manifest %s was made with another key (its id is %s, this job's is %s) or is damaged; give "
			"the key it was made with, or remove it and the next run hashes the target again",
			path, hex_encode(in + AT_KEY_ID, MANIFEST_KEY_ID, theirs),
			hex_encode(k->id, MANIFEST_KEY_ID, ours));
	return err_set(e, ERR_CORRUPT, 0,
		"manifest %s: the header is damaged; remove the file, and the next run hashes the target again", path);
}

int manifest_header_decode(const uint8_t in[MANIFEST_PAGE], const struct manifest_keys *k, const char *path,
			   struct manifest_info *i, struct err *e)
{
	uint8_t want[MANIFEST_HASH];

	/* Every version keeps magic, version, key id and checksum in their places: only a version that was really
	 * written, not one made by a flipped bit, is called another version. */
	sum(k, NULL, 0, in, want);
	if (memcmp(in + AT_MAGIC, magic, sizeof magic) != 0 || memcmp(want, in + SUM_AT, MANIFEST_HASH) != 0)
		return header_refused(in, k, path, e);
	uint32_t version = (uint32_t)manifest_get_le(in + AT_VERSION, 4);
	if (version != MANIFEST_VERSION)
		return err_set(e, ERR_UNSUPPORTED, 0,
			"manifest %s has version %u, this program knows version %d; use the program it was made with, "
			"or remove it and the next run hashes the target again", path, version, MANIFEST_VERSION);
	*i = (struct manifest_info){
		.flags = (uint32_t)manifest_get_le(in + AT_FLAGS, 4),
		.size = manifest_get_le(in + AT_SIZE, 8),
		.chunk_size = (uint32_t)manifest_get_le(in + AT_CHUNK, 4),
		.sector_size = (uint32_t)manifest_get_le(in + AT_SECTOR, 4),
		.generation = manifest_get_le(in + AT_GENERATION, 8),
		.epoch = manifest_get_le(in + AT_EPOCH, 8),
	};
	memcpy(i->job, in + AT_JOB, sizeof i->job);
	memcpy(i->disk, in + AT_DISK, sizeof i->disk);
	memcpy(i->root, in + AT_ROOT, sizeof i->root);
	if (manifest_info_check(i, path, e) < 0) {
		e->kind = ERR_CORRUPT;
		return -1;
	}
	return 0;
}

static void number_of(struct manifest_place at, uint8_t number[8])
{
	manifest_put_le(number, (uint64_t)at.level << 56 | at.index, 8);
}

void manifest_page_sum(const struct manifest_keys *k, struct manifest_place at,
		       const uint8_t slots[MANIFEST_PAGE_HASHES], uint8_t out[MANIFEST_HASH])
{
	uint8_t number[8];

	number_of(at, number);
	sum(k, number, sizeof number, slots, out);
}

void manifest_page_encode(const struct manifest_keys *k, struct manifest_place at, const uint8_t *slots, size_t used,
			  uint8_t out[MANIFEST_PAGE])
{
	memcpy(out, slots, used * MANIFEST_HASH);
	memset(out + used * MANIFEST_HASH, 0, SUM_AT - used * MANIFEST_HASH);
	manifest_page_sum(k, at, out, out + SUM_AT);
}

static bool all_zero(const uint8_t *p, size_t n)
{
	return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

enum manifest_page_state manifest_page_decode(const struct manifest_keys *k, struct manifest_place at,
					      const uint8_t in[MANIFEST_PAGE], uint8_t slots[MANIFEST_PAGE_HASHES])
{
	uint8_t want[MANIFEST_HASH];

	manifest_page_sum(k, at, in, want);
	if (memcmp(want, in + SUM_AT, MANIFEST_HASH) == 0) {
		memcpy(slots, in, MANIFEST_PAGE_HASHES);
		return MANIFEST_PAGE_GOOD;
	}
	memset(slots, 0, MANIFEST_PAGE_HASHES);
	return all_zero(in, MANIFEST_PAGE) ? MANIFEST_PAGE_NEVER_WRITTEN : MANIFEST_PAGE_DAMAGED;
}

void manifest_root_of(const struct manifest_keys *k, const struct manifest_info *i, const uint8_t *top,
		      uint8_t root[MANIFEST_HASH])
{
	uint8_t prefix[12];
	blake3_hasher h;

	manifest_put_le(prefix, i->size, 8);
	manifest_put_le(prefix + 8, i->chunk_size, 4);
	blake3_hasher_init_keyed(&h, k->page);
	blake3_hasher_update(&h, prefix, sizeof prefix);
	if (top != NULL)
		blake3_hasher_update(&h, top, MANIFEST_HASH);
	blake3_hasher_finalize(&h, root, MANIFEST_HASH);
}
