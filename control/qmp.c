// SPDX-License-Identifier: Apache-2.0
#include "qmp.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <yyjson.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/vec.h"
#include "json_format.h"

#define ANSWER_MAX (UINT64_C(64) << 20)

struct qmp {
	int fd;
	int64_t timeout_ns;
	uint64_t next_id;
	char *where;   /* run directory, for sentences */
	struct buf in; /* received, not yet a whole line */
	VEC(struct yyjson_doc *) events;
};

void qmp_doc_cleanup(struct yyjson_doc **doc)
{
	yyjson_doc_free(*doc);
	*doc = NULL;
}

void qmp_cleanup(struct qmp **q)
{
	qmp_close(take_ptr(q));
}

void qmp_close(struct qmp *q)
{
	if (q == NULL)
		return;
	if (q->fd >= 0)
		close(q->fd);
	for (size_t i = 0; i < q->events.len; i++)
		yyjson_doc_free(q->events.at[i]);
	vec_fini(&q->events);
	buf_fini(&q->in);
	free(q->where);
	free(q);
}

/* sun_path holds 107 bytes and clouds may lie deeper than that, hence the way round by a descriptor. */
static int connect_in(const char *run_dir, struct err *e)
{
	cleanup(cleanup_fd) int dir = open(run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup(cleanup_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	if (dir < 0 || fd < 0)
		return err_set(e, err_kind_of_errno(errno), errno, "cannot open the run directory %s", run_dir);
	snprintf(to.sun_path, sizeof to.sun_path, "/proc/self/fd/%d/qmp.sock", dir);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
		return err_set(e, ERR_NETWORK, errno, "no QEMU answers at %s/qmp.sock", run_dir);
	return take_fd(&fd);
}

static int wait_readable(struct qmp *q, int64_t deadline, struct err *e)
{
	for (;;) {
		struct pollfd p = {.fd = q->fd, .events = POLLIN};
		int64_t left = deadline - clock_mono_ns();

		if (left <= 0)
			return err_set(e, ERR_TIMEOUT, 0,
				       "the QEMU monitor %s/qmp.sock does not answer: another program may hold it, "
				       "or "
				       "QEMU hangs",
				       q->where);
		int n = poll(&p, 1, (int)(left / NS_PER_MS) + 1);

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return err_set(e, ERR_IO, errno, "cannot wait for the QEMU monitor %s/qmp.sock", q->where);
	}
}

static int receive(struct qmp *q, int64_t deadline, struct err *e)
{
	char part[16384];

	if (wait_readable(q, deadline, e) < 0)
		return -1;
	ssize_t n = recv(q->fd, part, sizeof part, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return err_set(e, ERR_NETWORK, n < 0 ? errno : 0, "QEMU of %s ended while it was being asked",
			       q->where);
	if (q->in.len + (size_t)n > ANSWER_MAX)
		return err_set(e, ERR_PROTOCOL, 0, "the QEMU monitor %s/qmp.sock sent an answer without end",
			       q->where);
	buf_add(&q->in, part, (size_t)n);
	return 0;
}

/* The next JSON line, whatever it is. */
static struct yyjson_doc *next_line(struct qmp *q, int64_t deadline, struct err *e)
{
	for (;;) {
		char *end = q->in.len > 0 ? memchr(q->in.data, '\n', q->in.len) : NULL;

		if (end == NULL) {
			if (receive(q, deadline, e) < 0)
				return NULL;
			continue;
		}
		size_t len = (size_t)(end - q->in.data) + 1;
		struct yyjson_doc *doc = yyjson_read(q->in.data, len, YYJSON_READ_NOFLAG);

		buf_drop(&q->in, len);
		if (doc == NULL)
			err_set(e, ERR_PROTOCOL, 0, "the QEMU monitor %s/qmp.sock sent something that is not JSON",
				q->where);
		return doc;
	}
}

static bool is_event(struct yyjson_doc *doc)
{
	return yyjson_obj_get(yyjson_doc_get_root(doc), "event") != NULL;
}

static enum err_kind kind_of(const char *class, const char *desc)
{
	static const struct {
		const char *part;
		enum err_kind kind;
	} known[] = {
		{"No space left", ERR_NO_SPACE}, {"write\" lock", ERR_BUSY},        {"is in use", ERR_BUSY},
		{"is busy", ERR_BUSY},           {"No such", ERR_NOT_FOUND},        {"not found", ERR_NOT_FOUND},
		{"Cannot find", ERR_NOT_FOUND},  {"Failed to find", ERR_NOT_FOUND},
	};

	if (strcmp(class, "DeviceNotFound") == 0)
		return ERR_NOT_FOUND;
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (strstr(desc, known[i].part) != NULL)
			return known[i].kind;
	return ERR_IO;
}

static int refused(struct qmp *q, const char *command, struct yyjson_val *error, struct err *e)
{
	const char *class = yyjson_get_str(yyjson_obj_get(error, "class"));
	const char *desc = yyjson_get_str(yyjson_obj_get(error, "desc"));

	if (desc == NULL)
		desc = "no reason given";
	return err_set(e, kind_of(class == NULL ? "" : class, desc), 0, "QEMU of %s refuses %s: %.300s", q->where,
		       command, desc);
}

static int send_all(struct qmp *q, const char *p, size_t n, struct err *e)
{
	while (n > 0) {
		ssize_t done = send(q->fd, p, n, MSG_NOSIGNAL);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return err_set(e, ERR_NETWORK, errno, "cannot speak to the QEMU monitor %s/qmp.sock",
				       q->where);
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

int qmp_ask(struct qmp *q, const char *command, const char *args, struct yyjson_doc **doc,
	    struct yyjson_val **value, struct err *e)
{
	uint64_t id = q->next_id++;
	cleanup(cleanup_free) char *line = json_format("{'execute':%s,'id':%u,'arguments':%j}\n", command, id,
						      args == NULL ? "{}" : args);
	int64_t deadline = clock_mono_ns() + q->timeout_ns;

	*doc = NULL;
	if (send_all(q, line, strlen(line), e) < 0)
		return -1;
	for (;;) {
		struct yyjson_doc *got = next_line(q, deadline, e);

		if (got == NULL)
			return err_wrap(e, "%s", command);
		struct yyjson_val *root = yyjson_doc_get_root(got);
		struct yyjson_val *error = yyjson_obj_get(root, "error");
		struct yyjson_val *answer_id = yyjson_obj_get(root, "id");

		if (is_event(got)) {
			*vec_push(&q->events) = got;
		} else if (error != NULL && (answer_id == NULL || yyjson_get_uint(answer_id) == id)) {
			refused(q, command, error, e);
			yyjson_doc_free(got);
			return -1;
		} else if (yyjson_get_uint(answer_id) != id) {
			yyjson_doc_free(got); /* the late answer of a call that timed out */
		} else {
			*doc = got;
			*value = yyjson_obj_get(root, "return");
			return 0;
		}
	}
}

int qmp_do(struct qmp *q, const char *command, const char *args, struct err *e)
{
	cleanup(qmp_doc_cleanup) struct yyjson_doc *doc = NULL;
	struct yyjson_val *value;

	return qmp_ask(q, command, args, &doc, &value, e);
}

/* QEMU may first deliver what it still had for a client that died before us. */
static bool is_stale(yyjson_val *line)
{
	return yyjson_obj_get(line, "return") != NULL || yyjson_obj_get(line, "error") != NULL ||
	       yyjson_obj_get(line, "event") != NULL;
}

static int greet(struct qmp *q, struct err *e)
{
	int64_t until = clock_mono_ns() + q->timeout_ns;

	for (;;) {
		cleanup(qmp_doc_cleanup) struct yyjson_doc *hello = next_line(q, until, e);

		if (hello == NULL)
			return -1;
		if (yyjson_obj_get(yyjson_doc_get_root(hello), "QMP") != NULL)
			break;
		if (!is_stale(yyjson_doc_get_root(hello)))
			return err_set(e, ERR_PROTOCOL, 0, "%s/qmp.sock is not a QEMU monitor: it did not greet", q->where);
	}
	return qmp_do(q, "qmp_capabilities", NULL, e);
}

struct qmp *qmp_open(const char *run_dir, int64_t timeout_ns, struct err *e)
{
	int fd = connect_in(run_dir, e);

	if (fd < 0)
		return NULL;
	struct qmp *q = mem_alloc(sizeof *q);

	q->fd = fd;
	q->timeout_ns = timeout_ns;
	q->next_id = 1;
	q->where = mem_strdup(run_dir);
	if (greet(q, e) == 0)
		return q;
	qmp_close(q);
	return NULL;
}

static bool event_is(struct yyjson_doc *doc, const char *event, const char *key, const char *value)
{
	struct yyjson_val *root = yyjson_doc_get_root(doc);

	if (!yyjson_equals_str(yyjson_obj_get(root, "event"), event))
		return false;
	return key == NULL || yyjson_equals_str(yyjson_obj_get(yyjson_obj_get(root, "data"), key), value);
}

static bool take_event(struct qmp *q, const char *event, const char *key, const char *value)
{
	for (size_t i = 0; i < q->events.len; i++) {
		if (!event_is(q->events.at[i], event, key, value))
			continue;
		yyjson_doc_free(q->events.at[i]);
		q->events.at[i] = q->events.at[--q->events.len];
		return true;
	}
	return false;
}

bool qmp_wait_event(struct qmp *q, const char *event, const char *key, const char *value, int64_t timeout_ns)
{
	int64_t deadline = clock_mono_ns() + timeout_ns;
	struct err e = ERR_INIT;

	while (!take_event(q, event, key, value)) {
		struct yyjson_doc *got = next_line(q, deadline, &e);

		if (got == NULL)
			return false;
		if (is_event(got))
			*vec_push(&q->events) = got;
		else
			yyjson_doc_free(got);
	}
	return true;
}
