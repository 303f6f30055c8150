// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "copy/ledger.h"

/* A ticket: the disk, and the number of its intent. */
#define TICKET_DISK_SHIFT 48

struct file_disk {
	struct manifest *manifest; /* borrowed */
	pthread_mutex_t lock;      /* manifest, and everything below */
	uint64_t intended;         /* number of the last intent written */
	uint64_t durable;          /* and of the last one known to be durable */
	bool dirty;
};

struct file_ledger {
	struct ledger ledger;
	struct file_disk *disks;
	unsigned count;
};

static struct file_disk *disk_of(struct ledger *l, unsigned disk)
{
	return &((struct file_ledger *)l)->disks[disk];
}

static int read_page(struct ledger *l, unsigned disk, uint64_t page, uint8_t hashes[MANIFEST_PAGE_HASHES],
		     struct err *e)
{
	struct file_disk *d = disk_of(l, disk);

	pthread_mutex_lock(&d->lock);
	int rc = manifest_read_page(d->manifest, page, hashes, NULL, e);
	pthread_mutex_unlock(&d->lock);
	return rc;
}

static int write_page(struct file_disk *d, uint64_t page, const uint8_t *hashes, struct err *e)
{
	if (manifest_write_page(d->manifest, page, hashes, e) != 0)
		return -1;
	d->dirty = true;
	return 0;
}

static int intend(struct ledger *l, unsigned disk, uint64_t page, uint64_t *ticket, struct err *e)
{
	static const uint8_t unknown[MANIFEST_PAGE_HASHES];
	struct file_disk *d = disk_of(l, disk);

	pthread_mutex_lock(&d->lock);
	int rc = write_page(d, page, unknown, e);
	if (rc == 0)
		*ticket = ((uint64_t)disk << TICKET_DISK_SHIFT) | ++d->intended;
	pthread_mutex_unlock(&d->lock);
	return rc;
}

/* With the lock held. One sync serves all intents written before it. */
static int sync_disk(struct file_disk *d, struct err *e)
{
	if (!d->dirty)
		return 0;
	if (manifest_sync(d->manifest, e) != 0)
		return -1;
	d->dirty = false;
	d->durable = d->intended;
	return 0;
}

static int wait_for(struct ledger *l, uint64_t ticket, struct err *e)
{
	struct file_disk *d = disk_of(l, (unsigned)(ticket >> TICKET_DISK_SHIFT));
	uint64_t number = ticket & ((UINT64_C(1) << TICKET_DISK_SHIFT) - 1);

	pthread_mutex_lock(&d->lock);
	int rc = number <= d->durable ? 0 : sync_disk(d, e);
	pthread_mutex_unlock(&d->lock);
	return rc;
}

static int record(struct ledger *l, unsigned disk, uint64_t page, const uint8_t hashes[MANIFEST_PAGE_HASHES],
		  struct err *e)
{
	struct file_disk *d = disk_of(l, disk);

	pthread_mutex_lock(&d->lock);
	int rc = write_page(d, page, hashes, e);
	pthread_mutex_unlock(&d->lock);
	return rc;
}

static int sync_all(struct ledger *l, struct err *e)
{
	struct file_ledger *f = (struct file_ledger *)l;

	for (unsigned i = 0; i < f->count; i++) {
		pthread_mutex_lock(&f->disks[i].lock);
		int rc = sync_disk(&f->disks[i], e);
		pthread_mutex_unlock(&f->disks[i].lock);
		if (rc != 0)
			return -1;
	}
	return 0;
}

/* The root is in struct copy_disk, too; whoever owns the manifests commits them with it. */
static int disk_done(struct ledger *l, unsigned disk, const uint8_t root[MANIFEST_HASH], struct err *e)
{
	(void)l, (void)disk, (void)root, (void)e;
	return 0;
}

static void cancel(struct ledger *l)
{
	(void)l; /* nothing here waits for anybody but a local file */
}

static void close_ledger(struct ledger *l)
{
	struct file_ledger *f = (struct file_ledger *)l;

	for (unsigned i = 0; i < f->count; i++)
		pthread_mutex_destroy(&f->disks[i].lock);
	free(f->disks);
	free(f);
}

static const struct ledger_ops ops = {
	.read_page = read_page,
	.intend = intend,
	.wait = wait_for,
	.record = record,
	.sync = sync_all,
	.disk_done = disk_done,
	.cancel = cancel,
	.close = close_ledger,
};

struct ledger *ledger_file_new(struct manifest **working, unsigned disks)
{
	struct file_ledger *f = mem_alloc(sizeof *f);

	f->ledger.ops = &ops;
	f->count = disks;
	f->disks = mem_array(disks, sizeof *f->disks);
	for (unsigned i = 0; i < disks; i++) {
		f->disks[i].manifest = working[i];
		pthread_mutex_init(&f->disks[i].lock, NULL);
	}
	return &f->ledger;
}
