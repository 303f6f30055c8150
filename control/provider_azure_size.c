// SPDX-License-Identifier: Apache-2.0
/* Sizes of VMs: what a region has, and of which one workers are. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "azure.h"
#include "base/cleanup.h"
#include "base/mem.h"

struct size_search {
	const char *name;
	uint64_t vcpus, memory_mib, disks;
	struct azure_size *best;
};

/* The smallest that is large enough, by memory first. */
static int see_size(void *ctx, yyjson_val *v)
{
	struct size_search *s = ctx;
	struct azure_size it = {.vcpus = azure_number(v, "/numberOfCores"), .memory_mib = azure_number(v, "/memoryInMB"),
				.data_disks = azure_number(v, "/maxDataDiskCount")};
	bool fits = s->name != NULL ? strcasecmp(rest_text(v, "name"), s->name) == 0
		    : it.vcpus >= s->vcpus && it.memory_mib >= s->memory_mib && it.data_disks >= s->disks;

	snprintf(it.name, sizeof it.name, "%s", rest_text(v, "name"));
	if (fits && (s->best->name[0] == '\0' || it.memory_mib < s->best->memory_mib ||
		     (it.memory_mib == s->best->memory_mib && it.vcpus < s->best->vcpus)))
		*s->best = it;
	return 0;
}

int azure_size_find(struct azure *a, const char *name, uint64_t vcpus, uint64_t memory_mib, uint64_t disks, struct azure_size *out,
		    struct err *e)
{
	struct size_search s = {.name = name, .vcpus = vcpus, .memory_mib = memory_mib, .disks = disks, .best = out};
	cleanup(cleanup_free) char *path = mem_printf("/subscriptions/%s/providers/Microsoft.Compute/locations/%s/vmSizes",
						      a->session.subscription, a->options.location);

	*out = (struct azure_size){.name = ""};
	if (azure_list(&a->session, AZURE_COMPUTE, path, see_size, &s, e) < 0)
		return -1;
	if (out->name[0] != '\0')
		return 0;
	if (name != NULL)
		return err_set(e, ERR_NOT_FOUND, 0, "%s has no size %s in %s: `az vm list-sizes -l %s` lists those it has", a->p.place, name,
			       a->options.location, a->options.location);
	return err_set(e, ERR_NOT_FOUND, 0, "no size of %s has %llu CPUs, %llu MiB of memory and room for %llu data disks: name a smaller "
		       "one by \"target_size\"", a->p.place, (unsigned long long)vcpus, (unsigned long long)memory_mib,
		       (unsigned long long)disks);
}

/* ---- Workers ---- */

/* Data disks of a machine that a worker of that size takes, beside the one with its bootstrap data. */
static unsigned takes(const struct azure *a, const struct azure_size *size)
{
	unsigned luns = AZURE_LUNS - AZURE_FIRST_LUN, room = size->data_disks < luns ? (unsigned)size->data_disks : luns;
	unsigned own = a->session.cloud->user_data ? 0 : 1;

	return room > own ? room - own : 0;
}

int azure_worker_size_find(struct azure *a, unsigned disks, struct azure_size *out, unsigned *each, struct err *e)
{
	const struct azure_options *o = &a->options;
	unsigned fewest = UINT_MAX;

	if (o->size[0] == '\0')
		return err_set(e, ERR_CONFIG, 0, "\"export_worker_size\" is missing for %s: workers need it", a->p.place);
	for (unsigned i = 0; i <= o->larger_count && fewest > 1; i++) {
		struct azure_size it;

		if (azure_size_find(a, i == 0 ? o->size : o->larger[i - 1], 0, 0, 0, &it, e) < 0)
			return err_wrap(e, "\"%s\"", i == 0 ? "export_worker_size" : "larger_worker_sizes");
		unsigned room = takes(a, &it), workers = room == 0 ? UINT_MAX : disks / room + (disks % room != 0);
		if (workers >= fewest)
			continue;
		*out = it;
		*each = room < disks ? room : disks;
		fewest = workers;
	}
	if (fewest != UINT_MAX)
		return 0;
	return err_set(e, ERR_CONFIG, 0, "size %s takes no disk of a machine: choose a larger \"export_worker_size\"", o->size);
}

int azure_worker_size(struct provider *p, unsigned disks, struct worker_size *out, struct err *e)
{
	struct azure_size size;

	*out = (struct worker_size){.disks = disks};
	if (azure_worker_size_find(azure_of(p), disks, &size, &out->disks, e) < 0)
		return -1;
	snprintf(out->name, sizeof out->name, "%s", size.name);
	return 0;
}
