// SPDX-License-Identifier: Apache-2.0
#include "copy/intake.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/extents.h"
#include "base/mem.h"
#include "copy/checkpoint.h"

/*
 * Frames of data in one checkpoint. A source of ours closes a checkpoint with the page that ends after
 * CHECKPOINT_MAX_CHUNKS; of each disk a page may be half done then.
 */
#define MAX_FRAMES (2 * (uint64_t)CHECKPOINT_MAX_CHUNKS)
/* Those without their DURABLE, and the one that is being filled. */
#define SLOTS (WIRE_MAX_OPEN_CHECKPOINTS + 1)

struct slot {
	uint64_t came, expected;
	bool marked;          /* its CHECKPOINT came */
	struct extents *seen; /* per disk */
};

struct intake {
	unsigned disks, channels;
	pthread_mutex_t lock; /* everything below */
	unsigned ended;
	uint64_t marked, durable; /* last ids */
	struct slot slot[SLOTS];
};

struct intake *intake_new(unsigned disks, unsigned channels)
{
	struct intake *k = mem_alloc(sizeof *k);

	k->disks = disks;
	k->channels = channels;
	pthread_mutex_init(&k->lock, NULL);
	for (unsigned i = 0; i < SLOTS; i++)
		k->slot[i].seen = mem_array(disks, sizeof *k->slot[i].seen);
	return k;
}

void intake_free(struct intake *k)
{
	if (k == NULL)
		return;
	for (unsigned i = 0; i < SLOTS; i++) {
		for (unsigned d = 0; d < k->disks; d++)
			extents_fini(&k->slot[i].seen[d]);
		free(k->slot[i].seen);
	}
	pthread_mutex_destroy(&k->lock);
	free(k);
}

static int add_data(struct intake *k, const struct wire_frame *f, struct err *e)
{
	if (f->id <= k->durable || f->id > k->durable + SLOTS)
		return err_set(e, ERR_PROTOCOL, 0,
			       "the peer sent data of checkpoint %" PRIu64 ", but only those from %" PRIu64 " to %" PRIu64
			       " are open", f->id, k->durable + 1, k->durable + SLOTS);
	struct slot *s = &k->slot[f->id % SLOTS];
	struct extents *seen = &s->seen[f->disk];
	if (extents_overlaps(seen, f->offset, f->offset + f->length))
		return err_set(e, ERR_PROTOCOL, 0,
			       "the peer sent offset %" PRIu64 " of disk %u twice within one checkpoint", f->offset, f->disk);
	if (s->came == (s->marked ? s->expected : MAX_FRAMES))
		return err_set(e, ERR_PROTOCOL, 0, "the peer sent more than %" PRIu64 " chunks of checkpoint %" PRIu64, s->came,
			       f->id);
	s->came++;
	extents_add(seen, f->offset, f->offset + f->length);
	return 0;
}

int intake_data(struct intake *k, const struct wire_frame *f, struct err *e)
{
	pthread_mutex_lock(&k->lock);
	int rc = add_data(k, f, e);
	pthread_mutex_unlock(&k->lock);
	return rc;
}

static int add_checkpoint(struct intake *k, const struct wire_frame *f, struct err *e)
{
	if (f->id != k->marked + 1)
		return err_set(e, ERR_PROTOCOL, 0, "the peer sent checkpoint %" PRIu64 " after %" PRIu64, f->id, k->marked);
	if (f->id > k->durable + WIRE_MAX_OPEN_CHECKPOINTS)
		return err_set(e, ERR_PROTOCOL, 0, "the peer opened more than %d checkpoints", WIRE_MAX_OPEN_CHECKPOINTS);
	struct slot *s = &k->slot[f->id % SLOTS];
	if (f->length < s->came || f->length > MAX_FRAMES)
		return err_set(e, ERR_PROTOCOL, 0,
			       "the peer says that checkpoint %" PRIu64 " has %" PRIu64 " chunks, but %" PRIu64 " of it came and "
			       "%" PRIu64 " may", f->id, f->length, s->came, MAX_FRAMES);
	s->marked = true;
	s->expected = f->length;
	k->marked = f->id;
	return 0;
}

int intake_checkpoint(struct intake *k, const struct wire_frame *f, struct err *e)
{
	pthread_mutex_lock(&k->lock);
	int rc = add_checkpoint(k, f, e);
	pthread_mutex_unlock(&k->lock);
	return rc;
}

static int check_complete(const struct intake *k, struct err *e)
{
	for (unsigned i = 0; i < SLOTS; i++)
		if (k->slot[i].came != k->slot[i].expected)
			return err_set(e, ERR_PROTOCOL, 0,
				       "the peer ended with a checkpoint for which it sent %" PRIu64 " chunks and announced %" PRIu64,
				       k->slot[i].came, k->slot[i].expected);
	return 0;
}

int intake_end(struct intake *k, bool *all, struct err *e)
{
	pthread_mutex_lock(&k->lock);
	*all = ++k->ended == k->channels;
	int rc = *all ? check_complete(k, e) : 0;
	pthread_mutex_unlock(&k->lock);
	return rc;
}

void intake_durable(struct intake *k, uint64_t id)
{
	pthread_mutex_lock(&k->lock);
	struct slot *s = &k->slot[id % SLOTS];
	for (unsigned d = 0; d < k->disks; d++)
		extents_clear(&s->seen[d]);
	s->came = s->expected = 0;
	s->marked = false;
	k->durable = id;
	pthread_mutex_unlock(&k->lock);
}
