// SPDX-License-Identifier: Apache-2.0
#include "host_hints.h"

#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "manifest/hints_text.h"

int host_hints_load(struct host_hints *h, const char *path, uint64_t size, uint32_t chunk_size, struct err *e)
{
	*h = (struct host_hints){.path = path};
	hints_init(&h->hints, size, chunk_size);
	if (path == NULL)
		return 0;
	cleanup(cleanup_file) FILE *f = fopen(path, "re");
	if (f == NULL)
		return err_set(e, err_kind_of_errno(errno), errno, "cannot open the hints %s", path);
	return hints_read_text(&h->hints, f, path, &h->generation, e);
}

int host_hints_use(struct host_hints *h, struct manifest *working, struct err *e)
{
	if (h->path == NULL)
		return 0;
	unsigned long long ours = (unsigned long long)manifest_info(working)->generation;
	if (ours == 0)
		snprintf(h->why_not, sizeof h->why_not, "the manifest is of a copy that never was complete");
	else if (h->generation != 0 && h->generation != ours)
		snprintf(h->why_not, sizeof h->why_not, "they count from generation %llu and the manifest is of generation %llu",
			 (unsigned long long)h->generation, ours);
	h->used = h->why_not[0] == '\0';
	return h->used ? hints_add_unsure(&h->hints, working, e) : 0;
}

const struct hints *host_hints_of(const struct host_hints *h)
{
	return h->used ? &h->hints : NULL;
}

bool host_hints_held(const struct host_hints *h, const struct copy_disk *d)
{
	return h->used && !d->refuted;
}

int host_hints_root(const struct host_hints *h, struct manifest *working, struct copy_disk *d, struct err *e)
{
	uint64_t unknown;

	if (!host_hints_held(h, d))
		return 0;
	/* Unknown chunks: the commit refuses them and says so. */
	return hints_check_root(&h->hints, working, d->root, e) < 0
		       ? -1 : manifest_root_by_tree(working, d->root, &unknown, e);
}

const char *host_hints_fate(const struct host_hints *h, const struct copy_disk *d)
{
	return h->path == NULL ? "none" : !h->used ? "ignored" : d->refuted ? "refuted" : "used";
}

void host_hints_warn(const struct host_hints *h, const struct copy_disk *d)
{
	if (h->path != NULL && !h->used)
		fprintf(stderr, "wherry-worker: the hints %s were ignored and everything was read: %s\n", h->path, h->why_not);
	if (h->used && d->refuted)
		fprintf(stderr,
			"wherry-worker: the hints %s are wrong: the chunk at %llu has changed and they leave it out; everything was "
			"read\n", h->path, (unsigned long long)d->refuted_at);
}

void host_hints_fini(struct host_hints *h)
{
	hints_fini(&h->hints);
}
