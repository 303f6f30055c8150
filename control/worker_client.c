// SPDX-License-Identifier: Apache-2.0
#include "worker_client.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/mem.h"
#include "net/api_names.h"
#include "net/http.h"
#include "net/stream_tcp.h"
#include "net/stream_tls.h"
#include "net/wire.h"

#define CALL_TIMEOUT_NS    (30 * NS_PER_S)
#define CONNECT_TIMEOUT_NS (15 * NS_PER_S)
#define CONNECT_TRIES      20
#define CERT_LIFE_S        (14 * 24 * 3600)
#define CERT_SKEW_S        3600

struct worker_client {
	struct worker_client_spec spec;
	char *cert_pem;             /* the controller's: self-signed, then of the job's CA */
	bool enrolled;
	char attempt[API_ATTEMPT_LEN + 1]; /* of the run ordered last; "": none yet */
	struct stream *calls, *feed; /* NULL: to be connected */
};

int worker_pin_from_console(const char *text, uint8_t pin[PKI_PIN_SIZE], bool *found, bool *ready, struct err *e)
{
	const char *at = text;
	char hex[2 * PKI_PIN_SIZE + 1];
	uint8_t got[PKI_PIN_SIZE];

	*found = false;
	*ready = strstr(text, API_CONSOLE_READY) != NULL;
	while ((at = strstr(at, API_CONSOLE_KEY)) != NULL) {
		at += strlen(API_CONSOLE_KEY);
		if (strlen(at) < sizeof hex - 1)
			return 0; /* still being printed */
		memcpy(hex, at, sizeof hex - 1);
		hex[sizeof hex - 1] = '\0';
		if (hex_decode(hex, got, sizeof got) < 0)
			return err_set(e, ERR_PROTOCOL, 0, "the worker's console shows a key that is not 64 hex digits");
		if (*found && memcmp(pin, got, sizeof got) != 0)
			return err_set(e, ERR_DENIED, 0,
				       "the worker's console shows two different keys: somebody else may be answering "
				       "for it; run `wherry cleanup` and try again");
		memcpy(pin, got, sizeof got);
		*found = true;
	}
	return 0;
}

static bool canceled(const struct worker_client *w)
{
	return w->spec.cancel != NULL && atomic_load(w->spec.cancel);
}

static struct tls_trust trust_of(const struct worker_client *w)
{
	struct tls_trust t = {
		.kind = w->enrolled ? TLS_TRUST_CA : TLS_TRUST_PIN,
		.ca_pem = w->spec.keys->ca_pem,
		.role = w->spec.role,
		.run = w->spec.run,
		.now_s = clock_wall_ns() / NS_PER_S,
	};

	memcpy(t.pin, w->spec.pin, sizeof t.pin);
	return t;
}

static struct stream *connect_once(struct worker_client *w, struct err *e)
{
	struct tls_trust trust = trust_of(w);
	struct tls_config tls = {
		.key = w->spec.keys->controller,
		.cert_pem = w->cert_pem,
		.trust = &trust,
		.trust_count = 1,
		.alpn = {TLS_ALPN_HTTP},
		.handshake_timeout_ns = CONNECT_TIMEOUT_NS,
	};
	bool accepts = w->spec.listener >= 0;
	struct stream *tcp = accepts ? stream_tcp_accept(w->spec.listener, CONNECT_TIMEOUT_NS, e)
				     : stream_tcp_dial(w->spec.address, CONNECT_TIMEOUT_NS, e);

	if (tcp == NULL)
		return NULL;
	struct stream *s = accepts ? stream_tls_server(tcp, &tls, e) : stream_tls_client(tcp, &tls, e);
	if (s != NULL)
		stream_set_timeout(s, CALL_TIMEOUT_NS);
	return s;
}

static struct stream *connect_worker(struct worker_client *w, struct err *e)
{
	for (int i = 0; i < CONNECT_TRIES; i++) {
		struct stream *s = connect_once(w, e);

		if (s != NULL)
			return s;
		if (!err_is_retryable(e) || i + 1 == CONNECT_TRIES)
			break;
		if (canceled(w)) {
			err_set(e, ERR_CANCELED, 0, "interrupted while connecting to the %s worker", w->spec.role);
			break;
		}
		clock_sleep_ns((i < 5 ? 200 : 1000) * NS_PER_MS);
	}
	err_wrap(e, "connecting to the %s worker at %s", w->spec.role,
		 w->spec.listener >= 0 ? "our own listening port" : w->spec.address);
	return NULL;
}

/* An HTTP error status as *e: kind and message are the worker's. */
static int refuse(const struct worker_client *w, const char *what, const struct http_response *res, struct err *e)
{
	yyjson_doc *doc = yyjson_read(buf_str(&res->body), res->body.len, 0);
	yyjson_val *error = yyjson_obj_get(yyjson_doc_get_root(doc), "error");
	const char *kind = yyjson_get_str(yyjson_obj_get(error, "kind"));
	const char *message = yyjson_get_str(yyjson_obj_get(error, "message"));

	err_set(e, kind != NULL ? err_kind_by_name(kind) : ERR_PROTOCOL, 0, "the %s worker refused %s (HTTP %d): %s",
		w->spec.role, what, res->status, message != NULL ? message : "no reason given");
	yyjson_doc_free(doc);
	return -1;
}

struct call {
	const char *method, *target, *type;
	const void *body;
	size_t len;
	bool again; /* safe to repeat after a lost reply */
};

/* One call on one of the two connections; a broken connection is made anew and the call repeated where it may be. */
static int call(struct worker_client *w, struct stream **s, const struct call *c, struct buf *out, struct err *e)
{
	for (int i = 0;; i++) {
		struct http_response res = {.body = BUF_INIT};

		if (*s == NULL && (*s = connect_worker(w, e)) == NULL)
			return -1;
		if (http_call(*s, c->method, c->target, c->type, c->body, c->len, API_MAX_BODY + 65536, &res, e) == 0) {
			int rc = res.status / 100 == 2 ? 0 : refuse(w, c->target, &res, e);

			if (rc == 0 && out != NULL) {
				buf_fini(out);
				*out = res.body;
			} else {
				buf_fini(&res.body);
			}
			return rc;
		}
		buf_fini(&res.body);
		stream_close(*s);
		*s = NULL;
		if (!c->again || i == 3 || canceled(w) || !err_is_retryable(e))
			return err_wrap(e, "calling %s of the %s worker", c->target, w->spec.role);
	}
}

static int issue_own_cert(struct worker_client *w, struct err *e)
{
	int64_t now = clock_wall_ns() / NS_PER_S;
	cleanup(buf_fini) struct buf spki = BUF_INIT;
	struct buf pem = BUF_INIT;

	if (pki_key_spki(w->spec.keys->controller, &spki, e) < 0 ||
	    pki_issue(w->spec.keys->ca, w->spec.keys->ca_pem, spki.data, spki.len, "controller", w->spec.run,
		      now - CERT_SKEW_S, now + CERT_LIFE_S, &pem, e) < 0) {
		buf_fini(&pem);
		return -1;
	}
	free(w->cert_pem);
	w->cert_pem = buf_take(&pem);
	return 0;
}

static char *enrol_body(const struct worker_client *w, const char *cert_pem)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = yyjson_mut_obj(doc);

	yyjson_mut_doc_set_root(doc, root);
	yyjson_mut_obj_add_str(doc, root, "ca", w->spec.keys->ca_pem);
	yyjson_mut_obj_add_str(doc, root, "cert", cert_pem);
	yyjson_mut_obj_add_int(doc, root, "time_ns", clock_wall_ns());
	yyjson_mut_obj_add_uint(doc, root, "lease_seconds", w->spec.lease_seconds);
	char *text = yyjson_mut_write(doc, 0, NULL);
	yyjson_mut_doc_free(doc);
	return text;
}

/* Version and wire range of the image against ours. */
static int check_identity(struct worker_client *w, struct err *e)
{
	cleanup(buf_fini) struct buf body = BUF_INIT;
	struct call c = {.method = "GET", .target = API_IDENTITY, .again = true};

	if (call(w, &w->calls, &c, &body, e) < 0)
		return -1;
	yyjson_doc *doc = yyjson_read(buf_str(&body), body.len, 0);
	yyjson_val *wire = yyjson_obj_get(yyjson_doc_get_root(doc), "wire");
	uint64_t min = yyjson_get_uint(yyjson_arr_get(wire, 0)), max = yyjson_get_uint(yyjson_arr_get(wire, 1));
	bool good = yyjson_arr_size(wire) == 2;

	yyjson_doc_free(doc);
	if (!good)
		return err_set(e, ERR_PROTOCOL, 0, "the %s worker's identity holds no wire version", w->spec.role);
	if (WIRE_VERSION < min || WIRE_VERSION > max)
		return err_set(e, ERR_PROTOCOL, 0,
			       "the %s worker's image speaks wherry/%llu to wherry/%llu and this client wherry/%d: build "
			       "an image of this version (make image), and put it where the worker boots from (wherry image "
			       "upload)",
			       w->spec.role, (unsigned long long)min, (unsigned long long)max, WIRE_VERSION);
	return 0;
}

static int enrol(struct worker_client *w, struct err *e)
{
	int64_t now = clock_wall_ns() / NS_PER_S;
	cleanup(buf_fini) struct buf spki = BUF_INIT, pem = BUF_INIT;
	uint8_t pin[PKI_PIN_SIZE];

	if (check_identity(w, e) < 0 || stream_tls_peer_spki(w->calls, &spki, e) < 0 ||
	    pki_pin_of_spki(spki.data, spki.len, pin, e) < 0)
		return -1;
	if (memcmp(pin, w->spec.pin, sizeof pin) != 0)
		return err_set(e, ERR_DENIED, 0, "the %s worker's key is not the one on its console", w->spec.role);
	if (pki_issue(w->spec.keys->ca, w->spec.keys->ca_pem, spki.data, spki.len, w->spec.role, w->spec.run,
		      now - CERT_SKEW_S, now + CERT_LIFE_S, &pem, e) < 0)
		return -1;
	cleanup(cleanup_free) char *body = enrol_body(w, buf_str(&pem));
	struct call c = {.method = "POST", .target = API_ENROL, .type = "application/json", .body = body,
			 .len = strlen(body), .again = false};
	if (call(w, &w->calls, &c, NULL, e) < 0)
		return -1;
	stream_close(w->calls);
	w->calls = NULL;
	if (issue_own_cert(w, e) < 0)
		return -1;
	w->enrolled = true;
	return 0;
}

struct worker_client *worker_client_new(const struct worker_client_spec *spec, struct err *e)
{
	struct worker_client *w = mem_alloc(sizeof *w);
	struct buf pem = BUF_INIT;

	w->spec = *spec;
	if (pki_cert_self(spec->keys->controller, "wherry controller", &pem, e) < 0)
		goto fail;
	w->cert_pem = buf_take(&pem);
	if (enrol(w, e) < 0)
		goto fail;
	w->calls = connect_worker(w, e);
	if (w->calls == NULL)
		goto fail;
	return w;
fail:
	buf_fini(&pem);
	worker_client_free(w);
	return NULL;
}

void worker_client_free(struct worker_client *w)
{
	if (w == NULL)
		return;
	stream_close(w->calls);
	stream_close(w->feed);
	free(w->cert_pem);
	free(w);
}

int worker_client_disks(struct worker_client *w, struct worker_disk_info *out, unsigned max, unsigned *n, struct err *e)
{
	cleanup(buf_fini) struct buf body = BUF_INIT;
	struct call c = {.method = "GET", .target = API_DISKS, .again = true};
	size_t i, count;
	yyjson_val *disk;

	if (call(w, &w->calls, &c, &body, e) < 0)
		return -1;
	yyjson_doc *doc = yyjson_read(buf_str(&body), body.len, 0);
	*n = 0;
	yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(doc), "disks"), i, count, disk)
	{
		const char *name = yyjson_get_str(yyjson_obj_get(disk, "name"));
		const char *serial = yyjson_get_str(yyjson_obj_get(disk, "serial"));
		struct worker_disk_info *d = &out[*n];

		if (*n == max)
			break;
		*d = (struct worker_disk_info){
			.size = yyjson_get_uint(yyjson_obj_get(disk, "size")),
			.logical_sector = (uint32_t)yyjson_get_uint(yyjson_obj_get(disk, "logical_sector")),
			.physical_sector = (uint32_t)yyjson_get_uint(yyjson_obj_get(disk, "physical_sector")),
		};
		snprintf(d->name, sizeof d->name, "%s", name != NULL ? name : "");
		snprintf(d->serial, sizeof d->serial, "%s", serial != NULL ? serial : "");
		++*n;
	}
	yyjson_doc_free(doc);
	return 0;
}

static void parse_progress(yyjson_val *v, struct disk_progress *d)
{
	d->index = (unsigned)yyjson_get_uint(yyjson_obj_get(v, "index"));
	d->size = yyjson_get_uint(yyjson_obj_get(v, "size"));
	d->scanned = yyjson_get_uint(yyjson_obj_get(v, "scanned"));
	d->skipped = yyjson_get_uint(yyjson_obj_get(v, "skipped"));
	d->zero = yyjson_get_uint(yyjson_obj_get(v, "zero"));
	d->unchanged = yyjson_get_uint(yyjson_obj_get(v, "unchanged"));
	d->sent = yyjson_get_uint(yyjson_obj_get(v, "sent"));
	d->sent_wire = yyjson_get_uint(yyjson_obj_get(v, "sent_wire"));
	d->written = yyjson_get_uint(yyjson_obj_get(v, "written"));
	d->durable = yyjson_get_uint(yyjson_obj_get(v, "durable"));
	d->checkpoints = yyjson_get_uint(yyjson_obj_get(v, "checkpoints"));
}

static void parse_link(yyjson_val *link, struct worker_state *s)
{
	yyjson_val *since = yyjson_obj_get(link, "reconnecting_ms");
	const char *why = yyjson_get_str(yyjson_obj_get(link, "why"));

	s->cuts = (unsigned)yyjson_get_uint(yyjson_obj_get(link, "cuts"));
	if (since == NULL)
		return;
	s->reconnecting_ms = yyjson_get_uint(since) + 1;
	snprintf(s->why, sizeof s->why, "%s", why != NULL ? why : "no reason given");
}

static void parse_packing(yyjson_val *list, struct packing *p)
{
	yyjson_val *v;
	size_t i, count;

	yyjson_arr_foreach(list, i, count, v)
	{
		struct packing one = {.count = 1, .levels = {{
			.level = (int)yyjson_get_sint(yyjson_obj_get(v, "level")),
			.chunks = yyjson_get_uint(yyjson_obj_get(v, "chunks")),
			.bytes = yyjson_get_uint(yyjson_obj_get(v, "bytes")),
			.packed = yyjson_get_uint(yyjson_obj_get(v, "packed")),
		}}};
		packing_add(p, &one);
	}
}

static void parse_state(yyjson_val *root, struct worker_state *s)
{
	const char *state = yyjson_get_str(yyjson_obj_get(root, "state"));
	yyjson_val *error = yyjson_obj_get(root, "error"), *wire = yyjson_obj_get(root, "wire");
	const char *kind = yyjson_get_str(yyjson_obj_get(error, "kind"));
	const char *message = yyjson_get_str(yyjson_obj_get(error, "message"));

	*s = (struct worker_state){
		.running = state != NULL && strcmp(state, "running") == 0,
		.finished = state != NULL && strcmp(state, "finished") == 0,
		.failed = state != NULL && strcmp(state, "failed") == 0,
		.wire_in = yyjson_get_uint(yyjson_obj_get(wire, "in")),
		.wire_out = yyjson_get_uint(yyjson_obj_get(wire, "out")),
	};
	parse_link(yyjson_obj_get(root, "link"), s);
	parse_packing(yyjson_obj_get(root, "packing"), &s->packing);
	if (s->failed)
		err_set(&s->error, kind != NULL ? err_kind_by_name(kind) : ERR_INTERNAL, 0, "%s",
			message != NULL ? message : "the worker gave no reason");
}

int worker_client_status(struct worker_client *w, struct disk_progress *disks, unsigned max, unsigned *n,
			 struct worker_state *state, struct err *e)
{
	cleanup(buf_fini) struct buf body = BUF_INIT;
	struct call c = {.method = "GET", .target = API_STATUS, .again = true};
	size_t i, count;
	yyjson_val *disk;

	if (call(w, &w->calls, &c, &body, e) < 0)
		return -1;
	yyjson_doc *doc = yyjson_read(buf_str(&body), body.len, 0);
	parse_state(yyjson_doc_get_root(doc), state);
	*n = 0;
	yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(doc), "disks"), i, count, disk)
	{
		if (*n < max)
			parse_progress(disk, &disks[(*n)++]);
	}
	yyjson_doc_free(doc);
	return 0;
}

static int post(struct worker_client *w, const char *target, const char *body, bool again, struct err *e)
{
	struct call c = {.method = "POST", .target = target, .type = "application/json", .body = body,
			 .len = strlen(body), .again = again};

	return call(w, &w->calls, &c, NULL, e);
}

const char *worker_client_attempt_new(struct worker_client *w, struct err *e)
{
	uint8_t id[API_ATTEMPT_LEN / 2];

	if (pki_random(id, sizeof id, e) < 0)
		return NULL;
	return hex_encode(id, sizeof id, w->attempt);
}

int worker_client_run(struct worker_client *w, const char *body, struct err *e)
{
	return post(w, API_RUN, body, false, e);
}

int worker_client_limits(struct worker_client *w, const struct limits *limits, struct err *e)
{
	char text[LIMITS_TEXT], body[64 + API_ATTEMPT_LEN + LIMITS_TEXT];

	snprintf(body, sizeof body, "{\"attempt\":\"%s\",\"limits\":%s}", w->attempt, limits_json(limits, text));
	struct call c = {.method = "PUT", .target = API_RUN_LIMITS, .type = "application/json", .body = body,
			 .len = strlen(body), .again = true};
	return call(w, &w->calls, &c, NULL, e);
}

int worker_client_tokens(struct worker_client *w, const char *list, struct err *e)
{
	char *body = mem_printf("{\"attempt\":\"%s\",\"tokens\":[%s]}", w->attempt, list);
	struct call c = {.method = "PUT", .target = API_RUN_TOKENS, .type = "application/json", .body = body,
			 .len = strlen(body), .again = true};
	int rc = call(w, &w->calls, &c, NULL, e);

	mem_wipe(body, strlen(body));
	free(body);
	return rc;
}

int worker_client_stop(struct worker_client *w, struct err *e)
{
	char body[32 + API_ATTEMPT_LEN];

	snprintf(body, sizeof body, "{\"attempt\":\"%s\"}", w->attempt);
	return post(w, API_RUN_STOP, body, true, e);
}

int worker_client_poweroff(struct worker_client *w, struct err *e)
{
	if (w->calls == NULL) /* a worker that is not there any more needs no farewell */
		return 0;
	return post(w, API_POWEROFF, "{}", false, e);
}

int worker_client_feed(struct worker_client *w, uint64_t ack, unsigned wait_ms, struct buf *out, struct err *e)
{
	char body[96 + API_ATTEMPT_LEN];

	snprintf(body, sizeof body, "{\"attempt\":\"%s\",\"ack\":%llu,\"wait_ms\":%u}", w->attempt,
		 (unsigned long long)ack, wait_ms);
	struct call c = {.method = "POST", .target = API_RUN_FEED, .type = "application/json", .body = body,
			 .len = strlen(body), .again = true};
	return call(w, &w->feed, &c, out, e);
}

int worker_client_put_pages(struct worker_client *w, unsigned disk, uint64_t first, const void *hashes, size_t len,
			    struct err *e)
{
	char target[96 + API_ATTEMPT_LEN];

	snprintf(target, sizeof target, API_RUN_DISKS "%u/pages?attempt=%s&first=%llu", disk, w->attempt,
		 (unsigned long long)first);
	struct call c = {.method = "PUT", .target = target, .type = "application/octet-stream", .body = hashes,
			 .len = len, .again = true};
	return call(w, &w->feed, &c, NULL, e);
}
