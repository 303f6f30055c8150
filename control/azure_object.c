// SPDX-License-Identifier: Apache-2.0
#include "azure.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "json_format.h"
#include "res_tags.h"

#define GRANT_S       3600 /* renewed by whoever needs it longer */
#define GRANT_WAIT_NS (90 * NS_PER_S)
#define POLL_NS       (200 * NS_PER_MS) /* when the cloud names no time */

const struct azure_type_info azure_types[AZURE_TYPES] = {
	[AZURE_VM] = {AZURE_COMPUTE, RES_WORKER, "Microsoft.Compute/virtualMachines"},
	[AZURE_NIC] = {AZURE_NETWORK, RES_NIC, "Microsoft.Network/networkInterfaces"},
	[AZURE_ADDRESS] = {AZURE_NETWORK, RES_ADDRESS, "Microsoft.Network/publicIPAddresses"},
	[AZURE_NSG] = {AZURE_NETWORK, RES_FIREWALL, "Microsoft.Network/networkSecurityGroups"},
	[AZURE_DISK] = {AZURE_DISKS, RES_DISK, "Microsoft.Compute/disks"},
	[AZURE_SNAPSHOT] = {AZURE_DISKS, RES_SNAPSHOT, "Microsoft.Compute/snapshots"},
	[AZURE_POINTS] = {AZURE_RESTORE, RES_SNAPSHOT, "Microsoft.Compute/restorePointCollections"},
	[AZURE_SCHEDULE] = {AZURE_SCHEDULES, RES_KINDS, "Microsoft.DevTestLab/schedules"},
};

enum azure_type azure_type_of(enum res_kind kind)
{
	for (int t = 0; t < AZURE_TYPES; t++)
		if (azure_types[t].kind == kind)
			return (enum azure_type)t;
	return AZURE_VM; /* RES_MACHINE */
}

void azure_id(const struct azure *a, enum azure_type t, const struct res_ref *ref, char id[RES_ID_SIZE])
{
	const char *group = ref->tags.purpose == PURPOSE_SCAFFOLD ? a->options.worker_group : a->options.group;

	/* Azure knows the schedule of a VM by this name alone. */
	snprintf(id, RES_ID_SIZE, "/subscriptions/%s/resourceGroups/%s/providers/%s/%s%s", a->session.subscription, group,
		 azure_types[t].path, t == AZURE_SCHEDULE ? "shutdown-computevm-" : "", ref->name);
}

const char *azure_name(const char *id)
{
	const char *slash = strrchr(id, '/');

	return slash != NULL ? slash + 1 : id;
}

const char *azure_text(yyjson_val *object, const char *pointer)
{
	const char *s = yyjson_get_str(yyjson_ptr_get(object, pointer));

	return s != NULL ? s : "";
}

uint64_t azure_number(yyjson_val *object, const char *pointer)
{
	yyjson_val *v = yyjson_ptr_get(object, pointer);

	return yyjson_is_num(v) && yyjson_get_num(v) > 0 ? (uint64_t)yyjson_get_num(v) : 0;
}

char *azure_tags(const struct res_ref *ref)
{
	char text[RES_TAGS_SIZE];

	res_tags_write(ref, text);
	return json_format("{'wherry':%s}", text);
}

bool azure_tags_read(const struct azure *a, enum azure_type t, yyjson_val *object, struct res_ref *ref)
{
	*ref = (struct res_ref){.kind = azure_types[t].kind};
	if (!res_tags_read(azure_text(object, "/tags/wherry"), ref))
		return false;
	if (t == AZURE_VM && ref->tags.purpose == PURPOSE_TARGET)
		ref->kind = RES_MACHINE;
	snprintf(ref->name, sizeof ref->name, "%s", rest_text(object, "name"));
	azure_id(a, t, ref, ref->id);
	return true;
}

yyjson_val *azure_read(struct azure *a, enum azure_type t, const char *id, yyjson_doc **doc, struct err *e)
{
	struct err why = ERR_INIT;

	if (azure_call(&a->session, azure_types[t].api, "GET", NULL, doc, NULL, &why, "%s%s", id,
		       t == AZURE_VM ? "?$expand=instanceView" : t == AZURE_POINTS ? "?$expand=restorePoints" : "") == 0)
		return yyjson_doc_get_root(*doc);
	if (why.kind != ERR_NOT_FOUND)
		*e = why;
	return NULL;
}

yyjson_val *azure_look_up(struct azure *a, enum azure_type t, const struct res_ref *ref, yyjson_doc **doc, struct err *e)
{
	struct res_ref there;
	char id[RES_ID_SIZE];

	azure_id(a, t, ref, id);
	yyjson_val *object = azure_read(a, t, id, doc, e);
	if (object == NULL || (azure_tags_read(a, t, object, &there) && res_same_owner(&ref->tags, &there.tags)))
		return object;
	snprintf(there.id, sizeof there.id, "%s", id);
	res_is_anothers(ref, &there, e);
	return NULL;
}

/* ---- Operations ---- */

static struct azure_pending *pending_of(struct azure *a, const char *id)
{
	for (size_t i = 0; i < a->pending.len; i++)
		if (strcasecmp(a->pending.at[i].id, id) == 0)
			return &a->pending.at[i];
	return NULL;
}

static void forget(struct azure *a, struct azure_pending *p)
{
	azure_operation_fini(&p->op);
	*p = a->pending.at[--a->pending.len];
}

void azure_forget(struct azure *a)
{
	while (a->pending.len > 0)
		forget(a, &a->pending.at[0]);
	vec_fini(&a->pending);
}

int azure_change(struct azure *a, enum azure_type t, const char *method, const char *id, const char *action, const char *body,
		 struct err *e)
{
	struct azure_operation op = {0};

	if (azure_call(&a->session, azure_types[t].api, method, body, NULL, &op, e, "%s%s", id, action) < 0)
		return -1;
	struct azure_pending *p = pending_of(a, id);
	if (p != NULL)
		forget(a, p);
	if (op.url == NULL)
		return 0;
	p = vec_push(&a->pending);
	*p = (struct azure_pending){.op = op};
	snprintf(p->id, sizeof p->id, "%s", id);
	return 0;
}

int azure_make(struct azure *a, enum azure_type t, const struct res_ref *ref, const char *body, char id[RES_ID_SIZE],
	       struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	yyjson_val *there = azure_look_up(a, t, ref, &doc, e);

	azure_id(a, t, ref, id);
	if (e->kind != ERR_NONE)
		return -1;
	if (strcmp(azure_text(there, "/properties/provisioningState"), "Deleting") == 0)
		return err_set(e, ERR_NETWORK, 0, "%s is still being removed", id);
	return there != NULL ? 0 : azure_change(a, t, "PUT", id, "", body, e);
}

/* *state stays PENDING while the operation runs, and READY says only that it is over. */
static int follow(struct azure *a, const char *id, enum res_state *state, struct err *e)
{
	struct azure_pending *p = pending_of(a, id);
	enum azure_progress progress;

	*state = RES_READY;
	if (p == NULL)
		return 0;
	if (azure_follow(&a->session, &p->op, &progress, NULL, e) < 0)
		return -1;
	*state = progress == AZURE_RUNS ? RES_PENDING : progress == AZURE_DONE ? RES_READY : RES_FAILED;
	if (progress != AZURE_RUNS)
		forget(a, p);
	return 0;
}

int azure_state(struct azure *a, enum azure_type t, const struct res_ref *ref, enum res_state *state, yyjson_doc **doc,
		yyjson_val **object, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *own = NULL;
	struct err failed = ERR_INIT;
	char id[RES_ID_SIZE];

	azure_id(a, t, ref, id);
	if (follow(a, id, state, &failed) < 0 || *state != RES_READY) {
		*e = failed;
		return failed.kind != ERR_NONE && *state != RES_FAILED ? -1 : 0;
	}
	yyjson_val *v = azure_look_up(a, t, ref, doc != NULL ? doc : &own, e);
	if (object != NULL)
		*object = v;
	*state = RES_ABSENT;
	if (v == NULL)
		return e->kind == ERR_NONE ? 0 : -1;
	const char *word = azure_text(v, "/properties/provisioningState");
	yyjson_val *copied = yyjson_ptr_get(v, "/properties/completionPercent");
	snprintf(a->p.seen, sizeof a->p.seen, "%s", word);
	*state = word[0] == '\0' || strcmp(word, "Succeeded") == 0 ? RES_READY
		 : strcmp(word, "Failed") == 0 || strcmp(word, "Canceled") == 0 ? RES_FAILED : RES_PENDING;
	/* A clone may be read while it is still filled; a replica is to do without its snapshot. */
	bool whole = t == AZURE_SNAPSHOT || res_is_replica(ref);
	if (*state == RES_READY && whole && copied != NULL && yyjson_get_num(copied) < 100) {
		*state = RES_PENDING;
		snprintf(a->p.seen, sizeof a->p.seen, "copied, %d %%", (int)yyjson_get_num(copied));
	}
	if (*state == RES_FAILED)
		err_set(e, ERR_IO, 0, "%s is \"%s\" in %s: its activity log says why", id, word, a->p.place);
	return 0;
}

int azure_remove(struct azure *a, enum azure_type t, const struct res_ref *ref, bool *gone, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	enum res_state state = RES_READY;
	char id[RES_ID_SIZE];

	azure_id(a, t, ref, id);
	*gone = false;
	/* Of its creation or removal; that it failed is no matter here. */
	if (follow(a, id, &state, &(struct err)ERR_INIT) < 0 || state == RES_PENDING)
		return 0;
	yyjson_val *there = azure_look_up(a, t, ref, &doc, e);
	*gone = there == NULL && e->kind == ERR_NONE;
	if (there == NULL)
		return *gone ? 0 : -1;
	if (strcmp(azure_text(there, "/properties/provisioningState"), "Deleting") == 0)
		return 0;
	/* ActiveSAS, ActiveUpload: somebody who died had a signed URL of it. */
	if ((t == AZURE_SNAPSHOT || t == AZURE_DISK) && strncmp(azure_text(there, "/properties/diskState"), "Active", 6) == 0 &&
	    azure_revoke(a, t, id, e) < 0)
		return -1;
	if (azure_change(a, t, "DELETE", id, "", NULL, e) == 0 || e->kind == ERR_NOT_FOUND) {
		*e = (struct err)ERR_INIT;
		return 0;
	}
	return -1;
}

/* ---- What is waited for ---- */

int azure_complete(struct azure *a, enum azure_api api, const char *method, const char *id, const char *action, const char *body,
		   yyjson_doc **doc, struct err *e)
{
	struct azure_operation op = {0};
	enum azure_progress progress = AZURE_DONE;
	int64_t deadline = clock_mono_ns() + GRANT_WAIT_NS;
	int rc = azure_call(&a->session, api, method, body, doc, &op, e, "%s%s", id, action);

	if (rc == 0 && op.url != NULL)
		progress = AZURE_RUNS;
	while (rc == 0 && progress == AZURE_RUNS) {
		int64_t now = clock_mono_ns(), wait = op.not_before_ns > now ? op.not_before_ns - now : POLL_NS;

		/* Who is asked to wait until after the end need not wait for it. */
		if (now + wait > deadline) {
			rc = err_set(e, ERR_TIMEOUT, 0, "%s%s takes longer than %lld s", id, action, (long long)(GRANT_WAIT_NS / NS_PER_S));
			break;
		}
		clock_sleep_ns(wait);
		if (doc != NULL) {
			rest_doc_free(doc);
			*doc = NULL;
		}
		rc = azure_follow(&a->session, &op, &progress, doc, e);
	}
	rc = progress == AZURE_FAILED ? -1 : rc;
	yyjson_val *root = doc != NULL ? yyjson_doc_get_root(*doc) : NULL;
	if (rc == 0 && op.result != NULL && strcmp(action, "/beginGetAccess") == 0 && azure_text(root, "/accessSAS")[0] == '\0' &&
	    azure_text(root, "/properties/output/accessSAS")[0] == '\0') {
		rest_doc_free(doc);
		rc = azure_call(&a->session, api, "GET", NULL, doc, NULL, e, "%s", op.result);
	}
	azure_operation_fini(&op);
	return rc;
}

int azure_grant(struct azure *a, enum azure_type t, const char *id, const char *access, char **url, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	cleanup(cleanup_free) char *body = json_format("{'access':%s,'durationInSeconds':%d}", access, GRANT_S);

	if (azure_complete(a, azure_types[t].api, "POST", id, "/beginGetAccess", body, &doc, e) < 0)
		return -1;
	yyjson_val *root = yyjson_doc_get_root(doc);
	const char *sas = azure_text(root, "/accessSAS");
	if (sas[0] == '\0')
		sas = azure_text(root, "/properties/output/accessSAS");
	if (sas[0] == '\0')
		return err_set(e, ERR_PROTOCOL, 0, "%s/beginGetAccess answered without an accessSAS", id);
	*url = mem_strdup(sas);
	return 0;
}

int azure_revoke(struct azure *a, enum azure_type t, const char *id, struct err *e)
{
	return azure_complete(a, azure_types[t].api, "POST", id, "/endGetAccess", NULL, NULL, e);
}
