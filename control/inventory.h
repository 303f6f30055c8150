// SPDX-License-Identifier: Apache-2.0
/* What there is of ours: the journal's word and the clouds' own, side by side. For `cleanup`. */
#ifndef WHERRY_CONTROL_INVENTORY_H
#define WHERRY_CONTROL_INVENTORY_H

#include <stdbool.h>

#include "places.h"

struct inventory_row {
	struct res_ref ref;
	const char *place;   /* for people; borrowed from the places */
	int64_t place_id;
	int64_t row;         /* of the journal; 0: found by its tags only */
	const char *state;   /* "alive", "missing", "intended", "removing", "not asked", "by tag" */
};

struct inventory {
	VEC(struct inventory_row) rows;
	struct err first;    /* the first place that could not be asked; the rest is complete */
};

/* job NULL: of all jobs. -1 only when the journal cannot be read. The places outlive the inventory. */
int inventory_take(struct inventory *inv, struct journal *j, const struct places *places, const char *job,
		   struct err *e);
void inventory_fini(struct inventory *inv);
/* A run's id begins with its time: seconds since then; -1 when it does not. */
int64_t inventory_age_s(const struct res_ref *ref);

#endif
