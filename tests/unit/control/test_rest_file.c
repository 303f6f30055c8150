// SPDX-License-Identifier: Apache-2.0
/* Files that are sent to services which refuse them, or cut the connection. A service here answers a request when it has its
 * head, as real ones do; the whole body is read only by what takes it. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "rest.h"
#include "unit.h"

/* More than the sockets between the two hold. */
#define FILE_SIZE ((size_t)32 << 20)

/* What is done with a request: ANSWERS reads no body, and keeps the connection; REFUSES does not want the body, and closes;
 * TAKES lets the body come; CUTS closes without a word. */
enum manner { ANSWERS, REFUSES, TAKES, CUTS };

struct step {
	enum manner manner;
	const char *reply; /* its status line */
};

struct service {
	const struct step *steps; /* one for each request */
	int listener, port;
	pthread_t thread;
	uint64_t taken, unwanted; /* bytes of bodies */
};

static bool read_head(int fd, char *head, size_t size)
{
	size_t n = 0;

	for (head[0] = '\0'; strstr(head, "\r\n\r\n") == NULL; head[n] = '\0')
		if (n + 1 == size || recv(fd, head + n++, 1, 0) <= 0)
			return false;
	return true;
}

static void say(int fd, const char *line, const char *more)
{
	cleanup(cleanup_free) char *text = mem_printf("HTTP/1.1 %s\r\n%s\r\n", line, more);

	assert_true(send(fd, text, strlen(text), MSG_NOSIGNAL) > 0);
}

static uint64_t take(int fd, uint64_t want)
{
	static char sink[65536];
	uint64_t got = 0;

	for (ssize_t n = 1; got < want && n > 0; got += n > 0 ? (uint64_t)n : 0)
		n = recv(fd, sink, want - got < sizeof sink ? (size_t)(want - got) : sizeof sink, 0);
	return got;
}

/* One request; false: the connection is over. */
static bool answer(struct service *s, int fd)
{
	char head[4096];

	if (!read_head(fd, head, sizeof head))
		return false;
	const struct step *step = s->steps++;
	const char *length = strstr(head, "Content-Length: ");
	bool waits = strstr(head, "Expect: 100-continue") != NULL;

	if (step->manner == CUTS)
		return false;
	if (step->manner == TAKES && waits)
		say(fd, "100 Continue", "");
	if (step->manner == TAKES && length != NULL)
		s->taken += take(fd, strtoull(length + strlen("Content-Length: "), NULL, 10));
	say(fd, step->reply, step->manner == REFUSES ? "Connection: close\r\nContent-Length: 0\r\n" : "Content-Length: 0\r\n");
	if (step->manner == REFUSES && shutdown(fd, SHUT_WR) == 0)
		s->unwanted += take(fd, UINT64_MAX);
	return step->manner != REFUSES;
}

static void *serve(void *arg)
{
	struct service *s = arg;

	for (int fd; (fd = accept(s->listener, NULL, NULL)) >= 0; close(fd))
		while (answer(s, fd))
			continue;
	return NULL;
}

static int log_in(void *ctx, struct err *e)
{
	unsigned *count = ctx;

	(void)e;
	++*count;
	return 0;
}

struct world {
	struct service s;
	struct rest *r;
	char *dir, *path, *url;
	int file;
	unsigned logins;
};

static int set_up(void **state)
{
	static const struct log quiet = {.fd = -1, .level = LOG_ERROR, .name = "test"};
	struct world *w = mem_alloc(sizeof *w);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct rest_options options = {.timeout_s = 20, .log = &quiet, .log_in = log_in, .log_in_ctx = &w->logins};
	socklen_t len = sizeof a;

	w->s.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(w->s.listener, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(w->s.listener, 8), 0);
	assert_int_equal(getsockname(w->s.listener, (struct sockaddr *)&a, &len), 0);
	w->url = mem_printf("http://127.0.0.1:%d/x", ntohs(a.sin_port));
	w->dir = temp_make();
	w->path = mem_printf("%s/file", w->dir);
	w->file = open(w->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(w->file, FILE_SIZE), 0);
	ok((w->r = rest_new(&options, e)) == NULL ? -1 : 0);
	*state = w;
	return 0;
}

static void start(struct world *w, const struct step *steps)
{
	w->s.steps = steps;
	assert_int_equal(pthread_create(&w->s.thread, NULL, serve, &w->s), 0);
}

static int tear_down(void **state)
{
	struct world *w = *state;

	rest_free(w->r); /* the service waits on its connection */
	shutdown(w->s.listener, SHUT_RDWR);
	pthread_join(w->s.thread, NULL);
	close(w->s.listener);
	close(w->file);
	free(w->path);
	free(w->url);
	temp_remove(w->dir);
	free(w);
	return 0;
}

static int put(struct world *w, struct rest_reply *reply, struct err *e)
{
	const struct rest_call call = {.method = "PUT", .url = w->url, .type = "application/octet-stream", .file = w->file,
				       .file_size = FILE_SIZE};

	return rest_call(w->r, &call, reply, e);
}

static void call_file_that_is_refused_at_once_has_the_refusal(void **state)
{
	static const struct step steps[] = {{REFUSES, "409 Conflict"}};
	struct world *w = *state;
	struct rest_reply reply;

	start(w, steps);
	ok(put(w, &reply, e));
	assert_int_equal(reply.status, 409);
	assert_int_equal(w->s.unwanted, 0);
	rest_reply_fini(&reply);
}

static void call_file_without_a_valid_token_is_sent_with_the_next(void **state)
{
	static const struct step steps[] = {{REFUSES, "401 Unauthorized"}, {TAKES, "204 Done"}};
	struct world *w = *state;
	struct rest_reply reply;

	start(w, steps);
	ok(put(w, &reply, e));
	assert_int_equal(reply.status, 204);
	assert_int_equal(w->logins, 1);
	assert_int_equal(w->s.taken, FILE_SIZE);
	assert_int_equal(w->s.unwanted, 0);
	rest_reply_fini(&reply);
}

/* A service ends connections that it kept for a while, and the next call finds out. */
static void call_file_over_a_dead_connection_is_sent_over_another(void **state)
{
	static const struct step steps[] = {{ANSWERS, "200 OK"}, {CUTS, NULL}, {TAKES, "204 Done"}};
	struct world *w = *state;
	struct rest_reply reply;

	start(w, steps);
	ok(rest_call(w->r, &(struct rest_call){.method = "GET", .url = w->url}, &reply, e));
	rest_reply_fini(&reply);
	ok(put(w, &reply, e));
	assert_int_equal(reply.status, 204);
	assert_int_equal(w->s.taken, FILE_SIZE);
	rest_reply_fini(&reply);
}

static void call_file_that_shrank_is_an_error_of_the_file(void **state)
{
	static const struct step steps[] = {{TAKES, "204 Done"}};
	struct world *w = *state;
	struct rest_reply reply;

	start(w, steps);
	assert_int_equal(ftruncate(w->file, FILE_SIZE / 2), 0);
	refused(put(w, &reply, e), ERR_IO, "look at the file");
	rest_reply_fini(&reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(call_file_that_is_refused_at_once_has_the_refusal, set_up, tear_down),
		cmocka_unit_test_setup_teardown(call_file_without_a_valid_token_is_sent_with_the_next, set_up, tear_down),
		cmocka_unit_test_setup_teardown(call_file_over_a_dead_connection_is_sent_over_another, set_up, tear_down),
		cmocka_unit_test_setup_teardown(call_file_that_shrank_is_an_error_of_the_file, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
