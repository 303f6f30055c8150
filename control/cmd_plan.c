// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/mem.h"
#include "commands.h"
#include "json_line.h"
#include "net/api_names.h"
#include "paths.h"
#include "places.h"
#include "replica.h"
#include "replica_access.h"
#include "replica_copy.h"
#include "source_hints.h"

struct plan {
	struct cmd *c;
	struct context x;
	struct machine machine;
	bool there[WIRE_MAX_DISKS];   /* replica disk i exists */
	unsigned left;                /* of dead runs */
	unsigned foreign;             /* replica disks of another state directory */
	char *promoted;               /* the machine, if the job was promoted */
	struct err lost;              /* why the replica that there was is not at the target */
	char image[2][RES_ID_SIZE];   /* what workers of source and target boot from; "": no image of the cloud's */
	struct err no_image;          /* why there is none */
	struct batches batches;       /* how workers divide the disks */
	struct err no_size;           /* why that cannot be told */
	uint64_t generation;
	struct journal_baselines baselines; /* of the newest generation */
	const char *why_not;          /* hints are not used; NULL: where there are any, they are */
	char why_text[160];
};

/* One line of the plan. `action` is the machine's word for the heading it stands under. */
static void item(const struct plan *p, const char *action, const char *place, const char *kind, const char *name,
		 uint64_t bytes, const char *fmt, ...) __attribute__((format(printf, 7, 8)));

static void item(const struct plan *p, const char *action, const char *place, const char *kind, const char *name,
		 uint64_t bytes, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	cleanup(cleanup_free) char *text = mem_vprintf(fmt, ap);
	va_end(ap);
	if (p->c->json)
		json_line(stdout, "event:s action:s place:s kind:s name:s bytes:u text:s", "plan", action, place,
			  kind, name, bytes, text);
	else if (name != NULL)
		printf("  %-8s %-28s %s\n", kind, name, text);
	else
		printf("  %s\n", text);
}

static void heading(const struct plan *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void heading(const struct plan *p, const char *fmt, ...)
{
	va_list ap;

	if (p->c->json)
		return;
	putchar('\n');
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

/* ---- What is there ---- */

static int see(void *ctx, const struct res_ref *ref)
{
	struct plan *p = ctx;
	char name[RES_NAME_SIZE];

	for (unsigned i = 0; ref->tags.purpose == PURPOSE_REPLICA && i < WIRE_MAX_DISKS; i++) {
		snprintf(name, sizeof name, "wherry-%s-disk%u", p->x.job.name, i);
		p->there[i] |= strcmp(ref->name, name) == 0;
	}
	p->foreign += res_is_replica(ref) &&
		      strcmp(ref->tags.owner, journal_owner(p->x.journal)) != 0;
	p->left += ref->tags.purpose == PURPOSE_SCAFFOLD &&
		   strcmp(ref->tags.owner, journal_owner(p->x.journal)) == 0;
	return 0;
}

static void look_for_image(struct plan *p, struct cloud *place, char id[RES_ID_SIZE])
{
	if (place->p->ops->images != NULL && !place->p->no_workers && p->no_image.kind == ERR_NONE)
		cloud_worker_image(place, id, &p->no_image);
}

static int look(struct plan *p, struct err *e)
{
	struct context *x = &p->x;
	int64_t at;
	unsigned n;

	if (cloud_machine_get(&x->source, x->job.machine, &p->machine, e) < 0)
		return -1;
	if (p->machine.disks.len > WIRE_MAX_DISKS)
		return err_set(e, ERR_UNSUPPORTED, 0, "machine %s has %zu disks; at most %d can be replicated",
			       p->machine.name, p->machine.disks.len, WIRE_MAX_DISKS);
	if (cloud_find(&x->source, x->job.name, see, p, e) < 0)
		return -1;
	/* A replica stands at the target only; the source may be the same cloud. */
	memset(p->there, 0, sizeof p->there);
	p->foreign = 0;
	if (cloud_find(&x->target, x->job.name, see, p, e) < 0)
		return -1;
	if (places_check_replica(&x->target, x->job.name, &p->lost) < 0 && p->lost.kind != ERR_REFUSED &&
	    p->lost.kind != ERR_NOT_FOUND) {
		*e = p->lost;
		return -1;
	}
	if (journal_fact_get(x->journal, x->job.name, "promoted", &p->promoted, e) < 0)
		return -1;
	if (journal_last_generation(x->journal, x->job.name, &p->generation, &at, NULL, 0, &n, NULL, e) < 0 ||
	    journal_baselines(x->journal, x->job.name, &p->baselines, e) < 0)
		return -1;
	look_for_image(p, &x->source, p->image[0]);
	look_for_image(p, &x->target, p->image[1]);
	if (x->job.copy == COPY_BY_WORKER && batches_divide(x, (unsigned)p->machine.disks.len, true, &p->batches, &p->no_size) < 0)
		p->batches = (struct batches){.disks = (unsigned)p->machine.disks.len, .each = (unsigned)p->machine.disks.len, .count = 1};
	p->why_not = source_hints_why_not(x, p->generation, p->why_text, e);
	return e->kind == ERR_NONE ? 0 : -1;
}

/* ---- What will be ---- */

static const char *state_words(const struct plan *p, char holder[256])
{
	return state_job_held(&p->x.state, p->x.job.name, holder, 256) ? holder : NULL;
}

static void begin(const struct plan *p)
{
	struct err cannot = ERR_INIT;
	const struct context *x = &p->x;
	char holder[256];
	const char *running = state_words(p, holder);

	if (!p->c->json)
		printf("Job %s: machine %s (%s) in %s\n     to %s, %s%llu\n", x->job.name, p->machine.name,
		       p->machine.running ? "running" : "off", x->source_p->place, x->target_p->place,
		       p->generation == 0 ? "first sync, making generation " : "incremental, making generation ",
		       (unsigned long long)p->generation + 1);
	else
		json_line(stdout, "event:s job:s machine:s running:b source:s target:s generation:u", "plan-of",
			  x->job.name,
			  p->machine.name, (int)p->machine.running, x->source_p->place, x->target_p->place,
			  p->generation + 1);
	if (p->lost.kind != ERR_NONE)
		item(p, "refuse", NULL, NULL, NULL, 0, "A sync is refused: %s", p->lost.msg);
	if (p->no_image.kind != ERR_NONE)
		item(p, "refuse", NULL, NULL, NULL, 0, "A sync is refused: %s", p->no_image.msg);
	if (p->no_size.kind != ERR_NONE)
		item(p, "refuse", NULL, NULL, NULL, 0, "A sync is refused: %s", p->no_size.msg);
	if (replica_copy_check(&p->x.job, p->x.source_p, p->x.target_p, &cannot) < 0)
		item(p, "refuse", NULL, NULL, NULL, 0, "A sync is refused: %s", cannot.msg);
	if (p->promoted != NULL)
		item(p, "refuse", NULL, NULL, NULL, 0, "The job was promoted to machine %s: a sync is refused", p->promoted);
	if (p->foreign != 0)
		item(p, "refuse", NULL, NULL, NULL, 0, "The replica is kept by another state directory: a sync is refused");
	if (running != NULL)
		item(p, "wait", NULL, NULL, NULL, 0, "The job is running now: %s", running);
	if (p->left != 0)
		item(p, "recover", NULL, NULL, NULL, 0, "%u resources of a run that died are removed first", p->left);
}

/* One for each batch of disks. does: what follows the disks. */
static void plan_workers(const struct plan *p, const char *place, const char *role, const char *verb, const char *does,
			 const struct worker_size *size, const char *image)
{
	for (unsigned i = 0; i < p->batches.count; i++) {
		char name[RES_NAME_SIZE], what[BATCH_TEXT], disks[BATCH_TEXT], takes[48] = "";

		snprintf(name, sizeof name, "wherry-%s-%s-XXXX", p->x.job.name, batches_name(&p->batches, i, role, what));
		if (p->batches.count > 1)
			snprintf(takes, sizeof takes, " (a worker takes %u)", size->disks);
		item(p, "create", place, "worker", name, 0, "%s%s %s%s%s%s%s%s%s", i > 0 ? "when the one before is gone: " : "", verb,
		     batches_text(&p->batches, i, disks), does, takes, size->name[0] != '\0' ? ", of size " : "", size->name,
		     image[0] != '\0' ? ", boots from image " : "", image);
	}
}

/* What is kept between runs costs money: of used space, as clouds charge for snapshots. */
static void plan_cost(const struct plan *p)
{
	uint64_t size = p->baselines.used;
	char text[16];

	for (unsigned i = 0; p->baselines.used == 0 && i < p->machine.disks.len; i++)
		size += p->machine.disks.at[i].size;
	item(p, "keep", p->x.source_p->place, "snapshot", NULL, size, "These snapshots are kept until the next sync: %s %s used, which the "
	     "cloud charges for", p->baselines.used != 0 ? "about" : "at most", num_format_size(size, text));
}

static void plan_snapshots(const struct plan *p)
{
	const char *place = p->x.source_p->place, *job = p->x.job.name;
	bool kept = p->x.source_p->needs_baseline && p->x.job.use_hints;
	char name[RES_NAME_SIZE];

	heading(p, "Created in %s, all disks %s:", place, p->machine.not_one_instant ?
		"one after the other while the machine runs" : "at one instant");
	for (unsigned i = 0; i < p->machine.disks.len; i++) {
		snprintf(name, sizeof name, "wherry-%.40s-snap%u-XXXX", job, i);
		item(p, "create", place, "snapshot", name, 0, kept ? "of disk %s, kept until the next sync, which asks what has changed "
		     "since" : "of disk %s", p->machine.disks.at[i].name);
	}
	if (kept)
		plan_cost(p);
}

static void plan_source(const struct plan *p)
{
	const char *place = p->x.source_p->place, *job = p->x.job.name;
	char name[RES_NAME_SIZE];

	plan_snapshots(p);
	for (unsigned i = 0; i < p->machine.disks.len; i++) {
		snprintf(name, sizeof name, "wherry-%s-clone%u-XXXX", job, i);
		item(p, "create", place, "disk", name, p->machine.disks.at[i].size, "from that snapshot, read-only");
	}
	plan_workers(p, place, "export", "reads", replica_access_is_direct(&p->x) ? " and writes the replica" : "",
		     &p->batches.source, p->image[0]);
}

static void plan_target(const struct plan *p)
{
	const char *place = p->x.target_p->place, *job = p->x.job.name;
	char name[RES_NAME_SIZE], size[16];

	heading(p, "Created in %s:", place);
	for (unsigned i = 0; i < p->machine.disks.len; i++) {
		const struct machine_disk *d = &p->machine.disks.at[i];

		snprintf(name, sizeof name, "wherry-%s-disk%u", job, i);
		if (p->there[i])
			item(p, "keep", place, "disk", name, d->size, "the replica, is there already");
		else
			item(p, "create", place, "disk", name, d->size, "the replica, %s, stays",
			     num_format_size(d->size, size));
		if (p->there[i] && p->generation != 0) {
			snprintf(name, sizeof name, "wherry-%s-gen%llu-disk%u", job, (unsigned long long)p->generation, i);
			item(p, "create", place, "snapshot", name, 0, "generation %llu of disk %u, kept until the "
			     "next one", (unsigned long long)p->generation, i);
		}
	}
	if (replica_access_is_direct(&p->x))
		return;
	plan_workers(p, place, "import", "writes", " of the replica", &p->batches.target, p->image[1]);
}

static void plan_read(const struct plan *p)
{
	char size[16];
	uint64_t sum = 0;

	for (size_t i = 0; i < p->machine.disks.len; i++)
		sum += p->machine.disks.at[i].size;
	heading(p, "Read: %s%s", p->why_not == NULL ? "what the source cloud says has changed, at most " : "",
		num_format_size(sum, size));
	item(p, "hints", p->x.source_p->place, NULL, NULL, 0, "%s%s", p->why_not != NULL ? "everything is read: " :
	     "of disks for which the cloud knows what has changed only that is read, and a random sample of the rest",
	     p->why_not != NULL ? p->why_not : "");
	for (size_t i = 0; i < p->machine.disks.len; i++) {
		const struct machine_disk *d = &p->machine.disks.at[i];

		item(p, "read", p->x.source_p->place, "disk", d->name, d->size, "%s%s%s",
		     num_format_size(d->size, size),
		     d->why_not[0] != '\0' ? ", cannot be replicated: " : "", d->why_not);
	}
}

static void plan_sent_of(const struct plan *p, unsigned i)
{
	const struct machine_disk *d = &p->machine.disks.at[i];
	cleanup(cleanup_free) char *path = state_working_path(&p->x.state, p->x.job.name, i);
	uint8_t root[MANIFEST_HASH];
	uint64_t unknown = 0;
	struct err why = ERR_INIT;
	struct manifest *m;
	char size[16];

	if (!p->there[i]) {
		item(p, "send", NULL, "disk", d->name, d->size, "everything but zeros, at most %s",
		     num_format_size(d->size, size));
		return;
	}
	m = access(path, F_OK) == 0 ? manifest_open(path, MANIFEST_READ, &p->x.keys.hash, &why) : NULL;
	if (m == NULL || manifest_root(m, root, &unknown, &why) < 0)
		item(p, "send", NULL, "disk", d->name, 0, "what differs, after the replica was hashed where it is (%s)",
		     why.kind != ERR_NONE ? why.msg : "there is no manifest of it");
	else if (manifest_info(m)->chunk_size != p->x.job.chunk_size)
		item(p, "send", NULL, "disk", d->name, 0, "what differs, after the replica was hashed where it is (the chunk "
		     "size of the job was changed)");
	else if (unknown != 0)
		item(p, "send", NULL, "disk", d->name, unknown * p->x.job.chunk_size,
		     "what differs, and %llu of %llu chunks (%s) of which nothing is known",
		     (unsigned long long)unknown, (unsigned long long)manifest_chunk_count(manifest_info(m)),
		     num_format_size(unknown * manifest_info(m)->chunk_size, size));
	else
		item(p, "send", NULL, "disk", d->name, 0, "what differs from the replica");
	manifest_close(m);
}

static void plan_removed(const struct plan *p)
{
	size_t n = p->machine.disks.len;
	bool kept = p->x.source_p->needs_baseline && p->x.job.use_hints;
	unsigned workers = p->batches.count;
	const char *s = workers == 1 ? "" : "s";

	heading(p, "Removed at the end:");
	char snapshots[48] = "";
	if (!kept || p->generation != 0)
		snprintf(snapshots, sizeof snapshots, "%zu %ssnapshot%s, ", n, kept ? "older " : "", n == 1 ? "" : "s");
	item(p, "remove", p->x.source_p->place, NULL, NULL, 0, "%s%zu cloned disk%s and %u worker%s in %s", snapshots, n,
	     n == 1 ? "" : "s", workers, s, p->x.source_p->place);
	if (replica_access_is_direct(&p->x) && p->generation != 0)
		item(p, "remove", p->x.target_p->place, NULL, NULL, 0, "the snapshots of older generations in %s",
		     p->x.target_p->place);
	if (replica_access_is_direct(&p->x))
		return;
	item(p, "remove", p->x.target_p->place, NULL, NULL, 0, "%u worker%s%s in %s", workers, s,
	     p->generation != 0 ? ", and the snapshots of older generations" : "", p->x.target_p->place);
}

static const char *alias(struct provider *p)
{
	return p->ops->host_alias != NULL ? p->ops->host_alias(p) : NULL;
}

/* Where a place's worker will be seen: user-mode networks forward a port of this host. */
static struct endpoint expected(struct provider *p)
{
	struct endpoint at = {.reach = alias(p) != NULL ? REACH_LOOPBACK : REACH_NETWORK, .port = API_PORT};

	snprintf(at.host, sizeof at.host, "%s", alias(p) != NULL ? "127.0.0.1" : "its-address");
	return at;
}

static void plan_paths(const struct plan *p)
{
	const struct context *x = &p->x;
	struct endpoint source = expected(x->source_p), target = expected(x->target_p);
	struct path_choice choice = {0};
	struct err why = ERR_INIT;
	bool out = x->job.control_path == CONTROL_DIAL_OUT;

	heading(p, "Paths:");
	item(p, "control-path", NULL, NULL, NULL, 0, "control: %s, %s", out ? "dial-out" : "dial-in",
	     out ? "the workers connect to this host" : "this host connects to the workers");
	if (replica_access_is_direct(x))
		item(p, "data-path", NULL, NULL, NULL, 0, "data: the export worker writes to %s itself", x->target_p->place);
	else if (path_choose(x->job.data_path, alias(x->source_p), &source, alias(x->target_p), &target, &choice, &why) < 0)
		item(p, "data-path", NULL, NULL, NULL, 0, "data: %s", why.msg);
	else
		item(p, "data-path", NULL, NULL, NULL, 0, "data: %s (%s): %s, the port may differ",
		     data_path_name(choice.path), x->job.data_path == DATA_AUTO ? "expected" : "as the job says",
		     choice.reason);
}

static void plan_offer(const struct plan *p)
{
	if (!replica_copy_is_possible(p->x.source_p, p->x.target_p))
		return;
	heading(p, "Another way:");
	item(p, "offer", p->x.target_p->place, NULL, NULL, 0, "\"copy\": \"cloud\" among the options lets the cloud itself make the replica from "
	     "the snapshots: no worker, no network, and nothing hashed");
}

/* All of it, where the cloud itself copies. */
static void plan_by_cloud(const struct plan *p)
{
	const char *from = p->x.source_p->place, *to = p->x.target_p->place, *s = p->machine.disks.len == 1 ? "" : "s";
	char name[RES_NAME_SIZE], size[16];

	plan_snapshots(p);
	heading(p, "Created in %s, by the cloud itself:", to);
	for (unsigned i = 0; i < p->machine.disks.len; i++) {
		const struct machine_disk *d = &p->machine.disks.at[i];

		snprintf(name, sizeof name, "wherry-%.40s-disk%u-XXXX", p->x.job.name, i);
		item(p, "create", to, "disk", name, d->size, "the replica's disk of this generation, %s, from that snapshot",
		     num_format_size(d->size, size));
	}
	heading(p, "Removed at the end:");
	item(p, "remove", from, NULL, NULL, 0, "%zu snapshot%s in %s", p->machine.disks.len, s, from);
	if (p->generation != 0)
		item(p, "remove", to, NULL, NULL, 0, "the replica disk%s of generation %llu in %s", s, (unsigned long long)p->generation, to);
	heading(p, "Checked:");
	item(p, "check", NULL, NULL, NULL, 0, "nothing: that the replica holds what the snapshots held is the cloud's word");
}

static void plan_lacks(const struct plan *p)
{
	struct provider *const ends[] = {p->x.source_p, p->x.target_p};

	heading(p, "What the providers lack:");
	for (int i = 0; i < 2; i++) {
		const char *lacks = ends[i]->ops->lacks;

		item(p, "lack", ends[i]->place, NULL, NULL, 0, "%s (%s): %s", i == 0 ? "source" : "target",
		     ends[i]->ops->name, lacks != NULL ? lacks : "nothing");
	}
}

static void plan_by_workers(const struct plan *p)
{
	plan_source(p);
	plan_target(p);
	plan_read(p);
	heading(p, "Sent, %s chunks of %u KiB:", p->x.job.compression != COMPRESSION_NONE ? "compressed" : "plain",
		p->x.job.chunk_size >> 10);
	for (unsigned i = 0; i < p->machine.disks.len; i++)
		plan_sent_of(p, i);
	plan_removed(p);
	plan_paths(p);
	plan_offer(p);
}

static void print(const struct plan *p)
{
	begin(p);
	if (p->x.job.copy == COPY_BY_CLOUD)
		plan_by_cloud(p);
	else
		plan_by_workers(p);
	plan_lacks(p);
	if (!p->c->json)
		puts("\nNothing was created.");
}

int cmd_plan(struct cmd *c, struct err *e)
{
	struct plan *p = mem_alloc(sizeof *p);

	p->c = c;
	int rc = context_open(&p->x, c->args[0], c->state_dir, false, "plan", NULL, c->log, c->cancel, e);
	if (rc == 0) {
		rc = look(p, e);
		if (rc == 0)
			print(p);
		context_close(&p->x);
	}
	machine_fini(&p->machine);
	free(p->promoted);
	free(p);
	return rc;
}
