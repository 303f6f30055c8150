// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of the OpenStack driver share. A session holds a token and the addresses of five services, chosen from
 * keystone's catalogue by region and interface; microversions are negotiated when a service is first spoken to. A token
 * that has expired is renewed once per call. Objects are read as the JSON they come in.
 */
#ifndef WHERRY_CONTROL_OPENSTACK_H
#define WHERRY_CONTROL_OPENSTACK_H

#include <string.h>
#include <yyjson.h>

#include "openstack_config.h"
#include "provider.h"
#include "rest.h"

enum os_service { OS_COMPUTE, OS_VOLUME, OS_IMAGE, OS_NETWORK, OS_SERVICES };

/* The keys of the block (provider_openstack.h); texts are "" when not given. */
struct os_options {
	char cloud[128], clouds_file[512], region[128];
	char image[128];                      /* of workers; "": the one of ours that fits */
	char flavor[128], network[128], floating_network[128];
	char allow[8][64];                    /* who may reach a worker's port: CIDRs; 0: everybody */
	unsigned allow_count;
	char zone[128], volume_type[128];
	char target_flavor[128], target_network[128];
	bool reset_stuck;
};

struct openstack {
	struct provider p;
	struct openstack_config config;
	struct os_options options;
	struct rest *rest;
	char project[80];
	bool reads_only;               /* the role "reader" is all there is */
	struct {
		char *url;            /* with its version, without a slash at the end */
		char version[64];     /* header of the microversion; "": not negotiated, or there are none */
	} at[OS_SERVICES];
};

static inline struct openstack *os_of(struct provider *p)
{
	return (struct openstack *)p;
}

static inline bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* ---- openstack_session.c ---- */
int os_login(void *openstack, struct err *e); /* rest_options.log_in */
/* One call. body: JSON or NULL. doc: the reply, caller frees; may be NULL. An HTTP error is an error whose kind tells what
 * it means, and whose message holds the cloud's words and the request id. */
int os_call(struct openstack *o, enum os_service s, const char *method, const char *body, yyjson_doc **doc, struct err *e,
	    const char *path, ...) __attribute__((format(printf, 7, 8)));

/* The same with a call of the caller's own (a file to send, another type); its url and headers are filled in. */
int os_perform(struct openstack *o, enum os_service s, const char *path, struct rest_call *call, yyjson_doc **doc, struct err *e);

/* ---- openstack_object.c ---- */
/* What we make and find again by name and tags. Tags are one line of text: in metadata "wherry" of servers, volumes and
 * snapshots, in the property of that name of images, in the description of what the network service has. */
enum os_type {
	OS_SERVER, OS_PORT, OS_FLOATING_IP, OS_GROUP, OS_DISK, OS_SNAPSHOT, OS_SAVED_IMAGE, OS_TYPES,
	OS_FLAVOR = OS_TYPES, OS_NET, OS_VOLUME_TYPE, OS_ALL_TYPES /* what is never ours */
};

struct os_type_info {
	enum os_service service;
	enum res_kind kind;    /* RES_KINDS: none of ours */
	const char *list;      /* path of all with details */
	const char *item;      /* path below which one stands by its id */
	const char *one, *many; /* JSON keys */
};
extern const struct os_type_info os_types[OS_ALL_TYPES];

/* False: not ours. Fills name (where the object itself has none), id, kind and tags. */
bool os_tags_read(enum os_type t, yyjson_val *object, struct res_ref *ref);

typedef int os_seen(void *ctx, yyjson_val *object); /* non-zero stops and is returned */
/* All of a list, page by page. query: "" or "&name=x". */
int os_each(struct openstack *o, enum os_type t, const char *query, os_seen *cb, void *ctx, struct err *e);
/* The one that `ref` names: by its id, else by name and tags; NULL with *e untouched when there is none. Caller frees *doc.
 * BUSY: it is another's. */
yyjson_val *os_find(struct openstack *o, enum os_type t, const struct res_ref *ref, yyjson_doc **doc, struct err *e);
/* Only its id; "" when there is none. */
int os_look_up(struct openstack *o, enum os_type t, const struct res_ref *ref, char id[RES_ID_SIZE], struct err *e);
/* That object itself; NULL with *e untouched when there is none. Caller frees *doc. */
yyjson_val *os_read(struct openstack *o, enum os_type t, const char *id, yyjson_doc **doc, struct err *e);
/* Adopts what is there under ref's name with its tags; else POSTs `body` and takes the id of the reply. */
int os_make(struct openstack *o, enum os_type t, struct res_ref *ref, const char *body, struct err *e);
/* DELETE by id; absent is success; BUSY while something holds it. */
int os_delete(struct openstack *o, enum os_type t, const char *id, struct err *e);
/* What others made, by id or name. NOT_FOUND lists what there is. */
int os_resolve(struct openstack *o, enum os_type t, const char *name, char id[RES_ID_SIZE], struct err *e);

/* ---- openstack_image.c ---- */
extern const struct image_ops os_images;
int os_worker_image(struct provider *p, char id[RES_ID_SIZE], struct err *e);

/* ---- openstack_machine.c, openstack_validate.c, openstack_disk.c, openstack_worker.c, openstack_target.c: operations of provider.h ---- */
int os_machine_get(struct provider *p, const char *name, struct machine *out, struct err *e);
int os_validate(struct provider *p, bool source, const struct machine *m, struct findings *out, struct err *e);
int os_quota(struct provider *p, const struct place_needs *n, struct quotas *out, struct err *e);
int os_snapshot_machine(struct provider *p, const struct machine *m, struct res_ref *refs, unsigned n, struct err *e);
int os_snapshot_disk(struct provider *p, const struct res_ref *disk, struct res_ref *ref, struct err *e);
int os_disk_create(struct provider *p, const struct disk_spec *spec, struct res_ref *ref, struct err *e);
int os_disk_get(struct provider *p, const struct res_ref *ref, struct machine_disk *out, struct err *e);
int os_disk_resize(struct provider *p, const struct res_ref *ref, uint64_t size, struct err *e);
int os_disk_remove(struct openstack *o, enum os_type t, const struct res_ref *ref, struct err *e);
int os_disk_poll(struct openstack *o, const struct res_ref *ref, enum res_state *state, struct err *e);
/* A status of a volume, snapshot or image. Anything unknown is on its way somewhere: creating, saving, deleting ... */
enum res_state os_state_of(const char *word);
int os_claim(struct provider *p, struct res_ref *disk, const struct res_tags *expect, const struct res_tags *set,
	     struct err *e);
/* Whether an image of workers asks for disks on a SCSI bus, not on virtio's own. */
int os_asks_for_scsi(struct openstack *o, const char *image, bool *scsi, struct err *e);
int os_worker_create(struct provider *p, struct worker_spec *spec, struct res_ref *ref, struct err *e);
int os_server_poll(struct openstack *o, const struct res_ref *ref, enum res_state *state, struct err *e);
int os_server_remove(struct openstack *o, const struct res_ref *ref, struct err *e);
int os_console(struct provider *p, const struct res_ref *worker, struct buf *out, struct err *e);
int os_endpoint(struct provider *p, const struct res_ref *worker, uint16_t port, struct endpoint *out, struct err *e);
/* As the block says, else the smallest that is large enough. */
int os_target_flavor(struct openstack *o, const struct machine *like, char id[RES_ID_SIZE], struct err *e);
int os_target_create(struct provider *p, const struct target_spec *spec, struct res_ref *ref, struct err *e);
int os_machine_start(struct provider *p, const char *name, struct err *e);
int os_machine_stop(struct provider *p, const char *name, struct err *e);

/* A disk id of ours is a volume's; a snapshot of a root disk that is no volume is an image, and its id begins so. */
#define OS_IMAGE_ID "image:"
static inline const char *os_bare_id(const char *id)
{
	return begins(id, OS_IMAGE_ID) ? id + strlen(OS_IMAGE_ID) : id;
}
#define OS_ROOT_ID  "root-of:"
#define GIB         (UINT64_C(1) << 30)

#endif
