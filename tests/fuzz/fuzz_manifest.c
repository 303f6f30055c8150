// SPDX-License-Identifier: Apache-2.0
/*
 * Manifest files. Without the key nobody gets past a checksum, so the first byte says which checksums the target makes
 * right: bit 0 the header's, bit 1 the pages'. RUNS: 5000
 */
#include "fuzz/fuzz.h"

#include <blake3.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "manifest/manifest_format.h"

#define SUM_AT    (MANIFEST_PAGE - MANIFEST_HASH)
#define PAGES_MAX 16

static struct manifest_keys keys_of_fuzz(void)
{
	static const uint8_t secret[32] = {0x5a};
	struct manifest_keys k;

	manifest_keys_derive(secret, &k);
	return k;
}

static void sign(const struct manifest_keys *k, const void *prefix, size_t prefix_size, uint8_t *page)
{
	blake3_hasher h;

	blake3_hasher_init_keyed(&h, k->page);
	blake3_hasher_update(&h, prefix, prefix_size);
	blake3_hasher_update(&h, page, SUM_AT);
	blake3_hasher_finalize(&h, page + SUM_AT, MANIFEST_HASH);
}

static void sign_all(const struct manifest_keys *k, uint8_t *file, size_t size, unsigned which)
{
	uint8_t number[8];

	if ((which & 1) != 0 && size >= MANIFEST_PAGE)
		sign(k, NULL, 0, file);
	/* The last page is the tree, as in the seed. */
	for (uint64_t p = 0; (which & 2) != 0 && size / MANIFEST_PAGE > p + 1; p++) {
		manifest_put_le(number, size / MANIFEST_PAGE > p + 2 ? p : UINT64_C(1) << 56, sizeof number);
		sign(k, number, sizeof number, file + MANIFEST_PAGE * (p + 1));
	}
}

static void read_pages(struct manifest *m, struct err *e)
{
	const struct manifest_info *i = manifest_info(m);
	uint64_t pages = manifest_page_count(i), damaged = 0;
	uint8_t hashes[MANIFEST_PAGE_HASHES], root[MANIFEST_HASH];

	fuzz_check(i->size <= INT64_MAX && i->chunk_size >= 512);
	fuzz_check(manifest_chunk_count(i) <= pages * MANIFEST_PAGE_CHUNKS);
	fuzz_check(memchr(i->job, '\0', sizeof i->job) != NULL && memchr(i->disk, '\0', sizeof i->disk) != NULL);
	for (uint64_t n = 0; n < pages && n < PAGES_MAX; n++)
		fuzz_check(manifest_read_page(m, n, hashes, &damaged, e) == 0);
	if (pages > PAGES_MAX) /* the last one of a huge disk is far behind the file's end */
		fuzz_check(manifest_read_page(m, pages - 1, hashes, &damaged, e) == 0);
	fuzz_check(manifest_read_page(m, pages, hashes, &damaged, e) == -1);
	uint64_t unknown = 0;
	if (pages > PAGES_MAX)
		return;
	if (manifest_root(m, root, &unknown, e) == 0)
		fuzz_check(unknown <= manifest_chunk_count(i));
	if (manifest_root_by_tree(m, root, &unknown, e) == 0)
		fuzz_check(unknown <= manifest_chunk_count(i));
	for (uint64_t n = 0, page = 0; page < pages; n = page + 1) {
		fuzz_check(manifest_next_touched(m, n, &page, e) == 0);
		fuzz_check(page >= n || n > pages);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct manifest_keys k = keys_of_fuzz();
	struct err e = ERR_INIT;
	char path[64];

	if (size == 0)
		return 0;
	uint8_t *file = mem_alloc(size);
	memcpy(file, data + 1, size - 1);
	sign_all(&k, file, size - 1, data[0]);
	struct manifest *m = manifest_open(fuzz_file(file, size - 1, path), MANIFEST_READ, &k, &e);
	if (m != NULL)
		read_pages(m, &e);
	else
		fuzz_check(e.kind == ERR_CORRUPT || e.kind == ERR_UNSUPPORTED);
	manifest_close(m);
	free(file);
	return 0;
}

void fuzz_seeds(struct fuzz_corpus *to)
{
	struct manifest_info i = {.size = 300 * 65536 + 512, .chunk_size = 65536, .sector_size = 512, .generation = 3,
				  .epoch = 4, .job = "web1", .disk = "os"};
	uint8_t file[5 * MANIFEST_PAGE], hashes[MANIFEST_PAGE_HASHES];
	struct manifest_keys k = keys_of_fuzz();

	memset(hashes, 0xc0, sizeof hashes);
	manifest_header_encode(&i, &k, file);
	for (uint64_t p = 0; p < 3; p++)
		manifest_page_encode(&k, (struct manifest_place){0, p}, hashes,
				     manifest_place_used(&i, (struct manifest_place){0, p}), file + MANIFEST_PAGE * (p + 1));
	manifest_page_encode(&k, (struct manifest_place){1, 0}, hashes, 2, file + 4 * MANIFEST_PAGE); /* page 2 is touched */
	fuzz_seed_choice(to, 0, file, sizeof file);
	fuzz_seed_choice(to, 3, file, sizeof file);
	fuzz_seed_choice(to, 1, file, MANIFEST_PAGE + 100);
	i.size = INT64_MAX / 512 * 512;
	i.chunk_size = 512;
	manifest_header_encode(&i, &k, file);
	fuzz_seed_choice(to, 1, file, MANIFEST_PAGE);
}
