// SPDX-License-Identifier: Apache-2.0
#include "copy/chunk.h"

#include <stdlib.h>

#include "base/mem.h"

struct chunk *chunk_new(enum chunk_kind kind, unsigned disk, uint64_t offset, uint64_t length)
{
	struct chunk *c = mem_alloc(sizeof *c);

	c->kind = kind;
	c->disk = disk;
	c->offset = offset;
	c->length = length;
	return c;
}

void chunk_drop_data(struct chunk *c)
{
	buffer_unref(c->buffer);
	c->buffer = NULL;
	c->data = NULL;
}

void chunk_drop_packed(struct chunk *c)
{
	buffer_unref(c->packed_buffer);
	c->packed_buffer = NULL;
	c->packed = NULL;
}

void chunk_free(struct chunk *c)
{
	while (c != NULL) {
		struct chunk *rest = chunk_detach(c);

		chunk_drop_data(c);
		chunk_drop_packed(c);
		if (c->barrier != NULL)
			barrier_leave(c->barrier, 1);
		written_list_free(c->written);
		free(c);
		c = rest;
	}
}

struct chunk *chunk_detach(struct chunk *c)
{
	struct chunk *rest = c->batch;

	c->batch = NULL;
	return rest;
}

struct barrier {
	atomic_uint left;
};

struct barrier *barrier_new(unsigned lanes)
{
	struct barrier *b = mem_alloc(sizeof *b);

	atomic_store(&b->left, lanes);
	return b;
}

bool barrier_leave(struct barrier *b, unsigned lanes)
{
	if (lanes == 0 || atomic_fetch_sub(&b->left, lanes) != lanes)
		return false;
	free(b);
	return true;
}

void chunk_order_put(struct chunk_order *o, struct chunk *c)
{
	struct chunk **at = &o->waiting;

	/* Short: only as many batches overtake each other as there are hashing threads. */
	while (*at != NULL && (*at)->seq < c->seq)
		at = &(*at)->next;
	c->next = *at;
	*at = c;
}

struct chunk *chunk_order_take(struct chunk_order *o)
{
	struct chunk *c = o->waiting;

	if (c == NULL || c->seq != o->next_seq)
		return NULL;
	o->waiting = c->next;
	o->next_seq++;
	c->next = NULL;
	return c;
}

void chunk_order_fini(struct chunk_order *o)
{
	while (o->waiting != NULL) {
		struct chunk *c = o->waiting;

		o->waiting = c->next;
		chunk_free(c);
	}
}
