// SPDX-License-Identifier: Apache-2.0
#include "job/link_watch.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/vec.h"

struct link_watch {
	const struct log *log;
	struct stream *(*wire)(struct stream *s);
	pthread_mutex_t lock; /* everything below */
	VEC(struct stream *) open;
	uint64_t in, out;     /* of those that are closed */
	struct copy_link_status st;
	int64_t since_ns;     /* monotonic: down; 0: not */
};

struct link_watch *link_watch_new(const struct log *log, struct stream *(*wire)(struct stream *s))
{
	struct link_watch *w = mem_alloc(sizeof *w);

	w->log = log;
	w->wire = wire;
	pthread_mutex_init(&w->lock, NULL);
	return w;
}

void link_watch_free(struct link_watch *w)
{
	if (w == NULL)
		return;
	vec_fini(&w->open);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

static void add_bytes(const struct link_watch *w, struct stream *s, uint64_t *in, uint64_t *out)
{
	struct stream *lowest = w->wire != NULL ? w->wire(s) : s;

	*in += lowest->bytes_in;
	*out += lowest->bytes_out;
}

void link_watch_opened(struct link_watch *w, struct stream *s)
{
	pthread_mutex_lock(&w->lock);
	*vec_push(&w->open) = s;
	pthread_mutex_unlock(&w->lock);
}

void link_watch_close(struct link_watch *w, struct stream *s)
{
	size_t i = 0;

	pthread_mutex_lock(&w->lock);
	while (w->open.at[i] != s)
		i++;
	w->open.at[i] = w->open.at[--w->open.len];
	add_bytes(w, s, &w->in, &w->out);
	pthread_mutex_unlock(&w->lock);
	stream_close(s);
}

void link_watch_report(struct link_watch *w, const struct copy_link_status *st)
{
	bool is_down = st->cuts > 0 && st->up < st->channels;

	pthread_mutex_lock(&w->lock);
	bool was_down = w->since_ns != 0;
	w->st = *st;
	if (is_down != was_down)
		w->since_ns = is_down ? clock_mono_ns() : 0;
	pthread_mutex_unlock(&w->lock);
	if (is_down && !was_down)
		log_warn(w->log, "a connection to the other worker broke: %s; making it again", st->why.msg);
	else if (was_down && !is_down)
		log_info(w->log, "the connection to the other worker is back");
}

void link_watch_read(struct link_watch *w, struct link_state *out)
{
	pthread_mutex_lock(&w->lock);
	*out = (struct link_state){.in = w->in, .out = w->out, .st = w->st};
	for (size_t i = 0; i < w->open.len; i++)
		add_bytes(w, w->open.at[i], &out->in, &out->out);
	if (w->since_ns != 0)
		out->down_ns = clock_mono_ns() - w->since_ns + 1;
	pthread_mutex_unlock(&w->lock);
}
