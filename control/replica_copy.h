// SPDX-License-Identifier: Apache-2.0
/*
 * The cloud's own copy ("copy": "cloud"). Where source and target are of one account and region, the cloud itself makes the
 * replica's disks from the source's snapshots: no worker, no network between the two.
 *
 * Every generation is a set of new disks of purpose COPY, tagged with its number from the start. When all of them are whole the
 * generation is committed, and only then the disks of the one before go. A set that is not of the newest generation is swept as
 * scaffold is, so a run may die anywhere: before the commit the old set is the replica, after it the new one. A newer set than the
 * journal's newest goes only while that one is there whole: to a state directory brought back from a backup it may be the replica.
 *
 * Nothing is read and nothing hashed here: that the disks hold what the snapshots held is the cloud's word alone. The journal
 * knows such a generation by its chunk size of 0; `status` says it, `verify` has nothing to compare with and says that, and hints
 * play no part. A job does not go from one kind of replica to the other, unless it is discarded in between.
 */
#ifndef WHERRY_CONTROL_REPLICA_COPY_H
#define WHERRY_CONTROL_REPLICA_COPY_H

#include "replica.h"

/* The target's cloud can copy from the source. */
bool replica_copy_is_possible(const struct provider *source, const struct provider *target);
/* UNSUPPORTED: the job asks for what the clouds cannot. */
int replica_copy_check(const struct job *job, const struct provider *source, const struct provider *target, struct err *e);
/* The newest generation was made so. */
bool replica_is_copied(const struct replica *r);

/* Before anything is made: what is there, and whether a copy may take its place. */
int replica_copy_open(struct context *c, const struct machine *m, struct run *run, struct replica *r, struct err *e);
/* The disks of the next generation, from snapshots of all disks of m, until they are whole; then it is committed. */
int replica_copy_make(struct context *c, const struct machine *m, const struct cloud_res *snapshots, struct run *run,
		      struct replica *r, struct err *e);
/* What is not of the newest generation goes, also when interrupted. */
int replica_copy_settle(struct context *c, struct err *e);
/* The name of disk i of a copied generation; "": this journal knows of none. */
int replica_copy_name(struct context *c, uint64_t generation, unsigned i, char name[RES_NAME_SIZE], struct err *e);

#endif
