// SPDX-License-Identifier: Apache-2.0
/* Every place the journal knows, opened without any job file; for clean-up. */
#ifndef WHERRY_CONTROL_PLACES_H
#define WHERRY_CONTROL_PLACES_H

#include "base/vec.h"
#include "journal.h"
#include "provider.h"

struct place {
	int64_t id;
	struct provider *p;  /* NULL: it could not be opened, and why */
	struct err why;
};

struct places {
	VEC(struct place) list;
};

/* A provider from its block as the journal keeps it. */
struct provider *place_open(const char *json, const struct log *log, struct err *e);
/* All of them. -1 only when the journal cannot be read. */
int places_open(struct journal *j, const struct log *log, struct places *out, struct err *e);
void places_close(struct places *p);

#endif
