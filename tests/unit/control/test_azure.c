// SPDX-License-Identifier: Apache-2.0
/* The Azure driver against a Resource Manager that answers as told. Whole runs: tests/clouds/azure. */
#include <string.h>

#include "azure_driver_fixture.h"
#include "base/base64.h"
#include "base/cleanup.h"
#include "config_disk.h"

/* Ids are made of the groups: what was made under one pair of them is not found under another. */
static void open_with_another_group_is_another_place(void **state)
{
	struct world *t = opened(state, false);
	struct provider *same = open_more(t, false, ",\"worker_resource_group\":\"g\"");
	struct provider *other = open_more(t, false, ",\"worker_resource_group\":\"w\"");

	assert_true(provider_same_place(t->p, same));
	assert_false(provider_same_place(t->p, other));
	provider_close(same);
	provider_close(other);
}

/* ---- Reading ---- */

static void machine_get_reads_disks_by_lun_and_what_cannot_be_copied(void **state)
{
	struct world *t = opened(state, false);
	struct machine m;

	says(t, "GET " COMPUTE "virtualMachines/web1?$expand=instanceView&api-version=2024-07-01", 200,
	     "{\"id\":\"" COMPUTE "virtualMachines/web1\",\"name\":\"web1\",\"location\":\"here\",\"properties\":{\"hardwareProfile\":{\"vmSize\":"
	     "\"small\"},\"instanceView\":{\"statuses\":[{\"code\":\"PowerState/running\"}]},\"storageProfile\":{\"osDisk\":{\"name\":\"os\","
	     "\"managedDisk\":{\"id\":\"" COMPUTE "disks/os\"}},\"dataDisks\":[{\"lun\":9,\"name\":\"b\",\"managedDisk\":{\"id\":\"" COMPUTE
	     "disks/b\"}},{\"lun\":2,\"name\":\"a\",\"managedDisk\":{\"id\":\"" COMPUTE "disks/a\"}},{\"lun\":3,\"name\":\"old\",\"diskSizeGB\":1,"
	     "\"vhd\":{\"uri\":\"x\"}}]},\"networkProfile\":{\"networkInterfaces\":[{\"id\":\"" NETWORK "networkInterfaces/n\"}]}}}");
	says(t, "/vmSizes", 200, SIZES);
	says(t, "disks/os?", 200, "{\"properties\":{\"diskSizeBytes\":1073741824,\"hyperVGeneration\":\"V2\"}}");
	says(t, "disks/a?", 200, "{\"sku\":{\"name\":\"PremiumV2_LRS\"},\"properties\":{\"diskSizeGB\":2,\"creationData\":{\"logicalSectorSize\":4096}}}");
	says(t, "disks/b?", 200, "{\"properties\":{\"diskSizeBytes\":512,\"maxShares\":2}}");
	says(t, "networkInterfaces/n?", 200, "{\"properties\":{\"macAddress\":\"00-0D-3A-AB-CD-EF\",\"ipConfigurations\":[{\"properties\":{\"subnet\":"
	     "{\"id\":\"/x/subnets/front\"}}}]}}");
	ok(t->p->ops->machine_get(t->p, "web1", &m, e));
	assert_true(m.running && m.not_one_instant && m.firmware == FIRMWARE_UEFI);
	assert_int_equal(m.vcpus, 2);
	assert_int_equal(m.memory_mib, 4096);
	assert_int_equal(m.disks.len, 4);
	assert_true(m.disks.at[0].boot && m.disks.at[0].size == GIB && m.disks.at[0].why_not[0] == '\0');
	assert_string_equal(m.disks.at[1].name, "a");
	assert_int_equal(m.disks.at[1].logical_sector, 4096);
	assert_has(m.disks.at[2].why_not, "not a managed disk");
	assert_has(m.disks.at[3].why_not, "shared disk");
	assert_string_equal(m.nics.at[0].mac, "00:0d:3a:ab:cd:ef");
	assert_string_equal(m.nics.at[0].network, "front");
	machine_fini(&m);
	says(t, "virtualMachines/web2", 404, NOT_THERE);
	refused(t->p->ops->machine_get(t->p, "web2", &m, e), ERR_NOT_FOUND, "has no machine web2 in resource group g");
}

/* ---- Making ---- */

static void make_of_what_is_there_adopts_or_refuses_it(void **state)
{
	static const struct {
		const char *there;
		enum err_kind kind;
		const char *words;
	} cases[] = {
		{"{" TAGGED("scaffold", "d") "}", ERR_NONE, ""},
		{"{\"tags\":{\"wherry\":\"wherry1 o=other j=web1 r=run1 e=3 p=scaffold x=0 g=0 d=0 n=d\"}}", ERR_BUSY, "belongs to owner other"},
		{"{\"tags\":{}}", ERR_BUSY, "it is not touched"},
		{"{" TAGGED("scaffold", "d") ",\"properties\":{\"provisioningState\":\"Deleting\"}}", ERR_NETWORK, "is still being removed"},
	};
	struct world *t = opened(state, false);
	struct disk_spec spec = {.size = 1};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct res_ref ref = a_ref(RES_DISK, PURPOSE_SCAFFOLD, "d");
		struct err e = ERR_INIT;

		says(t, "GET " COMPUTE "disks/d?", 200, cases[i].there);
		assert_int_equal(t->p->ops->disk_create(t->p, &spec, &ref, &e), cases[i].kind == ERR_NONE ? 0 : -1);
		assert_int_equal(e.kind, cases[i].kind);
		assert_has(e.msg, cases[i].words);
	}
	assert_int_equal(rest_replay_seen(t->w->cloud, "PUT "), 0);
}

static void disk_create_each_kind_says_what_it_is_made_of(void **state)
{
	struct world *t = opened(state, false);
	struct res_ref snapshot = a_ref(RES_SNAPSHOT, PURPOSE_SCAFFOLD, "s"), clone = a_ref(RES_DISK, PURPOSE_SCAFFOLD, "c");
	struct res_ref replica = a_ref(RES_DISK, PURPOSE_REPLICA, "r");
	struct disk_spec copy = {.from_snapshot = &snapshot}, empty = {.size = GIB + 1, .boots = true, .firmware = FIRMWARE_UEFI};

	snprintf(snapshot.id, sizeof snapshot.id, COMPUTE "snapshots/s");
	says(t, "GET " COMPUTE "disks/c?", 404, NOT_THERE);
	says(t, "GET " COMPUTE "snapshots/s?", 200, "{\"properties\":{\"creationData\":{\"sourceResourceId\":\"" COMPUTE "disks/src\"},\"encryption\":{"
	     "\"diskEncryptionSetId\":\"/keys\"},\"hyperVGeneration\":\"V2\"}}");
	says(t, "GET " COMPUTE "disks/src?", 200, "{\"zones\":[\"2\"],\"sku\":{\"name\":\"Premium_LRS\"}}");
	says(t, "PUT " COMPUTE "disks/c?", 202, "");
	ok(t->p->ops->disk_create(t->p, &copy, &clone, e));
	assert_string_equal(clone.id, COMPUTE "disks/c");
	assert_string_equal(rest_replay_body(t->w->cloud, "PUT "),
		"{\"location\":\"here\",\"tags\":{\"wherry\":\"" TAGS("scaffold", "c") "\"},\"sku\":{\"name\":\"Premium_LRS\"},\"zones\":[\"2\"],"
		"\"properties\":{\"creationData\":{\"createOption\":\"Copy\",\"sourceResourceId\":\"" COMPUTE "snapshots/s\"},\"encryption\":{"
		"\"diskEncryptionSetId\":\"/keys\",\"type\":\"EncryptionAtRestWithCustomerKey\"},\"hyperVGeneration\":\"V2\"}}");
	says(t, "GET " COMPUTE "disks/r?", 404, NOT_THERE);
	says(t, "PUT " COMPUTE "disks/r?", 202, "");
	ok(t->p->ops->disk_create(t->p, &empty, &replica, e));
	assert_has(rest_replay_body(t->w->cloud, "PUT "), "\"properties\":{\"creationData\":{\"createOption\":\"Empty\"},\"diskSizeGB\":2,\"osType\":"
		   "\"Linux\",\"hyperVGeneration\":\"V2\"}");
}

static void poll_each_state(void **state)
{
	static const struct {
		int status;
		const char *reply;
		enum res_state state;
	} cases[] = {
		{404, NOT_THERE, RES_ABSENT},
		{200, "{" TAGGED("scaffold", "s") "}", RES_READY},
		{200, "{" TAGGED("scaffold", "s") ",\"properties\":{\"provisioningState\":\"Succeeded\",\"completionPercent\":100}}", RES_READY},
		{200, "{" TAGGED("scaffold", "s") ",\"properties\":{\"provisioningState\":\"Succeeded\",\"completionPercent\":7.5}}", RES_PENDING},
		{200, "{" TAGGED("scaffold", "s") ",\"properties\":{\"provisioningState\":\"Updating\"}}", RES_PENDING},
		{200, "{" TAGGED("scaffold", "s") ",\"properties\":{\"provisioningState\":\"Deleting\"}}", RES_PENDING},
		{200, "{" TAGGED("scaffold", "s") ",\"properties\":{\"provisioningState\":\"Failed\"}}", RES_FAILED},
	};
	struct world *t = opened(state, false);
	struct res_ref ref = a_ref(RES_SNAPSHOT, PURPOSE_SCAFFOLD, "s");

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct err e = ERR_INIT;
		enum res_state got;

		says(t, "snapshots/s", cases[i].status, cases[i].reply);
		assert_int_equal(t->p->ops->poll(t->p, &ref, &got, &e), 0);
		assert_int_equal(got, cases[i].state);
		assert_true((e.kind != ERR_NONE) == (got == RES_FAILED));
	}
}

/* The operation tells why; the thing itself only that. */
static void poll_of_a_failed_operation_says_why(void **state)
{
	struct world *t = opened(state, false);
	struct res_ref ref = a_ref(RES_DISK, PURPOSE_SCAFFOLD, "d");
	char *header = mem_printf("Azure-AsyncOperation: %s/op/1\r\n", t->w->url);
	enum res_state got;
	struct err why = ERR_INIT;

	says(t, "GET " COMPUTE "disks/d?", 404, NOT_THERE);
	rest_replay_answer(t->w->cloud, "PUT ", 202, header, "", 1);
	ok(t->p->ops->disk_create(t->p, &(struct disk_spec){.size = 1}, &ref, e));
	says(t, "/op/1", 200, "{\"status\":\"InProgress\"}");
	ok(t->p->ops->poll(t->p, &ref, &got, e));
	assert_int_equal(got, RES_PENDING);
	says(t, "/op/1", 200, "{\"status\":\"Failed\",\"error\":{\"code\":\"DiskQuota\",\"message\":\"too many\"}}");
	assert_int_equal(t->p->ops->poll(t->p, &ref, &got, &why), 0);
	assert_int_equal(got, RES_FAILED);
	assert_has(why.msg, "the operation failed: DiskQuota: too many");
	free(header);
}

/* Who waits for it asks on: it appears late. Who removes it removes its parts, too. */
static void poll_of_a_worker_whose_vm_is_not_there_but_its_parts_are_is_to_be_asked_again(void **state)
{
	struct world *t = opened(state, false);
	struct res_ref ref = a_ref(RES_WORKER, PURPOSE_SCAFFOLD, "w");
	enum res_state got;

	says(t, "virtualMachines/w?", 404, NOT_THERE);
	says(t, "networkInterfaces/w?", 200, "{" TAGGED("scaffold", "w") "}");
	refused(t->p->ops->poll(t->p, &ref, &got, e), ERR_NETWORK, "VM w is not in");
	says(t, "virtualMachines/w?", 404, NOT_THERE);
	rest_replay_fault(t->w->cloud, "GET /subscriptions", 404, NOT_THERE, 0, 9);
	ok(t->p->ops->poll(t->p, &ref, &got, e));
	assert_int_equal(got, RES_ABSENT);
}

/* ---- Workers ---- */

static void worker_create_makes_its_parts_then_the_vm(void **state)
{
	static const char *const made[] = {"disks/w-os", "networkSecurityGroups/w", "publicIPAddresses/w", "networkInterfaces/w"};
	struct world *t = opened(state, false);
	struct res_ref disk = a_ref(RES_DISK, PURPOSE_SCAFFOLD, "d"), ref = a_ref(RES_WORKER, PURPOSE_SCAFFOLD, "w");
	struct worker_disk two[] = {{.disk = &disk}, {.disk = &disk}};
	struct worker_spec spec = {.bootdata = "{\"a\":1}", .size = "Big", .disks = two, .disk_count = 2, .port = 4433};

	snprintf(disk.id, sizeof disk.id, COMPUTE "disks/d");
	says(t, "disks/d?", 200, "{\"zones\":[\"3\"]}");
	says(t, "disks/img?", 200, "{\"properties\":{\"hyperVGeneration\":\"V2\"}}");
	for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
		char get[100], there[400];

		snprintf(get, sizeof get, "GET %s%s?", i == 0 ? COMPUTE : NETWORK, made[i]);
		snprintf(there, sizeof there, "{\"name\":\"%s\",\"tags\":{\"wherry\":\"" TAGS("scaffold", "w") "\"}}", azure_name(made[i]));
		rest_replay_fault(t->w->cloud, get, 404, NOT_THERE, 0, 1);
		rest_replay_fault(t->w->cloud, get, 200, there, 0, 9);
	}
	says(t, "GET " COMPUTE "virtualMachines/w?", 404, NOT_THERE);
	says(t, "schedules/shutdown-computevm-w", 404, NOT_THERE);
	rest_replay_fault(t->w->cloud, "PUT ", 201, "{}", 0, 9);
	ok(t->p->ops->worker_create(t->p, &spec, &ref, e));
	assert_string_equal(ref.id, COMPUTE "virtualMachines/w");
	assert_string_equal(two[0].serial, "lun:*:*:*:1");
	assert_string_equal(two[1].serial, "lun:*:*:*:2");
	assert_has(rest_replay_body(t->w->cloud, "PUT " NETWORK "networkSecurityGroups"), "\"destinationPortRange\":\"4433\",\"sourceAddressPrefix\":"
		   "\"192.0.2.0/24\",\"destinationAddressPrefix\":\"*\",\"access\":\"Allow\",\"priority\":100");
	const char *vm = rest_replay_body(t->w->cloud, "PUT " COMPUTE "virtualMachines/w");
	assert_has(vm, "\"zones\":[\"3\"],\"properties\":{\"hardwareProfile\":{\"vmSize\":\"Big\"},\"storageProfile\":{\"osDisk\":{\"osType\":\"Linux\","
		   "\"createOption\":\"Attach\",\"deleteOption\":\"Delete\",\"managedDisk\":{\"id\":\"" COMPUTE "disks/w-os\"}},\"dataDisks\":[{\"lun\":1,"
		   "\"createOption\":\"Attach\",\"caching\":\"None\",\"deleteOption\":\"Detach\",\"managedDisk\":{\"id\":\"" COMPUTE "disks/d\"}},{\"lun\":2,");
	assert_has(vm, "\"userData\":\"eyJhIjoxfQ==\"");
	assert_null(strstr(vm, "osProfile"));
	assert_has(rest_replay_head(t->w->cloud, "PUT " COMPUTE "virtualMachines/w"), "If-None-Match: *");
	assert_has(rest_replay_body(t->w->cloud, "PUT " RG "Microsoft.DevTestLab/schedules/shutdown-computevm-w"),
		   "\"targetResourceId\":\"" COMPUTE "virtualMachines/w\"");
}

/* A Hub has no user data and no deleteOption; a small disk with the bootstrap data is written by a signed URL. */
static void worker_create_on_a_hub_brings_its_data_on_a_disk(void **state)
{
	static const char *const made[] = {"disks/w-os", "disks/w-boot", "networkSecurityGroups/w", "publicIPAddresses/w", "networkInterfaces/w"};
	struct world *t = opened(state, true);
	struct res_ref ref = a_ref(RES_WORKER, PURPOSE_SCAFFOLD, "w");
	struct worker_spec spec = {.bootdata = "{\"a\":1}", .port = 4433};
	char *sas = mem_printf("{\"accessSAS\":\"%s/upload?sig=" CANARY "\"}", t->w->url), text[65536];

	says(t, "disks/img?", 200, "{}");
	for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
		char get[100], there[400];

		snprintf(get, sizeof get, "GET %s%s?", i < 2 ? COMPUTE : NETWORK, made[i]);
		snprintf(there, sizeof there, "{\"name\":\"%s\",\"tags\":{\"wherry\":\"" TAGS("scaffold", "w") "\"},\"properties\":{\"diskState\":"
			 "\"ReadyToUpload\"}}", azure_name(made[i]));
		rest_replay_fault(t->w->cloud, get, 404, NOT_THERE, 0, 1);
		rest_replay_fault(t->w->cloud, get, 200, there, 0, 9);
	}
	says(t, "GET " COMPUTE "virtualMachines/w?", 404, NOT_THERE);
	says(t, "beginGetAccess", 200, sas);
	says(t, "endGetAccess", 200, "{}");
	rest_replay_fault(t->w->cloud, "PUT /upload", 201, "", 0, 2);
	says(t, "storageAccounts/acc", 200, "{\"properties\":{\"primaryEndpoints\":{\"blob\":\"https://acc.blob/\"}}}");
	rest_replay_fault(t->w->cloud, "PUT ", 201, "{}", 0, 9);
	ok(t->p->ops->worker_create(t->p, &spec, &ref, e));
	assert_has(rest_replay_head(t->w->cloud, "PUT /upload"), "x-ms-range: bytes=20971520-20972031");
	assert_int_equal(rest_replay_seen(t->w->cloud, "endGetAccess"), 1);
	const char *vm = rest_replay_body(t->w->cloud, "PUT " COMPUTE "virtualMachines/w");
	assert_has(vm, "{\"lun\":1,\"createOption\":\"Attach\",\"caching\":\"None\",\"managedDisk\":{\"id\":\"" COMPUTE "disks/w-boot\"}}");
	assert_has(vm, "\"bootDiagnostics\":{\"enabled\":true,\"storageUri\":\"https://acc.blob/\"}");
	assert_null(strstr(vm, "userData"));
	assert_null(strstr(vm, "deleteOption"));
	assert_int_equal(rest_replay_seen(t->w->cloud, "schedules"), 0);
	ssize_t n = pread(t->w->log.fd, text, sizeof text - 1, 0);
	assert_true(n > 0);
	text[n] = '\0';
	assert_null(strstr(text, CANARY));
	free(sas);
}

/* A disk is uploaded to once: after a write that failed another one is made, and only that one is written and attached. */
static void worker_create_after_a_failed_write_makes_the_config_disk_again(void **state)
{
#define BOOT_GET "GET " COMPUTE "disks/w-boot?"
	struct world *t = opened(state, true);
	struct res_ref ref = a_ref(RES_WORKER, PURPOSE_SCAFFOLD, "w");
	struct worker_spec spec = {.bootdata = "{\"a\":1}", .port = 4433};
	const char *there = "{" TAGGED("scaffold", "w-boot") ",\"properties\":{\"diskState\":\"ReadyToUpload\"}}";
	char *sas = mem_printf("{\"accessSAS\":\"%s/upload?sig=" CANARY "\"}", t->w->url);

	rest_replay_fault(t->w->cloud, "disks/img?", 200, "{}", 0, 9);
	for (int tries = 0; tries < 2; tries++) {
		says(t, BOOT_GET, 404, NOT_THERE);
		rest_replay_fault(t->w->cloud, BOOT_GET, 200, there, 0, tries == 0 ? 3 : 9);
	}
	rest_replay_fault(t->w->cloud, "GET " COMPUTE "virtualMachines/w?", 404, NOT_THERE, 0, 9);
	rest_replay_fault(t->w->cloud, "GET /subscriptions", 200, "{" TAGGED("scaffold", "w") "}", 0, 99);
	rest_replay_fault(t->w->cloud, "beginGetAccess", 200, sas, 0, 9);
	rest_replay_fault(t->w->cloud, "endGetAccess", 200, "{}", 0, 9);
	says(t, "PUT /upload", 201, "");
	says(t, "PUT /upload", 500, "");
	rest_replay_fault(t->w->cloud, "PUT ", 201, "{}", 0, 99);
	rest_replay_fault(t->w->cloud, "DELETE " COMPUTE "disks/w-boot", 200, "", 0, 1);
	refused(t->p->ops->worker_create(t->p, &spec, &ref, e), ERR_NETWORK, "/upload");
	assert_int_equal(rest_replay_seen(t->w->cloud, "DELETE " COMPUTE "disks/w-boot"), 1);
	assert_int_equal(rest_replay_seen(t->w->cloud, "PUT " COMPUTE "virtualMachines"), 0);
	ok(t->p->ops->worker_create(t->p, &spec, &ref, e));
	assert_int_equal(rest_replay_seen(t->w->cloud, "PUT " COMPUTE "disks/w-boot"), 2);
	assert_int_equal(rest_replay_seen(t->w->cloud, "PUT /upload"), 4);
	/* What was written whole is not written again when the VM is asked for once more. */
	ok(t->p->ops->worker_create(t->p, &spec, &ref, e));
	assert_int_equal(rest_replay_seen(t->w->cloud, "PUT /upload"), 4);
	free(sas);
}

static void console_without_an_address_is_empty_yet(void **state)
{
	struct world *t = opened(state, false);
	struct res_ref ref = a_ref(RES_WORKER, PURPOSE_SCAFFOLD, "w");
	cleanup(buf_fini) struct buf out = BUF_INIT;

	says(t, "retrieveBootDiagnosticsData", 200, "{\"consoleScreenshotBlobUri\":\"\"}");
	ok(t->p->ops->console(t->p, &ref, &out, e));
	assert_int_equal(out.len, 0);
}

/* An operation that asks to be looked at after the time one has for it is not waited for. */
static void grant_of_a_slow_cloud_ends_in_time(void **state)
{
	struct world *t = opened(state, false);
	char *header = mem_printf("Azure-AsyncOperation: %s/op\r\nRetry-After: 300\r\n", t->w->url), *url = NULL;

	rest_replay_answer(t->w->cloud, "beginGetAccess", 202, header, "", 1);
	refused(azure_grant((struct azure *)t->p, AZURE_DISK, COMPUTE "disks/d", "Read", &url, e), ERR_TIMEOUT, "takes longer than 90 s");
	assert_int_equal(rest_replay_seen(t->w->cloud, "GET /op"), 0);
	free(header);
}

static void remove_of_a_worker_goes_from_the_schedule_to_the_disks(void **state)
{
	struct world *t = opened(state, false);
	struct res_ref ref = a_ref(RES_WORKER, PURPOSE_SCAFFOLD, "w");

	says(t, "GET " RG "Microsoft.DevTestLab", 404, NOT_THERE);
	says(t, "GET " COMPUTE "virtualMachines/w?", 200, "{" TAGGED("scaffold", "w") "}");
	says(t, "DELETE " COMPUTE "virtualMachines/w?", 202, "");
	ok(t->p->ops->remove(t->p, &ref, e));
	assert_int_equal(rest_replay_seen(t->w->cloud, "networkInterfaces"), 0);
	says(t, "GET " RG "Microsoft.DevTestLab", 404, NOT_THERE);
	says(t, "GET " COMPUTE "virtualMachines/w?", 404, NOT_THERE);
	says(t, "DELETE " RG "Microsoft.DevTestLab/schedules/shutdown-computevm-w?", 204, ""); /* it may be there, unseen */
	says(t, "GET " NETWORK "networkInterfaces/w?", 200, "{" TAGGED("scaffold", "w") "}");
	says(t, "DELETE " NETWORK "networkInterfaces/w?", 400, "{\"error\":{\"code\":\"NicReservedForAnotherVm\",\"message\":\"m\"}}");
	refused(t->p->ops->remove(t->p, &ref, e), ERR_BUSY, "NicReservedForAnotherVm");
	assert_int_equal(rest_replay_seen(t->w->cloud, "DELETE " RG "Microsoft.DevTestLab"), 1);
	assert_true(t->p->not_before_ns > 0);
}

/* ---- Claims and changes ---- */

static void remove_of_a_disk_with_a_signed_url_revokes_it_first(void **state)
{
	static const char *const states[] = {"ActiveSAS", "ActiveUpload", "Unattached"};
	struct world *t = opened(state, true);
	struct res_ref ref = a_ref(RES_DISK, PURPOSE_SCAFFOLD, "w-boot");

	for (unsigned i = 0; i < 3; i++) {
		char *disk = mem_printf("{" TAGGED("scaffold", "w-boot") ",\"properties\":{\"diskState\":\"%s\"}}", states[i]);

		says(t, "GET " COMPUTE "disks/w-boot?", 200, disk);
		says(t, "POST " COMPUTE "disks/w-boot/endGetAccess", 200, "");
		says(t, "DELETE " COMPUTE "disks/w-boot?", 202, "");
		ok(t->p->ops->remove(t->p, &ref, e));
		assert_int_equal(rest_replay_seen(t->w->cloud, "endGetAccess"), i < 2 ? i + 1 : 2);
		free(disk);
	}
}

static void claim_of_another_epoch_is_busy(void **state)
{
	struct world *t = opened(state, false);
	struct res_ref disk = a_ref(RES_DISK, PURPOSE_REPLICA, "r");
	struct res_tags expect = disk.tags, set = disk.tags;

	snprintf(disk.id, sizeof disk.id, COMPUTE "disks/r");
	set.epoch = 4;
	says(t, "GET " COMPUTE "disks/r?", 200, "{\"tags\":{\"cost\":\"it\",\"wherry\":\"" TAGS("replica", "r") "\"}}");
	says(t, "PATCH " COMPUTE "disks/r?", 200, "{}");
	ok(t->p->ops->replica_claim(t->p, &disk, &expect, &set, e));
	assert_has(rest_replay_body(t->w->cloud, "PATCH"), "{\"tags\":{\"cost\":\"it\",\"wherry\":\"wherry1 o=me j=web1 r=run1 e=4 p=replica");
	expect.epoch = 2;
	says(t, "GET " COMPUTE "disks/r?", 200, "{" TAGGED("replica", "r") "}");
	refused(t->p->ops->replica_claim(t->p, &disk, &expect, &set, e), ERR_BUSY, "carries epoch 3 of owner me, not epoch 2");
}

static void changed_ranges_reads_all_pages_and_revokes(void **state)
{
#define SNAPSHOT(unique) "{\"properties\":{\"diskSizeGB\":1,\"creationData\":{\"sourceUniqueId\":\"" unique "\"}}}"
	struct world *t = opened(state, false);
	char *sas = mem_printf("{\"properties\":{\"output\":{\"accessSAS\":\"%s/bytes?sig=" CANARY "\"}}}", t->w->url);
	struct machine m = {0};
	struct byte_range *ranges;
	size_t n;

	says(t, "snapshots/now?", 200, SNAPSHOT("u1"));
	says(t, "snapshots/then?", 200, SNAPSHOT("u1"));
	rest_replay_fault(t->w->cloud, "endGetAccess", 200, "{}", 0, 9);
	rest_replay_fault(t->w->cloud, "beginGetAccess", 200, sas, 0, 9);
	says(t, "&marker=2%211", 200, "<?xml?><PageList><ClearRange><Start>4096</Start><End>8191</End></ClearRange><NextMarker /></PageList>");
	says(t, "GET /bytes?", 200, "<PageList><PageRange><Start>0</Start><End>511</End></PageRange><NextMarker>2!1</NextMarker></PageList>");
	ok(t->p->ops->changed_ranges(t->p, &m, 0, COMPUTE "snapshots/then", COMPUTE "snapshots/now", &ranges, &n, e));
	assert_int_equal(n, 2);
	assert_int_equal(ranges[0].length, 512);
	assert_int_equal(ranges[1].offset, 4096);
	free(ranges);
	assert_has(rest_replay_head(t->w->cloud, "GET /bytes?"), "x-ms-previous-snapshot-url: http://127.0.0.1:");
	assert_int_equal(rest_replay_seen(t->w->cloud, "endGetAccess"), 4);
	says(t, "snapshots/now?", 200, SNAPSHOT("u1"));
	says(t, "snapshots/then?", 200, SNAPSHOT("u2"));
	refused(t->p->ops->changed_ranges(t->p, &m, 0, COMPUTE "snapshots/then", COMPUTE "snapshots/now", &ranges, &n, e), ERR_UNSUPPORTED,
		"of two disks of one name");
	free(sas);
}

static void changed_ranges_of_a_damaged_answer_are_none(void **state)
{
	static const struct {
		const char *now, *then, *pages;
		enum err_kind kind;
		const char *words;
	} cases[] = {
		{"u1", "u1", "<PageList><PageRange><Start>0</Start><End>511</End></PageRange>", ERR_PROTOCOL, "is none, or not whole"},
		{"u1", "u1", "<PageList", ERR_PROTOCOL, "is none, or not whole"},
		{"u1", "u1", "<PageList><NextMarker>2!1</PageList>", ERR_PROTOCOL, "ends with a damaged mark"},
		{"u1", "u1", "<PageList><PageRange><Start>512</Start><End>0</End></PageRange></PageList>", ERR_PROTOCOL, "a damaged range"},
		{"", "", "<PageList/>", ERR_UNSUPPORTED, "do not tell of which disk"},
		{"u1", "u1", "<PageList />", ERR_NONE, ""},
	};
	struct world *t = opened(state, false);
	char *sas = mem_printf("{\"properties\":{\"output\":{\"accessSAS\":\"%s/bytes?sig=" CANARY "\"}}}", t->w->url);

	/* Access that cannot be ended is no reason to fail, and does not spoil what comes after. */
	rest_replay_fault(t->w->cloud, "endGetAccess", 409, "{\"error\":{\"code\":\"Conflict\",\"message\":\"m\"}}", 0, 99);
	rest_replay_fault(t->w->cloud, "beginGetAccess", 200, sas, 0, 99);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char *now = mem_printf(SNAPSHOT("%s"), cases[i].now), *then = mem_printf(SNAPSHOT("%s"), cases[i].then);
		struct byte_range *ranges = NULL;
		struct machine m = {0};
		struct err e = ERR_INIT;
		size_t n;

		says(t, "snapshots/now?", 200, now);
		says(t, "snapshots/then?", 200, then);
		rest_replay_fault(t->w->cloud, "GET /bytes?", 200, cases[i].pages, 0, cases[i].kind != ERR_UNSUPPORTED);
		t->p->ops->changed_ranges(t->p, &m, 0, COMPUTE "snapshots/then", COMPUTE "snapshots/now", &ranges, &n, &e);
		assert_int_equal(e.kind, cases[i].kind);
		assert_has(e.msg, cases[i].words);
		free(ranges);
		free(now);
		free(then);
	}
	free(sas);
}

static int see(void *ctx, const struct res_ref *ref)
{
	char *out = ctx;

	snprintf(out + strlen(out), 400 - strlen(out), "%s %s, ", res_kind_name(ref->kind), ref->name);
	return 0;
}

static void find_names_what_is_ours_and_parts_left_over(void **state)
{
	struct world *t = opened(state, false);
	char found[400] = "";

	says(t, "/virtualMachines?", 200, "{\"value\":[{" TAGGED("scaffold", "w1") "},{\"name\":\"theirs\"}]}");
	says(t, "/networkInterfaces?", 200, "{\"value\":[{" TAGGED("scaffold", "w1") "},{" TAGGED("scaffold", "w2") "}]}");
	says(t, "/disks?", 200, "{\"value\":[{" TAGGED("scaffold", "w1-os") "},{" TAGGED("replica", "w1") "},{" TAGGED("scaffold", "w2-os") "}]}");
	rest_replay_fault(t->w->cloud, "GET /subscriptions", 200, "{\"value\":[]}", 0, 9);
	ok(t->p->ops->find(t->p, NULL, see, found, e));
	assert_string_equal(found, "worker w1, nic w2, disk w1, disk w2-os, ");
}

static void config_disk_is_iso_9660_in_a_fixed_vhd(void **state)
{
	cleanup(buf_fini) struct buf out = BUF_INIT;
	char *longer = mem_alloc(70000);

	(void)state;
	ok(config_disk("{\"a\":1}", &out, e));
	assert_int_equal(out.len, CONFIG_DISK_DATA + CONFIG_DISK_FOOTER);
	assert_memory_equal(out.data + 16 * 2048, "\1CD001\1", 7);
	assert_memory_equal(out.data + 16 * 2048 + 40, "cidata ", 7);
	assert_memory_equal(out.data + 20 * 2048, "{\"a\":1}", 7);
	unsigned char *f = (unsigned char *)out.data + CONFIG_DISK_DATA;
	uint32_t sum = 0, want = (uint32_t)f[64] << 24 | (uint32_t)f[65] << 16 | (uint32_t)f[66] << 8 | f[67];
	for (int i = 0; i < 512; i++)
		sum += i < 64 || i >= 68 ? f[i] : 0;
	assert_int_equal(~sum, want);
	memset(longer, 'x', 69999);
	refused(config_disk(longer, &out, e), ERR_CONFIG, "does not fit on a config disk");
	free(longer);
}

static void worker_size_is_the_first_with_which_the_fewest_workers_do(void **state)
{
	static const struct {
		const char *larger;
		bool hub;
		unsigned disks;
		const char *size;
		unsigned takes;
	} cases[] = {
		{"", false, 1, "Small", 1}, {"", false, 4, "Small", 4}, {"", false, 9, "Small", 4}, {"", true, 4, "Small", 3},
		{"\"big\"", false, 4, "Small", 4}, {"\"big\"", false, 5, "Big", 5}, {"\"big\"", true, 4, "Big", 4},
		{"\"big\",\"Huge\"", false, 16, "Big", 16}, {"\"big\",\"Huge\"", false, 40, "Huge", 40},
		{"\"big\",\"Huge\"", false, 64, "Huge", 63}, {"\"Huge\",\"big\"", false, 5, "Huge", 5},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char *more = mem_printf(",\"larger_worker_sizes\":[%s]", cases[i].larger);
		struct worker_size size;

		tear_down(state);
		set_up(state);
		struct world *t = *state;
		t->p = open_more(t, cases[i].hub, more);
		rest_replay_fault(t->w->cloud, "/vmSizes", 200, SIZES, 0, 9);
		ok(t->p->ops->worker_size(t->p, cases[i].disks, &size, e));
		assert_string_equal(size.name, cases[i].size);
		assert_int_equal(size.disks, cases[i].takes);
		free(more);
	}
}

static void worker_size_that_the_region_has_not_is_named(void **state)
{
	struct world *t = *state;
	struct worker_size size;

	t->p = open_more(t, false, ",\"larger_worker_sizes\":[\"Odd\"]");
	rest_replay_fault(t->w->cloud, "/vmSizes", 200, SIZES, 0, 9);
	ok(t->p->ops->worker_size(t->p, 4, &size, e)); /* which needs none of them */
	refused(t->p->ops->worker_size(t->p, 5, &size, e), ERR_NOT_FOUND, "\"larger_worker_sizes\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(open_with_another_group_is_another_place, set_up, tear_down),
		cmocka_unit_test_setup_teardown(machine_get_reads_disks_by_lun_and_what_cannot_be_copied, set_up, tear_down),
		cmocka_unit_test_setup_teardown(make_of_what_is_there_adopts_or_refuses_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(disk_create_each_kind_says_what_it_is_made_of, set_up, tear_down),
		cmocka_unit_test_setup_teardown(poll_each_state, set_up, tear_down),
		cmocka_unit_test_setup_teardown(poll_of_a_failed_operation_says_why, set_up, tear_down),
		cmocka_unit_test_setup_teardown(poll_of_a_worker_whose_vm_is_not_there_but_its_parts_are_is_to_be_asked_again, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(worker_create_makes_its_parts_then_the_vm, set_up, tear_down),
		cmocka_unit_test_setup_teardown(worker_create_on_a_hub_brings_its_data_on_a_disk, set_up, tear_down),
		cmocka_unit_test_setup_teardown(worker_create_after_a_failed_write_makes_the_config_disk_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(console_without_an_address_is_empty_yet, set_up, tear_down),
		cmocka_unit_test_setup_teardown(grant_of_a_slow_cloud_ends_in_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(remove_of_a_worker_goes_from_the_schedule_to_the_disks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(remove_of_a_disk_with_a_signed_url_revokes_it_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(claim_of_another_epoch_is_busy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(changed_ranges_reads_all_pages_and_revokes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(changed_ranges_of_a_damaged_answer_are_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(find_names_what_is_ours_and_parts_left_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(worker_size_is_the_first_with_which_the_fewest_workers_do, set_up, tear_down),
		cmocka_unit_test_setup_teardown(worker_size_that_the_region_has_not_is_named, set_up, tear_down),
		cmocka_unit_test(config_disk_is_iso_9660_in_a_fixed_vhd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
