// SPDX-License-Identifier: Apache-2.0
/*
 * Runs without workers, for the tests of the replica: two clouds in memory, real journals, manifests and keys, and a
 * transfer that trusts the working manifest as the real one does, so that trust in a wrong one gives wrong bytes. A desk
 * is a state directory; processes die in forked children, at named points or in calls of the cloud.
 */
#ifndef WHERRY_TESTS_UNIT_CONTROL_REPLICA_FIXTURE_H
#define WHERRY_TESTS_UNIT_CONTROL_REPLICA_FIXTURE_H

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "events_impl.h"
#include "fakes/provider_mem.h"
#include "replica.h"
#include "replicate.h"
#include "source_hints.h"

#define DISKS 2
#define MIB   (UINT64_C(1) << 20)

enum point {
	AT_NOWHERE, AT_OPENED, AT_KEPT, AT_WRITING, AT_BEGUN, AT_HALF, AT_COPIED, AT_MANIFESTS, AT_COMMITTED, AT_DROPPED
};

struct world {
	char *dir;                     /* holds the desks */
	struct mem_cloud *from, *to;
	uint32_t source[DISKS][MEM_CHUNKS];
	uint32_t chunk_size;           /* of the job; the source's numbers are MEM_CHUNK */
	enum point die_at;             /* in a child only */
	enum point copy_at;            /* desk "a" is copied to "b" there */
	enum point keep_at;            /* the replica's disks are copied to `kept` there, as a storage keeps snapshots */
	struct mem_item kept[DISKS];
	struct log log;
	unsigned each;                 /* disks in a batch; 0: all */
	unsigned batch, die_in;        /* the one that is copied; the one in which AT_BEGUN, AT_HALF and AT_COPIED count */
	bool hints;                    /* the job uses those of `from` */
	uint32_t full_scan_every;
	FILE *talk;                    /* of the events: nobody reads it */
};

/* What one run saw and did. */
struct did {
	bool rehash[DISKS], dirty;     /* at its begin */
	uint64_t epoch, generation;
	unsigned sent, sent_of[DISKS]; /* chunks */
	unsigned read;                 /* chunks of the source */
	bool hinted[DISKS];
};

static inline int set_up(void **state)
{
	struct world *w = mem_alloc(sizeof *w);

	w->dir = temp_make();
	w->from = mem_cloud_new();
	w->to = mem_cloud_new();
	w->from->disk_size[0] = 10 * MIB;        /* two manifest pages */
	w->from->disk_size[1] = 3 * MIB + 512;
	w->chunk_size = MEM_CHUNK;
	w->full_scan_every = 100;
	w->talk = fopen("/dev/null", "w");
	w->log = (struct log){.fd = -1, .level = LOG_ERROR, .name = "test"};
	for (unsigned i = 0; i < DISKS; i++)
		for (uint32_t k = 0; k < MEM_CHUNKS; k++)
			w->source[i][k] = 1000 * (i + 1) + k;
	*state = w;
	return 0;
}

static inline int tear_down(void **state)
{
	struct world *w = *state;

	mem_cloud_free(w->from);
	mem_cloud_free(w->to);
	temp_remove(w->dir);
	fclose(w->talk);
	free(w);
	return 0;
}

/* A new world in the middle of a test: one for every case of a table. */
static inline struct world *fresh(void **state)
{
	tear_down(state);
	set_up(state);
	return *state;
}

/* ---- A desk, and processes at it ---- */

static inline int join_place(struct cloud *cloud, const struct context *c, struct provider *p, const char *json,
			     struct err *e)
{
	*cloud = (struct cloud){.p = p, .j = c->journal, .log = c->log, .patience_ns = NS_PER_S};
	return journal_place(c->journal, json, &cloud->place, e);
}

static inline int open_desk(struct world *w, const char *desk, struct context *c, struct err *e)
{
	cleanup(cleanup_free) char *dir = mem_printf("%s/%s", w->dir, desk);

	*c = (struct context){.lock = -1, .log = &w->log, .job = {.chunk_size = w->chunk_size, .use_hints = w->hints,
			      .full_scan_every = w->full_scan_every}};
	snprintf(c->job.name, sizeof c->job.name, "web1");
	snprintf(c->job.machine, sizeof c->job.machine, "web1");
	snprintf(c->job.target_machine, sizeof c->job.target_machine, "web1-there");
	c->events = events_new_on(&events_quiet_ops, "web1", w->talk, w->talk, clock_mono_ns, clock_wall_ns);
	c->source_p = provider_mem_new(w->from, &w->log);
	c->target_p = provider_mem_new(w->to, &w->log);
	if (state_open(dir, &c->state, e) < 0 || state_job_keys(&c->state, c->job.name, &c->keys, e) < 0)
		return -1;
	c->journal = journal_open(c->state.dir, e);
	if (c->journal == NULL)
		return -1;
	return join_place(&c->source, c, c->source_p, "{\"provider\":\"mem\",\"cloud\":\"from\"}", e) < 0 ||
			       join_place(&c->target, c, c->target_p, "{\"provider\":\"mem\",\"cloud\":\"to\"}", e) < 0
		       ? -1 : 0;
}

static inline void close_desk(struct context *c)
{
	events_free(c->events);
	context_close(c);
}

static inline void copy_desk(const struct world *w, const char *from, const char *to)
{
	cleanup(cleanup_free) char *line = mem_printf("rm -rf '%s/%s' && cp -a '%s/%s' '%s/%s'", w->dir, to, w->dir, from,
						      w->dir, to);

	if (system(line) != 0)
		abort();
}

static inline struct mem_item *replica_item(const struct world *w, unsigned disk)
{
	char name[RES_NAME_SIZE];

	snprintf(name, sizeof name, "wherry-web1-disk%u", disk);
	struct mem_item *it = mem_cloud_get(w->to, name);
	if (it == NULL)
		fail_msg("there is no replica disk %s", name);
	return it;
}

static inline void keep_replica(struct world *w)
{
	for (unsigned i = 0; i < DISKS; i++)
		w->kept[i] = *replica_item(w, i);
}

static inline void roll_back(struct world *w, unsigned disk)
{
	*replica_item(w, disk) = w->kept[disk];
}

static inline void pass(struct world *w, enum point at)
{
	if (w->copy_at == at)
		copy_desk(w, "a", "b");
	if (w->keep_at == at)
		keep_replica(w);
	if (w->die_at == at)
		_exit(0);
}

static inline void pass_in_batch(struct world *w, enum point at)
{
	if (w->batch == w->die_in)
		pass(w, at);
}

/* Runs a process at a desk that must die: at `at`, or in a call of the cloud that was told so (AT_NOWHERE). */
typedef int process(struct world *w, struct context *c, struct err *e);

static inline void run_and_die(struct world *w, const char *desk, enum point at, process *run)
{
	struct err e = ERR_INIT;
	struct context c;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		w->die_at = at;
		if (open_desk(w, desk, &c, &e) == 0 && run(w, &c, &e) == 0)
			fprintf(stderr, "a process that was to die at %d did not\n", (int)at);
		else
			fprintf(stderr, "a process that was to die at %d failed: %s\n", (int)at, e.msg);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	w->to->fault_count = 0;
	if (at == AT_NOWHERE ? !WIFSIGNALED(status) : !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("the process did not die at %d: status %#x", (int)at, (unsigned)status);
}

/* ---- A run, as replicate.c has it, with the transfer of feed_pump.c and a worker in a few lines ---- */

static inline unsigned chunks_of(uint64_t size)
{
	return (unsigned)((size + MEM_CHUNK - 1) / MEM_CHUNK);
}

/* What a chunk of `size` bytes of disk from number `k` on hashes to. */
static inline void hash_chunk(const struct context *c, const uint32_t *numbers, unsigned chunk, uint64_t size,
			      uint8_t out[MANIFEST_HASH])
{
	unsigned per = c->job.chunk_size / MEM_CHUNK, first = chunk * per, end = first + per;

	end = end < chunks_of(size) ? end : chunks_of(size);
	manifest_hash(&c->keys.hash, numbers + first, (end - first) * sizeof *numbers, out);
}

static inline void hash_page(const struct context *c, const struct manifest_info *info, const uint32_t *numbers,
			     uint64_t page, uint8_t out[MANIFEST_PAGE_HASHES])
{
	memset(out, 0, MANIFEST_PAGE_HASHES);
	for (uint64_t i = 0, k = page * MANIFEST_PAGE_CHUNKS; i < MANIFEST_PAGE_CHUNKS && k < manifest_chunk_count(info);
	     i++, k++)
		hash_chunk(c, numbers, (unsigned)k, info->size, out + i * MANIFEST_HASH);
}

static inline void root_of(const struct context *c, const uint32_t *numbers, uint64_t size, uint8_t root[MANIFEST_HASH])
{
	struct manifest_info info = {.size = size, .chunk_size = c->job.chunk_size};
	struct manifest_rooter *rooter = manifest_rooter_new(&c->keys.hash, size, c->job.chunk_size);
	uint8_t hashes[MANIFEST_PAGE_HASHES];

	for (uint64_t p = 0; p < manifest_page_count(&info); p++) {
		hash_page(c, &info, numbers, p, hashes);
		manifest_rooter_add(rooter, p, hashes);
	}
	manifest_rooter_finish(rooter, root);
}

static inline void put_chunk(const struct context *c, struct mem_item *to, const uint32_t *from, unsigned chunk)
{
	unsigned per = c->job.chunk_size / MEM_CHUNK;

	memcpy(to->data + chunk * per, from + chunk * per, per * sizeof *from);
}

/* Chunks that the hints leave out are taken for what the manifest says. Counts the others. */
static inline void leave_out(const struct hints *h, uint64_t page, const uint8_t *have, uint8_t *want, struct did *d)
{
	for (unsigned i = 0; i < MANIFEST_PAGE_CHUNKS; i++) {
		uint64_t at = (page * MANIFEST_PAGE_CHUNKS + i) * h->chunk_size;

		if (at >= h->size)
			return;
		if (extents_overlaps(&h->ranges, at, at + 1))
			d->read++;
		else
			memcpy(want + i * MANIFEST_HASH, have + i * MANIFEST_HASH, MANIFEST_HASH);
	}
}

/* Sends what the page's hashes do not know to be right. */
static inline int copy_page(struct world *w, struct context *c, struct manifest *m, const struct hints *h,
			    struct mem_item *to, const uint32_t *from, uint64_t page, struct did *d, struct err *e)
{
	static const uint8_t unknown[MANIFEST_PAGE_HASHES];
	uint8_t have[MANIFEST_PAGE_HASHES], want[MANIFEST_PAGE_HASHES];

	if (manifest_read_page(m, page, have, NULL, e) < 0)
		return -1;
	hash_page(c, manifest_info(m), from, page, want);
	if (h != NULL)
		leave_out(h, page, have, want, d);
	if (memcmp(have, want, sizeof want) == 0)
		return 0;
	if (manifest_write_page(m, page, unknown, e) < 0 || manifest_sync(m, e) < 0)
		return -1;
	for (unsigned i = 0; i < MANIFEST_PAGE_CHUNKS; i++) {
		if (memcmp(have + i * MANIFEST_HASH, want + i * MANIFEST_HASH, MANIFEST_HASH) == 0)
			continue;
		put_chunk(c, to, from, (unsigned)(page * MANIFEST_PAGE_CHUNKS) + i);
		d->sent++;
	}
	pass_in_batch(w, AT_HALF);
	return manifest_write_page(m, page, want, e) < 0 || manifest_sync(m, e) < 0 ? -1 : 0;
}

static inline int copy_disk(struct world *w, struct context *c, struct replica_disk *rd, const struct hints *h,
			    const uint32_t *from, struct did *d, struct err *e)
{
	struct mem_item *to = mem_cloud_get(w->to, rd->res.ref.name);
	uint64_t pages = manifest_page_count(manifest_info(rd->working));
	uint8_t hashes[MANIFEST_PAGE_HASHES];

	if (to == NULL || to->size < rd->size)
		return err_set(e, ERR_INTERNAL, 0, "replica disk %s is too small", rd->res.ref.name);
	for (uint64_t p = 0; rd->rehash && p < pages; p++) {
		hash_page(c, manifest_info(rd->working), to->data, p, hashes);
		if (manifest_write_page(rd->working, p, hashes, e) < 0)
			return -1;
	}
	for (uint64_t p = 0; p < pages; p++)
		if (copy_page(w, c, rd->working, h, to, from, p, d, e) < 0)
			return -1;
	return 0;
}

/* What the source worker gives for a root: over what it read, which was of the source where it was wanted. */
static inline void root_of_read(const struct context *c, const struct replica_disk *rd, const struct hints *h,
				uint8_t root[MANIFEST_HASH])
{
	struct manifest_rooter *rooter = manifest_rooter_new(&c->keys.hash, rd->size, c->job.chunk_size);
	cleanup(extents_fini) struct extents pages = {0};
	uint8_t hashes[MANIFEST_PAGE_HASHES];
	struct extent x;

	hints_pages(h, &pages);
	for (uint64_t p = 0; extents_next(&pages, p, &x); p = x.start + 1) {
		struct err never = ERR_INIT;

		if (manifest_read_page(rd->working, x.start, hashes, NULL, &never) < 0)
			abort();
		manifest_rooter_add(rooter, x.start, hashes);
	}
	manifest_rooter_finish(rooter, root);
}

/* The source's snapshot of this run, as scaffold.c would have taken it. */
static inline void name_baselines(const struct run *run, struct replica *r)
{
	for (unsigned i = 0; i < r->count; i++)
		snprintf(r->disks[i].baseline, sizeof r->disks[i].baseline, "snap%u of epoch %llu", i,
			 (unsigned long long)run->epoch);
}

static inline int copy_with_hints(struct world *w, struct context *c, struct replica *r, struct batch b,
				  struct source_hints *hints, uint8_t (*roots)[MANIFEST_HASH], struct did *d, struct err *e)
{
	for (unsigned i = b.first; i < b.end; i++) {
		unsigned before = d->sent;
		const struct hints *h = source_hints_of(hints, i);

		if (copy_disk(w, c, &r->disks[i], h, w->source[i], d, e) < 0)
			return -1;
		d->sent_of[i] = d->sent - before;
		if (h == NULL)
			root_of(c, w->source[i], r->disks[i].size, roots[i]);
		else
			root_of_read(c, &r->disks[i], h, roots[i]);
		if (source_hints_root(hints, r, i, roots[i], e) < 0)
			return -1;
		d->hinted[i] = r->disks[i].hinted;
	}
	return 0;
}

/* What replica_commit does before the journal hears of it. */
static inline int commit_manifests_only(struct context *c, struct run *run, struct replica *r,
					const uint8_t (*roots)[MANIFEST_HASH], struct err *e)
{
	if (journal_run_state(c->journal, run, RUN_COMMITTING, e) < 0)
		return -1;
	for (unsigned i = 0; i < r->count; i++) {
		cleanup(cleanup_free) char *path = state_generation_path(&c->state, "web1", i, r->generation + 1);
		struct manifest_info info = *manifest_info(r->disks[i].working);

		info.generation = r->generation + 1;
		memcpy(info.root, roots[i], MANIFEST_HASH);
		if (manifest_commit(r->disks[i].working, path, &info, e) < 0)
			return -1;
	}
	return 0;
}

static inline int copy_batch(struct world *w, struct context *c, struct run *run, struct replica *r, struct batch b,
			     struct source_hints *hints, uint8_t (*roots)[MANIFEST_HASH], struct did *d, struct err *e)
{
	if (replica_begin_writing(c, run, r, b, e) < 0)
		return -1;
	pass_in_batch(w, AT_BEGUN);
	if (source_hints_refresh(hints, r, e) < 0 || copy_with_hints(w, c, r, b, hints, roots, d, e) < 0)
		return -1;
	pass_in_batch(w, AT_COPIED);
	return 0;
}

static inline int sync_replica(struct world *w, struct context *c, const struct machine *m, struct run *run,
			       struct replica *r, struct did *d, struct err *e)
{
	cleanup(source_hints_fini) struct source_hints hints = {0};
	uint8_t roots[WIRE_MAX_DISKS][MANIFEST_HASH];

	if (replica_open(c, m, run, r, e) < 0)
		return -1;
	d->epoch = run->epoch;
	d->dirty = r->dirty;
	for (unsigned i = 0; i < r->count; i++)
		d->rehash[i] = r->disks[i].rehash;
	pass(w, AT_OPENED);
	if (replica_keep_generation(c, run, r, e) < 0)
		return -1;
	pass(w, AT_KEPT);
	name_baselines(run, r);
	if (source_hints_gather(c, m, r, &hints, e) < 0)
		return -1;
	if (w->die_at == AT_WRITING && journal_run_state(c->journal, run, RUN_WRITING, e) < 0)
		return -1;
	pass(w, AT_WRITING);
	struct batches batches = {.disks = r->count, .each = w->each != 0 ? w->each : r->count};
	for (w->batch = 0; w->batch * batches.each < r->count; w->batch++)
		if (copy_batch(w, c, run, r, batches_at(&batches, w->batch), &hints, roots, d, e) < 0)
			return -1;
	if (w->die_at == AT_MANIFESTS && commit_manifests_only(c, run, r, (const uint8_t (*)[MANIFEST_HASH])roots, e) < 0)
		return -1;
	pass(w, AT_MANIFESTS);
	if (replica_commit(c, run, r, m, (const uint8_t (*)[MANIFEST_HASH])roots, e) < 0)
		return -1;
	d->generation = r->generation;
	pass(w, AT_COMMITTED);
	if (replica_drop_old_generations(c, r, e) < 0)
		return -1;
	pass(w, AT_DROPPED);
	return 0;
}

static inline int sync_run(struct world *w, struct context *c, struct did *d, struct err *e)
{
	struct replica r = {0};
	struct machine m = {0};
	struct run run;
	unsigned removed;

	*d = (struct did){0};
	if (recover(c, &removed, e) < 0 || c->source_p->ops->machine_get(c->source_p, "web1", &m, e) < 0)
		return -1;
	int rc = journal_run_begin(c->journal, "web1", RUN_SYNC, &run, e);
	if (rc == 0) {
		struct err ignored = ERR_INIT;

		rc = sync_replica(w, c, &m, &run, &r, d, e);
		run.state = rc == 0 ? RUN_DONE : RUN_FAILED;
		if (journal_run_end(c->journal, &run, rc == 0 ? e : &ignored) < 0)
			rc = -1;
	}
	replica_close(&r);
	machine_fini(&m);
	return rc;
}

static inline int a_sync(struct world *w, struct context *c, struct err *e)
{
	struct did ignored;

	return sync_run(w, c, &ignored, e);
}

static inline struct did sync_at(struct world *w, const char *desk)
{
	struct context c;
	struct did d;

	ok(open_desk(w, desk, &c, e));
	ok(sync_run(w, &c, &d, e));
	close_desk(&c);
	return d;
}

static inline void sync_and_die(struct world *w, const char *desk, enum point at)
{
	run_and_die(w, desk, at, a_sync);
}

/* ---- What must be so ---- */

/* No run wrote under an epoch that the replica had carried for another, and epochs only rise. */
static inline void check_epochs(const struct world *w)
{
	for (unsigned i = 0; i < w->to->claim_count; i++)
		for (unsigned k = 0; k < i; k++) {
			const struct mem_claim *a = &w->to->claims[k], *b = &w->to->claims[i];

			if (strcmp(a->disk, b->disk) != 0)
				continue;
			if (a->tags.epoch > b->tags.epoch ||
			    (a->tags.epoch == b->tags.epoch && strcmp(a->tags.run, b->tags.run) != 0))
				fail_msg("%s: epoch %llu of run %s after epoch %llu of run %s", a->disk,
					 (unsigned long long)b->tags.epoch, b->tags.run,
					 (unsigned long long)a->tags.epoch, a->tags.run);
		}
}

/* Invariant D: the replica holds the source's bytes, and a committed manifest and its tags say so. */
static inline void check_committed(struct world *w, const char *desk, uint64_t generation)
{
	struct context c;

	ok(open_desk(w, desk, &c, e));
	for (unsigned i = 0; i < DISKS; i++) {
		cleanup(cleanup_free) char *path = state_generation_path(&c.state, "web1", i, generation);
		const struct mem_item *it = replica_item(w, i);
		struct err e = ERR_INIT;
		struct manifest *m = manifest_open(path, MANIFEST_READ, &c.keys.hash, &e);
		uint8_t root[MANIFEST_HASH], real[MANIFEST_HASH];
		uint64_t unknown;

		if (m == NULL || manifest_root(m, root, &unknown, &e) < 0)
			fail_msg("%s", e.msg);
		root_of(&c, it->data, manifest_info(m)->size, real);
		assert_memory_equal(root, real, sizeof root);
		assert_memory_equal(it->data, w->source[i], chunks_of(manifest_info(m)->size) * sizeof it->data[0]);
		assert_int_equal(it->ref.tags.generation, generation);
		assert_false(it->ref.tags.dirty);
		manifest_close(m);
	}
	close_desk(&c);
	check_epochs(w);
}

/* What `promote` and `verify` would find: whether the replica may be used. */
static inline bool is_clean(struct world *w, const char *desk)
{
	struct context c;
	struct replica r;

	ok(open_desk(w, desk, &c, e));
	ok(replica_open_committed(&c, &r, e));
	bool clean = !r.dirty;
	replica_close(&r);
	close_desk(&c);
	return clean;
}

#endif
