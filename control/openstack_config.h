// SPDX-License-Identifier: Apache-2.0
/*
 * Who one is to an OpenStack cloud, from where its own clients read it: a cloud of clouds.yaml (with secure.yaml laid over
 * it), else the OS_* environment. docs.openstack.org: os-client-config, python-openstackclient "authentication".
 */
#ifndef WHERRY_CONTROL_OPENSTACK_CONFIG_H
#define WHERRY_CONTROL_OPENSTACK_CONFIG_H

#include "base/err.h"

/* Every text is owned, NULL when it was not given. */
struct openstack_config {
	char *auth_url;
	char *username, *user_id, *password, *user_domain_name, *user_domain_id;
	char *project_name, *project_id, *project_domain_name, *project_domain_id;
	char *app_id, *app_name, *app_secret;
	char *token;
	char *region, *interface, *ca_file, *insecure, *verify;
};

/* cloud: its name in clouds.yaml; NULL or "": $OS_CLOUD, and without that the environment. file: NULL or "": found by
 * $OS_CLIENT_CONFIG_FILE, here, in ~/.config/openstack and in /etc/openstack. CONFIG says what is missing where. Call
 * openstack_config_fini also after a failure. */
int openstack_config_load(struct openstack_config *c, const char *cloud, const char *file, struct err *e);
void openstack_config_fini(struct openstack_config *c); /* wipes */

#endif
