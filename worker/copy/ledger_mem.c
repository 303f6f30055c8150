// SPDX-License-Identifier: Apache-2.0
#include "copy/ledger_mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct mem_disk {
	uint64_t pages;
	uint8_t *now;     /* as reads see it */
	uint8_t *durable; /* as a crash leaves it */
	bool some;                /* of the pages are expected, not all */
	struct extents expected;
	uint64_t least_page;      /* none below it may be read any more */
	uint64_t reads;
	bool refuted, done;
	uint8_t root[MANIFEST_HASH];
};

struct mem_ledger {
	struct ledger ledger;
	pthread_mutex_t lock;
	struct mem_disk *disks;
	unsigned count;
	uint64_t intents, records;
	uint64_t fail_at; /* calls left; 0: none */
	bool failed, canceled;
};

static uint8_t *place(uint8_t *pages, uint64_t page)
{
	return pages + page * MANIFEST_PAGE_HASHES;
}

/* With the lock held: 0, or why this call fails. */
static int allowed(struct mem_ledger *m, struct err *e)
{
	if (m->canceled)
		return err_set(e, ERR_CANCELED, 0, "the ledger was canceled");
	if (m->fail_at > 0 && --m->fail_at == 0)
		m->failed = true;
	return m->failed ? err_set(e, ERR_IO, 0, "the ledger fails because the test says so") : 0;
}

static int read_page(struct ledger *l, unsigned disk, uint64_t page, uint8_t hashes[MANIFEST_PAGE_HASHES],
		     struct err *e)
{
	struct mem_ledger *m = (struct mem_ledger *)l;

	if (disk >= m->count || page >= m->disks[disk].pages)
		return err_set(e, ERR_INTERNAL, 0, "the ledger has no such page");
	pthread_mutex_lock(&m->lock);
	struct mem_disk *d = &m->disks[disk];
	if (page < d->least_page || (d->some && !extents_contains(&d->expected, page, page + 1))) {
		pthread_mutex_unlock(&m->lock);
		return err_set(e, ERR_INTERNAL, 0, "nobody expected that page %llu would be read",
			       (unsigned long long)page);
	}
	d->least_page = page;
	d->reads++;
	memcpy(hashes, place(m->disks[disk].now, page), MANIFEST_PAGE_HASHES);
	pthread_mutex_unlock(&m->lock);
	return 0;
}

static int expect(struct ledger *l, unsigned disk, const struct extents *pages, struct err *e)
{
	struct mem_ledger *m = (struct mem_ledger *)l;
	struct mem_disk *d = &m->disks[disk];

	(void)e;
	pthread_mutex_lock(&m->lock);
	extents_clear(&d->expected);
	for (size_t i = 0; pages != NULL && i < pages->list.len; i++)
		extents_add(&d->expected, pages->list.at[i].start, pages->list.at[i].end);
	d->some = pages != NULL;
	d->least_page = 0;
	pthread_mutex_unlock(&m->lock);
	return 0;
}

static int refute(struct ledger *l, unsigned disk, uint64_t chunk, struct err *e)
{
	(void)chunk, (void)e;
	((struct mem_ledger *)l)->disks[disk].refuted = true;
	return 0;
}

static int intend(struct ledger *l, unsigned disk, uint64_t page, uint64_t *ticket, struct err *e)
{
	struct mem_ledger *m = (struct mem_ledger *)l;

	pthread_mutex_lock(&m->lock);
	int rc = allowed(m, e);
	if (rc == 0) {
		memset(place(m->disks[disk].now, page), 0, MANIFEST_PAGE_HASHES);
		m->intents++;
		*ticket = (uint64_t)disk << 48 | page;
	}
	pthread_mutex_unlock(&m->lock);
	return rc;
}

/* Only that one page: whoever waits for another ticket must not profit. */
static int wait_for(struct ledger *l, uint64_t ticket, struct err *e)
{
	struct mem_ledger *m = (struct mem_ledger *)l;
	struct mem_disk *d = &m->disks[ticket >> 48];

	pthread_mutex_lock(&m->lock);
	int rc = allowed(m, e);
	if (rc == 0)
		memset(place(d->durable, ticket & ((UINT64_C(1) << 48) - 1)), 0, MANIFEST_PAGE_HASHES);
	pthread_mutex_unlock(&m->lock);
	return rc;
}

static int record(struct ledger *l, unsigned disk, uint64_t page, const uint8_t hashes[MANIFEST_PAGE_HASHES],
		  struct err *e)
{
	struct mem_ledger *m = (struct mem_ledger *)l;

	pthread_mutex_lock(&m->lock);
	int rc = allowed(m, e);
	if (rc == 0) {
		memcpy(place(m->disks[disk].now, page), hashes, MANIFEST_PAGE_HASHES);
		m->records++;
	}
	pthread_mutex_unlock(&m->lock);
	return rc;
}

static int sync_all(struct ledger *l, struct err *e)
{
	struct mem_ledger *m = (struct mem_ledger *)l;

	pthread_mutex_lock(&m->lock);
	int rc = allowed(m, e);
	for (unsigned i = 0; rc == 0 && i < m->count; i++)
		memcpy(m->disks[i].durable, m->disks[i].now, m->disks[i].pages * MANIFEST_PAGE_HASHES);
	pthread_mutex_unlock(&m->lock);
	return rc;
}

static int disk_done(struct ledger *l, unsigned disk, const uint8_t root[MANIFEST_HASH], struct err *e)
{
	struct mem_disk *d = &((struct mem_ledger *)l)->disks[disk];

	(void)e;
	memcpy(d->root, root, sizeof d->root);
	d->done = true;
	d->some = false; /* the next run begins anew */
	d->least_page = 0;
	return 0;
}

static void cancel(struct ledger *l)
{
	struct mem_ledger *m = (struct mem_ledger *)l;

	pthread_mutex_lock(&m->lock);
	m->canceled = true;
	pthread_mutex_unlock(&m->lock);
}

static void close_ledger(struct ledger *l)
{
	struct mem_ledger *m = (struct mem_ledger *)l;

	for (unsigned i = 0; i < m->count; i++) {
		free(m->disks[i].now);
		free(m->disks[i].durable);
		extents_fini(&m->disks[i].expected);
	}
	pthread_mutex_destroy(&m->lock);
	free(m->disks);
	free(m);
}

static const struct ledger_ops ops = {
	.read_page = read_page,
	.expect = expect,
	.refute = refute,
	.intend = intend,
	.wait = wait_for,
	.record = record,
	.sync = sync_all,
	.disk_done = disk_done,
	.cancel = cancel,
	.close = close_ledger,
};

struct ledger *ledger_mem_new(const uint64_t *pages, unsigned disks)
{
	struct mem_ledger *m = mem_alloc(sizeof *m);

	m->ledger.ops = &ops;
	m->count = disks;
	m->disks = mem_array(disks, sizeof *m->disks);
	for (unsigned i = 0; i < disks; i++) {
		m->disks[i].pages = pages[i];
		m->disks[i].now = mem_array(pages[i], MANIFEST_PAGE_HASHES);
		m->disks[i].durable = mem_array(pages[i], MANIFEST_PAGE_HASHES);
	}
	pthread_mutex_init(&m->lock, NULL);
	return &m->ledger;
}

const uint8_t *ledger_mem_page(struct ledger *l, unsigned disk, uint64_t page)
{
	return place(((struct mem_ledger *)l)->disks[disk].durable, page);
}

bool ledger_mem_root(struct ledger *l, unsigned disk, uint8_t root[MANIFEST_HASH])
{
	const struct mem_disk *d = &((struct mem_ledger *)l)->disks[disk];

	memcpy(root, d->root, sizeof d->root);
	return d->done;
}

uint64_t ledger_mem_reads(const struct ledger *l, unsigned disk)
{
	return ((const struct mem_ledger *)l)->disks[disk].reads;
}

bool ledger_mem_refuted(const struct ledger *l, unsigned disk)
{
	return ((const struct mem_ledger *)l)->disks[disk].refuted;
}

uint64_t ledger_mem_intents(const struct ledger *l)
{
	return ((const struct mem_ledger *)l)->intents;
}

uint64_t ledger_mem_records(const struct ledger *l)
{
	return ((const struct mem_ledger *)l)->records;
}

void ledger_mem_fail_at(struct ledger *l, uint64_t n)
{
	((struct mem_ledger *)l)->fail_at = n;
}

void ledger_mem_crash(struct ledger *l)
{
	struct mem_ledger *m = (struct mem_ledger *)l;

	for (unsigned i = 0; i < m->count; i++)
		memcpy(m->disks[i].now, m->disks[i].durable, m->disks[i].pages * MANIFEST_PAGE_HASHES);
	for (unsigned i = 0; i < m->count; i++) {
		m->disks[i].some = false;
		m->disks[i].least_page = 0;
	}
	m->fail_at = 0;
	m->failed = false;
	m->canceled = false;
}
