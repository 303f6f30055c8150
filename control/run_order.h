// SPDX-License-Identifier: Apache-2.0
/* What a worker is ordered to do: the body of POST /v1/run (net/api_names.h). */
#ifndef WHERRY_CONTROL_RUN_ORDER_H
#define WHERRY_CONTROL_RUN_ORDER_H

#include "base/limits.h"
#include "replica_access.h"
#include "scaffold.h"
#include "source_hints.h"

enum peer_way { PEER_NONE, PEER_LISTEN, PEER_DIAL };

struct run_order {
	const char *kind;          /* "export" | "import" | "scan" | "copy" */
	enum peer_way way;
	const char *dial;
	const char *session;       /* of the copy: the same for both workers */
	const struct side *side;
	const struct replica_access *access; /* of the replica's disks; none gathered: they are attached */
	const struct replica *replica; /* sizes */
	struct batch batch;        /* its disks that are meant */
	const struct source_hints *hints; /* export; else NULL */
	bool only_rehash;          /* scan: only disks that need it */
	bool read_only;            /* scan: nothing will be written in this boot */
	struct limits limits;      /* export */
};

/* Holds the hash key and tokens: the caller wipes and frees it. */
char *run_order_body(const struct context *c, const struct run_order *o, const char *attempt);

#endif
