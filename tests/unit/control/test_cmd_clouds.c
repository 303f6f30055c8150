// SPDX-License-Identifier: Apache-2.0
/* The commands that look at clouds and clean them up, run on two clouds in memory; their output is what is tested. */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "cloud.h"
#include "commands.h"
#include "fakes/provider_mem.h"
#include "replicate.h"

/* "a" and "b" in blocks; a provider's open() gets no context, so these are known by name. */
static struct mem_cloud *cloud_a, *cloud_b;

static struct provider *open_named(struct json_at *block, const struct log *log, struct err *e)
{
	const char *name = json_string(block, "cloud", JSON_REQUIRED, "");

	json_no_more(block);
	if (strcmp(name, "gone") == 0) {
		err_set(e, ERR_NOT_FOUND, 0, "there is no cloud \"gone\"");
		return NULL;
	}
	struct provider *p = provider_mem_new(strcmp(name, "a") == 0 ? cloud_a : cloud_b, log);
	snprintf(p->place, sizeof p->place, "memory cloud %s", name);
	p->ops = provider_table[0];
	return p;
}

static struct provider_ops named_ops;
const struct provider_ops *const provider_table[] = {&named_ops, NULL};

struct world {
	char *dir, *state, *job, *out;
	atomic_bool cancel;
	struct log log;
	struct cmd c;
	char *text;
};

/* A job from cloud a; target: the keys of its block that follow "provider". */
static void write_job(const struct world *w, const char *target)
{
	char *text = mem_printf("{\"job\":\"web1\",\"source\":{\"provider\":\"mem\",\"cloud\":\"a\",\"machine\":\"web1\"},"
				"\"target\":{\"provider\":\"mem\",%s}}", target);

	temp_write(w->job, text, strlen(text));
	free(text);
}

static int set_up(void **state)
{
	struct world *w = mem_alloc(sizeof *w);

	named_ops = provider_mem_ops;
	named_ops.open = open_named;
	cloud_a = mem_cloud_new();
	cloud_b = mem_cloud_new();
	snprintf(cloud_b->machine, sizeof cloud_b->machine, "other");
	w->dir = temp_make();
	w->state = mem_printf("%s/state", w->dir);
	w->job = mem_printf("%s/web1.json", w->dir);
	w->out = mem_printf("%s/out", w->dir);
	w->log = (struct log){.fd = -1, .level = LOG_ERROR, .name = "test"};
	write_job(w, "\"cloud\":\"b\"");
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	mem_cloud_free(cloud_a);
	mem_cloud_free(cloud_b);
	temp_remove(w->dir);
	free(w->state);
	free(w->job);
	free(w->out);
	free(w->text);
	free(w);
	return 0;
}

/* Runs a command line; what it wrote to stdout is in w->text. */
static int run(struct world *w, const char *line, struct err *e)
{
	char words[8][128], *argv[8];
	int argc = 0, out, real;
	char text[16384];

	for (const char *p = line; *p != '\0'; argc++) {
		size_t n = strcspn(p, " ");

		snprintf(words[argc], sizeof words[argc], "%.*s", (int)n, strncmp(p, "JOB", n) == 0 ? w->job : p);
		if (strncmp(p, "JOB", n) == 0)
			snprintf(words[argc], sizeof words[argc], "%s", w->job);
		argv[argc] = words[argc];
		p += n;
		p += strspn(p, " ");
	}
	w->c = (struct cmd){.log = &w->log, .cancel = &w->cancel};
	*e = (struct err)ERR_INIT;
	assert_int_equal(cmd_parse(argc, argv, &w->c, e), 0);
	w->c.state_dir = w->state;
	fflush(stdout);
	out = open(w->out, O_RDWR | O_CREAT | O_TRUNC, 0600);
	real = dup(STDOUT_FILENO);
	dup2(out, STDOUT_FILENO);
	int rc = w->c.command->run(&w->c, e);
	fflush(stdout);
	dup2(real, STDOUT_FILENO);
	close(real);
	ssize_t n = pread(out, text, sizeof text - 1, 0);
	close(out);
	text[n > 0 ? n : 0] = '\0';
	free(w->text);
	w->text = mem_strdup(text);
	return rc;
}

/* A run that died: scaffold in both clouds, a replica, a generation snapshot, an intent whose outcome is not known. */
static void die(struct world *w, bool committed)
{
	struct context *x = mem_alloc(sizeof *x);
	struct disk_spec spec = {.size = 1 << 20, .logical_sector = 512};
	struct generation_disk disk = {.size = 1 << 20};
	struct worker_spec worker = {0};
	struct cloud_res r;
	struct err e = ERR_INIT;
	struct run run;

	if (context_open(x, w->job, w->state, true, "sync", NULL, &w->log, &w->cancel, &e) < 0)
		fail_msg("%s", e.msg);
	const char *owner = journal_owner(x->journal);
	assert_int_equal(journal_run_begin(x->journal, "web1", RUN_SYNC, &run, &e), 0);
	assert_int_equal(journal_run_state(x->journal, &run, RUN_WRITING, &e), 0);
	cloud_ref(&r, RES_DISK, PURPOSE_SCAFFOLD, owner, &run, "clone0", 0);
	assert_int_equal(cloud_disk_create(&x->source, &spec, &r, &e), 0);
	cloud_ref(&r, RES_WORKER, PURPOSE_SCAFFOLD, owner, &run, "import", 0);
	assert_int_equal(cloud_worker_create(&x->target, &worker, &r, &e), 0);
	cloud_ref(&r, RES_DISK, PURPOSE_REPLICA, owner, &run, "disk0", 0);
	r.ref.tags.dirty = !committed;
	r.ref.tags.generation = committed;
	assert_int_equal(cloud_disk_create(&x->target, &spec, &r, &e), 0);
	struct res_ref replica = r.ref;
	cloud_ref(&r, RES_SNAPSHOT, PURPOSE_GENERATION, owner, &run, "gen", 0);
	assert_int_equal(cloud_snapshot_disk(&x->target, &replica, &r, &e), 0);
	mem_cloud_fault(cloud_a, MEM_WORKER_CREATE, MEM_AFTER, ERR_IO, 0, 1);
	cloud_ref(&r, RES_WORKER, PURPOSE_SCAFFOLD, owner, &run, "export", 0);
	assert_int_equal(cloud_worker_create(&x->source, &worker, &r, &e), -1);
	if (committed)
		assert_int_equal(journal_commit(x->journal, "web1", run.id, 1, false, &disk, 1, "{}", &e), 0);
	char *manifest = state_generation_path(&x->state, "web1", 0, 1);
	temp_write(manifest, "x", 1);
	free(manifest);
	/* A thing of ours that the journal does not know, and a stranger's. */
	cloud_ref(&r, RES_DISK, PURPOSE_SCAFFOLD, owner, &run, "forgotten", 0);
	mem_cloud_add(cloud_b, &r.ref);
	cloud_ref(&r, RES_DISK, PURPOSE_SCAFFOLD, "somebody else", &run, "theirs", 0);
	mem_cloud_add(cloud_b, &r.ref);
	context_close(x);
	free(x);
}

static void validate_good_job_is_ready(void **state)
{
	struct world *w = *state;
	struct err e;

	assert_int_equal(run(w, "validate JOB", &e), 0);
	assert_has(w->text, "web1: ready: 0 errors, 0 warnings, 0 not checked\n");
}

static void validate_all_findings_are_shown(void **state)
{
	struct world *w = *state;
	struct err e;

	cloud_b->complains = true;
	snprintf(cloud_a->machine, sizeof cloud_a->machine, "other");
	assert_int_equal(run(w, "validate JOB", &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_true(w->c.reported);
	assert_has(w->text, "error: source: memory cloud a has no machine web1\n");
	assert_has(w->text, "not checked: what depends on the machine");
	snprintf(cloud_a->machine, sizeof cloud_a->machine, "web1");
	assert_int_equal(run(w, "validate --json JOB", &e), -1);
	assert_int_equal(e.kind, ERR_NO_SPACE);
	assert_has(w->text, "{\"event\":\"finding\",\"level\":\"warning\",\"kind\":\"none\",\"where\":\"target\",\"text\":\"the memory "
		   "cloud is slow\"}\n");
	assert_has(w->text, "\"level\":\"not-checked\"");
	assert_has(w->text, "{\"event\":\"validated\",\"job\":\"web1\",\"errors\":1,\"warnings\":1,\"not_checked\":1}\n");
}

/* promote would refuse, on the worst of days. */
static void validate_name_that_is_taken_warns(void **state)
{
	struct world *w = *state;
	struct err e;

	snprintf(cloud_b->machine, sizeof cloud_b->machine, "web1");
	assert_int_equal(run(w, "validate JOB", &e), 0);
	assert_has(w->text, "warning: target: there is a machine web1 already");
	write_job(w, "\"cloud\":\"b\",\"machine\":\"web2\"");
	assert_int_equal(run(w, "validate JOB", &e), 0);
	assert_has(w->text, "0 warnings");
}

static void validate_bad_job_shows_every_line(void **state)
{
	struct world *w = *state;
	struct err e;

	temp_write(w->job, "{\"job\":7,\"extra\":1}", 19);
	assert_int_equal(run(w, "validate JOB", &e), -1);
	assert_int_equal(e.kind, ERR_CONFIG);
	assert_has(w->text, "job: expected a text, found the number 7\n");
	assert_has(w->text, "source: is missing");
	assert_has(w->text, "unknown key \"extra\"");
	assert_has(w->text, "not ready: 4 errors");
}

static void plan_creates_nothing(void **state)
{
	struct world *w = *state;
	struct err e;

	assert_int_equal(run(w, "plan JOB", &e), 0);
	assert_int_equal(mem_cloud_count(cloud_a, -1) + mem_cloud_count(cloud_b, -1), 0);
	assert_has(w->text, "first sync, making generation 1");
	assert_has(w->text, "snapshot wherry-web1-snap1-XXXX");
	assert_has(w->text, "disk     wherry-web1-disk0            the replica, 10.0 MiB, stays\n");
	assert_has(w->text, "everything but zeros, at most 3.0 MiB\n");
	assert_has(w->text, "data: source-dials (expected)");
	assert_has(w->text, "It keeps no changed ranges");
	die(w, false);
	unsigned before = mem_cloud_count(cloud_b, -1);
	assert_int_equal(run(w, "plan JOB", &e), 0);
	assert_has(w->text, "4 resources of a run that died are removed first");
	assert_has(w->text, "the replica, is there already");
	assert_int_equal(mem_cloud_count(cloud_b, -1), before);
}

static void cleanup_list_shows_journal_and_tags(void **state)
{
	struct world *w = *state;
	struct err e;

	assert_int_equal(run(w, "cleanup --list", &e), 0);
	assert_string_equal(w->text, "There is nothing.\n");
	die(w, false);
	unsigned here = mem_cloud_count(cloud_a, -1), there = mem_cloud_count(cloud_b, -1);
	assert_int_equal(run(w, "cleanup --list --json", &e), 0);
	assert_has(w->text, "\"purpose\":\"replica\",\"job\":\"web1\"");
	assert_has(w->text, "\"state\":\"by tag\"");   /* the forgotten disk */
	assert_has(w->text, "\"kind\":\"worker\"");
	assert_null(strstr(w->text, "theirs"));
	assert_null(strstr(w->text, "missing"));
	memset(cloud_a->items, 0, sizeof cloud_a->items);
	assert_int_equal(run(w, "cleanup --list JOB", &e), 0);
	assert_has(w->text, "missing");
	assert_has(w->text, "intended");
	assert_int_equal(mem_cloud_count(cloud_b, -1), there);
	assert_int_equal(here, 2);
}

static void cleanup_removes_scaffold_and_keeps_the_rest(void **state)
{
	static const char *const lines[] = {"cleanup JOB", "cleanup"};
	struct world *w = *state;
	struct err e;

	for (size_t i = 0; i < 2; i++) {
		memset(cloud_a->items, 0, sizeof cloud_a->items);
		memset(cloud_b->items, 0, sizeof cloud_b->items);
		die(w, i == 1);
		if (run(w, lines[i], &e) < 0)
			fail_msg("%s", e.msg);
		assert_has(w->text, "web1: 4 removed, ");
		assert_int_equal(mem_cloud_count(cloud_a, -1), 0);
		assert_int_equal(mem_cloud_count(cloud_b, PURPOSE_REPLICA), 1);
		assert_int_equal(mem_cloud_count(cloud_b, PURPOSE_GENERATION), 1);
		assert_int_equal(mem_cloud_count(cloud_b, PURPOSE_SCAFFOLD), 1); /* theirs */
		assert_int_equal(run(w, "status --json", &e), 0);
		assert_has(w->text, i == 0 ? "\"state\":\"failed\"" : "\"state\":\"done\"");
	}
	assert_int_equal(run(w, "cleanup", &e), 0);
	assert_has(w->text, "web1: 0 removed");
}

static void cleanup_running_job_is_left_alone(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct state s;

	die(w, false);
	assert_int_equal(state_open(w->state, &s, &e), 0);
	int lock = state_lock_job(&s, "web1", "sync web1.json", &e);
	assert_true(lock >= 0);
	assert_int_equal(run(w, "cleanup", &e), -1);
	assert_int_equal(e.kind, ERR_BUSY);
	assert_has(e.msg, "wherry sync web1.json");
	assert_int_equal(mem_cloud_count(cloud_a, -1), 2);
	assert_int_equal(run(w, "status JOB", &e), 0);
	assert_has(w->text, "DIRTY: being written");
	assert_has(w->text, "now          running: pid ");
	close(lock);
	state_fini(&s);
}

static void discard_removes_replica_generations_and_manifests(void **state)
{
	struct world *w = *state;
	char *folder = mem_printf("%s/manifests/web1", w->state);
	struct err e;

	die(w, true);
	assert_int_equal(access(folder, F_OK), 0);
	assert_int_equal(run(w, "cleanup --discard", &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	if (run(w, "cleanup --discard JOB", &e) < 0)
		fail_msg("%s", e.msg);
	assert_has(w->text, "discarding generation snapshot wherry-web1-gen-");
	assert_has(w->text, "discarding replica disk wherry-web1-disk0 in memory cloud b\n");
	assert_true(strstr(w->text, "generation snapshot") < strstr(w->text, "replica disk"));
	assert_int_equal(mem_cloud_count(cloud_b, -1), 1); /* theirs */
	assert_int_equal(access(folder, F_OK), -1);
	assert_int_equal(run(w, "status JOB", &e), 0);
	assert_has(w->text, "generation   none committed yet");
	assert_has(w->text, "replica      none");
	assert_has(w->text, "alive: nothing");
	free(folder);
}

/* A place that cannot be asked any more is named by its block, and complained of once. */
static void cleanup_place_that_is_gone_is_named_once(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	int64_t gone, same;
	int warnings[2];
	char c;
	struct res_ref ref = {.kind = RES_DISK, .name = "lost", .tags = {.job = "web1", .purpose = PURPOSE_SCAFFOLD}};
	int64_t row;

	die(w, false);
	struct journal *j = journal_open(w->state, &e);
	assert_int_equal(journal_place(j, "{\"provider\":\"mem\",\"cloud\":\"gone\"}", &gone, &e), 0);
	assert_int_equal(journal_place(j, "{\"provider\":\"mem\",\"cloud\":\"gone\",\"machine\":\"x\"}", &same, &e), 0);
	assert_int_equal(journal_intend(j, gone, &ref, &row, &e), 0);
	journal_close(j);
	assert_int_equal(run(w, "cleanup --list JOB", &e), -1);
	assert_has(w->text, "{\"provider\":\"mem\",\"cloud\":\"gone\"}");
	assert_int_equal(pipe(warnings), 0);
	w->log = (struct log){.fd = warnings[1], .level = LOG_WARN, .name = "test"};
	assert_int_equal(run(w, "cleanup", &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	close(warnings[1]);
	assert_int_equal(read(warnings[0], &c, 1), 0); /* it is the error already */
	close(warnings[0]);
}

static void discard_promoted_machine_is_refused(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct journal *j;

	die(w, true);
	j = journal_open(w->state, &e);
	assert_int_equal(journal_fact_set(j, "web1", "promoted", "web1", &e), 0);
	journal_close(j);
	snprintf(cloud_b->machine, sizeof cloud_b->machine, "web1");
	assert_int_equal(run(w, "validate JOB", &e), -1);
	assert_has(w->text, "the job was promoted to machine web1 and is not synced any more: remove");
	assert_has(w->text, "1 error, 0 warnings");
	assert_int_equal(run(w, "cleanup --discard JOB", &e), -1);
	assert_int_equal(e.kind, ERR_REFUSED);
	assert_int_equal(mem_cloud_count(cloud_b, PURPOSE_REPLICA), 1);
	snprintf(cloud_b->machine, sizeof cloud_b->machine, "other"); /* it was removed */
	assert_int_equal(run(w, "cleanup --discard JOB", &e), 0);
	assert_int_equal(mem_cloud_count(cloud_b, PURPOSE_REPLICA), 0);
}

/* An option of the block, here the name to promote to, does not make it another place. */
static void discard_after_an_option_changed_finds_the_replica(void **state)
{
	struct world *w = *state;
	struct err e;

	die(w, true);
	write_job(w, "\"cloud\":\"b\",\"machine\":\"web2\"");
	if (run(w, "cleanup --discard JOB", &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(mem_cloud_count(cloud_b, -1), 1); /* theirs */
	assert_int_equal(run(w, "status JOB", &e), 0);
	assert_has(w->text, "alive: nothing");
}

static void job_that_names_another_target_is_told_of_both(void **state)
{
	static const char words[] = "replica disk wherry-web1-disk0 of this job is in memory cloud b, but the job now names "
				    "memory cloud a as its target: name the old place again";
	struct world *w = *state;
	struct err e;

	die(w, true);
	write_job(w, "\"cloud\":\"a\"");
	assert_int_equal(run(w, "validate JOB", &e), -1);
	assert_int_equal(e.kind, ERR_REFUSED);
	assert_has(w->text, words);
	assert_has(w->text, "not ready: 1 error,");
	assert_int_equal(run(w, "plan JOB", &e), 0);
	assert_has(w->text, words);
	assert_int_equal(run(w, "cleanup --discard JOB", &e), -1);
	assert_int_equal(e.kind, ERR_REFUSED);
	assert_has(e.msg, "in memory cloud b, which");
	assert_int_equal(mem_cloud_count(cloud_b, PURPOSE_REPLICA), 1);
}

static void validate_replica_that_was_removed_is_told(void **state)
{
	struct world *w = *state;
	struct err e;

	for (int committed = 0; committed < 2; committed++) {
		die(w, committed);
		memset(cloud_b->items, 0, sizeof cloud_b->items);
		assert_int_equal(run(w, "validate JOB", &e), committed ? -1 : 0);
		if (committed)
			assert_has(w->text, "wherry-web1-disk0 is no longer in memory cloud b: it was removed by somebody");
	}
	assert_int_equal(e.kind, ERR_NOT_FOUND);
}

static void status_unknown_job_is_not_found(void **state)
{
	struct world *w = *state;
	struct err e;

	assert_int_equal(run(w, "status", &e), 0);
	assert_has(w->text, "No job has run");
	assert_int_equal(run(w, "status JOB", &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_int_equal(run(w, "status --all JOB", &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(validate_good_job_is_ready, set_up, tear_down),
		cmocka_unit_test_setup_teardown(validate_all_findings_are_shown, set_up, tear_down),
		cmocka_unit_test_setup_teardown(validate_name_that_is_taken_warns, set_up, tear_down),
		cmocka_unit_test_setup_teardown(validate_bad_job_shows_every_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(plan_creates_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cleanup_list_shows_journal_and_tags, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cleanup_removes_scaffold_and_keeps_the_rest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cleanup_running_job_is_left_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(discard_removes_replica_generations_and_manifests, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cleanup_place_that_is_gone_is_named_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(discard_promoted_machine_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(discard_after_an_option_changed_finds_the_replica, set_up, tear_down),
		cmocka_unit_test_setup_teardown(job_that_names_another_target_is_told_of_both, set_up, tear_down),
		cmocka_unit_test_setup_teardown(validate_replica_that_was_removed_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(status_unknown_job_is_not_found, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
