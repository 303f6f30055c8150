// SPDX-License-Identifier: Apache-2.0
#include "azure_session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "blob_config.h"

#define WAIT_S          120
#define OPEN_TRIES      3
#define OPEN_PAUSE_NS   (200 * NS_PER_MS)
#define THROTTLE_NAP_NS (10 * NS_PER_S)
#define THROTTLE_S      5 /* when it does not say for how long */

static const struct azure_cloud azure_public = {
	.name = "Azure",
	.versions = {
		[AZURE_COMPUTE] = "2024-07-01", [AZURE_DISKS] = "2024-03-02", [AZURE_NETWORK] = "2024-05-01",
		[AZURE_STORAGE] = "2024-01-01", [AZURE_GALLERIES] = "2024-03-03", [AZURE_RESOURCES] = "2021-04-01",
		[AZURE_LOCKS] = "2016-09-01", [AZURE_SKUS] = "2021-07-01", [AZURE_SCHEDULES] = "2018-09-15",
		[AZURE_PERMISSIONS] = "2022-04-01", [AZURE_RESTORE] = "2024-07-01",
	},
	.ip_sku = "Standard",
	.user_data = true, .delete_option = true, .incremental = true, .if_none_match = true, .managed_diagnostics = true,
	.uefi = true,
};

/* Profile 2020-09-01-hybrid. */
static const struct azure_cloud azure_hub = {
	.name = "Azure Stack Hub",
	.versions = {
		[AZURE_COMPUTE] = "2020-06-01", [AZURE_DISKS] = "2019-07-01", [AZURE_NETWORK] = "2018-11-01",
		[AZURE_STORAGE] = "2019-06-01", [AZURE_RESOURCES] = "2018-05-01", [AZURE_LOCKS] = "2016-09-01",
		[AZURE_PERMISSIONS] = "2016-09-01",
	},
	.ip_sku = "Basic",
};

/* ---- Refusals ---- */

/* Codes that mean something else than their status does. https://aka.ms/azureerrors */
static const struct {
	const char *code; /* or its end, after '*' */
	enum err_kind kind;
} codes[] = {
	{"QuotaExceeded", ERR_NO_SPACE}, {"*AllocationFailed", ERR_NO_SPACE}, {"SkuNotAvailable", ERR_NO_SPACE},
	{"OverconstrainedAllocationRequest", ERR_NO_SPACE}, {"*CountLimitReached", ERR_NO_SPACE},
	{"ScopeLocked", ERR_DENIED}, {"LinkedAuthorizationFailed", ERR_DENIED}, {"LinkedAccessCheckFailed", ERR_DENIED},
	{"RetryableErrorDueToAnotherOperation", ERR_NETWORK},
	{"AnotherOperationInProgress", ERR_NETWORK}, {"OperationPreempted", ERR_NETWORK}, {"RetryableError", ERR_NETWORK},
	{"PreconditionFailed", ERR_NETWORK}, {"ExpiredAuthenticationToken", ERR_NETWORK},
	{"InternalServerError", ERR_NETWORK}, {"ServerTimeout", ERR_NETWORK},
	{"NicReservedForAnotherVm", ERR_BUSY}, {"NicInUse", ERR_BUSY}, {"*CannotBeDeleted", ERR_BUSY},
	{"AttachDiskWhileBeingDetached", ERR_BUSY}, {"ParentResourceNotFound", ERR_NOT_FOUND},
};

static enum err_kind kind_of(const char *code, const char *words, int status)
{
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		bool end = codes[i].code[0] == '*';
		const char *want = codes[i].code + end;
		size_t n = strlen(code), k = strlen(want);

		if (strcmp(code, want) == 0 || (end && n >= k && strcmp(code + n - k, want) == 0))
			return codes[i].kind;
	}
	/* "OperationNotAllowed" may be anything; a quota is told by its words. */
	if (status / 100 == 4 && status != 429 && strstr(words, "uota") != NULL)
		return ERR_NO_SPACE;
	return rest_kind(status);
}

/* error: {"code", "message", "details":[...]}; status 0: of an operation that failed. */
static int refusal(struct azure_session *s, const char *what, yyjson_val *error, const struct rest_reply *r, int status,
		   struct err *e)
{
	yyjson_val *detail = yyjson_arr_get_first(yyjson_obj_get(error, "details"));
	const char *code = rest_text(error, "code"), *words = rest_text(error, "message");
	char storage[80], correlation[41];

	if (code[0] == '\0')
		code = rest_header(r, "x-ms-error-code", storage, sizeof storage)[0] != '\0' ? storage : "no code";
	if (words[0] == '\0')
		words = rest_words(r);
	snprintf(s->refused, sizeof s->refused, "%s", code);
	enum err_kind kind = kind_of(rest_text(detail, "code")[0] != '\0' ? rest_text(detail, "code") : code, words, status);
	/* https://learn.microsoft.com/azure/virtual-network/troubleshoot-nic-reserved */
	if (strcmp(code, "NicReservedForAnotherVm") == 0 && r->retry_after_s <= 0)
		*s->not_before_ns = clock_mono_ns() + 180 * NS_PER_S;
	return err_set(e, kind == ERR_PROTOCOL && status == 0 ? ERR_IO : kind, 0, "%.150s: %s: %.200s%s%.100s (HTTP %d, request %s, "
		       "correlation %s)", what, code, words, detail != NULL ? " / " : "", rest_text(detail, "message"), r->status,
		       r->id[0] != '\0' ? r->id : "without id", rest_header(r, "x-ms-correlation-request-id", correlation, sizeof correlation)[0] != '\0' ? correlation : "unknown");
}

/* ---- One call ---- */

static void note_waiting(struct azure_session *s, const struct rest_reply *r)
{
	int64_t wait_s = r->retry_after_s == 0 && r->status == 429 ? THROTTLE_S : r->retry_after_s;

	*s->not_before_ns = wait_s > 0 ? clock_mono_ns() + wait_s * NS_PER_S : 0;
	if (r->status == 429)
		s->throttled_until_ns = *s->not_before_ns;
}

/* Who calls too often is let wait as a whole; a long wait is the caller's, who can be interrupted. */
static int be_patient(struct azure_session *s, struct err *e)
{
	int64_t left = s->throttled_until_ns - clock_mono_ns();

	if (left > 0 && left <= THROTTLE_NAP_NS)
		clock_sleep_ns(left);
	if (left <= THROTTLE_NAP_NS)
		return 0;
	*s->not_before_ns = s->throttled_until_ns;
	return err_set(e, ERR_NETWORK, 0, "%s asks not to be called for %lld s more, after too many calls", s->arm,
		       (long long)(left / NS_PER_S));
}

/* With a token, and once more with a new one when that is not taken. */
static int exchange(struct azure_session *s, struct rest_call *c, const char *condition, struct rest_reply *reply, struct err *e)
{
	for (int tries = 0;; tries++) {
		const char *token = be_patient(s, e) < 0 ? NULL : azure_credential_token(s->credential, s->audience, e);
		cleanup(cleanup_free) char *bearer = mem_printf("Authorization: Bearer %s", token != NULL ? token : "");
		const char *const headers[] = {bearer, condition, NULL};

		if (token == NULL)
			return -1;
		c->headers = headers;
		int rc = rest_call(s->rest, c, reply, e);
		c->headers = NULL;
		mem_wipe(bearer, strlen(bearer));
		if (rc < 0)
			return -1;
		note_waiting(s, reply);
		if (reply->status != 401 || tries == 1)
			return 0;
		rest_reply_fini(reply);
		azure_credential_renew(s->credential);
	}
}

static void take_operation(struct azure_session *s, struct rest_reply *r, struct azure_operation *op)
{
	*op = (struct azure_operation){.not_before_ns = *s->not_before_ns};
	op->url = rest_header_copy(r, "Azure-AsyncOperation");
	op->by_location = op->url == NULL;
	/* A Location besides 200 or 201 is where the thing is. */
	if (!op->by_location)
		op->result = rest_header_copy(r, "Location");
	else if (r->status == 202)
		op->url = rest_header_copy(r, "Location");
}

void azure_operation_fini(struct azure_operation *op)
{
	free(op->url);
	free(op->result);
	*op = (struct azure_operation){0};
}

/* A token is shown to nobody but Resource Manager. */
static int is_its_own(const struct azure_session *s, const char *url, struct err *e)
{
	size_t n = strlen(s->arm);

	return strncasecmp(url, s->arm, n) == 0 && (url[n] == '/' || strncmp(url + n, ":443/", 5) == 0) ? 0
	       : err_set(e, ERR_PROTOCOL, 0, "%s refers to another host, %.*s: no token is sent there", s->arm, (int)strcspn(url, "?"),
			 url);
}

int azure_call(struct azure_session *s, enum azure_api api, const char *method, const char *body, yyjson_doc **doc,
	       struct azure_operation *op, struct err *e, const char *path, ...)
{
	cleanup(rest_reply_fini) struct rest_reply reply = REST_REPLY_INIT;
	char what[220];
	va_list ap;

	va_start(ap, path);
	cleanup(cleanup_free) char *tail = mem_vprintf(path, ap);
	va_end(ap);
	if (doc != NULL)
		*doc = NULL;
	bool link = strncmp(tail, "http", 4) == 0;
	if (s->cloud->versions[api] == NULL)
		return err_set(e, ERR_UNSUPPORTED, 0, "%s has no %.*s", s->cloud->name, (int)strcspn(tail, "?"), tail);
	cleanup(cleanup_free) char *url = link ? mem_strdup(tail) : mem_printf("%s%s%sapi-version=%s", s->arm, tail,
									      strchr(tail, '?') != NULL ? "&" : "?",
									      s->cloud->versions[api]);
	struct rest_call call = {.method = method, .url = url, .body = body};
	bool create = strcmp(method, "PUT") == 0 && api == AZURE_COMPUTE && s->cloud->if_none_match;
	if ((link && is_its_own(s, url, e) < 0) || exchange(s, &call, create ? "If-None-Match: *" : NULL, &reply, e) < 0)
		return -1;
	snprintf(what, sizeof what, "%s %.*s", method, (int)strcspn(tail, "?"), tail);
	yyjson_val *root = yyjson_doc_get_root(reply.doc);
	if (reply.status / 100 != 2)
		return refusal(s, what, yyjson_obj_get(root, "error"), &reply, reply.status, e);
	if (op != NULL)
		take_operation(s, &reply, op);
	if (doc != NULL && reply.doc == NULL && (op == NULL || op->url == NULL))
		return err_set(e, ERR_PROTOCOL, 0, "%s answered what is no JSON: %.100s (request %s)", what, reply.text, reply.id);
	if (doc != NULL)
		*doc = take_ptr(&reply.doc);
	return 0;
}

int azure_follow(struct azure_session *s, struct azure_operation *op, enum azure_progress *progress, yyjson_doc **doc,
		 struct err *e)
{
	cleanup(rest_reply_fini) struct rest_reply reply = REST_REPLY_INIT;

	*progress = AZURE_RUNS;
	if (op->not_before_ns > clock_mono_ns())
		*s->not_before_ns = op->not_before_ns;
	if (op->not_before_ns > clock_mono_ns())
		return 0;
	if (is_its_own(s, op->url, e) < 0 ||
	    exchange(s, &(struct rest_call){.method = "GET", .url = op->url}, NULL, &reply, e) < 0)
		return -1;
	op->not_before_ns = *s->not_before_ns;
	yyjson_val *root = yyjson_doc_get_root(reply.doc), *error = yyjson_obj_get(root, "error");
	const char *status = rest_text(root, "status");
	bool failed = !op->by_location && (strcasecmp(status, "Failed") == 0 || strcasecmp(status, "Canceled") == 0);
	if (failed || reply.status / 100 != 2)
		refusal(s, failed ? "the operation failed" : "asking how the operation goes", error, &reply, failed ? 0 : reply.status, e);
	if (!failed && e->kind != ERR_NONE && err_is_retryable(e))
		return -1;
	if (e->kind != ERR_NONE)
		*progress = AZURE_FAILED;
	else if (op->by_location ? reply.status != 202 : strcasecmp(status, "Succeeded") == 0)
		*progress = AZURE_DONE;
	if (*progress == AZURE_DONE && doc != NULL)
		*doc = take_ptr(&reply.doc);
	return 0;
}

int azure_storage_call(struct azure_session *s, const char *method, const char *url, const char *const *headers, int file,
		       uint64_t size, struct buf *raw, struct err *e)
{
	cleanup(rest_reply_fini) struct rest_reply reply = REST_REPLY_INIT;
	struct rest_call call = {.method = method, .url = url, .headers = headers, .type = "application/octet-stream", .file = file,
				 .file_size = size};
	char what[200];

	if (rest_call(s->rest, &call, &reply, e) < 0)
		return -1;
	if (raw != NULL)
		buf_add(raw, reply.body, reply.body != NULL ? reply.body_len : 0);
	snprintf(what, sizeof what, "%s %.*s", method, (int)strcspn(url, "?"), url);
	return reply.status / 100 == 2 ? 0 : refusal(s, what, NULL, &reply, reply.status, e);
}

int azure_list(struct azure_session *s, enum azure_api api, const char *path, azure_seen *cb, void *ctx, struct err *e)
{
	cleanup(cleanup_free) char *next = mem_strdup(path);

	while (next != NULL) {
		cleanup(rest_doc_free) yyjson_doc *doc = NULL;
		yyjson_val *object;
		size_t i, max;

		if (azure_call(s, api, "GET", NULL, &doc, NULL, e, "%s", next) < 0)
			return -1;
		yyjson_val *root = yyjson_doc_get_root(doc), *list = yyjson_obj_get(root, "value");
		/* No list is not an empty one: from what is missing here others conclude that it was removed. */
		if (!yyjson_is_arr(list))
			return err_set(e, ERR_PROTOCOL, 0, "%.*s answered without a list", (int)strcspn(next, "?"), next);
		yyjson_arr_foreach(list, i, max, object) {
			int rc = cb(ctx, object);

			if (rc != 0)
				return rc;
		}
		free(next);
		next = rest_text(root, "nextLink")[0] != '\0' ? mem_strdup(rest_text(root, "nextLink")) : NULL;
	}
	return 0;
}

/* ---- Which cloud, and where ---- */

static char *without_slash(const char *url)
{
	size_t n = strlen(url);

	while (n > 0 && url[n - 1] == '/')
		n--;
	return mem_printf("%.*s", (int)n, url);
}

/* Every cloud of Microsoft's lists all of them. */
static yyjson_val *choose_cloud(const struct azure_session *s, yyjson_val *list)
{
	yyjson_val *cloud;
	size_t i, max;

	yyjson_arr_foreach(list, i, max, cloud)
		if (strncasecmp(rest_text(cloud, "resourceManager"), s->arm, strlen(s->arm)) == 0)
			return cloud;
	return yyjson_arr_get_first(list);
}

/* {"authentication":{"loginEndpoint", "audiences":[]}}; of Azure since 2022 with "resourceManager", or a list of clouds. */
static int discover(struct azure_session *s, char **authority, struct err *e)
{
	static const char *const versions[] = {"2022-09-01", "2015-01-01"};

	for (int i = 0; i < 2; i++) {
		cleanup(rest_reply_fini) struct rest_reply reply = REST_REPLY_INIT;
		cleanup(cleanup_free) char *url = mem_printf("%s/metadata/endpoints?api-version=%s", s->arm, versions[i]);

		if (rest_call(s->rest, &(struct rest_call){.method = "GET", .url = url}, &reply, e) < 0)
			return -1;
		if (rest_kind(reply.status) == ERR_NETWORK)
			return refusal(s, url, yyjson_obj_get(yyjson_doc_get_root(reply.doc), "error"), &reply, reply.status, e);
		yyjson_val *root = yyjson_doc_get_root(reply.doc);
		root = yyjson_is_arr(root) ? choose_cloud(s, root) : root;
		yyjson_val *how = yyjson_obj_get(root, "authentication"), *audience = yyjson_arr_get_first(yyjson_obj_get(how, "audiences"));
		bool azure = rest_text(root, "resourceManager")[0] != '\0';

		if (reply.status / 100 != 2 || rest_text(how, "loginEndpoint")[0] == '\0' || (i == 0 && !azure))
			continue;
		s->cloud = azure ? &azure_public : &azure_hub;
		*authority = without_slash(rest_text(how, "loginEndpoint"));
		s->audience = azure || !yyjson_is_str(audience) ? mem_strdup(s->arm) : without_slash(yyjson_get_str(audience));
		return 0;
	}
	return err_set(e, ERR_CONFIG, 0, "%s is no Azure Resource Manager: \"cloud\" is \"public\", or the address of an Azure Stack Hub's",
		       s->arm);
}

/* Secrets and tokens go there: an address without a scheme is https, as the SDKs have it, and http is for this host only. */
static int make_safe(char **url, struct err *e)
{
	if (strstr(*url, "://") == NULL) {
		char *whole = mem_printf("https://%s", *url);

		free(*url);
		*url = whole;
	}
	if (strncasecmp(*url, "https://", 8) == 0 || (strncasecmp(*url, "http://", 7) == 0 && blob_is_loopback(*url)))
		return 0;
	return err_set(e, ERR_CONFIG, 0, "%s does not begin with https://, so that everybody on the way could read the credentials: "
		       "correct \"cloud\" or AZURE_AUTHORITY_HOST", *url);
}

static int locate(struct azure_session *s, const char *cloud, char **authority, struct err *e)
{
	const char *host = getenv("AZURE_AUTHORITY_HOST");
	bool public = strcmp(cloud, "public") == 0;

	s->arm = public ? mem_strdup("https://management.azure.com") : without_slash(cloud);
	s->cloud = &azure_public;
	if (make_safe(&s->arm, e) < 0)
		return -1;
	if (public)
		s->audience = mem_strdup(s->arm);
	else if (discover(s, authority, e) < 0)
		return -1;
	if (public || (host != NULL && host[0] != '\0')) {
		free(*authority);
		*authority = without_slash(host != NULL && host[0] != '\0' ? host : "https://login.microsoftonline.com");
	}
	return make_safe(authority, e);
}

static int open_once(struct azure_session *s, const char *cloud, const char *subscription, int64_t *not_before_ns,
		       const struct log *log, struct err *e)
{
	struct rest_options options = {
		.id_header = "x-ms-request-id",
		.timeout_s = WAIT_S,
		.log = log,
	};
	cleanup(cleanup_free) char *authority = NULL;
	const char *env = getenv("AZURE_SUBSCRIPTION_ID");

	*s = (struct azure_session){.log = log, .not_before_ns = not_before_ns, .rest = rest_new(&options, e)};
	if (s->rest == NULL || locate(s, cloud, &authority, e) < 0)
		return -1;
	size_t n = strlen(authority);
	struct azure_login login = {.authority = authority, .adfs = n > 5 && strcasecmp(authority + n - 5, "/adfs") == 0,
				    .tried_for = s->audience, .log = log};
	s->credential = azure_credential_new(&login, e);
	if (s->credential == NULL)
		return -1;
	const char *by_az = azure_credential_subscription(s->credential);
	snprintf(s->subscription, sizeof s->subscription, "%s", subscription[0] != '\0' ? subscription
		 : env != NULL && env[0] != '\0' ? env : by_az);
	return s->subscription[0] != '\0' ? 0 : err_set(e, ERR_CONFIG, 0, "no subscription is named: give \"subscription_id\", or set "
							 "AZURE_SUBSCRIPTION_ID");
}

/* Nothing was made yet, so what may be over soon is simply tried again. */
int azure_session_open(struct azure_session *s, const char *cloud, const char *subscription, int64_t *not_before_ns,
		       const struct log *log, struct err *e)
{
	for (int tries = 1;; tries++) {
		int rc = open_once(s, cloud, subscription, not_before_ns, log, e);

		if (rc == 0 || !err_is_retryable(e) || tries == OPEN_TRIES)
			return rc;
		azure_session_close(s);
		*e = (struct err)ERR_INIT;
		clock_sleep_ns(tries * OPEN_PAUSE_NS);
	}
}

void azure_session_close(struct azure_session *s)
{
	azure_credential_free(s->credential);
	rest_free(s->rest);
	free(s->arm);
	free(s->audience);
	*s = (struct azure_session){0};
}
