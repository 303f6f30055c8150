// SPDX-License-Identifier: Apache-2.0
#include "copy/checkpoint.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/vec.h"
#include "copy/pipeline.h"
#include "copy/zero.h"

#define ZERO_WEIGHT 64

struct pending_page {
	uint64_t page;
	unsigned disk;
	uint8_t *hashes; /* NULL: all zero chunks */
};

struct checkpoint {
	uint64_t id;
	VEC(struct pending_page) pages;
	uint64_t *upto; /* per disk, bytes */
};

struct checkpoints {
	const struct copy_config *c;
	struct ledger *ledger;
	uint8_t zero_page[MANIFEST_PAGE_HASHES];

	/* The filter's. */
	struct checkpoint open;
	unsigned data_pages, chunks;
	uint64_t weight; /* bytes handed on, zeros counted less */
	int64_t since_ns;

	pthread_mutex_t lock; /* everything below */
	pthread_cond_t changed;
	struct checkpoint closed[CHECKPOINT_MAX_CLOSED];
	unsigned head, len;
	bool stopped;
};

static void checkpoint_fini(struct checkpoint *k)
{
	for (size_t i = 0; i < k->pages.len; i++)
		free(k->pages.at[i].hashes);
	vec_fini(&k->pages);
	free(k->upto);
	k->upto = NULL;
}

struct checkpoints *checkpoints_new(const struct copy_config *c, struct ledger *l)
{
	struct checkpoints *k = mem_alloc(sizeof *k);
	uint8_t hash[MANIFEST_HASH];

	k->c = c;
	k->ledger = l;
	zero_hash(c->keys, c->chunk_size, hash);
	for (unsigned i = 0; i < MANIFEST_PAGE_CHUNKS; i++)
		memcpy(k->zero_page + i * MANIFEST_HASH, hash, MANIFEST_HASH);
	k->open.id = 1;
	k->open.upto = mem_array(c->disk_count, sizeof *k->open.upto);
	k->since_ns = clock_mono_ns();
	pthread_mutex_init(&k->lock, NULL);
	pthread_cond_init(&k->changed, NULL);
	return k;
}

void checkpoints_free(struct checkpoints *k)
{
	if (k == NULL)
		return;
	for (unsigned i = 0; i < CHECKPOINT_MAX_CLOSED; i++)
		checkpoint_fini(&k->closed[i]);
	checkpoint_fini(&k->open);
	pthread_cond_destroy(&k->changed);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

uint64_t checkpoints_current(const struct checkpoints *k)
{
	return k->open.id;
}

void checkpoints_count(struct checkpoints *k, uint64_t bytes, bool zero)
{
	k->weight += zero ? bytes / ZERO_WEIGHT : bytes;
	k->chunks++;
}

void checkpoints_add(struct checkpoints *k, unsigned disk, uint64_t page, const uint8_t *hashes)
{
	struct pending_page *p = vec_push(&k->open.pages);

	p->disk = disk;
	p->page = page;
	if (hashes == NULL)
		return;
	p->hashes = mem_alloc(MANIFEST_PAGE_HASHES);
	memcpy(p->hashes, hashes, MANIFEST_PAGE_HASHES);
	k->data_pages++;
}

void checkpoints_passed(struct checkpoints *k, unsigned disk, uint64_t upto)
{
	k->open.upto[disk] = upto;
	if (k->open.pages.len > 0)
		return;
	pthread_mutex_lock(&k->lock);
	if (k->len == 0)
		atomic_store(&k->c->disks[disk].progress->durable, upto);
	pthread_mutex_unlock(&k->lock);
}

bool checkpoints_pending(const struct checkpoints *k)
{
	return k->open.pages.len > 0 || k->chunks > 0;
}

/* The most that one more page can add. */
static uint64_t page_bytes(const struct checkpoints *k)
{
	return (uint64_t)MANIFEST_PAGE_CHUNKS * k->c->chunk_size;
}

bool checkpoints_due(const struct checkpoints *k)
{
	if (k->open.pages.len == 0)
		return false;
	return k->weight + page_bytes(k) > k->c->checkpoint_bytes / 2 || k->data_pages >= CHECKPOINT_MAX_PAGES ||
	       k->open.pages.len >= CHECKPOINT_MAX_ZERO_PAGES || k->chunks >= CHECKPOINT_MAX_CHUNKS ||
	       clock_mono_ns() - k->since_ns >= k->c->checkpoint_ns;
}

static bool push_closed(struct checkpoints *k)
{
	pthread_mutex_lock(&k->lock);
	while (k->len == CHECKPOINT_MAX_CLOSED && !k->stopped)
		pthread_cond_wait(&k->changed, &k->lock);
	bool ok = !k->stopped;
	if (ok)
		k->closed[(k->head + k->len++) % CHECKPOINT_MAX_CLOSED] = k->open;
	pthread_mutex_unlock(&k->lock);
	return ok;
}

int checkpoints_close(struct checkpoints *k, struct err *e)
{
	uint64_t *upto = mem_array(k->c->disk_count, sizeof *upto);

	memcpy(upto, k->open.upto, k->c->disk_count * sizeof *upto);
	if (!push_closed(k)) {
		free(upto);
		return pipeline_set_stopped(e);
	}
	k->open = (struct checkpoint){.id = k->open.id + 1, .upto = upto};
	k->data_pages = 0;
	k->chunks = 0;
	k->weight = 0;
	k->since_ns = clock_mono_ns();
	return 0;
}

static int record(struct checkpoints *k, const struct checkpoint *closed, struct err *e)
{
	for (size_t i = 0; i < closed->pages.len; i++) {
		const struct pending_page *p = &closed->pages.at[i];
		const uint8_t *hashes = p->hashes != NULL ? p->hashes : k->zero_page;

		if (ledger_record(k->ledger, p->disk, p->page, hashes, e) != 0)
			return -1;
	}
	return ledger_sync(k->ledger, e);
}

int checkpoints_durable(struct checkpoints *k, uint64_t id, struct err *e)
{
	/* The head keeps its place while it is recorded: only this thread takes it, and memory stays bounded. */
	pthread_mutex_lock(&k->lock);
	struct checkpoint *head = k->len > 0 ? &k->closed[k->head] : NULL;
	pthread_mutex_unlock(&k->lock);
	if (head == NULL || head->id != id)
		return err_set(e, ERR_PROTOCOL, 0,
			       "the peer reports checkpoint %" PRIu64 " as durable, which is not the next one; "
			       "its version may be wrong", id);
	if (record(k, head, e) != 0)
		return -1;
	for (unsigned d = 0; d < k->c->disk_count; d++) {
		atomic_store(&k->c->disks[d].progress->durable, head->upto[d]);
		atomic_fetch_add(&k->c->disks[d].progress->checkpoints, 1);
	}
	checkpoint_fini(head);
	pthread_mutex_lock(&k->lock);
	k->head = (k->head + 1) % CHECKPOINT_MAX_CLOSED;
	k->len--;
	pthread_cond_broadcast(&k->changed);
	pthread_mutex_unlock(&k->lock);
	return 0;
}

bool checkpoints_all_durable(struct checkpoints *k)
{
	pthread_mutex_lock(&k->lock);
	bool all = k->len == 0;
	pthread_mutex_unlock(&k->lock);
	return all;
}

void checkpoints_stop(void *ctx)
{
	struct checkpoints *k = ctx;

	pthread_mutex_lock(&k->lock);
	k->stopped = true;
	pthread_cond_broadcast(&k->changed);
	pthread_mutex_unlock(&k->lock);
}
