// SPDX-License-Identifier: Apache-2.0
#include "blob_config.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/mem.h"

/* "Name=value;Name=value"; a value may have '=' in it. */
static bool part_of(const char *text, const char *name, char *out, size_t size)
{
	size_t n = strlen(name);

	for (const char *at = text; *at != '\0'; at += strcspn(at, ";"), at += *at == ';') {
		if (strncmp(at, name, n) != 0 || at[n] != '=')
			continue;
		size_t len = strcspn(at + n + 1, ";");
		if (len >= size)
			return false;
		memcpy(out, at + n + 1, len);
		out[len] = '\0';
		return len > 0;
	}
	return false;
}

static const char *env(const char *name)
{
	const char *value = getenv(name);

	return value != NULL ? value : "";
}

int blob_config_take_key(struct blob_config *c, const char *text, const char *where, struct err *e)
{
	cleanup(buf_fini) struct buf bytes = BUF_INIT;

	if (base64_decode(text, strlen(text), &bytes) < 0 || bytes.len == 0 || bytes.len > sizeof c->key.bytes)
		return err_set(e, ERR_CONFIG, 0, "the account key in %s is not one: it is base64 of 64 bytes, as the portal or `az "
			       "storage account keys list` shows it", where);
	memcpy(c->key.bytes, bytes.data, bytes.len);
	c->key.len = bytes.len;
	mem_wipe(bytes.data, bytes.len);
	return 0;
}

static void take_token(struct blob_config *c, const char *text)
{
	c->token = mem_strdup(text + (text[0] == '?'));
}

static int take_account(struct blob_config *c, const char *name, const char *where, struct err *e)
{
	if (c->account[0] == '\0')
		snprintf(c->account, sizeof c->account, "%s", name);
	if (strcmp(c->account, name) == 0)
		return 0;
	return err_set(e, ERR_CONFIG, 0, "%s is for the storage account %.64s, but the job names %s: set the right one, or correct "
		       "storage_account_name", where, name, c->account);
}

static int from_connection_string(struct blob_config *c, const char *text, struct err *e)
{
	static const char where[] = "AZURE_STORAGE_CONNECTION_STRING";
	char name[64], suffix[128], value[1024] = "";
	int rc = 0;

	if (part_of(text, "AccountName", name, sizeof name) && take_account(c, name, where, e) < 0)
		return -1;
	if (c->endpoint[0] == '\0' && !part_of(text, "BlobEndpoint", c->endpoint, sizeof c->endpoint) &&
	    part_of(text, "EndpointSuffix", suffix, sizeof suffix) && c->account[0] != '\0')
		snprintf(c->endpoint, sizeof c->endpoint, "https://%s.blob.%s", c->account, suffix);
	if (part_of(text, "AccountKey", value, sizeof value))
		rc = blob_config_take_key(c, value, where, e);
	else if (part_of(text, "SharedAccessSignature", value, sizeof value))
		take_token(c, value);
	else
		rc = err_set(e, ERR_CONFIG, 0, "%s has neither an AccountKey nor a SharedAccessSignature: copy it anew from the "
			     "portal", where);
	mem_wipe(value, sizeof value);
	return rc;
}

static bool is_name(const char *text, size_t min, size_t max, const char *more)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++)
		if (!((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9') || strchr(more, text[i]) != NULL))
			return false;
	return n >= min && n <= max;
}

static int check_account(const struct blob_config *c, struct err *e)
{
	if (is_name(c->account, 3, 24, ""))
		return 0;
	return err_set(e, ERR_CONFIG, 0, "\"%s\" is no name of a storage account: it is 3 to 24 lower-case letters and digits; "
		       "give storage_account_name", c->account);
}

static int from_environment(struct blob_config *c, const struct log *log, struct err *e)
{
	if (env("AZURE_STORAGE_CONNECTION_STRING")[0] != '\0')
		return from_connection_string(c, env("AZURE_STORAGE_CONNECTION_STRING"), e);
	if (c->account[0] == '\0')
		snprintf(c->account, sizeof c->account, "%.63s", env("AZURE_STORAGE_ACCOUNT"));
	if (env("AZURE_STORAGE_KEY")[0] != '\0')
		return blob_config_take_key(c, env("AZURE_STORAGE_KEY"), "AZURE_STORAGE_KEY", e);
	if (env("AZURE_STORAGE_SAS_TOKEN")[0] == '\0' && c->group[0] != '\0')
		return check_account(c, e) < 0 ? -1 : blob_account_load(c, log, e);
	if (env("AZURE_STORAGE_SAS_TOKEN")[0] == '\0')
		return err_set(e, ERR_DENIED, 0, "nothing says who is asking for the container %s: set AZURE_STORAGE_KEY, "
			       "AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_CONNECTION_STRING in the environment, or name the account's "
			       "resource_group, and its key is asked for as whom the environment says you are to Azure", c->container);
	take_token(c, env("AZURE_STORAGE_SAS_TOKEN"));
	return 0;
}

bool blob_is_loopback(const char *url)
{
	const char *host = strstr(url, "://");

	host = host != NULL ? host + 3 : url;
	char name[64];
	struct in_addr ip;

	snprintf(name, sizeof name, "%.*s", (int)(host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/")), host);
	return strcmp(name, "[::1]") == 0 || strcmp(name, "localhost") == 0 ||
	       (inet_pton(AF_INET, name, &ip) == 1 && ntohl(ip.s_addr) >> 24 == 127);
}

void blob_replace_host(const char *url, const char *host, char *out, size_t size)
{
	const char *at = strstr(url, "://");
	const char *from = at != NULL ? at + 3 : url;
	const char *behind = from[0] == '[' ? from + strcspn(from, "]") + 1 : from + strcspn(from, ":/");

	snprintf(out, size, "%.*s%s%s", (int)(from - url), url, host, behind);
}

/* A token or signature on a wire that others read is theirs; nobody else is on this host's own. */
static int check_endpoint(const struct blob_config *c, struct err *e)
{
	if (strncmp(c->endpoint, "https://", 8) == 0 || (strncmp(c->endpoint, "http://", 7) == 0 && blob_is_loopback(c->endpoint)))
		return strpbrk(c->endpoint, "? #") == NULL ? 0 : err_set(e, ERR_CONFIG, 0, "the endpoint %s is no address without a query",
									    c->endpoint);
	return err_set(e, ERR_CONFIG, 0, "the endpoint %s does not begin with https://, so that everybody on the way could read "
		       "what is written", c->endpoint);
}

int blob_config_load(struct blob_config *c, const struct log *log, struct err *e)
{
	if (!is_name(c->container, 3, 63, "-"))
		return err_set(e, ERR_CONFIG, 0, "\"%s\" is no name of a container: it is 3 to 63 lower-case letters, digits and '-'",
			       c->container);
	if (from_environment(c, log, e) < 0 || check_account(c, e) < 0)
		return -1;
	c->key.account = c->account;
	if (c->endpoint[0] == '\0')
		snprintf(c->endpoint, sizeof c->endpoint, "https://%s.blob.core.windows.net", c->account);
	for (size_t n = strlen(c->endpoint); n > 0 && c->endpoint[n - 1] == '/'; n--)
		c->endpoint[n - 1] = '\0';
	return check_endpoint(c, e);
}

void blob_config_fini(struct blob_config *c)
{
	if (c->token != NULL)
		mem_wipe(c->token, strlen(c->token));
	free(c->token);
	mem_wipe(c, sizeof *c);
}
