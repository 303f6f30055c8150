// SPDX-License-Identifier: Apache-2.0
/*
 * Everything a run builds for itself and takes away again: source snapshots, cloned disks, workers. What was made is
 * remembered in the journal (cloud.h) and here, so that the end of a run removes it at once, in the right order.
 */
#ifndef WHERRY_CONTROL_SCAFFOLD_H
#define WHERRY_CONTROL_SCAFFOLD_H

#include <stdbool.h>

#include "replica.h"
#include "worker_client.h"

#define SCAFFOLD_MAX (2 * WIRE_MAX_DISKS + 8)

/* One worker and how it is reached. */
struct side {
	const char *role;          /* "source" | "target": the name in certificates and messages */
	struct cloud *cloud;       /* borrowed */
	struct cloud_res worker;
	struct worker_size size;
	struct worker_disk disks[WIRE_MAX_DISKS]; /* by their index in the machine */
	struct batch attached;     /* those of them that the worker gets */
	struct endpoint endpoint;
	int listener;              /* dial-out: ours, for this worker; -1: dial-in */
	uint8_t pin[PKI_PIN_SIZE];
	bool pinned;
	bool stuck;                /* its cloud did not remove something in time */
	struct worker_client *client;
};

struct scaffold {
	struct context *c;
	const struct run *run;
	const struct batches *batches;
	struct batch batch; /* the disks that the workers have */
	struct cloud_res snapshots[WIRE_MAX_DISKS], clones[WIRE_MAX_DISKS];
	unsigned snapshot_count, clone_count;
	struct side source, target;
	struct side *holder; /* whose worker has the replica's disks: the target's, or the source's, which then reaches them itself */
};

/* All are borrowed. */
void scaffold_init(struct scaffold *s, struct context *c, const struct run *run, const struct batches *batches);
/* Snapshots of all disks of m at one instant, until they are ready. */
int scaffold_snapshots(struct scaffold *s, const struct machine *m, struct err *e);
/* The same, then a disk from each. */
int scaffold_source_disks(struct scaffold *s, const struct machine *m, struct err *e);
/* Remove the workers of the batch before, then start those of batch i that have disks (`source_side`: with the clones; the
 * target: with the replica's disks, or, where these are reached without being attached, none, but the source's in any case),
 * wait until they are ready, pin their keys from their consoles and enrol them. */
int scaffold_workers(struct scaffold *s, const struct replica *r, unsigned i, bool source_side, bool target_read_only,
		     struct err *e);
/* Take everything away, also after an error and when interrupted. What could not be removed stays in the journal
 * and is named in *e. */
int scaffold_remove(struct scaffold *s, struct err *e);

#endif
