// SPDX-License-Identifier: Apache-2.0
#include "res_tags.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void res_tags_write(const struct res_ref *ref, char out[RES_TAGS_SIZE])
{
	const struct res_tags *t = &ref->tags;

	snprintf(out, RES_TAGS_SIZE, "wherry1 o=%s j=%s r=%s e=%" PRIu64 " p=%s x=%" PRId64 " g=%" PRIu64 " d=%d n=%.70s",
		 t->owner, t->job, t->run, t->epoch, res_purpose_name(t->purpose), t->expires_s, t->generation, (int)t->dirty,
		 ref->name);
}

bool res_tags_read(const char *text, struct res_ref *ref)
{
	struct res_tags *t = &ref->tags;
	char purpose[24];
	int dirty, n;

	n = sscanf(text, "wherry1 o=%39s j=%63s r=%39s e=%" SCNu64 " p=%23s x=%" SCNd64 " g=%" SCNu64 " d=%d n=%79s", t->owner,
		   t->job, t->run, &t->epoch, purpose, &t->expires_s, &t->generation, &dirty, ref->name);
	int p = n >= 8 ? res_purpose_by_name(purpose) : -1;
	if (p < 0)
		return false;
	t->purpose = (enum res_purpose)p;
	t->dirty = dirty != 0;
	return true;
}

bool res_same_owner(const struct res_tags *want, const struct res_tags *there)
{
	return strcmp(want->owner, there->owner) == 0 && strcmp(want->job, there->job) == 0 &&
	       (want->purpose == PURPOSE_REPLICA || strcmp(want->run, there->run) == 0);
}

int res_is_anothers(const struct res_ref *want, const struct res_ref *there, struct err *e)
{
	return err_set(e, ERR_BUSY, 0, "%s %s (%s) belongs to owner %s, job %s, run %s: it is not touched",
		       res_kind_name(want->kind), want->name, there->id, there->tags.owner, there->tags.job, there->tags.run);
}

int res_check_claim(const struct res_ref *there, const struct res_tags *expect, struct err *e)
{
	if (strcmp(there->tags.owner, expect->owner) == 0 && there->tags.epoch == expect->epoch)
		return 0;
	return err_set(e, ERR_BUSY, 0, "replica disk %s was claimed by somebody else: it carries epoch %" PRIu64 " of owner %s, not epoch %"
		       PRIu64 " of %s; let only one state directory run this job", there->name, there->tags.epoch,
		       there->tags.owner, expect->epoch, expect->owner);
}
