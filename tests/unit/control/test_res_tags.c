// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "res_tags.h"
#include "unit.h"

static struct res_ref a_ref(void)
{
	return (struct res_ref){.kind = RES_DISK, .name = "wherry-web1-disk0", .id = "v1",
				.tags = {.owner = "me", .job = "web1", .run = "run1", .epoch = UINT64_MAX, .purpose = PURPOSE_REPLICA,
					 .expires_s = -1, .generation = 7, .dirty = true}};
}

static void read_gives_back_what_was_written(void **state)
{
	struct res_ref ref = a_ref(), back = {0};
	char text[RES_TAGS_SIZE];

	(void)state;
	res_tags_write(&ref, text);
	assert_true(res_tags_read(text, &back));
	assert_string_equal(back.name, ref.name);
	assert_memory_equal(&back.tags, &ref.tags, sizeof ref.tags);
}

/* The longest of everything: all but the end of the name is there. */
static void write_the_longest_fits(void **state)
{
	struct res_ref ref = a_ref(), back = {0};
	char text[RES_TAGS_SIZE];

	(void)state;
	memset(ref.name, 'n', sizeof ref.name - 1);
	memset(ref.tags.owner, 'o', 36);
	memset(ref.tags.job, 'j', 32);
	memset(ref.tags.run, 'r', 32);
	ref.tags.generation = UINT64_MAX;
	ref.tags.expires_s = INT64_MIN;
	res_tags_write(&ref, text);
	assert_true(res_tags_read(text, &back));
	assert_memory_equal(&back.tags, &ref.tags, sizeof ref.tags);
	assert_int_equal(strncmp(back.name, ref.name, strlen(back.name)), 0);
	assert_true(strlen(back.name) >= 30);
}

static void read_what_is_not_ours_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "hello", "wherry1", "wherry2 o=me j=web1 r=run1 e=3 p=replica x=0 g=0 d=0 n=x",
		"wherry1 o=me j=web1 r=run1 e=3 p=toy x=0 g=0 d=0 n=x", "wherry1 o=me j=web1 r=run1 e=3 p=replica x=0",
	};
	struct res_ref ref = {0};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (res_tags_read(texts[i], &ref))
			fail_msg("\"%s\" was taken", texts[i]);
}

static void same_owner_a_replica_goes_from_run_to_run(void **state)
{
	struct res_ref want = a_ref(), there = a_ref();

	(void)state;
	snprintf(there.tags.run, sizeof there.tags.run, "run2");
	assert_true(res_same_owner(&want.tags, &there.tags));
	want.tags.purpose = PURPOSE_SCAFFOLD;
	assert_false(res_same_owner(&want.tags, &there.tags));
	refused(res_is_anothers(&want, &there, e), ERR_BUSY, "disk wherry-web1-disk0 (v1) belongs to owner me, job web1, run run2");
	there = a_ref();
	ok(res_check_claim(&there, &want.tags, e));
	there.tags.epoch = 3;
	refused(res_check_claim(&there, &want.tags, e), ERR_BUSY, "it carries epoch 3 of owner me");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(read_gives_back_what_was_written),
		cmocka_unit_test(write_the_longest_fits),
		cmocka_unit_test(read_what_is_not_ours_is_refused),
		cmocka_unit_test(same_owner_a_replica_goes_from_run_to_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
