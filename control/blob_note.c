// SPDX-License-Identifier: Apache-2.0
/* NAME.json beside the disk NAME. One that does not carry the disk's owner and job is somebody else's: it stays as it is. */
#include <stdio.h>

#include "base/cleanup.h"
#include "blob.h"

struct note {
	char name[RES_NAME_SIZE + 8];
	struct blob_seen seen;
	bool ours;
};

static int look(struct blob_store *s, const struct res_ref *disk, struct note *n, struct err *e)
{
	snprintf(n->name, sizeof n->name, "%s.json", disk->name);
	if (blob_look_at(s, n->name, "", disk, &n->seen, e) < 0)
		return -1;
	n->ours = n->seen.ours && res_same_owner(&disk->tags, &n->seen.ref.tags);
	return 0;
}

/* Whoever comes between looking and writing is not overwritten: the service compares what was seen. */
int blob_describe(struct provider *p, const struct res_ref *disk, const char *json, struct err *e)
{
	struct blob_store *s = store_of(p);
	struct note n;

	if (look(s, disk, &n, e) < 0)
		return -1;
	if (n.seen.there && !n.ours)
		return err_set(e, ERR_BUSY, 0, "%s is in %s already and was not made for this job: it is left alone, so nothing "
			       "there describes the disk; move it away", n.name, p->place);
	cleanup(blob_request_fini) struct blob_request q = {.method = "PUT", .name = n.name, .body = json, .type = "application/json",
							    .if_match = n.seen.there ? n.seen.etag : NULL,
							    .if_none_match = n.seen.there ? NULL : "*"};
	cleanup(rest_reply_fini) struct rest_reply reply = REST_REPLY_INIT;
	blob_header(&q, "x-ms-blob-type: BlockBlob");
	blob_add_tags(&q, disk);
	int status = blob_ask(s, s->rest, &q, &reply, e);
	if (status < 0)
		return -1;
	return status == 201 ? 0 : blob_refused(s, &q, &reply, e);
}

int blob_remove_note(struct blob_store *s, const struct res_ref *disk, struct err *e)
{
	struct note n;

	if (look(s, disk, &n, e) < 0)
		return -1;
	struct blob_request q = {.method = "DELETE", .name = n.name, .if_match = n.seen.etag};
	if (n.ours)
		return blob_delete(s, &q, e);
	if (n.seen.there)
		log_info(s->p.log, "%s in %s was not made for this job and stays", n.name, s->p.place);
	return 0;
}
