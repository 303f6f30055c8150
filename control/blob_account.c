// SPDX-License-Identifier: Apache-2.0
/*
 * The account's key and its address, asked of Azure Resource Manager by who one is there (azure_credential.h): "Storage Accounts -
 * Get Properties" and "- List Keys", learn.microsoft.com/rest/api/storagerp. The key stays in this process: workers get tokens
 * for one blob, which it signs.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "azure_session.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "blob_config.h"

#define TRIES    5
#define PAUSE_NS (2 * NS_PER_S)

struct account {
	struct azure_session session;
	int64_t not_before_ns;
	char id[384];
};

/* What cannot be answered now is asked again; what may not be asked is named. */
static int ask(struct account *a, const char *method, const char *action, const char *right, yyjson_doc **doc, struct err *e)
{
	for (int tries = 1;; tries++) {
		if (azure_call(&a->session, AZURE_STORAGE, method, strcmp(method, "POST") == 0 ? "{}" : NULL, doc, NULL, e, "%s%s",
			       a->id, action) == 0)
			return 0;
		if (!err_is_retryable(e) || tries == TRIES)
			break;
		int64_t wait = a->not_before_ns - clock_mono_ns();
		clock_sleep_ns(wait > PAUSE_NS ? wait : PAUSE_NS);
		*e = (struct err)ERR_INIT;
	}
	if (e->kind != ERR_DENIED)
		return -1;
	struct err why = *e;
	return err_set(e, ERR_DENIED, 0, "%s needs the action Microsoft.Storage/storageAccounts/%s on the storage account: give it a role "
		       "that grants that (control/azure-blob-role.json is one), or set AZURE_STORAGE_KEY: %.150s",
		       azure_credential_who(a->session.credential), right, why.msg);
}

static int take_endpoint(struct blob_config *c, struct account *a, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;

	if (c->endpoint[0] != '\0')
		return 0;
	if (ask(a, "GET", "", "read", &doc, e) < 0)
		return -1;
	yyjson_val *all = yyjson_ptr_get(yyjson_doc_get_root(doc), "/properties/primaryEndpoints");
	if (rest_text(all, "blob")[0] == '\0')
		return err_set(e, ERR_UNSUPPORTED, 0, "storage account %s has no Blob service: use a general-purpose one", c->account);
	snprintf(c->endpoint, sizeof c->endpoint, "%s", rest_text(all, "blob"));
	return 0;
}

static int take_first_key(struct blob_config *c, struct account *a, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	yyjson_val *key;
	size_t i, max;
	int rc = 1;

	if (ask(a, "POST", "/listKeys", "listKeys/action", &doc, e) < 0)
		return -1;
	yyjson_val *keys = yyjson_obj_get(yyjson_doc_get_root(doc), "keys");
	yyjson_arr_foreach(keys, i, max, key) {
		const char *value = rest_text(key, "value");

		if (rc == 1 && strcasecmp(rest_text(key, "permissions"), "full") == 0)
			rc = blob_config_take_key(c, value, "the account's list of keys", e);
		mem_wipe((void *)value, strlen(value));
	}
	return rc <= 0 ? rc : err_set(e, ERR_DENIED, 0, "storage account %s has no key that allows everything: is access by key forbidden "
				      "there? Set AZURE_STORAGE_SAS_TOKEN", c->account);
}

static void close_account(struct account *a)
{
	azure_session_close(&a->session);
}

int blob_account_load(struct blob_config *c, const struct log *log, struct err *e)
{
	cleanup(close_account) struct account a = {.not_before_ns = 0};

	if (azure_session_open(&a.session, c->cloud, c->subscription, &a.not_before_ns, log, e) < 0)
		return -1;
	snprintf(a.id, sizeof a.id, "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Storage/storageAccounts/%s",
		 a.session.subscription, c->group, c->account);
	return take_endpoint(c, &a, e) < 0 ? -1 : take_first_key(c, &a, e);
}
