// SPDX-License-Identifier: Apache-2.0
/* A server as a machine: its disks in its own order, its ports. */
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
		return e->kind != ERR_NONE ? -1 : err_set(e, ERR_NOT_FOUND, 0, "volume %s of server %s is not in %s", id, m->name, o->p.place);
	struct machine_disk *d = add_disk(m, id, rest_text(v, "name")[0] != '\0' ? rest_text(v, "name") : id, rest_number(v, "size"));
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
static int add_local(struct openstack *o, struct machine *m, yyjson_val *server, yyjson_val *flavor, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	yyjson_val *image = yyjson_obj_get(server, "image");
	uint64_t gib = rest_number(flavor, "disk");
	char id[RES_ID_SIZE];

	snprintf(id, sizeof id, OS_ROOT_ID "%.200s", m->id);
	if (yyjson_is_obj(image)) {
		struct machine_disk *d = add_disk(m, id, "root", gib);

		if (gib == 0)
			refuse_disk(d, "its flavor gives the root disk no size: resize the server to one that does");
		yyjson_val *made_of = os_read(o, OS_SAVED_IMAGE, rest_text(image, "id"), &doc, e); /* may be gone by now */
		if (strcmp(rest_text(made_of, "hw_firmware_type"), "uefi") == 0)
			m->firmware = FIRMWARE_UEFI;
	}
	if (rest_number(flavor, "ephemeral") != 0)
		refuse_disk(add_disk(m, "", "ephemeral", rest_number(flavor, "ephemeral")),
			    "an ephemeral disk has no snapshots: move what counts to a volume and choose another flavor");
	return e->kind == ERR_NONE ? 0 : -1;
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
	if (os_resolve(os_of(p), OS_SERVER, name, out->id, e) < 0)
		return -1;
	yyjson_val *server = os_read(os_of(p), OS_SERVER, out->id, &doc, e), *flavor = yyjson_obj_get(server, "flavor");
	if (server == NULL)
		return e->kind != ERR_NONE ? -1 : err_set(e, ERR_NOT_FOUND, 0, "server %s was just removed", name);
	snprintf(out->name, sizeof out->name, "%s", rest_text(server, "name"));
	out->running = strcmp(rest_text(server, "status"), "SHUTOFF") != 0;
	out->vcpus = (unsigned)rest_number(flavor, "vcpus");
	out->memory_mib = rest_number(flavor, "ram");
	snprintf(query, sizeof query, "&device_id=%.200s", out->id);
	if (add_local(os_of(p), out, server, flavor, e) < 0 || add_volumes(os_of(p), out, e) < 0 ||
	    os_each(os_of(p), OS_PORT, query, see_port, out, e) < 0) {
		machine_fini(out);
		return -1;
	}
	out->not_one_instant = out->running && out->disks.len > 1;
	return 0;
}
