// SPDX-License-Identifier: Apache-2.0
#include "job/api.h"

#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "base/clock.h"
#include "base/mem.h"
#include "job/api_json.h"
#include "job/limits_json.h"
#include "net/api_names.h"

#define MAX_WAIT_MS  20000               /* of a long poll: below every timeout of a caller */
#define STOP_WAIT_NS (10 * NS_PER_S)
#define MAX_LEASE_S  (7 * 24 * 3600)
#define MIN_LEASE_S  2

/* 0 with *status left as it is or set to another success, -1 with *e. */
typedef int route_fn(const struct api *api, const struct http_request *req, struct http_response *res, struct err *e);

static int get_identity(const struct api *api, const struct http_request *req, struct http_response *res, struct err *e)
{
	(void)req;
	(void)e;
	api_json_identity(api, &res->body);
	return 0;
}

static int read_body(const struct http_request *req, yyjson_doc **doc, struct err *e)
{
	yyjson_read_err why;

	*doc = yyjson_read_opts((char *)buf_str(&req->body), req->body.len, YYJSON_READ_NOFLAG, NULL, &why);
	if (*doc == NULL)
		return err_set(e, ERR_CONFIG, 0, "the body of %s %s is not JSON: %s at byte %zu", req->method,
			       req->path, why.msg, why.pos);
	return 0;
}

static int enrol(const struct api *api, yyjson_val *root, struct err *e)
{
	const char *ca = yyjson_get_str(yyjson_obj_get(root, "ca")),
		   *cert = yyjson_get_str(yyjson_obj_get(root, "cert"));
	yyjson_val *time = yyjson_obj_get(root, "time_ns"), *lease = yyjson_obj_get(root, "lease_seconds");
	uint64_t seconds = yyjson_get_uint(lease);
	struct err ignored = ERR_INIT;

	if (yyjson_obj_size(root) != 4 || ca == NULL || cert == NULL || !yyjson_is_int(time) ||
	    !yyjson_is_uint(lease) || seconds < MIN_LEASE_S || seconds > MAX_LEASE_S)
		return err_set(e, ERR_CONFIG, 0,
			       "an enrolment must be {\"ca\":PEM,\"cert\":PEM,\"time_ns\":N,\"lease_seconds\":2 to "
			       "604800}");
	if (identity_enrol(api->identity, ca, cert, yyjson_get_sint(time), e) < 0)
		return -1;
	lease_set(api->lease, (uint32_t)seconds);
	/* For the log lines only: certificates are judged by the offset that identity keeps. */
	disk_source_set_time(api->disks, yyjson_get_sint(time), &ignored);
	log_info(api->log, "enrolled by the controller; lease %u s", (unsigned)seconds);
	api->enrolled(api->ctx);
	return 0;
}

static int post_enrol(const struct api *api, const struct http_request *req, struct http_response *res, struct err *e)
{
	yyjson_doc *doc;

	if (read_body(req, &doc, e) < 0)
		return -1;
	int rc = enrol(api, yyjson_doc_get_root(doc), e);
	yyjson_doc_free(doc);
	res->status = 204;
	return rc;
}

static int get_status(const struct api *api, const struct http_request *req, struct http_response *res, struct err *e)
{
	struct runner_status *s = mem_alloc(sizeof *s);
	struct counters c;

	(void)req;
	(void)e;
	runner_status(api->runner, s);
	counters_read("", &c);
	api_json_status(api, s, &c, &res->body);
	free(s);
	return 0;
}

static int get_disks(const struct api *api, const struct http_request *req, struct http_response *res, struct err *e)
{
	struct disk_list disks = {{0}};
	int rc = disk_source_list(api->disks, &disks, e);

	(void)req;
	if (rc == 0)
		api_json_disks(&disks, &res->body);
	vec_fini(&disks.list);
	return rc;
}

static int post_run(const struct api *api, const struct http_request *req, struct http_response *res, struct err *e)
{
	struct run_spec *spec = mem_alloc(sizeof *spec);
	int rc = run_spec_parse(buf_str(&req->body), req->body.len, spec, e);

	if (rc == 0)
		rc = runner_start(api->runner, spec, e);
	run_spec_fini(spec);
	free(spec);
	/* It holds the job's key. */
	mem_wipe(req->body.data, req->body.len);
	res->status = 202;
	return rc;
}

/* The attempt a call is for, or "" from a controller that has ordered none yet. */
static bool parse_attempt(const char *text, size_t len, char out[API_ATTEMPT_LEN + 1])
{
	if (text == NULL || (len != 0 && !run_attempt_is_valid(text, len)))
		return false;
	memcpy(out, text, len + 1);
	return true;
}

static bool take_attempt(yyjson_val *root, char out[API_ATTEMPT_LEN + 1])
{
	yyjson_val *v = yyjson_obj_get(root, "attempt");

	return parse_attempt(yyjson_get_str(v), yyjson_get_len(v), out);
}

static int post_feed(const struct api *api, const struct http_request *req, struct http_response *res, struct err *e)
{
	char attempt[API_ATTEMPT_LEN + 1];
	yyjson_doc *doc;

	if (read_body(req, &doc, e) < 0)
		return -1;
	yyjson_val *root = yyjson_doc_get_root(doc), *ack = yyjson_obj_get(root, "ack");
	yyjson_val *wait = yyjson_obj_get(root, "wait_ms");
	bool good = yyjson_obj_size(root) == 3 && take_attempt(root, attempt) && yyjson_is_uint(ack) &&
		    yyjson_is_uint(wait);
	uint64_t after = yyjson_get_uint(ack), wait_ms = yyjson_get_uint(wait);
	yyjson_doc_free(doc);
	if (!good)
		return err_set(e, ERR_CONFIG, 0,
			       "the body of %s must be {\"attempt\":\"16 hex digits\",\"ack\":N,\"wait_ms\":N}",
			       req->path);
	if (wait_ms > MAX_WAIT_MS)
		wait_ms = MAX_WAIT_MS;
	res->content_type = "application/octet-stream";
	return runner_feed(api->runner, attempt, after, (int64_t)wait_ms * NS_PER_MS, &res->body, e);
}

static bool parse_number(const char *s, size_t len, uint64_t *out)
{
	*out = 0;
	if (len == 0 || len > 18)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		*out = *out * 10 + (uint64_t)(s[i] - '0');
	}
	return true;
}

static int put_pages(const struct api *api, const struct http_request *req, struct http_response *res, struct err *e)
{
	const char *index_text = req->path + strlen(API_RUN_DISKS);
	size_t index_len = strcspn(index_text, "/");
	uint64_t index, first;
	char first_text[24], attempt_text[API_ATTEMPT_LEN + 1], attempt[API_ATTEMPT_LEN + 1];

	if (strcmp(index_text + index_len, "/pages") != 0 || !parse_number(index_text, index_len, &index) ||
	    index >= WIRE_MAX_DISKS || !http_query(req->query, "first", first_text, sizeof first_text) ||
	    !parse_number(first_text, strlen(first_text), &first) ||
	    !http_query(req->query, "attempt", attempt_text, sizeof attempt_text) ||
	    !parse_attempt(attempt_text, strlen(attempt_text), attempt))
		return err_set(e, ERR_CONFIG, 0,
			       "baseline pages go to " API_RUN_DISKS "DISK/pages?attempt=16 hex digits&first=PAGE, not "
			       "to %s?%s",
			       req->path, req->query);
	res->status = 204;
	return runner_put_pages(api->runner, attempt, (unsigned)index, first, req->body.data, req->body.len, e);
}

static int put_limits(const struct api *api, const struct http_request *req, struct http_response *res, struct err *e)
{
	char attempt[API_ATTEMPT_LEN + 1];
	struct limits limits;
	yyjson_doc *doc;

	if (read_body(req, &doc, e) < 0)
		return -1;
	yyjson_val *root = yyjson_doc_get_root(doc);
	int rc = yyjson_obj_size(root) == 2 && take_attempt(root, attempt) && yyjson_obj_get(root, "limits") != NULL
			 ? limits_from_json(yyjson_obj_get(root, "limits"), &limits, e)
			 : err_set(e, ERR_CONFIG, 0, "the body of %s must be {\"attempt\":\"16 hex digits\",\"limits\":{...}}",
				   req->path);
	yyjson_doc_free(doc);
	if (rc < 0)
		return -1;
	res->status = 204;
	return runner_set_limits(api->runner, attempt, &limits, e);
}

static int set_token(const struct api *api, const char *attempt, yyjson_val *v, struct err *e)
{
	yyjson_val *index = yyjson_obj_get(v, "index");
	char *token = run_token_take(yyjson_obj_get(v, "token"));
	int rc = token == NULL || yyjson_obj_size(v) != 2 || !yyjson_is_uint(index) || yyjson_get_uint(index) >= WIRE_MAX_DISKS
			 ? err_set(e, ERR_CONFIG, 0, "a token must come as {\"index\":0,\"token\":\"...\"}")
			 : runner_set_token(api->runner, attempt, (unsigned)yyjson_get_uint(index), token, e);

	run_token_free(token);
	return rc;
}

static int put_tokens(const struct api *api, const struct http_request *req, struct http_response *res, struct err *e)
{
	char attempt[API_ATTEMPT_LEN + 1];
	size_t i, count;
	yyjson_val *one;
	yyjson_doc *doc;
	int rc = 0;

	if (read_body(req, &doc, e) < 0)
		return -1;
	yyjson_val *root = yyjson_doc_get_root(doc), *list = yyjson_obj_get(root, "tokens");
	if (yyjson_obj_size(root) != 2 || !take_attempt(root, attempt) || !yyjson_is_arr(list))
		rc = err_set(e, ERR_CONFIG, 0, "the body of %s must be {\"attempt\":\"16 hex digits\",\"tokens\":[...]}", req->path);
	yyjson_arr_foreach(list, i, count, one)
		rc = rc == 0 ? set_token(api, attempt, one, e) : rc;
	yyjson_doc_free(doc);
	mem_wipe(req->body.data, req->body.len);
	res->status = 204;
	return rc;
}

static int post_stop(const struct api *api, const struct http_request *req, struct http_response *res, struct err *e)
{
	char attempt[API_ATTEMPT_LEN + 1];
	yyjson_doc *doc;

	if (read_body(req, &doc, e) < 0)
		return -1;
	yyjson_val *root = yyjson_doc_get_root(doc);
	bool good = yyjson_obj_size(root) == 1 && take_attempt(root, attempt);
	yyjson_doc_free(doc);
	if (!good)
		return err_set(e, ERR_CONFIG, 0, "the body of %s must be {\"attempt\":\"16 hex digits\"}", req->path);
	res->status = 204;
	return runner_stop_attempt(api->runner, attempt, STOP_WAIT_NS, e);
}

static int post_poweroff(const struct api *api, const struct http_request *req, struct http_response *res,
			 struct err *e)
{
	(void)req;
	(void)e;
	api->poweroff(api->ctx);
	res->status = 204;
	return 0;
}

static const struct {
	const char *method, *path;
	route_fn *call;
	bool before_enrolment;
	bool prefix; /* `path` is only its beginning */
} routes[] = {
	{"GET", API_IDENTITY, get_identity, true, false},
	{"POST", API_ENROL, post_enrol, true, false},
	{"GET", API_STATUS, get_status, false, false},
	{"GET", API_DISKS, get_disks, false, false},
	{"POST", API_RUN, post_run, false, false},
	{"POST", API_RUN_FEED, post_feed, false, false},
	{"PUT", API_RUN_DISKS, put_pages, false, true},
	{"PUT", API_RUN_LIMITS, put_limits, false, false},
	{"PUT", API_RUN_TOKENS, put_tokens, false, false},
	{"POST", API_RUN_STOP, post_stop, false, false},
	{"POST", API_POWEROFF, post_poweroff, false, false},
};

#define ROUTES (sizeof routes / sizeof routes[0])

/* Every kind not named here is this machine's trouble, not the caller's: 500. */
static int status_of(enum err_kind kind)
{
	switch (kind) {
	case ERR_CONFIG:
	case ERR_PROTOCOL:
	case ERR_USAGE:
		return 400;
	case ERR_DENIED:
		return 403;
	case ERR_NOT_FOUND:
		return 404;
	case ERR_BUSY:
	case ERR_REFUSED:
		return 409;
	default:
		return 500;
	}
}

/* The index of the route, ROUTES with *e and *status. */
static size_t find_route(const struct http_request *req, int *status, struct err *e)
{
	bool path_known = false;

	for (size_t i = 0; i < ROUTES; i++) {
		if (routes[i].prefix ? strncmp(req->path, routes[i].path, strlen(routes[i].path)) != 0
				     : strcmp(req->path, routes[i].path) != 0)
			continue;
		if (strcmp(req->method, routes[i].method) == 0)
			return i;
		path_known = true;
	}
	*status = path_known ? 405 : 404;
	err_set(e, ERR_UNSUPPORTED, 0, "this worker (version " WHERRY_VERSION ") has no %s %s", req->method, req->path);
	return ROUTES;
}

static int check_access(const struct api_conn *conn, size_t route, struct err *e)
{
	bool enrolled = identity_enrolled(conn->api->identity);

	if (!enrolled && !routes[route].before_enrolment)
		return err_set(e, ERR_DENIED, 0, "this worker is not enrolled yet: POST " API_ENROL " first");
	if (enrolled && conn->pinned)
		return err_set(e, ERR_DENIED, 0,
			       "this worker is enrolled: connect again with the controller's certificate of the "
			       "job's CA");
	return 0;
}

void api_handle(void *ctx, const struct http_request *req, struct http_response *res)
{
	const struct api_conn *conn = ctx;
	struct err e = ERR_INIT;
	int status = 0;
	size_t route = find_route(req, &status, &e);

	if (route < ROUTES && check_access(conn, route, &e) == 0) {
		lease_renew(conn->api->lease);
		if (routes[route].call(conn->api, req, res, &e) == 0) {
			/* A long poll is heard from for as long as it lasts. */
			lease_renew(conn->api->lease);
			return;
		}
	}
	res->status = status != 0 ? status : status_of(e.kind);
	res->content_type = "application/json";
	buf_clear(&res->body);
	api_json_error(&e, &res->body);
}
