// SPDX-License-Identifier: Apache-2.0
/* The wrapper round every call of a provider, against a cloud in memory whose inventory is the oracle. */
#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cloud.h"
#include "events_impl.h"
#include "fakes/provider_mem.h"
#include "journal_fixture.h"

struct world {
	char *dir;
	struct mem_cloud *mem;
	struct provider *p;
	struct journal *j;
	struct cloud c;
	struct run run;
	atomic_bool cancel;
};

static void open_world(struct world *w)
{
	struct err e = ERR_INIT;

	w->j = reopen(w->dir, NULL);
	w->p = provider_mem_new(w->mem, NULL);
	w->c = (struct cloud){.p = w->p, .j = w->j, .cancel = &w->cancel, .patience_ns = 20 * NS_PER_S};
	assert_int_equal(journal_place(w->j, "{\"provider\":\"mem\"}", &w->c.place, &e), 0);
	assert_int_equal(journal_run_begin(w->j, "web1", RUN_SYNC, &w->run, &e), 0);
}

static void close_world(struct world *w)
{
	journal_close(w->j);
	provider_close(w->p);
	w->j = NULL;
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	w->dir = temp_make();
	w->mem = mem_cloud_new();
	open_world(w);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	if (w->j != NULL)
		close_world(w);
	mem_cloud_free(w->mem);
	temp_remove(w->dir);
	free(w);
	return 0;
}

static struct cloud_res a_res(const struct world *w, enum res_kind kind, enum res_purpose purpose, const char *what)
{
	struct cloud_res r;

	cloud_ref(&r, kind, purpose, journal_owner(w->j), &w->run, what, 0);
	return r;
}

static int make_disk(struct world *w, struct cloud_res *r, struct err *e)
{
	struct disk_spec spec = {.size = 1 << 20, .logical_sector = 512};

	return cloud_disk_create(&w->c, &spec, r, e);
}

static enum entry_state state_of(struct world *w, const struct cloud_res *r)
{
	struct journal_entry entry;
	struct err e = ERR_INIT;
	bool found;

	assert_int_equal(journal_find_entry(w->j, "web1", r->ref.tags.purpose, r->ref.name, &entry, &found, &e), 0);
	return found ? entry.state : ENTRY_REMOVED;
}

static unsigned sweep(struct world *w, const char *job)
{
	struct err e = ERR_INIT;
	unsigned removed;

	if (cloud_sweep(&w->c, journal_owner(w->j), job, &removed, &e) < 0)
		fail_msg("%s", e.msg);
	return removed;
}

/* ---- Names and single calls ---- */

static void cloud_ref_names_are_unique_but_for_replicas(void **state)
{
	struct world *w = *state;
	struct cloud_res a = a_res(w, RES_DISK, PURPOSE_SCAFFOLD, "clone0"), b = a_res(w, RES_DISK, PURPOSE_SCAFFOLD, "clone0");
	struct cloud_res r = a_res(w, RES_DISK, PURPOSE_REPLICA, "disk0");

	assert_starts(a.ref.name, "wherry-web1-clone0-");
	assert_int_equal(strlen(a.ref.name), strlen("wherry-web1-clone0-0123"));
	assert_string_not_equal(a.ref.name, b.ref.name); /* fails once in 65536 */
	assert_string_equal(r.ref.name, "wherry-web1-disk0");
	assert_string_equal(r.ref.tags.run, w->run.id);
	assert_string_equal(r.ref.tags.owner, journal_owner(w->j));
	assert_int_equal(r.ref.tags.epoch, w->run.epoch);
}

static void cloud_disk_create_is_recorded_with_its_id(void **state)
{
	struct world *w = *state;
	struct cloud_res r = a_res(w, RES_DISK, PURPOSE_SCAFFOLD, "x");
	struct err e = ERR_INIT;

	assert_int_equal(make_disk(w, &r, &e), 0);
	assert_string_not_equal(r.ref.id, "");
	assert_int_equal(state_of(w, &r), ENTRY_CREATED);
	assert_string_equal(mem_cloud_get(w->mem, r.ref.name)->ref.tags.run, w->run.id);
	assert_int_equal(cloud_remove(&w->c, &r, &e), 0);
	assert_int_equal(state_of(w, &r), ENTRY_REMOVED);
	assert_int_equal(cloud_remove(&w->c, &r, &e), 0); /* safe to repeat */
	assert_int_equal(mem_cloud_count(w->mem, -1), 0);
}

static void cloud_disk_create_lost_replies_make_one_disk(void **state)
{
	struct world *w = *state;
	struct cloud_res r = a_res(w, RES_DISK, PURPOSE_SCAFFOLD, "x");
	struct err e = ERR_INIT;

	mem_cloud_fault(w->mem, MEM_DISK_CREATE, MEM_AFTER, ERR_NETWORK, 0, 2);
	mem_cloud_fault(w->mem, MEM_DISK_CREATE, MEM_BEFORE, ERR_TIMEOUT, 2, 1);
	assert_int_equal(make_disk(w, &r, &e), 0);
	assert_int_equal(e.kind, ERR_NONE);
	assert_int_equal(w->mem->calls[MEM_DISK_CREATE], 4);
	assert_int_equal(mem_cloud_count(w->mem, -1), 1);
	assert_int_equal(state_of(w, &r), ENTRY_CREATED);
}

static void cloud_disk_create_out_of_patience_says_so(void **state)
{
	struct world *w = *state;
	struct cloud_res r = a_res(w, RES_DISK, PURPOSE_SCAFFOLD, "x");
	struct err e = ERR_INIT;

	w->c.patience_ns = NS_PER_S / 4;
	mem_cloud_fault(w->mem, MEM_DISK_CREATE, MEM_BEFORE, ERR_NETWORK, 0, 1000);
	assert_int_equal(make_disk(w, &r, &e), -1);
	assert_int_equal(e.kind, ERR_NETWORK);
	assert_has(e.msg, "gave up after");
	assert_int_equal(state_of(w, &r), ENTRY_INTENDED);
}

static void cloud_disk_create_refused_is_not_repeated(void **state)
{
	struct world *w = *state;
	struct cloud_res r = a_res(w, RES_DISK, PURPOSE_SCAFFOLD, "x");
	struct err e = ERR_INIT;

	mem_cloud_fault(w->mem, MEM_DISK_CREATE, MEM_BEFORE, ERR_NO_SPACE, 0, 1);
	assert_int_equal(make_disk(w, &r, &e), -1);
	assert_int_equal(e.kind, ERR_NO_SPACE);
	assert_int_equal(w->mem->calls[MEM_DISK_CREATE], 1);
	assert_int_equal(state_of(w, &r), ENTRY_INTENDED);
	assert_int_equal(sweep(w, "web1"), 0);
	assert_int_equal(state_of(w, &r), ENTRY_REMOVED);
}

static void cloud_disk_create_interrupted_makes_nothing(void **state)
{
	struct world *w = *state;
	struct cloud_res r = a_res(w, RES_DISK, PURPOSE_SCAFFOLD, "x");
	struct err e = ERR_INIT;

	atomic_store(&w->cancel, true);
	assert_int_equal(make_disk(w, &r, &e), -1);
	assert_int_equal(e.kind, ERR_CANCELED);
	assert_int_equal(w->mem->calls[MEM_DISK_CREATE], 0);
	assert_int_equal(alive(w->j, NULL), 0);
	/* Waiting between tries is interrupted, too: what was begun by then is still removable. */
	atomic_store(&w->cancel, false);
	e = (struct err)ERR_INIT;
	assert_int_equal(make_disk(w, &r, &e), 0);
	atomic_store(&w->cancel, true);
	assert_int_equal(cloud_remove(&w->c, &r, &e), 0);
	assert_int_equal(mem_cloud_count(w->mem, -1), 0);
}

static void cloud_disk_create_journal_full_no_call_is_made(void **state)
{
	struct world *w = *state;
	struct rlimit limit = {1, 1};
	struct err e = ERR_INIT;
	int status;

	close_world(w);
	pid_t pid = fork();
	if (pid == 0) {
		open_world(w);
		struct cloud_res r = a_res(w, RES_DISK, PURPOSE_SCAFFOLD, "x");
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		_exit(make_disk(w, &r, &e) == -1 && e.kind == ERR_NO_SPACE ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(w->mem->calls[MEM_DISK_CREATE], 0);
}

/* Status of the child: 0 when the disk went, 1 when NO_SPACE kept it, 2 otherwise. */
static int remove_with_full_journal(struct world *w, enum res_purpose purpose, uint64_t generation)
{
	struct rlimit limit = {1, 1};
	struct err e = ERR_INIT;

	open_world(w);
	struct cloud_res r = a_res(w, RES_DISK, purpose, "x");
	r.ref.tags.generation = generation;
	if (make_disk(w, &r, &e) < 0)
		return 2;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	int rc = cloud_remove(&w->c, &r, &e);
	int left = mem_cloud_count(w->mem, -1);

	return rc == 0 && left == 0 ? 0 : rc < 0 && e.kind == ERR_NO_SPACE && left == 1 ? 1 : 2;
}

static void cloud_remove_journal_full_takes_only_what_is_not_kept(void **state)
{
	static const struct {
		enum res_purpose purpose;
		uint64_t generation;
		int status;
	} cases[] = {
		{PURPOSE_SCAFFOLD, 0, 0}, {PURPOSE_REPLICA, 0, 0}, {PURPOSE_REPLICA, 1, 1}, {PURPOSE_TARGET, 0, 1},
	};
	struct world *w = *state;
	int status;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		if (w->j != NULL)
			close_world(w);
		mem_cloud_free(w->mem);
		w->mem = mem_cloud_new();
		pid_t pid = fork();
		if (pid == 0)
			_exit(remove_with_full_journal(w, cases[i].purpose, cases[i].generation));
		waitpid(pid, &status, 0);
		assert_true(WIFEXITED(status));
		if (WEXITSTATUS(status) != cases[i].status)
			fail_msg("case %zu: %d instead of %d", i, WEXITSTATUS(status), cases[i].status);
	}
}

static void cloud_wait_ready_each_state(void **state)
{
	struct world *w = *state;
	struct cloud_res r = a_res(w, RES_DISK, PURPOSE_SCAFFOLD, "x");
	struct err e = ERR_INIT;

	w->mem->new_pending = 2;
	w->mem->new_hidden = 1;
	mem_cloud_fault(w->mem, MEM_POLL, MEM_BEFORE, ERR_NETWORK, 1, 1);
	assert_int_equal(make_disk(w, &r, &e), 0);
	assert_int_equal(cloud_wait_ready(&w->c, &r.ref, &e), 0);
	mem_cloud_get(w->mem, r.ref.name)->pending = 1000;
	snprintf(w->p->seen, sizeof w->p->seen, "growing");
	w->c.resource_ns = NS_PER_S / 5;
	assert_int_equal(cloud_wait_ready(&w->c, &r.ref, &e), -1);
	assert_int_equal(e.kind, ERR_TIMEOUT);
	assert_has(e.msg, r.ref.name);
	assert_has(e.msg, "has been \"growing\" in ");
	assert_has(e.msg, " since 20");
	assert_has(e.msg, "raise \"resource_timeout_seconds\"");
	mem_cloud_get(w->mem, r.ref.name)->pending = 0;
	mem_cloud_get(w->mem, r.ref.name)->failed = true;
	assert_int_equal(cloud_wait_ready(&w->c, &r.ref, &e), -1);
	assert_int_equal(e.kind, ERR_IO);
	assert_has(e.msg, "broke");
}

static void cloud_retry_waits_as_long_as_the_cloud_asked(void **state)
{
	struct world *w = *state;
	struct cloud_res r = a_res(w, RES_DISK, PURPOSE_SCAFFOLD, "x");
	struct err e = ERR_INIT;

	w->p->not_before_ns = clock_mono_ns() + NS_PER_S / 2;
	mem_cloud_fault(w->mem, MEM_DISK_CREATE, MEM_BEFORE, ERR_NETWORK, 0, 1);
	assert_int_equal(make_disk(w, &r, &e), 0);
	assert_true(clock_mono_ns() >= w->p->not_before_ns);
}

static void cloud_replica_lock_waits_only_for_what_the_driver_expects_to_end(void **state)
{
	struct world *w = *state;
	struct cloud_res r = a_res(w, RES_DISK, PURPOSE_REPLICA, "disk0");
	struct err e = ERR_INIT;

	mem_cloud_fault(w->mem, MEM_LOCK, MEM_BEFORE, ERR_BUSY, 0, 2);
	assert_int_equal(cloud_replica_lock(&w->c, &r.ref, "me", &e), -1);
	assert_int_equal(e.kind, ERR_BUSY);
	assert_int_equal(w->mem->calls[MEM_LOCK], 1);
	e = (struct err)ERR_INIT;
	w->p->not_before_ns = clock_mono_ns() + NS_PER_S / 2;
	assert_int_equal(cloud_replica_lock(&w->c, &r.ref, "me", &e), 0);
	assert_int_equal(w->mem->calls[MEM_LOCK], 3);
	assert_true(clock_mono_ns() >= w->p->not_before_ns);
}

static void cloud_claim_lost_reply_is_ours_anothers_is_busy(void **state)
{
	struct world *w = *state;
	struct cloud_res r = a_res(w, RES_DISK, PURPOSE_REPLICA, "disk0");
	struct err e = ERR_INIT;

	assert_int_equal(make_disk(w, &r, &e), 0);
	struct res_tags set = r.ref.tags;
	set.epoch = 9;
	set.dirty = true;
	mem_cloud_fault(w->mem, MEM_CLAIM, MEM_AFTER, ERR_TIMEOUT, 0, 1);
	assert_int_equal(cloud_claim(&w->c, &r, &set, &e), 0);
	assert_int_equal(r.ref.tags.epoch, 9);
	assert_int_equal(mem_cloud_get(w->mem, r.ref.name)->ref.tags.epoch, 9);
	mem_cloud_get(w->mem, r.ref.name)->ref.tags.epoch = 10; /* another controller */
	set.epoch = 11;
	assert_int_equal(cloud_claim(&w->c, &r, &set, &e), -1);
	assert_int_equal(e.kind, ERR_BUSY);
	assert_int_equal(mem_cloud_get(w->mem, r.ref.name)->ref.tags.epoch, 10);
}

static void cloud_remove_refused_and_slow_is_waited_for(void **state)
{
	struct world *w = *state;
	struct cloud_res r = a_res(w, RES_DISK, PURPOSE_SCAFFOLD, "x");
	struct err e = ERR_INIT;

	w->mem->new_refusals = 2;
	w->mem->new_pending = 1;
	assert_int_equal(make_disk(w, &r, &e), 0);
	mem_cloud_fault(w->mem, MEM_REMOVE, MEM_AFTER, ERR_NETWORK, 2, 1);
	assert_int_equal(cloud_remove(&w->c, &r, &e), 0);
	assert_int_equal(e.kind, ERR_NONE);
	assert_int_equal(mem_cloud_count(w->mem, -1), 0);
	assert_int_equal(state_of(w, &r), ENTRY_REMOVED);
}

static void cloud_remove_for_ever_refused_stays_in_the_journal(void **state)
{
	struct world *w = *state;
	struct cloud_res r = a_res(w, RES_DISK, PURPOSE_SCAFFOLD, "x");
	struct err e = ERR_INIT;

	w->mem->new_refusals = 1000;
	w->c.patience_ns = NS_PER_S / 4;
	assert_int_equal(make_disk(w, &r, &e), 0);
	assert_int_equal(cloud_remove(&w->c, &r, &e), -1);
	assert_int_equal(e.kind, ERR_BUSY);
	assert_has(e.msg, "removing disk wherry-web1-x");
	assert_int_equal(state_of(w, &r), ENTRY_REMOVING);
	mem_cloud_get(w->mem, r.ref.name)->refusals = 0;
	assert_int_equal(sweep(w, "web1"), 1);
	assert_int_equal(mem_cloud_count(w->mem, -1), 0);
}

static void cloud_remove_accepted_waits_beyond_the_patience(void **state)
{
	struct world *w = *state;
	struct cloud_res r = a_res(w, RES_DISK, PURPOSE_SCAFFOLD, "x");
	struct err e = ERR_INIT;

	assert_int_equal(make_disk(w, &r, &e), 0);
	w->c.patience_ns = 1; /* no second call of anything that fails */
	w->c.resource_ns = 60 * NS_PER_S;
	w->mem->new_pending = 3;
	assert_int_equal(cloud_remove(&w->c, &r, &e), 0);
	assert_int_equal(w->mem->calls[MEM_REMOVE], 1);
	assert_int_equal(mem_cloud_count(w->mem, -1), 0);
}

static void cloud_wait_see_long_wait_tells_each_word_once(void **state)
{
	struct world *w = *state;
	struct cloud_res r = a_res(w, RES_SNAPSHOT, PURPOSE_SCAFFOLD, "x");
	cleanup(cleanup_free) char *text = NULL;
	size_t size;
	FILE *talk = open_memstream(&text, &size);
	struct cloud_wait wait = cloud_wait_begin(&w->c, &r.ref);

	w->c.events = events_new_on(&events_plain_ops, "web1", talk, talk, clock_mono_ns, clock_wall_ns);
	snprintf(w->p->seen, sizeof w->p->seen, "creating");
	cloud_wait_see(&w->c, &wait);
	fflush(talk);
	assert_int_equal(size, 0); /* it has only begun */
	wait.begin -= 60 * NS_PER_S;
	cloud_wait_see(&w->c, &wait);
	cloud_wait_see(&w->c, &wait);
	snprintf(w->p->seen, sizeof w->p->seen, "uploading");
	cloud_wait_see(&w->c, &wait);
	events_free(w->c.events);
	fclose(talk);
	const char *first = strstr(text, " is \"creating\" in "), *second = strstr(text, " is \"uploading\" in ");
	assert_true(first != NULL && second != NULL);
	assert_null(strstr(first + strlen(" is \""), "\"creating\""));
}

/* ---- Clean-up ---- */

static void cloud_sweep_order_is_by_kind(void **state)
{
	struct world *w = *state;
	struct machine m = {0};
	struct cloud_res snaps[2] = {a_res(w, RES_SNAPSHOT, PURPOSE_SCAFFOLD, "snap0"),
				     a_res(w, RES_SNAPSHOT, PURPOSE_SCAFFOLD, "snap1")};
	struct cloud_res disk = a_res(w, RES_DISK, PURPOSE_SCAFFOLD, "clone0");
	struct cloud_res worker = a_res(w, RES_WORKER, PURPOSE_SCAFFOLD, "export");
	static const unsigned want[] = {RES_WORKER, RES_DISK, RES_SNAPSHOT, RES_SNAPSHOT};
	struct worker_spec spec = {0};
	struct err e = ERR_INIT;

	assert_int_equal(w->p->ops->machine_get(w->p, "web1", &m, &e), 0);
	assert_int_equal(cloud_snapshot_machine(&w->c, &m, snaps, 2, &e), 0);
	assert_int_equal(make_disk(w, &disk, &e), 0);
	assert_int_equal(cloud_worker_create(&w->c, &spec, &worker, &e), 0);
	assert_int_equal(sweep(w, "web1"), 4);
	assert_int_equal(w->mem->removals, 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(w->mem->removal_order[i], want[i]);
	assert_int_equal(alive(w->j, NULL), 0);
	machine_fini(&m);
}

static void cloud_sweep_keeps_what_is_not_scaffold_or_not_ours(void **state)
{
	struct world *w = *state;
	static const enum res_purpose kept[] = {PURPOSE_REPLICA, PURPOSE_GENERATION, PURPOSE_BASELINE, PURPOSE_TARGET};
	struct cloud_res theirs = a_res(w, RES_DISK, PURPOSE_SCAFFOLD, "theirs");
	struct cloud_res other_job = a_res(w, RES_DISK, PURPOSE_SCAFFOLD, "otherjob");
	struct generation_disk generation = {.source_disk = "a", .size = 1, .chunk_size = 1, .sector_size = 512};
	struct err e = ERR_INIT;

	for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
		struct cloud_res r = a_res(w, RES_DISK, kept[i], res_purpose_name(kept[i]));

		assert_int_equal(make_disk(w, &r, &e), 0);
		if (kept[i] == PURPOSE_BASELINE)
			snprintf(generation.baseline, sizeof generation.baseline, "%s", r.ref.id);
	}
	assert_int_equal(journal_commit(w->j, "web1", w->run.id, 1, false, &generation, 1, "{}", &e), 0);
	snprintf(theirs.ref.tags.owner, sizeof theirs.ref.tags.owner, "somebody else");
	snprintf(other_job.ref.tags.job, sizeof other_job.ref.tags.job, "db7");
	mem_cloud_add(w->mem, &theirs.ref);
	mem_cloud_add(w->mem, &other_job.ref);
	assert_int_equal(sweep(w, "web1"), 0);
	assert_int_equal(mem_cloud_count(w->mem, -1), 6);
	assert_int_equal(alive(w->j, "web1"), 4);
	assert_int_equal(sweep(w, NULL), 1); /* any job of ours */
	assert_null(mem_cloud_get(w->mem, other_job.ref.name));
	assert_non_null(mem_cloud_get(w->mem, theirs.ref.name));
}

/* A run that died, or a newer generation: nobody will ask what changed since that snapshot. */
static void cloud_sweep_removes_baselines_of_no_generation(void **state)
{
	struct world *w = *state;
	struct cloud_res r = a_res(w, RES_DISK, PURPOSE_BASELINE, "old");

	assert_int_equal(make_disk(w, &r, &(struct err)ERR_INIT), 0);
	assert_int_equal(sweep(w, "web1"), 1);
	assert_null(mem_cloud_get(w->mem, r.ref.name));
}

static void cloud_sweep_found_only_by_tag_is_removed(void **state)
{
	struct world *w = *state;
	struct cloud_res r = a_res(w, RES_WORKER, PURPOSE_SCAFFOLD, "lost");

	mem_cloud_add(w->mem, &r.ref);
	assert_int_equal(sweep(w, "web1"), 1);
	assert_int_equal(mem_cloud_count(w->mem, -1), 0);
}

static void cloud_sweep_name_taken_by_another_is_untouched(void **state)
{
	struct world *w = *state;
	struct cloud_res r = a_res(w, RES_DISK, PURPOSE_SCAFFOLD, "x");
	struct cloud_res theirs = r;
	struct err e = ERR_INIT;

	snprintf(theirs.ref.tags.owner, sizeof theirs.ref.tags.owner, "somebody else");
	mem_cloud_add(w->mem, &theirs.ref);
	assert_int_equal(make_disk(w, &r, &e), -1);
	assert_int_equal(e.kind, ERR_BUSY);
	struct cloud_res again = r;
	assert_int_equal(cloud_remove(&w->c, &again, &e), 0);
	assert_int_equal(mem_cloud_count(w->mem, -1), 1);
	assert_int_equal(sweep(w, "web1"), 0);
	assert_int_equal(mem_cloud_count(w->mem, -1), 1);
	assert_int_equal(alive(w->j, NULL), 0);
}

static void cloud_sweep_name_recreated_by_another_is_untouched(void **state)
{
	struct world *w = *state;
	struct cloud_res r = a_res(w, RES_DISK, PURPOSE_SCAFFOLD, "x");
	struct err e = ERR_INIT;

	assert_int_equal(make_disk(w, &r, &e), 0);
	snprintf(mem_cloud_get(w->mem, r.ref.name)->ref.tags.owner, 40, "somebody else");
	sweep(w, "web1");
	assert_int_equal(mem_cloud_count(w->mem, -1), 1);
	assert_int_equal(alive(w->j, NULL), 0);
}

static void cloud_sweep_late_appearing_is_found(void **state)
{
	struct world *w = *state;
	struct cloud_res r = a_res(w, RES_DISK, PURPOSE_SCAFFOLD, "x");
	struct err e = ERR_INIT;

	w->mem->new_hidden = 2;
	mem_cloud_fault(w->mem, MEM_DISK_CREATE, MEM_AFTER, ERR_IO, 0, 1);
	assert_int_equal(make_disk(w, &r, &e), -1);
	assert_int_equal(mem_cloud_count(w->mem, -1), 1);
	assert_int_equal(sweep(w, "web1"), 1);
	assert_int_equal(mem_cloud_count(w->mem, -1), 0);
}

static void cloud_sweep_open_intent_of_a_replica_is_adopted(void **state)
{
	struct world *w = *state;
	struct cloud_res made = a_res(w, RES_DISK, PURPOSE_REPLICA, "disk0"), not_made = a_res(w, RES_DISK, PURPOSE_REPLICA, "disk1");
	struct err e = ERR_INIT;

	mem_cloud_fault(w->mem, MEM_DISK_CREATE, MEM_AFTER, ERR_IO, 0, 1);
	assert_int_equal(make_disk(w, &made, &e), -1);
	mem_cloud_fault(w->mem, MEM_DISK_CREATE, MEM_BEFORE, ERR_IO, 0, 1);
	assert_int_equal(make_disk(w, &not_made, &e), -1);
	assert_int_equal(sweep(w, "web1"), 0);
	assert_int_equal(state_of(w, &made), ENTRY_CREATED);
	assert_int_equal(state_of(w, &not_made), ENTRY_REMOVED);
	assert_int_equal(mem_cloud_count(w->mem, PURPOSE_REPLICA), 1);
}

static void cloud_sweep_goes_on_after_an_error(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	unsigned removed;

	for (int i = 0; i < 4; i++) {
		struct cloud_res r = a_res(w, RES_DISK, PURPOSE_SCAFFOLD, "x");

		assert_int_equal(make_disk(w, &r, &e), 0);
	}
	mem_cloud_fault(w->mem, MEM_REMOVE, MEM_BEFORE, ERR_DENIED, 1, 1);
	assert_int_equal(cloud_sweep(&w->c, journal_owner(w->j), "web1", &removed, &e), -1);
	assert_int_equal(e.kind, ERR_DENIED);
	assert_int_equal(removed, 3);
	assert_int_equal(mem_cloud_count(w->mem, -1), 1);
	assert_int_equal(sweep(w, "web1"), 1);
	assert_int_equal(mem_cloud_count(w->mem, -1), 0);
}

static void cloud_sweep_blind_removes_what_the_journal_knows(void **state)
{
	struct world *w = *state;
	struct cloud_res known = a_res(w, RES_DISK, PURPOSE_SCAFFOLD, "x"), open = a_res(w, RES_DISK, PURPOSE_SCAFFOLD, "y");
	struct err e = ERR_INIT;
	unsigned removed;

	assert_int_equal(make_disk(w, &known, &e), 0);
	mem_cloud_fault(w->mem, MEM_DISK_CREATE, MEM_AFTER, ERR_IO, 0, 1);
	assert_int_equal(make_disk(w, &open, &e), -1);
	mem_cloud_fault(w->mem, MEM_FIND, MEM_BEFORE, ERR_DENIED, 0, 1);
	assert_int_equal(cloud_sweep(&w->c, journal_owner(w->j), "web1", &removed, &e), -1);
	assert_int_equal(e.kind, ERR_DENIED);
	assert_int_equal(removed, 1);
	assert_int_equal(state_of(w, &open), ENTRY_INTENDED);
	assert_int_equal(sweep(w, "web1"), 1);
	assert_int_equal(mem_cloud_count(w->mem, -1), 0);
}

/* ---- The client dies in mid-call, for every call ---- */

static void a_whole_run(struct world *w)
{
	struct machine m = {0};
	struct err e = ERR_INIT;
	struct worker_spec spec = {0};

	open_world(w);
	struct cloud_res snaps[2] = {a_res(w, RES_SNAPSHOT, PURPOSE_SCAFFOLD, "snap0"),
				     a_res(w, RES_SNAPSHOT, PURPOSE_SCAFFOLD, "snap1")};
	struct cloud_res clone = a_res(w, RES_DISK, PURPOSE_SCAFFOLD, "clone0"), disk = a_res(w, RES_DISK, PURPOSE_REPLICA, "disk0");
	struct cloud_res worker = a_res(w, RES_WORKER, PURPOSE_SCAFFOLD, "export"), gen = a_res(w, RES_SNAPSHOT, PURPOSE_GENERATION, "gen");
	struct res_tags set = disk.ref.tags;

	set.dirty = true;
	if (w->p->ops->machine_get(w->p, "web1", &m, &e) < 0 || cloud_snapshot_machine(&w->c, &m, snaps, 2, &e) < 0 ||
	    make_disk(w, &clone, &e) < 0 || make_disk(w, &disk, &e) < 0 ||
	    cloud_snapshot_disk(&w->c, &disk.ref, &gen, &e) < 0 || cloud_worker_create(&w->c, &spec, &worker, &e) < 0 ||
	    cloud_claim(&w->c, &disk, &set, &e) < 0 || cloud_remove(&w->c, &worker, &e) < 0 ||
	    cloud_remove(&w->c, &clone, &e) < 0 || cloud_remove(&w->c, &snaps[0], &e) < 0 ||
	    cloud_remove(&w->c, &snaps[1], &e) < 0)
		_exit(1);
	_exit(0);
}

static void cloud_killed_in_every_call_leaves_nothing(void **state)
{
	static const struct {
		enum mem_call call;
		unsigned skip;
	} calls[] = {
		{MEM_SNAPSHOT_MACHINE, 0}, {MEM_DISK_CREATE, 0}, {MEM_DISK_CREATE, 1}, {MEM_SNAPSHOT_DISK, 0},
		{MEM_WORKER_CREATE, 0},    {MEM_CLAIM, 0},       {MEM_REMOVE, 0},      {MEM_REMOVE, 1},
		{MEM_REMOVE, 3},           {MEM_POLL, 0},        {MEM_POLL, 3},
	};
	struct world *w = *state;

	close_world(w);
	for (size_t i = 0; i < 2 * sizeof calls / sizeof calls[0]; i++) {
		int status;

		memset(w->mem->items, 0, sizeof w->mem->items);
		w->mem->fault_count = 0;
		mem_cloud_fault(w->mem, calls[i / 2].call, i % 2 == 0 ? MEM_KILL_BEFORE : MEM_KILL_AFTER, ERR_NONE,
				calls[i / 2].skip, 1);
		temp_remove(w->dir);
		w->dir = temp_make();
		pid_t pid = fork();
		if (pid == 0)
			a_whole_run(w);
		waitpid(pid, &status, 0);
		if (!WIFSIGNALED(status))
			fail_msg("case %zu: not killed", i);
		open_world(w);
		sweep(w, "web1");
		/* The oracle is the cloud's inventory; the journal must agree with it. */
		if (mem_cloud_count(w->mem, PURPOSE_SCAFFOLD) != 0)
			fail_msg("case %zu: scaffold is left", i);
		if (alive(w->j, NULL) != mem_cloud_count(w->mem, -1))
			fail_msg("case %zu: the journal knows of %u, the cloud has %u", i, alive(w->j, NULL),
				 mem_cloud_count(w->mem, -1));
		close_world(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(cloud_ref_names_are_unique_but_for_replicas, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cloud_disk_create_is_recorded_with_its_id, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cloud_disk_create_lost_replies_make_one_disk, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cloud_disk_create_out_of_patience_says_so, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cloud_disk_create_refused_is_not_repeated, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cloud_disk_create_interrupted_makes_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cloud_disk_create_journal_full_no_call_is_made, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cloud_wait_ready_each_state, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cloud_remove_accepted_waits_beyond_the_patience, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cloud_wait_see_long_wait_tells_each_word_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cloud_retry_waits_as_long_as_the_cloud_asked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cloud_replica_lock_waits_only_for_what_the_driver_expects_to_end, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(cloud_claim_lost_reply_is_ours_anothers_is_busy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cloud_remove_refused_and_slow_is_waited_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cloud_remove_for_ever_refused_stays_in_the_journal, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cloud_remove_journal_full_takes_only_what_is_not_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cloud_sweep_order_is_by_kind, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cloud_sweep_keeps_what_is_not_scaffold_or_not_ours, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cloud_sweep_removes_baselines_of_no_generation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cloud_sweep_found_only_by_tag_is_removed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cloud_sweep_name_taken_by_another_is_untouched, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cloud_sweep_name_recreated_by_another_is_untouched, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cloud_sweep_late_appearing_is_found, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cloud_sweep_open_intent_of_a_replica_is_adopted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cloud_sweep_goes_on_after_an_error, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cloud_sweep_blind_removes_what_the_journal_knows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cloud_killed_in_every_call_leaves_nothing, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
