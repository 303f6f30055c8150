// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP requests and responses of a hostile peer. The first byte: its lowest bit chooses, the rest is how many bytes
 * come at a time. RUNS: 20000
 */
#include "fuzz/fuzz.h"

#include <string.h>

#include "net/http.h"

#define MAX_BODY 512

static void handle(void *ctx, const struct http_request *req, struct http_response *res)
{
	unsigned *calls = ctx;
	char value[16];

	++*calls;
	fuzz_check(memchr(req->path, '\0', sizeof req->path) != NULL && req->path[0] == '/');
	fuzz_check(memchr(req->query, '\0', sizeof req->query) != NULL && req->body.len <= MAX_BODY);
	if (http_query(req->query, "ack", value, sizeof value))
		fuzz_check(strlen(value) < sizeof value && strstr(req->query, value) != NULL);
	buf_addf(&res->body, "{\"calls\":%u}", *calls);
}

static void serve(const uint8_t *data, size_t size, size_t piece)
{
	struct buf heard = BUF_INIT;
	struct stream *s = fuzz_stream(data, size, piece, &heard);
	struct err e = ERR_INIT;
	unsigned calls = 0;

	if (http_serve(s, MAX_BODY, handle, &calls, &e) < 0)
		fuzz_check(e.kind == ERR_PROTOCOL || e.kind == ERR_NETWORK);
	/* Whoever said something whole is answered. */
	fuzz_check(calls == 0 || strncmp(buf_str(&heard), "HTTP/1.1 ", 9) == 0);
	stream_close(s);
	buf_fini(&heard);
}

static void call(const uint8_t *data, size_t size, size_t piece)
{
	struct stream *s = fuzz_stream(data, size, piece, NULL);
	struct http_response res = {.body = BUF_INIT};
	struct err e = ERR_INIT;

	while (http_call(s, "GET", "/v1/status", NULL, NULL, 0, MAX_BODY, &res, &e) == 0)
		fuzz_check(res.status >= 200 && res.status <= 999 && res.body.len <= MAX_BODY);
	stream_close(s);
	buf_fini(&res.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0)
		(data[0] % 2 == 0 ? serve : call)(data + 1, size - 1, data[0] >= 0xfe ? 8192 : data[0] / 2);
	return 0;
}

void fuzz_seeds(struct fuzz_corpus *to)
{
	static const char *const requests[] = {
		"GET /v1/run/feed?ack=12&wait_ms=5 HTTP/1.1\r\nHost: wherry\r\n\r\n",
		"POST /v1/run HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}HEAD / HTTP/1.1\r\n\r\n",
		"PUT /v1/run/disks/0/pages?first=1 HTTP/1.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
		"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
	};
	static const char *const responses[] = {
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
		"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
	};

	for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
		fuzz_seed_choice(to, 0xfe, requests[i], strlen(requests[i]));
	for (size_t i = 0; i < sizeof responses / sizeof responses[0]; i++)
		fuzz_seed_choice(to, 0xff, responses[i], strlen(responses[i]));
	fuzz_seed_choice(to, 2, requests[0], strlen(requests[0]));
}
