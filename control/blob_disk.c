// SPDX-License-Identifier: Apache-2.0
/* Page blobs and their snapshots. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "blob.h"

#define MIB (UINT64_C(1) << 20)

/* The blob of a disk or snapshot, and the snapshot's time ("" of a disk). */
struct place {
	char name[RES_NAME_SIZE + 8], snapshot[64];
};

static struct place place_of(const struct res_ref *ref)
{
	struct place at = {.snapshot = ""};
	const char *mark = strstr(ref->id, "?snapshot=");

	if (ref->kind == RES_DISK)
		blob_name(ref, at.name);
	else if (mark != NULL)
		snprintf(at.name, sizeof at.name, "%.*s", (int)(mark - ref->id), ref->id);
	if (mark != NULL)
		snprintf(at.snapshot, sizeof at.snapshot, "%s", mark + strlen("?snapshot="));
	return at;
}

/* A VHD of whole MiB. */
static uint64_t blob_size(uint64_t disk)
{
	return (disk + MIB - 1) / MIB * MIB + BLOB_FOOTER;
}

static void add_lease(struct blob_store *s, struct blob_request *q, const struct res_ref *disk)
{
	const char *lease = blob_lease_of(s, disk);

	if (lease[0] != '\0')
		blob_header(q, "x-ms-lease-id: %s", lease);
}

static void add_snapshot(struct blob_request *q, const char *snapshot)
{
	if (snapshot[0] == '\0')
		return;
	q->query[0][0] = "snapshot";
	q->query[0][1] = snapshot;
}

int blob_look(struct blob_store *s, const struct res_ref *ref, struct blob_seen *out, struct err *e)
{
	struct place at = place_of(ref);

	*out = (struct blob_seen){.ref = {.kind = ref->kind}};
	return at.name[0] == '\0' ? 0 : blob_look_at(s, at.name, at.snapshot, ref, out, e);
}

int blob_look_at(struct blob_store *s, const char *name, const char *snapshot, const struct res_ref *ref,
		 struct blob_seen *out, struct err *e)
{
	struct blob_request q = {.method = "HEAD", .name = name};
	cleanup(rest_reply_fini) struct rest_reply reply = REST_REPLY_INIT;
	char length[32], tags[RES_TAGS_SIZE];

	*out = (struct blob_seen){.ref = {.kind = ref->kind}};
	add_snapshot(&q, snapshot);
	int status = blob_ask(s, s->rest, &q, &reply, e);
	if (status < 0)
		return -1;
	if (status == 404)
		return 0;
	if (status != 200)
		return blob_refused(s, &q, &reply, e);
	out->there = true;
	out->ours = res_tags_read(rest_header(&reply, "x-ms-meta-" BLOB_TAGS, tags, sizeof tags), &out->ref);
	out->size = strtoull(rest_header(&reply, "Content-Length", length, sizeof length), NULL, 10);
	rest_header(&reply, "ETag", out->etag, sizeof out->etag);
	rest_header(&reply, "x-ms-meta-" BLOB_HOLDER, out->holder, sizeof out->holder);
	out->leased_for_ever = strcmp(rest_header(&reply, "x-ms-lease-duration", length, sizeof length), "infinite") == 0;
	snprintf(out->ref.name, sizeof out->ref.name, "%s", ref->name);
	snprintf(out->ref.id, sizeof out->ref.id, "%s", ref->kind == RES_DISK ? name : ref->id);
	return 0;
}

static int not_ours(const struct blob_store *s, const struct res_ref *ref, const struct blob_seen *seen, struct err *e)
{
	if (seen->ours)
		return res_is_anothers(ref, &seen->ref, e);
	return err_set(e, ERR_BUSY, 0, "the blob of %s %s is in %s already and was not made by this program: it is left alone; "
		       "choose another job name or container", res_kind_name(ref->kind), ref->name, s->p.place);
}

/* ---- Making ---- */

static int create_container(struct blob_store *s, struct err *e)
{
	struct blob_request q = {.method = "PUT", .query = {{"restype", "container"}}};
	cleanup(rest_reply_fini) struct rest_reply reply = REST_REPLY_INIT;
	char reason[64];
	int status = blob_ask(s, s->rest, &q, &reply, e);

	if (status < 0)
		return -1;
	if (status == 201 || (status == 409 && strcmp(blob_reason(&reply, reason), "ContainerAlreadyExists") == 0))
		return 0;
	blob_refused(s, &q, &reply, e);
	return err_wrap(e, "making the container %s", s->config.container);
}

/* 1: done; 0: the container is not there; -1. */
static int try_create(struct blob_store *s, const struct disk_spec *spec, struct res_ref *ref, struct err *e)
{
	char name[RES_NAME_SIZE + 8], reason[64];
	struct blob_seen seen;

	blob_name(ref, name);
	cleanup(blob_request_fini) struct blob_request q = {.method = "PUT", .name = name, .if_none_match = "*"};
	cleanup(rest_reply_fini) struct rest_reply reply = REST_REPLY_INIT;
	blob_header(&q, "x-ms-blob-type: PageBlob");
	blob_header(&q, "x-ms-blob-content-length: %" PRIu64, blob_size(spec->size));
	blob_add_tags(&q, ref);
	int status = blob_ask(s, s->rest, &q, &reply, e);
	if (status < 0)
		return -1;
	blob_reason(&reply, reason);
	if (status == 404 && strcmp(reason, "ContainerNotFound") == 0)
		return 0;
	if (status != 201 && status != 409 && status != 412)
		return blob_refused(s, &q, &reply, e);
	/* The reply to an earlier call may have been lost. */
	if (status != 201 && (blob_look(s, ref, &seen, e) < 0 || !seen.there || !seen.ours ||
			      !res_same_owner(&ref->tags, &seen.ref.tags)))
		return e->kind != ERR_NONE ? -1 : seen.there ? not_ours(s, ref, &seen, e) : blob_refused(s, &q, &reply, e);
	snprintf(ref->id, sizeof ref->id, "%s", name);
	return 1;
}

int blob_disk_create(struct provider *p, const struct disk_spec *spec, struct res_ref *ref, struct err *e)
{
	struct blob_store *s = store_of(p);

	if (spec->from_snapshot != NULL)
		return err_set(e, ERR_UNSUPPORTED, 0, "%s makes no disks from snapshots: import the snapshot where the machine is to be",
			       p->place);
	if (blob_size(spec->size) > BLOB_MAX_SIZE)
		return err_set(e, ERR_UNSUPPORTED, 0, "a page blob holds at most 8 TiB, with its footer; disk %s has %" PRIu64 " bytes",
			       ref->name, spec->size);
	int done = try_create(s, spec, ref, e);
	if (done == 0)
		done = create_container(s, e) < 0 ? -1 : try_create(s, spec, ref, e);
	if (done != 0)
		return done < 0 ? -1 : 0;
	return err_set(e, ERR_NETWORK, 0, "the container %s was made and is gone again", s->config.container);
}

struct wanted {
	struct res_ref *ref;
	bool found;
};

static int see_snapshot(void *ctx, const struct res_ref *ref)
{
	struct wanted *w = ctx;

	if (ref->kind != RES_SNAPSHOT || strcmp(ref->name, w->ref->name) != 0 || !res_same_owner(&w->ref->tags, &ref->tags))
		return 0;
	*w->ref = *ref;
	w->found = true;
	return 1;
}

/* A snapshot has no name that a second call would hit: it is looked for first. */
int blob_snapshot_disk(struct provider *p, const struct res_ref *disk, struct res_ref *ref, struct err *e)
{
	struct blob_store *s = store_of(p);
	struct place at = place_of(disk);
	struct wanted w = {.ref = ref};
	char time[64];

	if (blob_find(p, ref->tags.job, see_snapshot, &w, e) < 0 || w.found)
		return w.found ? 0 : -1;
	cleanup(blob_request_fini) struct blob_request q = {.method = "PUT", .name = at.name, .query = {{"comp", "snapshot"}}};
	cleanup(rest_reply_fini) struct rest_reply reply = REST_REPLY_INIT;
	blob_add_tags(&q, ref);
	add_lease(s, &q, disk);
	int status = blob_ask(s, s->rest, &q, &reply, e);
	if (status < 0)
		return -1;
	if (status != 201)
		return blob_refused(s, &q, &reply, e);
	snprintf(ref->id, sizeof ref->id, "%s?snapshot=%s", at.name, rest_header(&reply, "x-ms-snapshot", time, sizeof time));
	return 0;
}

/* ---- Asking and changing ---- */

int blob_poll(struct provider *p, const struct res_ref *ref, enum res_state *state, struct err *e)
{
	struct blob_seen seen = {.there = false};

	p->seen[0] = '\0';
	if ((ref->kind == RES_DISK || ref->kind == RES_SNAPSHOT) && blob_look(store_of(p), ref, &seen, e) < 0)
		return -1;
	*state = seen.there ? RES_READY : RES_ABSENT;
	return 0;
}

int blob_disk_get(struct provider *p, const struct res_ref *ref, struct machine_disk *out, struct err *e)
{
	struct blob_seen seen;

	if (blob_look(store_of(p), ref, &seen, e) < 0)
		return -1;
	if (!seen.there || seen.size < BLOB_FOOTER)
		return err_set(e, ERR_NOT_FOUND, 0, "disk %s is not in %s", ref->name, p->place);
	*out = (struct machine_disk){.size = seen.size - BLOB_FOOTER, .logical_sector = 512};
	snprintf(out->name, sizeof out->name, "%s", ref->name);
	snprintf(out->id, sizeof out->id, "%s", seen.ref.id);
	return 0;
}

/* PUT of something about a disk of ours: 200 or 201 is success. */
static int put(struct blob_store *s, struct blob_request *q, const struct res_ref *disk, struct err *e)
{
	cleanup(rest_reply_fini) struct rest_reply reply = REST_REPLY_INIT;

	add_lease(s, q, disk);
	int status = blob_ask(s, s->rest, q, &reply, e);
	if (status < 0)
		return -1;
	return status == 200 || status == 201 ? 0 : blob_refused(s, q, &reply, e);
}

/* The worker that writes makes the footer right. */
int blob_disk_resize(struct provider *p, const struct res_ref *ref, uint64_t size, struct err *e)
{
	struct place at = place_of(ref);
	cleanup(blob_request_fini) struct blob_request q = {.method = "PUT", .name = at.name, .query = {{"comp", "properties"}}};

	if (blob_size(size) > BLOB_MAX_SIZE)
		return err_set(e, ERR_UNSUPPORTED, 0, "a page blob holds at most 8 TiB, with its footer; disk %s is to have %" PRIu64
			       " bytes", ref->name, size);
	blob_header(&q, "x-ms-blob-content-length: %" PRIu64, blob_size(size));
	return put(store_of(p), &q, ref, e);
}

int blob_claim(struct provider *p, struct res_ref *disk, const struct res_tags *expect, const struct res_tags *set,
	       struct err *e)
{
	struct blob_store *s = store_of(p);
	struct place at = place_of(disk);
	struct res_ref as = *disk;
	struct blob_seen seen;

	if (blob_look(s, disk, &seen, e) < 0)
		return -1;
	if (!seen.there)
		return err_set(e, ERR_NOT_FOUND, 0, "replica disk %s is not in %s", disk->name, p->place);
	if (!seen.ours)
		return not_ours(s, disk, &seen, e);
	if (res_check_claim(&seen.ref, expect, e) < 0)
		return -1;
	as.tags = *set;
	cleanup(blob_request_fini) struct blob_request q = {.method = "PUT", .name = at.name, .query = {{"comp", "metadata"}},
							    .if_match = seen.etag};
	blob_add_tags(&q, &as);
	if (seen.holder[0] != '\0')
		blob_header(&q, "x-ms-meta-" BLOB_HOLDER ": %s", seen.holder);
	if (put(s, &q, disk, e) < 0)
		return -1;
	disk->tags = *set;
	return 0;
}

/* ---- Removing ---- */

int blob_delete(struct blob_store *s, const struct blob_request *q, struct err *e)
{
	cleanup(rest_reply_fini) struct rest_reply reply = REST_REPLY_INIT;
	int status = blob_ask(s, s->rest, q, &reply, e);

	if (status < 0)
		return -1;
	return status == 202 || status == 404 ? 0 : blob_refused(s, q, &reply, e);
}

struct removal {
	const struct blob_store *s;
	const struct res_ref *disk;
	const char *name;
};

static int refuse_foreign(void *ctx, const struct xml_text *blob, struct err *e)
{
	const struct removal *r = ctx;
	struct res_ref it = {.kind = RES_SNAPSHOT};
	struct xml_text text, time;
	char tags[RES_TAGS_SIZE], name[RES_NAME_SIZE + 8];

	if (!xml_find(blob, "Snapshot", &time) || !xml_find(blob, "Name", &text) || text.len >= sizeof name ||
	    strcmp(xml_copy(&text, name, sizeof name), r->name) != 0)
		return 0;
	if (xml_find(blob, BLOB_TAGS, &text) && res_tags_read(xml_copy(&text, tags, sizeof tags), &it) &&
	    it.tags.purpose == PURPOSE_GENERATION && strcmp(it.tags.owner, r->disk->tags.owner) == 0 &&
	    strcmp(it.tags.job, r->disk->tags.job) == 0)
		return 0;
	return err_set(e, ERR_REFUSED, 0, "%s in %s has a snapshot (%.*s) that was not made by this program and would go "
		       "with it: remove or keep that elsewhere first", name, r->s->p.place, (int)time.len, time.at);
}

static int remove_disk(struct blob_store *s, const struct res_ref *ref, const struct blob_seen *seen, struct err *e)
{
	struct place at = place_of(ref);
	cleanup(blob_request_fini) struct blob_request q = {.method = "DELETE", .name = at.name, .if_match = seen->etag};

	struct removal r = {.s = s, .disk = ref, .name = at.name};

	if (blob_list(s, at.name, refuse_foreign, &r, e) < 0 || blob_remove_note(s, ref, e) < 0)
		return -1;
	blob_header(&q, "x-ms-delete-snapshots: include");
	add_lease(s, &q, ref);
	return blob_delete(s, &q, e);
}

int blob_remove(struct provider *p, const struct res_ref *ref, struct err *e)
{
	struct blob_store *s = store_of(p);
	struct place at = place_of(ref);
	struct blob_seen seen;

	if (ref->kind != RES_DISK && ref->kind != RES_SNAPSHOT)
		return 0;
	if (blob_look(s, ref, &seen, e) < 0)
		return -1;
	if (!seen.there)
		return 0;
	if (!seen.ours || !res_same_owner(&ref->tags, &seen.ref.tags))
		return not_ours(s, ref, &seen, e);
	if (ref->kind == RES_DISK)
		return remove_disk(s, ref, &seen, e);
	struct blob_request q = {.method = "DELETE", .name = at.name};
	add_snapshot(&q, at.snapshot);
	return blob_delete(s, &q, e);
}
