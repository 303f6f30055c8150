// SPDX-License-Identifier: Apache-2.0
/* Trying again, and looking up what may exist; shared by cloud*.c. */
#ifndef WHERRY_CONTROL_CLOUD_TRY_H
#define WHERRY_CONTROL_CLOUD_TRY_H

#include <stdbool.h>
#include <stdint.h>

#include "cloud.h"

struct backoff {
	int64_t deadline; /* monotonic */
	int64_t delay;    /* before the next try */
	int64_t grace;    /* of the waits that the cloud asks for, how much does not count */
	unsigned tries;
};

struct backoff cloud_backoff(const struct cloud *c);
int64_t cloud_patience_ns(const struct cloud *c);
/* False: interrupted, CANCELED in *e. */
bool cloud_nap(const struct cloud *c, int64_t ns, struct err *e);
bool cloud_canceled(const struct cloud *c, struct err *e);
/* Sleeps before the next try, for which *e is clean. False when there is to be none: interrupted (CANCELED in *e), or out of
 * patience (*e stays, with the count of tries before it). */
bool cloud_again(const struct cloud *c, struct backoff *b, struct err *e);
/* The resource of that kind and name with the same owner, job and run (replica: owner and job). `looks`: how often,
 * with pauses, because what was just made may appear late. */
int cloud_lookup(struct cloud *c, const struct res_ref *ref, unsigned looks, struct res_ref *out, bool *found,
		 struct err *e);

#endif
