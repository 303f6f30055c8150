// SPDX-License-Identifier: Apache-2.0
/* A VM as a machine: its disks in the order of their LUNs, its NICs; power. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "azure.h"
#include "base/cleanup.h"
#include "base/mem.h"

void azure_machine_id(const struct azure *a, const char *name, char id[RES_ID_SIZE])
{
	if (name[0] == '/')
		snprintf(id, RES_ID_SIZE, "%s", name);
	else
		snprintf(id, RES_ID_SIZE, "/subscriptions/%s/resourceGroups/%s/providers/%s/%s", a->session.subscription,
			 a->options.group, azure_types[AZURE_VM].path, name);
}

/* ---- Disks ---- */

static void refuse(struct machine_disk *d, const char *why)
{
	snprintf(d->why_not, sizeof d->why_not, "%s", why);
	d->why_kind = ERR_UNSUPPORTED;
}

/* What keeps a disk from being copied from a snapshot of it. */
static void judge(struct machine_disk *d, yyjson_val *v)
{
	const char *sku = azure_text(v, "/sku/name"), *security = azure_text(v, "/properties/securityProfile/securityType");

	if (azure_number(v, "/properties/maxShares") > 1)
		refuse(d, "it is a shared disk, which several machines may write: replicate it inside the guests");
	else if (strcmp(sku, "UltraSSD_LRS") == 0)
		refuse(d, "it is an Ultra disk, whose snapshots make Ultra disks only: change it to Premium v2 first");
	else if (strncmp(security, "Confidential", 12) == 0)
		refuse(d, "it is a disk of a confidential machine, which nobody but that machine can read");
	else if (yyjson_ptr_get(v, "/properties/encryptionSettingsCollection") != NULL &&
		 yyjson_is_true(yyjson_ptr_get(v, "/properties/encryptionSettingsCollection/enabled")))
		refuse(d, "it is encrypted from inside (Azure Disk Encryption) with a key that its replica would not have: use encryption "
			  "at host, or a disk encryption set");
}

/* learn.microsoft.com "Support matrix for VM restore points". */
static bool has_points(yyjson_val *attached, yyjson_val *v)
{
	const char *sku = azure_text(v, "/sku/name");

	return strcmp(sku, "UltraSSD_LRS") != 0 && strcmp(sku, "PremiumV2_LRS") != 0 &&
	       !yyjson_is_true(yyjson_obj_get(attached, "writeAcceleratorEnabled"));
}

static int add_disk(struct azure *a, yyjson_val *attached, struct machine *m, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	const char *id = azure_text(attached, "/managedDisk/id");
	struct machine_disk *d = vec_push(&m->disks);

	snprintf(d->name, sizeof d->name, "%s", rest_text(attached, "name"));
	snprintf(d->id, sizeof d->id, "%s", id);
	d->boot = m->disks.len == 1;
	d->logical_sector = 512;
	if (id[0] == '\0') {
		d->size = azure_number(attached, "/diskSizeGB") * GIB;
		refuse(d, yyjson_ptr_get(attached, "/vhd") != NULL ? "it is not a managed disk: `az vm convert` makes it one"
				: "it lives on the host of the machine (ephemeral) and has no snapshots");
		return 0;
	}
	yyjson_val *v = azure_read(a, AZURE_DISK, id, &doc, e);
	if (v == NULL)
		return e->kind != ERR_NONE ? -1 : err_set(e, ERR_NOT_FOUND, 0, "disk %s of machine %s is not there", id, m->name);
	d->size = azure_number(v, "/properties/diskSizeBytes");
	if (d->size == 0)
		d->size = azure_number(v, "/properties/diskSizeGB") * GIB;
	if (azure_number(v, "/properties/creationData/logicalSectorSize") == 4096)
		d->logical_sector = 4096;
	if (d->boot && strcmp(azure_text(v, "/properties/hyperVGeneration"), "V2") == 0)
		m->firmware = FIRMWARE_UEFI;
	judge(d, v);
	m->not_one_instant |= !has_points(attached, v);
	return 0;
}

static int by_lun(const void *x, const void *y)
{
	uint64_t a = azure_number(*(yyjson_val *const *)x, "/lun"), b = azure_number(*(yyjson_val *const *)y, "/lun");

	return a < b ? -1 : a > b;
}

static int add_disks(struct azure *a, yyjson_val *vm, struct machine *m, struct err *e)
{
	yyjson_val *sorted[64], *d;
	size_t i, max, n = 0;

	if (add_disk(a, yyjson_ptr_get(vm, "/properties/storageProfile/osDisk"), m, e) < 0)
		return -1;
	yyjson_arr_foreach(yyjson_ptr_get(vm, "/properties/storageProfile/dataDisks"), i, max, d)
		if (n < sizeof sorted / sizeof sorted[0])
			sorted[n++] = d;
	qsort(sorted, n, sizeof sorted[0], by_lun);
	for (i = 0; i < n; i++)
		if (add_disk(a, sorted[i], m, e) < 0)
			return -1;
	return 0;
}

/* ---- The rest ---- */

static int add_nic(struct azure *a, const char *id, struct machine *m, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	yyjson_val *v = azure_read(a, AZURE_NIC, id, &doc, e);
	const char *mac = azure_text(v, "/properties/macAddress");
	size_t n = 0;

	if (v == NULL)
		return e->kind != ERR_NONE ? -1 : err_set(e, ERR_NOT_FOUND, 0, "NIC %s of machine %s is not there", id, m->name);
	struct machine_nic *nic = vec_push(&m->nics);
	/* "00-0D-3A-..", which it has only while the machine runs. */
	for (; *mac != '\0' && n + 1 < sizeof nic->mac; mac++)
		nic->mac[n++] = *mac == '-' ? ':' : *mac >= 'A' && *mac <= 'F' ? (char)(*mac + 'a' - 'A') : *mac;
	snprintf(nic->network, sizeof nic->network, "%s", azure_name(azure_text(v, "/properties/ipConfigurations/0/properties/subnet/id")));
	snprintf(nic->model, sizeof nic->model, "netvsc");
	return 0;
}

static bool is_running(yyjson_val *vm)
{
	yyjson_val *status;
	size_t i, max;

	yyjson_arr_foreach(yyjson_ptr_get(vm, "/properties/instanceView/statuses"), i, max, status)
		if (strcmp(rest_text(status, "code"), "PowerState/deallocated") == 0 ||
		    strcmp(rest_text(status, "code"), "PowerState/stopped") == 0)
			return false;
	return true;
}

static yyjson_val *read_machine(struct azure *a, const char *name, yyjson_doc **doc, struct err *e)
{
	char id[RES_ID_SIZE];

	azure_machine_id(a, name, id);
	yyjson_val *vm = azure_read(a, AZURE_VM, id, doc, e);
	if (vm == NULL && e->kind == ERR_NONE)
		err_set(e, ERR_NOT_FOUND, 0, "%s has no machine %s in resource group %s: \"machine\" is the name of one there, or the whole id "
			"of one", a->p.place, name, a->options.group);
	return vm;
}

int azure_machine_get(struct provider *p, const char *name, struct machine *out, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	struct azure *a = azure_of(p);
	struct azure_size size;
	yyjson_val *nic;
	size_t i, max;
	int rc = 0;

	*out = (struct machine){.firmware = FIRMWARE_BIOS};
	yyjson_val *vm = read_machine(a, name, &doc, e);
	if (vm == NULL || azure_size_find(a, azure_text(vm, "/properties/hardwareProfile/vmSize"), 0, 0, 0, &size, e) < 0)
		return -1;
	snprintf(out->id, sizeof out->id, "%s", rest_text(vm, "id"));
	snprintf(out->name, sizeof out->name, "%s", rest_text(vm, "name"));
	out->running = is_running(vm);
	out->vcpus = (unsigned)size.vcpus;
	out->memory_mib = size.memory_mib;
	rc = add_disks(a, vm, out, e);
	yyjson_arr_foreach(yyjson_ptr_get(vm, "/properties/networkProfile/networkInterfaces"), i, max, nic)
		rc = rc == 0 ? add_nic(a, rest_text(nic, "id"), out, e) : rc;
	if (rc < 0)
		machine_fini(out);
	out->not_one_instant |= a->session.cloud->versions[AZURE_RESTORE] == NULL; /* else as add_disk found them */
	out->not_one_instant &= out->running && out->disks.len > 1;
	return rc;
}

static int power(struct provider *p, const char *name, bool on, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	yyjson_val *vm = read_machine(azure_of(p), name, &doc, e);
	bool deallocated = vm != NULL && !is_running(vm);

	if (vm == NULL || deallocated == !on)
		return vm == NULL ? -1 : 0;
	/* A machine that is only powered off is paid for all the same. */
	return azure_change(azure_of(p), AZURE_VM, "POST", rest_text(vm, "id"), on ? "/start" : "/deallocate", NULL, e);
}

int azure_machine_start(struct provider *p, const char *name, struct err *e)
{
	return power(p, name, true, e);
}

int azure_machine_stop(struct provider *p, const char *name, struct err *e)
{
	return power(p, name, false, e);
}
