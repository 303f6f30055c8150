// SPDX-License-Identifier: Apache-2.0
#include "copy/window.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void window_init(struct window *w, uint64_t limit)
{
	*w = (struct window){.ring = mem_array(WINDOW_FRAMES, sizeof *w->ring), .limit = limit};
}

void window_fini(struct window *w)
{
	free(w->ring);
	w->ring = NULL;
}

static struct window_frame *at(const struct window *w, uint64_t number)
{
	return &w->ring[number % WINDOW_FRAMES];
}

/* Zeros and checkpoints cost nothing to send again. */
static uint64_t bytes_of(const struct wire_frame *f)
{
	return f->type == WIRE_CHUNK ? f->length : 0;
}

/* A place is kept for END, which nothing follows. */
bool window_has_room(const struct window *w, uint64_t bytes)
{
	return w->last == w->acked || (w->last - w->acked < WINDOW_FRAMES - 1 && w->bytes + bytes <= w->limit);
}

void window_push(struct window *w, const struct wire_frame *f, const uint8_t *hash)
{
	struct window_frame *n = at(w, ++w->last);

	n->f = *f;
	if (hash != NULL)
		memcpy(n->hash, hash, sizeof n->hash);
	w->bytes += bytes_of(f);
}

bool window_is_behind(const struct window *w)
{
	return w->sent < w->last;
}

const struct window_frame *window_next(struct window *w, bool *again)
{
	if (!window_is_behind(w))
		return NULL;
	/* Before it is out: its acknowledgement may come before the write returns. */
	*again = ++w->sent <= w->begun;
	if (!*again)
		w->begun = w->sent;
	return at(w, w->sent);
}

static int forget(struct window *w, uint64_t upto, uint64_t most, const char *what, struct err *e)
{
	if (upto < w->acked || upto > most)
		return err_set(e, ERR_PROTOCOL, 0,
			       "the peer %s up to frame %" PRIu64 ", but it had acknowledged %" PRIu64 " and was sent %" PRIu64,
			       what, upto, w->acked, most);
	while (w->acked < upto)
		w->bytes -= bytes_of(&at(w, ++w->acked)->f);
	return 0;
}

int window_ack(struct window *w, uint64_t upto, struct err *e)
{
	return forget(w, upto, w->sent, "acknowledges frames", e);
}

int window_resume(struct window *w, uint64_t taken, struct err *e)
{
	if (forget(w, taken, w->begun, "has taken frames", e) != 0)
		return -1;
	w->sent = taken;
	return 0;
}
