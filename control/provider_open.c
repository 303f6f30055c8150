// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "json_doc.h"
#include "provider.h"

struct provider *provider_open(struct json_at *block, const struct log *log, struct err *e)
{
	const char *name = json_string(block, "provider", JSON_REQUIRED, NULL);
	cleanup(buf_fini) struct buf known = BUF_INIT;
	char shown[48];

	if (name == NULL)
		return NULL;
	for (size_t i = 0; provider_table[i] != NULL; i++) {
		if (strcmp(provider_table[i]->name, name) == 0)
			return provider_table[i]->open(block, log, e);
		buf_addf(&known, "%s\"%s\"", i == 0 ? "" : ", ", provider_table[i]->name);
	}
	json_complain(block, "provider", "there is no provider \"%s\": expected one of %s",
		      json_shorten(name, shown, sizeof shown), buf_str(&known));
	return NULL;
}
