// SPDX-License-Identifier: Apache-2.0
#include "net/http.h"

#include <string.h>

#include "base/cleanup.h"
#include "net/http_msg.h"

bool http_query(const char *query, const char *name, char *out, size_t size)
{
	size_t name_len = strlen(name);

	for (const char *at = query; *at != '\0';) {
		size_t len = strcspn(at, "&");

		if (len > name_len && at[name_len] == '=' && strncmp(at, name, name_len) == 0) {
			size_t value_len = len - name_len - 1;

			if (value_len >= size)
				return false;
			memcpy(out, at + name_len + 1, value_len);
			out[value_len] = '\0';
			return true;
		}
		at += len + (at[len] == '&');
	}
	return false;
}

/* ---- Server ---- */

static const char *reason_of(int status)
{
	const char *text = http_status_str((enum http_status)status);

	return strcmp(text, "<unknown>") == 0 ? "Unknown" : text;
}

static int send_response(
	struct stream *s, const struct http_response *res, bool head, bool keep_alive, struct err *e)
{
	cleanup(buf_fini) struct buf top = BUF_INIT;
	bool empty = res->status == 204 ||
		     res->status == 304; /* RFC 9110, section 8.6: no Content-Length either */

	buf_addf(&top, "HTTP/1.1 %d %s\r\n", res->status, reason_of(res->status));
	if (!empty)
		buf_addf(&top, "Content-Type: %s\r\nContent-Length: %zu\r\n",
			res->content_type != NULL ? res->content_type : "application/json", res->body.len);
	buf_addf(&top, "%s\r\n", keep_alive ? "" : "Connection: close\r\n");
	if (stream_write(s, top.data, top.len, e) < 0)
		return -1;
	if (!empty && !head && stream_write(s, res->body.data, res->body.len, e) < 0)
		return -1;
	return stream_flush(s, e);
}

static void refuse(struct stream *s, int status, const char *why)
{
	struct http_response res = {.status = status};
	struct err ignored = ERR_INIT;

	/* `why` holds our own words and numbers only: nothing to escape. */
	buf_addf(&res.body, "{\"error\":{\"kind\":\"protocol\",\"message\":\"the HTTP request %s\"}}\n", why);
	send_response(s, &res, false, false, &ignored);
	buf_fini(&res.body);
}

static void refuse_message(struct http_msg *m, int status, const char *why)
{
	m->refuse = status;
	strncpy(m->why, why, sizeof m->why - 1);
}

static bool split_target(struct http_msg *m, struct http_request *req)
{
	size_t path_len = strcspn(m->target, "?"), rest = m->target_len - path_len;
	const char *method = http_method_str((enum http_method)m->parser.method);

	if (strlen(method) >= sizeof req->method)
		refuse_message(m, 501, "has a method that is not supported");
	else if (m->target[0] != '/' || strchr(m->target, '#') != NULL)
		refuse_message(m, 400, "has a target that is not a path");
	else if (path_len >= sizeof req->path || rest > sizeof req->query)
		refuse_message(m, 414, "has a path or a query that is too long");
	if (m->refuse != 0)
		return false;
	strcpy(req->method, method);
	memcpy(req->path, m->target, path_len);
	req->path[path_len] = '\0';
	strcpy(req->query, rest > 0 ? m->target + path_len + 1 : "");
	return true;
}

static void cleanup_request(struct http_request *req)
{
	buf_fini(&req->body);
}

static void cleanup_response(struct http_response *res)
{
	buf_fini(&res->body);
}

/* One request and its answer: 1 to go on, 0 at the end, -1. */
static int serve_one(struct stream *s, size_t max_body, http_handler *handler, void *ctx, struct err *e)
{
	cleanup(cleanup_request) struct http_request req = {.body = BUF_INIT};
	cleanup(cleanup_response) struct http_response res = {.status = 200};
	struct http_msg m;

	http_msg_init(&m, HTTP_REQUEST, &req.body, max_body);
	int got = http_msg_read(&m, s, e);
	if (got > 0 && !split_target(&m, &req))
		got = err_set(e, ERR_PROTOCOL, 0, "the HTTP request of the peer %s", m.why);
	if (got < 0 && m.refuse != 0)
		refuse(s, m.refuse, m.why);
	if (got <= 0)
		return got;
	handler(ctx, &req, &res);
	if (send_response(s, &res, strcmp(req.method, "HEAD") == 0, m.keep_alive, e) < 0)
		return -1;
	return m.keep_alive ? 1 : 0;
}

int http_serve(struct stream *s, size_t max_body, http_handler *handler, void *ctx, struct err *e)
{
	int rc;

	do
		rc = serve_one(s, max_body, handler, ctx, e);
	while (rc > 0);
	return rc;
}

/* ---- Client ---- */

static int send_request(struct stream *s, const char *method, const char *target, const char *content_type,
	const void *body, size_t body_len, struct err *e)
{
	cleanup(buf_fini) struct buf top = BUF_INIT;

	buf_addf(&top, "%s %s HTTP/1.1\r\nHost: wherry\r\n", method, target);
	if (content_type != NULL)
		buf_addf(&top, "Content-Type: %s\r\n", content_type);
	buf_addf(&top, "Content-Length: %zu\r\n\r\n", body_len);
	if (stream_write(s, top.data, top.len, e) < 0 || stream_write(s, body, body_len, e) < 0)
		return -1;
	return stream_flush(s, e);
}

/* Nothing in it may end the line it stands in. */
static bool is_word(const char *s)
{
	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++)
		if ((unsigned char)*s <= ' ' || (unsigned char)*s >= 0x7f)
			return false;
	return true;
}

int http_call(struct stream *s, const char *method, const char *target, const char *content_type,
	const void *body, size_t body_len, size_t max_body, struct http_response *res, struct err *e)
{
	struct http_msg m;
	struct err late = ERR_INIT;

	if (!is_word(method) || !is_word(target) || target[0] != '/' ||
		(content_type != NULL && strpbrk(content_type, "\r\n") != NULL))
		return err_set(e, ERR_INTERNAL, 0, "'%.40s %.80s' is no HTTP request", method, target);
	http_msg_init(&m, HTTP_RESPONSE, &res->body, max_body);
	m.no_body = strcmp(method, "HEAD") == 0;
	res->status = 0;
	res->content_type = NULL;
	int sent = send_request(s, method, target, content_type, body, body_len, e);

	/* A peer that refuses early (413, or our certificate) stops reading; its reason is better than "cut".
	 */
	int got = http_msg_read(&m, s, sent < 0 ? &late : e);
	if (got > 0) {
		res->status = m.parser.status_code;
		return 0;
	}
	if (sent < 0) {
		if (got < 0 && late.kind == ERR_DENIED)
			*e = late;
		return -1;
	}
	if (got < 0)
		return -1;
	return err_set(e, ERR_NETWORK, 0, "the peer closed the connection instead of answering %s %s", method,
		target);
}
