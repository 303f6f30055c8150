// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/err.h"

static void err_set_without_errno_keeps_the_sentence(void **state)
{
	(void)state;
	struct err e = ERR_INIT;

	assert_int_equal(err_set(&e, ERR_CONFIG, 0, "job %s, line %d", "a.json", 7), -1);
	assert_int_equal(e.kind, ERR_CONFIG);
	assert_int_equal(e.sys, 0);
	assert_string_equal(e.msg, "job a.json, line 7");
}

static void err_set_with_errno_appends_its_text(void **state)
{
	(void)state;
	struct err e = ERR_INIT;

	err_set(&e, ERR_IO, EIO, "reading x");
	assert_int_equal(e.sys, EIO);
	assert_string_equal(strstr(e.msg, "reading x: "), e.msg);
	assert_string_equal(e.msg + strlen("reading x: "), strerror(EIO));
}

static void err_set_of_a_long_sentence_is_cut(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	char text[2000];

	memset(text, 'a', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	err_set(&e, ERR_IO, EIO, "%s", text);
	assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
	err_wrap(&e, "%s", text);
	assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
}

static void err_wrap_puts_context_before_and_keeps_the_kind(void **state)
{
	(void)state;
	struct err e = ERR_INIT;

	err_set(&e, ERR_BUSY, 0, "in use");
	assert_int_equal(err_wrap(&e, "disk %d", 3), -1);
	assert_int_equal(e.kind, ERR_BUSY);
	assert_string_equal(e.msg, "disk 3: in use");
}

static void err_kind_of_errno_of_known_errors_is_as_documented(void **state)
{
	(void)state;
	static const struct {
		int sys;
		enum err_kind kind;
	} cases[] = {
		{0, ERR_INTERNAL},       {ENOENT, ERR_NOT_FOUND},     {ENODEV, ERR_NOT_FOUND},  {EBUSY, ERR_BUSY},
		{EAGAIN, ERR_BUSY},      {EACCES, ERR_DENIED},        {EROFS, ERR_DENIED},      {ENOSPC, ERR_NO_SPACE},
		{EDQUOT, ERR_NO_SPACE},  {ECONNREFUSED, ERR_NETWORK}, {EPIPE, ERR_NETWORK},     {ETIMEDOUT, ERR_TIMEOUT},
		{EOPNOTSUPP, ERR_UNSUPPORTED}, {ECANCELED, ERR_CANCELED}, {EIO, ERR_IO},        {EBADF, ERR_IO},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(err_kind_of_errno(cases[i].sys), cases[i].kind);
}

static void err_kind_names_of_all_kinds_are_unique_and_lead_back(void **state)
{
	(void)state;
	for (int k = 0; k < ERR_KINDS; k++) {
		assert_int_equal(err_kind_by_name(err_kind_name((enum err_kind)k)), k);
		assert_int_equal(err_exit_status((enum err_kind)k), k);
		assert_true(strlen(err_exit_meaning((enum err_kind)k)) > 0);
	}
	assert_int_equal(err_kind_by_name("no such kind"), ERR_INTERNAL);
	assert_int_equal(err_exit_status((enum err_kind)99), 1);
}

static void err_is_retryable_of_all_kinds_is_only_network_and_timeout(void **state)
{
	(void)state;
	for (int k = 0; k < ERR_KINDS; k++) {
		struct err e = {.kind = (enum err_kind)k};

		assert_int_equal(err_is_retryable(&e), k == ERR_NETWORK || k == ERR_TIMEOUT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(err_set_without_errno_keeps_the_sentence),
		cmocka_unit_test(err_set_with_errno_appends_its_text),
		cmocka_unit_test(err_set_of_a_long_sentence_is_cut),
		cmocka_unit_test(err_wrap_puts_context_before_and_keeps_the_kind),
		cmocka_unit_test(err_kind_of_errno_of_known_errors_is_as_documented),
		cmocka_unit_test(err_kind_names_of_all_kinds_are_unique_and_lead_back),
		cmocka_unit_test(err_is_retryable_of_all_kinds_is_only_network_and_timeout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
