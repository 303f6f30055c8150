// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/http.h"
#include "net/net_fixture.h"
#include "net/stream_mem.h"

#define MAX_BODY 1000

/* ---- A stream whose reads come in given pieces and whose writes are kept ---- */

struct script {
	struct stream base;
	const char *in;
	size_t in_len, at, split; /* the first read ends at `split`, the second at the end */
	struct buf out;
};

static ssize_t script_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct script *me = (struct script *)s;
	size_t end = me->at < me->split ? me->split : me->in_len, left = end - me->at;

	(void)e;
	n = n < left ? n : left;
	memcpy(p, me->in + me->at, n);
	me->at += n;
	return (ssize_t)n;
}

static int script_write(struct stream *s, const void *p, size_t n, struct err *e)
{
	(void)e;
	buf_add(&((struct script *)s)->out, p, n);
	return 0;
}

static int script_flush(struct stream *s, struct err *e)
{
	(void)s;
	(void)e;
	return 0;
}

static const struct stream_ops script_ops = {
	.read = script_read, .write = script_write, .flush = script_flush};

static struct script script_of(const char *in, size_t len, size_t split)
{
	return (struct script){.base.ops = &script_ops, .in = in, .in_len = len, .split = split};
}

/* ---- Server ---- */

/* Answers with what it was asked, one line a request; remembers them. */
static void echo(void *ctx, const struct http_request *req, struct http_response *res)
{
	struct buf *seen = ctx;

	if (seen != NULL)
		buf_addf(seen, "%s %s [%s] %s;", req->method, req->path, req->query, buf_str(&req->body));
	res->content_type = "text/plain";
	buf_addf(&res->body, "%s %s [%s] ", req->method, req->path, req->query);
	buf_add(&res->body, req->body.data, req->body.len);
	if (strcmp(req->path, "/missing") == 0)
		res->status = 404;
	if (strcmp(req->path, "/empty") == 0)
		res->status = 204;
}

struct served {
	const char *in;
	int rc; /* of http_serve */
	const char *seen; /* by the handler */
	const char *answer; /* how the output begins */
	const char *says; /* part of the output or of the error */
};

#define GET_A  "GET /a?x=1&y HTTP/1.1\r\nHost: h\r\n\r\n"
#define POST_B "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
#define OK_200 "HTTP/1.1 200 OK\r\n"

static const struct served served[] = {
	{GET_A, 0, "GET /a [x=1&y] ;", OK_200, "GET /a [x=1&y] "},
	{POST_B, 0, "POST /b [] hello;", OK_200, "Content-Length: 16\r\n"},
	{"PUT /c? HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 0, "PUT /c [] ;", OK_200, "PUT /c [] "},
	{"GET /missing HTTP/1.1\r\n\r\n", 0, "GET /missing [] ;", "HTTP/1.1 404 Not Found\r\n", ""},
	{"GET /empty HTTP/1.1\r\n\r\n", 0, "GET /empty [] ;", "HTTP/1.1 204 No Content\r\n\r\n", ""},
	{"HEAD /h HTTP/1.1\r\n\r\n", 0, "HEAD /h [] ;", OK_200, "Content-Length: 11\r\n\r\n"},
	{"GET /a HTTP/1.1\r\nConnection: close\r\n\r\n", 0, "GET /a [] ;", OK_200, "Connection: close\r\n"},
	{"GET /a HTTP/1.0\r\n\r\n", 0, "GET /a [] ;", OK_200, "Connection: close\r\n"},
	{"", 0, "", "", ""},
	{"GET /a HT", -1, "", "", "in the middle of"},
	{"POST /b HTTP/1.1\r\nContent-Length: 5\r\n\r\nhell", -1, "", "", "in the middle of"},
	{"POST /b HTTP/1.1\r\n\r\n", -1, "", "HTTP/1.1 411 Length Required\r\n", "no Content-Length"},
	{"PUT /b HTTP/1.1\r\n\r\n", -1, "", "HTTP/1.1 411 Length Required\r\n", "no Content-Length"},
	{"POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", -1, "",
		"HTTP/1.1 411 ", "is chunked"},
	{"POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello", -1, "",
		"HTTP/1.1 4", "HTTP request"},
	{"POST /b HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", -1, "", "HTTP/1.1 400 ",
		"malformed"},
	{"POST /b HTTP/1.1\r\nContent-Length: -5\r\n\r\n", -1, "", "HTTP/1.1 400 ", "malformed"},
	{"POST /b HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n", -1, "", "HTTP/1.1 400 ",
		"malformed"},
	{"POST /b HTTP/1.1\r\nContent-Length: 1001\r\n\r\n", -1, "", "HTTP/1.1 413 ", "allowed are 1000"},
	{"POST /b HTTP/1.1\r\nContent-Length: 18446744073709551614\r\n\r\n", -1, "", "HTTP/1.1 4",
		"HTTP request"},
	{"GET /a HTTP/2.0\r\n\r\n", -1, "", "HTTP/1.1 505 ", "expected HTTP/1.1"},
	{"GET /a\r\n\r\n", -1, "", "HTTP/1.1 ", "HTTP request"},
	{"GET a HTTP/1.1\r\n\r\n", -1, "", "HTTP/1.1 400 ", "malformed"},
	{"GET http://h/a HTTP/1.1\r\n\r\n", -1, "", "HTTP/1.1 400 ", "not a path"},
	{"OPTIONS * HTTP/1.1\r\n\r\n", -1, "", "HTTP/1.1 400 ", "not a path"},
	{"CONNECT h:1 HTTP/1.1\r\n\r\n", -1, "", "HTTP/1.1 400 ", "another protocol"},
	{"GET /a HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", -1, "", "HTTP/1.1 400 ",
		"another protocol"},
	{"PROPFIND /a HTTP/1.1\r\n\r\n", -1, "", "HTTP/1.1 501 ", "not supported"},
	{"NOSUCH /a HTTP/1.1\r\n\r\n", -1, "", "HTTP/1.1 400 ", "malformed"},
	{"GET /a\x01 HTTP/1.1\r\n\r\n", -1, "", "HTTP/1.1 400 ", "malformed"},
	{"GET /a HTTP/1.1\r\nBad Name: x\r\n\r\n", -1, "", "HTTP/1.1 400 ", "malformed"},
	{"\x16\x03\x01", -1, "", "HTTP/1.1 400 ", "malformed"},
};

static void assert_served(const struct served *c, size_t split)
{
	struct script s = script_of(c->in, strlen(c->in), split);
	struct buf seen = BUF_INIT;
	struct err e = ERR_INIT;
	int rc = http_serve(&s.base, MAX_BODY, echo, &seen, &e);

	if (rc != c->rc || strcmp(buf_str(&seen), c->seen) != 0 ||
		strncmp(buf_str(&s.out), c->answer, strlen(c->answer)) != 0 ||
		(strstr(buf_str(&s.out), c->says) == NULL && strstr(e.msg, c->says) == NULL))
		fail_msg("'%s' split at %zu: %d, seen '%s', answer '%s', error '%s'", c->in, split, rc,
			buf_str(&seen), buf_str(&s.out), e.msg);
	buf_fini(&seen);
	buf_fini(&s.out);
}

static void http_serve_requests_right_and_wrong_split_at_every_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof served / sizeof served[0]; i++)
		for (size_t split = 0; split <= strlen(served[i].in); split++)
			assert_served(&served[i], split);
}

/* The next request before the answer to this one is pipelining; after it, it is keep-alive. */
static void http_serve_two_requests_kept_alive_but_not_pipelined(void **state)
{
	const char *two = POST_B GET_A;
	struct err e = ERR_INIT;
	struct buf seen = BUF_INIT;
	struct script s = script_of(two, strlen(two), strlen(POST_B));

	(void)state;
	assert_int_equal(http_serve(&s.base, MAX_BODY, echo, &seen, &e), 0);
	assert_string_equal(buf_str(&seen), "POST /b [] hello;GET /a [x=1&y] ;");
	buf_fini(&seen);
	buf_fini(&s.out);

	s = script_of(two, strlen(two), 0);
	assert_int_equal(http_serve(&s.base, MAX_BODY, echo, &seen, &e), -1);
	assert_kind(&e, ERR_PROTOCOL);
	assert_says(&e, "no pipelining");
	assert_string_equal(buf_str(&seen), "");
	buf_fini(&s.out);
}

/* Around the limit of the header block, whichever way it is cut. */
static void http_serve_header_limit_431(void **state)
{
	static const struct {
		size_t header;
		const char *answer;
	} cases[] = {{16384, OK_200}, {16385, "HTTP/1.1 431 "}, {40000, "HTTP/1.1 431 "}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		for (size_t split = 0; split < 3; split++) {
			struct err e = ERR_INIT;
			struct buf in = BUF_INIT;

			buf_adds(&in, "POST /b HTTP/1.1\r\nContent-Length: 5\r\nX: ");
			while (in.len < cases[i].header - 4)
				buf_adds(&in, "x");
			buf_adds(&in, "\r\n\r\nhello");
			struct script s = script_of(in.data, in.len, split * 8000);
			int rc = http_serve(&s.base, MAX_BODY, echo, NULL, &e);
			assert_int_equal(rc, strcmp(cases[i].answer, OK_200) == 0 ? 0 : -1);
			assert_memory_equal(s.out.data, cases[i].answer, strlen(cases[i].answer));
			buf_fini(&in);
			buf_fini(&s.out);
		}
}

static void http_serve_long_target_414(void **state)
{
	static const struct {
		size_t path, query;
		const char *answer;
	} cases[] = {
		{255, 0, OK_200},
		{256, 0, "HTTP/1.1 414 "},
		{255, 511, OK_200},
		{1, 512, "HTTP/1.1 414 "},
		{5000, 0, "HTTP/1.1 414 "},
		{1, 5000, "HTTP/1.1 414 "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct err e = ERR_INIT;
		struct buf in = BUF_INIT;

		buf_adds(&in, "GET /");
		for (size_t n = 1; n < cases[i].path; n++)
			buf_adds(&in, "p");
		buf_adds(&in, cases[i].query > 0 ? "?" : "");
		for (size_t n = 0; n < cases[i].query; n++)
			buf_adds(&in, "q");
		buf_adds(&in, " HTTP/1.1\r\n\r\n");
		struct script s = script_of(in.data, in.len, 0);
		http_serve(&s.base, MAX_BODY, echo, NULL, &e);
		assert_memory_equal(s.out.data, cases[i].answer, strlen(cases[i].answer));
		buf_fini(&in);
		buf_fini(&s.out);
	}
}

/* ---- Client ---- */

struct called {
	const char *in;
	int rc, status;
	const char *body, *says;
};

static const struct called called[] = {
	{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 0, 200, "hello", ""},
	{"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", 0, 404, "no", ""},
	{"HTTP/1.1 204 No Content\r\n\r\n", 0, 204, "", ""},
	{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, 200, "", ""},
	{"", -1, 0, "", "instead of answering GET /x"},
	{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", -1, 0, NULL, "in the middle"},
	{"HTTP/1.1 200 OK\r\n\r\nhello", -1, 0, NULL, "no Content-Length"},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", -1, 0, NULL, "chunked"},
	{"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", -1, 0, NULL, "allowed are 1000"},
	{"HTTP/1.1 100 Continue\r\n\r\n", -1, 0, NULL, "not asked for"},
	{"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", -1, 0, NULL,
		"not asked for"},
	{"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", -1, 0, NULL, "nobody asked for"},
	{"220 ftp ready\r\n", -1, 0, NULL, "malformed"},
};

static void http_call_responses_right_and_wrong_split_at_every_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof called / sizeof called[0]; i++)
		for (size_t split = 0; split <= strlen(called[i].in); split++) {
			struct script s = script_of(called[i].in, strlen(called[i].in), split);
			struct http_response res = {.body = BUF_INIT};
			struct err e = ERR_INIT;
			int rc = http_call(&s.base, "GET", "/x", NULL, NULL, 0, MAX_BODY, &res, &e);

			/* A byte too many after a message that ended with the first read is met by the next
			 * call. */
			if (called[i].rc != 0 && rc == 0 && split == strlen(called[i].in) - 1)
				rc = http_call(&s.base, "GET", "/x", NULL, NULL, 0, MAX_BODY, &res, &e);
			if (rc != called[i].rc || (rc == 0 && res.status != called[i].status) ||
				(rc == 0 && strcmp(buf_str(&res.body), called[i].body) != 0))
				fail_msg("'%s' split at %zu: %d, status %d, '%s' %s", called[i].in, split, rc,
					res.status, buf_str(&res.body), e.msg);
			if (rc < 0 && split == 0)
				assert_says(&e, called[i].says);
			buf_fini(&res.body);
			buf_fini(&s.out);
		}
}

static void http_call_request_as_written(void **state)
{
	static const char in[] = "HTTP/1.1 204 No Content\r\n\r\n";
	struct script s = script_of(in, strlen(in), 0);
	struct http_response res = {.body = BUF_INIT};
	struct err e = ERR_INIT;

	(void)state;
	assert_done(
		http_call(&s.base, "POST", "/v1/run?x=1", "application/json", "{}", 2, MAX_BODY, &res, &e),
		&e);
	assert_string_equal(buf_str(&s.out),
		"POST /v1/run?x=1 HTTP/1.1\r\nHost: wherry\r\nContent-Type: application/json\r\n"
		"Content-Length: 2\r\n\r\n{}");
	buf_fini(&s.out);
}

/* What a caller puts into the request line cannot become another line. */
static void http_call_injection_internal(void **state)
{
	static const char *const bad[][3] = {
		{"GET", "/a b", NULL},
		{"GET", "/a\r\nX: y", NULL},
		{"GET\r\n", "/", NULL},
		{"", "/", NULL},
		{"GET", "a", NULL},
		{"GET", "/", "text/plain\r\nX: y"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct script s = script_of("", 0, 0);
		struct http_response res = {.body = BUF_INIT};
		struct err e = ERR_INIT;

		assert_int_equal(
			http_call(&s.base, bad[i][0], bad[i][1], bad[i][2], NULL, 0, MAX_BODY, &res, &e), -1);
		assert_kind(&e, ERR_INTERNAL);
		assert_int_equal(s.out.len, 0);
	}
}

/* ---- Both, over real streams ---- */

struct serving {
	struct stream *s;
	int rc;
	struct err e;
};

static void *serve(void *p)
{
	struct serving *v = p;

	v->rc = http_serve(v->s, 1 << 20, echo, NULL, &v->e);
	stream_close(v->s);
	return NULL;
}

static void call_many_times(struct stream *s[2])
{
	struct serving v = {.s = s[1]};
	struct http_response res = {.body = BUF_INIT};
	struct err e = ERR_INIT;
	pthread_t thread;
	char *body = mem_alloc(1 << 20);

	memset(body, 'b', 1 << 20);
	assert_int_equal(pthread_create(&thread, NULL, serve, &v), 0);
	for (size_t len = 0; len <= 1 << 20; len = len == 0 ? 1 : len * 4) {
		assert_done(
			http_call(s[0], "POST", "/p?q", "text/plain", body, len, (1 << 20) + 100, &res, &e),
			&e);
		assert_int_equal(res.status, 200);
		assert_int_equal(res.body.len, len + strlen("POST /p [q] "));
		assert_memory_equal(res.body.data + strlen("POST /p [q] "), body, len);
	}
	assert_done(http_call(s[0], "GET", "/missing", NULL, NULL, 0, 100, &res, &e), &e);
	assert_int_equal(res.status, 404);
	assert_done(http_call(s[0], "HEAD", "/h", NULL, NULL, 0, 100, &res, &e), &e);
	assert_int_equal(res.body.len, 0);
	assert_done(http_call(s[0], "GET", "/empty", NULL, NULL, 0, 100, &res, &e), &e);
	assert_int_equal(res.status, 204);
	stream_close(s[0]);
	pthread_join(thread, NULL);
	assert_done(v.rc, &v.e);
	buf_fini(&res.body);
	free(body);
}

static void http_call_and_serve_over_memory(void **state)
{
	struct stream *s[2];

	(void)state;
	stream_mem_pair(100, s);
	call_many_times(s);
}

static void http_call_and_serve_over_tls(void **state)
{
	struct stream *s[2];

	(void)state;
	fx_tls_pair(10000, s, NULL);
	call_many_times(s);
}

/* The server answers before it has the body and hangs up; its answer is worth more than "cut". */
static void http_call_body_too_large_gets_413(void **state)
{
	struct stream *s[2];
	struct http_response res = {.body = BUF_INIT};
	struct err e = ERR_INIT;
	pthread_t thread;
	char *body = mem_alloc(3 << 20);

	(void)state;
	stream_mem_pair(1000, s);
	struct serving v = {.s = s[1]};
	assert_int_equal(pthread_create(&thread, NULL, serve, &v), 0);
	assert_done(http_call(s[0], "POST", "/p", NULL, body, 3 << 20, 1000, &res, &e), &e);
	assert_int_equal(res.status, 413);
	pthread_join(thread, NULL);
	assert_int_equal(v.rc, -1);
	assert_kind(&v.e, ERR_PROTOCOL);
	stream_close(s[0]);
	buf_fini(&res.body);
	free(body);
}

static void http_query_values_found_or_not(void **state)
{
	static const struct {
		const char *query, *name, *value; /* NULL: not there */
	} cases[] = {
		{"", "a", NULL},
		{"a=1", "a", "1"},
		{"a=1&b=22", "b", "22"},
		{"ab=1&b=2", "b", "2"},
		{"a", "a", NULL},
		{"a=", "a", ""},
		{"a=1&a=2", "a", "1"},
		{"&&a=1", "a", "1"},
		{"b=a=3", "a", NULL},
		{"a==", "a", "="},
		{"first=12345678", "first", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char out[8];
		bool found = http_query(cases[i].query, cases[i].name, out, sizeof out);

		assert_int_equal(found, cases[i].value != NULL);
		if (found)
			assert_string_equal(out, cases[i].value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(http_serve_requests_right_and_wrong_split_at_every_byte),
		cmocka_unit_test(http_serve_two_requests_kept_alive_but_not_pipelined),
		cmocka_unit_test(http_serve_header_limit_431),
		cmocka_unit_test(http_serve_long_target_414),
		cmocka_unit_test(http_call_responses_right_and_wrong_split_at_every_byte),
		cmocka_unit_test(http_call_request_as_written),
		cmocka_unit_test(http_call_injection_internal),
		cmocka_unit_test(http_call_and_serve_over_memory),
		cmocka_unit_test(http_call_and_serve_over_tls),
		cmocka_unit_test(http_call_body_too_large_gets_413),
		cmocka_unit_test(http_query_values_found_or_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
