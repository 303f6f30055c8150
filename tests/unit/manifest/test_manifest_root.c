// SPDX-License-Identifier: Apache-2.0
#include <blake3.h>

#include "manifest_fixture.h"

#define CHUNK 4096

/* Keyed BLAKE3 over a number and 127 slots. */
static void sum_by_the_book(const struct fixture *f, unsigned level, uint64_t index, const uint8_t *slots, uint8_t sum[32])
{
	uint64_t number = (uint64_t)level << 56 | index; /* little-endian hosts only, as all of these tests */
	blake3_hasher h;

	blake3_hasher_init_keyed(&h, f->keys.page);
	blake3_hasher_update(&h, &number, 8);
	blake3_hasher_update(&h, slots, 127 * 32);
	blake3_hasher_finalize(&h, sum, 32);
}

/* The sum of a page of the tree over fake hashes, from the words of manifest.h; chunks: of the whole disk. */
static void page_by_the_book(const struct fixture *f, unsigned level, uint64_t index, uint64_t chunks, uint8_t sum[32])
{
	uint8_t slots[127 * 32] = {0};
	uint64_t each = 1;

	for (unsigned l = 0; l < level; l++)
		each *= 127;
	for (uint64_t s = 0; s < 127; s++) {
		uint64_t below = index * 127 + s;

		if (below * each >= chunks)
			break;
		if (level == 0)
			fake_hash(below, slots + s * 32);
		else
			page_by_the_book(f, level - 1, below, chunks, slots + s * 32);
	}
	sum_by_the_book(f, level, index, slots, sum);
}

/* What manifest.h says a root is, in so many words. */
static void root_by_the_book(const struct fixture *f, uint64_t size, uint32_t chunk_size, uint8_t root[32])
{
	uint64_t chunks = (size + chunk_size - 1) / chunk_size, covered = 127 * 127;
	unsigned level = 1;
	blake3_hasher h;
	uint8_t top[32];

	while (covered < chunks) {
		covered *= 127;
		level++;
	}
	blake3_hasher_init_keyed(&h, f->keys.page);
	blake3_hasher_update(&h, &size, 8);
	blake3_hasher_update(&h, &chunk_size, 4);
	if (chunks > 0) {
		page_by_the_book(f, level, 0, chunks, top);
		blake3_hasher_update(&h, top, 32);
	}
	blake3_hasher_finalize(&h, root, 32);
}

static void manifest_keys_derive_of_a_secret_is_as_documented(void **state)
{
	(void)state;
	uint8_t secret[32] = {3, 1, 4}, out[32];
	struct manifest_keys k;
	blake3_hasher h;

	manifest_keys_derive(secret, &k);
	blake3_hasher_init_derive_key(&h, "wherry 2026 chunk hash v1");
	blake3_hasher_update(&h, secret, 32);
	blake3_hasher_finalize(&h, out, 32);
	assert_memory_equal(k.chunk, out, 32);
	blake3_hasher_init_derive_key(&h, "wherry 2026 manifest v1");
	blake3_hasher_update(&h, secret, 32);
	blake3_hasher_finalize(&h, out, 32);
	assert_memory_equal(k.page, out, 32);
	blake3_hasher_init_derive_key(&h, "wherry 2026 key id v1");
	blake3_hasher_update(&h, secret, 32);
	blake3_hasher_finalize(&h, out, 32);
	assert_memory_equal(k.id, out, 16);
}

static void manifest_hash_of_a_chunk_is_keyed_blake3(void **state)
{
	struct fixture *f = *state;
	uint8_t data[3000], got[32], want[32];
	blake3_hasher h;

	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i * 7);
	manifest_hash(&f->keys, data, sizeof data, got);
	blake3_hasher_init_keyed(&h, f->keys.chunk);
	blake3_hasher_update(&h, data, 1000);
	blake3_hasher_update(&h, data + 1000, 2000);
	blake3_hasher_finalize(&h, want, 32);
	assert_memory_equal(got, want, 32);
	manifest_hash(&f->keys, data, sizeof data - 1, want);
	assert_memory_not_equal(got, want, 32);
}

static void manifest_is_unknown_of_any_bit_set_is_false(void **state)
{
	(void)state;
	for (int bit = 0; bit < 256; bit++) {
		uint8_t hash[32] = {0};

		assert_true(manifest_is_unknown(hash));
		hash[bit / 8] = (uint8_t)(1 << bit % 8);
		assert_false(manifest_is_unknown(hash));
	}
}

static void manifest_root_of_all_sizes_is_the_documented_hash(void **state)
{
	struct fixture *f = *state;
	static const uint64_t sizes[] = {0, 512, 511, CHUNK, CHUNK + 512, 126 * CHUNK, 127 * CHUNK, 127 * CHUNK + 1,
		128 * CHUNK, 254 * CHUNK, 1000 * CHUNK - 512, 127 * 127 * CHUNK, 127 * 127 * CHUNK + 1,
		3 * 127 * 127 * CHUNK + 5};

	for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
		struct manifest_info i = info_of(sizes[s], CHUNK);
		struct manifest *m = make_full(f, &i);
		uint8_t want[32], got[32], running[32], hashes[MANIFEST_PAGE_HASHES];
		uint64_t unknown = 99;

		root_by_the_book(f, sizes[s], CHUNK, want);
		assert_int_equal(manifest_root(m, got, &unknown, &f->e), 0);
		assert_int_equal(unknown, 0);
		assert_memory_equal(got, want, 32);
		struct manifest_rooter *r = manifest_rooter_new(&f->keys, sizes[s], CHUNK);
		for (uint64_t p = 0; p < manifest_page_count(&i); p++) {
			fake_page(&i, p, hashes);
			manifest_rooter_add(r, p, hashes);
		}
		manifest_rooter_finish(r, running);
		assert_memory_equal(running, want, 32);
		manifest_close(m);
		unlink(f->path);
	}
}

static void manifest_root_of_different_disks_differs(void **state)
{
	struct fixture *f = *state;
	uint8_t roots[3][32];

	manifest_rooter_finish(manifest_rooter_new(&f->keys, 0, CHUNK), roots[0]);
	manifest_rooter_finish(manifest_rooter_new(&f->keys, 512, CHUNK), roots[1]);
	manifest_rooter_finish(manifest_rooter_new(&f->keys, 0, 2 * CHUNK), roots[2]);
	assert_memory_not_equal(roots[0], roots[1], 32);
	assert_memory_not_equal(roots[0], roots[2], 32);
	manifest_rooter_free(manifest_rooter_new(&f->keys, 0, CHUNK));
	manifest_rooter_free(NULL);
}

static void manifest_root_counts_every_unknown_chunk(void **state)
{
	struct fixture *f = *state;
	struct manifest_info i = info_of(300 * CHUNK, CHUNK);
	struct manifest *m = make_full(f, &i);
	uint8_t hashes[MANIFEST_PAGE_HASHES], root[32], junk = 1;
	uint64_t unknown;

	fake_page(&i, 1, hashes);
	memset(hashes, 0, 2 * MANIFEST_HASH);
	memset(hashes + 126 * MANIFEST_HASH, 0, MANIFEST_HASH);
	assert_int_equal(manifest_write_page(m, 1, hashes, &f->e), 0);
	assert_int_equal(manifest_root(m, root, &unknown, &f->e), 0);
	assert_int_equal(unknown, 3);
	patch(f->path, 3 * MANIFEST_PAGE + 5, &junk, 1); /* the last page, of 46 chunks, is damaged */
	assert_int_equal(manifest_root(m, root, &unknown, &f->e), 0);
	assert_int_equal(unknown, 3 + 46);
	manifest_close(m);
}

static void manifest_commit_of_a_complete_manifest_is_a_file_of_the_same_root(void **state)
{
	struct fixture *f = *state;
	static const uint64_t sizes[] = {0, 512, 300 * CHUNK - 512};

	for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
		struct manifest_info i = info_of(sizes[s], CHUNK);
		struct manifest *m = make_full(f, &i);
		uint8_t root[32], got[MANIFEST_PAGE_HASHES], want[MANIFEST_PAGE_HASHES];
		uint64_t unknown, damaged = 0;

		i.generation = 7;
		i.flags = MANIFEST_F_HINTED;
		root_by_the_book(f, sizes[s], CHUNK, i.root);
		for (int twice = 0; twice < 2; twice++) /* a commit may be made again after a crash */
			assert_int_equal(manifest_commit(m, f->commit, &i, &f->e), 0);
		manifest_close(m);
		m = manifest_open(f->commit, MANIFEST_WRITE, &f->keys, &f->e);
		assert_non_null(m);
		assert_memory_equal(manifest_info(m), &i, sizeof i);
		assert_int_equal(manifest_root(m, root, &unknown, &f->e), 0);
		assert_memory_equal(root, i.root, 32);
		for (uint64_t p = 0; p < manifest_page_count(&i); p++) {
			fake_page(&i, p, want);
			assert_int_equal(manifest_read_page(m, p, got, &damaged, &f->e), 0);
			assert_memory_equal(got, want, sizeof want);
		}
		assert_int_equal(damaged, 0);
		manifest_close(m);
		unlink(f->path);
		unlink(f->commit);
	}
}

static void manifest_commit_with_an_unknown_chunk_is_refused_and_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct manifest_info i = info_of(300 * CHUNK, CHUNK);
	struct manifest *m = make_full(f, &i);
	uint8_t hashes[MANIFEST_PAGE_HASHES];
	uint64_t unknown;
	char temp[140];

	snprintf(temp, sizeof temp, "%s.new", f->commit);
	for (uint64_t c = 0; c < 300; c += 299) { /* the first, the last */
		fake_page(&i, c / 127, hashes);
		memset(hashes + c % 127 * MANIFEST_HASH, 0, MANIFEST_HASH);
		assert_int_equal(manifest_write_page(m, c / 127, hashes, &f->e), 0);
		assert_int_equal(manifest_root(m, i.root, &unknown, &f->e), 0);
		assert_int_equal(manifest_commit(m, f->commit, &i, &f->e), -1);
		assert_int_equal(f->e.kind, ERR_REFUSED);
		assert_int_equal(access(f->commit, F_OK), -1);
		assert_int_equal(access(temp, F_OK), -1);
		fake_page(&i, c / 127, hashes);
		assert_int_equal(manifest_write_page(m, c / 127, hashes, &f->e), 0);
	}
	manifest_close(m);
}

static void manifest_commit_with_another_root_is_corrupt_and_keeps_the_old_file(void **state)
{
	struct fixture *f = *state;
	struct manifest_info i = info_of(300 * CHUNK, CHUNK);
	struct manifest *m = make_full(f, &i);
	uint8_t hashes[MANIFEST_PAGE_HASHES], before[4 * MANIFEST_PAGE], after[4 * MANIFEST_PAGE];

	root_by_the_book(f, i.size, CHUNK, i.root);
	assert_int_equal(manifest_commit(m, f->commit, &i, &f->e), 0);
	fetch(f->commit, 0, before, sizeof before);
	fake_page(&i, 1, hashes);
	hashes[5] ^= 1;
	assert_int_equal(manifest_write_page(m, 1, hashes, &f->e), 0);
	i.generation = 8;
	assert_int_equal(manifest_commit(m, f->commit, &i, &f->e), -1);
	assert_int_equal(f->e.kind, ERR_CORRUPT);
	fetch(f->commit, 0, after, sizeof after);
	assert_memory_equal(before, after, sizeof after);
	manifest_close(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(manifest_keys_derive_of_a_secret_is_as_documented),
		test(manifest_hash_of_a_chunk_is_keyed_blake3),
		cmocka_unit_test(manifest_is_unknown_of_any_bit_set_is_false),
		test(manifest_root_of_all_sizes_is_the_documented_hash),
		test(manifest_root_of_different_disks_differs),
		test(manifest_root_counts_every_unknown_chunk),
		test(manifest_commit_of_a_complete_manifest_is_a_file_of_the_same_root),
		test(manifest_commit_with_an_unknown_chunk_is_refused_and_leaves_nothing),
		test(manifest_commit_with_another_root_is_corrupt_and_keeps_the_old_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
