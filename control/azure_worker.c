// SPDX-License-Identifier: Apache-2.0
/* A worker is a VM with a disk of its own to boot from, a NIC, a network security group, and where asked for an address; on a
 * Hub also a small disk with its bootstrap data. All carry its tags and names that begin with its name. What is not ready yet is
 * said as NETWORK, to be called again: what is there already is adopted then. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "azure.h"
#include "base/base64.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "config_disk.h"
#include "json_format.h"

/* ---- Parts ---- */

static struct res_ref part(const struct res_ref *worker, enum res_kind kind, const char *suffix)
{
	struct res_ref ref = *worker;

	ref.kind = kind;
	ref.id[0] = '\0';
	snprintf(ref.name, sizeof ref.name, "%.70s%s", worker->name, suffix);
	return ref;
}

/* All that a worker or a machine may have besides its VM, in the order of removal. */
static const struct {
	enum azure_type type;
	const char *suffix;
	bool of_machine;  /* a promoted machine has it, too */
} parts[] = {
	{AZURE_NIC, "", true}, {AZURE_ADDRESS, "", false}, {AZURE_NSG, "", false}, {AZURE_DISK, "-os", false}, {AZURE_DISK, "-boot", false},
};

bool azure_is_part(const struct res_ref *worker, const struct res_ref *ref)
{
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		struct res_ref it = part(worker, azure_types[parts[i].type].kind, parts[i].suffix);

		if (it.kind == ref->kind && strcmp(it.name, ref->name) == 0)
			return true;
	}
	return false;
}

static int be_ready(struct azure *a, enum azure_type t, const struct res_ref *ref, struct err *e)
{
	enum res_state state;

	if (azure_state(a, t, ref, &state, NULL, NULL, e) < 0 || state == RES_FAILED)
		return -1;
	return state == RES_READY ? 0 : err_set(e, ERR_NETWORK, 0, "%s %s is still being made", res_kind_name(azure_types[t].kind),
						ref->name);
}

/* ---- Network ---- */

static int make_group(struct azure *a, const struct res_ref *worker, uint16_t port, char id[RES_ID_SIZE], struct err *e)
{
	struct res_ref ref = part(worker, RES_FIREWALL, "");
	cleanup(cleanup_free) char *tags = azure_tags(&ref);
	cleanup(buf_fini) struct buf b = BUF_INIT;
	unsigned n = a->options.allow_count;

	json_format_add(&b, "{'location':%s,'tags':%j,'properties':{'securityRules':[", a->options.location, tags);
	for (unsigned i = 0; i < (n != 0 ? n : 1); i++) {
		char name[24], number[8];

		snprintf(name, sizeof name, "worker-%u", i);
		snprintf(number, sizeof number, "%u", port);
		json_format_add(&b, "%j{'name':%s,'properties':{'protocol':'Tcp','sourcePortRange':'*','destinationPortRange':%s,"
				"'sourceAddressPrefix':%s,'destinationAddressPrefix':'*','access':'Allow','priority':%d,"
				"'direction':'Inbound'}}", i == 0 ? "" : ",", name, number, n != 0 ? a->options.allow[i] : "*", (int)(100 + i));
	}
	/* Default rules let the whole virtual network in. */
	buf_adds(&b, ",{\"name\":\"nobody-else\",\"properties\":{\"protocol\":\"*\",\"sourcePortRange\":\"*\",\"destinationPortRange\":\"*\","
		 "\"sourceAddressPrefix\":\"*\",\"destinationAddressPrefix\":\"*\",\"access\":\"Deny\",\"priority\":4096,"
		 "\"direction\":\"Inbound\"}}]}}");
	return azure_make(a, AZURE_NSG, &ref, b.data, id, e);
}

static int make_address(struct azure *a, const struct res_ref *worker, const char *zone, char id[RES_ID_SIZE], struct err *e)
{
	struct res_ref ref = part(worker, RES_ADDRESS, "");
	cleanup(cleanup_free) char *tags = azure_tags(&ref);
	cleanup(cleanup_free) char *zones = zone[0] != '\0' ? json_format("'zones':[%s],", zone) : NULL;
	cleanup(cleanup_free) char *body =
		json_format("{'location':%s,'tags':%j,%j'sku':{'name':%s},'properties':{'publicIPAllocationMethod':'Static'}}",
			    a->options.location, tags, zones != NULL ? zones : "", a->session.cloud->ip_sku);

	return azure_make(a, AZURE_ADDRESS, &ref, body, id, e);
}

int azure_nic_make(struct azure *a, const struct res_ref *ref, const char *subnet, const char *address, const char *group,
		   char id[RES_ID_SIZE], struct err *e)
{
	struct res_ref nic = part(ref, RES_NIC, "");
	cleanup(cleanup_free) char *tags = azure_tags(&nic);
	cleanup(buf_fini) struct buf b = BUF_INIT;

	json_format_add(&b, "{'location':%s,'tags':%j,'properties':{'ipConfigurations':[{'name':'ipconfig1','properties':{'subnet':{'id':%s},"
			"'privateIPAllocationMethod':'Dynamic'", a->options.location, tags, subnet);
	if (address[0] != '\0')
		json_format_add(&b, ",'publicIPAddress':{'id':%s}", address);
	buf_adds(&b, "}}]");
	if (group[0] != '\0')
		json_format_add(&b, ",'networkSecurityGroup':{'id':%s}", group);
	buf_adds(&b, "}}");
	return azure_make(a, AZURE_NIC, &nic, b.data, id, e) < 0 ? -1 : be_ready(a, AZURE_NIC, &nic, e);
}

/* ---- Disks ---- */

static int make_disk(struct azure *a, const struct res_ref *ref, const char *zone, const char *properties, char id[RES_ID_SIZE],
		     struct err *e)
{
	cleanup(cleanup_free) char *tags = azure_tags(ref);
	cleanup(cleanup_free) char *zones = zone[0] != '\0' ? json_format("'zones':[%s],", zone) : NULL;
	cleanup(cleanup_free) char *body = json_format("{'location':%s,'tags':%j,%j'sku':{'name':'Standard_LRS'},'properties':{%j}}",
						       a->options.location, tags, zones != NULL ? zones : "", properties);

	return azure_make(a, AZURE_DISK, ref, body, id, e);
}

/* A disk of its own, tagged: what a VM makes of an image by itself would carry no tags, and outlive it on a Hub. */
static int make_os_disk(struct azure *a, const struct res_ref *worker, const char *zone, char id[RES_ID_SIZE], struct err *e)
{
	struct res_ref ref = part(worker, RES_DISK, "-os");
	const struct azure_image *image = &a->image;
	cleanup(cleanup_free) char *origin = json_format(image->copy ? "{'createOption':'Copy','sourceResourceId':%s}"
							 : image->gallery ? "{'createOption':'FromImage','galleryImageReference':{'id':%s}}"
							 : "{'createOption':'FromImage','imageReference':{'id':%s}}", image->id);
	cleanup(cleanup_free) char *properties = json_format("'osType':'Linux','hyperVGeneration':%s,'creationData':%j", image->generation,
							     origin);

	return make_disk(a, &ref, zone, properties, id, e);
}

/* Written once; between the data and the footer there are zeros. */
static int fill_boot_disk(struct azure *a, const char *id, const struct buf *image, struct err *e)
{
	cleanup(cleanup_fd) int fd = memfd_create("boot", MFD_CLOEXEC);
	struct image_bytes bytes = {.fd = fd, .size = CONFIG_DISK_SIZE + CONFIG_DISK_FOOTER};
	uint64_t sent = 0;

	if (fd < 0 || pwrite(fd, image->data, CONFIG_DISK_DATA, 0) != CONFIG_DISK_DATA ||
	    pwrite(fd, image->data + CONFIG_DISK_DATA, CONFIG_DISK_FOOTER, CONFIG_DISK_SIZE) != CONFIG_DISK_FOOTER)
		return err_set(e, ERR_IO, 0, "the bootstrap data cannot be held in memory");
	return azure_fill(a, id, &bytes, &sent, e);
}

static int make_boot_disk(struct azure *a, const struct res_ref *worker, const char *bootdata, char id[RES_ID_SIZE],
			  struct err *e)
{
	struct res_ref ref = part(worker, RES_DISK, "-boot");
	bool gone;
	cleanup(cleanup_free) char *properties = json_format("'creationData':{'createOption':'Upload','uploadSizeBytes':%u}",
							     (uint64_t)(CONFIG_DISK_SIZE + CONFIG_DISK_FOOTER));
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	cleanup(buf_fini) struct buf image = BUF_INIT;

	azure_id(a, AZURE_DISK, &ref, id);
	if (strcmp(a->filled, id) == 0)
		return 0;
	if (make_disk(a, &ref, "", properties, id, e) < 0 || be_ready(a, AZURE_DISK, &ref, e) < 0 || config_disk(bootdata, &image, e) < 0)
		return -1;
	yyjson_val *disk = azure_read(a, AZURE_DISK, id, &doc, e);
	if (e->kind != ERR_NONE)
		return -1;
	if (strcmp(azure_text(disk, "/properties/diskState"), "ReadyToUpload") != 0)
		err_set(e, ERR_NETWORK, 0, "disk %s was not written to its end, and is made again", ref.name);
	else if (fill_boot_disk(a, id, &image, e) == 0) {
		snprintf(a->filled, sizeof a->filled, "%s", id);
		return 0;
	}
	/* A disk is uploaded to once: what was begun and did not end well is of no use. */
	azure_revoke(a, AZURE_DISK, id, &(struct err)ERR_INIT);
	azure_remove(a, AZURE_DISK, &ref, &gone, &(struct err)ERR_INIT);
	return -1;
}

/* ---- The VM ---- */

static void add_data_disk(struct buf *b, const struct azure *a, unsigned i, const char *id)
{
	json_format_add(b, "%j{'lun':%d,'createOption':'Attach','caching':'None',%j'managedDisk':{'id':%s}}", i == 0 ? "" : ",",
			(int)(AZURE_FIRST_LUN + i), a->session.cloud->delete_option ? "\"deleteOption\":\"Detach\"," : "", id);
}

static int diagnostics(struct azure *a, struct buf *b, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;

	if (a->session.cloud->managed_diagnostics) {
		buf_adds(b, "{\"enabled\":true}");
		return 0;
	}
	if (azure_call(&a->session, AZURE_STORAGE, "GET", NULL, &doc, NULL, e,
		       "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Storage/storageAccounts/%s", a->session.subscription,
		       a->options.group, a->options.storage_account) < 0)
		return err_wrap(e, "the console of a worker goes to \"storage_account_name\"");
	json_format_add(b, "{'enabled':true,'storageUri':%s}", azure_text(yyjson_doc_get_root(doc), "/properties/primaryEndpoints/blob"));
	return 0;
}

struct made {
	char group[RES_ID_SIZE], address[RES_ID_SIZE], nic[RES_ID_SIZE], os[RES_ID_SIZE], boot[RES_ID_SIZE];
	char zone[8];
};

static int make_vm(struct azure *a, const struct worker_spec *spec, struct res_ref *ref, const struct made *w, struct err *e)
{
	cleanup(cleanup_free) char *tags = azure_tags(ref);
	cleanup(buf_fini) struct buf b = BUF_INIT;
	cleanup(buf_fini) struct buf data = BUF_INIT;
	bool option = a->session.cloud->delete_option;
	const char *size = spec->size != NULL ? spec->size : a->options.size;

	json_format_add(&b, "{'location':%s,'tags':%j,", a->options.location, tags);
	if (w->zone[0] != '\0')
		json_format_add(&b, "'zones':[%s],", w->zone);
	json_format_add(&b, "'properties':{'hardwareProfile':{'vmSize':%s},'storageProfile':{'osDisk':{'osType':'Linux',"
			"'createOption':'Attach',%j'managedDisk':{'id':%s}},'dataDisks':[", size,
			option ? "\"deleteOption\":\"Delete\"," : "", w->os);
	for (unsigned i = 0; i < spec->disk_count; i++)
		add_data_disk(&b, a, i, spec->disks[i].disk->id);
	if (w->boot[0] != '\0')
		add_data_disk(&b, a, spec->disk_count, w->boot);
	json_format_add(&b, "]},'networkProfile':{'networkInterfaces':[{'id':%s,'properties':{'primary':true%j}}]},", w->nic,
			option ? ",\"deleteOption\":\"Delete\"" : "");
	if (a->session.cloud->user_data) {
		base64_encode(spec->bootdata, strlen(spec->bootdata), &data);
		json_format_add(&b, "'userData':%s,", data.data);
	}
	buf_adds(&b, "\"diagnosticsProfile\":{\"bootDiagnostics\":");
	if (diagnostics(a, &b, e) < 0)
		return -1;
	buf_adds(&b, "}}}");
	return azure_make(a, AZURE_VM, ref, b.data, ref->id, e);
}

/* An hour before this one, of tomorrow: who forgets a worker pays for a day of it. */
static int make_schedule(struct azure *a, const struct res_ref *worker, struct err *e)
{
	struct res_ref ref = part(worker, RES_WORKER, "");
	cleanup(cleanup_free) char *tags = azure_tags(&ref);
	char when[24], at[5], id[RES_ID_SIZE];

	clock_format(clock_wall_ns() - 3600 * NS_PER_S, when);
	snprintf(at, sizeof at, "%.2s%.2s", when + 11, when + 14);
	cleanup(cleanup_free) char *body =
		json_format("{'location':%s,'tags':%j,'properties':{'status':'Enabled','taskType':'ComputeVmShutdownTask','dailyRecurrence':{"
			    "'time':%s},'timeZoneId':'UTC','targetResourceId':%s,'notificationSettings':{'status':'Disabled'}}}",
			    a->options.location, tags, at, worker->id);
	return azure_make(a, AZURE_SCHEDULE, &ref, body, id, e);
}

static int make_parts(struct azure *a, struct worker_spec *spec, const struct res_ref *ref, struct made *w, struct err *e)
{
	struct res_ref address = part(ref, RES_ADDRESS, ""), os = part(ref, RES_DISK, "-os"), group = part(ref, RES_FIREWALL, "");

	if (azure_image_find(a, e) < 0 || make_os_disk(a, ref, w->zone, w->os, e) < 0 || make_group(a, ref, spec->port, w->group, e) < 0 ||
	    (a->options.public_ip && make_address(a, ref, w->zone, w->address, e) < 0) ||
	    (!a->session.cloud->user_data && make_boot_disk(a, ref, spec->bootdata, w->boot, e) < 0) ||
	    be_ready(a, AZURE_NSG, &group, e) < 0 || (a->options.public_ip && be_ready(a, AZURE_ADDRESS, &address, e) < 0))
		return -1;
	if (azure_nic_make(a, ref, a->options.subnet, w->address, w->group, w->nic, e) < 0)
		return -1;
	return be_ready(a, AZURE_DISK, &os, e);
}

int azure_worker_create(struct provider *p, struct worker_spec *spec, struct res_ref *ref, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	struct azure *a = azure_of(p);
	struct made w = {.zone = ""};

	/* Disks of a zone are attached to machines of it only. */
	yyjson_val *first = spec->disk_count > 0 ? azure_read(a, AZURE_DISK, spec->disks[0].disk->id, &doc, e) : NULL;
	if (e->kind != ERR_NONE)
		return -1;
	snprintf(w.zone, sizeof w.zone, "%s", azure_text(first, "/zones/0"));
	for (unsigned i = 0; i < spec->disk_count; i++)
		snprintf(spec->disks[i].serial, sizeof spec->disks[i].serial, "lun:*:*:*:%u", AZURE_FIRST_LUN + i);
	if (make_parts(a, spec, ref, &w, e) < 0 || make_vm(a, spec, ref, &w, e) < 0)
		return -1;
	return a->options.auto_shutdown && a->session.cloud->versions[AZURE_SCHEDULES] != NULL ? make_schedule(a, ref, e) : 0;
}

/* ---- Life ---- */

int azure_machine_poll(struct azure *a, const struct res_ref *ref, enum res_state *state, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	yyjson_val *vm = NULL, *status;
	size_t i, max;

	if (azure_state(a, AZURE_VM, ref, state, &doc, &vm, e) < 0)
		return -1;
	for (size_t k = 0; *state == RES_ABSENT && k < sizeof parts / sizeof parts[0]; k++) {
		struct res_ref it = part(ref, azure_types[parts[k].type].kind, parts[k].suffix);

		if (ref->kind == RES_MACHINE && !parts[k].of_machine)
			continue;
		if (azure_state(a, parts[k].type, &it, state, NULL, NULL, e) < 0)
			return -1;
		/* It appears late, or its parts are still to be removed: who waits for either asks again. */
		if (*state != RES_ABSENT && *state != RES_PENDING)
			return err_set(e, ERR_NETWORK, 0, "VM %s is not in %s, and its %s still is", ref->name, a->p.place,
				       res_kind_name(it.kind));
	}
	if (vm == NULL || *state != RES_READY || ref->kind != RES_WORKER)
		return 0;
	yyjson_arr_foreach(yyjson_ptr_get(vm, "/properties/instanceView/statuses"), i, max, status)
		if (strcmp(rest_text(status, "code"), "PowerState/stopped") == 0 ||
		    strcmp(rest_text(status, "code"), "PowerState/deallocated") == 0)
			*state = RES_FAILED;
	if (*state == RES_FAILED)
		err_set(e, ERR_IO, 0, "VM %s went off by itself in %s", ref->name, a->p.place);
	return 0;
}

/* A schedule outlives its VM, and no list names it: one that was made late, and not seen when it was looked for, goes by its name,
 * which nobody else would give it. */
static int remove_unseen_schedule(struct azure *a, const struct res_ref *worker, struct err *e)
{
	struct err why = ERR_INIT;
	char id[RES_ID_SIZE];

	azure_id(a, AZURE_SCHEDULE, worker, id);
	if (azure_change(a, AZURE_SCHEDULE, "DELETE", id, "", NULL, &why) == 0 || why.kind == ERR_NOT_FOUND)
		return 0;
	*e = why;
	return -1;
}

/* The schedule, then the VM; while that is there its parts are in use. Asked again until poll says that all is gone. */
int azure_machine_remove(struct azure *a, const struct res_ref *ref, struct err *e)
{
	bool scheduled = ref->kind == RES_WORKER && a->session.cloud->versions[AZURE_SCHEDULES] != NULL, gone = true;

	if (scheduled && azure_remove(a, AZURE_SCHEDULE, ref, &gone, e) < 0)
		return -1;
	if (azure_remove(a, AZURE_VM, ref, &gone, e) < 0 || (gone && scheduled && remove_unseen_schedule(a, ref, e) < 0))
		return -1;
	for (size_t k = 0; gone && k < sizeof parts / sizeof parts[0]; k++) {
		struct res_ref it = part(ref, azure_types[parts[k].type].kind, parts[k].suffix);

		if ((ref->kind == RES_WORKER || parts[k].of_machine) && azure_remove(a, parts[k].type, &it, &gone, e) < 0)
			return -1;
		gone = gone || parts[k].type == AZURE_DISK || parts[k].type == AZURE_ADDRESS;
	}
	return 0;
}

int azure_console(struct provider *p, const struct res_ref *worker, struct buf *out, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	struct azure *a = azure_of(p);
	struct err why = ERR_INIT;
	int rc = azure_call(&a->session, AZURE_COMPUTE, "POST", NULL, &doc, NULL, &why, "%s/retrieveBootDiagnosticsData", worker->id);

	const char *uri = azure_text(yyjson_doc_get_root(doc), "/serialConsoleLogBlobUri");
	if (rc == 0 && uri[0] != '\0')
		rc = azure_storage_call(&a->session, "GET", uri, NULL, 0, 0, out, &why);
	/* There is none yet while the VM is being made. */
	if (rc < 0 && why.kind != ERR_NOT_FOUND && why.kind != ERR_BUSY) {
		*e = why;
		return -1;
	}
	return 0;
}

int azure_endpoint(struct provider *p, const struct res_ref *worker, uint16_t port, struct endpoint *out, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	struct azure *a = azure_of(p);
	bool public = a->options.public_ip;
	struct res_ref ref = part(worker, public ? RES_ADDRESS : RES_NIC, "");
	yyjson_val *v = azure_look_up(a, public ? AZURE_ADDRESS : AZURE_NIC, &ref, &doc, e);
	const char *ip = azure_text(v, public ? "/properties/ipAddress" : "/properties/ipConfigurations/0/properties/privateIPAddress");

	if (e->kind != ERR_NONE)
		return -1;
	*out = (struct endpoint){.reach = REACH_NETWORK, .port = port};
	snprintf(out->host, sizeof out->host, "%s", ip);
	return ip[0] != '\0' ? 0 : err_set(e, ERR_NOT_FOUND, 0, "worker %s has no address in %s", worker->name, p->place);
}
