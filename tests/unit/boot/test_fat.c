// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "boot/config_drive.h"
#include "boot/image_volume.h"

#define FILL " && mmd -i image ::openstack ::openstack/latest && " \
		    "seq 1 900 | head -c 3000 >data && mcopy -i image data ::openstack/latest/user_data && " \
		    "mcopy -i image data ::user-data && echo short >brief && mcopy -i image brief ::BRIEF.TXT"

static const struct volume_want config_2 = {.label = "config-2", .path = "openstack/latest/user_data", .max = 4096};

static const char *const fats[] = {
	"truncate -s 160K image && mkfs.vfat -F 12 -n CONFIG-2 image" FILL,
	"truncate -s 1440K image && mkfs.vfat -F 12 -s 1 -n CONFIG-2 image" FILL,
	"truncate -s 8M image && mkfs.vfat -F 16 -s 1 -n CONFIG-2 image" FILL,
	"truncate -s 34M image && mkfs.vfat -F 32 -s 1 -n CONFIG-2 image" FILL,
	"truncate -s 16M image && mkfs.vfat -F 16 -s 1 -S 2048 -n CONFIG-2 image" FILL,
};

static int read_file(struct image *i, const struct volume_want *want, struct buf *out, struct err *e)
{
	struct volume v = image_volume(i);
	bool found = false;

	buf_clear(out);
	return fat_read_file(&v, want, out, &found, e) < 0 ? -1 : found;
}

static char *expected(void)
{
	struct buf b = BUF_INIT;

	for (int n = 1; n <= 900; n++)
		buf_addf(&b, "%d\n", n);
	b.data[3000] = '\0';
	return buf_take(&b);
}

static void fat_read_file_every_width_finds_it(void **state)
{
	char *want = expected();

	(void)state;
	for (size_t f = 0; f < sizeof fats / sizeof fats[0]; f++) {
		struct image i = image_make(fats[f]);
		struct buf out = BUF_INIT;
		struct err e = ERR_INIT;

		assert_int_equal(read_file(&i, &config_2, &out, &e), 1);
		assert_string_equal(buf_str(&out), want);
		buf_fini(&out);
		image_free(&i);
	}
	free(want);
}

static void fat_read_file_fragmented_follows_the_chain(void **state)
{
	/* Every other cluster freed again, so that the file must be scattered. */
	struct image i = image_make(
		"truncate -s 320K image && mkfs.vfat -F 12 -s 1 -n CIDATA image && head -c 500 /dev/zero >bit && "
		"for n in $(seq 60); do mcopy -i image bit ::F$n || exit 1; done && "
		"for n in $(seq 1 2 60); do mdel -i image ::F$n || exit 1; done && head -c 280000 /dev/zero >big && "
		"seq 1 900 | head -c 3000 >data && mcopy -i image data ::user-data");
	struct volume_want want = {.label = "cidata", .path = "user-data", .max = 4096};
	struct buf out = BUF_INIT;
	struct err e = ERR_INIT;
	char *text = expected();

	(void)state;
	assert_int_equal(read_file(&i, &want, &out, &e), 1);
	assert_string_equal(buf_str(&out), text);
	free(text);
	buf_fini(&out);
	image_free(&i);
}

static void fat_read_file_not_there_is_not_found(void **state)
{
	static const struct volume_want wants[] = {
		{.label = "config-3", .path = "openstack/latest/user_data", .max = 4096},
		{.label = "config-2", .path = "openstack/latest/user_dat", .max = 4096},
		{.label = "config-2", .path = "openstack/latest/user_data2", .max = 4096},
		{.label = "config-2", .path = "openstack/2012/user_data", .max = 4096},
		{.label = "config-2", .path = "openstack/latest", .max = 4096},
		{.label = "config-2", .path = "user-data/user_data", .max = 4096},
		{.label = "config-2", .path = "config-2", .max = 4096},
	};
	struct image i = image_make(fats[0]);
	struct buf out = BUF_INIT;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t w = 0; w < sizeof wants / sizeof wants[0]; w++)
		assert_int_equal(read_file(&i, &wants[w], &out, &e), 0);
	buf_fini(&out);
	image_free(&i);
}

static void fat_read_file_short_name_in_any_case_finds_it(void **state)
{
	struct volume_want want = {.label = "Config-2", .path = "brief.txt", .max = 64};
	struct image i = image_make(fats[0]);
	struct buf out = BUF_INIT;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(read_file(&i, &want, &out, &e), 1);
	assert_string_equal(buf_str(&out), "short\n");
	buf_fini(&out);
	image_free(&i);
}

static void fat_read_file_too_long_is_refused(void **state)
{
	struct volume_want want = config_2;
	struct image i = image_make(fats[0]);
	struct buf out = BUF_INIT;
	struct err e = ERR_INIT;

	(void)state;
	want.max = 2999;
	assert_int_equal(read_file(&i, &want, &out, &e), -1);
	assert_int_equal(e.kind, ERR_CORRUPT);
	buf_fini(&out);
	image_free(&i);
}

static void fat_read_file_looping_chain_ends(void **state)
{
	struct image i = image_make(fats[2]);
	struct buf out = BUF_INIT;
	struct err e = ERR_INIT;

	(void)state;
	/* FAT16, one reserved sector block: every entry of the first table points at cluster 3. */
	uint32_t table = (uint32_t)(i.bytes[14] | i.bytes[15] << 8) * (uint32_t)(i.bytes[11] | i.bytes[12] << 8);
	for (uint32_t at = table + 4; at < table + 512; at += 2) {
		i.bytes[at] = 3;
		i.bytes[at + 1] = 0;
	}
	read_file(&i, &config_2, &out, &e); /* image_volume bounds the reads */
	assert_true(out.len <= config_2.max);
	buf_fini(&out);
	image_free(&i);
}

static void fat_read_file_damaged_image_ends_in_bounds(void **state)
{
	(void)state;
	struct image i = image_make(fats[0]);
	image_torture(&i, &config_2, fat_read_file, 0, 24u << 10, 61);
	image_free(&i);
	/* FAT32's boot sector has other fields. */
	i = image_make(fats[3]);
	struct image head = image_copy(&i, i.size);
	for (size_t at = 0; at < 96; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			struct buf out = BUF_INIT;
			struct err e = ERR_INIT;

			head.bytes[at] ^= (uint8_t)(1u << bit);
			read_file(&head, &config_2, &out, &e);
			head.bytes[at] ^= (uint8_t)(1u << bit);
			buf_fini(&out);
		}
	}
	image_free(&head);
	image_free(&i);
}

static void config_drive_read_fat_takes_the_labels_file(void **state)
{
	struct image i = image_make(fats[0]);
	struct volume v = image_volume(&i);
	struct buf out = BUF_INIT;
	struct err e = ERR_INIT;
	bool found;

	(void)state;
	assert_int_equal(config_drive_read(&v, 4096, &out, &found, &e), 0);
	assert_true(found);
	assert_int_equal(out.len, 3000);
	buf_fini(&out);
	image_free(&i);
}

static void config_drive_read_noise_is_not_found(void **state)
{
	(void)state;
	for (size_t size = 0; size < 70000; size = size * 3 + 1) {
		struct image i = {.bytes = mem_alloc(size + 1), .size = size};
		struct volume v = image_volume(&i);
		struct buf out = BUF_INIT;
		struct err e = ERR_INIT;
		bool found = true;

		for (size_t at = 0; at < size; at++)
			i.bytes[at] = (uint8_t)(at * 2654435761u >> 13);
		assert_int_equal(config_drive_read(&v, 4096, &out, &found, &e), 0);
		assert_false(found);
		buf_fini(&out);
		image_free(&i);
	}
}

int main(void)
{
	static const char *const tools[] = {"mkfs.vfat", "mcopy", "mmd", "mdel", NULL};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fat_read_file_every_width_finds_it),
		cmocka_unit_test(fat_read_file_fragmented_follows_the_chain),
		cmocka_unit_test(fat_read_file_not_there_is_not_found),
		cmocka_unit_test(fat_read_file_short_name_in_any_case_finds_it),
		cmocka_unit_test(fat_read_file_too_long_is_refused),
		cmocka_unit_test(fat_read_file_looping_chain_ends),
		cmocka_unit_test(fat_read_file_damaged_image_ends_in_bounds),
		cmocka_unit_test(config_drive_read_fat_takes_the_labels_file),
		cmocka_unit_test(config_drive_read_noise_is_not_found),
	};

	image_need_tools(tools);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
