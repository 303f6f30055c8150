// SPDX-License-Identifier: Apache-2.0
/* The engine (copy/copy.h) as a table, so that tests of the API put a fake in its place. */
#ifndef WHERRY_JOB_RUN_ENGINE_H
#define WHERRY_JOB_RUN_ENGINE_H

#include "copy/copy.h"

struct run_engine {
	int (*export)(const struct copy_config *c, const struct copy_link *link, struct ledger *l, struct err *e);
	int (*import)(const struct copy_config *c, const struct copy_link *link, struct err *e);
	int (*scan)(const struct copy_config *c, struct ledger *l, struct err *e);
	int (*local)(const struct copy_config *c, struct ledger *l, struct err *e);
};

extern const struct run_engine run_engine_copy;

#endif
