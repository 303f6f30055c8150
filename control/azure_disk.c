// SPDX-License-Identifier: Apache-2.0
/* Managed disks, their snapshots, and what has changed between two of those. */
#include <stdio.h>
#include <stdlib.h>

#include "azure.h"
#include "azure_points.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "json_format.h"
#include "res_tags.h"

#define PAGES_PER_CALL "10000"

static int is_gone(const struct azure *a, const char *id, struct err *e)
{
	return e->kind != ERR_NONE ? -1 : err_set(e, ERR_NOT_FOUND, 0, "%s is not in %s", id, a->p.place);
}

/* ---- Making ---- */

static int snapshot(struct azure *a, const char *disk, struct res_ref *ref, struct err *e)
{
	cleanup(cleanup_free) char *tags = azure_tags(ref);
	cleanup(cleanup_free) char *body =
		json_format("{'location':%s,'tags':%j,'sku':{'name':'Standard_LRS'},'properties':{%j'creationData':{'createOption':'Copy',"
			    "'sourceResourceId':%s}}}", a->options.location, tags,
			    a->session.cloud->incremental ? "\"incremental\":true," : "", disk);

	return azure_make(a, AZURE_SNAPSHOT, ref, body, ref->id, e);
}

int azure_snapshot_machine(struct provider *p, const struct machine *m, struct res_ref *refs, unsigned n, struct err *e)
{
	int rc = azure_points_make(azure_of(p), m, refs, n, e);

	for (unsigned i = 0; rc > 0 && i < n; i++)
		if (snapshot(azure_of(p), m->disks.at[i].id, &refs[i], e) < 0)
			return -1;
	return rc < 0 ? -1 : 0;
}

int azure_snapshot_disk(struct provider *p, const struct res_ref *disk, struct res_ref *ref, struct err *e)
{
	return snapshot(azure_of(p), disk->id, ref, e);
}

/* What a clone has of the disk that its snapshot was taken of: the zone of its machine, its tier, its keys. Zone and tier of a replica
 * are the block's. */
static int add_origin(struct azure *a, const char *from, bool replica, struct buf *top, struct buf *properties, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	cleanup(rest_doc_free) yyjson_doc *origin = NULL;
	yyjson_val *s = azure_read(a, AZURE_SNAPSHOT, from, &doc, e);

	if (s == NULL)
		return is_gone(a, from, e);
	/* The disk may be gone by now: the clone is then of the plainest kind. */
	bool point = azure_in_points(from);
	yyjson_val *d = azure_read(a, AZURE_DISK, azure_text(s, point ? "/properties/sourceResourceId" : "/properties/creationData/sourceResourceId"),
				   &origin, e);
	const char *zone = replica ? a->options.zone : azure_text(d, "/zones/0"), *sku = replica ? a->options.disk_sku : azure_text(d, "/sku/name");
	const char *keys = azure_text(s, "/properties/encryption/diskEncryptionSetId"), *v2 = azure_text(s, "/properties/hyperVGeneration");
	if (e->kind != ERR_NONE)
		return -1;
	json_format_add(top, ",'sku':{'name':%s}", sku[0] != '\0' ? sku : "Standard_LRS");
	if (zone[0] != '\0')
		json_format_add(top, ",'zones':[%s]", zone);
	json_format_add(properties, "'creationData':{'createOption':%s,'sourceResourceId':%s}", point ? "Restore" : "Copy", from);
	if (keys[0] != '\0')
		json_format_add(properties, ",'encryption':{'diskEncryptionSetId':%s,'type':'EncryptionAtRestWithCustomerKey'}", keys);
	if (v2[0] != '\0')
		json_format_add(properties, ",'hyperVGeneration':%s", v2);
	if (azure_text(s, "/properties/osType")[0] != '\0')
		json_format_add(properties, ",'osType':%s", azure_text(s, "/properties/osType"));
	return 0;
}

/* What a disk boots is fixed when it is made. */
static void add_empty(const struct azure *a, const struct disk_spec *spec, struct buf *top, struct buf *properties)
{
	json_format_add(top, ",'sku':{'name':%s}", a->options.disk_sku);
	if (a->options.zone[0] != '\0')
		json_format_add(top, ",'zones':[%s]", a->options.zone);
	json_format_add(properties, "'creationData':{'createOption':'Empty'");
	if (spec->logical_sector == 4096)
		buf_adds(properties, ",\"logicalSectorSize\":4096");
	json_format_add(properties, "},'diskSizeGB':%u", (spec->size + GIB - 1) / GIB);
	if (spec->boots)
		json_format_add(properties, ",'osType':%s,'hyperVGeneration':%s", a->options.os_type,
				spec->firmware == FIRMWARE_UEFI ? "V2" : "V1");
}

int azure_disk_create(struct provider *p, const struct disk_spec *spec, struct res_ref *ref, struct err *e)
{
	struct azure *a = azure_of(p);
	cleanup(buf_fini) struct buf top = BUF_INIT;
	cleanup(buf_fini) struct buf properties = BUF_INIT;
	cleanup(cleanup_free) char *tags = azure_tags(ref);

	if (spec->from_snapshot == NULL)
		add_empty(a, spec, &top, &properties);
	else if (add_origin(a, spec->from_snapshot->id, res_is_replica(ref), &top, &properties, e) < 0)
		return -1;
	cleanup(cleanup_free) char *body = json_format("{'location':%s,'tags':%j%j,'properties':{%j}}", a->options.location, tags,
						       buf_str(&top), buf_str(&properties));
	return azure_make(a, AZURE_DISK, ref, body, ref->id, e);
}

int azure_disk_get(struct provider *p, const struct res_ref *ref, struct machine_disk *out, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	yyjson_val *v = azure_read(azure_of(p), AZURE_DISK, ref->id, &doc, e);

	*out = (struct machine_disk){.logical_sector = 512};
	if (v == NULL)
		return is_gone(azure_of(p), ref->id, e);
	snprintf(out->id, sizeof out->id, "%s", ref->id);
	snprintf(out->name, sizeof out->name, "%s", ref->name);
	out->size = azure_number(v, "/properties/diskSizeBytes");
	if (out->size == 0)
		out->size = azure_number(v, "/properties/diskSizeGB") * GIB;
	if (azure_number(v, "/properties/creationData/logicalSectorSize") == 4096)
		out->logical_sector = 4096;
	return 0;
}

int azure_disk_resize(struct provider *p, const struct res_ref *ref, uint64_t size, struct err *e)
{
	cleanup(cleanup_free) char *body = json_format("{'properties':{'diskSizeGB':%u}}", (size + GIB - 1) / GIB);
	struct machine_disk now;

	if (azure_disk_get(p, ref, &now, e) < 0)
		return -1;
	return now.size >= size ? 0 : azure_change(azure_of(p), AZURE_DISK, "PATCH", ref->id, "", body, e);
}

/* Disks have no ETag; between reading and writing only the exclusive attachment keeps others out. */
int azure_claim(struct provider *p, struct res_ref *disk, const struct res_tags *expect, const struct res_tags *set,
		struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	cleanup(rest_doc_free) yyjson_doc *answer = NULL;
	cleanup(buf_fini) struct buf body = BUF_INIT;
	yyjson_val *v = azure_read(azure_of(p), AZURE_DISK, disk->id, &doc, e), *key, *value;
	struct res_ref now, next = *disk;
	char text[RES_TAGS_SIZE];
	size_t i, max;

	if (v == NULL || !azure_tags_read(azure_of(p), AZURE_DISK, v, &now))
		return is_gone(azure_of(p), disk->id, e);
	if (res_check_claim(&now, expect, e) < 0)
		return -1;
	next.tags = *set;
	res_tags_write(&next, text);
	buf_adds(&body, "{\"tags\":{");
	/* All tags are replaced; what others keep there stays. */
	yyjson_obj_foreach(yyjson_obj_get(v, "tags"), i, max, key, value)
		if (strcmp(yyjson_get_str(key), "wherry") != 0)
			json_format_add(&body, "%s:%s,", yyjson_get_str(key), yyjson_get_str(value));
	json_format_add(&body, "'wherry':%s}}", text);
	return azure_complete(azure_of(p), AZURE_DISKS, "PATCH", disk->id, "", body.data, &answer, e);
}

/* ---- What has changed ---- */

struct ranges {
	struct byte_range *at;
	size_t count, room;
};

/* One that was cut off would look like a list of fewer changes. */
static bool is_whole(const char *xml)
{
	const char *list = strstr(xml, "<PageList"), *end = list != NULL ? strchr(list, '>') : NULL;

	return end != NULL && (end[-1] == '/' || strstr(end, "</PageList>") != NULL);
}

/* <PageRange><Start>0</Start><End>511</End></PageRange>, and ClearRange for what reads as zeros now; the service writes them
 * without blanks and attributes. *marker: "" after the last page. */
static int parse_pages(const char *xml, struct ranges *r, char *marker, size_t size, struct err *e)
{
	const char *next = strstr(xml, "<NextMarker>"), *stop = next != NULL ? strstr(next, "</NextMarker>") : NULL;

	if (!is_whole(xml))
		return err_set(e, ERR_PROTOCOL, 0, "the list of changed pages is none, or not whole: %.60s", xml);
	if (next != NULL && (stop == NULL || (size_t)(stop - next) - strlen("<NextMarker>") >= size))
		return err_set(e, ERR_PROTOCOL, 0, "the list of changed pages ends with a damaged mark: %.60s", next);
	for (const char *p = xml; (p = strstr(p, "<Start>")) != NULL; p++) {
		char *end, *last;
		unsigned long long first = strtoull(p + strlen("<Start>"), &end, 10), to = 0;

		if (strncmp(end, "</Start><End>", 13) != 0 || (to = strtoull(end + 13, &last, 10)) < first ||
		    strncmp(last, "</End>", 6) != 0)
			return err_set(e, ERR_PROTOCOL, 0, "the list of changed pages has a damaged range: %.60s", p);
		if (r->count == r->room)
			r->at = mem_resize(r->at, r->room = r->room * 2 + 64, sizeof *r->at);
		r->at[r->count++] = (struct byte_range){.offset = first, .length = to - first + 1};
	}
	snprintf(marker, size, "%.*s", stop != NULL ? (int)(stop - next) - (int)strlen("<NextMarker>") : 0,
		 stop != NULL ? next + strlen("<NextMarker>") : "");
	return 0;
}

/* learn.microsoft.com: "Get Page Ranges", "Incremental snapshots of managed disks". */
static int read_pages(struct azure *a, const char *now, const char *then, struct ranges *r, struct err *e)
{
	cleanup(cleanup_free) char *previous = mem_printf("x-ms-previous-snapshot-url: %s", then);
	const char *const headers[] = {"x-ms-version: 2020-10-02", previous, NULL};
	char marker[512] = "";

	do {
		cleanup(buf_fini) struct buf xml = BUF_INIT;
		cleanup(buf_fini) struct buf url = BUF_INIT;

		buf_addf(&url, "%s&comp=pagelist&maxresults=" PAGES_PER_CALL, now);
		if (marker[0] != '\0')
			rest_form_add(&url, "marker", marker);
		if (azure_storage_call(&a->session, "GET", url.data, headers, 0, 0, &xml, e) < 0 ||
		    parse_pages(buf_str(&xml), r, marker, sizeof marker, e) < 0)
			return -1;
	} while (marker[0] != '\0');
	return 0;
}

/* A snapshot, or the restore point of a disk, which says the same in other places. */
static const char *either(yyjson_val *v, const char *of_snapshot, const char *of_point)
{
	const char *s = azure_text(v, of_snapshot);

	return s[0] != '\0' ? s : azure_text(v, of_point);
}

/* Both are of the same disk, not only of disks of one name, and large disks were not resized in between. */
static int check_pair(struct azure *a, const char *now_id, const char *then_id, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *now_doc = NULL;
	cleanup(rest_doc_free) yyjson_doc *then_doc = NULL;
	yyjson_val *now = azure_read(a, AZURE_SNAPSHOT, now_id, &now_doc, e), *then = NULL;

	if (e->kind == ERR_NONE && now != NULL)
		then = azure_read(a, AZURE_SNAPSHOT, then_id, &then_doc, e);
	if (then == NULL)
		return is_gone(a, now == NULL ? now_id : then_id, e);
	const char *of = either(now, "/properties/creationData/sourceUniqueId", "/properties/sourceUniqueId");
	if (of[0] == '\0' || strcmp(of, either(then, "/properties/creationData/sourceUniqueId", "/properties/sourceUniqueId")) != 0)
		return err_set(e, ERR_UNSUPPORTED, 0, "the snapshots of the last generation and of this run are of two disks of one name, or "
			       "do not tell of which disk they are");
	if (strcmp(either(now, "/properties/incrementalSnapshotFamilyId", "/properties/familyId"),
		   either(then, "/properties/incrementalSnapshotFamilyId", "/properties/familyId")) != 0)
		return err_set(e, ERR_UNSUPPORTED, 0, "the snapshots of the last generation and of this run are of two families, which Azure does "
			       "not compare");
	/* Of a restore point the size is not said; whoever asks knows that it is the same. */
	uint64_t is = azure_number(now, "/properties/diskSizeGB"), was = azure_number(then, "/properties/diskSizeGB");
	if (is != was && is != 0 && was != 0)
		return err_set(e, ERR_UNSUPPORTED, 0, "the disk was resized since the last generation");
	if (strcmp(azure_text(now, "/properties/networkAccessPolicy"), "DenyAll") == 0)
		return err_set(e, ERR_UNSUPPORTED, 0, "its network access policy lets nobody read its snapshots");
	return 0;
}

static void wipe_url(char **url)
{
	if (*url != NULL)
		mem_wipe(*url, strlen(*url));
	free(*url);
}

/* It would end by itself within the hour, and is ended again before the snapshot is removed: no reason to give up hints. */
static void end_access(struct azure *a, const char *id)
{
	struct err e = ERR_INIT;

	if (azure_revoke(a, AZURE_SNAPSHOT, id, &e) < 0)
		log_warn(a->session.log, "access to %s could not be ended: %s", azure_name(id), e.msg);
}

int azure_changed_ranges(struct provider *p, const struct machine *m, unsigned disk, const char *baseline_id,
			 const char *snapshot_id, struct byte_range **out, size_t *count, struct err *e)
{
	struct azure *a = azure_of(p);
	cleanup(wipe_url) char *now = NULL;
	cleanup(wipe_url) char *then = NULL;
	struct ranges r = {0};
	int rc;

	(void)m;
	(void)disk;
	if (!a->session.cloud->incremental)
		return err_set(e, ERR_UNSUPPORTED, 0, "%s does not say what has changed", a->session.cloud->name);
	if (check_pair(a, snapshot_id, baseline_id, e) < 0)
		return -1;
	/* What a call that died left open. */
	end_access(a, snapshot_id);
	end_access(a, baseline_id);
	rc = azure_grant(a, AZURE_SNAPSHOT, snapshot_id, "Read", &now, e);
	if (rc == 0)
		rc = azure_grant(a, AZURE_SNAPSHOT, baseline_id, "Read", &then, e);
	if (rc == 0)
		rc = read_pages(a, now, then, &r, e);
	if (now != NULL)
		end_access(a, snapshot_id);
	if (then != NULL)
		end_access(a, baseline_id);
	if (rc < 0)
		free(r.at);
	*out = rc == 0 ? r.at : NULL;
	*count = rc == 0 ? r.count : 0;
	return rc;
}
