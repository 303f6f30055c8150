// SPDX-License-Identifier: Apache-2.0
/*
 * The engine's view of the working manifests (manifest/manifest.h) of a run: where baseline hashes come from, whom it
 * asks before it changes a page, and whom it tells what is durable. Implementations: ledger_file.c (manifest files on
 * this host: `wherry-worker copy` and `scan`), ledger_none.c (nothing is known and nothing kept), ledger_mem.c (tests),
 * job/ledger_feed.c (the controller, over the API).
 * Page p of disk d covers MANIFEST_PAGE_CHUNKS chunks. Safe to call from several threads.
 */
#ifndef WHERRY_COPY_LEDGER_H
#define WHERRY_COPY_LEDGER_H

#include <stdint.h>

#include "base/err.h"
#include "base/extents.h"
#include "manifest/manifest.h"

struct ledger;

struct ledger_ops {
	/* Baseline hashes of a page (zero = unknown). Pages are asked for in rising order per disk, and only those
	 * expected. May block. */
	int (*read_page)(struct ledger *l, unsigned disk, uint64_t page, uint8_t hashes[MANIFEST_PAGE_HASHES],
			 struct err *e);
	/* Of that disk only these pages (copied; NULL: all of them) will be read from here on, beginning anew with the
	 * lowest. Before the first call: all. Nobody is reading a page of the disk meanwhile. May be NULL. */
	int (*expect)(struct ledger *l, unsigned disk, const struct extents *pages, struct err *e);
	/* That chunk differs although the hints of the disk left it out: all of the disk is read. May be NULL. */
	int (*refute)(struct ledger *l, unsigned disk, uint64_t chunk, struct err *e);
	/* The page is about to be changed at the target: mark it unknown. Returns a ticket; does not block for
	 * durability. Not needed for a page whose chunks are all unknown already. */
	int (*intend)(struct ledger *l, unsigned disk, uint64_t page, uint64_t *ticket, struct err *e);
	/* Block until that intent is durable. No byte of the page may be sent before. */
	int (*wait)(struct ledger *l, uint64_t ticket, struct err *e);
	/* All chunks of the page are durable at the target with these hashes. May block. */
	int (*record)(struct ledger *l, unsigned disk, uint64_t page, const uint8_t hashes[MANIFEST_PAGE_HASHES],
		      struct err *e);
	/* Everything recorded so far is durable. Called at checkpoints. */
	int (*sync)(struct ledger *l, struct err *e);
	/* The disk is complete; root over the source's pages that were read (manifest_rooter). */
	int (*disk_done)(struct ledger *l, unsigned disk, const uint8_t root[MANIFEST_HASH], struct err *e);
	/* From any thread: blocked calls return CANCELED soon. */
	void (*cancel)(struct ledger *l);
	void (*close)(struct ledger *l);
};

struct ledger {
	const struct ledger_ops *ops;
};

/* Manifest files, one per disk (borrowed; opened MANIFEST_WRITE). baselines may equal working. */
struct ledger *ledger_file_new(struct manifest **working, unsigned disks);
/* Baseline all unknown, everything recorded is forgotten: a copy without manifest. */
struct ledger *ledger_none_new(void);
/* Baseline all unknown; recorded pages kept in memory and readable back by tests (ledger_mem.h). */
struct ledger *ledger_mem_new(const uint64_t *pages, unsigned disks);

int ledger_read_page(struct ledger *l, unsigned disk, uint64_t page, uint8_t *hashes, struct err *e);
int ledger_expect(struct ledger *l, unsigned disk, const struct extents *pages, struct err *e);
int ledger_refute(struct ledger *l, unsigned disk, uint64_t chunk, struct err *e);
int ledger_intend(struct ledger *l, unsigned disk, uint64_t page, uint64_t *ticket, struct err *e);
int ledger_wait(struct ledger *l, uint64_t ticket, struct err *e);
int ledger_record(struct ledger *l, unsigned disk, uint64_t page, const uint8_t *hashes, struct err *e);
int ledger_sync(struct ledger *l, struct err *e);
int ledger_disk_done(struct ledger *l, unsigned disk, const uint8_t *root, struct err *e);
void ledger_cancel(struct ledger *l);
void ledger_close(struct ledger *l);

#endif
