// SPDX-License-Identifier: Apache-2.0
#include "openstack_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "settings.h"

#define AT(member) offsetof(struct openstack_config, member)

/* In clouds.yaml most stand below "auth". */
static const struct setting settings[] = {
	{AT(auth_url), "auth", "auth_url", "OS_AUTH_URL", NULL},
	{AT(username), "auth", "username", "OS_USERNAME", NULL},
	{AT(user_id), "auth", "user_id", "OS_USER_ID", NULL},
	{AT(password), "auth", "password", "OS_PASSWORD", NULL},
	{AT(user_domain_name), "auth", "user_domain_name", "OS_USER_DOMAIN_NAME", NULL},
	{AT(user_domain_id), "auth", "user_domain_id", "OS_USER_DOMAIN_ID", NULL},
	{AT(project_name), "auth", "project_name", "OS_PROJECT_NAME", "OS_TENANT_NAME"},
	{AT(project_id), "auth", "project_id", "OS_PROJECT_ID", "OS_TENANT_ID"},
	{AT(project_domain_name), "auth", "project_domain_name", "OS_PROJECT_DOMAIN_NAME", NULL},
	{AT(project_domain_id), "auth", "project_domain_id", "OS_PROJECT_DOMAIN_ID", NULL},
	{AT(app_id), "auth", "application_credential_id", "OS_APPLICATION_CREDENTIAL_ID", NULL},
	{AT(app_name), "auth", "application_credential_name", "OS_APPLICATION_CREDENTIAL_NAME", NULL},
	{AT(app_secret), "auth", "application_credential_secret", "OS_APPLICATION_CREDENTIAL_SECRET", NULL},
	{AT(token), "auth", "token", "OS_TOKEN", NULL},
	{AT(region), NULL, "region_name", "OS_REGION_NAME", NULL},
	{AT(interface), NULL, "interface", "OS_INTERFACE", "OS_ENDPOINT_TYPE"},
	{AT(ca_file), NULL, "cacert", "OS_CACERT", NULL},
	{AT(insecure), NULL, "insecure", "OS_INSECURE", NULL},
	{AT(verify), NULL, "verify", NULL, NULL},
};
#define SETTINGS (sizeof settings / sizeof settings[0])

static int read_files(struct openstack_config *c, const char *cloud, const char *wanted, struct err *e)
{
	cleanup(cleanup_free) char *file = settings_find(wanted, "OS_CLIENT_CONFIG_FILE", "openstack", "clouds.yaml");

	if (file == NULL)
		return err_set(e, ERR_CONFIG, 0, "there is no clouds.yaml for the cloud \"%s\", here or in ~/.config/openstack or "
			       "/etc/openstack: put it there, or name it by \"clouds_file\"", cloud);
	if (settings_from_yaml(settings, SETTINGS, file, "clouds", cloud, "cloud", c, e) < 0)
		return -1;
	const char *slash = strrchr(file, '/');
	cleanup(cleanup_free) char *secure = mem_printf("%.*ssecure.yaml", slash != NULL ? (int)(slash + 1 - file) : 0, file);
	return access(secure, F_OK) == 0 ? settings_from_yaml(settings, SETTINGS, secure, "clouds", cloud, NULL, c, e) : 0;
}

int openstack_config_load(struct openstack_config *c, const char *cloud, const char *file, struct err *e)
{
	*c = (struct openstack_config){0};
	if (cloud == NULL || cloud[0] == '\0')
		cloud = getenv("OS_CLOUD");
	if (cloud == NULL || cloud[0] == '\0')
		settings_from_env(settings, SETTINGS, c);
	else if (read_files(c, cloud, file, e) < 0)
		return -1;
	if (c->auth_url == NULL && (cloud == NULL || cloud[0] == '\0'))
		return err_set(e, ERR_CONFIG, 0, "no OpenStack cloud is named: give \"cloud\" (a cloud of clouds.yaml), or set "
			       "OS_CLOUD, or OS_AUTH_URL and the other OS_* variables");
	if (c->auth_url == NULL)
		return err_set(e, ERR_CONFIG, 0, "the cloud \"%s\" of clouds.yaml has no auth.auth_url: add keystone's address", cloud);
	return 0;
}

void openstack_config_fini(struct openstack_config *c)
{
	settings_fini(settings, SETTINGS, c);
}
