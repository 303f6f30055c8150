// SPDX-License-Identifier: Apache-2.0
#include "source_hints.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "net/api_names.h"

const char *source_hints_why_not(struct context *c, uint64_t generation, char text[160], struct err *e)
{
	int64_t full_s;
	unsigned hinted;

	if (generation == 0)
		return "there is no generation yet that they could count from";
	if (!c->job.use_hints)
		return "the job says \"hints\": \"ignore\"";
	if (c->source_p->ops->changed_ranges == NULL)
		return "the source cloud does not say what has changed";
	if (journal_full_scan(c->journal, c->job.name, &full_s, &hinted, e) < 0)
		return "the journal cannot be read";
	if (hinted + 1 < c->job.full_scan_every)
		return NULL;
	snprintf(text, 160, "a full scan is due, as one of every %u runs", c->job.full_scan_every);
	return text;
}

/* Why disk i of the replica has no use for hints; NULL: none. */
static const char *why_not_disk(const struct replica *r, unsigned i, char text[160])
{
	const struct replica_disk *d = &r->disks[i];
	const struct generation_disk *g = i < r->committed_count ? &r->committed[i] : NULL;
	uint64_t working = manifest_info(d->working)->generation;

	if (g == NULL || g->baseline[0] == '\0')
		return "nothing is known of the snapshot that the last generation was made from";
	if (d->rehash)
		return "the replica has to be hashed where it is";
	if (g->size != d->size)
		return "its size has changed";
	if (working == r->generation)
		return NULL;
	snprintf(text, 160, "the working manifest counts from generation %" PRIu64 " and the hints from %" PRIu64, working,
		 r->generation);
	return text;
}

static int ask(struct context *c, const struct machine *m, const struct replica *r, unsigned i, struct source_hints *h,
	       struct err *e)
{
	cleanup(cleanup_free) struct byte_range *ranges = NULL;
	size_t count = 0;

	if (cloud_changed_ranges(&c->source, m, i, r->committed[i].baseline, r->disks[i].baseline, &ranges, &count, e) < 0)
		return -1;
	hints_init(&h->disk[i], r->disks[i].size, manifest_info(r->disks[i].working)->chunk_size);
	for (size_t k = 0; k < count; k++)
		hints_add(&h->disk[i], ranges[k].offset, ranges[k].length);
	h->given[i] = true;
	return 0;
}

int source_hints_gather(struct context *c, const struct machine *m, struct replica *r, struct source_hints *h,
			struct err *e)
{
	char text[160];

	*h = (struct source_hints){0};
	const char *why = source_hints_why_not(c, r->generation, text, e);
	if (e->kind != ERR_NONE)
		return -1;
	if (why != NULL && r->generation != 0)
		events_step(c->events, "hints", "everything is read: %s", why);
	for (unsigned i = 0; why == NULL && i < r->count; i++) {
		struct err no = ERR_INIT;
		const char *not_this = why_not_disk(r, i, text);

		if (not_this == NULL && ask(c, m, r, i, h, &no) == 0) {
			events_step(c->events, "hints", "of disk %s at most %" PRIu64 " bytes have changed since generation %" PRIu64,
				    r->disks[i].source_name, extents_bytes(&h->disk[i].ranges), r->generation);
			continue;
		}
		if (no.kind == ERR_CANCELED) {
			*e = no;
			return -1;
		}
		events_warn(c->events, "all of disk %s is read: %s", r->disks[i].source_name,
			    not_this != NULL ? not_this : no.msg);
	}
	return 0;
}

void source_hints_fini(struct source_hints *h)
{
	for (unsigned i = 0; i < WIRE_MAX_DISKS; i++)
		hints_fini(&h->disk[i]);
}

const struct hints *source_hints_of(const struct source_hints *h, unsigned i)
{
	return h->given[i] && !h->refuted[i] ? &h->disk[i] : NULL;
}

int source_hints_refresh(struct source_hints *h, struct replica *r, struct err *e)
{
	for (unsigned i = 0; i < r->count; i++) {
		if (source_hints_of(h, i) == NULL)
			continue;
		if (hints_add_unsure(&h->disk[i], r->disks[i].working, e) < 0)
			return -1;
		hints_limit(&h->disk[i], API_MAX_RANGES / r->count);
	}
	return 0;
}

int source_hints_root(const struct source_hints *h, struct replica *r, unsigned i, uint8_t root[MANIFEST_HASH],
		      struct err *e)
{
	struct replica_disk *d = &r->disks[i];
	uint64_t unknown;

	d->hinted = source_hints_of(h, i) != NULL;
	if (!d->hinted)
		return 0;
	/* Unknown chunks: the commit refuses them and says so. */
	return hints_check_root(&h->disk[i], d->working, root, e) < 0 ? -1
								       : manifest_root_by_tree(d->working, root, &unknown, e);
}
