// SPDX-License-Identifier: Apache-2.0
/* Volumes, their snapshots, and images of root disks that are no volumes. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "json_format.h"
#include "openstack.h"
#include "res_tags.h"

#define STUCK_NS (3600 * NS_PER_S) /* large volumes are downloaded and wiped for long */

static int is_gone(const struct openstack *o, const struct res_ref *ref, struct err *e)
{
	return e->kind != ERR_NONE ? -1 : err_set(e, ERR_NOT_FOUND, 0, "%s %s is not in %s", res_kind_name(ref->kind), ref->name,
						  o->p.place);
}

/* A root disk that lives on the hypervisor comes out only as an image of its server. */
static int save_root(struct openstack *o, const char *server, struct res_ref *ref, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	char tags[RES_TAGS_SIZE], found[RES_ID_SIZE];

	if (os_look_up(o, OS_SAVED_IMAGE, ref, found, e) < 0)
		return -1;
	res_tags_write(ref, tags);
	cleanup(cleanup_free) char *body = json_format("{'createImage':{'name':%s,'metadata':{'wherry':%s}}}", ref->name, tags);
	if (found[0] == '\0' && os_call(o, OS_COMPUTE, "POST", body, &doc, e, "/servers/%s/action", server) < 0)
		return err_wrap(e, "saving the root disk of server %s", server);
	snprintf(ref->id, sizeof ref->id, OS_IMAGE_ID "%.200s",
		 found[0] != '\0' ? found : rest_text(yyjson_doc_get_root(doc), "image_id"));
	return 0;
}

/* force: also of a volume in use; newer versions mean that anyway. */
static int snapshot_volume(struct openstack *o, const char *volume, struct res_ref *ref, struct err *e)
{
	char tags[RES_TAGS_SIZE];

	res_tags_write(ref, tags);
	cleanup(cleanup_free) char *body = json_format("{'snapshot':{'name':%s,'volume_id':%s,'force':true,'metadata':{"
						       "'wherry':%s}}}", ref->name, volume, tags);
	return os_make(o, OS_SNAPSHOT, ref, body, e);
}

int os_snapshot_machine(struct provider *p, const struct machine *m, struct res_ref *refs, unsigned n, struct err *e)
{
	for (unsigned i = 0; i < n; i++) {
		const char *id = m->disks.at[i].id;

		if ((begins(id, OS_ROOT_ID) ? save_root(os_of(p), id + strlen(OS_ROOT_ID), &refs[i], e)
					    : snapshot_volume(os_of(p), id, &refs[i], e)) < 0)
			return -1;
	}
	return 0;
}

int os_snapshot_disk(struct provider *p, const struct res_ref *disk, struct res_ref *ref, struct err *e)
{
	return snapshot_volume(os_of(p), disk->id, ref, e);
}

int os_disk_create(struct provider *p, const struct disk_spec *spec, struct res_ref *ref, struct err *e)
{
	struct openstack *o = os_of(p);
	const char *from = spec->from_snapshot != NULL ? spec->from_snapshot->id : NULL, *volume_type = o->options.volume_type;
	bool image = from != NULL && begins(from, OS_IMAGE_ID);
	uint64_t gib = (spec->size + GIB - 1) / GIB;
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	cleanup(buf_fini) struct buf body = BUF_INIT;
	char tags[RES_TAGS_SIZE];

	if (from != NULL && !image) {
		uint64_t held = rest_number(os_read(o, OS_SNAPSHOT, from, &doc, e), "size");

		if (held == 0)
			return is_gone(o, spec->from_snapshot, e);
		gib = gib > held ? gib : held;
	}
	res_tags_write(ref, tags);
	json_format_add(&body, "{'volume':{'name':%s,'size':%u,'metadata':{'wherry':%s}", ref->name, gib, tags);
	if (from != NULL)
		json_format_add(&body, ",%j:%s", image ? "\"imageRef\"" : "\"snapshot_id\"", os_bare_id(from));
	else if (volume_type[0] != '\0')
		json_format_add(&body, ",'volume_type':%s", volume_type);
	if (from == NULL && o->options.zone[0] != '\0')
		json_format_add(&body, ",'availability_zone':%s", o->options.zone);
	buf_adds(&body, "}}");
	return os_make(o, OS_DISK, ref, body.data, e);
}

int os_disk_get(struct provider *p, const struct res_ref *ref, struct machine_disk *out, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	yyjson_val *v = os_read(os_of(p), OS_DISK, ref->id, &doc, e);

	*out = (struct machine_disk){.logical_sector = 512};
	if (v == NULL)
		return is_gone(os_of(p), ref, e);
	snprintf(out->id, sizeof out->id, "%s", ref->id);
	snprintf(out->name, sizeof out->name, "%s", ref->name);
	out->size = rest_number(v, "size") * GIB;
	return 0;
}

int os_disk_resize(struct provider *p, const struct res_ref *ref, uint64_t size, struct err *e)
{
	cleanup(cleanup_free) char *body = json_format("{'os-extend':{'new_size':%u}}", (size + GIB - 1) / GIB);
	struct machine_disk now;

	if (os_disk_get(p, ref, &now, e) < 0)
		return -1;
	return now.size >= size ? 0 : os_call(os_of(p), OS_VOLUME, "POST", body, NULL, e, "/volumes/%s/action", ref->id);
}

/* ---- States ---- */

/* What a status is besides. HELD: by an attachment. PASSES: unless something broke. UNBORN: nothing is in it yet. STAYS. */
enum { HELD = 1, PASSES = 2, UNBORN = 4, STAYS = 8 };

static const struct status {
	const char *word;
	enum res_state state;
	unsigned is;
} states[] = {
	{"available", RES_READY, 0}, {"active", RES_READY, 0}, {"in-use", RES_READY, HELD}, {"reserved", RES_READY, HELD | PASSES},
	{"attaching", RES_READY, HELD | PASSES}, {"detaching", RES_READY, HELD | PASSES}, {"creating", RES_PENDING, UNBORN | PASSES},
	{"downloading", RES_PENDING, UNBORN | PASSES}, {"deleting", RES_PENDING, PASSES}, {"deleted", RES_ABSENT, 0},
	{"killed", RES_FAILED, 0}, {"deactivated", RES_FAILED, 0}, {"error_deleting", RES_FAILED, STAYS},
};

static struct status status_of(const char *word)
{
	for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
		if (strcmp(states[i].word, word) == 0)
			return states[i];
	return (struct status){.state = begins(word, "error") ? RES_FAILED : RES_PENDING};
}

enum res_state os_state_of(const char *word)
{
	return status_of(word).state;
}

/* Cinder tells users why in messages of its own. */
static void why_failed(struct openstack *o, const struct res_ref *ref, const char *word, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	struct err ignored = ERR_INIT;
	yyjson_val *first = NULL;

	if (!begins(ref->id, OS_IMAGE_ID) &&
	    os_call(o, OS_VOLUME, "GET", NULL, &doc, &ignored, "/messages?resource_uuid=%s", ref->id) == 0)
		first = yyjson_arr_get_first(yyjson_obj_get(yyjson_doc_get_root(doc), "messages"));
	err_set(e, ERR_IO, 0, "%s %s (%s) failed in %s, which calls it \"%s\": %s", res_kind_name(ref->kind), ref->name, ref->id,
		o->p.place, word, first != NULL ? rest_text(first, "user_message") : "its operator's logs say why");
}

int os_disk_poll(struct openstack *o, const struct res_ref *ref, enum res_state *state, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	enum os_type t = ref->kind == RES_DISK ? OS_DISK : begins(ref->id, OS_IMAGE_ID) ? OS_SAVED_IMAGE : OS_SNAPSHOT;
	yyjson_val *v = os_read(o, t, os_bare_id(ref->id), &doc, e);

	*state = RES_ABSENT;
	if (v == NULL)
		return e->kind == ERR_NONE ? 0 : -1;
	snprintf(o->p.seen, sizeof o->p.seen, "%s", rest_text(v, "status"));
	*state = os_state_of(o->p.seen);
	if (*state == RES_FAILED)
		why_failed(o, ref, o->p.seen, e);
	return 0;
}

/* ---- Removal ---- */

/* A volume stays "reserved" or "attaching" when its server went away half-way: the attachment is then all that holds it. */
static int free_from_the_dead(struct openstack *o, const char *volume, unsigned *found, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	yyjson_val *a;
	size_t i, max;

	if (os_call(o, OS_VOLUME, "GET", NULL, &doc, e, "/attachments/detail?volume_id=%s", volume) < 0)
		return -1;
	yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(doc), "attachments"), i, max, a) {
		cleanup(rest_doc_free) yyjson_doc *server = NULL;

		++*found;
		if (os_read(o, OS_SERVER, rest_text(a, "instance"), &server, e) == NULL &&
		    (e->kind != ERR_NONE || os_call(o, OS_VOLUME, "DELETE", NULL, NULL, e, "/attachments/%s", rest_text(a, "id")) < 0))
			return -1;
	}
	return 0;
}

/* What should pass and has not for so long does not any more. */
static bool is_stuck(const struct openstack *o, yyjson_val *v, unsigned is)
{
	const char *since = rest_text(v, "updated_at")[0] != '\0' ? rest_text(v, "updated_at") : rest_text(v, "created_at");
	char then[24];

	clock_format(clock_wall_ns() + o->p.ahead_ns - STUCK_NS, then);
	return (is & STAYS) != 0 ||
	       ((is & PASSES) != 0 && since[0] != '\0' && strncmp(since, then, strlen("2026-11-21T04:05:06")) < 0);
}

/* Cinder deletes nothing in these states; who may set another one is up to its policy, normally its administrator. */
static int reset(struct openstack *o, enum os_type t, yyjson_val *v, bool allowed, struct err *e)
{
	const char *id = rest_text(v, "id"), *how = t == OS_DISK ? "volume set --state error --detached" : "volume snapshot set --state error";
	const char *body = t == OS_DISK ? "{\"os-reset_status\":{\"status\":\"error\",\"attach_status\":\"detached\"}}"
					: "{\"os-reset_status\":{\"status\":\"error\"}}";

	if (allowed && os_call(o, OS_VOLUME, "POST", body, NULL, e, "%s/%s/action", os_types[t].item, id) == 0)
		return 0;
	if (!allowed)
		err_set(e, ERR_IO, 0, "Cinder does not delete it so, and \"reset_stuck\" does not allow to change that");
	return err_wrap(e, "%s (%s) is \"%s\" in %s; where that hangs its administrator runs `openstack %s %s`", rest_text(v, "name"), id,
			rest_text(v, "status"), o->p.place, how, id);
}

int os_disk_remove(struct openstack *o, enum os_type t, const struct res_ref *ref, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	yyjson_val *v = os_find(o, t, ref, &doc, e);
	const char *word = rest_text(v, "status"), *id = rest_text(v, "id");
	unsigned is = status_of(word).is, attachments = 0;
	bool allowed = o->options.reset_stuck;

	if (v == NULL)
		return e->kind == ERR_NONE ? 0 : -1;
	if (t == OS_DISK && (is & HELD) != 0 && free_from_the_dead(o, id, &attachments, e) < 0)
		return -1;
	bool stuck = t != OS_SAVED_IMAGE && attachments == 0 && is_stuck(o, v, is);
	/* Wiping a large one takes long. Without the right to end that there is only waiting for it. */
	if (strcmp(word, "deleting") == 0 && !(stuck && allowed))
		return 0;
	if ((stuck || (allowed && (is & UNBORN) != 0)) && reset(o, t, v, allowed, e) < 0)
		return -1;
	return os_delete(o, t, id, e) == 0 ? 0 : e->kind == ERR_BUSY ? err_wrap(e, "it is \"%s\"", word) : -1;
}

/* Cinder has no compare and set; between reading and writing only the exclusive attachment keeps others out. */
int os_claim(struct provider *p, struct res_ref *disk, const struct res_tags *expect, const struct res_tags *set,
	     struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	yyjson_val *v = os_read(os_of(p), OS_DISK, disk->id, &doc, e);
	struct res_ref now, next = *disk;
	char tags[RES_TAGS_SIZE];

	if (v == NULL || !os_tags_read(OS_DISK, v, &now))
		return is_gone(os_of(p), disk, e);
	if (res_check_claim(&now, expect, e) < 0)
		return -1;
	next.tags = *set;
	res_tags_write(&next, tags);
	cleanup(cleanup_free) char *body = json_format("{'metadata':{'wherry':%s}}", tags);
	return os_call(os_of(p), OS_VOLUME, "POST", body, NULL, e, "/volumes/%s/metadata", disk->id);
}
