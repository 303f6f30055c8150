// SPDX-License-Identifier: Apache-2.0
/* The image that workers boot; a promoted machine: a VM on the replica's disks. Azure starts a VM when it makes it. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "azure.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "image.h"
#include "json_format.h"

/* ---- Image ---- */

struct versions {
	unsigned long best[3];
	char *id;
};

static int see_version(void *ctx, yyjson_val *v)
{
	struct versions *s = ctx;
	unsigned long n[3] = {0, 0, 0};

	if (strcmp(azure_text(v, "/properties/provisioningState"), "Succeeded") != 0 ||
	    sscanf(rest_text(v, "name"), "%lu.%lu.%lu", &n[0], &n[1], &n[2]) != 3)
		return 0;
	bool newer = n[0] != s->best[0] ? n[0] > s->best[0] : n[1] != s->best[1] ? n[1] > s->best[1] : n[2] >= s->best[2];
	if (newer) {
		memcpy(s->best, n, sizeof n);
		snprintf(s->id, RES_ID_SIZE, "%s", rest_text(v, "id"));
	}
	return 0;
}

/* definition: of an image in a gallery. wanted: a version, or "latest". */
static int use_definition(struct azure *a, const char *definition, const char *wanted, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	cleanup(cleanup_free) char *path = mem_printf("%s/versions", definition);
	struct versions s = {.id = a->image.id};

	if (azure_call(&a->session, AZURE_GALLERIES, "GET", NULL, &doc, NULL, e, "%s", definition) < 0)
		return err_wrap(e, "\"export_worker_image\"");
	const char *generation = azure_text(yyjson_doc_get_root(doc), "/properties/hyperVGeneration");
	snprintf(a->image.generation, sizeof a->image.generation, "%s", generation[0] != '\0' ? generation : "V1");
	a->image.gallery = true;
	if (strcmp(wanted, "latest") != 0)
		snprintf(a->image.id, sizeof a->image.id, "%.300s/%.60s", path, wanted);
	else if (azure_list(&a->session, AZURE_GALLERIES, path, see_version, &s, e) < 0)
		return -1;
	if (a->image.id[0] != '\0')
		return 0;
	return err_set(e, ERR_NOT_FOUND, 0, "image %s has no version: `wherry image upload` makes images of its own, which are used when "
		       "\"export_worker_image\" is left out", definition);
}

struct identifier {
	struct azure *a;
	struct err *e;
	char publisher[80], offer[80], sku[80], found[RES_ID_SIZE];
};

static int see_definition(void *ctx, yyjson_val *v)
{
	struct identifier *w = ctx;

	if (strcasecmp(azure_text(v, "/properties/identifier/publisher"), w->publisher) != 0 ||
	    strcasecmp(azure_text(v, "/properties/identifier/offer"), w->offer) != 0 ||
	    strcasecmp(azure_text(v, "/properties/identifier/sku"), w->sku) != 0)
		return 0;
	snprintf(w->found, sizeof w->found, "%s", rest_text(v, "id"));
	return 1;
}

static int see_gallery(void *ctx, yyjson_val *v)
{
	struct identifier *w = ctx;
	cleanup(cleanup_free) char *path = mem_printf("%s/images", rest_text(v, "id"));

	return azure_list(&w->a->session, AZURE_GALLERIES, path, see_definition, w, w->e);
}

static int find_by_identifier(struct azure *a, const char *name, struct err *e)
{
	cleanup(cleanup_free) char *path = mem_printf("/subscriptions/%s/providers/Microsoft.Compute/galleries", a->session.subscription);
	struct identifier w = {.a = a, .e = e};
	char version[40];

	if (sscanf(name, "%79[^/]/%79[^/]/%79[^/]/%39s", w.publisher, w.offer, w.sku, version) != 4)
		return err_set(e, ERR_CONFIG, 0, "\"export_worker_image\": expected publisher/offer/sku/version or the id of an image, a "
			       "snapshot or a disk, found \"%.100s\"", name);
	if (azure_list(&a->session, AZURE_GALLERIES, path, see_gallery, &w, e) < 0)
		return -1;
	if (w.found[0] == '\0')
		return err_set(e, ERR_NOT_FOUND, 0, "no gallery of subscription %s has the image %s, and one of the Marketplace is no worker: "
			       "leave \"export_worker_image\" out, and run `wherry image upload` with this job file",
			       a->session.subscription, name);
	return use_definition(a, w.found, version, e);
}

int azure_image_find(struct azure *a, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	char chosen[RES_ID_SIZE];

	if (a->image.id[0] != '\0')
		return 0;
	if (a->options.image[0] == '\0' && image_choose(&a->p, chosen, e) < 0)
		return -1;
	const char *name = a->options.image[0] != '\0' ? a->options.image : chosen, *version = strstr(name, "/versions/");
	bool disk = strstr(name, "/Microsoft.Compute/disks/") != NULL, snapshot = strstr(name, "/Microsoft.Compute/snapshots/") != NULL;
	if (name[0] != '/')
		return find_by_identifier(a, name, e);
	if (strstr(name, "/galleries/") != NULL) {
		cleanup(cleanup_free) char *definition = mem_printf("%.*s", version != NULL ? (int)(version - name) : (int)strlen(name), name);

		return use_definition(a, definition, version != NULL ? azure_name(name) : "latest", e);
	}
	if (azure_call(&a->session, disk || snapshot ? AZURE_DISKS : AZURE_COMPUTE, "GET", NULL, &doc, NULL, e, "%s", name) < 0)
		return err_wrap(e, "\"export_worker_image\"");
	const char *generation = azure_text(yyjson_doc_get_root(doc), "/properties/hyperVGeneration");
	snprintf(a->image.generation, sizeof a->image.generation, "%s", generation[0] != '\0' ? generation : "V1");
	a->image.copy = disk || snapshot;
	snprintf(a->image.id, sizeof a->image.id, "%s", name);
	return 0;
}

/* ---- Promoted machines ---- */

static void add_disks(struct azure *a, const struct target_spec *spec, struct buf *b)
{
	unsigned boot = 0, lun = 0;

	for (unsigned i = 0; i < spec->disk_count && i < spec->like->disks.len; i++)
		boot = spec->like->disks.at[i].boot ? i : boot;
	json_format_add(b, "'storageProfile':{'osDisk':{'osType':%s,'createOption':'Attach','caching':'ReadWrite','managedDisk':{'id':%s}},"
			"'dataDisks':[", a->options.os_type, spec->disks[boot].id);
	for (unsigned i = 0; i < spec->disk_count; i++) {
		if (i == boot)
			continue;
		json_format_add(b, "%j{'lun':%d,'createOption':'Attach','caching':'None','managedDisk':{'id':%s}}", lun == 0 ? "" : ",", (int)lun,
				spec->disks[i].id);
		lun++;
	}
	buf_adds(b, "]},");
}

int azure_target_create(struct provider *p, const struct target_spec *spec, struct res_ref *ref, struct err *e)
{
	struct azure *a = azure_of(p);
	const char *wanted = a->options.target_size[0] != '\0' ? a->options.target_size : NULL;
	const char *subnet = a->options.target_subnet[0] != '\0' ? a->options.target_subnet : a->options.subnet;
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	cleanup(cleanup_free) char *tags = azure_tags(ref);
	cleanup(buf_fini) struct buf b = BUF_INIT;
	struct azure_size size;
	char nic[RES_ID_SIZE];

	if (azure_size_find(a, wanted, spec->like->vcpus, spec->like->memory_mib, spec->disk_count - 1, &size, e) < 0 ||
	    azure_nic_make(a, ref, subnet, "", "", nic, e) < 0)
		return -1;
	const char *zone = azure_text(azure_read(a, AZURE_DISK, spec->disks[0].id, &doc, e), "/zones/0");
	if (e->kind != ERR_NONE)
		return -1;
	json_format_add(&b, "{'location':%s,'tags':%j,", a->options.location, tags);
	if (zone[0] != '\0')
		json_format_add(&b, "'zones':[%s],", zone);
	json_format_add(&b, "'properties':{'hardwareProfile':{'vmSize':%s},", size.name);
	add_disks(a, spec, &b);
	json_format_add(&b, "'networkProfile':{'networkInterfaces':[{'id':%s,'properties':{'primary':true}}]},'diagnosticsProfile':{"
			"'bootDiagnostics':{'enabled':%b}}}}", nic, (int)a->session.cloud->managed_diagnostics);
	return azure_make(a, AZURE_VM, ref, b.data, ref->id, e);
}
