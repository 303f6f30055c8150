// SPDX-License-Identifier: Apache-2.0
/* Worker images of Azure against a Resource Manager that answers as told. Whole uploads: tests/e2e/test-azure-image.sh. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "azure.h"
#include "azure_fixture.h"
#include "base/cleanup.h"
#include "cloud.h"
#include "image.h"
#include "provider_azure.h"

#define COMPUTE   "/subscriptions/sub-1/resourceGroups/a-b/providers/Microsoft.Compute/"
#define BIOS      COMPUTE "galleries/wherry_a_b/images/worker-bios"
#define VERSIONS  "GET " BIOS "/versions?"
#define VERSION   BIOS "/versions/20261121.90501.7"
#define UEFI      "GET " COMPUTE "galleries/wherry_a_b/images/worker-uefi/versions?"
#define DISKS     "GET " COMPUTE "disks?"
#define SUM       "5cb138284d431abd6a053a56625ec088bfb88912bec9a2fb6a1b8d1a9ef0cfb4"
#define NAME      "wherry-1.0-5cb13828"
#define ABOUT     "wherry1 v=1.0 w=2 s=" SUM " f=any n=22020608"
#define TAGS      "\"tags\":{\"wherry_image\":\"" ABOUT "\",\"wherry_name\":\"" NAME "\",\"wherry_bytes\":\"22020608\"}"
#define DISK_TAGS "\"tags\":{\"wherry_image\":\"" ABOUT "\",\"wherry_becomes\":\"galleries/wherry_a_b/images/worker-bios/versions/20261121.90501.7\"}"
#define NOT_THERE "{\"error\":{\"code\":\"ResourceNotFound\",\"message\":\"no\"}}"
#define NONE      "{\"value\":[]}"
#define IMAGE     (21u << 20)

struct world {
	struct azure_world *w;
	struct provider *p;
	struct image_file f;
};

static int set_up(void **state)
{
	struct world *t = mem_alloc(sizeof *t);
	struct stat st;

	t->w = azure_world_new();
	azure_world_client();
	t->f = (struct image_file){.format = "vhd", .size = IMAGE + AZURE_FOOTER, .version = "1.0", .wire = 2, .sha256 = SUM};
	snprintf(t->f.path, sizeof t->f.path, "%s/wherry.vhd", t->w->dir);
	t->f.fd = open(t->f.path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(t->f.fd, (off_t)t->f.size), 0);
	assert_int_equal(pwrite(t->f.fd, "boot", 4, 0), 4);
	assert_int_equal(pwrite(t->f.fd, "end", 3, (5 << 20) + 512), 3);
	assert_int_equal(pwrite(t->f.fd, "conectix", 8, IMAGE), 8);
	assert_int_equal(fstat(t->f.fd, &st), 0);
	t->f.changed = st.st_mtim;
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct world *t = *state;

	provider_close(t->p);
	image_file_close(&t->f);
	azure_world_free(t->w);
	free(t);
	return 0;
}

static struct world *opened(void **state, bool hub, const char *location)
{
	struct world *t = *state;
	char *block = mem_printf("{\"provider\":\"azure\",\"cloud\":\"%s\",\"location\":\"%s\",\"resource_group\":\"g\",\"worker_resource_group\":"
				 "\"a-b\",\"export_worker_size\":\"Small\",\"subnet_id\":\"/net\"}", t->w->url, location);
	struct json_doc *doc = json_parse(block, strlen(block), "job", &(struct err)ERR_INIT);
	struct json_at at = json_root(doc);

	if (hub)
		unsetenv("AZURE_AUTHORITY_HOST");
	azure_world_metadata(t->w, hub, hub ? "/adfs" : "/login");
	rest_replay_fault(t->w->cloud, "oauth2", 200, TOKEN, 0, 1000);
	ok((t->p = provider_azure_ops.open(&at, &t->w->log, e)) == NULL ? -1 : 0);
	assert_string_equal(json_findings(doc), "");
	json_free(doc);
	free(block);
	return t;
}

static void says(struct world *t, const char *part, int status, const char *body)
{
	rest_replay_fault(t->w->cloud, part, status, body, 0, 1);
}

/* A look at all there is; `version` and `disk`: JSON, or "" for none; status NULL: nobody asks for it. */
static void there_is(struct world *t, const char *version, const char *status, const char *disk)
{
	char *versions = mem_printf("{\"value\":[%s]}", version), *disks = mem_printf("{\"value\":[%s]}", disk);

	says(t, VERSIONS, 200, versions);
	says(t, UEFI, 404, NOT_THERE);
	says(t, DISKS, 200, disks);
	if (version[0] != '\0' && status != NULL)
		says(t, VERSION "?$expand=ReplicationStatus", 200, status);
	free(versions);
	free(disks);
}

/* state: of the version; regions: of its replication, JSON */
static char *a_version(const char *state, const char *regions, const char *summary, char **status)
{
	*status = mem_printf("{\"properties\":{\"provisioningState\":\"%s\",\"replicationStatus\":{\"summary\":[%s]}}}", state, summary);
	return mem_printf("{\"id\":\"" VERSION "\",\"name\":\"20261121.90501.7\",\"location\":\"westeurope\"," TAGS ",\"properties\":{"
			  "\"provisioningState\":\"%s\",\"publishingProfile\":{\"targetRegions\":[%s]},\"storageProfile\":{\"osDiskImage\":{\"sizeInGB\":1,"
			  "\"source\":{\"id\":\"/the/disk\"}}}}}", state, regions);
}

#define WEST  "{\"name\":\"West Europe\",\"regionalReplicaCount\":2}"
#define NORTH "{\"name\":\"North Europe\",\"regionalReplicaCount\":1}"

/* ---- Upload ---- */

static void access_is_given(struct world *t)
{
	char *sas = mem_printf("{\"accessSAS\":\"%s/upload?sig=" CANARY "\"}", t->w->url);

	says(t, "beginGetAccess", 200, sas);
	says(t, "endGetAccess", 200, "");
	free(sas);
}

static void upload_sends_what_is_not_zero_and_makes_a_version_of_it(void **state)
{
	struct world *t = opened(state, false, "westeurope");
	struct image_upload u = {.file = &t->f, .firmware = "any", .patience_ns = 1};
	char *status, *version = a_version("Succeeded", WEST, "{\"region\":\"West Europe\",\"state\":\"Completed\"}", &status);

	there_is(t, "", "", "");
	says(t, VERSIONS, 200, NONE); /* elsewhere */
	says(t, "GET " COMPUTE "disks/" NAME "?", 404, NOT_THERE);
	says(t, "PUT " COMPUTE "disks/" NAME "?", 200, "{}");
	says(t, "GET " BIOS "/versions/", 404, NOT_THERE);
	says(t, "GET " COMPUTE "disks/" NAME "?", 200, "{" DISK_TAGS ",\"properties\":{\"provisioningState\":\"Succeeded\",\"uniqueId\":\"u1\","
	     "\"diskState\":\"ReadyToUpload\"}}");
	access_is_given(t);
	rest_replay_fault(t->w->cloud, "PUT /upload", 201, "", 0, 3);
	says(t, "GET " COMPUTE "galleries/wherry_a_b?", 404, NOT_THERE);
	says(t, "PUT " COMPUTE "galleries/wherry_a_b?", 201, "{}");
	says(t, "GET " BIOS "?", 404, NOT_THERE);
	says(t, "PUT " BIOS "?", 201, "{}");
	says(t, "PUT " BIOS "/versions/", 201, "{}");
	/* What the list says then has the id that the driver chose. */
	rest_replay_fault(t->w->cloud, VERSIONS, 500, "{}", 0, 1);
	refused(image_upload(t->p, &u, e), ERR_NETWORK, "was sent and stays in");
	assert_true(u.added);
	assert_int_equal(u.sent, 512 + 1024 + 512);
	assert_int_equal(rest_replay_seen(t->w->cloud, "PUT /upload"), 3);
	assert_has(rest_replay_head(t->w->cloud, "PUT /upload"), "x-ms-range: bytes=22020096-22020607");
	const char *disk = rest_replay_body(t->w->cloud, "PUT " COMPUTE "disks/");
	assert_has(disk, "{\"location\":\"westeurope\",\"tags\":{\"wherry_image\":\"" ABOUT "\",\"wherry_becomes\":\"galleries/wherry_a_b/images/"
			 "worker-bios/versions/20");
	assert_has(disk, "\"hyperVGeneration\":\"V1\",\"creationData\":{\"createOption\":\"Upload\",\"uploadSizeBytes\":22020608}}");
	assert_has(rest_replay_body(t->w->cloud, "PUT " BIOS "?"), "\"osState\":\"Specialized\",\"hyperVGeneration\":\"V1\",\"identifier\":{"
		   "\"publisher\":\"wherry\",\"offer\":\"worker\",\"sku\":\"bios\"}");
	const char *made = rest_replay_body(t->w->cloud, "PUT " BIOS "/versions/");
	assert_has(made, TAGS ",\"properties\":{\"publishingProfile\":{\"targetRegions\":[{\"name\":\"westeurope\",\"regionalReplicaCount\":1,");
	assert_has(made, "\"storageProfile\":{\"osDiskImage\":{\"source\":{\"id\":\"" COMPUTE "disks/" NAME "\"}}}");
	/* The next one finds it, sends nothing, and takes away the disk. */
	there_is(t, version, status, "{\"id\":\"x\",\"name\":\"" NAME "\",\"location\":\"westeurope\"," DISK_TAGS "}");
	says(t, "GET " COMPUTE "disks/" NAME "?", 200, "{" DISK_TAGS ",\"properties\":{\"provisioningState\":\"Succeeded\"}}");
	says(t, "DELETE " COMPUTE "disks/" NAME "?", 204, "");
	ok(image_upload(t->p, &u, e));
	assert_false(u.added);
	assert_int_equal(u.sent, 0);
	assert_int_equal(u.made.use, IMAGE_USED);
	assert_string_equal(u.made.image.made, "2026-11-21T09:05:01Z");
	assert_int_equal(rest_replay_seen(t->w->cloud, "PUT /upload"), 3);
	assert_int_equal(rest_replay_seen(t->w->cloud, "DELETE"), 1);
	free(version);
	free(status);
}

/* Which bytes an upload that died had sent is not known: its disk is made anew. */
static void upload_that_died_starts_over_with_another_disk(void **state)
{
	struct world *t = opened(state, true, "local");
	struct cloud_image i = {.name = NAME, .about = ABOUT, .id = COMPUTE "snapshots/" NAME};
	struct image_bytes bytes = {.fd = t->f.fd, .size = t->f.size, .format = "vhd", .firmware = "any"};
	uint64_t sent = 0;

	says(t, "GET " COMPUTE "snapshots/" NAME "?", 404, NOT_THERE);
	says(t, "GET " COMPUTE "disks/" NAME "?", 200, "{" DISK_TAGS ",\"properties\":{\"provisioningState\":\"Succeeded\",\"diskState\":"
	     "\"ActiveUpload\"}}");
	says(t, "endGetAccess", 200, "");
	says(t, "DELETE " COMPUTE "disks/" NAME "?", 200, "");
	says(t, "PUT " COMPUTE "disks/" NAME "?", 200, "{}");
	says(t, "GET " COMPUTE "disks/" NAME "?", 200, "{" DISK_TAGS ",\"properties\":{\"provisioningState\":\"Succeeded\",\"diskState\":"
	     "\"ReadyToUpload\"}}");
	access_is_given(t);
	rest_replay_fault(t->w->cloud, "PUT /upload", 201, "", 0, 3);
	says(t, "PUT " COMPUTE "snapshots/" NAME "?", 202, "");
	ok(t->p->ops->images->send(t->p, &i, &bytes, &sent, e));
	assert_has(rest_replay_body(t->w->cloud, "PUT " COMPUTE "disks/"), "\"wherry_becomes\":\"snapshots/" NAME "\"");
	assert_has(rest_replay_body(t->w->cloud, "PUT " COMPUTE "snapshots/"), TAGS ",\"sku\":{\"name\":\"Standard_LRS\"},\"properties\":{"
		   "\"creationData\":{\"createOption\":\"Copy\",\"sourceResourceId\":\"" COMPUTE "disks/" NAME "\"}}");
}

/* What was given up for another upload must not end that one's access. */
static void send_whose_disk_another_upload_took_is_busy(void **state)
{
	static const struct {
		const char *now;
		enum err_kind kind;
		unsigned revoked;
	} cases[] = {
		{"\"uniqueId\":\"u2\",\"diskState\":\"ActiveUpload\"", ERR_BUSY, 0},
		{"\"uniqueId\":\"u1\",\"diskState\":\"Unattached\"", ERR_BUSY, 0},
		/* It has expired. */
		{"\"uniqueId\":\"u1\",\"diskState\":\"ActiveUpload\"", ERR_NETWORK, 0},
		{"\"uniqueId\":\"u1\",\"diskState\":\"ReadyToUpload\"", ERR_NETWORK, 0},
	};
	struct world *t = opened(state, false, "westeurope");
	struct cloud_image i = {.name = NAME, .about = ABOUT, .id = VERSION};
	struct image_bytes bytes = {.fd = t->f.fd, .size = t->f.size, .format = "vhd", .firmware = "any"};

	for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
		char *disk = mem_printf("{" DISK_TAGS ",\"properties\":{\"provisioningState\":\"Succeeded\",%s}}", cases[k].now);
		char *sas = mem_printf("{\"accessSAS\":\"%s/upload?sig=" CANARY "\"}", t->w->url);
		uint64_t sent = 0;

		says(t, "GET " VERSION, 404, NOT_THERE);
		says(t, "GET " COMPUTE "disks/" NAME "?", 200, "{" DISK_TAGS ",\"properties\":{\"provisioningState\":\"Succeeded\",\"uniqueId\":\"u1\","
		     "\"diskState\":\"ReadyToUpload\"}}");
		says(t, "beginGetAccess", 200, sas);
		says(t, "PUT /upload", 403, "");
		says(t, "GET " COMPUTE "disks/" NAME "?", 200, disk);
		refused(t->p->ops->images->send(t->p, &i, &bytes, &sent, e), cases[k].kind, "HTTP 403");
		assert_int_equal(rest_replay_seen(t->w->cloud, "endGetAccess"), cases[k].revoked);
		free(disk);
		free(sas);
	}
}

/* The answer that gave it was lost: the next try takes it back with the disk. */
static void send_whose_access_is_given_already_is_tried_again(void **state)
{
	struct world *t = opened(state, false, "westeurope");
	struct cloud_image i = {.name = NAME, .about = ABOUT, .id = VERSION};
	struct image_bytes bytes = {.fd = t->f.fd, .size = t->f.size, .format = "vhd", .firmware = "any"};
	uint64_t sent = 0;

	says(t, "GET " VERSION, 404, NOT_THERE);
	says(t, "GET " COMPUTE "disks/" NAME "?", 200, "{" DISK_TAGS ",\"properties\":{\"provisioningState\":\"Succeeded\",\"diskState\":"
	     "\"ReadyToUpload\"}}");
	says(t, "beginGetAccess", 409, "{\"error\":{\"code\":\"Conflict\",\"message\":\"There is an active shared access signature\"}}");
	refused(t->p->ops->images->send(t->p, &i, &bytes, &sent, e), ERR_NETWORK, "an active shared access signature");
}

static void create_each_refusal_is_a_sentence(void **state)
{
	static const struct {
		uint64_t size;
		const char *firmware, *disk;
		enum err_kind kind;
		const char *words;
	} cases[] = {
		{IMAGE + 512, "uefi", "", ERR_UNSUPPORTED, "has only generation 1"},
		{IMAGE, "any", "", ERR_CONFIG, "Azure takes a fixed VHD"},
		{(1 << 20) + 512, "any", "", ERR_CONFIG, "20 at least"},
		{IMAGE + 512, "any", "{\"tags\":{}}", ERR_BUSY, "made for something else than this image: it is not touched"},
		{IMAGE + 512, "any", "{\"location\":\"there\"," DISK_TAGS "}", ERR_BUSY, "is being sent to there by another upload"},
	};
	struct world *t = opened(state, true, "local");

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct image_bytes bytes = {.fd = t->f.fd, .size = cases[i].size, .format = "vhd", .firmware = cases[i].firmware};
		struct cloud_image image = {.name = NAME, .about = ABOUT};

		if (cases[i].disk[0] != '\0')
			says(t, "GET " COMPUTE "disks/" NAME "?", 200, cases[i].disk);
		refused(t->p->ops->images->create(t->p, &bytes, &image, e), cases[i].kind, cases[i].words);
	}
	assert_int_equal(rest_replay_seen(t->w->cloud, "PUT "), 0);
}

/* ---- What there is ---- */

static void list_each_state_of_a_version_in_this_region(void **state)
{
	static const struct {
		const char *state, *regions, *summary;
		int uses; /* an image_use; -1: it is not here */
	} cases[] = {
		{"Succeeded", WEST, "{\"region\":\"West Europe\",\"state\":\"Completed\"}", IMAGE_USED},
		{"Succeeded", WEST, "", IMAGE_USED},
		{"Succeeded", NORTH, "{\"region\":\"North Europe\",\"state\":\"Completed\"}", -1},
		{"Creating", WEST, "{\"region\":\"West Europe\",\"state\":\"Completed\"}", IMAGE_UNFINISHED},
		{"Creating", WEST, "", IMAGE_UNFINISHED},
		{"Updating", WEST "," NORTH, "{\"region\":\"North Europe\",\"state\":\"Replicating\"},{\"region\":\"West Europe\",\"state\":\"Completed\"}",
		 IMAGE_USED},
		{"Updating", NORTH "," WEST, "{\"region\":\"North Europe\",\"state\":\"Completed\"},{\"region\":\"West Europe\",\"state\":\"Replicating\"}",
		 IMAGE_UNFINISHED},
		{"Failed", WEST "," NORTH, "{\"region\":\"North Europe\",\"state\":\"Failed\"},{\"region\":\"West Europe\",\"state\":\"Completed\"}",
		 IMAGE_USED},
		{"Failed", WEST, "{\"region\":\"West Europe\",\"state\":\"Unknown\"}", IMAGE_BROKEN},
		{"Deleting", WEST, "", -1},
	};
	struct world *t = opened(state, false, "westeurope");

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char *status, *version = a_version(cases[i].state, cases[i].regions, cases[i].summary, &status);
		struct image_list l;

		bool here = cases[i].uses >= 0;

		there_is(t, version, here ? status : NULL, "");
		ok(image_list(&(struct cloud){.p = t->p, .log = &t->w->log}, &l, e));
		assert_int_equal(l.list.len, here);
		if (here)
			assert_int_equal((int)l.list.at[0].use, cases[i].uses);
		image_list_fini(&l);
		free(version);
		free(status);
	}
}

/* The other location's bytes are used; the version stays in the location it was made in. */
static void regions_are_added_and_taken_away(void **state)
{
	struct world *t = opened(state, false, "North Europe");
	struct image_upload u = {.file = &t->f, .firmware = "any", .patience_ns = 1};
	struct cloud_image i = {.name = NAME, .about = ABOUT, .id = VERSION};
	char *status, *west = a_version("Succeeded", WEST, "", &status), *list = mem_printf("{\"value\":[%s]}", west), *more, *both;

	both = a_version("Succeeded", WEST "," NORTH, "{\"region\":\"North Europe\",\"state\":\"Completed\"}", &more);
	says(t, VERSIONS, 200, list);
	says(t, UEFI, 404, NOT_THERE);
	says(t, DISKS, 200, NONE);
	says(t, VERSIONS, 200, list);
	says(t, "PUT " VERSION, 200, "{}");
	says(t, "GET " VERSION "?api", 200, west);
	there_is(t, both, more, "");
	says(t, "GET " COMPUTE "disks/" NAME "?", 404, NOT_THERE);
	ok(image_upload(t->p, &u, e));
	assert_true(u.added && u.sent == 0);
	const char *body = rest_replay_body(t->w->cloud, "PUT " VERSION);
	assert_has(body, "{\"location\":\"westeurope\"," TAGS ",\"properties\":{\"publishingProfile\":{\"targetRegions\":[" WEST ",{\"name\":\"North "
			 "Europe\",\"regionalReplicaCount\":1,\"storageAccountType\":\"Standard_LRS\"}]},\"storageProfile\":{\"osDiskImage\":{\"source\":"
			 "{\"id\":\"/the/disk\"}}}}}");
	says(t, "GET " VERSION, 200, both);
	says(t, "PUT " VERSION, 200, "{}");
	says(t, "GET " COMPUTE "disks/" NAME "?", 404, NOT_THERE);
	ok(t->p->ops->images->remove(t->p, &i, e));
	assert_has(rest_replay_body(t->w->cloud, "PUT " VERSION), "\"targetRegions\":[" WEST "]}");
	assert_int_equal(rest_replay_seen(t->w->cloud, "DELETE"), 0);
	says(t, "GET " VERSION, 200, "{\"id\":\"" VERSION "\",\"tags\":{}}");
	refused(t->p->ops->images->remove(t->p, &i, e), ERR_BUSY, "is no image of ours");
	free(west);
	free(status);
	free(list);
	free(both);
	free(more);
}

static void workers_boot_from_the_newest_one_when_none_is_named(void **state)
{
	struct world *t = opened(state, false, "westeurope");
	char *status, *version = a_version("Succeeded", WEST, "", &status), id[RES_ID_SIZE];

	there_is(t, "", "", "");
	refused(t->p->ops->images->of_workers(t->p, id, e), ERR_NOT_FOUND, "run `wherry image upload` with this job file, or name one by "
		"\"export_worker_image\"");
	there_is(t, version, status, "");
	says(t, "GET " BIOS "?", 200, "{\"properties\":{\"hyperVGeneration\":\"V1\"}}");
	ok(t->p->ops->images->of_workers(t->p, id, e));
	assert_string_equal(id, VERSION);
	assert_true(azure_of(t->p)->image.gallery);
	free(version);
	free(status);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(upload_sends_what_is_not_zero_and_makes_a_version_of_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(upload_that_died_starts_over_with_another_disk, set_up, tear_down),
		cmocka_unit_test_setup_teardown(send_whose_disk_another_upload_took_is_busy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(send_whose_access_is_given_already_is_tried_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(create_each_refusal_is_a_sentence, set_up, tear_down),
		cmocka_unit_test_setup_teardown(list_each_state_of_a_version_in_this_region, set_up, tear_down),
		cmocka_unit_test_setup_teardown(regions_are_added_and_taken_away, set_up, tear_down),
		cmocka_unit_test_setup_teardown(workers_boot_from_the_newest_one_when_none_is_named, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
