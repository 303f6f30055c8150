// SPDX-License-Identifier: Apache-2.0
/* Every way in which a manifest file can be other than it was written is noticed. */
#include <blake3.h>

#include "manifest_fixture.h"

#define CHUNK  4096
#define CHUNKS 300 /* three pages */

static void expect_corrupt(struct fixture *f, const char *why)
{
	struct manifest *m = manifest_open(f->path, MANIFEST_READ, &f->keys, &f->e);

	if (m != NULL || f->e.kind != ERR_CORRUPT)
		fail_msg("%s: %s", why, m != NULL ? "opened" : f->e.msg);
}

static void manifest_open_with_any_byte_of_the_header_flipped_is_corrupt(void **state)
{
	struct fixture *f = *state;
	struct manifest_info i = info_of(CHUNKS * CHUNK, CHUNK);
	uint8_t header[MANIFEST_PAGE];
	char why[32];

	manifest_close(make_full(f, &i));
	fetch(f->path, 0, header, sizeof header);
	for (int at = 0; at < MANIFEST_PAGE; at++) {
		uint8_t wrong = header[at] ^ (uint8_t)(1 << at % 8);

		patch(f->path, at, &wrong, 1);
		snprintf(why, sizeof why, "byte %d", at);
		expect_corrupt(f, why);
		patch(f->path, at, &header[at], 1);
	}
	struct manifest *m = manifest_open(f->path, MANIFEST_READ, &f->keys, &f->e);
	assert_non_null(m); /* whole again */
	manifest_close(m);
}

/* Reads all pages: those in [bad, bad_end) must be unknown and counted, the others right. */
static void expect_pages(struct fixture *f, struct manifest *m, uint64_t bad, uint64_t bad_end)
{
	static const uint8_t zero[MANIFEST_PAGE_HASHES];
	uint8_t got[MANIFEST_PAGE_HASHES], want[MANIFEST_PAGE_HASHES];
	const struct manifest_info *i = manifest_info(m);

	for (uint64_t p = 0; p < manifest_page_count(i); p++) {
		bool is_bad = p >= bad && p < bad_end;
		uint64_t damaged = 10;

		fake_page(i, p, want);
		memset(got, 0x77, sizeof got);
		assert_int_equal(manifest_read_page(m, p, got, &damaged, &f->e), 0);
		assert_int_equal(damaged, is_bad ? 11 : 10);
		assert_memory_equal(got, is_bad ? zero : want, sizeof got);
	}
}

static void manifest_read_page_with_any_byte_flipped_is_unknown_and_counted(void **state)
{
	struct fixture *f = *state;
	struct manifest_info i = info_of(CHUNKS * CHUNK, CHUNK);
	struct manifest *m = make_full(f, &i);
	static uint8_t file[5 * MANIFEST_PAGE]; /* header, three pages, one of the tree */

	assert_int_equal(size_of(f->path), sizeof file);
	fetch(f->path, 0, file, sizeof file);
	for (size_t at = MANIFEST_PAGE; at < sizeof file; at++) {
		uint8_t wrong = file[at] ^ (uint8_t)(1 << at % 8);
		uint64_t p = at / MANIFEST_PAGE - 1;

		patch(f->path, (off_t)at, &wrong, 1);
		expect_pages(f, m, p, p + 1);
		patch(f->path, (off_t)at, &file[at], 1);
	}
	expect_pages(f, m, 0, 0);
	manifest_close(m);
}

static void manifest_cut_off_anywhere_is_noticed(void **state)
{
	struct fixture *f = *state;
	struct manifest_info i = info_of(CHUNKS * CHUNK, CHUNK);
	static const off_t odd[] = {-4095, -2048, -512, -33, -32, -1, 0, 1, 31, 32, 512, 4095};

	for (off_t page = 0; page <= 4; page++) {
		for (size_t o = 0; o < sizeof odd / sizeof odd[0]; o++) {
			off_t size = page * MANIFEST_PAGE + odd[o];

			if (size < 0 || size >= 4 * MANIFEST_PAGE)
				continue;
			manifest_close(make_full(f, &i));
			assert_int_equal(truncate(f->path, size), 0);
			if (size < MANIFEST_PAGE) {
				expect_corrupt(f, "cut");
			} else {
				struct manifest *m = manifest_open(f->path, MANIFEST_READ, &f->keys, &f->e);

				assert_non_null(m);
				expect_pages(f, m, (uint64_t)(size / MANIFEST_PAGE - 1), 3);
				manifest_close(m);
			}
			unlink(f->path);
		}
	}
}

static void manifest_open_with_another_key_is_corrupt_and_names_both(void **state)
{
	struct fixture *f = *state;
	struct manifest_info i = info_of(CHUNKS * CHUNK, CHUNK);
	uint8_t secret[32] = {1};
	struct manifest_keys other;

	manifest_close(make_full(f, &i));
	manifest_keys_derive(secret, &other);
	assert_null(manifest_open(f->path, MANIFEST_READ, &other, &f->e));
	assert_int_equal(f->e.kind, ERR_CORRUPT);
	assert_non_null(strstr(f->e.msg, "another key"));
	struct manifest *m = manifest_open(f->path, MANIFEST_WRITE, &f->keys, &f->e); /* no lock was left */
	assert_non_null(m);
	manifest_close(m);
}

/* Puts a field into the header and makes the checksum right again, as another program version would. */
static void rewrite_header(struct fixture *f, size_t at, const void *p, size_t n)
{
	uint8_t header[MANIFEST_PAGE];
	blake3_hasher h;

	fetch(f->path, 0, header, sizeof header);
	memcpy(header + at, p, n);
	blake3_hasher_init_keyed(&h, f->keys.page);
	blake3_hasher_update(&h, header, MANIFEST_PAGE - 32);
	blake3_hasher_finalize(&h, header + MANIFEST_PAGE - 32, 32);
	patch(f->path, 0, header, sizeof header);
}

static void manifest_open_of_another_version_is_unsupported(void **state)
{
	struct fixture *f = *state;
	struct manifest_info i = info_of(CHUNKS * CHUNK, CHUNK);

	manifest_close(make_full(f, &i));
	rewrite_header(f, 8, "\1\0\0\0", 4);
	assert_null(manifest_open(f->path, MANIFEST_READ, &f->keys, &f->e));
	assert_int_equal(f->e.kind, ERR_UNSUPPORTED);
	assert_non_null(strstr(f->e.msg, "version 1"));
	rewrite_header(f, 8, "\2\0\0\0", 4);
	struct manifest *m = manifest_open(f->path, MANIFEST_READ, &f->keys, &f->e);
	assert_non_null(m);
	manifest_close(m);
}

static void manifest_open_of_an_impossible_but_signed_header_is_corrupt(void **state)
{
	struct fixture *f = *state;
	struct manifest_info i = info_of(CHUNKS * CHUNK, CHUNK);
	uint8_t full[64];
	const struct {
		size_t at, n;
		const void *p;
	} cases[] = {{24, 4, "\0\0\0\0"}, {28, 4, "\0\0\0\0"}, {24, 4, "\1\0\0\0"}, {48, 64, full}, {112, 64, full},
		{16, 8, "\xff\xff\xff\xff\xff\xff\xff\xff"}};

	memset(full, 'x', sizeof full);
	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		manifest_close(make_full(f, &i));
		rewrite_header(f, cases[c].at, cases[c].p, cases[c].n);
		expect_corrupt(f, "impossible");
		unlink(f->path);
	}
}

/* The format is a promise: the bytes of this manifest, computed here by the words of manifest.h, never change. */
static void manifest_file_of_a_known_disk_has_the_documented_bytes(void **state)
{
	struct fixture *f = *state;
	struct manifest_info i = info_of(CHUNKS * CHUNK, CHUNK);
	uint8_t got[MANIFEST_PAGE], want[MANIFEST_PAGE] = "WHERRYM1", number[8] = {2};
	blake3_hasher h;

	i.flags = MANIFEST_F_HINTED;
	memset(i.root, 0x0f, sizeof i.root);
	manifest_close(make_full(f, &i));
	memcpy(want + 8, "\2\0\0\0\1\0\0\0" "\0\300\022\0\0\0\0\0" "\0\020\0\0\0\002\0\0", 24);
	memcpy(want + 32, "\6\0\0\0\0\0\0\0" "\013\0\0\0\0\0\0\0" "web-1", 21);
	memcpy(want + 112, "os-disk", 7);
	memcpy(want + 176, f->keys.id, 16);
	memset(want + 192, 0x0f, 32);
	blake3_hasher_init_keyed(&h, f->keys.page);
	blake3_hasher_update(&h, want, MANIFEST_PAGE - 32);
	blake3_hasher_finalize(&h, want + MANIFEST_PAGE - 32, 32);
	fetch(f->path, 0, got, sizeof got);
	assert_memory_equal(got, want, sizeof want);

	fake_page(&i, 2, want);
	blake3_hasher_init_keyed(&h, f->keys.page);
	blake3_hasher_update(&h, number, sizeof number);
	blake3_hasher_update(&h, want, MANIFEST_PAGE - 32);
	blake3_hasher_finalize(&h, want + MANIFEST_PAGE - 32, 32);
	fetch(f->path, 3 * MANIFEST_PAGE, got, sizeof got);
	assert_memory_equal(got, want, sizeof want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(manifest_open_with_any_byte_of_the_header_flipped_is_corrupt),
		test(manifest_read_page_with_any_byte_flipped_is_unknown_and_counted),
		test(manifest_cut_off_anywhere_is_noticed),
		test(manifest_open_with_another_key_is_corrupt_and_names_both),
		test(manifest_open_of_another_version_is_unsupported),
		test(manifest_open_of_an_impossible_but_signed_header_is_corrupt),
		test(manifest_file_of_a_known_disk_has_the_documented_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
