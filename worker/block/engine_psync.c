// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/ring.h"
#include "block/engine.h"

#define MAX_THREADS 4

struct engine_of_psync {
	struct engine base;
	int fd;
	struct ring *todo; /* of struct engine_slot; both rings have room for all slots, so pushing never waits */
	struct ring *done;
	struct engine_slot *free; /* used by the caller's thread only */
	unsigned under_way;
	unsigned threads;
	pthread_t thread[MAX_THREADS];
	struct engine_slot slots[];
};

static struct engine_of_psync *self(struct engine *n)
{
	return (struct engine_of_psync *)n;
}

static ssize_t transfer(int fd, const struct block_request *r, uint32_t length)
{
	char *p = (char *)r->data + r->done;
	off_t at = (off_t)(r->offset + r->done);

	return r->op == BLOCK_WRITE ? pwrite(fd, p, length - r->done, at) : pread(fd, p, length - r->done, at);
}

static void run(int fd, struct engine_slot *s)
{
	struct block_request *r = s->r;

	while (r->done < s->length && r->error == 0) {
		ssize_t n = transfer(fd, r, s->length);

		if (n > 0)
			r->done += (uint32_t)n;
		else if (n == 0)
			r->error = EIO;
		else if (errno != EINTR)
			r->error = errno;
	}
}

static void *serve(void *arg)
{
	struct engine_of_psync *p = arg;
	struct engine_slot *s;

	while ((s = ring_pop(p->todo)) != NULL) {
		run(p->fd, s);
		ring_push(p->done, s);
	}
	return NULL;
}

/* Signals are for the threads that know what to do with them. */
static int start_threads(struct engine_of_psync *p, unsigned count, struct err *e)
{
	sigset_t all, before;
	int rc = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (p->threads < count && rc == 0) {
		rc = pthread_create(&p->thread[p->threads], NULL, serve, p);
		p->threads += rc == 0;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return p->threads > 0 ? 0 : err_set(e, ERR_INTERNAL, rc, "cannot start a thread for disk transfers");
}

static void psync_close(struct engine *n)
{
	struct engine_of_psync *p = self(n);

	ring_close(p->todo); /* what is left in it is still done */
	for (unsigned i = 0; i < p->threads; i++)
		pthread_join(p->thread[i], NULL);
	ring_free(p->todo);
	ring_free(p->done);
	free(p);
}

static struct engine *psync_open(int fd, unsigned depth, struct err *e)
{
	struct engine_of_psync *p = mem_alloc(sizeof *p + depth * sizeof p->slots[0]);

	p->base.ops = &engine_psync;
	p->fd = fd;
	p->todo = ring_new(depth);
	p->done = ring_new(depth);
	for (unsigned i = 0; i < depth; i++) {
		p->slots[i].next_free = p->free;
		p->free = &p->slots[i];
	}
	if (start_threads(p, depth < MAX_THREADS ? depth : MAX_THREADS, e) < 0) {
		psync_close(&p->base);
		return NULL;
	}
	return &p->base;
}

static int psync_submit(struct engine *n, struct block_request *r, uint32_t length, struct err *e)
{
	struct engine_of_psync *p = self(n);
	struct engine_slot *s = p->free;

	if (s == NULL)
		return err_set(e, ERR_INTERNAL, 0, "more requests under way than the disk was opened for");
	p->free = s->next_free;
	*s = (struct engine_slot){.r = r, .length = length};
	p->under_way++;
	ring_push(p->todo, s);
	return 0;
}

static struct block_request *psync_wait(struct engine *n, int64_t timeout_ns, struct err *e)
{
	struct engine_of_psync *p = self(n);
	bool closed;

	(void)e; /* waiting for threads cannot fail */
	if (p->under_way == 0)
		return NULL;
	struct engine_slot *s = timeout_ns < 0 ? ring_pop(p->done) :
		timeout_ns == 0 ? ring_try_pop(p->done) : ring_pop_wait(p->done, timeout_ns, &closed);
	if (s == NULL)
		return NULL;
	p->under_way--;
	s->next_free = p->free;
	p->free = s;
	return s->r;
}

const struct engine_ops engine_psync = {
	.name = "psync",
	.open = psync_open,
	.submit = psync_submit,
	.wait = psync_wait,
	.close = psync_close,
};
