// SPDX-License-Identifier: Apache-2.0
/* A cloud that says what a real one said (openstack/), the driver opened on it, and a folder for its clouds.yaml. */
#ifndef WHERRY_TESTS_UNIT_CONTROL_OPENSTACK_FIXTURE_H
#define WHERRY_TESTS_UNIT_CONTROL_OPENSTACK_FIXTURE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "fakes/rest_replay.h"
#include "provider_openstack.h"
#include "unit.h"

struct world {
	char *dir;
	struct rest_replay *cloud;
	struct log log;
	struct provider *p; /* NULL until it is opened */
};

/* Tests run from anywhere: the sources lie above the build folder. */
static inline char *transcript(const char *name)
{
	char exe[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);

	assert_true(n > 0);
	exe[n] = '\0';
	char *build = strstr(exe, "/build/");
	assert_non_null(build);
	return mem_printf("%.*s/tests/unit/control/openstack/%s", (int)(build - exe), exe, name);
}

static inline int set_up_with(void **state, const char *name)
{
	static const char *const variables[] = {"OS_CLOUD", "OS_AUTH_URL", "OS_USERNAME", "OS_PASSWORD", "OS_TENANT_NAME"};
	struct world *w = mem_alloc(sizeof *w);
	char *path = transcript(name);

	w->dir = temp_make();
	w->cloud = rest_replay_start(path);
	free(path);
	char *log = mem_printf("%s/log", w->dir);
	w->log = (struct log){.fd = open(log, O_CREAT | O_RDWR | O_CLOEXEC, 0600), .level = LOG_DEBUG, .name = "test"};
	free(log);
	for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
		unsetenv(variables[i]);
	*state = w;
	return 0;
}

static inline int tear_down(void **state)
{
	struct world *w = *state;

	provider_close(w->p);
	rest_replay_stop(w->cloud);
	close(w->log.fd);
	temp_remove(w->dir);
	free(w);
	return 0;
}

static inline void write_clouds(const struct world *w, const char *auth)
{
	char *path = mem_printf("%s/clouds.yaml", w->dir);
	char *text = mem_printf("clouds:\n  lab:\n    region_name: regionOne\n    auth:\n      auth_url: http://127.0.0.1:%d/5000\n%s",
				rest_replay_port(w->cloud), auth);

	temp_write(path, text, strlen(text));
	free(text);
	free(path);
}

#define MOVER "      username: mover\n      password: hush\n      project_name: lab\n"

/* 0 with w->p open; -1 with *e. */
static inline int open_with(struct world *w, const char *auth, const char *more, struct err *e)
{
	write_clouds(w, auth);
	char *block = mem_printf("{\"provider\":\"openstack\",\"cloud\":\"lab\",\"clouds_file\":\"%s/clouds.yaml\","
				 "\"flavor\":\"worker\",\"network\":\"ext\",\"allow\":[\"192.0.2.0/24\"]%s}", w->dir, more);
	struct json_doc *doc = json_parse(block, strlen(block), "job", e);
	struct json_at at = json_root(doc);

	w->p = provider_openstack_ops.open(&at, &w->log, e);
	assert_string_equal(json_findings(doc), "");
	json_free(doc);
	free(block);
	return w->p == NULL ? -1 : 0;
}

static inline struct world *opened(void **state)
{
	struct world *w = *state;

	ok(open_with(w, MOVER, "", e));
	return w;
}

static inline struct res_ref a_ref(enum res_kind kind, enum res_purpose purpose, const char *name, const char *id)
{
	struct res_ref ref = {.kind = kind, .tags = {.owner = "me", .job = "web1", .run = "run1", .epoch = 3, .purpose = purpose}};

	snprintf(ref.name, sizeof ref.name, "%s", name);
	snprintf(ref.id, sizeof ref.id, "%s", id);
	return ref;
}

#endif
