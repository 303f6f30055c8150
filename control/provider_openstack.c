// SPDX-License-Identifier: Apache-2.0
#include "provider_openstack.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "openstack.h"
#include "settings.h"

#define CALL_TIMEOUT_S 120
#define VIRTIO_DISKS   24 /* about so many find a PCI slot of a server */

static void read_text(struct json_at *block, const char *key, char *out, size_t size)
{
	const char *text = json_string(block, key, JSON_OPTIONAL, "");

	if (strlen(text) >= size)
		json_complain(block, key, "expected at most %zu bytes", size - 1);
	else
		snprintf(out, size, "%s", text);
}

/* "192.0.2.0/24", an address, or the same of IPv6: its family, length and bits, whichever way it is written. */
static bool read_network(const char *text, uint8_t out[18])
{
	cleanup(cleanup_free) char *address = mem_strdup(text);
	char *slash = strchr(address, '/'), *end = slash;
	bool six = strchr(address, ':') != NULL;
	unsigned long most = six ? 128 : 32, bits = most;

	if (slash != NULL) {
		*slash = '\0';
		bits = isdigit((unsigned char)slash[1]) ? strtoul(slash + 1, &end, 10) : most + 1;
	}
	memset(out, 0, 18);
	if ((slash != NULL && *end != '\0') || bits > most || inet_pton(six ? AF_INET6 : AF_INET, address, out + 2) != 1)
		return false;
	out[0] = six;
	out[1] = (uint8_t)bits;
	for (unsigned long i = bits; i < most; i++)
		out[2 + i / 8] &= (uint8_t)~(0x80 >> i % 8);
	return true;
}

/* The network service refuses all rules of a group when two of them are the same. */
static void read_allow(struct json_at *block, struct os_options *w)
{
	enum { MAX = sizeof w->allow / sizeof w->allow[0] };
	uint8_t seen[MAX][18];
	struct json_at list;
	size_t n = json_array(block, "allow", JSON_OPTIONAL, &list);

	for (size_t i = 0; i < n && i < MAX; i++) {
		struct json_at one = json_element(&list, i);
		const char *text = json_text(&one);

		if (strlen(text) >= sizeof w->allow[0] || !read_network(text, seen[i])) {
			json_complain(block, "allow", "expected networks as \"192.0.2.0/24\" or \"2001:db8::/32\", found \"%.100s\"", text);
			return;
		}
		for (size_t k = 0; k < i; k++)
			if (memcmp(seen[k], seen[i], sizeof seen[i]) == 0)
				json_complain(block, "allow", "\"%s\" and \"%s\" are one network: name it once", w->allow[k], text);
		snprintf(w->allow[w->allow_count++], sizeof w->allow[0], "%s", text);
	}
	if (n > MAX)
		json_complain(block, "allow", "expected at most %d networks, found %zu", MAX, n);
}

static void read_options(struct json_at *block, struct os_options *w)
{
	const struct {
		const char *key;
		char *at;
		size_t size;
	} texts[] = {
		{"cloud", w->cloud, sizeof w->cloud}, {"clouds_file", w->clouds_file, sizeof w->clouds_file},
		{"region", w->region, sizeof w->region}, {"image", w->image, sizeof w->image},
		{"flavor", w->flavor, sizeof w->flavor}, {"network", w->network, sizeof w->network},
		{"floating_network", w->floating_network, sizeof w->floating_network},
		{"availability_zone", w->zone, sizeof w->zone}, {"volume_type", w->volume_type, sizeof w->volume_type},
		{"target_flavor", w->target_flavor, sizeof w->target_flavor},
		{"target_network", w->target_network, sizeof w->target_network},
	};

	json_string(block, "provider", JSON_REQUIRED, NULL);
	json_string(block, "machine", JSON_OPTIONAL, NULL); /* the core's */
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		read_text(block, texts[i].key, texts[i].at, texts[i].size);
	read_allow(block, w);
	w->reset_stuck = json_bool(block, "reset_stuck", JSON_OPTIONAL, false);
	json_no_more(block);
}

static void close_cloud(struct provider *p)
{
	struct openstack *o = os_of(p);

	rest_free(o->rest);
	openstack_config_fini(&o->config);
	for (int s = 0; s < OS_SERVICES; s++)
		free(o->at[s].url);
	free(o);
}

static bool is_true(const char *text)
{
	return text != NULL && (strcasecmp(text, "true") == 0 || strcmp(text, "1") == 0 || strcasecmp(text, "yes") == 0);
}

static int connect_cloud(struct openstack *o, struct err *e)
{
	struct openstack_config *c = &o->config;

	if (openstack_config_load(c, o->options.cloud, o->options.clouds_file, e) < 0)
		return -1;
	if (o->options.region[0] != '\0')
		setting_put(&c->region, o->options.region);
	struct rest_options options = {
		.ca_file = c->ca_file,
		.insecure = is_true(c->insecure) || (c->verify != NULL && strcasecmp(c->verify, "false") == 0),
		.id_header = "X-Openstack-Request-Id",
		.timeout_s = CALL_TIMEOUT_S,
		.log_in = os_login,
		.log_in_ctx = o,
		.ahead_ns = &o->p.ahead_ns,
		.log = o->p.log,
	};
	o->rest = rest_new(&options, e);
	return o->rest == NULL ? -1 : os_login(o, e);
}

static struct provider *open_cloud(struct json_at *block, const struct log *log, struct err *e)
{
	struct openstack *o = mem_alloc(sizeof *o);

	o->p.ops = &provider_openstack_ops;
	o->p.log = log;
	read_options(block, &o->options);
	if (connect_cloud(o, e) == 0)
		return &o->p;
	close_cloud(&o->p);
	return NULL;
}

/* ---- What a kind of resource is here ---- */

static int poll_resource(struct provider *p, const struct res_ref *ref, enum res_state *state, struct err *e)
{
	char id[RES_ID_SIZE];

	p->seen[0] = '\0';
	if (ref->kind == RES_DISK || ref->kind == RES_SNAPSHOT)
		return os_disk_poll(os_of(p), ref, state, e);
	if (ref->kind == RES_WORKER || ref->kind == RES_MACHINE)
		return os_server_poll(os_of(p), ref, state, e);
	for (int t = 0; t < OS_TYPES; t++)
		if (os_types[t].kind == ref->kind && os_look_up(os_of(p), (enum os_type)t, ref, id, e) < 0)
			return -1;
		else if (os_types[t].kind == ref->kind)
			*state = id[0] != '\0' ? RES_READY : RES_ABSENT;
	return 0;
}

static int remove_resource(struct provider *p, const struct res_ref *ref, struct err *e)
{
	if (ref->kind == RES_WORKER || ref->kind == RES_MACHINE)
		return os_server_remove(os_of(p), ref, e);
	for (int t = 0; t < OS_TYPES; t++)
		if (os_types[t].kind == ref->kind && os_disk_remove(os_of(p), (enum os_type)t, ref, e) < 0)
			return -1;
	return 0;
}

/* ---- Everything of ours ---- */

struct finding_all {
	enum os_type type;
	const char *job;
	VEC(struct res_ref) found;
};

static int collect(void *ctx, yyjson_val *object)
{
	struct finding_all *f = ctx;
	struct res_ref ref;

	if (os_tags_read(f->type, object, &ref) && (f->job == NULL || strcmp(f->job, ref.tags.job) == 0))
		*vec_push(&f->found) = ref;
	return 0;
}

/* A part of a worker that is there goes with it. */
static bool is_part(const struct finding_all *f, const struct res_ref *ref)
{
	if (ref->kind != RES_NIC && ref->kind != RES_ADDRESS && ref->kind != RES_FIREWALL)
		return false;
	for (size_t i = 0; i < f->found.len; i++) {
		const struct res_ref *it = &f->found.at[i];

		if ((it->kind == RES_WORKER || it->kind == RES_MACHINE) && strcmp(it->name, ref->name) == 0)
			return true;
	}
	return false;
}

static int find(struct provider *p, const char *job, provider_found *cb, void *ctx, struct err *e)
{
	struct finding_all f = {.job = job};
	int rc = 0;

	for (int t = 0; rc == 0 && t < OS_TYPES; t++) {
		f.type = (enum os_type)t;
		rc = os_each(os_of(p), f.type, "", collect, &f, e);
	}
	for (size_t i = 0; rc == 0 && i < f.found.len; i++)
		if (!is_part(&f, &f.found.at[i]) && cb(ctx, &f.found.at[i]) != 0)
			break;
	vec_fini(&f.found);
	return rc;
}

static int worker_size(struct provider *p, unsigned disks, struct worker_size *out, struct err *e)
{
	char image[RES_ID_SIZE];
	bool scsi;

	*out = (struct worker_size){.disks = disks};
	if (disks <= VIRTIO_DISKS)
		return 0;
	if (os_worker_image(p, image, e) < 0 || os_asks_for_scsi(os_of(p), image, &scsi, e) < 0)
		return -1;
	out->disks = scsi ? disks : VIRTIO_DISKS;
	return 0;
}

const struct provider_ops provider_openstack_ops = {
	.name = "openstack",
	.lacks = "it does not know what has changed since a snapshot, so every sync reads all of the source's disks",
	.path_keys = (const char *const[]){"clouds_file", NULL},
	.images = &os_images,
	.open = open_cloud,
	.close = close_cloud,
	.machine_get = os_machine_get,
	.validate = os_validate,
	.quota = os_quota,
	.snapshot_machine = os_snapshot_machine,
	.snapshot_disk = os_snapshot_disk,
	.disk_create = os_disk_create,
	.disk_get = os_disk_get,
	.disk_resize = os_disk_resize,
	.worker_size = worker_size,
	.worker_create = os_worker_create,
	.poll = poll_resource,
	.remove = remove_resource,
	.find = find,
	.console = os_console,
	.endpoint = os_endpoint,
	.replica_claim = os_claim,
	.target_runs_at_once = true,
	.target_create = os_target_create,
	.machine_start = os_machine_start,
	.machine_stop = os_machine_stop,
};
