// SPDX-License-Identifier: Apache-2.0
#include "copy/blob_call.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/xml.h"
#include "net/digest.h"

#define CONNECT_S     20L
#define CALL_S        120L /* of 4 MiB at most: a slow drip ends, too */
#define STALL_S       30L
#define FIRST_DELAY   (200 * NS_PER_MS)
#define LONGEST_DELAY (30 * NS_PER_S)
#define RETRY_AFTER_MAX 600

static const struct {
	const char *method, *query, *write;
	bool ranged;
	int success;
} ops[] = {
	[BLOB_LOOK] = {"HEAD", "", NULL, false, 200},
	[BLOB_READ] = {"GET", "", NULL, true, 206},
	[BLOB_PUT] = {"PUT", "comp=page&", "x-ms-page-write: update", true, 201},
	[BLOB_CLEAR] = {"PUT", "comp=page&", "x-ms-page-write: clear", true, 201},
	[BLOB_RANGES] = {"GET", "comp=pagelist&", NULL, true, 200},
};

int blob_call_init(struct blob_call *c, struct err *e)
{
	memset(c, 0, sizeof *c);
	c->curl = curl_easy_init();
	return c->curl != NULL ? 0 : err_set(e, ERR_INTERNAL, 0, "libcurl cannot be set up: is there memory left?");
}

void blob_call_fini(struct blob_call *c)
{
	curl_easy_cleanup(c->curl);
	curl_slist_free_all(c->headers);
	buf_fini(&c->text);
}

/* ---- What goes out ---- */

static const struct iovec *parts(const struct blob_call *c)
{
	return c->parts != NULL ? c->parts : &c->data;
}

static unsigned part_count(const struct blob_call *c)
{
	return c->parts != NULL ? c->part_count : 1;
}

static size_t on_send(char *to, size_t size, size_t n, void *arg)
{
	struct blob_call *c = arg;
	uint64_t at = c->moved; /* in what is left of the parts */
	size_t sent = 0;

	for (unsigned i = 0; i < part_count(c) && sent < size * n; i++) {
		const struct iovec *part = &parts(c)[i];

		if (at < part->iov_len) {
			size_t some = part->iov_len - at < size * n - sent ? part->iov_len - at : size * n - sent;

			memcpy(to + sent, (const char *)part->iov_base + at, some);
			sent += some;
			at += some;
		}
		at -= part->iov_len < at ? part->iov_len : at;
	}
	c->moved += sent;
	return sent;
}

/* A connection that was kept turned out to be closed. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
	struct blob_call *c = arg;

	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > c->length)
		return CURL_SEEKFUNC_FAIL;
	c->moved = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

/* ---- What comes in ---- */

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct blob_call *c = arg;
	long status = 0;

	n *= size;
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	if (c->op == BLOB_READ && status == ops[BLOB_READ].success) {
		if (n > c->length - c->moved)
			return CURL_WRITEFUNC_ERROR;
		memcpy((char *)c->data.iov_base + c->moved, data, n);
		c->moved += n;
		return n;
	}
	size_t room = BLOB_TEXT_MAX - c->text.len;
	buf_add(&c->text, data, n < room ? n : room);
	return n;
}

static bool take_header(const char *line, size_t n, const char *name, char *out, size_t size)
{
	size_t k = strlen(name), len = 0;

	if (n <= k || line[k] != ':' || strncasecmp(line, name, k) != 0)
		return false;
	for (line += k + 1, n -= k + 1; n > 0 && isspace((unsigned char)*line); n--)
		line++;
	while (len < n && len + 1 < size && line[len] > ' ' && line[len] < 0x7f)
		len++;
	memcpy(out, line, len);
	out[len] = '\0';
	return true;
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
	struct blob_call *c = arg;
	char value[64];

	n *= size;
	take_header(line, n, "x-ms-error-code", c->error, sizeof c->error);
	take_header(line, n, "x-ms-request-id", c->request_id, sizeof c->request_id);
	if (take_header(line, n, "x-ms-blob-type", value, sizeof value))
		c->is_page_blob = strcmp(value, "PageBlob") == 0;
	/* A date instead of seconds counts as not asked. */
	if (take_header(line, n, "Retry-After", value, sizeof value)) {
		c->retry_after_s = atoll(value);
		if (c->retry_after_s < 0 || c->retry_after_s > RETRY_AFTER_MAX)
			c->retry_after_s = RETRY_AFTER_MAX;
	}
	return n;
}

/* ---- The call ---- */

static void add_header(struct blob_call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add_header(struct blob_call *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	cleanup(cleanup_free) char *line = mem_vprintf(fmt, ap);
	va_end(ap);
	c->headers = curl_slist_append(c->headers, line);
}

static void add_headers(struct blob_call *c, const struct blob_address *at)
{
	curl_slist_free_all(c->headers);
	c->headers = NULL;
	add_header(c, "x-ms-version: " BLOB_VERSION);
	add_header(c, "Expect:");
	if (ops[c->op].ranged)
		add_header(c, "x-ms-range: bytes=%" PRIu64 "-%" PRIu64, c->offset, c->offset + c->length - 1);
	if (ops[c->op].write == NULL)
		return;
	add_header(c, "%s", ops[c->op].write);
	add_header(c, "Content-Type: application/octet-stream");
	if (at->lease[0] != '\0')
		add_header(c, "x-ms-lease-id: %s", at->lease);
	if (c->op == BLOB_PUT) {
		cleanup(buf_fini) struct buf sum = BUF_INIT;
		uint8_t md5[DIGEST_MD5];

		digest_md5_parts(parts(c), part_count(c), md5);
		base64_encode(md5, sizeof md5, &sum);
		add_header(c, "Content-MD5: %s", buf_str(&sum));
	}
}

static void set_trust(CURL *h, const char *ca)
{
	struct curl_blob pem = {.data = (void *)ca, .len = strlen(ca), .flags = CURL_BLOB_NOCOPY};

	if (pem.len > 0)
		curl_easy_setopt(h, CURLOPT_CAINFO_BLOB, &pem);
}

void blob_call_prepare(struct blob_call *c, const struct blob_address *at)
{
	cleanup(cleanup_free) char *url = mem_printf("%s?%s%s", at->url, ops[c->op].query, at->token);
	CURL *h = c->curl;

	add_headers(c, at);
	buf_clear(&c->text);
	c->moved = 0;
	c->status = 0;
	c->retry_after_s = 0;
	c->error[0] = c->request_id[0] = c->said[0] = '\0';
	curl_easy_reset(h);
	curl_easy_setopt(h, CURLOPT_URL, url);
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, ops[c->op].method);
	curl_easy_setopt(h, CURLOPT_NOBODY, c->op == BLOB_LOOK ? 1L : 0L);
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
	curl_easy_setopt(h, CURLOPT_TIMEOUT, CALL_S);
	curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, STALL_S);
	curl_easy_setopt(h, CURLOPT_ERRORBUFFER, c->said);
	curl_easy_setopt(h, CURLOPT_PRIVATE, c);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, c->headers);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, c);
	if (ops[c->op].write != NULL) {
		curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(h, CURLOPT_INFILESIZE_LARGE, (curl_off_t)(c->op == BLOB_PUT ? c->length : 0));
		curl_easy_setopt(h, CURLOPT_READFUNCTION, on_send);
		curl_easy_setopt(h, CURLOPT_READDATA, c);
		curl_easy_setopt(h, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(h, CURLOPT_SEEKDATA, c);
	}
	set_trust(h, at->ca);
	mem_wipe(url, strlen(url));
}

void blob_call_finish(struct blob_call *c, CURLcode code)
{
	curl_off_t length = -1;
	long status = 0;

	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(c->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	c->code = code;
	c->status = (int)status;
	if (c->op == BLOB_LOOK)
		c->size = length > 0 ? (uint64_t)length : 0;
	/* Whole or not at all. */
	if (c->code == CURLE_OK && c->op == BLOB_READ && c->status == ops[BLOB_READ].success && c->moved != c->length)
		c->code = CURLE_PARTIAL_FILE;
}

/* ---- What it means ---- */

static enum blob_verdict judge_silence(CURLcode code)
{
	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION: case CURLE_SSL_CACERT_BADFILE: case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL: case CURLE_WRITE_ERROR: case CURLE_OUT_OF_MEMORY:
		return BLOB_FAILED;
	default:
		return BLOB_AGAIN; /* not resolved, not connected, cut, timed out */
	}
}

enum blob_verdict blob_judge(const struct blob_call *c, bool newer)
{
	if (c->code != CURLE_OK)
		return judge_silence(c->code);
	if (c->status == ops[c->op].success)
		return BLOB_DONE;
	switch (c->status) {
	case 408: case 500: case 502: case 504:
		return BLOB_AGAIN;
	case 429: case 503:
		return BLOB_SLOWER;
	case 400:
		/* Damaged on the way. */
		return strcmp(c->error, "Md5Mismatch") == 0 ? BLOB_AGAIN : BLOB_FAILED;
	case 401: case 403:
		return newer ? BLOB_AGAIN : BLOB_FAILED;
	default:
		return BLOB_FAILED;
	}
}

int64_t blob_delay_ns(unsigned tries, int64_t retry_after_s, unsigned chance)
{
	int64_t delay = tries < 8 ? FIRST_DELAY << tries : LONGEST_DELAY;

	if (delay > LONGEST_DELAY)
		delay = LONGEST_DELAY;
	delay = delay * (int64_t)(192 + chance % 129) / 256; /* 75 to 125 per cent */
	return delay > retry_after_s * NS_PER_S ? delay : retry_after_s * NS_PER_S;
}

static const char *doing(const struct blob_call *c)
{
	static const char *const names[] = {
		[BLOB_LOOK] = "looking at",
		[BLOB_READ] = "reading",
		[BLOB_PUT] = "writing",
		[BLOB_CLEAR] = "clearing",
		[BLOB_RANGES] = "asking for the ranges of",
	};

	return names[c->op];
}

static const struct {
	const char *error; /* what it begins with; "": any */
	int status;        /* 0: any */
	enum err_kind kind;
	const char *remedy;
} meanings[] = {
	{"LeaseIdMismatch", 0, ERR_BUSY, "somebody else has leased the blob since: only one may write to it"},
	{"LeaseIdMissing", 0, ERR_BUSY, "somebody has leased the blob: only one may write to it"},
	{"Lease", 412, ERR_BUSY, "the lease that this run held on it has ended or was broken; run again"},
	{"", 401, ERR_DENIED, "the token has ended, or is for something else"},
	{"", 403, ERR_DENIED, "the token has ended, is for something else, or the account's firewall keeps this worker out"},
	{"", 404, ERR_NOT_FOUND, "it was removed"},
	{"", 409, ERR_BUSY, "something else is done to it"},
	{"", 412, ERR_BUSY, "it was changed by somebody else"},
	{"", 429, ERR_NETWORK, "the account is at its limit of requests"},
	{"", 500, ERR_NETWORK, "the service has a fault"},
	{"", 503, ERR_NETWORK, "the account is at its limit of requests"},
};

static int no_answer(const struct blob_call *c, const char *what, struct err *e)
{
	const char *said = c->said[0] != '\0' ? c->said : curl_easy_strerror(c->code);
	enum err_kind kind = c->code == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT : ERR_NETWORK;

	if (c->code == CURLE_PEER_FAILED_VERIFICATION || c->code == CURLE_SSL_CACERT_BADFILE)
		return err_set(e, ERR_DENIED, 0, "%s: %s; its certificate must be of an authority that the controller trusts, for "
			       "the name in the address, and the clock right", what, said);
	if (c->code == CURLE_WRITE_ERROR)
		return err_set(e, ERR_PROTOCOL, 0, "%s: it answered with more bytes than were asked for", what);
	return err_set(e, kind, 0, "%s: %s, %u times", what, said, c->tries);
}

int blob_call_error(const struct blob_call *c, const char *url, struct err *e)
{
	struct xml_text text = {.at = buf_str(&c->text), .len = c->text.len}, message;
	char place[64] = "", words[160] = "", what[320];

	if (ops[c->op].ranged)
		snprintf(place, sizeof place, "%" PRIu64 " bytes at offset %" PRIu64 " of ", c->length, c->offset);
	snprintf(what, sizeof what, "%s %s%.200s", doing(c), place, url);
	if (c->code != CURLE_OK)
		return no_answer(c, what, e);
	if (xml_find(&text, "Message", &message))
		xml_copy(&message, words, sizeof words);
	words[strcspn(words, "\r\n")] = '\0';
	for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
		if (strncmp(c->error, meanings[i].error, strlen(meanings[i].error)) == 0 &&
		    (meanings[i].status == 0 || meanings[i].status == c->status))
			return err_set(e, meanings[i].kind, 0, "%s: %s (%d %s, request %s)", what, meanings[i].remedy, c->status,
				       c->error[0] != '\0' ? c->error : words, c->request_id);
	return err_set(e, c->status / 100 == 5 ? ERR_NETWORK : ERR_PROTOCOL, 0, "%s: the service answered %d %s %s(request %s)",
		       what, c->status, c->error, words, c->request_id);
}
