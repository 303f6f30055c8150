// SPDX-License-Identifier: Apache-2.0
#include "openstack_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "yaml_read.h"

#define AT(member) offsetof(struct openstack_config, member)

/* In clouds.yaml most stand below "auth"; `old` is an older name of the environment's. */
static const struct setting {
	size_t at;
	bool auth;
	const char *key, *env, *old;
} settings[] = {
	{AT(auth_url), true, "auth_url", "OS_AUTH_URL", NULL},
	{AT(auth_type), false, "auth_type", "OS_AUTH_TYPE", NULL},
	{AT(username), true, "username", "OS_USERNAME", NULL},
	{AT(user_id), true, "user_id", "OS_USER_ID", NULL},
	{AT(password), true, "password", "OS_PASSWORD", NULL},
	{AT(user_domain_name), true, "user_domain_name", "OS_USER_DOMAIN_NAME", NULL},
	{AT(user_domain_id), true, "user_domain_id", "OS_USER_DOMAIN_ID", NULL},
	{AT(project_name), true, "project_name", "OS_PROJECT_NAME", "OS_TENANT_NAME"},
	{AT(project_id), true, "project_id", "OS_PROJECT_ID", "OS_TENANT_ID"},
	{AT(project_domain_name), true, "project_domain_name", "OS_PROJECT_DOMAIN_NAME", NULL},
	{AT(project_domain_id), true, "project_domain_id", "OS_PROJECT_DOMAIN_ID", NULL},
	{AT(app_id), true, "application_credential_id", "OS_APPLICATION_CREDENTIAL_ID", NULL},
	{AT(app_name), true, "application_credential_name", "OS_APPLICATION_CREDENTIAL_NAME", NULL},
	{AT(app_secret), true, "application_credential_secret", "OS_APPLICATION_CREDENTIAL_SECRET", NULL},
	{AT(token), true, "token", "OS_TOKEN", NULL},
	{AT(region), false, "region_name", "OS_REGION_NAME", NULL},
	{AT(interface), false, "interface", "OS_INTERFACE", "OS_ENDPOINT_TYPE"},
	{AT(ca_file), false, "cacert", "OS_CACERT", NULL},
	{AT(insecure), false, "insecure", "OS_INSECURE", NULL},
	{AT(verify), false, "verify", NULL, NULL},
};
#define SETTINGS (sizeof settings / sizeof settings[0])

static char **slot(struct openstack_config *c, const struct setting *s)
{
	return (char **)((char *)c + s->at);
}

static void set(struct openstack_config *c, const struct setting *s, const char *value)
{
	char **at = slot(c, s);

	free(*at);
	*at = mem_strdup(value);
}

/* What the file says of that cloud; found false when it has none of the name. */
static int read_yaml(const char *file, const char *cloud, struct openstack_config *c, bool *found, struct buf *names,
		     struct err *e)
{
	struct yaml_file *f = yaml_open(file, e);

	if (f == NULL)
		return -1;
	yaml_mapping(f, (const char *const[]){"clouds", NULL}, names);
	*found = yaml_mapping(f, (const char *const[]){"clouds", cloud, NULL}, NULL);
	for (size_t i = 0; i < SETTINGS; i++) {
		const char *key = settings[i].key;
		const char *v = settings[i].auth ? yaml_text(f, (const char *const[]){"clouds", cloud, "auth", key, NULL})
						 : yaml_text(f, (const char *const[]){"clouds", cloud, key, NULL});

		if (v != NULL)
			set(c, &settings[i], v);
	}
	yaml_close(f);
	return 0;
}

/* The first of the usual places that is there; caller frees. */
static char *find_file(const char *file)
{
	const char *env = getenv("OS_CLIENT_CONFIG_FILE"), *home = getenv("HOME"), *config = getenv("XDG_CONFIG_HOME");
	cleanup(cleanup_free) char *dir = config != NULL && config[0] != '\0' ? mem_strdup(config)
									    : mem_printf("%s/.config", home != NULL ? home : "");
	cleanup(cleanup_free) char *own = mem_printf("%s/openstack/clouds.yaml", dir);
	const char *const places[] = {"clouds.yaml", own, "/etc/openstack/clouds.yaml"};

	if ((file != NULL && file[0] != '\0') || (env != NULL && env[0] != '\0'))
		return mem_strdup(file != NULL && file[0] != '\0' ? file : env);
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
		if (access(places[i], F_OK) == 0)
			return mem_strdup(places[i]);
	return NULL;
}

static int read_files(struct openstack_config *c, const char *cloud, const char *wanted, struct err *e)
{
	cleanup(cleanup_free) char *file = find_file(wanted);
	cleanup(buf_fini) struct buf names = BUF_INIT;
	bool found, ignored;

	if (file == NULL)
		return err_set(e, ERR_CONFIG, 0, "there is no clouds.yaml for the cloud \"%s\", here or in ~/.config/openstack or "
			       "/etc/openstack: put it there, or name it by \"clouds_file\"", cloud);
	if (read_yaml(file, cloud, c, &found, &names, e) < 0)
		return -1;
	if (!found)
		return err_set(e, ERR_CONFIG, 0, "%s has no cloud \"%s\": it has %s", file, cloud,
			       names.len != 0 ? names.data : "none");
	const char *slash = strrchr(file, '/');
	cleanup(cleanup_free) char *secure = mem_printf("%.*ssecure.yaml", slash != NULL ? (int)(slash + 1 - file) : 0, file);
	return access(secure, F_OK) == 0 ? read_yaml(secure, cloud, c, &ignored, &names, e) : 0;
}

static void read_environment(struct openstack_config *c)
{
	for (size_t i = 0; i < SETTINGS; i++) {
		const char *v = settings[i].env != NULL ? getenv(settings[i].env) : NULL;

		if ((v == NULL || v[0] == '\0') && settings[i].old != NULL)
			v = getenv(settings[i].old);
		if (v != NULL && v[0] != '\0')
			set(c, &settings[i], v);
	}
}

int openstack_config_load(struct openstack_config *c, const char *cloud, const char *file, struct err *e)
{
	*c = (struct openstack_config){0};
	if (cloud == NULL || cloud[0] == '\0')
		cloud = getenv("OS_CLOUD");
	if (cloud == NULL || cloud[0] == '\0')
		read_environment(c);
	else if (read_files(c, cloud, file, e) < 0)
		return -1;
	if (c->auth_url == NULL && (cloud == NULL || cloud[0] == '\0'))
		return err_set(e, ERR_CONFIG, 0, "no OpenStack cloud is named: give \"cloud\" (a cloud of clouds.yaml), or set "
			       "OS_CLOUD, or OS_AUTH_URL and the other OS_* variables");
	if (c->auth_url == NULL)
		return err_set(e, ERR_CONFIG, 0, "the cloud \"%s\" of clouds.yaml has no auth.auth_url: add keystone's address",
			       cloud);
	return 0;
}

void openstack_config_fini(struct openstack_config *c)
{
	for (size_t i = 0; i < SETTINGS; i++) {
		char **at = slot(c, &settings[i]);

		if (*at != NULL)
			mem_wipe(*at, strlen(*at));
		free(*at);
		*at = NULL;
	}
}
