// SPDX-License-Identifier: Apache-2.0
/* Worker images: the upload by a disk that is there for that only; images of a Hub, which are snapshots. */
#include "azure_image.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "image.h"
#include "json_format.h"

#define MIB          (UINT64_C(1) << 20)
#define SMALLEST     (20 * MIB) /* disk that takes an upload */
#define READY_S      3600       /* replication takes minutes, at busy times many */

static const struct azure_keep snapshots;

static const struct azure_keep *keep_of(const struct azure *a)
{
	return a->session.cloud->versions[AZURE_GALLERIES] != NULL ? &azure_gallery : &snapshots;
}

/* ---- What they have in common ---- */

void azure_image_id(const struct azure *a, const char *tail, char id[RES_ID_SIZE])
{
	snprintf(id, RES_ID_SIZE, "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Compute/%.159s", a->session.subscription,
		 a->options.worker_group, tail);
}

bool azure_image_read(yyjson_val *object, struct cloud_image *out)
{
	snprintf(out->id, sizeof out->id, "%s", rest_text(object, "id"));
	snprintf(out->name, sizeof out->name, "%s", rest_text(object, "name"));
	snprintf(out->about, sizeof out->about, "%s", azure_text(object, AZURE_ABOUT));
	/* With fractions of a second, and not always a Z. */
	snprintf(out->made, sizeof out->made, "%.19sZ", azure_text(object, "/properties/timeCreated"));
	snprintf(out->word, sizeof out->word, "%s", azure_text(object, "/properties/provisioningState"));
	out->size = strtoull(azure_text(object, AZURE_BYTES), NULL, 10);
	return out->about[0] != '\0';
}

char *azure_image_tags(const struct cloud_image *image, uint64_t size)
{
	char bytes[24];

	snprintf(bytes, sizeof bytes, "%llu", (unsigned long long)size);
	return json_format("{'wherry_image':%s,'wherry_name':%s,'wherry_bytes':%s}", image->about, image->name, bytes);
}

bool azure_is_here(const struct azure *a, const char *location)
{
	const char *ours = a->options.location;

	for (;; ours++, location++) {
		ours += strspn(ours, " ");
		location += strspn(location, " ");
		if (strncasecmp(ours, location, 1) != 0 || *ours == '\0')
			return *ours == *location;
	}
}

static bool is_going(struct azure *a, enum azure_api api, const char *id)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	struct err why = ERR_INIT;

	if (azure_call(&a->session, api, "GET", NULL, &doc, NULL, &why, "%s", id) < 0)
		return why.kind == ERR_NOT_FOUND;
	return strcmp(azure_text(yyjson_doc_get_root(doc), "/properties/provisioningState"), "Deleting") == 0;
}

int azure_delete(struct azure *a, enum azure_api api, const char *id, struct err *e)
{
	/* A time-out may mean that it takes long, or that nobody heard of it. */
	if (azure_complete(a, api, "DELETE", id, "", NULL, NULL, e) < 0 && e->kind != ERR_NOT_FOUND &&
	    (e->kind != ERR_TIMEOUT || !is_going(a, api, id)))
		return -1;
	*e = (struct err)ERR_INIT;
	return 0;
}

/* Of what is at id. NETWORK: it is on its way out. */
static int look(struct azure *a, enum azure_api api, const char *id, enum res_state *state, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	struct err why = ERR_INIT;
	int rc = azure_call(&a->session, api, "GET", NULL, &doc, NULL, &why, "%s", id);
	const char *word = azure_text(yyjson_doc_get_root(doc), "/properties/provisioningState");

	if (rc == 0 && strcmp(word, "Deleting") == 0)
		err_set(&why, ERR_NETWORK, 0, "%s is still being removed", id);
	*state = rc < 0 ? RES_ABSENT : strcmp(word, "Succeeded") == 0 ? RES_READY : strcmp(word, "Failed") == 0 ? RES_FAILED : RES_PENDING;
	if (why.kind == ERR_NONE || why.kind == ERR_NOT_FOUND)
		return 0;
	*e = why;
	return -1;
}

/* ---- The disk of an upload ---- */

static void disk_id(const struct azure *a, const struct cloud_image *image, char id[RES_ID_SIZE])
{
	cleanup(cleanup_free) char *tail = mem_printf("disks/%s", image->name);

	azure_image_id(a, tail, id);
}

/* NULL with *e clean: there is none. BUSY: it is another's. */
static yyjson_val *read_disk(struct azure *a, const struct cloud_image *image, const char *id, yyjson_doc **doc, struct err *e)
{
	yyjson_val *v = azure_read(a, AZURE_DISK, id, doc, e);
	struct cloud_image there = {.name = ""};

	if (v == NULL || (azure_image_read(v, &there) && strcmp(there.about, image->about) == 0))
		return v;
	err_set(e, ERR_BUSY, 0, "%s was made for something else than this image: it is not touched", id);
	return NULL;
}

static int make_disk(struct azure *a, const struct cloud_image *image, const struct image_bytes *bytes, const char *id, struct err *e)
{
	cleanup(cleanup_free) char *body =
		json_format("{'location':%s,'tags':{'wherry_image':%s,'wherry_becomes':%s},'sku':{'name':'Standard_LRS'},'properties':{'osType':"
			    "'Linux','hyperVGeneration':%s,'creationData':{'createOption':'Upload','uploadSizeBytes':%u}}}", a->options.location,
			    image->about, strstr(image->id, "Microsoft.Compute/") + strlen("Microsoft.Compute/"),
			    strcmp(bytes->firmware, "uefi") == 0 ? "V2" : "V1", bytes->size);

	return azure_complete(a, AZURE_DISKS, "PUT", id, "", body, NULL, e);
}

static int remove_disk(struct azure *a, yyjson_val *disk, const char *id, struct err *e)
{
	if (strncmp(azure_text(disk, "/properties/diskState"), "Active", 6) == 0 && azure_revoke(a, AZURE_DISK, id, e) < 0)
		return -1;
	return azure_delete(a, AZURE_DISKS, id, e);
}

/* One that nothing was written to: what an upload that died, or is to be given up for this one, wrote cannot be told from what it
 * did not. unique: which it is. */
static int renew_disk(struct azure *a, const struct cloud_image *image, const struct image_bytes *bytes, const char *id,
		      char unique[64], struct err *e)
{
	for (int tries = 0; tries < 2; tries++) {
		cleanup(rest_doc_free) yyjson_doc *doc = NULL;
		yyjson_val *disk = read_disk(a, image, id, &doc, e);
		const char *word = azure_text(disk, "/properties/provisioningState");

		if (e->kind != ERR_NONE)
			return -1;
		if (disk != NULL && strcmp(word, "Succeeded") != 0 && strcmp(word, "Failed") != 0)
			return err_set(e, ERR_NETWORK, 0, "%s is not ready for an upload (%s)", id, word);
		snprintf(unique, 64, "%s", azure_text(disk, "/properties/uniqueId"));
		if (strcmp(azure_text(disk, "/properties/diskState"), "ReadyToUpload") == 0 && strcmp(word, "Succeeded") == 0)
			return 0;
		if ((disk != NULL && remove_disk(a, disk, id, e) < 0) || make_disk(a, image, bytes, id, e) < 0)
			return -1;
	}
	return err_set(e, ERR_NETWORK, 0, "%s is not ready for an upload, though it was just made", id);
}

/* A conflict is most likely one with this very call, which was made before, and whose answer got lost: the next try looks first. */
static int again(int rc, struct err *e)
{
	if (rc < 0 && e->kind == ERR_BUSY)
		e->kind = ERR_NETWORK;
	return rc;
}

/* What it means that the disk was not filled. A URL that is not taken any more has expired, and is had again with a new disk; or it
 * was revoked, by another upload that took the disk for its own. */
static int not_filled(struct azure *a, const struct cloud_image *image, const char *id, const char *unique, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	struct err why = ERR_INIT;

	if (e->kind != ERR_DENIED && e->kind != ERR_NOT_FOUND)
		return again(-1, e);
	yyjson_val *disk = read_disk(a, image, id, &doc, &why);
	bool same = strcmp(azure_text(disk, "/properties/uniqueId"), unique) == 0 &&
		    strcmp(azure_text(disk, "/properties/diskState"), "Unattached") != 0;
	if (err_is_retryable(&why))
		*e = why;
	else
		e->kind = same ? ERR_NETWORK : ERR_BUSY;
	return -1;
}

/* ---- Operations ---- */

struct disks {
	struct azure *a;
	struct cloud_images *out;
};

/* A disk that an upload left is no image beside the one that was made of it. */
static int see_disk(void *ctx, yyjson_val *v)
{
	struct disks *d = ctx;
	struct cloud_image i = {.state = RES_PENDING};

	if (!azure_image_read(v, &i) || !azure_is_here(d->a, rest_text(v, "location")) || azure_text(v, AZURE_BECOMES)[0] == '\0' ||
	    strcmp(i.word, "Deleting") == 0)
		return 0;
	azure_image_id(d->a, azure_text(v, AZURE_BECOMES), i.id);
	snprintf(i.word, sizeof i.word, "%s", azure_text(v, "/properties/diskState"));
	for (size_t k = 0; k < d->out->list.len; k++)
		if (strcasecmp(d->out->list.at[k].id, i.id) == 0)
			return 0;
	*vec_push(&d->out->list) = i;
	return 0;
}

static int list(struct provider *p, struct cloud_images *out, struct err *e)
{
	struct azure *a = azure_of(p);
	struct disks d = {.a = a, .out = out};
	char path[RES_ID_SIZE];

	azure_image_id(a, "disks", path);
	return keep_of(a)->list(a, out, e) < 0 ? -1 : azure_list(&a->session, AZURE_DISKS, path, see_disk, &d, e);
}

static int check(const struct azure *a, const struct image_bytes *bytes, struct err *e)
{
	if (strcmp(bytes->firmware, "uefi") == 0 && !a->session.cloud->uefi)
		return err_set(e, ERR_UNSUPPORTED, 0, "%s has only generation 1, which boots by BIOS: leave --firmware uefi out",
			       a->session.cloud->name);
	if (bytes->size < SMALLEST + AZURE_FOOTER || (bytes->size - AZURE_FOOTER) % MIB != 0)
		return err_set(e, ERR_CONFIG, 0, "the image has %llu bytes: Azure takes a fixed VHD of whole MiB, 20 at least, with its footer of "
			       "512 bytes, as `make image` builds it", (unsigned long long)bytes->size);
	return 0;
}

static int create(struct provider *p, const struct image_bytes *bytes, struct cloud_image *image, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	struct azure *a = azure_of(p);
	const struct azure_keep *keep = keep_of(a);
	char id[RES_ID_SIZE], tail[AZURE_TAIL];
	bool done = false;

	if (check(a, bytes, e) < 0 || (keep->copy != NULL && again(keep->copy(a, image, bytes->firmware, &done, e), e) < 0))
		return -1;
	if (done)
		return 0;
	disk_id(a, image, id);
	yyjson_val *there = read_disk(a, image, id, &doc, e);
	if (e->kind != ERR_NONE)
		return -1;
	if (there != NULL && !azure_is_here(a, rest_text(there, "location")))
		return err_set(e, ERR_BUSY, 0, "image %s is being sent to %s by another upload, and can be had from there then", image->name,
			       rest_text(there, "location"));
	snprintf(tail, sizeof tail, "%s", azure_text(there, AZURE_BECOMES));
	if (there == NULL)
		keep->name(a, image, bytes->firmware, tail);
	azure_image_id(a, tail, image->id);
	return there != NULL ? 0 : make_disk(a, image, bytes, id, e);
}

static int send_bytes(struct provider *p, const struct cloud_image *image, const struct image_bytes *bytes, uint64_t *sent,
		      struct err *e)
{
	struct azure *a = azure_of(p);
	const struct azure_keep *keep = keep_of(a);
	char id[RES_ID_SIZE], unique[64];
	enum res_state state;

	if (look(a, keep->api, image->id, &state, e) < 0)
		return -1;
	if (state == RES_READY || state == RES_PENDING)
		return 0;
	disk_id(a, image, id);
	if (check(a, bytes, e) < 0 || (state == RES_FAILED && azure_delete(a, keep->api, image->id, e) < 0) ||
	    renew_disk(a, image, bytes, id, unique, e) < 0)
		return -1;
	if (azure_fill(a, id, bytes, sent, e) < 0)
		return not_filled(a, image, id, unique, e);
	return again(keep->make(a, image, id, bytes->size, e), e);
}

/* A disk of that name that is not of this image is not its upload's. */
static int finish(struct provider *p, const struct cloud_image *image, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	struct azure *a = azure_of(p);
	char id[RES_ID_SIZE];

	disk_id(a, image, id);
	yyjson_val *disk = read_disk(a, image, id, &doc, e);
	if (e->kind == ERR_BUSY)
		*e = (struct err)ERR_INIT;
	if (disk == NULL || strcmp(azure_text(disk, "/properties/provisioningState"), "Deleting") == 0)
		return e->kind == ERR_NONE ? 0 : -1;
	return remove_disk(a, disk, id, e);
}

static int take_away(struct provider *p, const struct cloud_image *image, struct err *e)
{
	struct azure *a = azure_of(p);

	return keep_of(a)->remove(a, image->id, e) < 0 ? err_wrap(e, "removing image %s", image->name) : finish(p, image, e);
}

static int of_workers(struct provider *p, char id[RES_ID_SIZE], struct err *e)
{
	struct azure *a = azure_of(p);

	if (azure_image_find(a, e) < 0)
		return -1;
	snprintf(id, RES_ID_SIZE, "%s", a->image.id);
	return 0;
}

const struct image_ops azure_images = {
	.formats = (const char *const[]){"vhd", NULL},
	.region_key = "location",
	.image_key = "export_worker_image",
	.ready_s = READY_S,
	.list = list,
	.create = create,
	.send = send_bytes,
	.finish = finish,
	.remove = take_away,
	.of_workers = of_workers,
};

/* ---- Snapshots ---- */

static int see_snapshot(void *ctx, yyjson_val *v)
{
	struct disks *d = ctx;
	struct cloud_image i = {.name = ""};

	if (!azure_image_read(v, &i) || !azure_is_here(d->a, rest_text(v, "location")) || strcmp(i.word, "Deleting") == 0)
		return 0;
	i.state = strcmp(i.word, "Succeeded") == 0 ? RES_READY : strcmp(i.word, "Failed") == 0 ? RES_FAILED : RES_PENDING;
	*vec_push(&d->out->list) = i;
	return 0;
}

static int list_snapshots(struct azure *a, struct cloud_images *out, struct err *e)
{
	struct disks d = {.a = a, .out = out};
	char path[RES_ID_SIZE];

	azure_image_id(a, "snapshots", path);
	return azure_list(&a->session, AZURE_DISKS, path, see_snapshot, &d, e);
}

static void name_snapshot(const struct azure *a, const struct cloud_image *image, const char *firmware, char tail[AZURE_TAIL])
{
	(void)a;
	(void)firmware;
	snprintf(tail, AZURE_TAIL, "snapshots/%s", image->name);
}

static int make_snapshot(struct azure *a, const struct cloud_image *image, const char *disk, uint64_t size, struct err *e)
{
	cleanup(cleanup_free) char *tags = azure_image_tags(image, size);
	cleanup(cleanup_free) char *body =
		json_format("{'location':%s,'tags':%j,'sku':{'name':'Standard_LRS'},'properties':{'creationData':{'createOption':'Copy',"
			    "'sourceResourceId':%s}}}", a->options.location, tags, disk);

	return azure_call(&a->session, AZURE_DISKS, "PUT", body, NULL, NULL, e, "%s", image->id);
}

static int remove_snapshot(struct azure *a, const char *id, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	yyjson_val *v = azure_read(a, AZURE_SNAPSHOT, id, &doc, e);
	struct cloud_image there = {.name = ""};

	if (v == NULL)
		return e->kind == ERR_NONE ? 0 : -1;
	if (!azure_image_read(v, &there))
		return err_set(e, ERR_BUSY, 0, "%s is no image of ours: it is not touched", id);
	return azure_delete(a, AZURE_DISKS, id, e);
}

static const struct azure_keep snapshots = {
	.api = AZURE_DISKS, .list = list_snapshots, .name = name_snapshot, .make = make_snapshot, .remove = remove_snapshot,
};
