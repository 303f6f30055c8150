// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cmd.h"
#include "copy/copy.h"
#include "host_options.h"
#include "host_report.h"
#include "host_source.h"
#include "host_target.h"
#include "host_watch.h"

struct copy {
	struct host_options o;
	struct host_source source;
	struct host_target target;
	struct host_watch watch;
	struct copy_progress progress, verified; /* verified: of --verify */
	struct copy_disk disk, whole;            /* whole: the target, of --verify */
	bool distrusted;                         /* the target turned out to be another than a manifest said */
	double seconds;
};

static void copy_fini(struct copy *c)
{
	host_target_close(&c->target);
	host_source_close(&c->source);
}

/* Everything that can be refused is, before the first file is made. */
static int prepare(struct copy *c, struct err *e)
{
	const struct host_options *o = &c->o;

	if (host_source_open(&c->source, &c->o, e) != 0)
		return -1;
	struct block *source = c->source.block;
	if (host_target_open(&c->target, o->path[1], o->path[0], &source->info, o->manifest_in != NULL, e) != 0)
		return -1;
	c->disk = (struct copy_disk){
		.block = source,
		.target = c->target.block,
		.size = source->info.size,
		.progress = &c->progress,
	};
	struct copy_config config = host_source_config(&c->source, o, &c->disk, &c->watch.cancel);
	if (host_sector_set(c->target.block, o->sector_size, e) == 0 && copy_check(&config, true, e) == 0 &&
	    host_source_begin(&c->source, o, e) == 0) {
		c->disk.hints = host_hints_of(&c->source.hints);
		return 0;
	}
	host_target_discard(&c->target);
	host_manifest_fail(&c->source.manifest, true, e);
	return -1;
}

static int copy(struct copy *c, struct err *e)
{
	struct copy_config config = host_source_config(&c->source, &c->o, &c->disk, &c->watch.cancel);
	struct ledger *l = host_source_ledger(&c->source);
	int rc = copy_local(&config, l, e);

	ledger_close(l);
	return rc == 0 ? host_hints_root(&c->source.hints, c->source.manifest.working, &c->disk, e) : -1;
}

/* Reads all of the target again, whoever wrote it when. */
static int verify(struct copy *c, struct err *e)
{
	if (!c->o.verify)
		return 0;
	c->whole = (struct copy_disk){
		.block = c->target.block,
		.size = c->disk.size,
		.progress = &c->verified,
	};
	struct copy_config config = host_source_config(&c->source, &c->o, &c->whole, &c->watch.cancel);
	struct ledger *l = ledger_none_new();
	atomic_store(&c->watch.what, "verifying");
	atomic_store(&c->watch.shown, &c->verified);
	int rc = copy_scan(&config, l, e);
	ledger_close(l);
	if (rc != 0)
		return err_wrap(e, "verifying the target");
	if (memcmp(c->whole.root, c->disk.root, sizeof c->disk.root) == 0)
		return 0;
	if (host_manifest_distrust(&c->source.manifest, e) != 0)
		return -1;
	c->distrusted = true;
	return err_set(e, ERR_CORRUPT, 0,
		       "%s does not hold what %s holds: its manifest was of another target, somebody else wrote to it, or it "
		       "lost data", c->o.path[1], c->o.path[0]);
}

static int run(struct copy *c, struct err *e)
{
	int64_t started = clock_mono_ns();

	if (host_watch_start(&c->watch, "copying", &c->progress, c->disk.size, e) != 0)
		return -1;
	int rc = copy(c, e);
	if (rc == 0)
		rc = verify(c, e);
	if (rc == 0)
		rc = host_source_commit(&c->source, &c->disk, e);
	host_watch_stop(&c->watch);
	host_hints_warn(&c->source.hints, &c->disk);
	c->seconds = (double)(clock_mono_ns() - started) / (double)NS_PER_S;
	return rc;
}

/* A target that was made for this copy is of no use without a manifest to go on with. */
static void fail(struct copy *c, struct err *e)
{
	bool untouched = atomic_load(&c->progress.chunks) == 0 && !c->distrusted;

	if (untouched || c->source.manifest.working == NULL) {
		untouched = untouched || c->target.created || c->target.grown;
		host_target_discard(&c->target);
	}
	host_manifest_fail(&c->source.manifest, untouched, e);
}

int cmd_copy(int argc, char **argv, struct err *e)
{
	cleanup(copy_fini) struct copy c = {0};

	if (host_options_parse(argc, argv, HOST_COPY, &c.o, e) != 0 || prepare(&c, e) != 0)
		return -1;
	if (run(&c, e) != 0) {
		fail(&c, e);
		return -1;
	}
	host_report(&(struct host_report){.options = &c.o, .disk = &c.disk, .hints = &c.source.hints, .seconds = c.seconds});
	return 0;
}
