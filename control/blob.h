// SPDX-License-Identifier: Apache-2.0
/*
 * Private to the driver of Blob Storage: one container of one account, and how it is asked (learn.microsoft.com/rest/api/
 * storageservices/blob-service-rest-api). A disk NAME is the page blob NAME.vhd with its tags (res_tags.h) as the
 * metadata BLOB_TAGS, the description of it the block blob NAME.json with the disk's tags. A snapshot's name and tags are the metadata of the
 * blob's snapshot; its id is "NAME.vhd?snapshot=TIME".
 */
#ifndef WHERRY_CONTROL_BLOB_H
#define WHERRY_CONTROL_BLOB_H

#include "base/xml.h"
#include "blob_config.h"
#include "blob_sign.h"
#include "provider.h"
#include "res_tags.h"
#include "rest.h"

#define BLOB_FOOTER   512                      /* of a VHD, behind the disk */
#define BLOB_MAX_SIZE (UINT64_C(8) << 40)      /* of a page blob */
#define BLOB_HEADERS  12
#define BLOB_TAGS     "wherry"                 /* metadata: the tags ... */
#define BLOB_HOLDER   "wherry_holder"          /* ... and who locked it last, for people */

struct blob_lease;

struct blob_store {
	struct provider p;
	struct blob_config config;
	char *trust;                 /* PEM */
	struct rest *rest;
	struct blob_lease *leases;   /* of what was locked; NULL: nothing was yet */
	int64_t lock_since_ns;       /* since when a lock of a dead run of ours is waited for; 0: none is */
};

static inline struct blob_store *store_of(struct provider *p)
{
	return (struct blob_store *)p;
}

/* ---- One request (blob_rest.c) ---- */

struct blob_request {
	const char *method;
	const char *name;                 /* of a blob; NULL: the container */
	const char *query[BLOB_PAIRS][2]; /* in the order of the names, values not encoded */
	char *headers[BLOB_HEADERS];      /* "x-ms-...: ...", any order; owned */
	unsigned header_count;
	const char *if_match, *if_none_match; /* NULL: not asked for */
	const char *body, *type;          /* NULL: none; for PUT: an empty one */
};

void blob_header(struct blob_request *q, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void blob_add_tags(struct blob_request *q, const struct res_ref *ref);
void blob_request_fini(struct blob_request *q);
/* -1 without a reply, and then *e says why; else the reply's status. *out is the caller's to release in any case. */
int blob_ask(struct blob_store *s, struct rest *rest, const struct blob_request *q, struct rest_reply *out, struct err *e);
/* What a status means that was not expected; -1. Tells the core when to ask again. */
int blob_refused(struct blob_store *s, const struct blob_request *q, const struct rest_reply *reply, struct err *e);
/* The service's word for why, "" if it has none. */
const char *blob_reason(const struct rest_reply *reply, char out[64]);

/* ---- Disks and snapshots (blob_disk.c, blob_find.c) ---- */

struct blob_seen {
	bool there;
	struct res_ref ref;  /* kind, name and id as asked; tags when `ours` */
	bool ours;           /* it carries tags of this program */
	uint64_t size;       /* of the blob */
	char etag[64];
	char holder[200];    /* who locked it last */
	bool leased_for_ever; /* not by us: our leases end */
};
int blob_look(struct blob_store *s, const struct res_ref *ref, struct blob_seen *out, struct err *e);
/* The same of a blob and its snapshot ("": the blob itself), whatever ref is. */
int blob_look_at(struct blob_store *s, const char *name, const char *snapshot, const struct res_ref *ref,
		 struct blob_seen *out, struct err *e);
void blob_name(const struct res_ref *disk, char out[RES_NAME_SIZE + 8]);
/* DELETE; what is absent is deleted. */
int blob_delete(struct blob_store *s, const struct blob_request *q, struct err *e);

typedef int blob_listed(void *ctx, const struct xml_text *blob, struct err *e); /* -1 stops */
/* What the container holds under names that begin so, snapshots, too; nothing, if there is no container. */
int blob_list(struct blob_store *s, const char *prefix, blob_listed *cb, void *ctx, struct err *e);
int blob_find(struct provider *p, const char *job, provider_found *cb, void *ctx, struct err *e);
int blob_disk_create(struct provider *p, const struct disk_spec *spec, struct res_ref *ref, struct err *e);
int blob_disk_get(struct provider *p, const struct res_ref *ref, struct machine_disk *out, struct err *e);
int blob_disk_resize(struct provider *p, const struct res_ref *ref, uint64_t size, struct err *e);
int blob_snapshot_disk(struct provider *p, const struct res_ref *disk, struct res_ref *ref, struct err *e);
int blob_poll(struct provider *p, const struct res_ref *ref, enum res_state *state, struct err *e);
int blob_remove(struct provider *p, const struct res_ref *ref, struct err *e);
int blob_claim(struct provider *p, struct res_ref *disk, const struct res_tags *expect, const struct res_tags *set,
	       struct err *e);

/* ---- What stands beside a disk (blob_note.c) ---- */

int blob_describe(struct provider *p, const struct res_ref *disk, const char *json, struct err *e);
int blob_remove_note(struct blob_store *s, const struct res_ref *disk, struct err *e);

/* ---- Leases (blob_lease.c) ---- */

int blob_lock(struct provider *p, const struct res_ref *disk, const char *holder, struct err *e);
/* The id of the lease that was taken on a disk, also when it is lost: the service refuses it then. "": none was. */
const char *blob_lease_of(const struct blob_store *s, const struct res_ref *disk);
void blob_leases_free(struct blob_lease *first); /* lets them go; NULL is fine */

#endif
