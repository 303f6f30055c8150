// SPDX-License-Identifier: Apache-2.0
/*
 * A provider is a driver for a place that holds machines. It knows its cloud's calls and nothing of journal, terminal
 * or clock. Kinds of resource are data, so that journal and clean-up are written once (cloud.h wraps every call: intent
 * into the journal, call, outcome into the journal, retries, deadlines).
 *
 * Contract for every operation that makes something: the caller chose `ref->name` and `ref->tags`; the driver makes it
 * under exactly that name with exactly those tags and fills ref->id. If something of that name exists with the same
 * job, run and owner tags it is adopted (the reply of an earlier call was lost); with other tags: BUSY, untouched.
 * Removal of what is absent is success; removal of something of that name whose owner, job and run tags are not
 * ref->tags' (replicas: owner and job) is refused with BUSY: nothing that is not ours is ever deleted. `poll` says
 * whether it is ready, also after a resize. Drivers block only for one call, never to wait for a state. Messages name the
 * cloud's own words and request ids. *e is clean when an operation is called, also when it is tried again. Not
 * thread-safe: one provider, one thread.
 *
 * An operation a driver does not have is NULL in its table, and the core says what is lost without it.
 */
#ifndef WHERRY_CONTROL_PROVIDER_H
#define WHERRY_CONTROL_PROVIDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/vec.h"
#include "json_read.h"

#define RES_NAME_SIZE 80
#define RES_ID_SIZE   512

#define WORKER_MEMORY_MIB 256 /* what a worker needs at least */

enum res_kind { RES_SNAPSHOT, RES_DISK, RES_WORKER, RES_MACHINE, RES_NIC, RES_ADDRESS, RES_FIREWALL, RES_IMAGE, RES_KINDS };

/* scaffold: gone after every run. replica: never removed without --discard. generation: snapshot of the replica at the
 * last committed generation. baseline: source snapshot kept for change tracking. target: a promoted machine. copy: a disk of a replica that the
 * cloud itself made (replica_copy.h), of one generation: gone when another is committed. */
enum res_purpose {
	PURPOSE_SCAFFOLD, PURPOSE_REPLICA, PURPOSE_GENERATION, PURPOSE_BASELINE, PURPOSE_TARGET, PURPOSE_COPY, PURPOSE_KINDS
};

const char *res_kind_name(enum res_kind k);         /* "snapshot", "disk", "worker", ... */
const char *res_purpose_name(enum res_purpose p);
int res_kind_by_name(const char *name);             /* -1 when unknown */
int res_purpose_by_name(const char *name);
/* Order of removal: workers first, then NICs, addresses, firewalls, disks, snapshots, images. Lower goes first. */
int res_kind_removal_rank(enum res_kind k);

struct res_tags {
	char owner[40];        /* id of the state directory that made it */
	char job[64];
	char run[40];
	uint64_t epoch;
	enum res_purpose purpose;
	int64_t expires_s;     /* since 1970; 0 = never. For people and `reap`, not for correctness */
	uint64_t generation;   /* replica: last committed; generation snapshots: which */
	bool dirty;            /* replica: a run is or was writing it */
};

struct res_ref {
	enum res_kind kind;
	char name[RES_NAME_SIZE];
	char id[RES_ID_SIZE];  /* the cloud's; "" until made */
	struct res_tags tags;
};

enum res_state { RES_ABSENT, RES_PENDING, RES_READY, RES_FAILED };

enum firmware { FIRMWARE_BIOS, FIRMWARE_UEFI };

struct machine_disk {
	char id[RES_ID_SIZE];
	char name[RES_NAME_SIZE];
	uint64_t size;           /* bytes */
	uint32_t logical_sector;
	bool boot;
	char why_not[256];       /* not empty: it cannot be replicated, and why */
	enum err_kind why_kind;  /* what the exit status says of that */
};

struct machine_nic {
	char mac[18];
	char network[128];
	char model[32];
};

struct machine {
	char id[RES_ID_SIZE];
	char name[RES_NAME_SIZE];
	bool running;
	enum firmware firmware;
	struct buf nvram;        /* of UEFI: its variables, boot entries among them, as OVMF's flash holds them; may be empty */
	unsigned vcpus;
	uint64_t memory_mib;
	VEC(struct machine_disk) disks; /* in the machine's own order */
	bool not_one_instant;    /* as it is now, its cloud can snapshot its disks only one after the other */
	VEC(struct machine_nic) nics;
};
void machine_fini(struct machine *m);

bool res_is_replica(const struct res_ref *ref); /* a disk of a replica, whether workers or the cloud wrote it */

struct disk_spec {
	uint64_t size;           /* bytes; 0: as large as the snapshot */
	uint32_t logical_sector;
	const struct res_ref *from_snapshot; /* NULL: empty */
	bool boots;              /* a machine will boot from it, of that firmware: some clouds have to know when they make it */
	enum firmware firmware;
};

struct worker_disk {
	const struct res_ref *disk;
	bool read_only;
	bool hotplug;            /* attach after the boot, not at creation */
	char serial[64];         /* out: what the guest sees */
};

/* What a worker is in a place. */
struct worker_size {
	char name[64];           /* the cloud's own for it, "Standard_D2s_v5"; "": it has none */
	unsigned disks;          /* how many one such worker takes, of those that were asked about; at least 1 */
};

struct worker_spec {
	const char *bootdata;    /* JSON, public */
	const char *size;        /* worker_size.name; NULL: what the block says */
	struct worker_disk *disks;
	unsigned disk_count;
	uint16_t port;           /* TCP port the worker listens on */
	bool import;             /* role: import worker writes, export worker reads */
};

struct target_spec {
	const struct machine *like;      /* the source's description, as last seen */
	const struct res_ref *disks;     /* in the machine's order */
	unsigned disk_count;
};

/* Where a resource can be reached. LOOPBACK: only from the controller's own host (or through host_alias). */
enum reach { REACH_LOOPBACK, REACH_NETWORK };
struct endpoint {
	enum reach reach;
	char host[128];
	uint16_t port;
};

/* How a worker reaches a disk over the network without its being attached. */
struct disk_access {
	char url[512];
	char *token;         /* that lets its bearer in; secret; owned */
	char lease[40];      /* to be named with every write; "": none */
	const char *trust;   /* certificates of the authorities of that place, PEM; the provider's */
	int64_t valid_s;     /* of the token, from now */
};
void disk_access_fini(struct disk_access *a); /* wipes the token */

struct byte_range {
	uint64_t offset, length;
};

enum finding_level { FINDING_ERROR, FINDING_WARNING, FINDING_NOTE, FINDING_NOT_CHECKED };
struct finding {
	enum finding_level level;
	enum err_kind kind;      /* for ERROR: what the exit status says */
	char text[512];
};
struct findings {
	VEC(struct finding) list;
};
void findings_add(struct findings *f, enum finding_level level, enum err_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* What the machine's own description says, wherever it is. */
void findings_add_machine(struct findings *f, const struct machine *m);
void findings_fini(struct findings *f);

/* A worker image in a cloud. */
struct cloud_image {
	char id[RES_ID_SIZE];    /* the cloud's */
	char name[RES_NAME_SIZE];
	char about[256];         /* a line kept with it, which is the core's (image.h); only what has one is listed */
	uint64_t size;           /* bytes that are there */
	char sha512[129];        /* of them, in hex, as the cloud summed them up; "": it does not */
	char made[24];           /* "2026-11-21T04:05:06Z" */
	enum res_state state;    /* PENDING: its bytes are not all there; FAILED: it cannot boot any more */
	char word[32];           /* the cloud's own for that */
};
struct cloud_images {
	VEC(struct cloud_image) list;
};

/* What is sent. */
struct image_bytes {
	int fd;                  /* from its start */
	uint64_t size;
	const char *format;      /* of image_ops.formats */
	const char *firmware;    /* "bios" or "uefi": what machines of it boot with; "any": as the cloud likes, it boots with both */
	int (*sent)(void *ctx, uint64_t bytes); /* so many so far; non-zero: stop, CANCELED. May be called once a second */
	void *ctx;
};

/* What a run makes in a place at most at one time; each worker with what it needs of network, disks in whole GiB. */
struct place_needs {
	unsigned workers, disks, snapshots;
	uint64_t disk_gib, snapshot_gib;
	unsigned machine_disks; /* for which the workers are (worker_size) */
};

struct quota {
	const char *what;        /* "servers"; static */
	int64_t limit;           /* negative: none */
	uint64_t used, need;
};
struct quotas {
	VEC(struct quota) list;
};

struct provider;

/* Worker images that are kept in the cloud; image.h says which one is used, sent again, or old. */
struct image_ops {
	const char *const *formats; /* NULL-ended, what it takes, best first: "qcow2", "raw" */
	const char *region_key;     /* of the block ... */
	const char *image_key;      /* ... and the one that names an image for workers */
	bool by_environment;        /* a block without keys will do: account and region are found in the environment */
	uint32_t ready_s;           /* how long what was sent may take until it is ready; 0: two minutes */
	int (*list)(struct provider *p, struct cloud_images *out, struct err *e); /* in no order */
	/* Without its bytes; in: name and about; out: id. */
	int (*create)(struct provider *p, const struct image_bytes *bytes, struct cloud_image *image, struct err *e);
	/* All bytes of an image that is PENDING, from the beginning. BUSY: somebody else sends them. *sent: how many were, none
	 * where the cloud has them already; after a failure it says nothing. */
	int (*send)(struct provider *p, const struct cloud_image *image, const struct image_bytes *bytes, uint64_t *sent,
		    struct err *e);
	/* The image is READY: what an upload of it needed goes away, though that upload died. BUSY: the cloud does not let it go
	 * just now. NULL: uploads need nothing. */
	int (*finish)(struct provider *p, const struct cloud_image *image, struct err *e);
	int (*remove)(struct provider *p, const struct cloud_image *image, struct err *e);
	/* What workers boot from: as the block says, else image_choose() of image.h. NOT_FOUND: there is none. */
	int (*of_workers)(struct provider *p, char id[RES_ID_SIZE], struct err *e);
};

typedef int provider_found(void *ctx, const struct res_ref *ref); /* non-zero stops */

struct provider_ops {
	const char *name;            /* "qemu" */
	const char *lacks;           /* one sentence per ability it lacks, for `plan`; NULL: none */
	const char *const *path_keys; /* NULL-ended: keys of the block that are paths. The journal keeps them absolute, so
				       * that clean-up works from any folder; NULL: none */

	const struct image_ops *images; /* NULL: `wherry image` keeps none there, */
	const char *boots;   /* ... because of this: "workers of azure " + it; NULL: "boot from files of this host" */

	/* `block` is the job's source or target object; the driver reads its own keys and calls json_no_more. The
	 * key "provider" has been asked for; "machine" (source) or "machine" (target: name to promote to) is the
	 * core's. NULL with *e when the cloud cannot be opened; key errors go to json_complain. */
	struct provider *(*open)(struct json_at *block, const struct log *log, struct err *e);
	void (*close)(struct provider *p);

	int (*machine_get)(struct provider *p, const char *name, struct machine *out, struct err *e);
	/* All reasons at once. source: reading from machine m; else: holding a replica of m. */
	int (*validate)(struct provider *p, bool source, const struct machine *m, struct findings *out, struct err *e);

	/* What the place allows of what is needed there. Of a call that fails, the rows that it got so far count. */
	int (*quota)(struct provider *p, const struct place_needs *n, struct quotas *out, struct err *e);

	/* All disks of a machine, at one instant unless m, or afterwards the provider, says otherwise: refs[i] for m->disks[i]. A crash in the middle
	 * leaves nothing nameless. Called again, it makes what is missing. */
	int (*snapshot_machine)(struct provider *p, const struct machine *m, struct res_ref *refs, unsigned n,
				struct err *e);
	/* Snapshot of one replica disk that is not attached anywhere. */
	int (*snapshot_disk)(struct provider *p, const struct res_ref *disk, struct res_ref *ref, struct err *e);
	/* disk_create makes a disk here from a snapshot there, by the cloud's own means and for good: once it is READY the snapshot
	 * may go. One account, one region. */
	bool (*copies_from)(const struct provider *p, const struct provider *source);
	int (*disk_create)(struct provider *p, const struct disk_spec *spec, struct res_ref *ref, struct err *e);
	int (*disk_get)(struct provider *p, const struct res_ref *ref, struct machine_disk *out, struct err *e);
	int (*disk_resize)(struct provider *p, const struct res_ref *ref, uint64_t size, struct err *e);
	/* What workers for a machine of so many disks (at least 1) are: of those that the block allows, the first with which the
	 * fewest of them do. NULL: one takes any number. */
	int (*worker_size)(struct provider *p, unsigned disks, struct worker_size *out, struct err *e);
	/* A worker may be several things of the cloud's: a NIC, an address, a firewall. They carry its name and tags, are made
	 * and removed with it, and poll calls it ABSENT only when all of them are gone; what is left of one without its
	 * machine `find` names under their own kinds. */
	int (*worker_create)(struct provider *p, struct worker_spec *spec, struct res_ref *ref, struct err *e);
	/* A disk for which worker_create set `hotplug`, to a worker that is READY. */
	int (*attach)(struct provider *p, const struct res_ref *worker, struct worker_disk *disk, struct err *e);
	int (*detach)(struct provider *p, const struct res_ref *worker, const struct res_ref *disk, struct err *e);
	/* FAILED: *e says why. */
	int (*poll)(struct provider *p, const struct res_ref *ref, enum res_state *state, struct err *e);
	int (*remove)(struct provider *p, const struct res_ref *ref, struct err *e);
	/* Everything of ours in this place: job NULL = of any job. Tags are as the cloud has them. */
	int (*find)(struct provider *p, const char *job, provider_found *cb, void *ctx, struct err *e);

	int (*console)(struct provider *p, const struct res_ref *worker, struct buf *out, struct err *e);
	int (*endpoint)(struct provider *p, const struct res_ref *worker, uint16_t port, struct endpoint *out,
			struct err *e);
	/* Name under which this place's workers reach the loopback of the controller's host; NULL: they cannot. */
	const char *(*host_alias)(struct provider *p);

	/* Hold the replica for the life of this process; BUSY names the holder. Released by close or death. What is held
	 * already: success without a call, or BUSY because it was lost since. */
	int (*replica_lock)(struct provider *p, const struct res_ref *disk, const char *holder, struct err *e);
	/* Compare and set of the tags on a replica disk: BUSY when its epoch or owner is not `expect`'s. Where the cloud has
	 * no such call it is a reading and a writing, and the exclusive attachment of the disk to one worker, under which
	 * a run claims it, keeps others out. */
	int (*replica_claim)(struct provider *p, struct res_ref *disk, const struct res_tags *expect,
			     const struct res_tags *set, struct err *e);

	/* A place that holds disks and no machines: a worker of any other place reads and writes a replica disk itself, as
	 * `out` says. The export worker writes it, no import worker is needed, and what is about workers and machines may be
	 * NULL but machine_get. A writer gets what replica_lock holds. loopback: what that worker calls this host's loopback;
	 * NULL: it cannot reach it. */
	int (*disk_access)(struct provider *p, const struct res_ref *disk, bool read_only, const char *loopback,
			   struct disk_access *out, struct err *e);
	/* Keep this JSON beside a replica disk, in place of an older one, for whoever finds the disk; it goes with the disk. */
	int (*replica_describe)(struct provider *p, const struct res_ref *disk, const char *json, struct err *e);

	/* Ranges of source disk i changed between the baseline and this run's snapshot of it (ids); UNSUPPORTED: not known,
	 * read all. */
	int (*changed_ranges)(struct provider *p, const struct machine *m, unsigned disk, const char *baseline_id,
			      const char *snapshot_id, struct byte_range **out, size_t *count, struct err *e);

	/* Created, not started; where a cloud cannot make a machine without starting it, `target_runs_at_once`: then what
	 * has to be durable before the guest may write is so before this call. */
	bool target_runs_at_once;
	int (*target_create)(struct provider *p, const struct target_spec *spec, struct res_ref *ref, struct err *e);
	/* Running already is success. */
	int (*machine_start)(struct provider *p, const char *name, struct err *e);
	int (*machine_stop)(struct provider *p, const char *name, struct err *e);
};

/* First member of every driver's own struct. */
struct provider {
	const struct provider_ops *ops;
	const struct log *log;
	char place[256];     /* one line for people: "qemu cloud /srv/cloud-a" */
	char identity[256];  /* tells this place from all others where the block alone does not (it may say "as the environment
			      * says"): kept with the block, so that what is in one place is never sought in another; "": it does */
	char seen[96];       /* of what was polled last, the cloud's own word ("attaching") for messages; "": it has none */
	bool no_workers;     /* the core's: nothing of this job boots, so that what workers need is not asked for */
	bool not_one_instant; /* what machine_get promised was refused: snapshot_machine takes one disk after the other */
	bool needs_baseline; /* changed_ranges compares two snapshots, so that of the last committed generation is kept */
	int64_t not_before_ns; /* monotonic: the cloud asked not to be called again before that (Retry-After); 0: it did not */
	int64_t ahead_ns;    /* how far its clock, in which it says when something was made, is ahead of this host's; 0: not known */
};

/* The one table of drivers, NULL-ended (provider_table.c). */
extern const struct provider_ops *const provider_table[];
/* By the block's "provider" key; complains about an unknown one with the known ones listed. */
struct provider *provider_open(struct json_at *block, const struct log *log, struct err *e);
void provider_close(struct provider *p);
/* "workers of NAME boot from ...": why a driver without images has none. Appends. */
void provider_add_boots(const struct provider_ops *ops, struct buf *out);
/* What is in the one is in the other, under the same names. */
bool provider_same_place(const struct provider *a, const struct provider *b);

#endif
