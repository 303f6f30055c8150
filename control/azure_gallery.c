// SPDX-License-Identifier: Apache-2.0
/* Images in a gallery of the workers' group: one definition for each firmware, a version for each image, whose number is the time
 * it was begun at, so that the highest is the newest. Gallery and definitions are made when they are not there, and stay. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "azure_image.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "json_format.h"

static const struct definition {
	const char *name, *sku, *generation;
} definitions[] = {{"worker-bios", "bios", "V1"}, {"worker-uefi", "uefi", "V2"}};

static const struct definition *definition_of(const char *firmware)
{
	return &definitions[strcmp(firmware, "uefi") == 0];
}

/* Its name is one of a kind in a subscription, and takes letters, digits, dots and underscores. */
static void name_gallery(const struct azure *a, char out[96])
{
	int n = snprintf(out, 96, "galleries/wherry_%.70s", a->options.worker_group);

	for (int i = (int)strlen("galleries/"); i < n; i++)
		if (!isalnum((unsigned char)out[i]) && out[i] != '.')
			out[i] = '_';
}

/* ---- Versions ---- */

static void name_version(const struct azure *a, const struct cloud_image *image, const char *firmware, char tail[AZURE_TAIL])
{
	unsigned y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0, sum = 0;
	char gallery[96], now[24];

	clock_format(clock_wall_ns() + a->p.ahead_ns, now);
	sscanf(now, "%u-%u-%uT%u:%u:%u", &y, &mo, &d, &h, &mi, &s);
	/* Tells apart those of one second. */
	for (const char *c = image->about; *c != '\0'; c++)
		sum = sum * 31 + (unsigned char)*c;
	name_gallery(a, gallery);
	snprintf(tail, AZURE_TAIL, "%s/images/%s/versions/%u.%u.%u", gallery, definition_of(firmware)->name, y * 10000 + mo * 100 + d,
		 h * 10000 + mi * 100 + s, sum % 1000000);
}

/* publishedDate is another one after each change. */
static void read_time(const char *version, char made[24])
{
	unsigned day = 0, time = 0;

	sscanf(version, "%u.%u", &day, &time);
	snprintf(made, 24, "%04u-%02u-%02uT%02u:%02u:%02uZ", day / 10000 % 10000, day / 100 % 100, day % 100, time / 10000 % 100,
		 time / 100 % 100, time % 100);
}

static bool is_replicated_here(const struct azure *a, yyjson_val *version)
{
	yyjson_val *region;
	size_t i, max;

	yyjson_arr_foreach(yyjson_ptr_get(version, "/properties/publishingProfile/targetRegions"), i, max, region)
		if (azure_is_here(a, rest_text(region, "name")))
			return true;
	return false;
}

/* How far it is in our location, which may be another matter than how the last change of it went. */
static void judge(const struct azure *a, yyjson_val *version, struct cloud_image *image)
{
	const char *whole = azure_text(version, "/properties/provisioningState"), *here = whole;
	yyjson_val *region;
	size_t i, max;

	yyjson_arr_foreach(yyjson_ptr_get(version, "/properties/replicationStatus/summary"), i, max, region)
		if (azure_is_here(a, rest_text(region, "region")))
			here = rest_text(region, "state");
	if (strcmp(whole, "Creating") == 0 && strcmp(here, "Failed") != 0)
		here = whole;
	image->state = strcmp(here, "Completed") == 0 || strcmp(here, "Succeeded") == 0 ? RES_READY
		       : strcmp(here, "Failed") == 0 || strcmp(whole, "Failed") == 0 ? RES_FAILED : RES_PENDING;
	snprintf(image->word, sizeof image->word, "%s", image->state == RES_FAILED ? "Failed" : here);
}

struct looking {
	struct azure *a;
	struct err *e;
	struct cloud_images *out;
};

static int see_version(void *ctx, yyjson_val *v)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	const struct looking *l = ctx;
	struct cloud_image i = {.name = ""};

	if (!azure_image_read(v, &i) || !is_replicated_here(l->a, v) ||
	    strcmp(azure_text(v, "/properties/provisioningState"), "Deleting") == 0)
		return 0;
	/* Lists do not tell of the replication. */
	if (azure_call(&l->a->session, AZURE_GALLERIES, "GET", NULL, &doc, NULL, l->e, "%s?$expand=ReplicationStatus", i.id) < 0) {
		if (l->e->kind != ERR_NOT_FOUND)
			return -1;
		*l->e = (struct err)ERR_INIT;
		return 0;
	}
	snprintf(i.name, sizeof i.name, "%s", azure_text(v, AZURE_NAME));
	read_time(rest_text(v, "name"), i.made);
	judge(l->a, yyjson_doc_get_root(doc), &i);
	*vec_push(&l->out->list) = i;
	return 0;
}

/* Where there is no gallery or definition there are no versions. */
static int each_version(struct azure *a, const struct definition *d, azure_seen *cb, void *ctx, struct err *e)
{
	char gallery[96], id[RES_ID_SIZE];

	name_gallery(a, gallery);
	azure_image_id(a, gallery, id);
	cleanup(cleanup_free) char *path = mem_printf("%s/images/%s/versions", id, d->name);
	int rc = azure_list(&a->session, AZURE_GALLERIES, path, cb, ctx, e);
	if (rc >= 0 || e->kind != ERR_NOT_FOUND)
		return rc;
	*e = (struct err)ERR_INIT;
	return 0;
}

static int list(struct azure *a, struct cloud_images *out, struct err *e)
{
	struct looking l = {.a = a, .e = e, .out = out};

	for (size_t i = 0; i < sizeof definitions / sizeof definitions[0]; i++)
		if (each_version(a, &definitions[i], see_version, &l, e) < 0)
			return -1;
	return 0;
}

/* ---- Making ---- */

/* body: what it is when it is not there. */
static int be_there(struct azure *a, const char *id, const char *body, struct err *e)
{
	struct err why = ERR_INIT;

	if (azure_call(&a->session, AZURE_GALLERIES, "GET", NULL, NULL, NULL, &why, "%s", id) == 0)
		return 0;
	if (why.kind == ERR_NOT_FOUND)
		return azure_complete(a, AZURE_GALLERIES, "PUT", id, "", body, NULL, e);
	*e = why;
	return -1;
}

/* The id of what a thing is in: without the thing's name and the word before it. A group may be named as such a word is. */
static char *parent(const char *id)
{
	size_t n = strlen(id);

	for (int slashes = 0; n > 0 && slashes < 2;)
		slashes += id[--n] == '/';
	return mem_printf("%.*s", (int)n, id);
}

static int make(struct azure *a, const struct cloud_image *image, const char *disk, uint64_t size, struct err *e)
{
	const char *here = a->options.location;
	cleanup(cleanup_free) char *definition = parent(image->id);
	cleanup(cleanup_free) char *gallery = parent(definition);
	const struct definition *d = definition_of(strcmp(azure_name(definition), definitions[1].name) == 0 ? "uefi" : "bios");
	cleanup(cleanup_free) char *tags = azure_image_tags(image, size);
	cleanup(cleanup_free) char *shelf = json_format("{'location':%s,'properties':{'description':'Images that workers of Wherry boot from'}}",
							here);
	cleanup(cleanup_free) char *kind =
		json_format("{'location':%s,'properties':{'osType':'Linux','osState':'Specialized','hyperVGeneration':%s,'identifier':{"
			    "'publisher':'wherry','offer':'worker','sku':%s}}}", here, d->generation, d->sku);
	cleanup(cleanup_free) char *body =
		json_format("{'location':%s,'tags':%j,'properties':{'publishingProfile':{'targetRegions':[{'name':%s,'regionalReplicaCount':1,"
			    "'storageAccountType':'Standard_LRS'}]},'storageProfile':{'osDiskImage':{'source':{'id':%s}}}}}", here, tags,
			    here, disk);

	return be_there(a, gallery, shelf, e) < 0 || be_there(a, definition, kind, e) < 0 ? -1
	       : azure_call(&a->session, AZURE_GALLERIES, "PUT", body, NULL, NULL, e, "%s", image->id);
}

/* ---- Regions ---- */

/* The version with our location among its regions, or without it. Its source need not be there any more. */
static int put_regions(struct azure *a, yyjson_val *version, const char *id, bool ours, struct err *e)
{
	cleanup(buf_fini) struct buf regions = BUF_INIT;
	cleanup(cleanup_free) char *tags = yyjson_val_write(yyjson_obj_get(version, "tags"), 0, NULL);
	yyjson_val *region;
	size_t i, max;

	yyjson_arr_foreach(yyjson_ptr_get(version, "/properties/publishingProfile/targetRegions"), i, max, region) {
		cleanup(cleanup_free) char *text = yyjson_val_write(region, 0, NULL);

		if (!azure_is_here(a, rest_text(region, "name")))
			json_format_add(&regions, "%j%j", regions.len != 0 ? "," : "", text);
	}
	if (ours)
		json_format_add(&regions, "%j{'name':%s,'regionalReplicaCount':1,'storageAccountType':'Standard_LRS'}",
				regions.len != 0 ? "," : "", a->options.location);
	cleanup(cleanup_free) char *body =
		json_format("{'location':%s,'tags':%j,'properties':{'publishingProfile':{'targetRegions':[%j]},'storageProfile':{'osDiskImage':"
			    "{'source':{'id':%s}}}}}", rest_text(version, "location"), tags, buf_str(&regions),
			    azure_text(version, "/properties/storageProfile/osDiskImage/source/id"));
	return azure_call(&a->session, AZURE_GALLERIES, "PUT", body, NULL, NULL, e, "%s", id);
}

struct copying {
	struct azure *a;
	struct cloud_image *image;
	bool done;
	struct err *e;
};

static int see_twin(void *ctx, yyjson_val *v)
{
	struct copying *c = ctx;
	struct cloud_image there = {.name = ""};
	const char *state = azure_text(v, "/properties/provisioningState");

	if (!azure_image_read(v, &there) || strcmp(there.about, c->image->about) != 0 || is_replicated_here(c->a, v))
		return 0;
	if (strcmp(state, "Creating") == 0 || strcmp(state, "Updating") == 0)
		return err_set(c->e, ERR_NETWORK, 0, "image %s is still being made in another region, and its bytes can be had from there then",
			       c->image->name);
	if (strcmp(state, "Succeeded") != 0)
		return 0;
	snprintf(c->image->id, sizeof c->image->id, "%s", there.id);
	c->done = put_regions(c->a, v, there.id, true, c->e) == 0;
	return c->done ? 1 : -1;
}

static int copy(struct azure *a, struct cloud_image *image, const char *firmware, bool *done, struct err *e)
{
	struct copying c = {.a = a, .image = image, .e = e};
	int rc = each_version(a, definition_of(firmware), see_twin, &c, e);

	*done = c.done;
	return rc < 0 ? -1 : 0;
}

/* A version is always in the location that it was made in: from there it goes as a whole. */
static int take_away(struct azure *a, const char *id, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	struct cloud_image there = {.name = ""};
	struct err why = ERR_INIT;

	if (azure_call(&a->session, AZURE_GALLERIES, "GET", NULL, &doc, NULL, &why, "%s", id) < 0) {
		if (why.kind == ERR_NOT_FOUND)
			return 0;
		*e = why;
		return -1;
	}
	yyjson_val *v = yyjson_doc_get_root(doc);
	if (!azure_image_read(v, &there))
		return err_set(e, ERR_BUSY, 0, "%s is no image of ours: it is not touched", id);
	return azure_is_here(a, rest_text(v, "location")) ? azure_delete(a, AZURE_GALLERIES, id, e) : put_regions(a, v, id, false, e);
}

const struct azure_keep azure_gallery = {
	.api = AZURE_GALLERIES, .list = list, .name = name_version, .copy = copy, .make = make, .remove = take_away,
};
