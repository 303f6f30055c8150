// SPDX-License-Identifier: Apache-2.0
/* One HTTP/1.1 message read from a stream, with the bounds of http.h; the part that server and client share.
 */
#ifndef WHERRY_NET_HTTP_MSG_H
#define WHERRY_NET_HTTP_MSG_H

#include <http_parser.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "net/stream.h"

#define HTTP_HEADER_LIMIT ((size_t)16384) /* start line and header fields */
#define HTTP_TARGET_LIMIT ((size_t)768) /* path, '?', query */

struct http_msg {
	struct http_parser parser; /* method, status_code */
	struct buf *body; /* borrowed; emptied first */
	size_t max_body;
	size_t header_left;
	char target[HTTP_TARGET_LIMIT + 1];
	size_t target_len;
	bool no_body; /* of a response to HEAD */
	bool keep_alive;
	bool headers_done, complete;
	int refuse; /* the status a server answers to a broken request; 0: none */
	char why[160]; /* the end of "the HTTP request ..." */
};

void http_msg_init(struct http_msg *m, enum http_parser_type type, struct buf *body, size_t max_body);
/* 1: a whole message; 0: the peer closed before its first byte; -1: m->refuse says whether the message was at
 * fault. */
int http_msg_read(struct http_msg *m, struct stream *s, struct err *e);

#endif
