// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "boot/config_drive.h"
#include "boot/image_volume.h"

#define TREE                                                                                                       \
	"mkdir -p tree/openstack/latest tree/ec2 && echo -n '{\"wherry\":1}' >tree/openstack/latest/user_data && " \
	"echo other >tree/openstack/latest/meta_data.json && echo -n '#cloud' >tree/user-data && "
#define XORRISO "xorriso -as mkisofs -o image "

static const struct volume_want config_2 = {.label = "config-2", .path = "openstack/latest/user_data", .max = 64};

static int read_file(struct image *i, const struct volume_want *want, char text[65], struct err *e)
{
	struct volume v = image_volume(i);
	struct buf out = BUF_INIT;
	bool found = false;
	int rc = iso9660_read_file(&v, want, &out, &found, e);

	assert_true(out.len <= 64);
	memcpy(text, buf_str(&out), out.len + 1);
	buf_fini(&out);
	return rc < 0 ? -1 : found;
}

static void iso9660_read_file_every_name_extension_finds_it(void **state)
{
	static const char *const scripts[] = {
		TREE XORRISO "-V config-2 -J -R tree",
		TREE XORRISO "-V config-2 -J tree",
		TREE XORRISO "-V config-2 -R tree",
		TREE XORRISO "-V CONFIG-2 -r tree",
	};

	(void)state;
	for (size_t s = 0; s < sizeof scripts / sizeof scripts[0]; s++) {
		struct image i = image_make(scripts[s]);
		struct err e = ERR_INIT;
		char text[65];

		assert_int_equal(read_file(&i, &config_2, text, &e), 1);
		assert_string_equal(text, "{\"wherry\":1}");
		image_free(&i);
	}
}

static void iso9660_read_file_plain_name_finds_it(void **state)
{
	struct image i = image_make("mkdir tree && echo -n '{}' >tree/USERDATA.TXT && " XORRISO "-V CIDATA tree");
	struct volume_want want = {.label = "cidata", .path = "userdata.txt", .max = 64};
	struct err e = ERR_INIT;
	char text[65];

	(void)state;
	assert_int_equal(read_file(&i, &want, text, &e), 1);
	assert_string_equal(text, "{}");
	image_free(&i);
}

static void iso9660_read_file_not_there_is_not_found(void **state)
{
	static const struct volume_want wants[] = {
		{.label = "config-3", .path = "openstack/latest/user_data", .max = 64},
		{.label = "config-2", .path = "openstack/latest/user_dat", .max = 64},
		{.label = "config-2", .path = "openstack/2012/user_data", .max = 64},
		{.label = "config-2", .path = "openstack/latest", .max = 64},
		{.label = "config-2", .path = "user-data/user_data", .max = 64},
	};
	struct image i = image_make(TREE XORRISO "-V config-2 -J -R tree");
	struct err e = ERR_INIT;
	char text[65];

	(void)state;
	for (size_t w = 0; w < sizeof wants / sizeof wants[0]; w++)
		assert_int_equal(read_file(&i, &wants[w], text, &e), 0);
	image_free(&i);
}

static void iso9660_read_file_too_long_is_refused(void **state)
{
	struct image i = image_make(TREE XORRISO "-V config-2 -J -R tree");
	struct volume_want want = config_2;
	struct err e = ERR_INIT;
	char text[65];

	(void)state;
	want.max = 11;
	assert_int_equal(read_file(&i, &want, text, &e), -1);
	assert_int_equal(e.kind, ERR_CORRUPT);
	image_free(&i);
}

static void iso9660_read_file_many_files_finds_the_last(void **state)
{
	struct image i =
		image_make("mkdir tree && for n in $(seq 100); do echo $n >tree/a-long-name-before-it-$n; done && "
			   "echo -n last >tree/user-data && " XORRISO "-V cidata -R tree");
	struct volume_want want = {.label = "cidata", .path = "user-data", .max = 64};
	struct err e = ERR_INIT;
	char text[65];

	(void)state;
	assert_int_equal(read_file(&i, &want, text, &e), 1);
	assert_string_equal(text, "last");
	image_free(&i);
}

static void iso9660_read_file_damaged_image_ends_in_bounds(void **state)
{
	static const char *const scripts[] = {TREE XORRISO "-V config-2 -J tree", TREE XORRISO "-V config-2 -R tree"};

	(void)state;
	for (size_t s = 0; s < sizeof scripts / sizeof scripts[0]; s++) {
		struct image i = image_make(scripts[s]);

		/* Descriptors from sector 16, folders soon after them. */
		image_torture(&i, &config_2, iso9660_read_file, 32768, 65536, 257);
		image_free(&i);
	}
}

static void config_drive_read_iso_takes_the_labels_file(void **state)
{
	static const struct {
		const char *script, *text;
	} cases[] = {
		{TREE XORRISO "-V config-2 -J -R tree", "{\"wherry\":1}"},
		{TREE XORRISO "-V cidata -J -R tree", "#cloud"},
		{TREE XORRISO "-V something -J -R tree", ""},
	};

	(void)state;
	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		struct image i = image_make(cases[c].script);
		struct volume v = image_volume(&i);
		struct buf out = BUF_INIT;
		struct err e = ERR_INIT;
		bool found;

		assert_int_equal(config_drive_read(&v, 64, &out, &found, &e), 0);
		assert_int_equal(found, cases[c].text[0] != '\0');
		assert_string_equal(buf_str(&out), cases[c].text);
		buf_fini(&out);
		image_free(&i);
	}
}

int main(void)
{
	static const char *const tools[] = {"xorriso", NULL};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(iso9660_read_file_every_name_extension_finds_it),
		cmocka_unit_test(iso9660_read_file_plain_name_finds_it),
		cmocka_unit_test(iso9660_read_file_not_there_is_not_found),
		cmocka_unit_test(iso9660_read_file_too_long_is_refused),
		cmocka_unit_test(iso9660_read_file_many_files_finds_the_last),
		cmocka_unit_test(iso9660_read_file_damaged_image_ends_in_bounds),
		cmocka_unit_test(config_drive_read_iso_takes_the_labels_file),
	};

	image_need_tools(tools);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
