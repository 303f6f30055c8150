// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "block/engine.h"
#include "block/uring.h"

#define MAX_TRIES 1000 /* of one transfer that is refused for the moment */

struct engine_of_uring {
	struct engine base;
	struct uring *ring;
	struct engine_slot *free;
	unsigned under_way;
	struct engine_slot slots[];
};

static struct engine_of_uring *self(struct engine *n)
{
	return (struct engine_of_uring *)n;
}

static void uring_close(struct engine *n);

static struct engine *uring_open(int fd, unsigned depth, struct err *e)
{
	struct engine_of_uring *u = mem_alloc(sizeof *u + depth * sizeof u->slots[0]);

	u->base.ops = &engine_uring;
	u->ring = uring_new(fd, depth, e);
	if (u->ring == NULL) {
		uring_close(&u->base);
		return NULL;
	}
	for (unsigned i = 0; i < depth; i++) {
		u->slots[i].next_free = u->free;
		u->free = &u->slots[i];
	}
	return &u->base;
}

static int start_rest(struct engine_of_uring *u, struct engine_slot *s, struct err *e)
{
	struct block_request *r = s->r;

	return uring_transfer(u->ring, r->op == BLOCK_WRITE, (char *)r->data + r->done, s->length - r->done,
		r->offset + r->done, (uint64_t)(s - u->slots), e);
}

static int uring_submit(struct engine *n, struct block_request *r, uint32_t length, struct err *e)
{
	struct engine_of_uring *u = self(n);
	struct engine_slot *s = u->free;

	if (s == NULL)
		return err_set(e, ERR_INTERNAL, 0, "more requests under way than the disk was opened for");
	*s = (struct engine_slot){.r = r, .length = length, .next_free = s->next_free};
	if (start_rest(u, s, e) < 0)
		return -1;
	u->free = s->next_free;
	u->under_way++;
	return 0;
}

/* Whether the request is over; otherwise its rest is under way again. */
static bool advance(struct engine_of_uring *u, struct engine_slot *s, int32_t res)
{
	struct block_request *r = s->r;
	struct err e;

	if (res > 0)
		r->done += (uint32_t)res;
	else if (res == 0 && r->done < s->length)
		r->error = EIO;
	else if ((res == -EINTR || res == -EAGAIN) && s->tries++ < MAX_TRIES)
		r->error = 0;
	else
		r->error = -res;
	if (r->error != 0 || r->done >= s->length)
		return true;
	if (start_rest(u, s, &e) < 0)
		r->error = EIO;
	return r->error != 0;
}

static struct block_request *uring_next(struct engine *n, int64_t timeout_ns, struct err *e)
{
	struct engine_of_uring *u = self(n);
	uint64_t tag;
	int32_t res;

	while (u->under_way > 0) {
		if (uring_wait(u->ring, timeout_ns, &tag, &res, e) <= 0)
			return NULL;
		struct engine_slot *s = &u->slots[tag];
		if (!advance(u, s, res))
			continue;
		s->next_free = u->free;
		u->free = s;
		u->under_way--;
		return s->r;
	}
	return NULL;
}

static void uring_buffers(struct engine *n, void *base, size_t size)
{
	uring_set_buffers(self(n)->ring, base, size);
}

static void uring_close(struct engine *n)
{
	struct engine_of_uring *u = self(n);
	struct err e;

	/* The kernel may write into the callers' buffers until then. */
	while (uring_next(n, -1, &e) != NULL)
		;
	uring_free(u->ring);
	free(u);
}

const struct engine_ops engine_uring = {
	.name = "io_uring",
	.open = uring_open,
	.submit = uring_submit,
	.wait = uring_next,
	.buffers = uring_buffers,
	.close = uring_close,
};
