// SPDX-License-Identifier: Apache-2.0
/* The places that the journal knows, opened without any job file: for clean-up, and to tell where things are. */
#ifndef WHERRY_CONTROL_PLACES_H
#define WHERRY_CONTROL_PLACES_H

#include "base/vec.h"
#include "cloud.h"
#include "journal.h"
#include "provider.h"

struct place {
	int64_t id;
	struct provider *p;  /* NULL: it could not be opened, and why */
	struct err why;
	char name[256];      /* for people: the provider's word, or the block itself */
};

struct places {
	VEC(struct place) list;
};

/* A provider from its block as the journal keeps it. */
struct provider *place_open(const char *json, const struct log *log, struct err *e);
/* All of them. -1 only when the journal cannot be read. */
int places_open(struct journal *j, const struct log *log, struct places *out, struct err *e);
void places_close(struct places *p);

/* A block may change without naming another place (another image, another name to promote to): what is alive of the job
 * under older blocks of these places is moved to theirs. Call it under the lock of the job. */
int places_settle(struct cloud *const *clouds, size_t n, const char *job, struct err *e);
/* Is every replica disk that the journal has of the job in `target`? REFUSED when one is in another place, naming both;
 * REFUSED when the cloud's own copy there is newer than the journal; NOT_FOUND when one was removed by somebody. One that never held a generation may be gone. */
int places_check_replica(struct cloud *target, const char *job, struct err *e);

#endif
