// SPDX-License-Identifier: Apache-2.0
/* What stands against replicating a machine here, all at once; and what was not looked at. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "azure.h"
#include "base/cleanup.h"
#include "base/mem.h"

static void not_checked(struct findings *out, const char *what, const struct err *e)
{
	findings_add(out, FINDING_NOT_CHECKED, e->kind, "%s: %s", what, e->msg);
}

/* ---- Sizes ---- */

struct sku_check {
	const struct azure *a;
	const char *size, *zone;
	bool found;
	struct findings *out;
};

static const char *capability(yyjson_val *sku, const char *name)
{
	yyjson_val *c;
	size_t i, max;

	yyjson_arr_foreach(yyjson_obj_get(sku, "capabilities"), i, max, c)
		if (strcmp(rest_text(c, "name"), name) == 0)
			return rest_text(c, "value");
	return "";
}

/* "V1,V2" */
static void check_generation(const struct sku_check *s, const char *takes)
{
	const char *image = s->a->image.generation;

	if (takes[0] != '\0' && image[0] != '\0' && strstr(takes, image) == NULL)
		findings_add(s->out, FINDING_ERROR, ERR_CONFIG, "size %s boots images of generation %s, and that of the workers is of %s: run `wherry "
			     "image upload --firmware %s`, or choose another one for workers", s->size, takes, image,
			     strcmp(image, "V1") == 0 ? "uefi" : "bios");
}

static int see_sku(void *ctx, yyjson_val *sku)
{
	struct sku_check *s = ctx;
	const char *size = s->size;
	yyjson_val *r, *zone;
	size_t i, k, max, many;

	if (strcmp(rest_text(sku, "resourceType"), "virtualMachines") != 0 || strcasecmp(rest_text(sku, "name"), size) != 0)
		return 0;
	s->found = true;
	yyjson_arr_foreach(yyjson_obj_get(sku, "restrictions"), i, max, r) {
		bool hit = strcmp(rest_text(r, "type"), "Zone") != 0;

		yyjson_arr_foreach(yyjson_ptr_get(r, "/restrictionInfo/zones"), k, many, zone)
			hit |= s->zone[0] != '\0' && yyjson_equals_str(zone, s->zone);
		if (hit)
			findings_add(s->out, FINDING_ERROR, ERR_NO_SPACE, "size %s is not to be had in %s%s%s (%s): choose another "
				     "one for workers", size, s->a->options.location, s->zone[0] != '\0' ? ", zone " : "", s->zone,
				     rest_text(r, "reasonCode"));
	}
	check_generation(s, capability(sku, "HyperVGenerations"));
	if (strcmp(capability(sku, "DiskControllerTypes"), "NVMe") == 0)
		findings_add(s->out, FINDING_ERROR, ERR_UNSUPPORTED, "size %s has NVMe disks only, whose LUN a guest cannot see: choose another "
			     "one for workers", size);
	return 1;
}

static void check_sku(struct azure *a, const char *size, const char *zone, struct findings *out)
{
	cleanup(cleanup_free) char *path = mem_printf("/subscriptions/%s/providers/Microsoft.Compute/skus?$filter=location%%20eq%%20'%s'",
						      a->session.subscription, a->options.location);
	struct sku_check s = {.a = a, .size = size, .zone = zone, .out = out};
	struct err e = ERR_INIT;

	if (azure_list(&a->session, AZURE_SKUS, path, see_sku, &s, &e) < 0)
		not_checked(out, "restrictions of sizes", &e);
}

static void check_worker(struct azure *a, const struct machine *m, const char *zone, struct findings *out)
{
	struct azure_size size;
	unsigned each;
	struct err e = ERR_INIT;

	if (a->options.size[0] == '\0' || a->options.subnet[0] == '\0') {
		findings_add(out, FINDING_ERROR, ERR_CONFIG, "\"%s\" is missing for %s: workers need it", a->options.size[0] == '\0' ?
			     "export_worker_size" : "subnet_id", a->p.place);
		return;
	}
	if (azure_worker_size_find(a, (unsigned)m->disks.len, &size, &each, &e) < 0) {
		findings_add(out, FINDING_ERROR, e.kind, "%s", e.msg);
		return;
	}
	if (azure_image_find(a, &e) < 0)
		findings_add(out, FINDING_ERROR, e.kind, "%s", e.msg);
	else if (strcmp(a->image.generation, "V2") == 0 && !a->session.cloud->uefi)
		findings_add(out, FINDING_ERROR, ERR_UNSUPPORTED, "\"export_worker_image\" is of generation 2, and %s has only generation 1",
			     a->session.cloud->name);
	if (a->session.cloud->versions[AZURE_SKUS] != NULL)
		check_sku(a, size.name, zone, out);
	else
		findings_add(out, FINDING_NOT_CHECKED, ERR_NONE, "restrictions of sizes: %s does not tell", a->session.cloud->name);
}

/* ---- The machine ---- */

static void check_machine(struct azure *a, const struct machine *m, char zone[8], struct findings *out)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	struct err e = ERR_INIT;
	yyjson_val *vm = azure_read(a, AZURE_VM, m->id, &doc, &e);
	const char *security = azure_text(vm, "/properties/securityProfile/securityType"), *location = rest_text(vm, "location");

	zone[0] = '\0';
	if (vm == NULL) {
		not_checked(out, "the machine", &e);
		return;
	}
	snprintf(zone, 8, "%s", azure_text(vm, "/zones/0"));
	if (strcasecmp(location, a->options.location) != 0)
		findings_add(out, FINDING_ERROR, ERR_CONFIG, "machine %s is in %s, and \"location\" says %s: a worker has to be where the disks are",
			     m->name, location, a->options.location);
	if (strcmp(security, "ConfidentialVM") == 0)
		findings_add(out, FINDING_ERROR, ERR_UNSUPPORTED, "machine %s is confidential: its memory and disks are for nobody else", m->name);
	if (yyjson_is_true(yyjson_ptr_get(vm, "/properties/securityProfile/uefiSettings/vTpmEnabled")))
		findings_add(out, FINDING_WARNING, ERR_NONE, "machine %s has a virtual TPM, whose secrets are not copied: what is sealed to it "
			     "(BitLocker, measured boot) asks for its recovery key in the promoted machine", m->name);
	if (m->not_one_instant)
		findings_add(out, FINDING_WARNING, ERR_NONE, "%s takes the snapshots of a running machine's %zu disks one after the other, so data "
			     "spread over several disks may not fit together: stop the machine for the last sync", a->p.place,
			     m->disks.len);
}

static void check_disk_policies(struct azure *a, const struct machine *m, struct findings *out)
{
	for (size_t i = 0; i < m->disks.len; i++) {
		cleanup(rest_doc_free) yyjson_doc *doc = NULL;
		struct err e = ERR_INIT;
		yyjson_val *d = m->disks.at[i].id[0] != '\0' ? azure_read(a, AZURE_DISK, m->disks.at[i].id, &doc, &e) : NULL;
		const char *policy = azure_text(d, "/properties/networkAccessPolicy");

		if (strcmp(policy, "DenyAll") == 0 || strcmp(policy, "AllowPrivate") == 0)
			findings_add(out, FINDING_NOTE, ERR_NONE, "disk %s has the network access policy %s: it is read by a worker, whole each time, "
				     "because what has changed cannot be asked for", m->disks.at[i].name, policy);
	}
}

int azure_validate(struct provider *p, bool source, const struct machine *m, struct findings *out, struct err *e)
{
	struct azure *a = azure_of(p);
	char zone[8];

	(void)e;
	snprintf(zone, sizeof zone, "%s", a->options.zone);
	if (source) {
		check_machine(a, m, zone, out);
		check_disk_policies(a, m, out);
	} else if (m->firmware == FIRMWARE_UEFI && !a->session.cloud->uefi) {
		findings_add(out, FINDING_ERROR, ERR_UNSUPPORTED, "machine %s boots by UEFI, and %s has only generation 1 (BIOS)", m->name,
			     a->session.cloud->name);
	}
	if (!p->no_workers)
		check_worker(a, m, zone, out);
	azure_check_rights(a, source, out);
	azure_check_locks(a, source, out);
	if (!p->no_workers && a->options.allow_count == 0)
		findings_add(out, FINDING_WARNING, ERR_NONE, "in %s everybody may knock at a worker's port (only the controller and the other worker "
			     "get in): name their addresses by \"allow\"", p->place);
	findings_add(out, FINDING_NOT_CHECKED, ERR_NONE, "whether policies (Azure Policy) of %s forbid something that will be made, and whether "
		     "%s is in stock there", p->place, a->options.size[0] != '\0' ? a->options.size : "a size");
	return 0;
}

/* ---- Quotas ---- */

struct usages {
	const struct row {
		const char *name; /* of the usage */
		const char *what;
		uint64_t need;
	} *rows;
	size_t count;
	struct quotas *out;
};

static int see_usage(void *ctx, yyjson_val *v)
{
	const struct usages *u = ctx;

	for (size_t i = 0; i < u->count; i++)
		if (u->rows[i].need != 0 && strcasecmp(azure_text(v, "/name/value"), u->rows[i].name) == 0)
			*vec_push(&u->out->list) = (struct quota){.what = u->rows[i].what, .limit = (int64_t)azure_number(v, "/limit"),
								  .used = azure_number(v, "/currentValue"), .need = u->rows[i].need};
	return 0;
}

/* Disks are counted by tier: those of a replica by its own, all else as what a worker boots from. */
int azure_quota(struct provider *p, const struct place_needs *n, struct quotas *out, struct err *e)
{
	struct azure *a = azure_of(p);
	bool premium = strncmp(a->options.disk_sku, "Premium", 7) == 0, ssd = strncmp(a->options.disk_sku, "StandardSSD", 11) == 0;
	uint64_t addresses = a->options.public_ip ? n->workers : 0, boot = n->workers * (a->session.cloud->user_data ? 1 : 2);
	struct azure_size size = {.vcpus = 0};
	struct err ignored = ERR_INIT; /* a size that is not there is a finding of its own */
	unsigned each;

	azure_worker_size_find(a, n->machine_disks, &size, &each, &ignored);
	const struct row rows[] = {
		{"cores", "cores", n->workers * size.vcpus}, {"virtualMachines", "virtual machines", n->workers},
		{"PremiumDiskCount", "premium disks", premium ? n->disks : 0},
		{"StandardSSDDiskCount", "standard SSD disks", ssd ? n->disks : 0},
		{"StandardDiskCount", "standard disks", boot + (premium || ssd ? 0 : n->disks)},
		{"StandardSnapshotCount", "snapshots", n->snapshots},
		{"NetworkInterfaces", "NICs", n->workers}, {"NetworkSecurityGroups", "network security groups", n->workers},
		{"PublicIPAddresses", "public addresses", addresses}, {"StandardSkuPublicIpAddresses", "standard public addresses", addresses},
	};
	const struct {
		enum azure_api api;
		const char *provider;
	} lists[] = {{AZURE_COMPUTE, "Microsoft.Compute"}, {AZURE_NETWORK, "Microsoft.Network"}};
	struct usages u = {.rows = rows, .count = sizeof rows / sizeof rows[0], .out = out};
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		cleanup(cleanup_free) char *path = mem_printf("/subscriptions/%s/providers/%s/locations/%s/usages", a->session.subscription,
							      lists[i].provider, a->options.location);

		if (azure_list(&a->session, lists[i].api, path, see_usage, &u, e) < 0)
			return -1;
	}
	return 0;
}
