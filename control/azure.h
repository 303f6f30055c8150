// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of the Azure driver share. A resource is found by its id, which follows from its type and name: all that is ours
 * lies in one resource group, and carries one tag, "wherry", with owner, job and run (res_tags.h). A PUT replaces silently
 * what is there, so it is looked at first; creation goes on in operations that are followed by poll.
 */
#ifndef WHERRY_CONTROL_AZURE_H
#define WHERRY_CONTROL_AZURE_H

#include <string.h>
#include <yyjson.h>

#include "azure_session.h"
#include "provider.h"

#define GIB          (UINT64_C(1) << 30)
#define AZURE_FOOTER 512 /* of the fixed VHD that a disk is filled from, behind its bytes */
#define AZURE_FIRST_LUN 1 /* of a worker's data disks, so that none has the LUN of the OS disk, which is on another controller */
#define AZURE_LUNS      64

/* The keys of the block (provider_azure.h); texts are "" when not given. */
struct azure_options {
	char cloud[200], subscription[64], location[64], group[96], worker_group[96];
	char size[64], image[RES_ID_SIZE], subnet[RES_ID_SIZE];
	char larger[8][64];                   /* sizes that workers may have instead, where fewer of them do then */
	unsigned larger_count;
	char storage_account[32], storage_container[64]; /* the latter is not used */
	char allow[8][64];                    /* who may reach a worker's port: CIDRs; 0: everybody */
	unsigned allow_count;
	bool public_ip, auto_shutdown;
	char zone[8], disk_sku[32];           /* of new replica disks */
	char target_size[64], target_subnet[RES_ID_SIZE], os_type[16];
};

/* What a worker's disk is made of. */
struct azure_image {
	char id[RES_ID_SIZE], generation[4]; /* "" until it was looked for */
	bool copy, gallery;                  /* a disk or snapshot; a version in a gallery; else a managed image */
};

struct azure {
	struct provider p;
	struct azure_session session;
	struct azure_options options;
	struct azure_image image;
	char filled[RES_ID_SIZE];            /* the config disk that was written last; that is asked for again until its VM is there */
	unsigned points_refused;   /* how often one was, by what may pass (azure_points.h) */
	/* Operations that this process began, by the id of what they are about. */
	VEC(struct azure_pending { char id[RES_ID_SIZE]; struct azure_operation op; }) pending;
};

static inline struct azure *azure_of(struct provider *p)
{
	return (struct azure *)p;
}

/* ---- azure_object.c ---- */
enum azure_type {
	AZURE_VM, AZURE_NIC, AZURE_ADDRESS, AZURE_NSG, AZURE_DISK, AZURE_SNAPSHOT, AZURE_POINTS, AZURE_SCHEDULE, AZURE_TYPES
};

struct azure_type_info {
	enum azure_api api;
	enum res_kind kind;    /* RES_KINDS: goes with the worker */
	const char *path;      /* "Microsoft.Compute/disks" */
};
extern const struct azure_type_info azure_types[AZURE_TYPES];

enum azure_type azure_type_of(enum res_kind kind);
/* The id that a thing of this type and name has in our group: the group of workers, or of what stays (replicas, targets). */
void azure_id(const struct azure *a, enum azure_type t, const struct res_ref *ref, char id[RES_ID_SIZE]);
/* The last part of an id: a name. */
const char *azure_name(const char *id);
/* What stands at "/a/b" below it; "" and 0 when it is not there. */
const char *azure_text(yyjson_val *object, const char *pointer);
uint64_t azure_number(yyjson_val *object, const char *pointer);
/* The tags of ref as the value of "tags": {"wherry": "..."}; caller frees. */
char *azure_tags(const struct res_ref *ref);
/* False: not ours. Fills *ref; the id is as we write it, for Azure does not keep its case. */
bool azure_tags_read(const struct azure *a, enum azure_type t, yyjson_val *object, struct res_ref *ref);
/* The object; NULL with *e untouched when there is none. */
yyjson_val *azure_read(struct azure *a, enum azure_type t, const char *id, yyjson_doc **doc, struct err *e);
/* The same of ref by its type and name. BUSY: it is another's. */
yyjson_val *azure_look_up(struct azure *a, enum azure_type t, const struct res_ref *ref, yyjson_doc **doc, struct err *e);
/* Adopts what is there under ref's name with its tags; else PUTs `body` and remembers the operation. id: of it. */
int azure_make(struct azure *a, enum azure_type t, const struct res_ref *ref, const char *body, char id[RES_ID_SIZE],
	       struct err *e);
/* A call about the thing at id, whose operation is remembered. */
int azure_change(struct azure *a, enum azure_type t, const char *method, const char *id, const char *action, const char *body,
		 struct err *e);
/* How it is with ref's thing of this type, by its operation or by itself. object and doc: NULL, or it itself. */
int azure_state(struct azure *a, enum azure_type t, const struct res_ref *ref, enum res_state *state, yyjson_doc **doc,
		yyjson_val **object, struct err *e);
/* DELETE of what is ours; what is absent or on its way out is left alone. gone: it is absent. */
int azure_remove(struct azure *a, enum azure_type t, const struct res_ref *ref, bool *gone, struct err *e);
void azure_forget(struct azure *a);

/* A call whose end is waited for, though not for long, because what comes next needs it. *doc: what it answered; caller frees;
 * NULL: that is no matter, and it may be nothing. */
int azure_complete(struct azure *a, enum azure_api api, const char *method, const char *id, const char *action, const char *body,
		   yyjson_doc **doc, struct err *e);
/* Begin and end of access to a disk's or snapshot's bytes, by a signed URL; caller wipes and frees it. */
int azure_grant(struct azure *a, enum azure_type t, const char *id, const char *access, char **url, struct err *e);
int azure_revoke(struct azure *a, enum azure_type t, const char *id, struct err *e);
/* azure_fill.c: the bytes of a disk that was made for them and has zeros; of `bytes`, a fixed VHD, format and firmware do not
 * count and `sent` may be NULL. *sent: adds what went there. The disk can be used then; after a failure it is to be made anew. */
int azure_fill(struct azure *a, const char *id, const struct image_bytes *bytes, uint64_t *sent, struct err *e);

/* ---- azure_rights.c: what is not granted where it is needed, and locks under which nothing could be removed again ---- */
void azure_check_rights(struct azure *a, bool source, struct findings *out);
void azure_check_locks(struct azure *a, bool source, struct findings *out);

/* ---- azure_machine.c, provider_azure_size.c, provider_azure_validate.c, azure_disk.c, azure_worker.c, azure_target.c: operations of
 * provider.h ---- */
int azure_machine_get(struct provider *p, const char *name, struct machine *out, struct err *e);
int azure_validate(struct provider *p, bool source, const struct machine *m, struct findings *out, struct err *e);
int azure_quota(struct provider *p, const struct place_needs *n, struct quotas *out, struct err *e);
int azure_snapshot_machine(struct provider *p, const struct machine *m, struct res_ref *refs, unsigned n, struct err *e);
int azure_snapshot_disk(struct provider *p, const struct res_ref *disk, struct res_ref *ref, struct err *e);
int azure_disk_create(struct provider *p, const struct disk_spec *spec, struct res_ref *ref, struct err *e);
int azure_disk_get(struct provider *p, const struct res_ref *ref, struct machine_disk *out, struct err *e);
int azure_disk_resize(struct provider *p, const struct res_ref *ref, uint64_t size, struct err *e);
int azure_claim(struct provider *p, struct res_ref *disk, const struct res_tags *expect, const struct res_tags *set,
		struct err *e);
int azure_changed_ranges(struct provider *p, const struct machine *m, unsigned disk, const char *baseline_id,
			 const char *snapshot_id, struct byte_range **out, size_t *count, struct err *e);
int azure_worker_size(struct provider *p, unsigned disks, struct worker_size *out, struct err *e);
int azure_worker_create(struct provider *p, struct worker_spec *spec, struct res_ref *ref, struct err *e);
int azure_attach(struct provider *p, const struct res_ref *worker, struct worker_disk *disk, struct err *e);
int azure_detach(struct provider *p, const struct res_ref *worker, const struct res_ref *disk, struct err *e);
int azure_machine_poll(struct azure *a, const struct res_ref *ref, enum res_state *state, struct err *e);
int azure_machine_remove(struct azure *a, const struct res_ref *ref, struct err *e);
bool azure_is_part(const struct res_ref *worker, const struct res_ref *ref);
int azure_console(struct provider *p, const struct res_ref *worker, struct buf *out, struct err *e);
int azure_endpoint(struct provider *p, const struct res_ref *worker, uint16_t port, struct endpoint *out, struct err *e);
/* A NIC in that subnet; address and group: ids, or "". The id of it. */
int azure_nic_make(struct azure *a, const struct res_ref *ref, const char *subnet, const char *address, const char *group,
		   char id[RES_ID_SIZE], struct err *e);
/* a->image: what "export_worker_image" names, else image_choose() of image.h. */
int azure_image_find(struct azure *a, struct err *e);
extern const struct image_ops azure_images; /* azure_image.c */
int azure_target_create(struct provider *p, const struct target_spec *spec, struct res_ref *ref, struct err *e);
int azure_machine_start(struct provider *p, const char *name, struct err *e);
int azure_machine_stop(struct provider *p, const char *name, struct err *e);
/* id of the source VM that `name` names (a name in resource_group, or an id). */
void azure_machine_id(const struct azure *a, const char *name, char id[RES_ID_SIZE]);

/* What a size of this region has: the one of that name, or the smallest that is large enough (name NULL). NOT_FOUND. */
struct azure_size {
	char name[64];
	uint64_t vcpus, memory_mib, data_disks;
};
int azure_size_find(struct azure *a, const char *name, uint64_t vcpus, uint64_t memory_mib, uint64_t disks, struct azure_size *out,
		    struct err *e);
/* The size of workers for a machine of so many disks (provider.h); each: how many one takes of them. */
int azure_worker_size_find(struct azure *a, unsigned disks, struct azure_size *out, unsigned *each, struct err *e);

#endif
