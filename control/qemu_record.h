// SPDX-License-Identifier: Apache-2.0
/*
 * A cloud in a folder, layer 2: what the records hold. `_load` gives NOT_FOUND for an absent record and CONFIG, with
 * file and path, for one that was edited wrongly. `_save` and `_publish` want the cloud's lock held. All strings are
 * inside the structs; VECs are released by `_fini`.
 */
#ifndef WHERRY_CONTROL_QEMU_RECORD_H
#define WHERRY_CONTROL_QEMU_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "provider.h"
#include "qemu_cloud.h"
#include "qemu_proc.h"

enum qemu_format { QEMU_RAW, QEMU_QCOW2 };
extern const char *const qemu_format_names[]; /* NULL-ended */
extern const char *const qemu_firmware_names[];

/* One image file as a record names it. */
struct qemu_image {
	enum qemu_format format;
	char file[QEMU_PATH_SIZE]; /* see qemu_cloud_resolve */
};

/* disks/<name>/disk.json: a replica, or a clone of a snapshot. */
struct qemu_disk {
	char name[RES_NAME_SIZE];
	char uid[QEMU_UID_SIZE];
	struct res_tags tags;
	bool ready;              /* its file has been made */
	bool removed;            /* gone for everybody but its snapshots, which need its directory */
	uint64_t size;
	uint32_t logical_sector;
	struct qemu_image image; /* file "": a clone of a live snapshot, read from its machine */
	char snapshot[RES_NAME_SIZE]; /* of which it is a clone; "" none */
};

/* A machine that stands still because a merge under it said so, not its operator. Only that one process is meant: a QEMU
 * started since knows nothing of it. */
struct qemu_pause {
	char machine[RES_NAME_SIZE]; /* "": none; name in run/ */
	unsigned disk;               /* the merge is under this one of its devices */
	struct qemu_proc proc;
};

enum qemu_snapshot_state { SNAPSHOT_CREATING, SNAPSHOT_READY, SNAPSHOT_MERGING };

/* snapshots/<name>/snapshot.json, see qemu_live.h and qemu_chain.h for the two kinds. */
struct qemu_snapshot {
	char name[RES_NAME_SIZE];
	char uid[QEMU_UID_SIZE];
	struct res_tags tags;
	enum qemu_snapshot_state state;
	bool live;
	char machine[RES_NAME_SIZE]; /* "": of a disk record */
	char disk[RES_NAME_SIZE];    /* the machine's name for it; or the disk record's */
	uint64_t size;
	uint32_t logical_sector;
	struct qemu_proc proc;       /* live: it lives as long as this QEMU */
	struct qemu_image base;      /* overlay: the content of the snapshot, read-only from then on */
	char over[QEMU_PATH_SIZE];   /* overlay: what the disk became, qcow2 on top of base */
	struct qemu_pause paused;    /* overlay: saved before the machine is paused, cleared after it was continued */
};

/* One disk of machines/<name>.json: a file, or a disk record by name. */
struct qemu_machine_disk {
	char name[RES_NAME_SIZE];
	char disk[RES_NAME_SIZE];    /* "": a file of the machine's own */
	struct qemu_image image;     /* resolved through the disk record when `disk` is set */
	uint32_t logical_sector;
	bool boot;
};

/* machines/<name>.json */
struct qemu_machine {
	char name[RES_NAME_SIZE];
	uint64_t memory_mib;
	unsigned vcpus;
	enum firmware firmware;
	VEC(struct qemu_machine_disk) disks;
	VEC(struct machine_nic) nics;
	char kernel[QEMU_PATH_SIZE], initrd[QEMU_PATH_SIZE], append[QEMU_PATH_SIZE]; /* direct boot; "" none */
	bool tagged;                 /* made by target_create */
	struct res_tags tags;
	char uid[QEMU_UID_SIZE];
};

struct qemu_worker_disk {
	char disk[RES_NAME_SIZE];
	char serial[24];
	bool read_only;
	int port;                    /* root port it is plugged into; -1: not hot-plugged */
};

#define QEMU_WORKER_DISKS 64
#define QEMU_WORKER_PORTS 8 /* of its disks so many can be plugged in while it runs */

/* run/<name>/worker.json */
struct qemu_worker {
	char name[RES_NAME_SIZE];
	char uid[QEMU_UID_SIZE];
	struct res_tags tags;
	bool ready;                  /* its QEMU came up */
	uint16_t host_port, guest_port;
	struct qemu_worker_disk disks[QEMU_WORKER_DISKS];
	unsigned disk_count;
};

int qemu_disk_load(const struct qemu_cloud *c, const char *name, struct qemu_disk *d, struct err *e);
char *qemu_disk_json(const struct qemu_disk *d); /* caller frees, as of the others */
int qemu_disk_save(const struct qemu_cloud *c, const struct qemu_disk *d, struct err *e);

int qemu_snapshot_load(const struct qemu_cloud *c, const char *name, struct qemu_snapshot *s, struct err *e);
char *qemu_snapshot_json(const struct qemu_snapshot *s);
int qemu_snapshot_save(const struct qemu_cloud *c, const struct qemu_snapshot *s, struct err *e);

int qemu_machine_load(const struct qemu_cloud *c, const char *name, struct qemu_machine *m, struct err *e);
char *qemu_machine_json(const struct qemu_machine *m);
int qemu_machine_save(const struct qemu_cloud *c, const struct qemu_machine *m, struct err *e);
void qemu_machine_fini(struct qemu_machine *m);
/* Index of its disk of that name, or -1. */
int qemu_machine_disk_index(const struct qemu_machine *m, const char *disk);

int qemu_worker_load(const struct qemu_cloud *c, const char *name, struct qemu_worker *w, struct err *e);
char *qemu_worker_json(const struct qemu_worker *w);
int qemu_worker_save(const struct qemu_cloud *c, const struct qemu_worker *w, struct err *e);

/* A snapshot or a clone's snapshot exists: calls back for every snapshot record; non-zero stops and is returned. */
typedef int qemu_snapshot_cb(void *ctx, const struct qemu_snapshot *s);
int qemu_snapshots_each(const struct qemu_cloud *c, qemu_snapshot_cb *cb, void *ctx, struct err *e);
/* Name of a living clone of that snapshot into out; false: none. */
bool qemu_snapshot_clone(const struct qemu_cloud *c, const char *snapshot, char out[RES_NAME_SIZE]);
/* Who uses a disk record now: "worker NAME" or "machine NAME" (running ones only); false: nobody. */
bool qemu_disk_user(const struct qemu_cloud *c, const char *disk, char out[RES_NAME_SIZE + 16]);

/* "disks/<name>#<uid>" into ref->id. */
void qemu_ref_id(struct res_ref *ref, const char *uid);
/* Made for the same purpose by the same run: an earlier call's reply was lost. */
bool qemu_tags_same(const struct res_tags *a, const struct res_tags *b);
/* The id was never learned, or it is this one's. */
bool qemu_id_matches(const struct res_ref *ref, const char *uid);

#endif
