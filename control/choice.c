// SPDX-License-Identifier: Apache-2.0
#include "choice.h"

#include <stdio.h>
#include <string.h>

#define KNOWN_MAX 200 /* bytes of names in a message */

void named_choice_see(struct named_choice *c, const char *id, const char *name)
{
	if (strcmp(id, c->name) == 0 || strcmp(name, c->name) == 0) {
		snprintf(c->id, sizeof c->id, "%s", id);
		c->hits++;
	}
	if (c->known.len < KNOWN_MAX)
		buf_addf(&c->known, "%s%s", c->known.len != 0 ? ", " : "", name);
}

int named_choice_end(struct named_choice *c, const char *place, const char *what, char id[RES_ID_SIZE], struct err *e)
{
	int rc = 0;

	if (c->hits == 0)
		rc = err_set(e, ERR_NOT_FOUND, 0, "%s has no %s \"%s\": it has %s", place, what, c->name,
			     c->known.len != 0 ? c->known.data : "none that these credentials may see");
	else if (c->hits > 1)
		rc = err_set(e, ERR_REFUSED, 0, "%s has %u of the %s \"%s\": name one by its id", place, c->hits, what, c->name);
	else
		snprintf(id, RES_ID_SIZE, "%s", c->id);
	buf_fini(&c->known);
	return rc;
}

void size_choice_see(struct size_choice *c, const char *id, uint64_t memory_mib, uint64_t vcpus)
{
	bool better = memory_mib < c->memory_mib || (memory_mib == c->memory_mib && vcpus < c->vcpus);

	if (memory_mib < c->like->memory_mib || vcpus < c->like->vcpus || (c->id[0] != '\0' && !better))
		return;
	snprintf(c->id, sizeof c->id, "%s", id);
	c->memory_mib = memory_mib;
	c->vcpus = vcpus;
}

int size_choice_end(const struct size_choice *c, const char *place, const char *what, const char *key, char id[RES_ID_SIZE],
		    struct err *e)
{
	snprintf(id, RES_ID_SIZE, "%s", c->id);
	return id[0] != '\0' ? 0 : err_set(e, ERR_NOT_FOUND, 0, "no %s of %s has %u CPUs and %llu MiB of memory: have one made, or name a "
					   "smaller one by \"%s\"", what, place, c->like->vcpus, (unsigned long long)c->like->memory_mib,
					   key);
}
