// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "copy/blob_call.h"

static void blob_judge_tells_what_is_done_tried_again_and_given_up(void **state)
{
	(void)state;
	static const struct {
		enum blob_op op;
		CURLcode code;
		int status;
		const char *error;
		bool newer;
		enum blob_verdict want;
	} cases[] = {
		{BLOB_PUT, CURLE_OK, 201, "", false, BLOB_DONE},
		{BLOB_PUT, CURLE_OK, 200, "", false, BLOB_FAILED}, /* a proxy's, not the service's */
		{BLOB_READ, CURLE_OK, 206, "", false, BLOB_DONE},
		{BLOB_READ, CURLE_OK, 200, "", false, BLOB_FAILED},
		{BLOB_PUT, CURLE_OK, 500, "InternalError", false, BLOB_AGAIN},
		{BLOB_PUT, CURLE_OK, 500, "OperationTimedOut", false, BLOB_AGAIN},
		{BLOB_PUT, CURLE_OK, 504, "", false, BLOB_AGAIN},
		{BLOB_PUT, CURLE_OK, 503, "ServerBusy", false, BLOB_SLOWER},
		{BLOB_CLEAR, CURLE_OK, 429, "", false, BLOB_SLOWER},
		{BLOB_PUT, CURLE_OK, 400, "Md5Mismatch", false, BLOB_AGAIN},
		{BLOB_PUT, CURLE_OK, 400, "InvalidPageRange", false, BLOB_FAILED},
		{BLOB_PUT, CURLE_OK, 403, "AuthenticationFailed", false, BLOB_FAILED},
		{BLOB_PUT, CURLE_OK, 403, "AuthenticationFailed", true, BLOB_AGAIN},
		{BLOB_PUT, CURLE_OK, 412, "LeaseIdMismatchWithBlobOperation", false, BLOB_FAILED},
		{BLOB_READ, CURLE_OK, 404, "BlobNotFound", false, BLOB_FAILED},
		{BLOB_PUT, CURLE_COULDNT_CONNECT, 0, "", false, BLOB_AGAIN},
		{BLOB_PUT, CURLE_COULDNT_RESOLVE_HOST, 0, "", false, BLOB_AGAIN},
		{BLOB_PUT, CURLE_OPERATION_TIMEDOUT, 0, "", false, BLOB_AGAIN},
		{BLOB_READ, CURLE_PARTIAL_FILE, 206, "", false, BLOB_AGAIN},
		{BLOB_READ, CURLE_WRITE_ERROR, 206, "", false, BLOB_FAILED},
		{BLOB_LOOK, CURLE_PEER_FAILED_VERIFICATION, 0, "", false, BLOB_FAILED},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct blob_call c = {.op = cases[i].op, .code = cases[i].code, .status = cases[i].status};

		strcpy(c.error, cases[i].error);
		assert_int_equal(blob_judge(&c, cases[i].newer), cases[i].want);
	}
}

static void blob_delay_doubles_up_to_half_a_minute(void **state)
{
	(void)state;
	for (unsigned tries = 0; tries < 40; tries++)
		for (unsigned chance = 0; chance < 256; chance++) {
			int64_t middle = tries < 8 ? (200 * NS_PER_MS) << tries : 30 * NS_PER_S;
			int64_t delay = blob_delay_ns(tries, 0, chance);

			if (middle > 30 * NS_PER_S)
				middle = 30 * NS_PER_S;
			assert_true(delay >= middle * 3 / 4 && delay <= middle * 5 / 4);
		}
	assert_true(blob_delay_ns(3, 0, 0) != blob_delay_ns(3, 0, 100));
}

static void blob_delay_is_never_less_than_the_service_asks(void **state)
{
	(void)state;
	assert_true(blob_delay_ns(0, 7, 0) == 7 * NS_PER_S);
	assert_true(blob_delay_ns(0, 600, 255) == 600 * NS_PER_S);
	assert_true(blob_delay_ns(20, 1, 128) > 20 * NS_PER_S);
}

static void blob_call_error_says_whose_lease_and_request_but_no_token(void **state)
{
	(void)state;
	struct blob_call c = {.op = BLOB_PUT, .offset = 1 << 20, .length = 65536, .status = 412};
	struct err e = ERR_INIT;

	strcpy(c.error, "LeaseIdMismatchWithBlobOperation");
	strcpy(c.request_id, "f34a2aab-b0c6");
	assert_int_equal(blob_call_error(&c, "https://acct/disks/a.vhd", &e), -1);
	assert_int_equal(e.kind, ERR_BUSY);
	assert_non_null(strstr(e.msg, "writing 65536 bytes at offset 1048576 of https://acct/disks/a.vhd"));
	assert_non_null(strstr(e.msg, "leased"));
	assert_non_null(strstr(e.msg, "request f34a2aab-b0c6"));
}

static void blob_call_error_has_the_kind_that_decides_on_another_attempt(void **state)
{
	(void)state;
	static const struct {
		CURLcode code;
		int status;
		enum err_kind want;
	} cases[] = {
		{CURLE_COULDNT_CONNECT, 0, ERR_NETWORK}, {CURLE_OPERATION_TIMEDOUT, 0, ERR_TIMEOUT},
		{CURLE_PEER_FAILED_VERIFICATION, 0, ERR_DENIED}, {CURLE_OK, 503, ERR_NETWORK}, {CURLE_OK, 507, ERR_NETWORK},
		{CURLE_OK, 403, ERR_DENIED}, {CURLE_OK, 404, ERR_NOT_FOUND}, {CURLE_OK, 413, ERR_PROTOCOL},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct blob_call c = {.op = BLOB_PUT, .length = 512, .code = cases[i].code, .status = cases[i].status};
		struct err e = ERR_INIT;

		blob_call_error(&c, "https://acct/disks/a.vhd", &e);
		assert_int_equal(e.kind, cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blob_judge_tells_what_is_done_tried_again_and_given_up),
		cmocka_unit_test(blob_delay_doubles_up_to_half_a_minute),
		cmocka_unit_test(blob_delay_is_never_less_than_the_service_asks),
		cmocka_unit_test(blob_call_error_says_whose_lease_and_request_but_no_token),
		cmocka_unit_test(blob_call_error_has_the_kind_that_decides_on_another_attempt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
