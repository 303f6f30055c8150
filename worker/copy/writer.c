// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"
#include "copy/gate.h"
#include "copy/stages.h"

struct writer {
	struct stage stage;
	const struct copy_config *c;
	pthread_mutex_t lock; /* gate, and the order in which barriers enter the lanes */
	struct gate gate;
};

static int send_barrier(struct writer *w, uint64_t id, struct err *e)
{
	struct barrier *b = barrier_new(w->c->disk_count);

	for (unsigned i = 0; i < w->c->disk_count; i++) {
		struct chunk *mark = chunk_new(CHUNK_MARK, i, 0, 0);

		mark->checkpoint = id;
		mark->barrier = b;
		if (stage_send(w->stage.outs.at[i], mark, e) == 0)
			continue;
		/* Those that got a MARK, and the one that failed, let go by themselves. */
		barrier_leave(b, w->c->disk_count - i - 1);
		return -1;
	}
	return 0;
}

/* Chunks may come from several threads; that this one's has entered its lane is known before it counts. */
static int count(struct writer *w, bool mark, uint64_t id, uint64_t chunks, struct err *e)
{
	uint64_t passed;
	int rc = 0;

	pthread_mutex_lock(&w->lock);
	if (mark)
		gate_mark(&w->gate, id, chunks);
	else
		gate_arrive(&w->gate, id, chunks);
	while (rc == 0 && gate_pass(&w->gate, &passed))
		rc = send_barrier(w, passed, e);
	pthread_mutex_unlock(&w->lock);
	return rc;
}

static int process(struct stage *s, struct chunk *c, struct err *e)
{
	struct writer *w = (struct writer *)s;
	uint64_t id = c->checkpoint, chunks = 0;

	if (c->kind == CHUNK_MARK) {
		chunks = c->count;
		chunk_free(c);
		return count(w, true, id, chunks, e);
	}
	for (const struct chunk *at = c; at != NULL; at = at->batch)
		chunks++;
	if (stage_send(s->outs.at[c->disk], c, e) != 0)
		return -1;
	return count(w, false, id, chunks, e);
}

static void close_writer(struct stage *s)
{
	struct writer *w = (struct writer *)s;

	pthread_mutex_destroy(&w->lock);
	free(w);
}

static const struct stage_ops ops = {
	.name = "writer",
	.takes_batches = true,
	.process = process,
	.close = close_writer,
};

struct stage *writer_new(const struct copy_config *c)
{
	struct writer *w = mem_alloc(sizeof *w);

	w->stage.ops = &ops;
	w->stage.idle_ns = -1;
	w->c = c;
	pthread_mutex_init(&w->lock, NULL);
	return &w->stage;
}
