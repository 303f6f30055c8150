// SPDX-License-Identifier: Apache-2.0
/* A promoted machine: a server on the replica's volumes. Nova starts a server when it makes it. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "choice.h"
#include "json_format.h"
#include "openstack.h"
#include "res_tags.h"

static int see_flavor(void *ctx, yyjson_val *flavor)
{
	size_choice_see(ctx, rest_text(flavor, "id"), rest_number(flavor, "ram"), rest_number(flavor, "vcpus"));
	return 0;
}

int os_target_flavor(struct openstack *o, const struct machine *like, char id[RES_ID_SIZE], struct err *e)
{
	struct size_choice c = {.like = like};

	if (o->options.target_flavor[0] != '\0')
		return os_resolve(o, OS_FLAVOR, o->options.target_flavor, id, e);
	if (os_each(o, OS_FLAVOR, "", see_flavor, &c, e) < 0)
		return -1;
	return size_choice_end(&c, o->p.place, "flavor", "target_flavor", id, e);
}

/* Cinder remembers of a volume made empty neither that it boots nor how. */
static int make_bootable(struct openstack *o, const struct machine *like, const char *volume, struct err *e)
{
	static const char uefi[] = "{\"os-set_image_metadata\":{\"metadata\":{\"hw_firmware_type\":\"uefi\"}}}";

	if (os_call(o, OS_VOLUME, "POST", "{\"os-set_bootable\":{\"bootable\":true}}", NULL, e, "/volumes/%s/action", volume) < 0)
		return -1;
	return like->firmware == FIRMWARE_UEFI ? os_call(o, OS_VOLUME, "POST", uefi, NULL, e, "/volumes/%s/action", volume) : 0;
}

int os_target_create(struct provider *p, const struct target_spec *spec, struct res_ref *ref, struct err *e)
{
	struct openstack *o = os_of(p);
	const char *wanted = o->options.target_network[0] != '\0' ? o->options.target_network : o->options.network;
	struct res_ref port = *ref;
	cleanup(buf_fini) struct buf b = BUF_INIT;
	char flavor[RES_ID_SIZE], network[RES_ID_SIZE], tags[RES_TAGS_SIZE];

	res_tags_write(ref, tags);
	port.kind = RES_NIC;
	if (os_target_flavor(o, spec->like, flavor, e) < 0 || os_resolve(o, OS_NET, wanted, network, e) < 0)
		return -1;
	json_format_add(&b, "{'port':{'name':%s,'description':%s,'network_id':%s}}", ref->name, tags, network);
	if (os_make(o, OS_PORT, &port, b.data, e) < 0)
		return -1;
	buf_clear(&b);
	json_format_add(&b, "{'server':{'name':%s,'flavorRef':%s,'networks':[{'port':%s}],'metadata':{'wherry':%s},"
			"'block_device_mapping_v2':[", ref->name, flavor, port.id, tags);
	for (unsigned i = 0; i < spec->disk_count; i++) {
		bool boot = i < spec->like->disks.len && spec->like->disks.at[i].boot;

		if (boot && make_bootable(o, spec->like, spec->disks[i].id, e) < 0)
			return -1;
		json_format_add(&b, "%j{'boot_index':%d,'uuid':%s,'source_type':'volume','destination_type':'volume',"
				"'delete_on_termination':false}", i == 0 ? "" : ",", boot ? 0 : -1, spec->disks[i].id);
	}
	buf_adds(&b, "]}}");
	return os_make(o, OS_SERVER, ref, b.data, e);
}

static int power(struct provider *p, const char *name, const char *unless, const char *body, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	char id[RES_ID_SIZE];

	if (os_resolve(os_of(p), OS_SERVER, name, id, e) < 0)
		return -1;
	yyjson_val *server = os_read(os_of(p), OS_SERVER, id, &doc, e);
	if (server == NULL || strcmp(rest_text(server, "status"), unless) == 0)
		return e->kind == ERR_NONE ? 0 : -1;
	return os_call(os_of(p), OS_COMPUTE, "POST", body, NULL, e, "/servers/%s/action", id);
}

int os_machine_start(struct provider *p, const char *name, struct err *e)
{
	return power(p, name, "ACTIVE", "{\"os-start\":null}", e);
}

int os_machine_stop(struct provider *p, const char *name, struct err *e)
{
	return power(p, name, "SHUTOFF", "{\"os-stop\":null}", e);
}
