// SPDX-License-Identifier: Apache-2.0
#include "provider_blob.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "blob.h"

#define CALL_TIMEOUT_S 60

static void read_text(struct json_at *block, const char *key, enum json_need need, char *out, size_t size)
{
	const char *text = json_string(block, key, need, "");

	if (strlen(text) >= size)
		json_complain(block, key, "expected at most %zu bytes", size - 1);
	else
		snprintf(out, size, "%s", text);
}

static void read_options(struct json_at *block, struct blob_config *c)
{
	json_string(block, "provider", JSON_REQUIRED, NULL);
	json_string(block, "machine", JSON_OPTIONAL, NULL); /* the core's */
	read_text(block, "storage_account_name", JSON_OPTIONAL, c->account, sizeof c->account);
	read_text(block, "storage_container_name", JSON_REQUIRED, c->container, sizeof c->container);
	read_text(block, "endpoint", JSON_OPTIONAL, c->endpoint, sizeof c->endpoint);
	read_text(block, "ca_file", JSON_OPTIONAL, c->ca_file, sizeof c->ca_file);
	read_text(block, "cloud", JSON_OPTIONAL, c->cloud, sizeof c->cloud);
	read_text(block, "subscription_id", JSON_OPTIONAL, c->subscription, sizeof c->subscription);
	read_text(block, "resource_group", JSON_OPTIONAL, c->group, sizeof c->group);
	if (c->cloud[0] == '\0')
		snprintf(c->cloud, sizeof c->cloud, "public");
	c->token_s = (uint32_t)json_number(block, "token_seconds", JSON_OPTIONAL, 5, 86400, 3600);
	c->lease_s = (uint32_t)json_number(block, "lease_seconds", JSON_OPTIONAL, 15, BLOB_LEASE_MAX, BLOB_LEASE_MAX);
	json_no_more(block);
}

static void close_store(struct provider *p)
{
	struct blob_store *s = store_of(p);

	blob_leases_free(s->leases);
	rest_free(s->rest);
	blob_config_fini(&s->config);
	free(s->trust);
	free(s);
}

/* Workers have no certificates of authorities of their own: they trust whom this host trusts. */
static int read_trust(struct blob_store *s, struct err *e)
{
	const char *path = rest_ca_file(s->rest);
	cleanup(cleanup_file) FILE *f = path != NULL ? fopen(path, "re") : NULL;
	struct buf text = BUF_INIT;
	size_t n;

	if (f == NULL && strncmp(s->config.endpoint, "https:", 6) == 0)
		return err_set(e, ERR_CONFIG, 0, "no certificates of authorities are found on this host: install ca-certificates, or "
			       "name a file of them by \"ca_file\"");
	while (f != NULL && (n = fread(buf_reserve(&text, 65536), 1, 65536, f)) > 0)
		text.len += n;
	buf_add(&text, "", 0);
	s->trust = buf_take(&text);
	return 0;
}

static int connect_store(struct blob_store *s, struct err *e)
{
	if (blob_config_load(&s->config, s->p.log, e) < 0)
		return -1;
	snprintf(s->p.place, sizeof s->p.place, "container %.180s/%s", s->config.endpoint, s->config.container);
	snprintf(s->p.identity, sizeof s->p.identity, "%s", s->p.place);
	struct rest_options options = {.ca_file = s->config.ca_file, .id_header = "x-ms-request-id", .timeout_s = CALL_TIMEOUT_S,
				       .log = s->p.log};
	s->rest = rest_new(&options, e);
	return s->rest == NULL ? -1 : read_trust(s, e);
}

static struct provider *open_store(struct json_at *block, const struct log *log, struct err *e)
{
	struct blob_store *s = mem_alloc(sizeof *s);

	s->p.ops = &provider_blob_ops;
	s->p.log = log;
	read_options(block, &s->config);
	if (connect_store(s, e) == 0)
		return &s->p;
	close_store(&s->p);
	return NULL;
}

static int get_machine(struct provider *p, const char *name, struct machine *out, struct err *e)
{
	(void)out;
	return err_set(e, ERR_UNSUPPORTED, 0, "%s holds disks and no machines, so not %s either: a cloud has to import its disks",
		       p->place, name);
}

/* ---- Checks ---- */

static void check_disk(const struct machine_disk *d, struct findings *out)
{
	if (d->size + BLOB_FOOTER > BLOB_MAX_SIZE)
		findings_add(out, FINDING_ERROR, ERR_UNSUPPORTED, "disk %s has %" PRIu64 " bytes and a page blob holds at most 8 TiB "
			     "with its footer: choose a target with larger disks", d->name, d->size);
	if (d->logical_sector != 512)
		findings_add(out, FINDING_ERROR, ERR_REFUSED, "disk %s has logical sectors of %u bytes and a VHD has 512: partition "
			     "tables would mean something else there; choose a target that keeps the sector size", d->name,
			     d->logical_sector);
}

static int see_nothing(void *ctx, const struct res_ref *ref)
{
	(void)ctx;
	(void)ref;
	return 1;
}

static int validate(struct provider *p, bool source, const struct machine *m, struct findings *out, struct err *e)
{
	struct blob_store *s = store_of(p);
	struct err why = ERR_INIT;

	(void)e;
	if (source) {
		findings_add(out, FINDING_ERROR, ERR_UNSUPPORTED, "%s holds no machines: it can be a target only", p->place);
		return 0;
	}
	for (size_t i = 0; i < m->disks.len; i++)
		check_disk(&m->disks.at[i], out);
	if (blob_find(p, NULL, see_nothing, NULL, &why) < 0)
		findings_add(out, FINDING_ERROR, why.kind, "%s", why.msg);
	if (s->config.token != NULL)
		findings_add(out, FINDING_WARNING, ERR_NONE, "the token in the environment is handed to the worker as it is: with the "
			     "account's key each disk would get one of its own, for a short time");
	findings_add(out, FINDING_NOTE, ERR_NONE, "a page blob takes about 60 MB/s, however many connections write to it");
	findings_add(out, FINDING_NOT_CHECKED, ERR_NONE, "whether the account is of a kind that has page blobs, and whether the "
		     "worker can reach it");
	return 0;
}

/* ---- What the worker gets ---- */

static void add_token(const struct blob_store *s, const char *name, bool read_only, struct disk_access *out)
{
	cleanup(cleanup_free) char *blob = mem_printf("%s/%s", s->config.container, name);
	struct buf token = BUF_INIT;

	out->valid_s = s->config.token_s;
	if (s->config.token != NULL)
		buf_adds(&token, s->config.token);
	else
		blob_sas(&s->config.key, blob, read_only ? "r" : "rw", clock_wall_ns() / NS_PER_S + s->config.token_s,
			 strncmp(s->config.endpoint, "https:", 6) == 0, &token);
	out->token = buf_take(&token);
}

static int access_disk(struct provider *p, const struct res_ref *disk, bool read_only, const char *loopback,
		       struct disk_access *out, struct err *e)
{
	struct blob_store *s = store_of(p);
	char name[RES_NAME_SIZE + 8], endpoint[256];

	*out = (struct disk_access){.trust = s->trust};
	snprintf(endpoint, sizeof endpoint, "%s", s->config.endpoint);
	if (blob_is_loopback(endpoint)) {
		if (loopback == NULL)
			return err_set(e, ERR_UNSUPPORTED, 0, "%s is on this host's loopback, which workers of the source cannot reach", p->place);
		blob_replace_host(s->config.endpoint, loopback, endpoint, sizeof endpoint);
	}
	blob_name(disk, name);
	snprintf(out->url, sizeof out->url, "%s/%s/%s", endpoint, s->config.container, name);
	if (!read_only) {
		snprintf(out->lease, sizeof out->lease, "%s", blob_lease_of(s, disk));
		if (out->lease[0] == '\0')
			return err_set(e, ERR_INTERNAL, 0, "%s was to be written without a lease on it; please report it", out->url);
	}
	add_token(s, name, read_only, out);
	return 0;
}

const struct provider_ops provider_blob_ops = {
	.boots = "are those of the source",
	.name = "blob",
	.lacks = "it holds disks and no machines, so `wherry promote` makes none: import the VHDs where they are to run, or, after a run "
		 "that failed, the snapshots of the kept generation; a page blob holds at most 8 TiB and takes about 60 MB/s",
	.path_keys = (const char *const[]){"ca_file", NULL},
	.open = open_store,
	.close = close_store,
	.machine_get = get_machine,
	.validate = validate,
	.snapshot_disk = blob_snapshot_disk,
	.disk_create = blob_disk_create,
	.disk_get = blob_disk_get,
	.disk_resize = blob_disk_resize,
	.poll = blob_poll,
	.remove = blob_remove,
	.find = blob_find,
	.replica_lock = blob_lock,
	.replica_claim = blob_claim,
	.disk_access = access_disk,
	.replica_describe = blob_describe,
};
