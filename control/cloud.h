// SPDX-License-Identifier: Apache-2.0
/*
 * A place as a run uses it: provider plus journal. Every change of the cloud goes through here: intent committed,
 * call made, outcome committed; what is retryable is retried with back-off until a deadline; waiting is interruptible.
 */
#ifndef WHERRY_CONTROL_CLOUD_H
#define WHERRY_CONTROL_CLOUD_H

#include <stdatomic.h>

#include "events.h"
#include "journal.h"
#include "provider.h"

struct cloud {
	struct provider *p;       /* borrowed */
	struct journal *j;        /* borrowed */
	int64_t place;            /* row of the provider block */
	const atomic_bool *cancel;
	const struct log *log;
	int64_t patience_ns;      /* how long a call that fails or is refused is tried again; 0: two minutes */
	int64_t resource_ns;      /* how long a resource may be on its way to ready, or gone; 0: as long as the patience */
	struct events *events;    /* borrowed; told what is waited for; NULL: nobody is */
};

/* A journalled resource. */
struct cloud_res {
	struct res_ref ref;
	int64_t row;
};

/* For what is removed after something else of that place would not go. */
void cloud_hasten(struct cloud *c);

/* Name and tags of a new resource of this run: "wherry-<job>-<what>-<4 random hex>"; replicas have no suffix. */
void cloud_ref(struct cloud_res *r, enum res_kind kind, enum res_purpose purpose, const char *owner,
	       const struct run *run, const char *what, int64_t expires_s);

int cloud_snapshot_machine(struct cloud *c, const struct machine *m, struct cloud_res *refs, unsigned n, struct err *e);
int cloud_snapshot_disk(struct cloud *c, const struct res_ref *disk, struct cloud_res *r, struct err *e);
int cloud_disk_create(struct cloud *c, const struct disk_spec *spec, struct cloud_res *r, struct err *e);
int cloud_worker_create(struct cloud *c, struct worker_spec *spec, struct cloud_res *r, struct err *e);
int cloud_target_create(struct cloud *c, const struct target_spec *spec, struct cloud_res *r, struct err *e);
int cloud_wait_ready(struct cloud *c, const struct res_ref *r, struct err *e);
/* What the driver expects to be let go (it says when to ask again) is waited for. */
int cloud_replica_lock(struct cloud *c, const struct res_ref *replica, const char *holder, struct err *e);
int cloud_claim(struct cloud *c, struct cloud_res *replica, const struct res_tags *set, struct err *e);
/* REMOVING, remove, wait until absent, REMOVED. Safe to repeat. What has no id (the reply to its creation was lost) is
 * looked up by name and removed only if its tags are ours. Cancel ends only the waiting. Scaffold and replicas without a
 * generation go even when a full disk keeps the journal from recording it. */
int cloud_remove(struct cloud *c, struct cloud_res *r, struct err *e);

/* One wait for a resource: what the cloud calls it, and since when. Whoever polls by itself keeps one. */
struct cloud_wait {
	const struct res_ref *ref; /* borrowed */
	int64_t begin, deadline;   /* monotonic */
	const char *option;        /* of the job, which sets the deadline; NULL: none does */
	char word[96];             /* the cloud's own; "": it has none, or was not asked yet */
	int64_t since;             /* of the word */
	bool told;                 /* the word, to the events */
};
/* With the deadline of any resource. */
struct cloud_wait cloud_wait_begin(const struct cloud *c, const struct res_ref *ref);
/* After each poll of it: what takes more than some seconds is told, once for each word. */
void cloud_wait_see(struct cloud *c, struct cloud_wait *w);
/* TIMEOUT: which resource is stuck in which state, since when, and what to do. Returns -1. */
int cloud_wait_over(const struct cloud *c, const struct cloud_wait *w, struct err *e);

/* What may simply be called again is, while its failure is retryable and there is patience. */
/* `cb` gets the answer of one call that succeeded, never parts of several. */
int cloud_find(struct cloud *c, const char *job, provider_found *cb, void *ctx, struct err *e);
/* Adds to *out. What the cloud could not answer for now is asked again, too; -1 when it never does. */
int cloud_validate(struct cloud *c, bool source, const struct machine *m, struct findings *out, struct err *e);
int cloud_machine_get(struct cloud *c, const char *name, struct machine *out, struct err *e);
/* The driver must keep images. */
int cloud_worker_image(struct cloud *c, char id[RES_ID_SIZE], struct err *e);
int cloud_machine_start(struct cloud *c, const char *name, struct err *e);
int cloud_endpoint(struct cloud *c, const struct res_ref *worker, uint16_t port, struct endpoint *out, struct err *e);
int cloud_disk_get(struct cloud *c, const struct res_ref *disk, struct machine_disk *out, struct err *e);
/* The driver must have it. *out: caller frees. */
int cloud_changed_ranges(struct cloud *c, const struct machine *m, unsigned disk, const char *baseline_id,
			 const char *snapshot_id, struct byte_range **out, size_t *count, struct err *e);
/* Where the driver does not say, any number of disks. */
int cloud_worker_size(struct cloud *c, unsigned disks, struct worker_size *out, struct err *e);
int cloud_disk_resize(struct cloud *c, const struct res_ref *disk, uint64_t size, struct err *e);

/* Clean-up of everything but replicas and their generations that belongs to `job` (NULL: any) of this owner: what the
 * journal knows (adopted by name and tags where the call's outcome is not known) and what only carries our tags. Goes
 * on after an error; the first error is returned at the end. `removed` counts. Call it under the lock of the job. */
int cloud_sweep(struct cloud *c, const char *owner, const char *job, unsigned *removed, struct err *e);

#endif
