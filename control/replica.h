// SPDX-License-Identifier: Apache-2.0
/*
 * The replica of a job: its disks at the target, their working manifests, and the steps of a generation
 * (ARCHITECTURE "Durability"). What this state directory knows is believed only if the replica itself agrees: its tags
 * must be those that our last step left (or would have left, had its outcome been learned), and the working manifest's
 * epoch at least the replica's. So neither an old state directory nor an old disk brought back can pass off old
 * hashes as the truth: the replica is then hashed where it is.
 */
#ifndef WHERRY_CONTROL_REPLICA_H
#define WHERRY_CONTROL_REPLICA_H

#include <stdbool.h>
#include <stdint.h>

#include "batch.h"
#include "net/wire.h"
#include "replicate.h"

struct replica_disk {
	struct cloud_res res;
	uint64_t size;             /* of the copy = of the source disk, bytes */
	uint64_t held;             /* what the replica disk itself has room for, bytes; 0 after replica_open_committed */
	uint32_t logical_sector;
	char source_id[RES_ID_SIZE];
	char source_name[RES_NAME_SIZE];
	struct manifest *working;  /* open for writing; NULL after replica_open_committed */
	bool believed;             /* its tags are those that this journal's last step left or may have left */
	bool rehash;               /* nothing is known of a disk that holds something: hash it there */
	bool made;                 /* by this run, and empty */
	char baseline[RES_ID_SIZE]; /* id of this run's source snapshot; "": none */
	bool hinted;               /* in this run not all of the source disk was read */
	bool grow;                 /* the replica is smaller than the source has become */
};

struct replica {
	struct replica_disk disks[WIRE_MAX_DISKS];
	unsigned count;
	uint64_t generation;       /* last committed, 0: none */
	int64_t committed_s;
	uint64_t top_epoch;        /* highest that any of its disks carries */
	bool dirty;                /* a run wrote since that commit, or is writing, or somebody else did */
	struct generation_disk committed[WIRE_MAX_DISKS];
	unsigned committed_count;
	char *machine_json;        /* description of the machine at that generation; owned */
};

/* For a run: finds or makes the disks for machine m, refuses what must not be written (sizes, sector sizes, another
 * owner, changed disks), holds the replica for this process, opens the working manifests. */
int replica_open(struct context *c, const struct machine *m, struct run *run, struct replica *r, struct err *e);
/* What there is, without making or changing anything: for verify, promote, status. NOT_FOUND when nothing is. */
int replica_open_committed(struct context *c, struct replica *r, struct err *e);
/* Before the disks are attached anywhere: keep the last generation as snapshots (unless they are kept already) and let
 * older ones go; then grow disks that must grow, and the working manifests with them. Safe to repeat. */
int replica_keep_generation(struct context *c, const struct run *run, struct replica *r, struct err *e);
/* Before the first byte reaches the disks of b, which its worker has by then: mark run, their working manifests and them
 * as being written by this epoch. */
int replica_begin_writing(struct context *c, struct run *run, struct replica *r, struct batch b, struct err *e);
/* All is durable: check the roots, commit generation n+1, mark the replica clean. */
int replica_commit(struct context *c, struct run *run, struct replica *r, const struct machine *m,
		   const uint8_t (*roots)[MANIFEST_HASH], struct err *e);
/* When the disks are detached again: snapshots and manifests of generations before the committed one go. */
int replica_drop_old_generations(struct context *c, const struct replica *r, struct err *e);
/* A run that failed before anything could be written takes the disks that it made itself away again. */
void replica_unmake(struct context *c, const struct run *run, struct replica *r);
/* Whether the run that left these tags is one of this journal. */
int replica_knows_run(struct context *c, const struct res_tags *tags, bool *known, struct err *e);
/* Tags of the replica disks to "clean, generation n" where a run died between commit and tag. */
int replica_settle(struct context *c, struct replica *r, struct err *e);
/* The replica is no generation from now on (a machine's disks, or damaged): DIRTY under this run's epoch, which leaves
 * every manifest behind that does not follow, so that its disks are hashed before they are believed again. */
int replica_hand_over(struct context *c, const struct run *run, struct replica *r, struct err *e);
/* The kept snapshot of disk i at `generation`, there and made after that commit; found false when there is none. */
int replica_generation(struct context *c, const struct replica *r, unsigned i, uint64_t generation,
		       struct journal_entry *out, bool *found, struct err *e);
void replica_close(struct replica *r);

/* The description kept with a generation, and back. machine_json: caller frees. */
char *machine_to_json(const struct machine *m);
int machine_from_json(const char *json, struct machine *m, struct err *e);

#endif
