// SPDX-License-Identifier: Apache-2.0
#include "job/run.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define DEPTH       16                   /* requests under way per disk */
#define MAX_CONNECTIONS 16               /* to the services of blobs */
#define SLICE_NS    (200 * NS_PER_MS)    /* how soon a cancel is noticed while waiting */
#define DIAL_MAX_NS (2 * NS_PER_S)       /* longest pause between two attempts */

struct work {
	struct run *run;
	struct manifest_keys keys;
	struct copy_config config;
	struct copy_disk disks[WIRE_MAX_DISKS];
	struct copy_link link;
};

static uint64_t page_count(uint64_t size, uint32_t chunk_size)
{
	struct manifest_info info = {.size = size, .chunk_size = chunk_size};

	return manifest_page_count(&info);
}

static void make_blobs(struct run *r)
{
	for (unsigned i = 0; i < r->spec.disk_count; i++) {
		const struct run_blob *at = &r->spec.disks[i].at;
		struct sink_blob_spec spec = {.url = at->url, .token = at->token, .lease = at->lease,
					      .ca = r->spec.trust != NULL ? r->spec.trust : "",
					      .patience_ns = r->spec.reconnect_ns, .limiter = r->limiter};

		r->blob[i] = at->url != NULL ? sink_blob_new(&spec) : NULL;
	}
}

struct run *run_new(const struct runner_config *config, struct run_spec *spec)
{
	struct run *r = mem_alloc(sizeof *r);
	struct ledger_feed_disk disks[WIRE_MAX_DISKS];

	r->config = config;
	r->spec = *spec;
	for (unsigned i = 0; i < spec->disk_count; i++)
		disks[i] = (struct ledger_feed_disk){
			.index = spec->disks[i].index, .pages = page_count(spec->disks[i].size, spec->chunk_size)};
	r->feed = ledger_feed_new(disks, spec->disk_count);
	r->limiter = limiter_new(&spec->limits);
	make_blobs(r);
	r->watch = link_watch_new(config->log, config->wire);
	mem_wipe(spec, sizeof *spec);
	return r;
}

void run_free(struct run *r)
{
	if (r == NULL)
		return;
	for (unsigned i = 0; i < r->spec.disk_count; i++)
		sink_blob_free(r->blob[i]);
	ledger_feed_free(r->feed);
	link_watch_free(r->watch);
	run_spec_fini(&r->spec);
	limiter_free(r->limiter);
	free(r);
}

void run_cancel(struct run *r)
{
	atomic_store(&r->cancel, true);
	for (unsigned i = 0; i < r->spec.disk_count; i++)
		if (r->blob[i] != NULL)
			sink_blob_cancel(r->blob[i]);
	ledger_cancel(ledger_feed_ledger(r->feed));
}

int run_set_token(struct run *r, unsigned index, const char *token, struct err *e)
{
	for (unsigned i = 0; i < r->spec.disk_count; i++)
		if (r->spec.disks[i].index == index && r->blob[i] != NULL) {
			sink_blob_set_token(r->blob[i], token);
			return 0;
		}
	return err_set(e, ERR_CONFIG, 0, "the run of this worker needs no token for disk %u", index);
}

static int check_cancel(const struct run *r, struct err *e)
{
	if (!atomic_load(&r->cancel))
		return 0;
	return err_set(e, ERR_CANCELED, 0, "the run was stopped, by the controller or because this worker ends");
}

/* ---- Disks ---- */

/* A disk that was just plugged in may not have arrived yet. */
static struct block *open_disk(struct run *r, const char *serial, struct err *e)
{
	int64_t until = clock_mono_ns() + r->config->disk_timeout_ns;
	/* A broker gives a disk out in one mode for all of its boot, so a target's is opened for writing even to
	 * scan it, unless the controller says that nothing will be written. */
	enum block_mode mode = r->config->boot->role == WIRE_TARGET && !r->spec.read_only ? BLOCK_RW : BLOCK_RO;

	for (;;) {
		struct block *b = disk_source_open(r->config->disks, serial, mode, DEPTH, e);

		if (b != NULL || e->kind != ERR_NOT_FOUND || clock_mono_ns() >= until)
			return b;
		if (check_cancel(r, e) < 0)
			return NULL;
		clock_sleep_ns(SLICE_NS);
	}
}

/* Connections are bounded for all blobs together, as far as each needs one to get on. */
static struct block *open_blob(struct run *r, unsigned i, struct err *e)
{
	unsigned depth = MAX_CONNECTIONS / r->spec.disk_count;

	depth = depth > SINK_BLOB_DEPTH ? SINK_BLOB_DEPTH : depth;
	return sink_blob_open(r->blob[i], r->spec.read_only ? BLOCK_RO : BLOCK_RW, depth, e);
}

static int open_disks(struct work *w, struct err *e)
{
	struct run *r = w->run;

	for (unsigned i = 0; i < r->spec.disk_count; i++) {
		bool blob = r->blob[i] != NULL, device = r->spec.disks[i].serial[0] != '\0';
		struct block *b = device ? open_disk(r, r->spec.disks[i].serial, e) : NULL, *at = NULL;

		if ((b != NULL || !device) && blob)
			at = open_blob(r, i, e);
		w->disks[i].block = device ? b : at;
		w->disks[i].target = device ? at : NULL;
		if ((device && b == NULL) || (blob && at == NULL))
			return -1;
		w->disks[i].size = r->spec.disks[i].size;
		w->disks[i].progress = &r->progress[i];
		w->disks[i].hints = r->spec.disks[i].changed;
	}
	return 0;
}

/* What a failed import wrote but did not flush is nothing anybody relies on; flushing it spares the next run work. */
static void close_disks(struct work *w)
{
	struct err ignored = ERR_INIT;

	for (unsigned i = 0; i < w->run->spec.disk_count; i++) {
		if (w->disks[i].block != NULL && w->run->spec.kind == RUN_IMPORT)
			block_flush(w->disks[i].block, &ignored);
		block_close(w->disks[i].target);
		block_close(w->disks[i].block);
	}
}

/* ---- Peer ---- */

static struct stream *wait_for_peer(struct run *r, struct err *e)
{
	int64_t until = clock_mono_ns() + r->config->peer_timeout_ns;

	while (check_cancel(r, e) == 0) {
		struct stream *s = r->accept(r->ctx, SLICE_NS);

		if (s != NULL)
			return s;
		if (clock_mono_ns() >= until) {
			err_set(e, ERR_TIMEOUT, 0,
				"the other worker did not connect within %lld s: can it reach this one's address "
				"and port?",
				(long long)(r->config->peer_timeout_ns / NS_PER_S));
			return NULL;
		}
	}
	return NULL;
}

static struct stream *dial_peer(struct run *r, struct err *e)
{
	int64_t until = clock_mono_ns() + r->config->peer_timeout_ns, pause = SLICE_NS;

	while (check_cancel(r, e) == 0) {
		struct stream *s = r->config->dial(r->config->dial_ctx, r->spec.dial, e);

		if (s != NULL)
			return s;
		if (!err_is_retryable(e) || clock_mono_ns() + pause >= until) {
			err_wrap(e, "connecting to the other worker at %s", r->spec.dial);
			return NULL;
		}
		for (int64_t slept = 0; slept < pause && !atomic_load(&r->cancel); slept += SLICE_NS)
			clock_sleep_ns(SLICE_NS);
		pause = pause * 2 < DIAL_MAX_NS ? pause * 2 : DIAL_MAX_NS;
	}
	return NULL;
}

static int meet_peer(struct work *w, struct err *e)
{
	struct run *r = w->run;

	if (r->spec.kind == RUN_SCAN || r->spec.kind == RUN_COPY)
		return 0;
	w->link.first = r->spec.listen ? wait_for_peer(r, e) : dial_peer(r, e);
	if (w->link.first == NULL)
		return -1;
	link_watch_opened(r->watch, w->link.first);
	return 0;
}

/* Another connection, for a channel more or for one that broke: one attempt. */
static struct stream *open_peer(void *ctx, struct err *e)
{
	struct run *r = ctx;
	struct stream *s = r->spec.listen ? r->accept(r->ctx, SLICE_NS)
					  : r->config->dial(r->config->dial_ctx, r->spec.dial, e);

	if (s != NULL)
		link_watch_opened(r->watch, s);
	else if (r->spec.listen)
		err_set(e, ERR_TIMEOUT, 0, "the other worker has not connected again yet");
	return s;
}

static void wake_peer(void *ctx)
{
	struct run *r = ctx;

	r->wake(r->ctx);
}

static void close_peer(void *ctx, struct stream *s)
{
	link_watch_close(((struct run *)ctx)->watch, s);
}

static void report_link(void *ctx, const struct copy_link_status *st)
{
	link_watch_report(((struct run *)ctx)->watch, st);
}

/* ---- Work ---- */

static void prepare(struct work *w)
{
	struct run *r = w->run;
	const struct bootdata *b = r->config->boot;

	manifest_keys_derive(r->spec.secret, &w->keys);
	w->config = (struct copy_config){
		.keys = &w->keys,
		.chunk_size = r->spec.chunk_size,
		.checkpoint_bytes = r->spec.checkpoint_bytes,
		.checkpoint_ns = r->spec.checkpoint_ns,
		.pool_bytes = COPY_DEFAULT_POOL_BYTES,
		.compression = r->spec.compression,
		.level = r->spec.level,
		.packing = &r->packing,
		.read_back = r->spec.read_back,
		.disks = w->disks,
		.disk_count = r->spec.disk_count,
		.limiter = r->limiter,
		.cancel = &r->cancel,
		.hello = {
			.version_min = WIRE_VERSION,
			.version_max = WIRE_VERSION,
			.role = b->role,
			.epoch = b->epoch,
			.session = r->spec.session,
		},
	};
	w->link = (struct copy_link){
		.channels = r->spec.connections,
		.dials = !r->spec.listen,
		.patience_ns = r->spec.reconnect_ns,
		.open = open_peer,
		.wake = wake_peer,
		.close = close_peer,
		.report = report_link,
		.ctx = r,
	};
	memcpy(w->config.hello.job, b->job, sizeof w->config.hello.job);
	memcpy(w->config.hello.run, b->run, sizeof w->config.hello.run);
	memcpy(w->config.hello.key_id, w->keys.id, sizeof w->config.hello.key_id);
}

static int call_engine(struct work *w, struct err *e)
{
	const struct run_engine *engine = w->run->config->engine;
	struct ledger *l = ledger_feed_ledger(w->run->feed);

	switch (w->run->spec.kind) {
	case RUN_EXPORT:
		return engine->export(&w->config, &w->link, l, e);
	case RUN_IMPORT:
		return engine->import(&w->config, &w->link, e);
	case RUN_SCAN:
		return engine->scan(&w->config, l, e);
	case RUN_COPY:
		return engine->local(&w->config, l, e);
	}
	return err_set(e, ERR_INTERNAL, 0, "a run of unknown kind %d", (int)w->run->spec.kind);
}

static int work(struct work *w, struct err *e)
{
	/* Before a byte is read: a size or sector that does not fit needs no peer to be found out. */
	bool writes = w->run->spec.kind == RUN_IMPORT || w->run->spec.kind == RUN_COPY;
	if (open_disks(w, e) < 0 || copy_check(&w->config, writes, e) < 0)
		return -1;
	return meet_peer(w, e) < 0 ? -1 : call_engine(w, e);
}

int run_work(struct run *r, struct err *e)
{
	struct work *w = mem_alloc(sizeof *w);

	w->run = r;
	prepare(w);
	int rc = work(w, e);
	/* Whatever broke first when it was told to stop, that it was told to stop is the reason. */
	if (rc < 0)
		check_cancel(r, e);
	close_disks(w);
	mem_wipe(&w->keys, sizeof w->keys);
	free(w);
	ledger_feed_end(r->feed, rc < 0 ? e : NULL);
	return rc;
}
