// SPDX-License-Identifier: Apache-2.0
#include "openstack.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "json_format.h"

/* types: names of the service in catalogues, best first. version: the part of its address that stands for the version, and
 * what is appended to an address without. least, most: the microversions that this driver knows. */
static const struct {
	const char *name, *types[3], *version;
	const char *header;
	unsigned least, most;
} services[OS_SERVICES] = {
	[OS_COMPUTE] = {"the compute service", {"compute"}, "/v2.1", "compute", 47, 79},
	[OS_VOLUME] = {"the volume service", {"volumev3", "block-storage", "volume"}, "/v3", "volume", 27, 59},
	[OS_IMAGE] = {"the image service", {"image"}, "/v2", NULL, 0, 0},
	[OS_NETWORK] = {"the network service", {"network"}, "/v2.0", NULL, 0, 0},
};

/* ---- Keystone ---- */

/* The inner part of a JSON object that names one: by id, else by name in a domain (NULL: in none). Caller frees. */
static char *reference(const char *id, const char *name, const char *domain)
{
	return id != NULL ? json_format("'id':%s", id) : domain == NULL ? json_format("'name':%s", name)
						       : json_format("'name':%s,'domain':{%j}", name, domain);
}

/* What is missing in these credentials; NULL: nothing. */
static const char *missing_of(const struct openstack_config *c)
{
	bool user = c->username != NULL || c->user_id != NULL;

	if (c->app_secret != NULL)
		return c->app_id != NULL || (c->app_name != NULL && user) ? NULL : "application_credential_id";
	if (c->token != NULL && c->password == NULL)
		return NULL;
	return !user ? "username" : c->password == NULL ? "password" :
	       c->project_id == NULL && c->project_name == NULL ? "project_name" : NULL;
}

#define OR_DEFAULT(name) ((name) != NULL ? (name) : "Default")

/* The body of POST /v3/auth/tokens. An application credential has its project already. */
static void add_credentials(const struct openstack_config *c, struct buf *b)
{
	cleanup(cleanup_free) char *home = reference(c->user_domain_id, OR_DEFAULT(c->user_domain_name), NULL);
	cleanup(cleanup_free) char *user = reference(c->user_id, c->username, home);
	cleanup(cleanup_free) char *above = reference(c->project_domain_id, OR_DEFAULT(c->project_domain_name), NULL);
	cleanup(cleanup_free) char *project = reference(c->project_id, c->project_name, above);

	buf_adds(b, "{\"auth\":{\"identity\":{");
	if (c->app_secret != NULL && c->app_id != NULL)
		json_format_add(b, "'methods':['application_credential'],'application_credential':{'id':%s,'secret':%s}}", c->app_id,
				c->app_secret);
	else if (c->app_secret != NULL)
		json_format_add(b, "'methods':['application_credential'],'application_credential':{'name':%s,'user':{%j},'secret':%s}}",
				c->app_name, user, c->app_secret);
	else if (c->password == NULL)
		json_format_add(b, "'methods':['token'],'token':{'id':%s}}", c->token);
	else
		json_format_add(b, "'methods':['password'],'password':{'user':{%j,'password':%s}}}", user, c->password);
	if (c->app_secret == NULL && (c->project_id != NULL || c->project_name != NULL))
		json_format_add(b, ",'scope':{'project':{%j}}", project);
	buf_adds(b, "}}");
}

static bool is_wanted(yyjson_val *endpoint, const char *interface, const char *region)
{
	const char *at = rest_text(endpoint, "region_id");

	return strncmp(rest_text(endpoint, "interface"), interface, strlen(rest_text(endpoint, "interface"))) == 0 &&
	       (region == NULL || strcmp(at[0] != '\0' ? at : rest_text(endpoint, "region"), region) == 0);
}

/* Behind the version in "http://host:8774/v2.1/<project>"; 0: it has none. */
static size_t end_of_version(const char *url, const char *version)
{
	size_t len = strlen(version);

	for (const char *at = url; (at = strstr(at, version)) != NULL; at++)
		if (at[len] == '/' || at[len] == '\0')
			return (size_t)(at - url) + len;
	return 0;
}

/* The version is there, or is put at the end. */
static char *with_version(const char *url, const char *version)
{
	size_t n = strlen(url);

	while (n > 0 && url[n - 1] == '/')
		n--;
	return mem_printf("%.*s%s", (int)n, url, end_of_version(url, version) != 0 ? "" : version);
}

static void add_once(struct buf *list, const char *word)
{
	if (strstr(buf_str(list), word) == NULL)
		buf_addf(list, "%s%s", list->len != 0 ? ", " : "", word);
}

static int find_service(struct openstack *o, yyjson_val *catalogue, enum os_service s, struct err *e)
{
	const char *interface = o->config.interface != NULL ? o->config.interface : "public", *region = o->config.region;
	cleanup(buf_fini) struct buf regions = BUF_INIT;
	yyjson_val *service, *endpoint;
	size_t i, k, max, many;
	unsigned fits = 0;

	for (size_t t = 0; t < 3 && fits == 0 && services[s].types[t] != NULL; t++)
		yyjson_arr_foreach(catalogue, i, max, service) {
			if (strcmp(rest_text(service, "type"), services[s].types[t]) != 0)
				continue;
			yyjson_arr_foreach(yyjson_obj_get(service, "endpoints"), k, many, endpoint) {
				add_once(&regions, rest_text(endpoint, "region_id"));
				if (!is_wanted(endpoint, interface, region) || fits++ != 0)
					continue;
				free(o->at[s].url);
				o->at[s].url = with_version(rest_text(endpoint, "url"), services[s].version);
			}
		}
	if (fits == 1 || (fits > 1 && region != NULL))
		return 0;
	if (regions.len == 0)
		return err_set(e, ERR_CONFIG, 0, "%s lacks %s for this project: choose another project or cloud",
			       o->p.place, services[s].name);
	if (fits == 0)
		return err_set(e, ERR_CONFIG, 0, "%s lacks %s with a %s address in region %s: its regions are %s",
			       o->p.place, services[s].name, interface, region != NULL ? region : "(any)", regions.data);
	return err_set(e, ERR_CONFIG, 0, "%s has several regions (%s): name one by \"region\"", o->p.place, regions.data);
}

static int take_token(struct openstack *o, struct rest_reply *r, struct err *e)
{
	yyjson_val *token = yyjson_obj_get(yyjson_doc_get_root(r->doc), "token");
	yyjson_val *project = yyjson_obj_get(token, "project"), *role;
	size_t i, max;

	if (token == NULL || rest_take_token(o->rest, r, "X-Subject-Token", "X-Auth-Token") < 0)
		return err_set(e, ERR_PROTOCOL, 0, "%s is no keystone: it answered without a token; correct auth_url", o->config.auth_url);
	if (project == NULL)
		return err_set(e, ERR_CONFIG, 0, "%s: the credentials are for no project: add project_name", o->p.place);
	yyjson_arr_foreach(yyjson_obj_get(token, "roles"), i, max, role)
		o->reads_only = (i == 0 || o->reads_only) && strcmp(rest_text(role, "name"), "reader") == 0;
	snprintf(o->project, sizeof o->project, "%s", rest_text(project, "id"));
	for (int s = 0; s < OS_SERVICES; s++)
		if (find_service(o, yyjson_obj_get(token, "catalog"), (enum os_service)s, e) < 0)
			return -1;
	snprintf(o->p.identity, sizeof o->p.identity, "project %s at %.130s", o->project, o->at[OS_VOLUME].url);
	snprintf(o->p.place, sizeof o->p.place, "openstack project %.64s at %.120s%s%.48s", rest_text(project, "name"),
		 o->config.auth_url, o->config.region != NULL ? ", region " : "",
		 o->config.region != NULL ? o->config.region : "");
	return 0;
}

int os_login(void *openstack, struct err *e)
{
	struct openstack *o = openstack;
	const struct openstack_config *c = &o->config;
	cleanup(buf_fini) struct buf body = BUF_INIT;
	cleanup(rest_reply_fini) struct rest_reply reply = REST_REPLY_INIT;
	cleanup(cleanup_free) char *base = with_version(c->auth_url, "/v3"), *url = mem_printf("%s/auth/tokens", base);
	const char *missing = missing_of(c), *who = c->username != NULL ? c->username : c->user_id != NULL ? c->user_id :
				    c->app_secret != NULL ? "the application credential" : "the token";

	if (o->p.place[0] == '\0')
		snprintf(o->p.place, sizeof o->p.place, "openstack at %.200s", c->auth_url);
	if (missing != NULL)
		return err_set(e, ERR_CONFIG, 0, "the credentials for %s lack %s: add it to clouds.yaml, or set its OS_* variable",
			       o->p.place, missing);
	add_credentials(c, &body);
	int rc = rest_call(o->rest, &(struct rest_call){.method = "POST", .url = url, .body = body.data, .no_token = true}, &reply, e);
	mem_wipe(body.data, body.len);
	if (rc < 0)
		return -1;
	if (reply.status == 401)
		return err_set(e, ERR_DENIED, 0, "keystone at %s does not accept %s: wrong password, unknown, expired or without a "
			       "role in the project (request %s)", c->auth_url, who, reply.id);
	if (reply.status / 100 != 2)
		return rest_refusal(&reply, "logging in to keystone", &o->p.not_before_ns, e);
	return take_token(o, &reply, e);
}

/* ---- Services ---- */

/* "3.59": the minor part; the major ones are fixed by the address. */
static unsigned minor_of(const char *version)
{
	const char *dot = strchr(version, '.');

	return dot != NULL ? (unsigned)strtoul(dot + 1, NULL, 10) : 0;
}

/* The newest version that both sides know, as the header that calls carry. */
static int negotiate(struct openstack *o, enum os_service s, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	cleanup(cleanup_free) char *url = mem_printf("%.*s/", (int)end_of_version(o->at[s].url, services[s].version),
						     o->at[s].url);
	struct rest_call call = {.method = "GET", .url = url};
	char major = services[s].version[2];

	if (o->at[s].version[0] != '\0' || services[s].header == NULL)
		return 0;
	if (rest_ask(o->rest, &call, services[s].name, &o->p.not_before_ns, &doc, e) < 0)
		return -1;
	yyjson_val *root = yyjson_doc_get_root(doc), *v = yyjson_obj_get(root, "version");
	if (v == NULL)
		v = yyjson_arr_get_first(yyjson_obj_get(root, "versions"));
	unsigned least = minor_of(rest_text(v, "min_version")), most = minor_of(rest_text(v, "version"));
	if (most < services[s].least || least > services[s].most)
		return err_set(e, ERR_UNSUPPORTED, 0, "%s at %s speaks microversions %s to %s, and %c.%u to %c.%u are known here: use a cloud "
			       "of 2017 (Pike) or later", services[s].name, url, rest_text(v, "min_version"),
			       rest_text(v, "version"), major, services[s].least, major, services[s].most);
	snprintf(o->at[s].version, sizeof o->at[s].version, "OpenStack-API-Version: %s %c.%u", services[s].header, major,
		 most < services[s].most ? most : services[s].most);
	return 0;
}

int os_call(struct openstack *o, enum os_service s, const char *method, const char *body, yyjson_doc **doc, struct err *e,
	    const char *path, ...)
{
	struct rest_call call = {.method = method, .body = body};
	va_list ap;

	va_start(ap, path);
	cleanup(cleanup_free) char *tail = mem_vprintf(path, ap);
	va_end(ap);
	return os_perform(o, s, tail, &call, doc, e);
}

int os_perform(struct openstack *o, enum os_service s, const char *tail, struct rest_call *call, yyjson_doc **doc, struct err *e)
{
	cleanup(cleanup_free) char *url = mem_printf("%s%s", o->at[s].url, tail);

	if (negotiate(o, s, e) < 0)
		return -1;
	const char *const headers[] = {o->at[s].version[0] != '\0' ? o->at[s].version : NULL, NULL};
	call->url = url;
	call->headers = headers;
	return rest_ask(o->rest, call, services[s].name, &o->p.not_before_ns, doc, e);
}
