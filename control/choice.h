// SPDX-License-Identifier: Apache-2.0
/* Choosing one of what a cloud lists, while the list goes by. */
#ifndef WHERRY_CONTROL_CHOICE_H
#define WHERRY_CONTROL_CHOICE_H

#include "provider.h"

/* The one with that name or id. */
struct named_choice {
	const char *name;
	char id[RES_ID_SIZE];
	unsigned hits;
	struct buf known;    /* names, for the message */
};
void named_choice_see(struct named_choice *c, const char *id, const char *name);
/* Ends it and gives the id. NOT_FOUND lists what there is; REFUSED: several have that name. what: "network". */
int named_choice_end(struct named_choice *c, const char *place, const char *what, char id[RES_ID_SIZE], struct err *e);

/* The smallest size of machine that is large enough, by memory first. */
struct size_choice {
	const struct machine *like;
	char id[RES_ID_SIZE]; /* "": none so far */
	uint64_t memory_mib, vcpus;
};
void size_choice_see(struct size_choice *c, const char *id, uint64_t memory_mib, uint64_t vcpus);
/* NOT_FOUND says what was looked for. what: "flavor"; key: of the block, which names one. */
int size_choice_end(const struct size_choice *c, const char *place, const char *what, const char *key, char id[RES_ID_SIZE],
		    struct err *e);

#endif
