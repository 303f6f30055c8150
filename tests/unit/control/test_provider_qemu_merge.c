// SPDX-License-Identifier: Apache-2.0
/* Merging under a running machine: a controller that dies at any of its commands to QEMU, and copies too slow. */
#include "qemu_fixture.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <yyjson.h>

#define PIECES 16

/* ---- Between the controller and the monitor: sees every command, and may end its sender or add commands ---- */

struct death {
	const char *command; /* NULL: none */
	bool after;          /* QEMU has done it, and its answer does not arrive */
};

struct between {
	struct death death;
	unsigned speed;        /* of the copy, bytes a second; 0: as it is */
	bool free_when_paused; /* then the copy may be as fast as it can */
	pid_t controller;
	int listen;
	FILE *client, *qemu;
	bool stopped, continued, ready, ready_at_stop; /* what was seen */
};

static struct sockaddr_un address(const struct fixture *f, const char *name)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	assert_true(snprintf(a.sun_path, sizeof a.sun_path, "%s/run/m/%s", f->cloud.dir, name) < 108);
	return a;
}

static void step_between(const struct fixture *f, struct between *b)
{
	struct sockaddr_un here = address(f, "qmp.sock"), there = address(f, "qmp.real");

	b->listen = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(rename(here.sun_path, there.sun_path), 0);
	assert_int_equal(bind(b->listen, (struct sockaddr *)&here, sizeof here), 0);
	assert_int_equal(listen(b->listen, 4), 0);
}

static void step_aside(const struct fixture *f, struct between *b)
{
	struct sockaddr_un here = address(f, "qmp.sock"), there = address(f, "qmp.real");

	close(b->listen);
	assert_int_equal(rename(there.sun_path, here.sun_path), 0);
}

/* Past the stream, which is for reading: one that does both must be positioned in between, which no socket can be. */
static void put(FILE *to, const char *line)
{
	dprintf(fileno(to), "%s", line); /* a reader that died is the point */
}

/* To the answer; what comes on the way goes to `to`, too (NULL: nowhere). False: QEMU is gone. */
static bool answer(struct between *b, FILE *to)
{
	char *line = NULL;
	size_t room = 0;
	bool got = false;

	while (!got && getline(&line, &room, b->qemu) > 0) {
		got = strstr(line, "\"event\":") == NULL && strstr(line, "\"QMP\":") == NULL;
		if (got && strstr(line, "wherry-merge") != NULL)
			b->ready = strstr(line, "\"status\": \"ready\"") != NULL;
		if (to != NULL)
			put(to, line);
	}
	free(line);
	return got;
}

static void add(struct between *b, const char *command)
{
	put(b->qemu, command);
	assert_true(answer(b, NULL));
}

static bool is_command(const char *line, const char *command)
{
	char part[64];

	snprintf(part, sizeof part, "\"execute\":\"%s\"", command);
	return strstr(line, part) != NULL;
}

/* False: it was the last. */
static bool pass_on(struct between *b, const char *line)
{
	bool last = b->death.command != NULL && is_command(line, b->death.command);
	const char *args = strstr(line, "\"arguments\":{");

	if (last && !b->death.after) {
		kill(b->controller, SIGKILL);
		return false;
	}
	if (is_command(line, "stop")) {
		b->stopped = true;
		b->ready_at_stop = b->ready;
	}
	b->continued |= is_command(line, "cont");
	if (b->speed != 0 && is_command(line, "block-commit")) {
		char *slow = mem_printf("%.*s\"arguments\":{\"speed\":%u,%s", (int)(args - line), line, b->speed,
					args + strlen("\"arguments\":{"));

		put(b->qemu, slow);
		free(slow);
	} else {
		put(b->qemu, line);
	}
	bool alive = answer(b, last ? NULL : b->client);

	if (last)
		kill(b->controller, SIGKILL);
	else if (b->free_when_paused && is_command(line, "stop"))
		add(b, "{\"execute\":\"block-job-set-speed\",\"id\":9999999,\"arguments\":{\"device\":"
		       "\"wherry-merge\",\"speed\":0}}\n");
	return alive && !last;
}

static void serve(const struct fixture *f, struct between *b)
{
	struct sockaddr_un there = address(f, "qmp.real");
	int client = accept(b->listen, NULL, NULL), qemu = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char *line = NULL;
	size_t room = 0;

	assert_true(client >= 0);
	assert_int_equal(connect(qemu, (struct sockaddr *)&there, sizeof there), 0);
	b->client = fdopen(client, "r");
	b->qemu = fdopen(qemu, "r");
	if (getline(&line, &room, b->qemu) > 0)
		put(b->client, line);
	while (getline(&line, &room, b->client) > 0 && pass_on(b, line))
		;
	free(line);
	fclose(b->client);
	fclose(b->qemu);
}

/* Exit status 0, or the kind of error; its sentence is in the file "said". */
typedef int step(const struct fixture *f, struct err *e);

/* In a process of its own, seen from between. True: it was killed; else *status is its exit status. */
static bool run_step(const struct fixture *f, struct between *b, step *s, int *status)
{
	bool over = false;

	signal(SIGPIPE, SIG_IGN);
	step_between(f, b);
	b->controller = fork();
	if (b->controller == 0) {
		struct err e = ERR_INIT;
		char *said = in_dir(f, "said");
		int rc = s(f, &e);

		temp_write(said, e.msg, strlen(e.msg));
		_exit(rc < 0 ? (int)e.kind : 0);
	}
	while (!over) {
		struct pollfd p = {.fd = b->listen, .events = POLLIN};

		over = waitpid(b->controller, status, WNOHANG) > 0;
		if (!over && poll(&p, 1, 20) > 0)
			serve(f, b);
	}
	step_aside(f, b);
	if (WIFSIGNALED(*status))
		return true;
	*status = WEXITSTATUS(*status);
	return false;
}

static void reopen(struct fixture *f)
{
	f->p->ops->close(f->p);
	f->p = provider_for(f->cloud.dir, "");
}

/* After a controller that was killed: what QEMU had to say to it comes first. */
static struct qmp *monitor(const struct fixture *f)
{
	char *run_dir = qemu_record_dir(&f->cloud, QEMU_RUN, "m");
	struct err why = {.kind = ERR_PROTOCOL};
	struct qmp *q = NULL;

	for (int i = 0; i < 5 && q == NULL && why.kind == ERR_PROTOCOL; i++) {
		why = (struct err)ERR_INIT;
		q = qmp_open(run_dir, 10 * NS_PER_S, &why);
	}
	if (q == NULL)
		fail_msg("%s", why.msg);
	free(run_dir);
	return q;
}

static bool machine_runs(const struct fixture *f)
{
	struct qmp *q = monitor(f);
	struct yyjson_doc *doc = NULL;
	struct yyjson_val *status;

	ok(qmp_ask(q, "query-status", NULL, &doc, &status, e));
	bool runs = yyjson_get_bool(yyjson_obj_get(status, "running"));

	qmp_doc_cleanup(&doc);
	qmp_close(q);
	return runs;
}

/* What qemu_live_commit does, up to one of the points where its process may die. */
static void merge_until(const struct fixture *f, const struct res_ref *ref, int point)
{
	char *run_dir = qemu_record_dir(&f->cloud, QEMU_RUN, "m"), node[QEMU_NODE_SIZE], base[QEMU_NODE_SIZE];
	struct err why = ERR_INIT;
	struct qmp *q = qmp_open(run_dir, 10 * NS_PER_S, &why);
	struct qemu_snapshot s;

	if (q == NULL)
		fail_msg("%s", why.msg);
	ok(qemu_snapshot_load(&f->cloud, ref->name, &s, e));
	s.state = SNAPSHOT_MERGING;
	if (point > 0) {
		snprintf(s.paused.machine, sizeof s.paused.machine, "m");
		assert_true(qemu_proc_alive(run_dir, &s.paused.proc));
	}
	ok(qemu_snapshot_save(&f->cloud, &s, e));
	ok(qemu_live_node(q, 0, node, e));
	ok(qemu_live_file_node(q, s.base.file, base, e));
	char *args = json_format("{'job-id':'wherry-merge','device':%s,'base-node':%s}", node, base);

	ok(qmp_do(q, "block-commit", args, e));
	assert_true(qmp_wait_event(q, "BLOCK_JOB_READY", NULL, NULL, 30 * NS_PER_S));
	if (point > 0)
		ok(qmp_do(q, "stop", NULL, e));
	if (point > 1) {
		ok(qmp_do(q, "job-complete", "{\"id\":\"wherry-merge\"}", e));
		assert_true(qmp_wait_event(q, "BLOCK_JOB_COMPLETED", NULL, NULL, 30 * NS_PER_S));
	}
	qmp_close(q);
	free(args);
	free(run_dir);
}

static void removeSnapshot_running_controllerDies_isFinishedByTheNext(void **state)
{
	struct fixture *f = *state;

	for (int point = 0; point < 3; point++) {
		/* killed: QEMU dies there, too, so that only records and files tell */
		for (int killed = 0; killed < 2; killed++) {
			char *run_dir = qemu_record_dir(&f->cloud, QEMU_RUN, "m");
			struct res_ref snap[2];

			two_snapshots(f, "r", snap);
			ok(f->p->ops->machine_start(f->p, "m", e));
			guest_io(f, 0, "write -P 0x77 0 64k");
			guest_io(f, 0, "flush");
			merge_until(f, &snap[0], point);
			if (killed) {
				ok(qemu_proc_signal(run_dir, SIGKILL, e));
				assert_true(qemu_proc_wait_gone(run_dir, 10 * NS_PER_S));
			}
			reopen(f);
			for (int i = 0; i < 2; i++)
				take_away(f, &snap[i]);
			if (!killed) {
				assert_true(machine_runs(f));
				guest_io(f, 0, "write -P 0x99 1M 64k");
			}
			ok(qemu_machine_stop(&f->cloud, "m", 0, e));
			assert_nothing_left(f);
			char *data = file_bytes(f, "d0.raw"), *path = in_dir(f, "d0.raw");

			assert_bytes(data, 0, 65536, 0x77);
			assert_bytes(data, MIB, MIB + 65536, killed ? 0x11 : 0x99);
			fill_file(path, DISK_SIZE, 0x11);
			free(data);
			free(path);
			free(run_dir);
		}
	}
}

static int remove_first(const struct fixture *f, struct err *e)
{
	struct res_ref ref = ref_of(RES_SNAPSHOT, "s0-r", "r");

	return f->p->ops->remove(f->p, &ref, e);
}

static bool marked(const struct fixture *f)
{
	struct qemu_snapshot s;

	ok(qemu_snapshot_load(&f->cloud, "s0-r", &s, e));
	return s.paused.machine[0] != '\0';
}

static void machine_command(const struct fixture *f, const char *command)
{
	struct qmp *q = monitor(f);

	ok(qmp_do(q, command, NULL, e));
	qmp_close(q);
}

static void begin(const struct fixture *f, struct res_ref snap[2])
{
	two_snapshots(f, "r", snap);
	ok(f->p->ops->machine_start(f->p, "m", e));
	/* In pieces, for QEMU copies what lies together at once, however slow it shall be. */
	for (int i = 0; i < PIECES; i++) {
		char command[40];

		snprintf(command, sizeof command, "write -P 0x77 %dk 64k", i * 128);
		guest_io(f, 0, command);
	}
	guest_io(f, 0, "flush");
}

/* Everything is gone but what the guest wrote. */
static void finish(const struct fixture *f, struct res_ref snap[2], int byte)
{
	char *path = in_dir(f, "d0.raw"), *data;

	for (int i = 0; i < 2; i++)
		take_away(f, &snap[i]);
	ok(qemu_machine_stop(&f->cloud, "m", 0, e));
	assert_nothing_left(f);
	data = file_bytes(f, "d0.raw");
	for (size_t i = 0; i < PIECES; i++)
		assert_bytes(data, i * 131072, i * 131072 + 65536, 0x77);
	assert_bytes(data, 3 * MIB, 3 * MIB + 65536, byte);
	fill_file(path, DISK_SIZE, 0x11);
	free(data);
	free(path);
}

static void kill_machine(const struct fixture *f)
{
	char *run_dir = qemu_record_dir(&f->cloud, QEMU_RUN, "m");

	ok(qemu_proc_signal(run_dir, SIGKILL, e));
	assert_true(qemu_proc_wait_gone(run_dir, 10 * NS_PER_S));
	free(run_dir);
}

static void removeSnapshot_diesWhilePaused_machineGoesOn(void **state)
{
	struct fixture *f = *state;
	static const struct {
		struct death first, retry;
		bool paused; /* so the machine stands still after the deaths */
	} cases[] = {
		{{"stop", false}, {NULL, false}, false},
		{{"stop", true}, {NULL, false}, true},
		{{"job-complete", false}, {NULL, false}, true},
		{{"job-complete", true}, {NULL, false}, true},
		{{"cont", false}, {NULL, false}, true}, /* the record names the base already */
		{{"cont", true}, {NULL, false}, false},
		{{"job-complete", false}, {"block-job-cancel", true}, true}, /* nothing shows in QEMU whose pause it is */
		{{"job-complete", true}, {"cont", false}, true},
	};
	enum { BY_OPEN, BY_REMOVAL, BY_OPEN_THEN_CRASH, HOWS };

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (int how = 0; how < HOWS; how++) {
			struct between first = {.death = cases[i].first}, retry = {.death = cases[i].retry};
			struct res_ref snap[2];
			int status;

			begin(f, snap);
			assert_true(run_step(f, &first, remove_first, &status));
			if (cases[i].retry.command != NULL)
				assert_true(run_step(f, &retry, remove_first, &status));
			assert_int_equal(machine_runs(f), !cases[i].paused);
			assert_true(marked(f));
			if (how == BY_REMOVAL) {
				take_away(f, &snap[0]);
			} else {
				reopen(f);
				assert_false(marked(f));
			}
			assert_true(machine_runs(f));
			guest_io(f, 0, "write -P 0x99 3M 64k");
			guest_io(f, 0, "flush");
			if (how == BY_OPEN_THEN_CRASH) /* the record must know where the guest wrote that */
				kill_machine(f);
			finish(f, snap, 0x99);
		}
	}
}

static void removeSnapshot_operatorPaused_staysPaused(void **state)
{
	struct fixture *f = *state;
	static const struct death cases[] = {{NULL, false}, {"job-complete", false}, {"job-complete", true}};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct between b = {.death = cases[i]};
		struct res_ref snap[2];
		int status;

		begin(f, snap);
		machine_command(f, "stop");
		assert_int_equal(run_step(f, &b, remove_first, &status), cases[i].command != NULL);
		assert_false(b.stopped || b.continued);
		reopen(f);
		take_away(f, &snap[0]);
		assert_false(machine_runs(f));
		machine_command(f, "cont");
		finish(f, snap, 0x11);
	}
}

/* A QEMU started since was not paused by the dead one, whatever the record says. */
static void removeSnapshot_markOfAnEarlierProcess_isDropped(void **state)
{
	struct fixture *f = *state;
	struct between b = {.death = {"job-complete", false}};
	struct res_ref snap[2];
	int status;

	begin(f, snap);
	assert_true(run_step(f, &b, remove_first, &status));
	kill_machine(f);
	ok(f->p->ops->machine_start(f->p, "m", e));
	machine_command(f, "stop");
	assert_true(marked(f));
	reopen(f);
	assert_false(marked(f));
	assert_false(machine_runs(f));
	finish(f, snap, 0x11);
}

static int to_base(void *ctx, struct err *e)
{
	const struct fixture *f = ctx;
	struct qemu_machine m;
	struct qemu_snapshot s;

	if (qemu_snapshot_load(&f->cloud, "s0-r", &s, e) < 0 || qemu_machine_load(&f->cloud, "m", &m, e) < 0)
		return -1;
	m.disks.at[0].image = s.base;
	int rc = qemu_machine_save(&f->cloud, &m, e);

	qemu_machine_fini(&m);
	return rc;
}

static int no_mark(void *ctx, bool paused, struct err *e)
{
	(void)ctx;
	(void)paused;
	(void)e;
	return 0;
}

static int commit(const struct fixture *f, const struct qemu_merge_limits *limits, struct err *e)
{
	char *run_dir = qemu_record_dir(&f->cloud, QEMU_RUN, "m");
	struct qemu_snapshot s;

	if (qemu_snapshot_load(&f->cloud, "s0-r", &s, e) < 0)
		return -1;
	s.state = SNAPSHOT_MERGING;
	const struct qemu_merge m = {.run_dir = run_dir,
				     .over = s.over,
				     .base = s.base.file,
				     .top = true,
				     .swap = to_base,
				     .mark = no_mark,
				     .ctx = (void *)(uintptr_t)f,
				     .limits = limits};
	int rc = qemu_snapshot_save(&f->cloud, &s, e) < 0 ? -1 : qemu_live_commit(&m, e);

	free(run_dir);
	return rc;
}

static int commit_patiently(const struct fixture *f, struct err *e)
{
	return commit(f, &(struct qemu_merge_limits){300 * NS_PER_MS, 60 * NS_PER_S, 600 * NS_PER_S}, e);
}

static int commit_short_pause(const struct fixture *f, struct err *e)
{
	return commit(f, &(struct qemu_merge_limits){300 * NS_PER_MS, 100 * NS_PER_MS, 600 * NS_PER_S}, e);
}

static int commit_short_overall(const struct fixture *f, struct err *e)
{
	return commit(f, &(struct qemu_merge_limits){600 * NS_PER_S, 60 * NS_PER_S, 100 * NS_PER_MS}, e);
}

static void liveCommit_copyDoesNotGetAhead_endsAllTheSame(void **state)
{
	struct fixture *f = *state;
	static const struct {
		step *commit;
		bool free_when_paused;
		bool pauses;
		enum err_kind kind;
		const char *said;
	} cases[] = {
		{commit_patiently, true, true, ERR_NONE, ""},
		{commit_short_pause, false, true, ERR_TIMEOUT, "stood still"},
		{commit_short_overall, false, false, ERR_TIMEOUT, "too long"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct between b = {
			.speed = 65536, .free_when_paused = cases[i].free_when_paused};
		struct buf said = BUF_INIT;
		char *file = in_dir(f, "said");
		struct res_ref snap[2];
		int status;

		begin(f, snap);
		assert_false(run_step(f, &b, cases[i].commit, &status));
		ok(qemu_file_read(file, 4096, &said, e));
		assert_has(buf_str(&said), cases[i].said);
		assert_int_equal(status, cases[i].kind);
		assert_int_equal(b.stopped, cases[i].pauses);
		assert_int_equal(b.continued, cases[i].pauses);
		assert_false(b.ready_at_stop);
		assert_true(machine_runs(f));
		guest_io(f, 0, "write -P 0x99 3M 64k");
		finish(f, snap, 0x99);
		buf_fini(&said);
		free(file);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
		T(removeSnapshot_running_controllerDies_isFinishedByTheNext),
		T(removeSnapshot_diesWhilePaused_machineGoesOn),
		T(removeSnapshot_operatorPaused_staysPaused),
		T(removeSnapshot_markOfAnEarlierProcess_isDropped),
		T(liveCommit_copyDoesNotGetAhead_endsAllTheSame),
	};

	return skip_without_qemu() != 0 ? 77 : cmocka_run_group_tests(tests, NULL, NULL);
}
