// SPDX-License-Identifier: Apache-2.0
/* What stands against replicating a machine from or to a project: asked for without changing anything. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "choice.h"
#include "openstack.h"

#define ABSOLUTE "/limits/absolute"

static void complain(struct findings *out, const char *key, const struct err *e)
{
	findings_add(out, FINDING_ERROR, e->kind, "\"%s\": %s", key, e->msg);
}

/* needed: a worker cannot do without. */
static void check_named(struct openstack *o, enum os_type t, const char *key, const char *name, bool needed,
			struct findings *out)
{
	struct err e = ERR_INIT;
	char id[RES_ID_SIZE];

	if (name[0] == '\0' && needed)
		findings_add(out, FINDING_ERROR, ERR_CONFIG, "\"%s\" is missing for %s: workers need it", key, o->p.place);
	else if (name[0] != '\0' && os_resolve(o, t, name, id, &e) < 0)
		complain(out, key, &e);
}

/* The worker's flavor; doc is the caller's. */
static yyjson_val *read_flavor(struct openstack *o, yyjson_doc **doc, struct err *e)
{
	char id[RES_ID_SIZE];

	return os_resolve(o, OS_FLAVOR, o->options.flavor, id, e) < 0 ? NULL : os_read(o, OS_FLAVOR, id, doc, e);
}

static void too_small(struct openstack *o, const char *of, uint64_t has, uint64_t needs, struct findings *out)
{
	if (has < needs)
		findings_add(out, FINDING_ERROR, ERR_CONFIG, "\"flavor\": %s of %s has %llu %s and a worker needs %llu: name a larger one",
			     o->options.flavor, o->p.place, (unsigned long long)has, of, (unsigned long long)needs);
}

static uint64_t more(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void check_flavor(struct openstack *o, yyjson_val *image, struct findings *out)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	struct err e = ERR_INIT;
	yyjson_val *flavor = read_flavor(o, &doc, &e);
	uint64_t bytes = more(rest_number(image, "virtual_size"), rest_number(image, "size"));

	if (flavor == NULL)
		return;
	too_small(o, "MiB of memory", rest_number(flavor, "ram"), more(rest_number(image, "min_ram"), WORKER_MEMORY_MIB), out);
	if (rest_number(flavor, "disk") != 0) /* 0: as large as the image */
		too_small(o, "GiB of disk", rest_number(flavor, "disk"), more(rest_number(image, "min_disk"), (bytes + GIB - 1) / GIB),
			  out);
}

static void check_worker(struct openstack *o, struct findings *out)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	struct err e = ERR_INIT;
	char image[RES_ID_SIZE];
	yyjson_val *v = os_worker_image(&o->p, image, &e) == 0 ? os_read(o, OS_SAVED_IMAGE, image, &doc, &e) : NULL;

	if (v == NULL && e.kind == ERR_NONE)
		err_set(&e, ERR_NOT_FOUND, 0, "image %s was just removed", image);
	if (v == NULL)
		complain(out, "image", &e);
	check_named(o, OS_FLAVOR, "flavor", o->options.flavor, true, out);
	check_flavor(o, v, out);
}

static void check_zone(struct openstack *o, enum os_service s, const char *what, struct findings *out)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	struct named_choice c = {.name = o->options.zone, .known = BUF_INIT};
	struct err e = ERR_INIT;
	char id[RES_ID_SIZE];
	yyjson_val *zone;
	size_t i, max;

	if (o->options.zone[0] == '\0' || os_call(o, s, "GET", NULL, &doc, &e, "/os-availability-zone") < 0) {
		if (e.kind != ERR_NONE)
			complain(out, "availability_zone", &e);
		return;
	}
	yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(doc), "availabilityZoneInfo"), i, max, zone)
		if (yyjson_is_true(yyjson_ptr_get(zone, "/zoneState/available")))
			named_choice_see(&c, rest_text(zone, "zoneName"), rest_text(zone, "zoneName"));
	if (named_choice_end(&c, o->p.place, what, id, &e) < 0)
		complain(out, "availability_zone", &e);
}

static void check_target(struct openstack *o, const struct machine *m, struct findings *out)
{
	const struct os_options *w = &o->options;
	struct err e = ERR_INIT;
	char id[RES_ID_SIZE];

	if (os_target_flavor(o, m, id, &e) < 0)
		findings_add(out, FINDING_WARNING, e.kind, "`wherry promote`: %s", e.msg);
	check_named(o, OS_NET, "target_network", w->target_network, false, out);
	check_named(o, OS_VOLUME_TYPE, "volume_type", w->volume_type, false, out);
	check_zone(o, OS_VOLUME, "zone of volumes", out);
	if (m->firmware == FIRMWARE_UEFI)
		findings_add(out, FINDING_NOT_CHECKED, ERR_NONE, "whether the hosts of %s boot by UEFI, as the machine does: its promoted "
			     "server asks for it, and starts \\EFI\\BOOT\\BOOTX64.EFI, as boot entries stay behind", o->p.place);
}

int os_validate(struct provider *p, bool source, const struct machine *m, struct findings *out, struct err *e)
{
	struct openstack *o = os_of(p);

	(void)e;
	if (o->reads_only)
		findings_add(out, FINDING_WARNING, ERR_DENIED, "the credentials for %s have only the role \"reader\", with which most clouds let "
			     "nobody make servers and volumes: have them given the role \"member\"", p->place);
	check_worker(o, out);
	check_named(o, OS_NET, "network", o->options.network, true, out);
	check_named(o, OS_NET, "floating_network", o->options.floating_network, false, out);
	check_zone(o, OS_COMPUTE, "zone of servers", out);
	if (!source)
		check_target(o, m, out);
	if (o->options.allow_count == 0)
		findings_add(out, FINDING_WARNING, ERR_NONE, "in %s everybody may knock at a worker's port (only the controller and the "
			     "other worker get in): name their addresses by \"allow\"", p->place);
	return 0;
}

/* ---- Quotas ---- */

int os_quota(struct provider *p, const struct place_needs *n, struct quotas *out, struct err *e)
{
	struct openstack *o = os_of(p);
	cleanup(rest_doc_free) yyjson_doc *flavor_doc = NULL, *compute = NULL, *volume = NULL, *network = NULL;
	yyjson_val *flavor = read_flavor(o, &flavor_doc, e);
	uint64_t each = n->workers, rules = o->options.allow_count != 0 ? o->options.allow_count : 2;
	*e = (struct err)ERR_INIT; /* a flavor that is not there is a finding of its own */
	if (os_call(o, OS_COMPUTE, "GET", NULL, &compute, e, "/limits") < 0 ||
	    os_call(o, OS_VOLUME, "GET", NULL, &volume, e, "/limits") < 0)
		return -1;
	int rc = os_call(o, OS_NETWORK, "GET", NULL, &network, e, "/quotas/%s/details", o->project);
	const struct {
		yyjson_doc *of;
		const char *at, *limit, *used, *what;
		uint64_t need;
	} rows[] = {
		{compute, ABSOLUTE, "maxTotalInstances", "totalInstancesUsed", "servers", each},
		{compute, ABSOLUTE, "maxTotalCores", "totalCoresUsed", "cores", each * rest_number(flavor, "vcpus")},
		{compute, ABSOLUTE, "maxTotalRAMSize", "totalRAMUsed", "MiB of memory", each * rest_number(flavor, "ram")},
		{volume, ABSOLUTE, "maxTotalVolumes", "totalVolumesUsed", "volumes", n->disks},
		{volume, ABSOLUTE, "maxTotalSnapshots", "totalSnapshotsUsed", "snapshots", n->snapshots},
		{volume, ABSOLUTE, "maxTotalVolumeGigabytes", "totalGigabytesUsed", "GiB of volumes and snapshots",
		 n->disk_gib + n->snapshot_gib},
		{network, "/quota/port", "limit", "used", "ports", each},
		{network, "/quota/floatingip", "limit", "used", "floating IPs", o->options.floating_network[0] != '\0' ? each : 0},
		{network, "/quota/security_group", "limit", "used", "security groups", each},
		{network, "/quota/security_group_rule", "limit", "used", "security group rules", each * (rules + 2)}, /* 2 let all out */
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		yyjson_val *root = yyjson_doc_get_root(rows[i].of), *all = yyjson_ptr_get(root, rows[i].at);
		yyjson_val *limit = yyjson_obj_get(all, rows[i].limit);

		if (rows[i].need != 0 && limit != NULL)
			*vec_push(&out->list) = (struct quota){.what = rows[i].what, .limit = yyjson_get_sint(limit), .need = rows[i].need,
							       .used = rest_number(all, rows[i].used) + rest_number(all, "reserved")};
	}
	return rc;
}
