// SPDX-License-Identifier: Apache-2.0
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "job_limits.h"
#include "json_doc.h"
#include "net/wire.h"

#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)

#define JOB_NAME_MAX 32

static const char *const data_paths[] = {
	[DATA_AUTO] = "auto",
	[DATA_SOURCE_DIALS] = "source-dials",
	[DATA_TARGET_DIALS] = "target-dials",
	[DATA_RELAY] = "relay",
	NULL,
};

static const char *const control_paths[] = {
	[CONTROL_DIAL_IN] = "dial-in",
	[CONTROL_DIAL_OUT] = "dial-out",
	NULL,
};

static const char *const hint_choices[] = {"use", "ignore", NULL};
static const char *const copy_choices[] = {[COPY_BY_WORKER] = "worker", [COPY_BY_CLOUD] = "cloud", NULL};

const char *data_path_name(enum data_path d)
{
	return (unsigned)d <= DATA_RELAY ? data_paths[d] : "unknown";
}

/* The name becomes a part of resource names and paths. */
static void read_name(struct json_at *root, struct job *job)
{
	const char *name = json_string(root, "job", JSON_REQUIRED, NULL);
	char shown[48];

	if (name == NULL)
		return;
	size_t n = strlen(name), fine = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
	if (n == 0 || n > JOB_NAME_MAX || fine != n || name[0] == '-' || name[n - 1] == '-')
		json_complain(root, "job",
			      "expected at most %d letters, digits and '-' (not at an end), found the text \"%s\"",
			      JOB_NAME_MAX, json_shorten(name, shown, sizeof shown));
	else
		snprintf(job->name, sizeof job->name, "%s", name);
}

static void read_machine(struct json_at *block, enum json_need need, char out[RES_NAME_SIZE])
{
	const char *name = json_string(block, "machine", need, NULL);
	char shown[48];

	if (name == NULL)
		return;
	if (name[0] == '\0' || strlen(name) >= RES_NAME_SIZE)
		json_complain(block, "machine", "expected the name of a machine, 1 to %d bytes, found the text \"%s\"",
			      RES_NAME_SIZE - 1, json_shorten(name, shown, sizeof shown));
	else
		snprintf(out, RES_NAME_SIZE, "%s", name);
}

/* The block as the journal keeps it: its paths without the folder this process happens to be in, and what place it is. */
static char *block_text(const struct json_at *block, const struct provider *p)
{
	const char *const *key = p != NULL ? p->ops->path_keys : NULL;
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *copy = yyjson_val_mut_copy(doc, block->val);

	for (; key != NULL && *key != NULL; key++) {
		const char *path = yyjson_mut_get_str(yyjson_mut_obj_get(copy, *key));
		cleanup(cleanup_free) char *real = path != NULL && path[0] != '/' ? realpath(path, NULL) : NULL;

		if (real != NULL)
			yyjson_mut_obj_replace(copy, yyjson_mut_str(doc, *key), yyjson_mut_strcpy(doc, real));
	}
	if (p != NULL && p->identity[0] != '\0')
		yyjson_mut_obj_add_str(doc, copy, "place", p->identity);
	char *text = yyjson_mut_val_write(copy, 0, NULL);
	yyjson_mut_doc_free(doc);
	return text;
}

/* One end: the core's key, then the driver's. A cloud that cannot be opened is a finding of its own kind. */
static struct provider *read_place(struct json_at *root, const char *key, enum json_need machine_need,
				   char machine[RES_NAME_SIZE], char **json, const struct log *log, struct err *e)
{
	struct json_at block = json_object(root, key, JSON_REQUIRED);

	if (block.val == NULL)
		return NULL;
	read_machine(&block, machine_need, machine);
	struct provider *p = provider_open(&block, log, e);
	*json = block_text(&block, p);
	return p;
}

static void read_compression(struct json_at *o, struct job *job)
{
	struct err e = ERR_INIT;

	if (compression_parse(json_string(o, "compression", JSON_OPTIONAL, "auto"), &job->compression, &job->level, &e) != 0)
		json_complain(o, "compression", "%s", e.msg);
}

static void read_options(struct json_at *root, struct job *job)
{
	struct json_at o = json_object(root, "options", JSON_OPTIONAL);

	job->chunk_size = (uint32_t)json_size(&o, "chunk_size", JSON_OPTIONAL, 64 * KIB, 4 * MIB, 256 * KIB);
	if ((job->chunk_size & (job->chunk_size - 1)) != 0)
		json_complain(&o, "chunk_size", "expected a power of two from 64K to 4M, found %u", job->chunk_size);
	job->checkpoint_bytes = json_size(&o, "checkpoint_size", JSON_OPTIONAL, MIB, MIB * MIB, KIB * MIB);
	if (job->checkpoint_bytes < job->chunk_size)
		json_complain(&o, "checkpoint_size", "expected at least one chunk (%u bytes), found %llu",
			      job->chunk_size, (unsigned long long)job->checkpoint_bytes);
	job->checkpoint_seconds = (uint32_t)json_number(&o, "checkpoint_seconds", JSON_OPTIONAL, 1, 3600, 10);
	read_compression(&o, job);
	job->read_back = json_bool(&o, "read_back", JSON_OPTIONAL, true);
	job->control_path = (enum control_path)json_choice(&o, "control_path", JSON_OPTIONAL, control_paths,
							   CONTROL_DIAL_IN);
	job->data_path = (enum data_path)json_choice(&o, "data_path", JSON_OPTIONAL, data_paths, DATA_AUTO);
	job->connections = (uint32_t)json_number(&o, "connections", JSON_OPTIONAL, 1, WIRE_MAX_CHANNELS, 1);
	job->reconnect_seconds = (uint32_t)json_number(&o, "reconnect_seconds", JSON_OPTIONAL, 1, 86400, 300);
	job->worker_timeout_seconds =
		(uint32_t)json_number(&o, "worker_timeout_seconds", JSON_OPTIONAL, 10, 7200, 300);
	job->resource_timeout_seconds =
		(uint32_t)json_number(&o, "resource_timeout_seconds", JSON_OPTIONAL, 10, 604800, 3600);
	job->lease_seconds = (uint32_t)json_number(&o, "lease_seconds", JSON_OPTIONAL, 10, 86400, 300);
	job->use_hints = json_choice(&o, "hints", JSON_OPTIONAL, hint_choices, 0) == 0;
	job->full_scan_every = (uint32_t)json_number(&o, "full_scan_every", JSON_OPTIONAL, 1, 10000, 10);
	job->copy = (enum copy_by)json_choice(&o, "copy", JSON_OPTIONAL, copy_choices, COPY_BY_WORKER);
	job->use_hints &= job->copy == COPY_BY_WORKER;
	json_no_more(&o);
}

static void read_limits(struct json_at *root, struct limits *limits)
{
	struct json_at at = json_object(root, "limits", JSON_OPTIONAL);

	job_limits_read(&at, limits);
}

/* The job's own mistakes and the clouds that cannot be opened, all in job->findings; one alone keeps its kind. */
static int sum_up(struct json_doc *doc, const char *file, const struct err *clouds, struct job *job, struct err *e)
{
	cleanup(buf_fini) struct buf all = BUF_INIT;
	const struct err *only = NULL;
	unsigned count = doc->count, opened_badly = 0;

	buf_adds(&all, json_findings(doc));
	for (unsigned i = 0; i < 2; i++) {
		if (clouds[i].kind == ERR_NONE)
			continue;
		buf_addf(&all, "%s: %s: %s\n", file, i == 0 ? "source" : "target", clouds[i].msg);
		only = only == NULL ? &clouds[i] : only;
		opened_badly++;
	}
	count += opened_badly;
	if (count == 0)
		return 0;
	job->findings = buf_take(&all);
	json_finish_text(job->findings, count, e);
	if (doc->count == 0)
		e->kind = only->kind;
	return -1;
}

int job_load(const char *file, struct job *job, struct provider **source, struct provider **target,
	     const struct log *log, struct err *e)
{
	struct err clouds[2] = {ERR_INIT, ERR_INIT};
	struct provider **const ends[] = {source, target};

	*job = (struct job){0};
	*source = *target = NULL;
	struct json_doc *doc = json_load(file, e);
	if (doc == NULL) {
		job->findings = mem_printf("%s\n", e->msg);
		return -1;
	}
	struct json_at root = json_root(doc);
	read_name(&root, job);
	*source = read_place(&root, "source", JSON_REQUIRED, job->machine, &job->source_json, log, &clouds[0]);
	*target = read_place(&root, "target", JSON_OPTIONAL, job->target_machine, &job->target_json, log, &clouds[1]);
	if (job->target_machine[0] == '\0')
		snprintf(job->target_machine, sizeof job->target_machine, "%s", job->machine);
	read_options(&root, job);
	for (int i = 0; i < 2; i++)
		if (*ends[i] != NULL)
			(*ends[i])->no_workers = job->copy == COPY_BY_CLOUD;
	read_limits(&root, &job->limits);
	json_no_more(&root);

	int rc = sum_up(doc, file, clouds, job, e);
	json_free(doc);
	if (rc == 0 && (*source == NULL || *target == NULL))
		rc = err_set(e, ERR_INTERNAL, 0, "%s: a provider could not be opened and did not say why", file);
	if (rc < 0) {
		provider_close(*source);
		provider_close(*target);
		*source = *target = NULL;
	}
	return rc;
}

static int peek(const char *file, char name[64], struct limits *limits, struct err *e)
{
	struct job job = {0};
	struct json_doc *doc = json_load(file, e);

	if (doc == NULL)
		return -1;
	struct json_at root = json_root(doc);
	read_name(&root, &job);
	if (limits != NULL)
		read_limits(&root, limits);
	int rc = json_finish(doc, e);
	json_free(doc);
	snprintf(name, 64, "%s", job.name);
	return rc;
}

int job_peek_name(const char *file, char name[64], struct err *e)
{
	return peek(file, name, NULL, e);
}

int job_peek_limits(const char *file, char name[64], struct limits *limits, struct err *e)
{
	return peek(file, name, limits, e);
}

void job_fini(struct job *job)
{
	free(job->source_json);
	free(job->target_json);
	free(job->findings);
	job->source_json = job->target_json = job->findings = NULL;
}
