// SPDX-License-Identifier: Apache-2.0
#include "openstack.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "choice.h"
#include "res_tags.h"

const struct os_type_info os_types[OS_ALL_TYPES] = {
	[OS_SERVER] = {OS_COMPUTE, RES_WORKER, "/servers/detail", "/servers", "server", "servers"},
	[OS_PORT] = {OS_NETWORK, RES_NIC, "/ports", "/ports", "port", "ports"},
	[OS_FLOATING_IP] = {OS_NETWORK, RES_ADDRESS, "/floatingips", "/floatingips", "floatingip", "floatingips"},
	[OS_GROUP] = {OS_NETWORK, RES_FIREWALL, "/security-groups", "/security-groups", "security_group", "security_groups"},
	[OS_DISK] = {OS_VOLUME, RES_DISK, "/volumes/detail", "/volumes", "volume", "volumes"},
	[OS_SNAPSHOT] = {OS_VOLUME, RES_SNAPSHOT, "/snapshots/detail", "/snapshots", "snapshot", "snapshots"},
	[OS_FLAVOR] = {OS_COMPUTE, RES_KINDS, "/flavors/detail", "/flavors", "flavor", "flavors"},
	[OS_NET] = {OS_NETWORK, RES_KINDS, "/networks", "/networks", "network", "networks"},
	[OS_VOLUME_TYPE] = {OS_VOLUME, RES_KINDS, "/types", "/types", "volume_type", "volume_types"},
	[OS_SAVED_IMAGE] = {OS_IMAGE, RES_SNAPSHOT, "/images", "/images", NULL, "images"},
};

bool os_tags_read(enum os_type t, yyjson_val *object, struct res_ref *ref)
{
	const char *text = os_types[t].service == OS_NETWORK ? rest_text(object, "description")
			   : t == OS_SAVED_IMAGE ? rest_text(object, "wherry")
						 : rest_text(yyjson_obj_get(object, "metadata"), "wherry");

	*ref = (struct res_ref){.kind = os_types[t].kind};
	if (!res_tags_read(text, ref))
		return false;
	if (t == OS_SERVER && ref->tags.purpose == PURPOSE_TARGET)
		ref->kind = RES_MACHINE;
	if (rest_text(object, "name")[0] != '\0')
		snprintf(ref->name, sizeof ref->name, "%s", rest_text(object, "name"));
	snprintf(ref->id, sizeof ref->id, "%s%.200s", t == OS_SAVED_IMAGE ? OS_IMAGE_ID : "", rest_text(object, "id"));
	return true;
}

/* ---- Lists ---- */

/* Whether another page follows: "<many>_links" with rel next, or "next" (images). */
static bool has_next(yyjson_val *root, const char *many)
{
	char key[40];
	yyjson_val *link;
	size_t i, max;

	snprintf(key, sizeof key, "%s_links", many);
	yyjson_arr_foreach(yyjson_obj_get(root, key), i, max, link)
		if (strcmp(rest_text(link, "rel"), "next") == 0)
			return true;
	return rest_text(root, "next")[0] != '\0';
}

int os_each(struct openstack *o, enum os_type t, const char *query, os_seen *cb, void *ctx, struct err *e)
{
	const struct os_type_info *type = &os_types[t];
	char marker[128] = "";

	for (;;) {
		cleanup(rest_doc_free) yyjson_doc *doc = NULL;
		yyjson_val *object, *last = NULL;
		size_t i, max;

		if (os_call(o, type->service, "GET", NULL, &doc, e, "%s?limit=500%s%s", type->list, query, marker) < 0)
			return -1;
		yyjson_val *root = yyjson_doc_get_root(doc);
		/* No list is not an empty one: from what is missing here others conclude that it was removed. */
		if (!yyjson_is_arr(yyjson_obj_get(root, type->many)))
			return err_set(e, ERR_PROTOCOL, 0, "%s%s answered without \"%s\"", o->at[type->service].url, type->list, type->many);
		yyjson_arr_foreach(yyjson_obj_get(root, type->many), i, max, object) {
			int rc = cb(ctx, object);

			if (rc != 0)
				return rc;
			last = object;
		}
		if (last == NULL || !has_next(root, type->many))
			return 0;
		snprintf(marker, sizeof marker, "&marker=%s", rest_text(last, "id"));
	}
}

/* ---- One of them ---- */

struct search {
	enum os_type type;
	const struct res_ref *want;
	struct res_ref found;
	char id[RES_ID_SIZE]; /* "": none */
};

static int match(void *ctx, yyjson_val *object)
{
	struct search *s = ctx;
	struct res_ref there;

	if (!os_tags_read(s->type, object, &there) || strcmp(there.name, s->want->name) != 0)
		return 0;
	s->found = there;
	snprintf(s->id, sizeof s->id, "%s", rest_text(object, "id"));
	return res_same_owner(&s->want->tags, &there.tags);
}

yyjson_val *os_read(struct openstack *o, enum os_type t, const char *id, yyjson_doc **doc, struct err *e)
{
	struct err why = ERR_INIT;

	if (os_call(o, os_types[t].service, "GET", NULL, doc, &why, "%s/%s", os_types[t].item, id) < 0) {
		if (why.kind != ERR_NOT_FOUND)
			*e = why;
		return NULL;
	}
	yyjson_val *root = yyjson_doc_get_root(*doc);
	return os_types[t].one != NULL ? yyjson_obj_get(root, os_types[t].one) : root;
}

yyjson_val *os_find(struct openstack *o, enum os_type t, const struct res_ref *ref, yyjson_doc **doc, struct err *e)
{
	struct search s = {.type = t, .want = ref};
	bool by_id = ref->id[0] != '\0' && (ref->kind == os_types[t].kind || (ref->kind == RES_MACHINE && t == OS_SERVER));

	if (by_id && ref->kind == RES_SNAPSHOT && begins(ref->id, OS_IMAGE_ID) != (t == OS_SAVED_IMAGE))
		return NULL; /* it is of the other type that has this kind */
	if (by_id)
		snprintf(s.id, sizeof s.id, "%s", os_bare_id(ref->id));
	else if (os_each(o, t, "", match, &s, e) < 0)
		return NULL;
	yyjson_val *object = s.id[0] != '\0' ? os_read(o, t, s.id, doc, e) : NULL;
	if (object == NULL || (os_tags_read(t, object, &s.found) && res_same_owner(&ref->tags, &s.found.tags)))
		return object;
	res_is_anothers(ref, &s.found, e);
	return NULL;
}

int os_look_up(struct openstack *o, enum os_type t, const struct res_ref *ref, char id[RES_ID_SIZE], struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;

	snprintf(id, RES_ID_SIZE, "%s", rest_text(os_find(o, t, ref, &doc, e), "id"));
	return e->kind == ERR_NONE ? 0 : -1;
}

int os_make(struct openstack *o, enum os_type t, struct res_ref *ref, const char *body, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;

	if (os_look_up(o, t, ref, ref->id, e) < 0)
		return -1;
	if (ref->id[0] != '\0')
		return 0;
	if (os_call(o, os_types[t].service, "POST", body, &doc, e, "%s", os_types[t].item) < 0)
		return err_wrap(e, "creating %s %s", res_kind_name(ref->kind), ref->name);
	snprintf(ref->id, sizeof ref->id, "%s", rest_text(yyjson_obj_get(yyjson_doc_get_root(doc), os_types[t].one), "id"));
	return 0;
}

int os_delete(struct openstack *o, enum os_type t, const char *id, struct err *e)
{
	if (os_call(o, os_types[t].service, "DELETE", NULL, NULL, e, "%s/%s", os_types[t].item, id) == 0 ||
	    e->kind == ERR_NOT_FOUND) {
		*e = (struct err)ERR_INIT;
		return 0;
	}
	/* "must be available": something that holds it is still going away. */
	if (e->kind == ERR_CONFIG)
		e->kind = ERR_BUSY;
	return -1;
}

/* ---- Things that others made ---- */

static int see_named(void *ctx, yyjson_val *object)
{
	named_choice_see(ctx, rest_text(object, "id"), rest_text(object, "name"));
	return 0;
}

int os_resolve(struct openstack *o, enum os_type t, const char *name, char id[RES_ID_SIZE], struct err *e)
{
	struct named_choice c = {.name = name, .known = BUF_INIT};

	if (os_each(o, t, "", see_named, &c, e) == 0)
		return named_choice_end(&c, o->p.place, os_types[t].one != NULL ? os_types[t].one : "image", id, e);
	buf_fini(&c.known);
	return -1;
}
