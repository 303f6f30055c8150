// SPDX-License-Identifier: Apache-2.0
/* A worker is a server with a port, a security group of its own and, where asked for, a floating IP. All have its name and
 * tags; what is left of one is found by them. */
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "json_format.h"
#include "openstack.h"
#include "res_tags.h"

#define VIRTIO_SERIAL 20 /* bytes of a serial that a virtio-blk device has room for */

/* ---- Network ---- */

/* A part of the worker as a resource of its own: made like any other, adopted like any other. */
static struct res_ref part(const struct res_ref *worker, enum os_type t)
{
	struct res_ref ref = *worker;

	ref.kind = os_types[t].kind;
	ref.id[0] = '\0';
	return ref;
}

static int allow(struct openstack *o, const char *group, uint16_t port, struct err *e)
{
	static const char everybody[][64] = {"0.0.0.0/0", "::/0"};
	unsigned named = o->options.allow_count;
	cleanup(buf_fini) struct buf b = BUF_INIT;

	json_format_add(&b, "{'security_group_rules':", 0);
	for (unsigned i = 0; i < (named != 0 ? named : 2); i++) {
		const char *cidr = named != 0 ? o->options.allow[i] : everybody[i];

		json_format_add(&b, "%j{'security_group_id':%s,'direction':'ingress','protocol':'tcp','ethertype':%s,'port_range_min':%d,"
				"'port_range_max':%d,'remote_ip_prefix':%s}", i == 0 ? "[" : ",", group,
				strchr(cidr, ':') != NULL ? "IPv6" : "IPv4", (int)port, (int)port, cidr);
	}
	buf_adds(&b, "]}");
	return os_call(o, OS_NETWORK, "POST", b.data, NULL, e, "/security-group-rules");
}

static int make_group(struct openstack *o, const struct res_ref *ref, uint16_t port, char id[RES_ID_SIZE], struct err *e)
{
	struct res_ref group = part(ref, OS_GROUP);
	char tags[RES_TAGS_SIZE];

	res_tags_write(ref, tags);
	cleanup(cleanup_free) char *body = json_format("{'security_group':{'name':%s,'description':%s}}", ref->name, tags);
	if (os_look_up(o, OS_GROUP, &group, id, e) < 0 || os_make(o, OS_GROUP, &group, body, e) < 0)
		return -1;
	/* BUSY, where the group was there: all rules, which are made at once, are. In a new one it lets nobody in. */
	if (allow(o, group.id, port, e) < 0 && (e->kind != ERR_BUSY || id[0] == '\0'))
		return -1;
	*e = (struct err)ERR_INIT;
	snprintf(id, RES_ID_SIZE, "%s", group.id);
	return 0;
}

static int make_network(struct openstack *o, const struct res_ref *ref, uint16_t tcp_port, char port_id[RES_ID_SIZE],
			struct err *e)
{
	struct res_ref port = part(ref, OS_PORT), address = part(ref, OS_FLOATING_IP);
	char group[RES_ID_SIZE], network[RES_ID_SIZE], outside[RES_ID_SIZE], tags[RES_TAGS_SIZE];

	res_tags_write(ref, tags);
	if (os_resolve(o, OS_NET, o->options.network, network, e) < 0 || make_group(o, ref, tcp_port, group, e) < 0)
		return -1;
	cleanup(cleanup_free) char *body = json_format("{'port':{'name':%s,'description':%s,'network_id':%s,'security_groups':[%s]}}",
						       ref->name, tags, network, group);
	if (os_make(o, OS_PORT, &port, body, e) < 0)
		return -1;
	snprintf(port_id, RES_ID_SIZE, "%s", port.id);
	if (o->options.floating_network[0] == '\0')
		return 0;
	if (os_resolve(o, OS_NET, o->options.floating_network, outside, e) < 0)
		return -1;
	cleanup(cleanup_free) char *ip = json_format("{'floatingip':{'floating_network_id':%s,'port_id':%s,'description':%s}}", outside,
						     port.id, tags);
	return os_make(o, OS_FLOATING_IP, &address, ip, e);
}

/* ---- Server ---- */

int os_asks_for_scsi(struct openstack *o, const char *image, bool *scsi, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	yyjson_val *v = os_read(o, OS_SAVED_IMAGE, image, &doc, e);

	if (v == NULL)
		return e->kind != ERR_NONE ? -1 : err_set(e, ERR_NOT_FOUND, 0, "image %s was just removed", image);
	*scsi = strcmp(rest_text(v, "hw_disk_bus"), "scsi") == 0;
	return 0;
}

/* What the guest sees of a volume's id as the serial of its disk depends on the bus. */
static int set_serials(struct openstack *o, const char *image, struct worker_spec *spec, struct err *e)
{
	bool whole;

	if (os_asks_for_scsi(o, image, &whole, e) < 0)
		return -1;
	for (unsigned i = 0; i < spec->disk_count; i++)
		snprintf(spec->disks[i].serial, sizeof spec->disks[i].serial, "%.*s", whole ? 60 : VIRTIO_SERIAL, spec->disks[i].disk->id);
	return 0;
}

static char *server_body(const struct openstack *o, const struct worker_spec *spec, const struct res_ref *ref, const char *image,
			 const char *flavor, const char *port)
{
	cleanup(buf_fini) struct buf data = BUF_INIT;
	struct buf b = BUF_INIT;
	char tags[RES_TAGS_SIZE];

	res_tags_write(ref, tags);
	base64_encode(spec->bootdata, strlen(spec->bootdata), &data);
	json_format_add(&b, "{'server':{'name':%s,'imageRef':%s,'flavorRef':%s,'networks':[{'port':%s}],'config_drive':true,"
			"'user_data':%s,'metadata':{'wherry':%s},", ref->name, image, flavor, port, data.data, tags);
	if (o->options.zone[0] != '\0')
		json_format_add(&b, "'availability_zone':%s,", o->options.zone);
	json_format_add(&b, "'block_device_mapping_v2':[{'boot_index':0,'uuid':%s,'source_type':'image','destination_type':'local',"
			"'delete_on_termination':true}", image);
	for (unsigned i = 0; i < spec->disk_count; i++)
		json_format_add(&b, ",{'boot_index':-1,'uuid':%s,'source_type':'volume','destination_type':'volume',"
				"'delete_on_termination':false}", spec->disks[i].disk->id);
	buf_adds(&b, "]}}");
	return buf_take(&b);
}

int os_worker_create(struct provider *p, struct worker_spec *spec, struct res_ref *ref, struct err *e)
{
	struct openstack *o = os_of(p);
	char image[RES_ID_SIZE], flavor[RES_ID_SIZE], port[RES_ID_SIZE];

	if (os_worker_image(&o->p, image, e) < 0 ||
	    os_resolve(o, OS_FLAVOR, o->options.flavor, flavor, e) < 0 || set_serials(o, image, spec, e) < 0 ||
	    make_network(o, ref, spec->port, port, e) < 0)
		return -1;
	cleanup(cleanup_free) char *body = server_body(o, spec, ref, image, flavor, port);
	return os_make(o, OS_SERVER, ref, body, e);
}

/* What the server leaves behind it, or never got. *left: any of it is there; removed as well, if so asked. */
static int parts_of(struct openstack *o, const struct res_ref *ref, bool remove, bool *left, struct err *e)
{
	static const enum os_type parts[] = {OS_FLOATING_IP, OS_PORT, OS_GROUP};
	char id[RES_ID_SIZE];

	*left = false;
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		struct res_ref it = part(ref, parts[i]);

		if (os_look_up(o, parts[i], &it, id, e) < 0 || (remove && id[0] != '\0' && os_delete(o, parts[i], id, e) < 0))
			return -1;
		*left |= id[0] != '\0';
	}
	return 0;
}

int os_server_poll(struct openstack *o, const struct res_ref *ref, enum res_state *state, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	yyjson_val *server = os_find(o, OS_SERVER, ref, &doc, e);
	bool left;

	if (e->kind != ERR_NONE)
		return -1;
	if (server == NULL) {
		if (parts_of(o, ref, false, &left, e) < 0)
			return -1;
		*state = left ? RES_FAILED : RES_ABSENT;
		snprintf(o->p.seen, sizeof o->p.seen, "gone, but for its network");
		return 0;
	}
	const char *word = rest_text(server, "status"), *task = rest_text(server, "OS-EXT-STS:task_state");
	snprintf(o->p.seen, sizeof o->p.seen, "%s", task[0] != '\0' ? task : word);
	*state = strcmp(task, "deleting") == 0 || strcmp(word, "BUILD") == 0 ? RES_PENDING
		 : strcmp(word, "ERROR") == 0 ? RES_FAILED : RES_READY;
	if (strcmp(word, "SHUTOFF") == 0 && ref->kind == RES_WORKER && task[0] == '\0')
		*state = RES_FAILED;
	if (*state == RES_FAILED)
		err_set(e, ERR_IO, 0, "server %s (%s) is \"%s\" in %s: %.250s", ref->name, rest_text(server, "id"), word, o->p.place,
			yyjson_obj_get(server, "fault") != NULL ? rest_text(yyjson_obj_get(server, "fault"), "message")
								: "it went off by itself");
	return 0;
}

/* The server first; while it is there, its port is in use. Asked again until poll says that all is gone. */
int os_server_remove(struct openstack *o, const struct res_ref *ref, struct err *e)
{
	char id[RES_ID_SIZE];
	bool left;

	if (os_look_up(o, OS_SERVER, ref, id, e) < 0)
		return -1;
	return id[0] != '\0' ? os_delete(o, OS_SERVER, id, e) : parts_of(o, ref, true, &left, e);
}

int os_console(struct provider *p, const struct res_ref *worker, struct buf *out, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;

	if (os_call(os_of(p), OS_COMPUTE, "POST", "{\"os-getConsoleOutput\":{}}", &doc, e, "/servers/%s/action", worker->id) < 0) {
		/* While a server is being built it has no console yet. */
		if (e->kind != ERR_NOT_FOUND && e->kind != ERR_BUSY)
			return -1;
		*e = (struct err)ERR_INIT;
		return 0;
	}
	buf_adds(out, rest_text(yyjson_doc_get_root(doc), "output"));
	return 0;
}

static int take_address(void *ctx, yyjson_val *port)
{
	struct endpoint *out = ctx;
	const char *ip = rest_text(port, "floating_ip_address");

	if (ip[0] == '\0')
		ip = rest_text(yyjson_arr_get_first(yyjson_obj_get(port, "fixed_ips")), "ip_address");
	snprintf(out->host, sizeof out->host, "%s", ip);
	return ip[0] != '\0';
}

int os_endpoint(struct provider *p, const struct res_ref *worker, uint16_t port, struct endpoint *out, struct err *e)
{
	struct res_ref nic = part(worker, OS_PORT);
	char id[RES_ID_SIZE], query[RES_ID_SIZE + 16];
	bool floating = os_of(p)->options.floating_network[0] != '\0';

	*out = (struct endpoint){.reach = REACH_NETWORK, .port = port};
	if (os_look_up(os_of(p), OS_PORT, &nic, id, e) < 0)
		return -1;
	snprintf(query, sizeof query, "&%s=%.200s", floating ? "port_id" : "id", id);
	if (os_each(os_of(p), floating ? OS_FLOATING_IP : OS_PORT, query, take_address, out, e) < 0)
		return -1;
	return out->host[0] != '\0' ? 0 : err_set(e, ERR_NOT_FOUND, 0, "worker %s has no address in %s", worker->name, p->place);
}
