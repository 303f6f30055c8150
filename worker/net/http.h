// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP/1.1 over a stream: a server and a client for the control API, parsed by http-parser. Bounded on purpose:
 * header block at most 16 KiB, a body at most what the caller allows, no pipelining; keep-alive; Content-Length only
 * (chunked requests are answered 411). On a dialed-out control connection the worker is still the HTTP server.
 */
#ifndef WHERRY_NET_HTTP_H
#define WHERRY_NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "net/stream.h"

struct http_request {
	char method[8];
	char path[256];        /* without the query */
	char query[512];       /* raw, without '?' */
	struct buf body;
};

struct http_response {
	int status;
	const char *content_type; /* borrowed; server side */
	struct buf body;
};

/* Value of `name` in a query string, copied as it stands (no %XX decoding); false when absent or too long. */
bool http_query(const char *query, const char *name, char *out, size_t size);

typedef void http_handler(void *ctx, const struct http_request *req, struct http_response *res);

/* Serve requests on `s` (not closed) until the peer closes (0) or breaks the protocol (-1). A header or body over
 * its limit is answered 431/413, other broken requests 400/411/414/501/505, and ends the connection (PROTOCOL). The
 * handler gets res with status 200 and an empty body; no content_type means application/json. */
int http_serve(struct stream *s, size_t max_body, http_handler *handler, void *ctx, struct err *e);

/* One call on `s`, which stays open for the next. res->body is filled, at most max_body (emptied
 * first; the caller's to free, also after an error). -1: transport or protocol
 * error (then the stream must be closed); an HTTP error status is not a failure of this function. */
int http_call(struct stream *s, const char *method, const char *target, const char *content_type, const void *body,
	      size_t body_len, size_t max_body, struct http_response *res, struct err *e);

#endif
