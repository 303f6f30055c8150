// SPDX-License-Identifier: Apache-2.0
#include "rest.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"

#define BODY_MAX        ((size_t)16 << 20)
#define CONNECT_TIMEOUT 20L
#define RETRY_AFTER_MAX 600
#define FILE_SLOWEST    1024L /* bytes a second; a file has no other limit of time */

struct rest {
	CURL *curl;
	struct rest_options options;
	char *ca_file, *id_header;
	char *token;             /* a header; NULL: none */
	char said[CURL_ERROR_SIZE];
	/* of the call under way */
	struct buf body, headers;
	struct rest_reply *reply;
	bool too_long, stopped;
	uint64_t offset;
	const struct rest_call *call;
};

static const char *const bundles[] = {
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem",
	"/etc/ssl/ca-bundle.pem",
};

static int choose_bundle(struct rest *r, const char *asked, struct err *e)
{
	const char *env = getenv("SSL_CERT_FILE");

	if (asked == NULL || asked[0] == '\0')
		asked = env;
	if (asked != NULL && asked[0] != '\0') {
		r->ca_file = mem_strdup(asked);
		if (access(asked, R_OK) == 0)
			return 0;
		return err_set(e, ERR_CONFIG, 0, "the file of trusted certificates %s cannot be read: correct its path", asked);
	}
	for (size_t i = 0; i < sizeof bundles / sizeof bundles[0] && r->ca_file == NULL; i++)
		if (access(bundles[i], R_OK) == 0)
			r->ca_file = mem_strdup(bundles[i]);
	return 0;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct rest *r = arg;

	r->too_long = r->body.len + size * n > BODY_MAX;
	if (r->too_long)
		return 0;
	buf_add(&r->body, data, size * n);
	return size * n;
}

/* The value when this line is header `name`; *len without blanks around it. */
static const char *header_value(const char *line, size_t n, const char *name, size_t *len)
{
	size_t k = name != NULL ? strlen(name) : 0;

	if (k == 0 || n <= k || line[k] != ':' || strncasecmp(line, name, k) != 0)
		return NULL;
	for (line += k + 1, n -= k + 1; n > 0 && isspace((unsigned char)*line); n--)
		line++;
	while (n > 0 && isspace((unsigned char)line[n - 1]))
		n--;
	*len = n;
	return line;
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
	struct rest *r = arg;
	const char *value;
	size_t len;

	n *= size;
	buf_add(&r->headers, line, n);
	if ((value = header_value(line, n, r->id_header, &len)) != NULL)
		snprintf(r->reply->id, sizeof r->reply->id, "%.*s", (int)len, value);
	if (r->options.ahead_ns != NULL && (value = header_value(line, n, "Date", &len)) != NULL) {
		cleanup(cleanup_free) char *date = mem_printf("%.*s", (int)len, value);
		time_t then = curl_getdate(date, NULL);

		*r->options.ahead_ns = then > 0 ? then * NS_PER_S - clock_wall_ns() : *r->options.ahead_ns;
	}
	/* A date instead of seconds is not used by any cloud we know; it counts as not asked. */
	if ((value = header_value(line, n, "Retry-After", &len)) != NULL) {
		r->reply->retry_after_s = atoll(value);
		if (r->reply->retry_after_s < 0 || r->reply->retry_after_s > RETRY_AFTER_MAX)
			r->reply->retry_after_s = RETRY_AFTER_MAX;
	}
	return n;
}

static size_t on_file(char *data, size_t size, size_t n, void *arg)
{
	struct rest *r = arg;
	uint64_t left = r->call->file_size - r->offset;
	size_t want = size * n < left ? size * n : (size_t)left;
	ssize_t got = want == 0 ? 0 : pread(r->call->file, data, want, (off_t)r->offset);

	if (got < 0 || (got == 0 && left > 0))
		return CURL_READFUNC_ABORT;
	r->offset += (uint64_t)got;
	return (size_t)got;
}

static int on_progress(void *arg, curl_off_t to_get, curl_off_t got, curl_off_t to_send, curl_off_t sent)
{
	struct rest *r = arg;

	(void)to_get;
	(void)got;
	(void)to_send;
	r->stopped = r->call->sent(r->call->ctx, (uint64_t)sent) != 0;
	return r->stopped;
}

struct rest *rest_new(const struct rest_options *o, struct err *e)
{
	struct rest *r = mem_alloc(sizeof *r);

	r->options = *o;
	r->id_header = mem_strdup(o->id_header);
	r->curl = curl_easy_init();
	if (r->curl == NULL)
		err_set(e, ERR_INTERNAL, 0, "libcurl cannot be set up");
	if (r->curl == NULL || choose_bundle(r, o->ca_file, e) < 0) {
		rest_free(r);
		return NULL;
	}
	return r;
}

void rest_free(struct rest *r)
{
	if (r == NULL)
		return;
	curl_easy_cleanup(r->curl);
	buf_fini(&r->body);
	rest_set_token(r, NULL);
	buf_fini(&r->headers);
	free(r->ca_file);
	free(r->id_header);
	free(r);
}

#define PROXY_ADVICE "correct https_proxy or http_proxy, or exempt the host by no_proxy"
#define CA_ADVICE    "trust its authority by the cloud's own setting or by $SSL_CERT_FILE"

/* The first row that has the code, and whose `part` is in curl's words, says what kind of failure it is and what to do. */
static const struct failure {
	CURLcode code;
	const char *part;
	enum err_kind kind;
	const char *advice;
} failures[] = {
	{CURLE_COULDNT_RESOLVE_HOST, "", ERR_NETWORK, "correct the address, or this host's name service"},
	{CURLE_COULDNT_RESOLVE_PROXY, "", ERR_NETWORK, PROXY_ADVICE},
	{CURLE_PROXY, "", ERR_NETWORK, PROXY_ADVICE},
	{CURLE_COULDNT_CONNECT, "", ERR_NETWORK, "does the service run there, and does every firewall let this host through?"},
	{CURLE_OPERATION_TIMEDOUT, "", ERR_TIMEOUT, "is the service overloaded, or does a firewall drop what is sent?"},
	{CURLE_PEER_FAILED_VERIFICATION, "expired", ERR_DENIED, "have the service's certificate renewed, or set this host's clock"},
	{CURLE_PEER_FAILED_VERIFICATION, "future", ERR_DENIED, "set this host's clock"},
	{CURLE_PEER_FAILED_VERIFICATION, "not correctly signed", ERR_DENIED, CA_ADVICE},
	{CURLE_PEER_FAILED_VERIFICATION, "Common Name", ERR_DENIED, "use the name that the service's certificate is for"},
	{CURLE_PEER_FAILED_VERIFICATION, "", ERR_DENIED, CA_ADVICE},
	{CURLE_SSL_CACERT_BADFILE, "", ERR_CONFIG, "that file must hold certificates in PEM"},
	{CURLE_SSL_CONNECT_ERROR, "", ERR_NETWORK, "does the service speak TLS 1.2 or later at that port?"},
	{CURLE_URL_MALFORMAT, "", ERR_CONFIG, "correct the address"},
	{CURLE_UNSUPPORTED_PROTOCOL, "", ERR_CONFIG, "correct the address: it begins with https:// or http://"},
	{CURLE_ABORTED_BY_CALLBACK, "", ERR_IO, "look at the file that was being sent"},
};

static const struct failure *failure_of(CURLcode code, const char *said)
{
	static const struct failure other = {.kind = ERR_NETWORK, .advice = "the same call may work later"};

	for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++)
		if (failures[i].code == code && strstr(said, failures[i].part) != NULL)
			return &failures[i];
	return &other;
}

static int no_reply(struct rest *r, const struct rest_call *c, CURLcode code, struct err *e)
{
	const char *said = r->said[0] != '\0' ? r->said : curl_easy_strerror(code);
	long proxy = 0;
	int where = (int)strcspn(c->url, "?");

	if (r->stopped)
		return err_set(e, ERR_CANCELED, 0, "%s %.*s: interrupted", c->method, where, c->url);
	if (r->too_long)
		return err_set(e, ERR_PROTOCOL, 0, "%s %.*s: the reply is longer than %zu MiB: is that address the service's?",
			       c->method, where, c->url, BODY_MAX >> 20);
	/* What curl says of a certificate are several lines, the last one ended, too. */
	for (char *end = r->said + strlen(r->said); end > r->said && end[-1] == '\n'; *--end = '\0')
		continue;
	for (char *end; (end = strchr(r->said, '\n')) != NULL; *end = ';')
		continue;
	curl_easy_getinfo(r->curl, CURLINFO_USED_PROXY, &proxy);
	const struct failure *f = failure_of(code == CURLE_COULDNT_CONNECT && proxy != 0 ? CURLE_PROXY : code, said);
	return err_set(e, f->kind, 0, "%s %.*s: %s: %s", c->method, where, c->url, said, f->advice);
}

void rest_set_token(struct rest *r, const char *header)
{
	if (r->token != NULL)
		mem_wipe(r->token, strlen(r->token));
	free(r->token);
	r->token = mem_strdup(header);
}

static struct curl_slist *headers_of(const struct rest *r, const struct rest_call *c)
{
	struct curl_slist *list = NULL;
	cleanup(cleanup_free) char *type = mem_printf("Content-Type: %s", c->type != NULL ? c->type : "application/json");

	for (const char *const *h = c->headers; h != NULL && *h != NULL; h++)
		list = curl_slist_append(list, *h);
	if (r->token != NULL && !c->no_token)
		list = curl_slist_append(list, r->token);
	list = curl_slist_append(list, "Accept: application/json");
	/* A service that refuses a file says so before it is sent: in the middle of it, the refusal is lost with the connection. */
	list = curl_slist_append(list, c->file > 0 ? "Expect: 100-continue" : "Expect:");
	return c->body != NULL || c->file > 0 ? curl_slist_append(list, type) : list;
}

static void set_up(struct rest *r, const struct rest_call *c, struct curl_slist *headers)
{
	CURL *h = r->curl;

	curl_easy_reset(h);
	curl_easy_setopt(h, CURLOPT_URL, c->url);
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, c->method);
	curl_easy_setopt(h, CURLOPT_NOBODY, strcmp(c->method, "HEAD") == 0 ? 1L : 0L);
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT);
	if (c->file <= 0)
		curl_easy_setopt(h, CURLOPT_TIMEOUT, (long)r->options.timeout_s);
	curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, c->file > 0 ? FILE_SLOWEST : 1L);
	curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, (long)r->options.timeout_s);
	curl_easy_setopt(h, CURLOPT_ERRORBUFFER, r->said);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, r);
	curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, r->options.insecure ? 0L : 1L);
	curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, r->options.insecure ? 0L : 2L);
	if (r->options.direct)
		curl_easy_setopt(h, CURLOPT_NOPROXY, "*");
	if (r->ca_file != NULL)
		curl_easy_setopt(h, CURLOPT_CAINFO, r->ca_file);
	if (c->body != NULL) {
		curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(c->body));
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, c->body);
	} else if (c->file > 0) {
		curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(h, CURLOPT_INFILESIZE_LARGE, (curl_off_t)c->file_size);
		curl_easy_setopt(h, CURLOPT_READFUNCTION, on_file);
		curl_easy_setopt(h, CURLOPT_READDATA, r);
	}
	if (c->sent != NULL) {
		curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
		curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, on_progress);
		curl_easy_setopt(h, CURLOPT_XFERINFODATA, r);
	}
}

static void take_body(struct rest *r, struct rest_reply *out)
{
	size_t n = 0;

	out->doc = r->body.len > 0 ? yyjson_read(r->body.data, r->body.len, 0) : NULL;
	for (const char *p = out->doc == NULL ? buf_str(&r->body) : ""; *p != '\0' && n + 1 < sizeof out->text; p++)
		if ((unsigned char)*p >= ' ' && *p != 0x7f)
			out->text[n++] = *p;
	out->text[n] = '\0';
	out->headers = buf_take(&r->headers);
	out->body_len = r->body.len;
	if (out->doc == NULL && r->body.len > 0)
		out->body = buf_take(&r->body);
}

static int call_once(struct rest *r, const struct rest_call *c, struct rest_reply *out, struct err *e)
{
	struct curl_slist *headers = headers_of(r, c);
	int64_t begin = clock_mono_ns();
	long status = 0;

	*out = (struct rest_reply)REST_REPLY_INIT;
	r->reply = out;
	r->call = c;
	r->offset = 0;
	r->too_long = r->stopped = false;
	r->said[0] = '\0';
	buf_clear(&r->body);
	buf_clear(&r->headers);
	set_up(r, c, headers);
	CURLcode code = curl_easy_perform(r->curl);
	curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(headers);
	out->status = (int)status;
	log_debug(r->options.log, "%s %.*s: %d in %lld ms (request %s)", c->method, (int)strcspn(c->url, "?"), c->url,
		  out->status, (long long)((clock_mono_ns() - begin) / NS_PER_MS), out->id[0] != '\0' ? out->id : "without id");
	if (code != CURLE_OK)
		return no_reply(r, c, code, e);
	take_body(r, out);
	return 0;
}

int rest_call(struct rest *r, const struct rest_call *c, struct rest_reply *out, struct err *e)
{
	if (call_once(r, c, out, e) < 0)
		return -1;
	if (out->status != 401 || c->no_token || r->options.log_in == NULL)
		return 0;
	rest_reply_fini(out);
	if (r->options.log_in(r->options.log_in_ctx, e) < 0)
		return err_wrap(e, "the token expired");
	return call_once(r, c, out, e);
}

/* *len: of the value; NULL: the reply has none. */
static const char *find_header(const struct rest_reply *reply, const char *name, size_t *len)
{
	const char *found = NULL;

	for (const char *line = reply->headers; line != NULL && *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t n = 0;
		const char *value = header_value(line, strcspn(line, "\n"), name, &n);

		if (value == NULL)
			continue;
		found = value;
		*len = n;
	}
	return found;
}

char *rest_header(const struct rest_reply *reply, const char *name, char *out, size_t size)
{
	size_t len = 0;
	const char *value = find_header(reply, name, &len);

	snprintf(out, size, "%.*s", (int)len, value != NULL ? value : "");
	return out;
}

char *rest_header_copy(const struct rest_reply *reply, const char *name)
{
	size_t len = 0;
	const char *value = find_header(reply, name, &len);

	return value != NULL ? mem_printf("%.*s", (int)len, value) : NULL;
}

const char *rest_ca_file(const struct rest *r)
{
	return r->ca_file;
}

void rest_form_add(struct buf *b, const char *key, const char *value)
{
	static const char plain[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._~";

	buf_addf(b, "%s%s=", b->len != 0 ? "&" : "", key);
	for (const unsigned char *p = (const unsigned char *)value; *p != '\0'; p++)
		buf_addf(b, strchr(plain, *p) != NULL ? "%c" : "%%%02X", *p);
}

int rest_take_token(struct rest *r, const struct rest_reply *reply, const char *from, const char *name)
{
	size_t len = 0;
	const char *value = find_header(reply, from, &len);

	if (value == NULL)
		return -1;
	cleanup(cleanup_free) char *header = mem_printf("%s: %.*s", name, (int)len, value);
	rest_set_token(r, header);
	mem_wipe(header, strlen(header));
	return 0;
}
