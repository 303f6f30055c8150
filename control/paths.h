// SPDX-License-Identifier: Apache-2.0
/*
 * Who dials whom (ARCHITECTURE): the way chunks take between two workers, chosen by what the places say of addresses
 * seen from each side.
 */
#ifndef WHERRY_CONTROL_PATHS_H
#define WHERRY_CONTROL_PATHS_H

#include <stdbool.h>

#include "config.h"
#include "provider.h"

/* Address under which workers in `from` reach `to`; false when they cannot. alias: `from`'s host_alias or NULL. */
bool path_address(const char *alias, const struct endpoint *to, char *out, size_t size);

struct path_choice {
	enum data_path path;   /* never AUTO */
	char dial[192];        /* what the dialing worker dials; for RELAY it is filled when the relay listens */
	char reason[256];      /* for people */
};

/* wanted: the job's option. UNSUPPORTED when no way is open, saying why. */
int path_choose(enum data_path wanted, const char *source_alias, const struct endpoint *source_at,
		const char *target_alias, const struct endpoint *target_at, struct path_choice *out, struct err *e);

/* A relay: a listener on this host whose connections are spliced, blindly, each with one of its own to `to` (the streams
 * stay encrypted between the workers). When either side breaks both end, and the dialing worker dials again. Bounded: a
 * connection too many ends the oldest one. Runs its own threads until relay_stop. */
struct relay;
struct relay *relay_start(const char *to, struct err *e);
int relay_port(const struct relay *r);
void relay_stop(struct relay *r); /* NULL is fine */

#endif
