// SPDX-License-Identifier: Apache-2.0
/*
 * Calls of a cloud's REST interface: JSON (or what is read as text) over HTTP, by libcurl. Connections are kept; proxies are taken from the
 * environment as curl does; certificates are checked against the host's bundle. Redirects are not followed, because a
 * call carries a token. One client, one thread.
 *
 * What is logged (debug) is method, address without query, status, time and request id: never a header or a body.
 */
#ifndef WHERRY_CONTROL_REST_H
#define WHERRY_CONTROL_REST_H

#include <stdbool.h>
#include <stdint.h>
#include <yyjson.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"

struct rest;

struct rest_options {
	const char *ca_file;        /* NULL or "": $SSL_CERT_FILE, then where distributions keep theirs */
	bool insecure;              /* do not check certificates */
	bool direct;                /* through no proxy, whatever the environment says */
	const char *id_header;      /* of a reply, naming the request in the cloud's logs */
	uint32_t timeout_s;         /* of one call */
	/* Gets a new token by calls without one and hands it to rest_set_token. Called when a service says 401, once for each
	 * call. NULL: 401 is a reply like any other. */
	int (*log_in)(void *ctx, struct err *e);
	void *log_in_ctx;           /* borrowed */
	/* How far the services' clock is ahead of this host's, by the date of the last reply that has one; exact to a second.
	 * Borrowed; NULL: nobody asks. */
	int64_t *ahead_ns;
	const struct log *log;      /* borrowed */
};

struct rest_call {
	const char *method;
	const char *url;
	const char *const *headers; /* "Name: value", NULL-ended; may be NULL */
	bool no_token;
	const char *body;           /* NULL: none, and no file either */
	const char *type;           /* of the body; NULL: application/json */
	/* > 0: the body is this file from its start, of file_size bytes, sent when the service asks for it ("100 Continue") or
	 * says nothing for a second. */
	int file;
	uint64_t file_size;
	/* About once a second: bytes of the body sent so far. Non-zero ends the call, CANCELED. NULL: nobody asks. */
	int (*sent)(void *ctx, uint64_t bytes);
	void *ctx;
};

struct rest_reply {
	int status;
	yyjson_doc *doc;            /* NULL: empty, or no JSON */
	char text[256];             /* beginning of a body that is no JSON, printable ... */
	char *body;                 /* ... and all of it; NULL: there is none; owned */
	size_t body_len;
	char *headers;              /* the lines of the reply's head, which may hold secrets; owned */
	char id[80];                /* "": the cloud gave none */
	int64_t retry_after_s;      /* 0: not asked for */
};
#define REST_REPLY_INIT {.status = 0}

/* CONFIG when a ca_file that was asked for is not there. */
struct rest *rest_new(const struct rest_options *o, struct err *e);
void rest_free(struct rest *r);

/* The header that calls carry from now on: "X-Auth-Token: ..."; NULL: none. Copied, and wiped when it is not needed. */
void rest_set_token(struct rest *r, const char *header);
/* The same with what a reply says in its header `from`, as header `name`. -1: it does not say it, and nothing changed. */
int rest_take_token(struct rest *r, const struct rest_reply *reply, const char *from, const char *name);

/* One call. -1 only when there is no reply, or no new token: NETWORK (resolve, connect, cut), TIMEOUT, DENIED (the certificate), PROTOCOL,
 * CONFIG (the address), IO (the file), CANCELED.
 * Whatever the status, *out is the caller's to release. Replies over 16 MiB are PROTOCOL. */
int rest_call(struct rest *r, const struct rest_call *c, struct rest_reply *out, struct err *e);
void rest_reply_fini(struct rest_reply *reply); /* wipes the headers */

/* Appends "key=value", behind a '&' unless *b is empty, the value percent-encoded: a field of a form or a query. */
void rest_form_add(struct buf *b, const char *key, const char *value);

/* The value of a header, cut off at size - 1; "" when the reply has none. Returns out. */
char *rest_header(const struct rest_reply *reply, const char *name, char *out, size_t size);
/* All of it, to be freed by the caller; NULL when the reply has none. */
char *rest_header_copy(const struct rest_reply *reply, const char *name);
/* Where the certificates that are trusted are; NULL: nowhere. Lives as long as the client. */
const char *rest_ca_file(const struct rest *r);

void rest_doc_free(yyjson_doc **doc); /* for cleanup() */
/* The text or number at `key`; "" and 0 when it is not there or of another type. */
const char *rest_text(yyjson_val *object, const char *key);
uint64_t rest_number(yyjson_val *object, const char *key);
/* What a refusal says for itself; never empty. Lives as long as the reply. */
const char *rest_words(const struct rest_reply *reply);

/* An error of what the service said: "`what`: its words (HTTP 503, request req-1)". *not_before_ns is set where it asked for
 * a pause (provider.h). Returns -1. */
int rest_refusal(const struct rest_reply *reply, const char *what, int64_t *not_before_ns, struct err *e);
/* A call whose answer is JSON and whose failure is an error: rest_refusal() of any status but 2xx (and 300, which is a
 * list). who: "the compute service". doc: caller frees; NULL: an answer without JSON will do. */
int rest_ask(struct rest *r, const struct rest_call *c, const char *who, int64_t *not_before_ns, yyjson_doc **doc, struct err *e);
/* What an error status means: 429 and what may be over soon (500, 502, 503, 504) are NETWORK, hence retried. */
enum err_kind rest_kind(int status);

#endif
