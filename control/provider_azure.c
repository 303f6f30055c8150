// SPDX-License-Identifier: Apache-2.0
#include "provider_azure.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "azure.h"
#include "azure_points.h"
#include "base/cleanup.h"
#include "base/mem.h"

/* Texts of at most 63 bytes each. Returns how many. */
static unsigned read_list(struct json_at *block, const char *key, const char *what, char (*at)[64], size_t max)
{
	struct json_at list;
	size_t n = json_array(block, key, JSON_OPTIONAL, &list);

	for (size_t i = 0; i < n && i < max; i++) {
		struct json_at one = json_element(&list, i);

		snprintf(at[i], sizeof at[i], "%s", json_text(&one));
	}
	if (n > max)
		json_complain(block, key, "expected at most %zu %s, found %zu", max, what, n);
	return (unsigned)(n < max ? n : max);
}

static void read_options(struct json_at *block, struct azure_options *w)
{
	const struct {
		const char *key;
		char *at;
		size_t size;
		enum json_need need;
		const char *fallback;
	} texts[] = {
		{"cloud", w->cloud, sizeof w->cloud, JSON_OPTIONAL, "public"},
		{"subscription_id", w->subscription, sizeof w->subscription, JSON_OPTIONAL, ""},
		{"location", w->location, sizeof w->location, JSON_REQUIRED, ""},
		{"resource_group", w->group, sizeof w->group, JSON_REQUIRED, ""},
		{"worker_resource_group", w->worker_group, sizeof w->worker_group, JSON_OPTIONAL, w->group},
		{"export_worker_size", w->size, sizeof w->size, JSON_OPTIONAL, ""},
		{"export_worker_image", w->image, sizeof w->image, JSON_OPTIONAL, ""},
		{"subnet_id", w->subnet, sizeof w->subnet, JSON_OPTIONAL, ""},
		{"storage_account_name", w->storage_account, sizeof w->storage_account, JSON_OPTIONAL, ""},
		{"storage_container_name", w->storage_container, sizeof w->storage_container, JSON_OPTIONAL, ""},
		{"zone", w->zone, sizeof w->zone, JSON_OPTIONAL, ""},
		{"disk_sku", w->disk_sku, sizeof w->disk_sku, JSON_OPTIONAL, "Premium_LRS"},
		{"target_size", w->target_size, sizeof w->target_size, JSON_OPTIONAL, ""},
		{"target_subnet_id", w->target_subnet, sizeof w->target_subnet, JSON_OPTIONAL, ""},
		{"os_type", w->os_type, sizeof w->os_type, JSON_OPTIONAL, "Linux"},
	};

	json_string(block, "provider", JSON_REQUIRED, NULL);
	json_string(block, "machine", JSON_OPTIONAL, NULL); /* the core's */
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		const char *text = json_string(block, texts[i].key, texts[i].need, texts[i].fallback);

		if (strlen(text) >= texts[i].size)
			json_complain(block, texts[i].key, "expected at most %zu bytes", texts[i].size - 1);
		else
			snprintf(texts[i].at, texts[i].size, "%s", text);
	}
	w->allow_count = read_list(block, "allow", "networks", w->allow, sizeof w->allow / sizeof w->allow[0]);
	w->larger_count = read_list(block, "larger_worker_sizes", "sizes", w->larger, sizeof w->larger / sizeof w->larger[0]);
	w->public_ip = json_bool(block, "public_ip", JSON_OPTIONAL, false);
	w->auto_shutdown = json_bool(block, "auto_shutdown", JSON_OPTIONAL, true);
	json_no_more(block);
}

static void close_cloud(struct provider *p)
{
	struct azure *a = azure_of(p);

	azure_forget(a);
	azure_session_close(&a->session);
	free(a);
}

static struct provider *open_cloud(struct json_at *block, const struct log *log, struct err *e)
{
	struct azure *a = mem_alloc(sizeof *a);
	struct azure_session *s = &a->session;

	a->p.ops = &provider_azure_ops;
	a->p.log = log;
	read_options(block, &a->options);
	if (azure_session_open(s, a->options.cloud, a->options.subscription, &a->p.not_before_ns, log, e) < 0) {
		close_cloud(&a->p);
		return NULL;
	}
	snprintf(a->p.place, sizeof a->p.place, "azure resource group %.90s in %.60s of %s", a->options.group, a->options.location,
		 strcmp(a->options.cloud, "public") == 0 ? "Azure" : s->arm);
	/* An id is made of these: under other ones nothing that was made would be found. */
	snprintf(a->p.identity, sizeof a->p.identity, "subscription %.36s, resource groups %.90s and %.90s", s->subscription,
		 a->options.group, a->options.worker_group);
	a->p.needs_baseline = s->cloud->incremental;
	return &a->p;
}

/* ---- What a kind of resource is here ---- */

static bool is_machine(const struct res_ref *ref)
{
	return ref->kind == RES_WORKER || ref->kind == RES_MACHINE;
}

static int poll_resource(struct provider *p, const struct res_ref *ref, enum res_state *state, struct err *e)
{
	struct azure *a = azure_of(p);

	p->seen[0] = '\0';
	if (azure_in_points(ref->id)) {
		struct res_ref set = azure_points_of(ref);

		return azure_state(a, AZURE_POINTS, &set, state, NULL, NULL, e);
	}
	return is_machine(ref) ? azure_machine_poll(a, ref, state, e)
			       : azure_state(a, azure_type_of(ref->kind), ref, state, NULL, NULL, e);
}

static int remove_resource(struct provider *p, const struct res_ref *ref, struct err *e)
{
	struct azure *a = azure_of(p);
	bool gone;

	if (azure_in_points(ref->id)) {
		struct res_ref set = azure_points_of(ref);

		return azure_points_remove(a, &set, &gone, e);
	}
	return is_machine(ref) ? azure_machine_remove(a, ref, e) : azure_remove(a, azure_type_of(ref->kind), ref, &gone, e);
}

/* ---- Everything of ours ---- */

struct finding_all {
	const struct azure *a;
	enum azure_type type;
	const char *job;
	VEC(struct res_ref) found;
};

static int collect(void *ctx, yyjson_val *object)
{
	struct finding_all *f = ctx;
	struct res_ref ref;

	if (azure_tags_read(f->a, f->type, object, &ref) && (f->job == NULL || strcmp(f->job, ref.tags.job) == 0))
		*vec_push(&f->found) = ref;
	return 0;
}

/* A part of a worker that is there goes with it. */
static bool is_part(const struct finding_all *f, const struct res_ref *ref)
{
	for (size_t i = 0; i < f->found.len; i++) {
		const struct res_ref *it = &f->found.at[i];

		if (is_machine(it) && azure_is_part(it, ref))
			return true;
	}
	return false;
}

static int find_in_group(struct finding_all *f, struct azure *a, const char *group, struct err *e)
{
	for (int t = 0; t < AZURE_TYPES; t++) {
		cleanup(cleanup_free) char *path = mem_printf("/subscriptions/%s/resourceGroups/%s/providers/%s", a->session.subscription,
							      group, azure_types[t].path);

		f->type = (enum azure_type)t;
		if (t != AZURE_SCHEDULE && a->session.cloud->versions[azure_types[t].api] != NULL && azure_list(&a->session, azure_types[t].api, path, collect, f, e) < 0)
			return -1;
	}
	return 0;
}

static int find(struct provider *p, const char *job, provider_found *cb, void *ctx, struct err *e)
{
	struct azure *a = azure_of(p);
	struct finding_all f = {.a = a, .job = job};
	int rc = find_in_group(&f, a, a->options.group, e);

	if (rc == 0 && strcasecmp(a->options.group, a->options.worker_group) != 0)
		rc = find_in_group(&f, a, a->options.worker_group, e);
	for (size_t i = 0; rc == 0 && i < f.found.len; i++)
		if (azure_in_points(f.found.at[i].id))
			rc = azure_points_first(a, &f.found.at[i], e);
	for (size_t i = 0; rc == 0 && i < f.found.len; i++)
		if (!is_part(&f, &f.found.at[i]) && cb(ctx, &f.found.at[i]) != 0)
			break;
	vec_fini(&f.found);
	return rc;
}

static bool copies_from(const struct provider *p, const struct provider *source)
{
	const struct azure *to = (const struct azure *)p, *from = (const struct azure *)source;

	return source->ops == p->ops && strcasecmp(to->session.arm, from->session.arm) == 0 &&
	       strcasecmp(to->session.subscription, from->session.subscription) == 0 &&
	       strcasecmp(to->options.location, from->options.location) == 0;
}

const struct provider_ops provider_azure_ops = {
	.name = "azure",
	.images = &azure_images,
	.open = open_cloud,
	.close = close_cloud,
	.machine_get = azure_machine_get,
	.validate = azure_validate,
	.quota = azure_quota,
	.snapshot_machine = azure_snapshot_machine,
	.snapshot_disk = azure_snapshot_disk,
	.copies_from = copies_from,
	.disk_create = azure_disk_create,
	.disk_get = azure_disk_get,
	.disk_resize = azure_disk_resize,
	.worker_size = azure_worker_size,
	.worker_create = azure_worker_create,
	.poll = poll_resource,
	.remove = remove_resource,
	.find = find,
	.console = azure_console,
	.endpoint = azure_endpoint,
	.replica_claim = azure_claim,
	.changed_ranges = azure_changed_ranges,
	.target_runs_at_once = true,
	.target_create = azure_target_create,
	.machine_start = azure_machine_start,
	.machine_stop = azure_machine_stop,
};
