// SPDX-License-Identifier: Apache-2.0
/* The Azure driver, opened in a world of azure_fixture.h: groups "g" and "n" (the subnet's), replies as a test tells them. */
#ifndef WHERRY_TESTS_AZURE_DRIVER_FIXTURE_H
#define WHERRY_TESTS_AZURE_DRIVER_FIXTURE_H

#include <string.h>

#include "azure.h"
#include "azure_fixture.h"
#include "config.h"
#include "provider_azure.h"

#define RG      "/subscriptions/sub-1/resourceGroups/g/providers/"
#define COMPUTE RG "Microsoft.Compute/"
#define NETWORK RG "Microsoft.Network/"
#define SUBNET  "/subscriptions/sub-1/resourceGroups/n/providers/Microsoft.Network/virtualNetworks/net/subnets/s"
#define TAGS(purpose, name) "wherry1 o=me j=web1 r=run1 e=3 p=" purpose " x=0 g=0 d=0 n=" name
#define TAGGED(purpose, name) "\"name\":\"" name "\",\"tags\":{\"wherry\":\"" TAGS(purpose, name) "\"}"
#define SIZES "{\"value\":[{\"name\":\"Big\",\"numberOfCores\":8,\"memoryInMB\":16384,\"maxDataDiskCount\":16}," \
	"{\"name\":\"Huge\",\"numberOfCores\":32,\"memoryInMB\":65536,\"maxDataDiskCount\":64}," \
	"{\"name\":\"Small\",\"numberOfCores\":2,\"memoryInMB\":4096,\"maxDataDiskCount\":4}]}"
#define NOT_THERE "{\"error\":{\"code\":\"ResourceNotFound\",\"message\":\"no\"}}"

struct world {
	struct azure_world *w;
	struct provider *p;
};

static inline int set_up(void **state)
{
	struct world *t = mem_alloc(sizeof *t);

	t->w = azure_world_new();
	azure_world_client();
	*state = t;
	return 0;
}

static inline int tear_down(void **state)
{
	struct world *t = *state;

	provider_close(t->p);
	azure_world_free(t->w);
	free(t);
	return 0;
}

/* more: keys of the block, each with a comma before it */
static inline struct provider *open_more(struct world *t, bool hub, const char *more)
{
	char *block = mem_printf("{\"provider\":\"azure\",\"cloud\":\"%s\",\"location\":\"here\",\"resource_group\":\"g\",\"export_worker_size\":"
				 "\"Small\",\"export_worker_image\":\"" COMPUTE "disks/img\",\"subnet_id\":\"" SUBNET "\",\"public_ip\":true,"
				 "\"storage_account_name\":\"acc\",\"allow\":[\"192.0.2.0/24\"]%s}", t->w->url, more);
	struct json_doc *doc = json_parse(block, strlen(block), "job", &(struct err)ERR_INIT);
	struct json_at at = json_root(doc);
	struct provider *p;

	if (hub)
		unsetenv("AZURE_AUTHORITY_HOST");
	azure_world_metadata(t->w, hub, hub ? "/adfs" : "/login");
	rest_replay_fault(t->w->cloud, "oauth2", 200, TOKEN, 0, 1000);
	ok((p = provider_azure_ops.open(&at, &t->w->log, e)) == NULL ? -1 : 0);
	assert_string_equal(json_findings(doc), "");
	json_free(doc);
	free(block);
	return p;
}

static inline struct world *opened(void **state, bool hub)
{
	struct world *t = *state;

	t->p = open_more(t, hub, "");
	return t;
}

static inline void says(struct world *t, const char *part, int status, const char *body)
{
	rest_replay_fault(t->w->cloud, part, status, body, 0, 1);
}

static inline struct res_ref a_ref(enum res_kind kind, enum res_purpose purpose, const char *name)
{
	struct res_ref ref = {.kind = kind, .tags = {.owner = "me", .job = "web1", .run = "run1", .epoch = 3, .purpose = purpose}};

	snprintf(ref.name, sizeof ref.name, "%s", name);
	return ref;
}

#endif
