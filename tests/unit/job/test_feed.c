// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/feed.h"

static const uint8_t page[FEED_PAGE_BYTES] = {1, 2, 3};
static const uint8_t root[32] = {9};

/* One of each type. */
static const struct feed_record records[] = {
	{.seq = 1, .type = API_FEED_WANT, .disk = 3, .page = 77, .count = 64},
	{.seq = 2, .type = API_FEED_INTENT, .disk = 65535, .page = UINT64_C(1) << 40},
	{.seq = 3, .type = API_FEED_PAGE, .disk = 1, .page = 5, .payload = page, .payload_len = sizeof page},
	{.seq = 4, .type = API_FEED_DISK, .disk = 1, .payload = root, .payload_len = sizeof root},
	{.seq = UINT64_MAX, .type = API_FEED_FINISHED},
	{.seq = 6, .type = API_FEED_FAILED, .kind = ERR_NO_SPACE, .message = "the target is full"},
	{.seq = 7, .type = API_FEED_REFUTED, .disk = 2, .page = 9, .count = 126},
};

#define RECORDS (sizeof records / sizeof records[0])

static void assert_same(const struct feed_record *got, const struct feed_record *want)
{
	assert_true(got->seq == want->seq);
	assert_int_equal(got->type, want->type);
	assert_int_equal(got->disk, want->disk);
	assert_true(got->page == want->page);
	assert_int_equal(got->count, want->count);
	assert_int_equal(got->kind, want->kind);
	assert_string_equal(got->message, want->message);
	if (want->payload_len != 0) {
		assert_int_equal(got->payload_len, want->payload_len);
		assert_memory_equal(got->payload, want->payload, want->payload_len);
	}
}

static void feed_decode_encoded_records_gives_them_back(void **state)
{
	struct buf b = BUF_INIT;
	struct err e = ERR_INIT;
	struct feed_record got;

	(void)state;
	for (size_t i = 0; i < RECORDS; i++)
		feed_encode(&records[i], &b);
	const uint8_t *at = (const uint8_t *)b.data;
	size_t left = b.len;
	for (size_t i = 0; i < RECORDS; i++) {
		assert_int_equal(feed_decode(&at, &left, &got, &e), 1);
		assert_same(&got, &records[i]);
	}
	assert_int_equal(feed_decode(&at, &left, &got, &e), 0);
	buf_fini(&b);
}

static void feed_encode_header_is_as_specified(void **state)
{
	static const uint8_t want[] = {
		/* seq */ 1, 0, 0, 0, 0, 0, 0, 0, /* type, 0, disk */ 1, 0, 3, 0, /* payload */ 4, 0, 0, 0,
		/* page */ 77, 0, 0, 0, 0, 0, 0, 0, /* count */ 64, 0, 0, 0,
	};
	struct buf b = BUF_INIT;

	(void)state;
	feed_encode(&records[0], &b);
	assert_int_equal(b.len, sizeof want);
	assert_memory_equal(b.data, want, sizeof want);
	buf_fini(&b);
}

static void feed_decode_every_cut_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < RECORDS; i++) {
		struct buf b = BUF_INIT;

		feed_encode(&records[i], &b);
		for (size_t n = 1; n < b.len; n++) {
			uint8_t *cut = mem_alloc(n);
			const uint8_t *at = cut;
			size_t left = n;
			struct feed_record got;
			struct err e = ERR_INIT;

			memcpy(cut, b.data, n);
			assert_int_equal(feed_decode(&at, &left, &got, &e), -1);
			assert_int_equal(e.kind, ERR_PROTOCOL);
			free(cut);
		}
		buf_fini(&b);
	}
}

static void feed_decode_wrong_header_is_refused(void **state)
{
	static const struct {
		size_t record, at;
		uint8_t value;
	} cases[] = {
		{0, 8, 0}, {0, 8, 8}, {0, 8, 255},      /* types there are not */
		{0, 12, 3}, {0, 12, 5}, {1, 12, 1},     /* payloads of another length than the type's */
		{2, 12, 0}, {3, 12, 31}, {4, 12, 4}, {5, 12, 3}, {6, 12, 8},
		{5, 14, 1}, {2, 15, 255},               /* lengths past all bounds */
	};

	(void)state;
	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		struct buf b = BUF_INIT;
		struct feed_record got;
		struct err e = ERR_INIT;

		feed_encode(&records[cases[c].record], &b);
		b.data[cases[c].at] = (char)cases[c].value;
		const uint8_t *at = (const uint8_t *)b.data;
		size_t left = b.len;
		assert_int_equal(feed_decode(&at, &left, &got, &e), -1);
		assert_int_equal(e.kind, ERR_PROTOCOL);
		buf_fini(&b);
	}
}

static void feed_decode_unknown_error_kind_is_internal(void **state)
{
	struct buf b = BUF_INIT;
	struct feed_record got;
	struct err e = ERR_INIT;

	(void)state;
	feed_encode(&records[5], &b);
	b.data[API_FEED_HEADER] = (char)200;
	const uint8_t *at = (const uint8_t *)b.data;
	size_t left = b.len;
	assert_int_equal(feed_decode(&at, &left, &got, &e), 1);
	assert_int_equal(got.kind, ERR_INTERNAL);
	assert_string_equal(got.message, "the target is full");
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(feed_decode_encoded_records_gives_them_back),
		cmocka_unit_test(feed_encode_header_is_as_specified),
		cmocka_unit_test(feed_decode_every_cut_is_refused),
		cmocka_unit_test(feed_decode_wrong_header_is_refused),
		cmocka_unit_test(feed_decode_unknown_error_kind_is_internal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
