// SPDX-License-Identifier: Apache-2.0
#include "rest_replay.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/vec.h"

struct recorded {
	char *line;   /* "GET /8774/v2.1/servers" */
	int status;
	char *body;
	bool used;
};

struct fault {
	char *part, *headers, *body;
	int status;
	unsigned times;
};

struct request {
	char *line, *head, *body;
};

struct rest_replay {
	pthread_t thread;
	pthread_mutex_t lock; /* of faults, requests and clock */
	int64_t ahead_ns;
	int listener, port;
	VEC(struct recorded) replies;
	VEC(struct fault) faults;
	VEC(struct request) requests;
};

/* Lines "> request", "< status", body. */
static void load(struct rest_replay *r, const char *path)
{
	cleanup(cleanup_file) FILE *f = fopen(path, "re");
	cleanup(cleanup_free) char *line = NULL;
	struct recorded *now = NULL;
	size_t cap = 0;
	ssize_t n;

	if (f == NULL) {
		fprintf(stderr, "no transcript %s\n", path);
		abort();
	}
	while ((n = getline(&line, &cap, f)) >= 0) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "> ", 2) == 0) {
			now = vec_push(&r->replies);
			now->line = mem_strdup(line + 2);
			now->body = mem_strdup("");
		} else if (now != NULL && strncmp(line, "< ", 2) == 0) {
			now->status = atoi(line + 2);
		} else if (now != NULL && n > 1) {
			free(now->body);
			now->body = mem_strdup(line);
		}
	}
}

static const struct recorded *choose(struct rest_replay *r, const char *line)
{
	struct recorded *last = NULL;

	for (size_t i = 0; i < r->replies.len; i++) {
		struct recorded *it = &r->replies.at[i];

		if (strcmp(it->line, line) != 0)
			continue;
		last = it;
		if (!it->used)
			break;
	}
	if (last != NULL)
		last->used = true;
	return last;
}

/* "http://127.0.0.1:8776/..." becomes "http://127.0.0.1:<ours>/8776/...". */
static void add_turned(struct buf *out, const char *text, int port)
{
	static const char here[] = "http://127.0.0.1:";

	for (const char *at; (at = strstr(text, here)) != NULL; text = at + strlen(here)) {
		buf_add(out, text, (size_t)(at - text));
		buf_addf(out, "%s%d/", here, port);
	}
	buf_adds(out, text);
}

static void reply(struct rest_replay *r, int fd, const char *line)
{
	cleanup(buf_fini) struct buf body = BUF_INIT;
	cleanup(buf_fini) struct buf out = BUF_INIT;
	cleanup(buf_fini) struct buf headers = BUF_INIT;
	int status = 599;
	bool cut = false, faulty = false;
	char date[64];

	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->faults.len && !faulty; i++) {
		struct fault *f = &r->faults.at[i];

		faulty = f->times > 0 && strstr(line, f->part) != NULL;
		if (!faulty)
			continue;
		f->times--;
		status = f->status;
		cut = status == 0;
		buf_adds(&headers, f->headers);
		buf_adds(&body, f->body);
	}
	pthread_mutex_unlock(&r->lock);
	if (cut)
		return;
	const struct recorded *it = faulty ? NULL : choose(r, line);
	if (it != NULL) {
		status = it->status;
		add_turned(&body, it->body, r->port);
	} else if (!faulty) {
		buf_addf(&body, "never recorded: %s", line);
	}
	buf_addf(&out, "HTTP/1.1 %d Said\r\nX-Openstack-Request-Id: req-1234\r\nX-Subject-Token: secret-token\r\n"
		 "x-ms-request-id: req-1234\r\nx-ms-correlation-request-id: corr-5678\r\nConnection: close\r\n"
		 "Content-Length: %zu\r\n%s", status, body.len, buf_str(&headers));
	time_t now = (time_t)(rest_replay_now_ns(r) / NS_PER_S);
	strftime(date, sizeof date, "Date: %a, %d %b %Y %T GMT\r\n", gmtime_r(&now, &(struct tm){0}));
	buf_addf(&out, "%s\r\n%s", date, buf_str(&body));
	if (send(fd, out.data, out.len, MSG_NOSIGNAL) < 0)
		perror("rest_replay");
}

/* One request of one connection. */
static void serve(struct rest_replay *r, int fd)
{
	cleanup(buf_fini) struct buf in = BUF_INIT;
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	const char *end = NULL;
	size_t length = 0;

	while (end == NULL || in.len < (size_t)(end + 4 - in.data) + length) {
		ssize_t n = recv(fd, buf_reserve(&in, 65536), 65536, 0);

		if (n <= 0)
			return;
		in.len += (size_t)n;
		in.data[in.len] = '\0';
		bool began = end != NULL;
		end = strstr(in.data, "\r\n\r\n");
		const char *header = strcasestr(in.data, "\r\nContent-Length:");
		if (end != NULL && header != NULL && header < end)
			length = (size_t)atoll(header + strlen("\r\nContent-Length:"));
		if (end != NULL && !began && strstr(in.data, "\r\nExpect: 100-continue\r\n") != NULL &&
		    send(fd, go_on, strlen(go_on), MSG_NOSIGNAL) < 0)
			return;
	}
	cleanup(cleanup_free) char *line = mem_printf("%.*s", (int)(strstr(in.data, " HTTP/1.1") - in.data), in.data);
	pthread_mutex_lock(&r->lock);
	*vec_push(&r->requests) = (struct request){.line = mem_strdup(line), .body = mem_strdup(end + 4),
						   .head = mem_printf("%.*s", (int)(end - in.data), in.data)};
	pthread_mutex_unlock(&r->lock);
	reply(r, fd, line);
}

static void *run(void *arg)
{
	struct rest_replay *r = arg;

	for (int fd; (fd = accept(r->listener, NULL, NULL)) >= 0; close(fd))
		serve(r, fd);
	return NULL;
}

struct rest_replay *rest_replay_start(const char *transcript)
{
	struct rest_replay *r = mem_alloc(sizeof *r);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;

	if (transcript != NULL)
		load(r, transcript);
	pthread_mutex_init(&r->lock, NULL);
	r->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(r->listener, (struct sockaddr *)&a, sizeof a) < 0 || listen(r->listener, 16) < 0 ||
	    getsockname(r->listener, (struct sockaddr *)&a, &len) < 0 || pthread_create(&r->thread, NULL, run, r) != 0)
		abort();
	r->port = ntohs(a.sin_port);
	return r;
}

void rest_replay_stop(struct rest_replay *r)
{
	shutdown(r->listener, SHUT_RDWR);
	pthread_join(r->thread, NULL);
	close(r->listener);
	for (size_t i = 0; i < r->replies.len; i++) {
		free(r->replies.at[i].line);
		free(r->replies.at[i].body);
	}
	for (size_t i = 0; i < r->faults.len; i++) {
		free(r->faults.at[i].part);
		free(r->faults.at[i].headers);
		free(r->faults.at[i].body);
	}
	for (size_t i = 0; i < r->requests.len; i++) {
		free(r->requests.at[i].line);
		free(r->requests.at[i].head);
		free(r->requests.at[i].body);
	}
	vec_fini(&r->replies);
	vec_fini(&r->faults);
	vec_fini(&r->requests);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

int rest_replay_port(const struct rest_replay *r)
{
	return r->port;
}

void rest_replay_fault(struct rest_replay *r, const char *part, int status, const char *body, int retry_after_s,
		       unsigned times)
{
	cleanup(cleanup_free) char *headers = retry_after_s != 0 ? mem_printf("Retry-After: %d\r\n", retry_after_s) : NULL;

	rest_replay_answer(r, part, status, headers != NULL ? headers : "", body, times);
}

void rest_replay_answer(struct rest_replay *r, const char *part, int status, const char *headers, const char *body,
			unsigned times)
{
	pthread_mutex_lock(&r->lock);
	*vec_push(&r->faults) = (struct fault){.part = mem_strdup(part), .headers = mem_strdup(headers),
					       .body = mem_strdup(body), .status = status, .times = times};
	pthread_mutex_unlock(&r->lock);
}

void rest_replay_clock(struct rest_replay *r, int64_t ahead_ns)
{
	pthread_mutex_lock(&r->lock);
	r->ahead_ns = ahead_ns;
	pthread_mutex_unlock(&r->lock);
}

int64_t rest_replay_now_ns(struct rest_replay *r)
{
	pthread_mutex_lock(&r->lock);
	int64_t ahead_ns = r->ahead_ns;
	pthread_mutex_unlock(&r->lock);
	return clock_wall_ns() + ahead_ns;
}

static const struct request *last_seen(struct rest_replay *r, const char *part, unsigned *count)
{
	const struct request *last = NULL;

	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->requests.len; i++) {
		if (strstr(r->requests.at[i].line, part) == NULL)
			continue;
		last = &r->requests.at[i];
		++*count;
	}
	pthread_mutex_unlock(&r->lock);
	return last;
}

unsigned rest_replay_seen(struct rest_replay *r, const char *part)
{
	unsigned count = 0;

	last_seen(r, part, &count);
	return count;
}

const char *rest_replay_body(struct rest_replay *r, const char *part)
{
	unsigned count = 0;
	const struct request *last = last_seen(r, part, &count);

	return last != NULL ? last->body : "";
}

const char *rest_replay_head(struct rest_replay *r, const char *part)
{
	unsigned count = 0;
	const struct request *last = last_seen(r, part, &count);

	return last != NULL ? last->head : "";
}
