// SPDX-License-Identifier: Apache-2.0
/* A journal in a folder of its own, for test_journal*.c and test_cloud*.c; static on purpose: one test, one copy. */
#ifndef WHERRY_TESTS_UNIT_CONTROL_JOURNAL_FIXTURE_H
#define WHERRY_TESTS_UNIT_CONTROL_JOURNAL_FIXTURE_H

#include <stdio.h>

#include "journal.h"
#include "unit.h"

static inline int make_temp(void **state)
{
	*state = temp_make();
	return 0;
}

static inline int drop_temp(void **state)
{
	temp_remove(*state);
	return 0;
}

/* Closes `j` (may be NULL) and opens the journal of `dir` again, as the next process would. */
static inline struct journal *reopen(const char *dir, struct journal *j)
{
	struct err e = ERR_INIT;

	journal_close(j);
	j = journal_open(dir, &e);
	if (j == NULL)
		fail_msg("%s", e.msg);
	return j;
}

static inline struct res_ref a_ref(const char *name)
{
	struct res_ref r = {.kind = RES_DISK, .tags = {.owner = "me", .job = "web1", .run = "20260101-000000-0001", .epoch = 1}};

	snprintf(r.name, sizeof r.name, "%s", name);
	return r;
}

static inline int64_t intended(struct journal *j, const struct res_ref *ref)
{
	struct err e = ERR_INIT;
	int64_t place, row;

	if (journal_place(j, "{}", &place, &e) < 0 || journal_intend(j, place, ref, &row, &e) < 0)
		fail_msg("%s", e.msg);
	return row;
}

static inline int count_entry(void *ctx, const struct journal_entry *entry)
{
	(void)entry;
	++*(unsigned *)ctx;
	return 0;
}

static inline unsigned alive(struct journal *j, const char *job)
{
	struct err e = ERR_INIT;
	unsigned n = 0;

	if (journal_entries(j, job, count_entry, &n, &e) < 0)
		fail_msg("%s", e.msg);
	return n;
}

#endif
