// SPDX-License-Identifier: Apache-2.0
#include "azure_points.h"

#include <stdio.h>
#include <strings.h>

#include "base/cleanup.h"
#include "json_format.h"

#define COLLECTIONS "/restorePointCollections/"
#define POINT       "point"
#define TRIES       12 /* as cloud_again() goes a minute: half its patience, for the collection has to go before the rest is used */

bool azure_in_points(const char *id)
{
	return strstr(id, COLLECTIONS) != NULL;
}

struct res_ref azure_points_of(const struct res_ref *ref)
{
	const char *name = strstr(ref->id, COLLECTIONS) + strlen(COLLECTIONS);
	struct res_ref set = *ref;

	snprintf(set.name, sizeof set.name, "%.*s", (int)strcspn(name, "/"), name);
	return set;
}

/* Of what was read with its points; NULL: it has not been made. */
static yyjson_val *point_in(yyjson_val *collection)
{
	yyjson_val *point;
	size_t i, max;

	yyjson_arr_foreach(yyjson_ptr_get(collection, "/properties/restorePoints"), i, max, point)
		if (strcasecmp(rest_text(point, "name"), POINT) == 0)
			return point;
	return NULL;
}

/* Spelled as all our ids are, since Azure does not keep their case. */
static int disk_point_id(const struct azure *a, const struct res_ref *set, yyjson_val *disk, char id[RES_ID_SIZE])
{
	const char *given = azure_text(disk, "/diskRestorePoint/id");
	char collection[RES_ID_SIZE];

	azure_id(a, AZURE_POINTS, set, collection);
	int n = snprintf(id, RES_ID_SIZE, "%s/restorePoints/" POINT "/diskRestorePoints/%s", collection, azure_name(given));
	return given[0] == '\0' || n >= RES_ID_SIZE ? -1 : 0;
}

int azure_points_first(struct azure *a, struct res_ref *ref, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	struct res_ref set = azure_points_of(ref);
	yyjson_val *collection = azure_read(a, AZURE_POINTS, ref->id, &doc, e);
	char id[RES_ID_SIZE];

	/* By another id a baseline would not be known as one: it is gone by now, or asked for again. */
	if (collection == NULL)
		return e->kind != ERR_NONE ? -1 : err_set(e, ERR_NETWORK, 0, "%s is listed, and is not there", ref->id);
	if (disk_point_id(a, &set, yyjson_ptr_get(point_in(collection), "/properties/sourceMetadata/storageProfile/osDisk"), id) == 0)
		snprintf(ref->id, sizeof ref->id, "%s", id);
	return 0;
}

/* ---- Making ---- */

static yyjson_val *disk_of(yyjson_val *storage, const char *id)
{
	yyjson_val *disk = yyjson_obj_get(storage, "osDisk");
	size_t i, max;

	if (strcasecmp(azure_text(disk, "/managedDisk/id"), id) == 0)
		return disk;
	yyjson_arr_foreach(yyjson_obj_get(storage, "dataDisks"), i, max, disk)
		if (strcasecmp(azure_text(disk, "/managedDisk/id"), id) == 0)
			return disk;
	return NULL;
}

static int take_ids(struct azure *a, const struct machine *m, yyjson_val *point, struct res_ref *refs, unsigned n, struct err *e)
{
	yyjson_val *storage = yyjson_ptr_get(point, "/properties/sourceMetadata/storageProfile");

	for (unsigned i = 0; i < n; i++)
		if (disk_point_id(a, &refs[0], disk_of(storage, m->disks.at[i].id), refs[i].id) < 0)
			return err_set(e, ERR_PROTOCOL, 0, "the restore point %s of machine %s is without disk %s", refs[0].name, m->name,
				       m->disks.at[i].name);
	return 0;
}

static int not_yet(const char *id, const char *what, struct err *e)
{
	return err_set(e, ERR_NETWORK, 0, "%s is still being %s", id, what);
}

static int begin(struct azure *a, const struct machine *m, const struct res_ref *set, bool collection, char id[RES_ID_SIZE],
		 struct err *e)
{
	cleanup(cleanup_free) char *tags = azure_tags(set);
	cleanup(cleanup_free) char *body = json_format("{'location':%s,'tags':%j,'properties':{'source':{'id':%s}}}", a->options.location,
						       tags, m->id);
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	struct err why = ERR_INIT;

	if (!collection && azure_make(a, AZURE_POINTS, set, body, id, e) < 0)
		return -1;
	if (azure_change(a, AZURE_POINTS, "PUT", id, "/restorePoints/" POINT, "{\"properties\":{\"consistencyMode\":\"CrashConsistent\"}}",
			 &why) == 0)
		return 0;
	/* Its collection may be seen late, and another point of the machine, a backup's, comes to its end. */
	bool passes = why.kind == ERR_NOT_FOUND || (why.kind == ERR_BUSY && strcmp(a->session.refused, "Conflict") == 0);
	/* A point cannot be made twice: that of a call whose reply was lost may be there, and not yet be listed. */
	if (azure_call(&a->session, AZURE_RESTORE, "GET", NULL, &doc, NULL, e, "%s/restorePoints/" POINT, id) < 0) {
		*e = why;
		if (passes && ++a->points_refused < TRIES)
			e->kind = ERR_NETWORK;
	}
	return e->kind == ERR_NONE ? 0 : -1;
}

/* Retryable until the point is whole. */
static int make_point(struct azure *a, const struct machine *m, struct res_ref *refs, unsigned n, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	yyjson_val *collection = NULL;
	enum res_state state;
	char id[RES_ID_SIZE];

	azure_id(a, AZURE_POINTS, &refs[0], id);
	if (azure_state(a, AZURE_POINTS, &refs[0], &state, &doc, &collection, e) < 0 || state == RES_FAILED)
		return -1;
	yyjson_val *point = point_in(collection);
	const char *word = azure_text(point, "/properties/provisioningState");
	if (state != RES_PENDING && point == NULL && begin(a, m, &refs[0], state == RES_READY, id, e) < 0)
		return -1;
	if (strcmp(word, "Failed") == 0)
		return err_set(e, ERR_IO, 0, "%s failed, its activity log says why", id);
	if (state != RES_READY || strcmp(word, "Succeeded") != 0)
		return not_yet(id, "made", e);
	return take_ids(a, m, point, refs, n, e);
}

static int give_up(struct azure *a, const struct res_ref *set, struct err *e)
{
	char id[RES_ID_SIZE];
	bool gone;

	azure_id(a, AZURE_POINTS, set, id);
	if (azure_points_remove(a, set, &gone, e) < 0)
		return -1;
	return gone ? 1 : not_yet(id, "removed", e);
}

int azure_points_make(struct azure *a, const struct machine *m, struct res_ref *refs, unsigned n, struct err *e)
{
	if (n < 2 || m->not_one_instant || a->session.cloud->versions[AZURE_RESTORE] == NULL)
		return 1;
	if (!a->p.not_one_instant) {
		if (make_point(a, m, refs, n, e) == 0)
			return 0;
		if (err_is_retryable(e) || e->kind == ERR_DENIED)
			return -1;
		log_warn(a->p.log, "%s%s", m->running ? "the snapshots of this run are taken one after the other and are not of one instant, because "
			 "a restore point was refused: " : "snapshots are taken instead of a restore point: ", e->msg);
		*e = (struct err)ERR_INIT;
		a->p.not_one_instant = true;
	}
	return give_up(a, &refs[0], e);
}

/* ---- Removing ---- */

int azure_points_remove(struct azure *a, const struct res_ref *set, bool *gone, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	yyjson_val *disk, *storage;
	char id[RES_ID_SIZE];
	size_t i, max;

	if (azure_remove(a, AZURE_POINTS, set, gone, e) == 0 || e->kind != ERR_BUSY)
		return e->kind == ERR_NONE ? 0 : -1;
	/* Does an address that lets somebody read them hold it? Nothing says so: they are all revoked before the next try. */
	storage = yyjson_ptr_get(point_in(azure_look_up(a, AZURE_POINTS, set, &doc, &(struct err)ERR_INIT)),
				 "/properties/sourceMetadata/storageProfile");
	if (disk_point_id(a, set, yyjson_obj_get(storage, "osDisk"), id) == 0)
		azure_revoke(a, AZURE_SNAPSHOT, id, &(struct err)ERR_INIT);
	yyjson_arr_foreach(yyjson_obj_get(storage, "dataDisks"), i, max, disk)
		if (disk_point_id(a, set, disk, id) == 0)
			azure_revoke(a, AZURE_SNAPSHOT, id, &(struct err)ERR_INIT);
	return -1;
}
