// SPDX-License-Identifier: Apache-2.0
#include "batch.h"

#include <stdio.h>

#include "replica_access.h"

static int add_side(struct cloud *cloud, struct worker_size *size, struct batches *b, struct err *e)
{
	if (cloud_worker_size(cloud, b->disks, size, e) < 0)
		return -1;
	b->each = size->disks < b->each ? size->disks : b->each;
	return 0;
}

int batches_divide(struct context *c, unsigned disks, bool source, struct batches *out, struct err *e)
{
	*out = (struct batches){.disks = disks, .each = disks, .count = 1};
	if (disks == 0)
		return 0;
	if ((source && add_side(&c->source, &out->source, out, e) < 0) ||
	    (!replica_access_is_direct(c) && add_side(&c->target, &out->target, out, e) < 0))
		return -1;
	out->count = (disks + out->each - 1) / out->each;
	return 0;
}

struct batch batches_at(const struct batches *b, unsigned i)
{
	struct batch at = {.first = i * b->each, .end = (i + 1) * b->each};

	at.end = at.end < b->disks ? at.end : b->disks;
	return at;
}

const char *batches_text(const struct batches *b, unsigned i, char out[BATCH_TEXT])
{
	struct batch at = batches_at(b, i);

	if (b->count == 1)
		snprintf(out, BATCH_TEXT, "the disks");
	else if (at.end - at.first == 1)
		snprintf(out, BATCH_TEXT, "disk %u of %u", at.first, b->disks);
	else
		snprintf(out, BATCH_TEXT, "disks %u-%u of %u", at.first, at.end - 1, b->disks);
	return out;
}

const char *batches_name(const struct batches *b, unsigned i, const char *role, char out[BATCH_TEXT])
{
	if (b->count == 1)
		snprintf(out, BATCH_TEXT, "%s", role);
	else
		snprintf(out, BATCH_TEXT, "%s%u", role, i + 1);
	return out;
}
