// SPDX-License-Identifier: Apache-2.0
#include "job/conns.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"

struct tracked {
	struct stream stream;
	struct stream *lower;
	struct conns *conns;
	enum conn_kind kind;           /* under the lock, as the links */
	struct tracked *next, **link;
};

/* An abort happens under the lock and a close takes a stream from the list first, so none is aborted after its end. */
struct conns {
	pthread_mutex_t lock;
	struct tracked *first;
	bool shut;
};

static ssize_t tracked_read(struct stream *s, void *p, size_t n, struct err *e)
{
	return stream_read(((struct tracked *)s)->lower, p, n, e);
}

static int tracked_write(struct stream *s, const void *p, size_t n, struct err *e)
{
	return stream_write(((struct tracked *)s)->lower, p, n, e);
}

static int tracked_flush(struct stream *s, struct err *e)
{
	return stream_flush(((struct tracked *)s)->lower, e);
}

static bool tracked_ready(struct stream *s)
{
	return stream_ready(((struct tracked *)s)->lower);
}

static void tracked_abort(struct stream *s)
{
	stream_abort(((struct tracked *)s)->lower);
}

static void tracked_set_timeout(struct stream *s, int64_t ns)
{
	stream_set_timeout(((struct tracked *)s)->lower, ns);
}

static void tracked_close(struct stream *s)
{
	struct tracked *t = (struct tracked *)s;

	pthread_mutex_lock(&t->conns->lock);
	*t->link = t->next;
	if (t->next != NULL)
		t->next->link = t->link;
	pthread_mutex_unlock(&t->conns->lock);
	stream_close(t->lower);
	free(t);
}

static const struct stream_ops ops = {
	.read = tracked_read,
	.write = tracked_write,
	.flush = tracked_flush,
	.ready = tracked_ready,
	.abort = tracked_abort,
	.set_timeout = tracked_set_timeout,
	.close = tracked_close,
};

struct conns *conns_new(void)
{
	struct conns *c = mem_alloc(sizeof *c);

	pthread_mutex_init(&c->lock, NULL);
	return c;
}

void conns_free(struct conns *c)
{
	if (c == NULL)
		return;
	pthread_mutex_destroy(&c->lock);
	free(c);
}

struct stream *conns_track(struct conns *c, struct stream *lower, enum conn_kind kind)
{
	struct tracked *t = mem_alloc(sizeof *t);

	t->stream.ops = &ops;
	t->lower = lower;
	t->conns = c;
	t->kind = kind;
	pthread_mutex_lock(&c->lock);
	t->next = c->first;
	t->link = &c->first;
	if (t->next != NULL)
		t->next->link = &t->next;
	c->first = t;
	if (c->shut)
		stream_abort(lower);
	pthread_mutex_unlock(&c->lock);
	return &t->stream;
}

void conns_set_kind(struct stream *tracked, enum conn_kind kind)
{
	struct tracked *t = (struct tracked *)tracked;

	pthread_mutex_lock(&t->conns->lock);
	t->kind = kind;
	pthread_mutex_unlock(&t->conns->lock);
}

void conns_abort_waiting(struct conns *c)
{
	pthread_mutex_lock(&c->lock);
	for (struct tracked *t = c->first; t != NULL; t = t->next)
		if (t->kind == CONN_WAITING)
			stream_abort(t->lower);
	pthread_mutex_unlock(&c->lock);
}

void conns_shut(struct conns *c)
{
	pthread_mutex_lock(&c->lock);
	c->shut = true;
	for (struct tracked *t = c->first; t != NULL; t = t->next)
		stream_abort(t->lower);
	pthread_mutex_unlock(&c->lock);
}
