// SPDX-License-Identifier: Apache-2.0
/* What is in the container. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "blob.h"

struct listing {
	const char *job; /* NULL: all */
	VEC(struct res_ref) found;
};

void blob_name(const struct res_ref *disk, char out[RES_NAME_SIZE + 8])
{
	snprintf(out, RES_NAME_SIZE + 8, "%s.vhd", disk->name);
}

/* A blob's own tags stand on its snapshots, too, unless these were made with others: they tell which it is. */
static int see_blob(void *ctx, const struct xml_text *blob, struct err *e)
{
	struct listing *l = ctx;
	struct xml_text text;
	struct res_ref ref = {.kind = RES_DISK};
	char name[RES_NAME_SIZE + 8], type[32], tags[RES_TAGS_SIZE], time[64] = "";

	(void)e;
	if (!xml_find(blob, "Name", &text) || text.len >= sizeof name)
		return 0;
	xml_copy(&text, name, sizeof name);
	if (!xml_find(blob, "BlobType", &text) || strcmp(xml_copy(&text, type, sizeof type), "PageBlob") != 0 ||
	    !xml_find(blob, BLOB_TAGS, &text) || !res_tags_read(xml_copy(&text, tags, sizeof tags), &ref) ||
	    (l->job != NULL && strcmp(l->job, ref.tags.job) != 0))
		return 0;
	if (xml_find(blob, "Snapshot", &text)) {
		ref.kind = RES_SNAPSHOT;
		xml_copy(&text, time, sizeof time);
	}
	if ((ref.kind == RES_SNAPSHOT) != (ref.tags.purpose == PURPOSE_GENERATION))
		return 0;
	snprintf(ref.id, sizeof ref.id, "%s%s%s", name, time[0] != '\0' ? "?snapshot=" : "", time);
	*vec_push(&l->found) = ref;
	return 0;
}

/* One page of the list; marker: of the next one, "" behind the last. */
static int list_page(struct blob_store *s, const char *prefix, char marker[1024], blob_listed *cb, void *ctx, struct err *e)
{
	struct blob_request q = {.method = "GET", .query = {{"comp", "list"}, {"include", "metadata,snapshots"},
							    {"prefix", prefix}, {"restype", "container"}}};
	cleanup(rest_reply_fini) struct rest_reply reply = REST_REPLY_INIT;
	struct xml_text doc, blob, next;
	char reason[64];

	if (marker[0] != '\0') {
		memmove(q.query + 3, q.query + 2, 2 * sizeof q.query[0]);
		q.query[2][0] = "marker";
		q.query[2][1] = marker;
	}
	int status = blob_ask(s, s->rest, &q, &reply, e);
	if (status < 0)
		return -1;
	marker[0] = '\0';
	if (status == 404 && strcmp(blob_reason(&reply, reason), "ContainerNotFound") == 0)
		return 0; /* it is made with the first disk */
	if (status != 200)
		return blob_refused(s, &q, &reply, e);
	doc = (struct xml_text){.at = reply.body != NULL ? reply.body : "", .len = reply.body_len};
	/* No list is not an empty one: from what is missing here others conclude that it was removed. */
	if (reply.body == NULL || strstr(reply.body, "<EnumerationResults") == NULL)
		return err_set(e, ERR_PROTOCOL, 0, "%s answered without a list: is that the address of a Blob service?", s->config.endpoint);
	if (xml_find(&doc, "NextMarker", &next))
		xml_copy(&next, marker, 1024);
	while (xml_next(&doc, "Blob", &blob))
		if (cb(ctx, &blob, e) < 0)
			return -1;
	return 0;
}

/* A page may end anywhere, even before its first blob. */
int blob_list(struct blob_store *s, const char *prefix, blob_listed *cb, void *ctx, struct err *e)
{
	char marker[1024] = "";
	int rc;

	do
		rc = list_page(s, prefix, marker, cb, ctx, e);
	while (rc == 0 && marker[0] != '\0');
	return rc;
}

int blob_find(struct provider *p, const char *job, provider_found *cb, void *ctx, struct err *e)
{
	struct listing l = {.job = job};
	int rc = blob_list(store_of(p), "wherry-", see_blob, &l, e);

	for (size_t i = 0; rc == 0 && i < l.found.len; i++)
		if (cb(ctx, &l.found.at[i]) != 0)
			break;
	vec_fini(&l.found);
	return rc;
}
