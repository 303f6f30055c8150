// SPDX-License-Identifier: Apache-2.0
/* What the control client's unit tests share: cmocka with what it needs, a folder that goes away again. */
#ifndef WHERRY_TESTS_UNIT_CONTROL_UNIT_H
#define WHERRY_TESTS_UNIT_CONTROL_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

#define assert_starts(text, start)                                                             \
	do {                                                                                   \
		if (strncmp((text), (start), strlen(start)) != 0)                              \
			fail_msg("\"%s\" does not start with \"%s\"", (text), (start));        \
	} while (0)

#define assert_has(text, part)                                                                 \
	do {                                                                                   \
		if (strstr((text), (part)) == NULL)                                            \
			fail_msg("\"%s\" does not contain \"%s\"", (text), (part));            \
	} while (0)

/* Calls that must succeed, and that must fail so; their last argument is `e`. */
#define ok(call)                                                                                                   \
	do {                                                                                                       \
		struct err ok_e = ERR_INIT;                                                                        \
		struct err *e = &ok_e;                                                                             \
		if ((call) < 0)                                                                                    \
			fail_msg("%s: %s", #call, ok_e.msg);                                                       \
	} while (0)

#define refused(call, want_kind, words)                                                                            \
	do {                                                                                                       \
		struct err refused_e = ERR_INIT;                                                                   \
		struct err *e = &refused_e;                                                                        \
		assert_int_equal(call, -1);                                                                        \
		assert_has(refused_e.msg, words);                                                                  \
		assert_int_equal(refused_e.kind, want_kind);                                                       \
	} while (0)

/* A new folder of mode 0700 under $TMPDIR or /tmp; removed with everything in it by temp_remove. */
char *temp_make(void);
void temp_remove(char *dir); /* frees dir */
void temp_write(const char *path, const void *data, size_t len);

#endif
