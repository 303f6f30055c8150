// SPDX-License-Identifier: Apache-2.0
/* A Resource Manager, an authority and a metadata service on one port of 127.0.0.1, and an environment that points at them. */
#ifndef WHERRY_TESTS_AZURE_FIXTURE_H
#define WHERRY_TESTS_AZURE_FIXTURE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "fakes/rest_replay.h"
#include "unit.h"

#define CANARY "canary-5ecre7"
#define TOKEN  "{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"" CANARY "-token\"}"

struct azure_world {
	char *dir, *url, *log_path;
	struct rest_replay *cloud;
	struct log log;
};

static inline void azure_world_clear_env(void)
{
	static const char *const names[] = {"AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_SUBSCRIPTION_ID",
					    "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		unsetenv(names[i]);
}

/* What a Resource Manager says of itself; of a Hub when adfs. */
static inline void azure_world_metadata(struct azure_world *w, bool hub, const char *login)
{
	char *body = mem_printf("{%s\"authentication\":{\"loginEndpoint\":\"%s%s\",\"audiences\":[\"https://management.%s/1234\"]}}",
				hub ? "" : "\"resourceManager\":\"https://here\",", w->url, login, hub ? "adfs.hub.local" : "x");

	if (hub)
		rest_replay_fault(w->cloud, "/metadata/endpoints?api-version=2022-09-01", 400, "{}", 0, 1000);
	rest_replay_fault(w->cloud, "/metadata/endpoints", 200, body, 0, 1000);
	free(body);
}

static inline struct azure_world *azure_world_new(void)
{
	struct azure_world *w = mem_alloc(sizeof *w);

	w->dir = temp_make();
	w->cloud = rest_replay_start(NULL);
	w->url = mem_printf("http://127.0.0.1:%d", rest_replay_port(w->cloud));
	w->log_path = mem_printf("%s/log", w->dir);
	w->log = (struct log){.fd = open(w->log_path, O_CREAT | O_RDWR | O_CLOEXEC, 0600), .level = LOG_DEBUG, .name = "test"};
	azure_world_clear_env();
	setenv("AZURE_AUTHORITY_HOST", w->url, 1);
	setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", w->url, 1);
	setenv("PATH", w->dir, 1); /* no az but the test's */
	return w;
}

static inline void azure_world_free(struct azure_world *w)
{
	rest_replay_stop(w->cloud);
	close(w->log.fd);
	temp_remove(w->dir);
	free(w->log_path);
	free(w->url);
	free(w);
}

static inline void azure_world_client(void)
{
	setenv("AZURE_TENANT_ID", "tenant-1", 1);
	setenv("AZURE_CLIENT_ID", "client-1", 1);
	setenv("AZURE_CLIENT_SECRET", CANARY "-&secret", 1);
	setenv("AZURE_SUBSCRIPTION_ID", "sub-1", 1);
}

#endif
