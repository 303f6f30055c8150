// SPDX-License-Identifier: Apache-2.0
#include "net/http_msg.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define READ_SIZE 8192

/* Returns -1, which stops the parser when a callback does. */
__attribute__((format(printf, 3, 4))) static int refuse(struct http_msg *m, int status, const char *fmt, ...)
{
	va_list ap;

	if (m->refuse != 0)
		return -1;
	m->refuse = status;
	va_start(ap, fmt);
	vsnprintf(m->why, sizeof m->why, fmt, ap);
	va_end(ap);
	return -1;
}

static int on_url(struct http_parser *p, const char *at, size_t n)
{
	struct http_msg *m = p->data;

	if (n > HTTP_TARGET_LIMIT - m->target_len)
		return refuse(m, 414, "has a target of more than %zu bytes", HTTP_TARGET_LIMIT);
	memcpy(m->target + m->target_len, at, n);
	m->target_len += n;
	m->target[m->target_len] = '\0';
	return 0;
}

static int check_request(struct http_msg *m)
{
	const struct http_parser *p = &m->parser;
	bool sends = p->method == HTTP_POST || p->method == HTTP_PUT || p->method == HTTP_PATCH;

	if (p->upgrade)
		return refuse(m, 400, "asks for another protocol");
	if ((p->flags & F_CHUNKED) != 0)
		return refuse(m, 411, "is chunked; Content-Length is needed");
	if (sends && (p->flags & F_CONTENTLENGTH) == 0)
		return refuse(m, 411, "has no Content-Length");
	return 0;
}

static int check_response(struct http_msg *m)
{
	const struct http_parser *p = &m->parser;
	bool empty = m->no_body || p->status_code == 204 || p->status_code == 304;

	if (p->status_code < 200)
		return refuse(m, 502, "has the status %u, which was not asked for", p->status_code);
	if (p->upgrade)
		return refuse(m, 502, "changes to another protocol");
	if ((p->flags & F_CHUNKED) != 0)
		return refuse(m, 502, "is chunked; Content-Length is needed");
	if (!empty && (p->flags & F_CONTENTLENGTH) == 0)
		return refuse(m, 502, "has no Content-Length");
	return 0;
}

static int on_headers_complete(struct http_parser *p)
{
	struct http_msg *m = p->data;
	bool request = p->type == HTTP_REQUEST, sized = (p->flags & F_CONTENTLENGTH) != 0 && !m->no_body;

	m->headers_done = true;
	if (p->http_major != 1)
		return refuse(m, 505, "is HTTP/%u.%u, expected HTTP/1.1", p->http_major, p->http_minor);
	if ((request ? check_request(m) : check_response(m)) < 0)
		return -1;
	if (sized && p->content_length > m->max_body)
		return refuse(m, 413, "has a body of %llu bytes, allowed are %zu",
			(unsigned long long)p->content_length, m->max_body);
	return m->no_body ? 1 : 0;
}

static int on_body(struct http_parser *p, const char *at, size_t n)
{
	struct http_msg *m = p->data;

	if (n > m->max_body - m->body->len)
		return refuse(m, 413, "has a body of more than %zu bytes", m->max_body);
	buf_add(m->body, at, n);
	return 0;
}

static int on_message_complete(struct http_parser *p)
{
	struct http_msg *m = p->data;

	m->complete = true;
	m->keep_alive = http_should_keep_alive(p) != 0;
	http_parser_pause(p, 1); /* what follows is another message */
	return 0;
}

static const struct http_parser_settings settings = {
	.on_url = on_url,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

void http_msg_init(struct http_msg *m, enum http_parser_type type, struct buf *body, size_t max_body)
{
	memset(m, 0, sizeof *m);
	http_parser_init(&m->parser, type);
	m->parser.data = m;
	m->body = body;
	m->max_body = max_body;
	m->header_left = HTTP_HEADER_LIMIT;
	buf_clear(body);
}

static void feed(struct http_msg *m, const char *p, size_t n)
{
	while (n > 0 && m->refuse == 0) {
		bool in_header = !m->headers_done;
		size_t piece = in_header && n > m->header_left ? m->header_left : n;

		if (m->complete) {
			refuse(m, 400, "is followed by %zu bytes that nobody asked for (no pipelining here)",
				n);
			return;
		}
		if (piece == 0) {
			refuse(m, 431, "has more than %zu bytes of header", HTTP_HEADER_LIMIT);
			return;
		}
		size_t used = http_parser_execute(&m->parser, &settings, p, piece);
		enum http_errno bad = HTTP_PARSER_ERRNO(&m->parser);

		if (bad != HPE_OK && bad != HPE_PAUSED)
			refuse(m, 400, "is malformed: %s", http_errno_description(bad));
		else if (used < piece && !m->complete)
			refuse(m, 400, "is malformed: it asks for another protocol");
		if (in_header)
			m->header_left -= used;
		p += used;
		n -= used;
	}
}

int http_msg_read(struct http_msg *m, struct stream *s, struct err *e)
{
	const char *what = m->parser.type == HTTP_REQUEST ? "request" : "response";
	char data[READ_SIZE];
	bool begun = false;

	while (!m->complete && m->refuse == 0) {
		ssize_t got = stream_read(s, data, sizeof data, e);

		if (got < 0)
			return -1;
		if (got == 0 && !begun)
			return 0;
		if (got == 0)
			return err_set(e, ERR_NETWORK, 0,
				"the peer closed the connection in the middle of an HTTP %s", what);
		begun = true;
		feed(m, data, (size_t)got);
	}
	if (m->refuse != 0)
		return err_set(e, ERR_PROTOCOL, 0, "the HTTP %s of the peer %s", what, m->why);
	return 1;
}
