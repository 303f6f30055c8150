// SPDX-License-Identifier: Apache-2.0
/*
 * A cloud in memory, for tests: keeps the contract of control/provider.h, holds an inventory the test can read (the
 * oracle: not the journal's word), and fails where it is told to. The memory is shared with forked children, so that a
 * client may be killed in mid-call and its cloud looked at afterwards. Not for threads.
 */
#ifndef WHERRY_TESTS_FAKES_PROVIDER_MEM_H
#define WHERRY_TESTS_FAKES_PROVIDER_MEM_H

#include <stdbool.h>

#include "provider.h"

enum mem_call {
	MEM_MACHINE_GET, MEM_VALIDATE, MEM_SNAPSHOT_MACHINE, MEM_SNAPSHOT_DISK, MEM_DISK_CREATE, MEM_DISK_GET,
	MEM_WORKER_CREATE, MEM_POLL, MEM_REMOVE, MEM_FIND, MEM_LOCK, MEM_CLAIM, MEM_TARGET_CREATE, MEM_RESIZE, MEM_START,
	MEM_CALLS
};

/* BEFORE: the call is not made. AFTER: it is made, its reply is lost. KILL: the calling process dies there. */
enum mem_when { MEM_BEFORE, MEM_AFTER, MEM_KILL_BEFORE, MEM_KILL_AFTER };

struct mem_fault {
	enum mem_call call;
	enum mem_when when;
	enum err_kind kind;
	unsigned skip, times;   /* after `skip` calls, `times` times */
};

/* What a disk or snapshot holds: one number for every MEM_CHUNK bytes, of the first 16 MiB. */
#define MEM_CHUNK  65536u
#define MEM_CHUNKS 256

struct mem_item {
	bool used;
	struct res_ref ref;
	uint64_t size;
	uint32_t sector;
	unsigned pending;       /* polls until it is ready, or gone when `removing` */
	unsigned refusals;      /* removals answered with BUSY */
	unsigned hidden;        /* finds and polls that do not show it yet */
	unsigned missed;        /* polls after the pending ones that do not show it */
	bool removing;
	bool failed;            /* poll says FAILED */
	uint32_t data[MEM_CHUNKS];
	char disks[4][RES_NAME_SIZE]; /* of a machine or a worker */
	unsigned disk_count;
	bool running;           /* a machine that was started */
};

/* A claim that was granted. */
struct mem_claim {
	char disk[RES_NAME_SIZE];
	struct res_tags tags;
};

struct mem_cloud {
	struct mem_item items[128];
	struct mem_fault faults[16];
	unsigned fault_count;
	unsigned calls[MEM_CALLS];
	unsigned removal_order[128], removals; /* kinds in the order they went */
	unsigned new_pending, new_refusals, new_hidden; /* what new items start with */
	unsigned next_id;
	char machine[RES_NAME_SIZE];           /* the only one that nobody made, "web1" */
	uint64_t disk_size[4];
	unsigned disk_count;
	struct mem_claim claims[128];
	unsigned claim_count;
	bool copies;                           /* the cloud's own copy, within this cloud */
	uint32_t holds;                        /* what the machine's disks hold, when they are snapshotted */
	bool needs_baseline;                   /* set before a provider is made */
	bool tracks;                           /* changed_ranges answers ... */
	struct byte_range changed[4][8];       /* ... with these, per disk ... */
	unsigned changed_count[4];
	char asked[4][RES_ID_SIZE];            /* ... and this was the baseline that was asked for last */
	bool starts_at_once;                   /* a machine runs as soon as it is made; set it before a provider is made */
	unsigned worker_disks;                 /* that one worker takes; 0: any number. Set it before a provider is made */
	unsigned busy;                         /* so many times validate finds that it could not ask */
	bool complains;                        /* validate finds an error, a warning and something not checked */
};

struct mem_cloud *mem_cloud_new(void);
void mem_cloud_free(struct mem_cloud *c);
void mem_cloud_fault(struct mem_cloud *c, enum mem_call call, enum mem_when when, enum err_kind kind, unsigned skip,
		     unsigned times);
/* Something that is there without our having made it. */
struct mem_item *mem_cloud_add(struct mem_cloud *c, const struct res_ref *ref);
struct mem_item *mem_cloud_get(struct mem_cloud *c, const char *name); /* NULL: not there */
unsigned mem_cloud_count(const struct mem_cloud *c, int purpose);      /* -1: all */

/* c stays the caller's. Block for job files: {"provider":"mem","cloud":"NAME"} opens one of its own; "cloud":"gone"
 * cannot be opened (NOT_FOUND). */
struct provider *provider_mem_new(struct mem_cloud *c, const struct log *log);
extern const struct provider_ops provider_mem_ops;

#endif
