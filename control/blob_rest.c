// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/xml.h"
#include "blob.h"

void blob_header(struct blob_request *q, const char *fmt, ...)
{
	va_list ap;

	if (q->header_count == BLOB_HEADERS - 4) /* what blob_ask adds, and NULL */
		abort();
	va_start(ap, fmt);
	q->headers[q->header_count++] = mem_vprintf(fmt, ap);
	va_end(ap);
}

void blob_add_tags(struct blob_request *q, const struct res_ref *ref)
{
	char tags[RES_TAGS_SIZE];

	res_tags_write(ref, tags);
	blob_header(q, "x-ms-meta-" BLOB_TAGS ": %s", tags);
}

void blob_request_fini(struct blob_request *q)
{
	for (unsigned i = 0; i < q->header_count; i++)
		free(q->headers[i]);
	q->header_count = 0;
}

/* RFC 7231, whatever the locale says. */
static void format_date(char out[64])
{
	static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t now = (time_t)(clock_wall_ns() / NS_PER_S);
	struct tm t;

	gmtime_r(&now, &t);
	snprintf(out, 64, "x-ms-date: %s, %02d %s %d %02d:%02d:%02d GMT", days[t.tm_wday], t.tm_mday, months[t.tm_mon],
		 1900 + t.tm_year, t.tm_hour, t.tm_min, t.tm_sec);
}

static int by_name(const void *a, const void *b)
{
	const char *x = *(const char *const *)a, *y = *(const char *const *)b;
	size_t n = strcspn(x, ":"), m = strcspn(y, ":");
	int order = memcmp(x, y, n < m ? n : m);

	return order != 0 ? order : (int)n - (int)m;
}

/* Address and headers, signed or with the operator's token. */
static void add_address(const struct blob_store *s, const struct blob_request *q, const char *path, struct buf *out)
{
	char sign = '?';

	buf_addf(out, "%s%s", s->config.endpoint, path);
	for (unsigned i = 0; i < BLOB_PAIRS && q->query[i][0] != NULL; i++, sign = '&') {
		buf_addf(out, "%c%s=", sign, q->query[i][0]);
		blob_encode(q->query[i][1], out);
	}
	if (s->config.token != NULL)
		buf_addf(out, "%c%s", sign, s->config.token);
}

static void authorize(const struct blob_store *s, const struct blob_request *q, const char *const *headers, const char *path,
		      struct buf *out)
{
	const char *below = strchr(strstr(s->config.endpoint, "://") + 3, '/'); /* the account's name, of some endpoints */
	cleanup(cleanup_free) char *whole = mem_printf("%s%s", below != NULL ? below : "", path);
	struct blob_signed what = {
		.method = q->method,
		.path = whole,
		.headers = headers,
		.length = q->body != NULL ? strlen(q->body) : 0,
		.type = q->type != NULL ? q->type : "application/octet-stream",
		.if_match = q->if_match != NULL ? q->if_match : "",
		.if_none_match = q->if_none_match != NULL ? q->if_none_match : "",
	};

	if (strcmp(q->method, "PUT") != 0)
		what.type = "";
	memcpy(what.query, q->query, sizeof what.query);
	buf_adds(out, "Authorization: ");
	blob_authorize(&s->config.key, &what, out);
}

int blob_ask(struct blob_store *s, struct rest *rest, const struct blob_request *q, struct rest_reply *out, struct err *e)
{
	cleanup(cleanup_free) char *path = mem_printf("/%s%s%s", s->config.container, q->name != NULL ? "/" : "",
						      q->name != NULL ? q->name : "");
	cleanup(buf_fini) struct buf url = BUF_INIT, authorization = BUF_INIT, match = BUF_INIT;
	const char *headers[BLOB_HEADERS + 4] = {NULL};
	char date[64];
	unsigned n = 0;

	for (; n < q->header_count; n++)
		headers[n] = q->headers[n];
	format_date(date);
	headers[n++] = date;
	headers[n++] = "x-ms-version: " BLOB_VERSION;
	qsort(headers, n, sizeof headers[0], by_name);
	if (s->config.token == NULL) {
		authorize(s, q, headers, path, &authorization);
		headers[n++] = buf_str(&authorization);
	}
	if (q->if_match != NULL || q->if_none_match != NULL) {
		buf_addf(&match, "%s: %s", q->if_match != NULL ? "If-Match" : "If-None-Match",
			 q->if_match != NULL ? q->if_match : q->if_none_match);
		headers[n++] = buf_str(&match);
	}
	add_address(s, q, path, &url);
	bool put = strcmp(q->method, "PUT") == 0;
	struct rest_call call = {.method = q->method, .url = buf_str(&url), .headers = headers,
				 .body = put ? q->body != NULL ? q->body : "" : NULL,
				 .type = q->type != NULL ? q->type : "application/octet-stream"};
	int rc = rest_call(rest, &call, out, e);
	mem_wipe(url.data, url.len);
	return rc < 0 ? -1 : out->status;
}

const char *blob_reason(const struct rest_reply *reply, char out[64])
{
	return rest_header(reply, "x-ms-error-code", out, 64);
}

static const struct {
	const char *reason;
	enum err_kind kind;
	const char *words;
} reasons[] = {
	{"AuthenticationFailed", ERR_DENIED, "the key or token is not the account's or has ended, or this host's clock is wrong"},
	{"AuthorizationFailure", ERR_DENIED, "the account's firewall keeps this host out, or the token is for something else"},
	{"KeyBasedAuthenticationNotPermitted", ERR_DENIED, "the account takes no key: set AZURE_STORAGE_SAS_TOKEN to a token that a user "
							   "delegated"},
	{"AuthorizationPermissionMismatch", ERR_DENIED, "the token does not allow that"},
	{"ContainerNotFound", ERR_NOT_FOUND, "the container is not there"},
	{"ContainerBeingDeleted", ERR_NETWORK, "the container is being deleted"},
	{"ConditionNotMet", ERR_BUSY, "somebody else changed it in the same moment"},
	{"LeaseIdMissing", ERR_BUSY, "somebody else has leased it"},
	{"LeaseIdMismatch", ERR_BUSY, "somebody else has leased it"},
	{"LeaseLost", ERR_BUSY, "the lease of this run has ended: was this host cut off or asleep? Run again"},
	{"LeaseNotPresent", ERR_BUSY, "the lease of this run has ended: was this host cut off or asleep? Run again"},
	{"UnsupportedHeader", ERR_UNSUPPORTED, "this kind of account has no page blobs: use a general-purpose one"},
	{"BlobTypeNotSupported", ERR_UNSUPPORTED, "this kind of account has no page blobs: use a general-purpose one"},
};

int blob_refused(struct blob_store *s, const struct blob_request *q, const struct rest_reply *reply, struct err *e)
{
	struct xml_text body = {.at = reply->body != NULL ? reply->body : "", .len = reply->body_len}, message;
	char reason[64], words[160] = "it does not say why";

	if (reply->retry_after_s > 0)
		s->p.not_before_ns = clock_mono_ns() + reply->retry_after_s * NS_PER_S;
	blob_reason(reply, reason);
	if (xml_find(&body, "Message", &message))
		xml_copy(&message, words, sizeof words);
	words[strcspn(words, "\r\n")] = '\0';
	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		if (strncmp(reason, reasons[i].reason, strlen(reasons[i].reason)) == 0)
			return err_set(e, reasons[i].kind, 0, "%s %s%s%s: %s (%d %s, request %s)", q->method, s->p.place,
				       q->name != NULL ? "/" : "", q->name != NULL ? q->name : "", reasons[i].words, reply->status,
				       reason, reply->id);
	return err_set(e, rest_kind(reply->status), 0, "%s %s%s%s: %d %s, %s (request %s)", q->method, s->p.place,
		       q->name != NULL ? "/" : "", q->name != NULL ? q->name : "", reply->status, reason, words, reply->id);
}
