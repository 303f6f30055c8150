// SPDX-License-Identifier: Apache-2.0
#include "paths.h"

#include <stdio.h>
#include <string.h>

bool path_address(const char *alias, const struct endpoint *to, char *out, size_t size)
{
	const char *host = to->reach == REACH_LOOPBACK ? alias : to->host;

	if (host == NULL || host[0] == '\0')
		return false;
	snprintf(out, size, strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, to->port);
	return true;
}

static int no_way(const char *what, struct err *e)
{
	return err_set(e, ERR_UNSUPPORTED, 0,
		       "data path %s is not open: the dialing worker has no address for the other side; use \"data_path\": "
		       "\"auto\", or give the workers addresses they can reach", what);
}

int path_choose(enum data_path wanted, const char *source_alias, const struct endpoint *source_at,
		const char *target_alias, const struct endpoint *target_at, struct path_choice *out, struct err *e)
{
	bool to_target = path_address(source_alias, target_at, out->dial, sizeof out->dial);
	char back[sizeof out->dial];
	bool to_source = path_address(target_alias, source_at, back, sizeof back);

	if (wanted == DATA_AUTO)
		wanted = to_target ? DATA_SOURCE_DIALS : to_source ? DATA_TARGET_DIALS : DATA_RELAY;
	out->path = wanted;
	switch (wanted) {
	case DATA_SOURCE_DIALS:
		snprintf(out->reason, sizeof out->reason, "the source worker reaches the target at %s", out->dial);
		return to_target ? 0 : no_way("source-dials", e);
	case DATA_TARGET_DIALS:
		memcpy(out->dial, back, sizeof back);
		snprintf(out->reason, sizeof out->reason, "the target worker reaches the source at %s", out->dial);
		return to_source ? 0 : no_way("target-dials", e);
	default:
		snprintf(out->reason, sizeof out->reason, "this host passes the encrypted stream on between the workers");
		return source_alias != NULL ? 0 : no_way("relay", e);
	}
}
