// SPDX-License-Identifier: Apache-2.0
/* A server as a machine: its disks in its own order, its ports; and what stands against replicating it here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "openstack.h"

static struct machine_disk *add_disk(struct machine *m, const char *id, const char *name, uint64_t gib)
{
	struct machine_disk *d = vec_push(&m->disks);

	snprintf(d->id, sizeof d->id, "%s", id);
	snprintf(d->name, sizeof d->name, "%s", name);
	d->size = gib * GIB;
	d->logical_sector = 512;
	d->boot = m->disks.len == 1;
	return d;
}

static void refuse_disk(struct machine_disk *d, const char *why)
{
	snprintf(d->why_not, sizeof d->why_not, "%s", why);
	d->why_kind = ERR_UNSUPPORTED;
}

static int add_volume(struct openstack *o, const char *id, struct machine *m, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	yyjson_val *v = os_read(o, OS_DISK, id, &doc, e);

	if (v == NULL)
		return e->kind != ERR_NONE ? -1 : err_set(e, ERR_NOT_FOUND, 0, "volume %s of server %s is not in %s", id, m->name,
							  o->p.place);
	struct machine_disk *d = add_disk(m, id, rest_text(v, "name")[0] != '\0' ? rest_text(v, "name") : id,
					  rest_number(v, "size"));
	if (yyjson_is_true(yyjson_obj_get(v, "encrypted")))
		refuse_disk(d, "the volume is encrypted, and its replica would not be: move it to a type without encryption first");
	if (d->boot && strcmp(rest_text(yyjson_obj_get(v, "volume_image_metadata"), "hw_firmware_type"), "uefi") == 0)
		m->firmware = FIRMWARE_UEFI;
	return 0;
}

/* "/dev/vdb" before "/dev/vdaa". */
static int by_device(const void *a, const void *b)
{
	const char *x = rest_text(*(yyjson_val *const *)a, "device"), *y = rest_text(*(yyjson_val *const *)b, "device");
	size_t n = strlen(x), k = strlen(y);

	return n != k ? (n < k ? -1 : 1) : strcmp(x, y);
}

static int add_volumes(struct openstack *o, struct machine *m, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	yyjson_val *sorted[64], *a;
	size_t i, max, n = 0;

	if (os_call(o, OS_COMPUTE, "GET", NULL, &doc, e, "/servers/%s/os-volume_attachments", m->id) < 0)
		return -1;
	yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(doc), "volumeAttachments"), i, max, a)
		if (n < sizeof sorted / sizeof sorted[0])
			sorted[n++] = a;
	qsort(sorted, n, sizeof sorted[0], by_device);
	for (i = 0; i < n; i++)
		if (add_volume(o, rest_text(sorted[i], "volumeId"), m, e) < 0)
			return -1;
	return 0;
}

/* Disks that live on the hypervisor: the root of a server booted from an image, and what its flavor adds. */
static void add_local(struct machine *m, yyjson_val *server, yyjson_val *flavor)
{
	uint64_t gib = rest_number(flavor, "disk");
	char id[RES_ID_SIZE];

	snprintf(id, sizeof id, OS_ROOT_ID "%.200s", m->id);
	if (yyjson_is_obj(yyjson_obj_get(server, "image"))) {
		struct machine_disk *d = add_disk(m, id, "root", gib);

		if (gib == 0)
			refuse_disk(d, "its flavor gives the root disk no size: resize the server to one that does");
	}
	if (rest_number(flavor, "ephemeral") != 0)
		refuse_disk(add_disk(m, "", "ephemeral", rest_number(flavor, "ephemeral")),
			    "an ephemeral disk has no snapshots: move what counts to a volume and choose another flavor");
}

static int see_port(void *ctx, yyjson_val *port)
{
	struct machine *m = ctx;
	struct machine_nic *n = vec_push(&m->nics);

	snprintf(n->mac, sizeof n->mac, "%s", rest_text(port, "mac_address"));
	snprintf(n->network, sizeof n->network, "%s", rest_text(port, "network_id"));
	snprintf(n->model, sizeof n->model, "virtio-net-pci");
	return 0;
}

int os_machine_get(struct provider *p, const char *name, struct machine *out, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	char query[RES_ID_SIZE + 16];

	*out = (struct machine){0};
	if (os_resolve(os_of(p), OS_A_SERVER, name, out->id, e) < 0)
		return -1;
	yyjson_val *server = os_read(os_of(p), OS_SERVER, out->id, &doc, e), *flavor = yyjson_obj_get(server, "flavor");
	if (server == NULL)
		return e->kind != ERR_NONE ? -1 : err_set(e, ERR_NOT_FOUND, 0, "server %s was just removed", name);
	snprintf(out->name, sizeof out->name, "%s", rest_text(server, "name"));
	out->running = strcmp(rest_text(server, "status"), "SHUTOFF") != 0;
	out->vcpus = (unsigned)rest_number(flavor, "vcpus");
	out->memory_mib = rest_number(flavor, "ram");
	add_local(out, server, flavor);
	snprintf(query, sizeof query, "&device_id=%.200s", out->id);
	if (add_volumes(os_of(p), out, e) < 0 || os_each(os_of(p), OS_PORT, query, see_port, out, e) < 0) {
		machine_fini(out);
		return -1;
	}
	out->not_one_instant = out->running && out->disks.len > 1;
	return 0;
}

/* ---- What stands against it ---- */

static void check_named(struct openstack *o, enum os_named what, const char *key, const char *name, struct findings *out)
{
	struct err e = ERR_INIT;
	char id[RES_ID_SIZE];

	if (name[0] == '\0')
		findings_add(out, FINDING_ERROR, ERR_CONFIG, "\"%s\" is missing for %s: workers need it", key, o->p.place);
	else if (os_resolve(o, what, name, id, &e) < 0)
		findings_add(out, FINDING_ERROR, e.kind, "\"%s\": %s", key, e.msg);
}

/* limit -1: none. */
static void check_limit(struct openstack *o, yyjson_val *limits, const char *max, const char *used, const char *what,
			uint64_t need, bool source, struct findings *out)
{
	int64_t limit = yyjson_get_sint(yyjson_obj_get(limits, max)), have = (int64_t)rest_number(limits, used);

	if (limit >= 0 && have + (int64_t)need > limit)
		findings_add(out, source ? FINDING_ERROR : FINDING_WARNING, ERR_NO_SPACE,
			     "the quota of %s allows %lld %s, %lld are used and %llu more are needed%s: have it raised, or remove "
			     "something", o->p.place, (long long)limit, what, (long long)have, (unsigned long long)need,
			     source ? "" : " unless the replica is there already");
}

static void check_quota(struct openstack *o, bool source, const struct machine *m, struct findings *out)
{
	cleanup(rest_doc_free) yyjson_doc *compute = NULL;
	cleanup(rest_doc_free) yyjson_doc *volume = NULL;
	struct err e = ERR_INIT;
	uint64_t n = m->disks.len, gib = 0;

	for (size_t i = 0; i < m->disks.len; i++)
		gib += (m->disks.at[i].size + GIB - 1) / GIB;
	if (os_call(o, OS_COMPUTE, "GET", NULL, &compute, &e, "/limits") < 0 ||
	    os_call(o, OS_VOLUME, "GET", NULL, &volume, &e, "/limits") < 0) {
		findings_add(out, FINDING_NOT_CHECKED, e.kind, "the quota: %s", e.msg);
		return;
	}
	yyjson_val *c = yyjson_ptr_get(yyjson_doc_get_root(compute), "/limits/absolute");
	yyjson_val *v = yyjson_ptr_get(yyjson_doc_get_root(volume), "/limits/absolute");
	check_limit(o, c, "maxTotalInstances", "totalInstancesUsed", "servers", 1, source, out);
	check_limit(o, v, "maxTotalVolumes", "totalVolumesUsed", "volumes", n, source, out);
	check_limit(o, v, "maxTotalSnapshots", "totalSnapshotsUsed", "snapshots", n, source, out);
	check_limit(o, v, "maxTotalVolumeGigabytes", "totalGigabytesUsed", "GiB of volumes and snapshots", 2 * gib, source, out);
}

int os_validate(struct provider *p, bool source, const struct machine *m, struct findings *out, struct err *e)
{
	struct openstack *o = os_of(p);
	const struct os_options *w = &o->options;

	(void)e;
	check_named(o, OS_AN_IMAGE, "image", w->image, out);
	check_named(o, OS_A_FLAVOR, "flavor", w->flavor, out);
	check_named(o, OS_A_NETWORK, "network", w->network, out);
	if (w->floating_network[0] != '\0')
		check_named(o, OS_A_NETWORK, "floating_network", w->floating_network, out);
	if (!source && w->target_flavor[0] != '\0')
		check_named(o, OS_A_FLAVOR, "target_flavor", w->target_flavor, out);
	if (!source && w->target_network[0] != '\0')
		check_named(o, OS_A_NETWORK, "target_network", w->target_network, out);
	if (w->allow_count == 0)
		findings_add(out, FINDING_WARNING, ERR_NONE, "in %s everybody may knock at a worker's port (only the controller and the "
			     "other worker get in): name their addresses by \"allow\"", p->place);
	if (source && m->not_one_instant)
		findings_add(out, FINDING_WARNING, ERR_NONE, "%s takes the snapshots of a running server's %zu disks one after the "
			     "other, so data spread over several disks may not fit together: stop the server for the last sync",
			     p->place, m->disks.len);
	check_quota(o, source, m, out);
	return 0;
}
