// SPDX-License-Identifier: Apache-2.0
/* What may happen to a journal: its process dies, the disk fills up, bytes change, two processes write. */
#include "unit.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "journal.h"
#include "journal_fixture.h"

/* ---- Death between two calls ---- */

#define STEPS 9

/* The life of a run, killed after `steps` calls have returned. */
static void live(const char *dir, int steps)
{
	struct err e = ERR_INIT;
	struct journal *j = journal_open(dir, &e);
	struct generation_disk disk = {.size = 1};
	struct res_ref ref = a_ref("wherry-web1-worker-0001");
	struct run run;
	int64_t row;

	for (int step = 0;; step++) {
		int rc = 0;

		if (step == steps || j == NULL)
			kill(getpid(), SIGKILL);
		switch (step) {
		case 0: rc = journal_run_begin(j, "web1", RUN_SYNC, &run, &e); break;
		case 1: row = intended(j, &ref); break;
		case 2: rc = journal_created(j, row, &ref, &e); break;
		case 3: rc = journal_run_state(j, &run, RUN_WRITING, &e); break;
		case 4: rc = journal_run_state(j, &run, RUN_COMMITTING, &e); break;
		case 5: rc = journal_commit(j, "web1", run.id, 1, false, &disk, 1, "{}", &e); break;
		case 6: rc = journal_removing(j, row, &e); break;
		case 7: rc = journal_removed(j, row, &e); break;
		case 8: run.state = RUN_DONE; rc = journal_run_end(j, &run, &e); break;
		default: rc = -1;
		}
		if (rc < 0)
			_exit(1);
	}
}

struct seen {
	unsigned entries;
	enum entry_state entry;
};

static int see_entry(void *ctx, const struct journal_entry *entry)
{
	struct seen *s = ctx;

	s->entries++;
	s->entry = entry->state;
	return 0;
}

static void journal_killed_between_calls_keeps_what_returned(void **state)
{
	static const struct {
		bool run;
		unsigned entries;
		enum entry_state entry;
		enum run_state run_state;
		uint64_t generation;
	} want[STEPS + 1] = {
		{false, 0, 0, 0, 0},
		{true, 0, 0, RUN_PLANNED, 0},
		{true, 1, ENTRY_INTENDED, RUN_PLANNED, 0},
		{true, 1, ENTRY_CREATED, RUN_PLANNED, 0},
		{true, 1, ENTRY_CREATED, RUN_WRITING, 0},
		{true, 1, ENTRY_CREATED, RUN_COMMITTING, 0},
		{true, 1, ENTRY_CREATED, RUN_COMMITTING, 1},
		{true, 1, ENTRY_REMOVING, RUN_COMMITTING, 1},
		{true, 0, 0, RUN_COMMITTING, 1},
		{true, 0, 0, RUN_DONE, 1},
	};

	for (int steps = 0; steps <= STEPS; steps++) {
		char *dir = mem_printf("%s/%d", (char *)*state, steps), *machine;
		struct seen seen = {0};
		struct err e = ERR_INIT;
		struct run run;
		uint64_t generation;
		int64_t at;
		unsigned n;
		bool found;
		int status;

		mkdir(dir, 0700);
		pid_t pid = fork();
		if (pid == 0)
			live(dir, steps);
		waitpid(pid, &status, 0);
		assert_true(WIFSIGNALED(status));
		struct journal *j = reopen(dir, NULL);
		assert_int_equal(journal_run_last(j, "web1", &run, &found, &e), 0);
		assert_int_equal(found, want[steps].run);
		if (found)
			assert_int_equal(run.state, want[steps].run_state);
		assert_int_equal(journal_entries(j, NULL, see_entry, &seen, &e), 0);
		assert_int_equal(seen.entries, want[steps].entries);
		if (seen.entries != 0)
			assert_int_equal(seen.entry, want[steps].entry);
		assert_int_equal(journal_last_generation(j, "web1", &generation, &at, NULL, 0, &n, &machine, &e), 0);
		assert_int_equal(generation, want[steps].generation);
		free(machine);
		journal_close(j);
		free(dir);
	}
}

/* Says the name of every intent that is said to be durable, until it is killed. */
static void intend_forever(const char *dir, int to)
{
	struct err e = ERR_INIT;
	struct journal *j = journal_open(dir, &e);

	for (unsigned i = 0; j != NULL; i++) {
		char name[16];

		snprintf(name, sizeof name, "n%09u", i);
		struct res_ref ref = a_ref(name);
		intended(j, &ref);
		if (write(to, name, 10) != 10)
			break;
	}
	_exit(1);
}

static void journal_killed_in_a_call_loses_no_intent(void **state)
{
	for (int round = 0; round < 8; round++) {
		struct journal_entry entry;
		struct err e = ERR_INIT;
		char name[11] = "";
		unsigned said = 0;
		int pipes[2];
		bool found;

		assert_int_equal(pipe(pipes), 0);
		pid_t pid = fork();
		if (pid == 0)
			intend_forever(*state, pipes[1]);
		close(pipes[1]);
		/* The child is somewhere in its next calls when it dies. */
		for (; said < 3u + (unsigned)round * 2; said++)
			assert_int_equal(read(pipes[0], name, 10), 10);
		usleep((unsigned)round * 137);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		while (read(pipes[0], name, 10) == 10)
			said++;
		close(pipes[0]);
		struct journal *j = reopen(*state, NULL);
		assert_int_equal(journal_find_entry(j, "web1", PURPOSE_SCAFFOLD, name, &entry, &found, &e), 0);
		assert_true(found);
		assert_true(alive(j, NULL) >= said);
		journal_close(j);
	}
}

/* ---- A full disk ---- */

/* Fills until the journal refuses; 0 when it did so with NO_SPACE and nothing durable was lost. */
static int fill(const char *dir, bool limit_files)
{
	struct err e = ERR_INIT;
	struct journal *j = journal_open(dir, &e);
	struct rlimit limit = {300 * 1024, 300 * 1024};
	struct res_ref ref = a_ref("wherry-web1-x");
	int64_t place, row;
	unsigned good = 0;

	memset(ref.id, 'x', sizeof ref.id - 1);
	if (j == NULL || journal_place(j, "{}", &place, &e) < 0)
		return 2;
	signal(SIGXFSZ, SIG_IGN);
	if (limit_files && setrlimit(RLIMIT_FSIZE, &limit) < 0)
		return 3;
	while (good < 5000 && journal_intend(j, place, &ref, &row, &e) == 0)
		good++;
	if (e.kind != ERR_NO_SPACE || good == 0) {
		print_error("after %u intents: %s (%d)\n", good, e.msg, e.sys);
		return 4;
	}
	if (strstr(e.msg, "make room") == NULL)
		return 5;
	if (alive(j, NULL) != good)
		return 6;
	journal_close(j);
	return 0;
}

static int in_child(const char *dir, bool limit_files, bool mount_small)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (mount_small && (unshare(getuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
				    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
				    mount("tmpfs", dir, "tmpfs", 0, "size=400k,mode=0700") < 0))
			_exit(77);
		_exit(fill(dir, limit_files));
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void journal_intend_file_too_large_is_no_space(void **state)
{
	assert_int_equal(in_child(*state, true, false), 0);
	journal_close(reopen(*state, NULL));
}

static void journal_intend_full_disk_is_no_space(void **state)
{
	int status = in_child(*state, false, true);

	if (status == 77)
		print_message("mounting is not allowed here: only the limit of file size was tested\n");
	else
		assert_int_equal(status, 0);
}

/* ---- Bytes that changed ---- */

static char *filled(const char *dir, size_t *size)
{
	struct journal *j = reopen(dir, NULL);
	struct stat st;

	for (int i = 0; i < 200; i++) {
		char name[32];

		snprintf(name, sizeof name, "wherry-web1-%d", i);
		struct res_ref ref = a_ref(name);
		intended(j, &ref);
	}
	journal_close(j);
	char *path = mem_printf("%s/wherry.db", dir);
	assert_int_equal(stat(path, &st), 0);
	*size = (size_t)st.st_size;
	return path;
}

static char *slurp(const char *path, size_t size)
{
	char *bytes = malloc(size);
	int fd = open(path, O_RDONLY);

	assert_int_equal(read(fd, bytes, size), size);
	close(fd);
	return bytes;
}

static void journal_open_truncated_is_refused(void **state)
{
	size_t size;
	char *path = filled(*state, &size), *bytes = slurp(path, size);

	for (size_t n = 0; n < size; n += n < 200 ? 20 : 1733) {
		struct err e = ERR_INIT;

		temp_write(path, bytes, n);
		assert_null(journal_open(*state, &e));
		assert_int_equal(e.kind, ERR_CORRUPT);
		assert_has(e.msg, "backup");
	}
	temp_write(path, bytes, size);
	struct journal *j = reopen(*state, NULL);
	assert_int_equal(alive(j, NULL), 200);
	journal_close(j);
	free(bytes);
	free(path);
}

static void journal_open_lost_is_refused(void **state)
{
	struct err e = ERR_INIT;
	size_t size;
	char *path = filled(*state, &size);

	unlink(path);
	assert_null(journal_open(*state, &e));
	assert_int_equal(e.kind, ERR_CORRUPT);
	assert_has(e.msg, "had one");
	free(path);
}

static void journal_open_overwritten_is_refused(void **state)
{
	size_t size;
	char *path = filled(*state, &size), *bytes = slurp(path, size);
	static const size_t places[] = {0, 50, 100, 4096, 8192, 12288, 16384};

	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		char *bad = malloc(size);
		struct err e = ERR_INIT;

		memcpy(bad, bytes, size);
		memset(bad + places[i], 0xa5, 64);
		temp_write(path, bad, size);
		assert_null(journal_open(*state, &e));
		if (e.kind != ERR_CORRUPT)
			fail_msg("at %zu: %s", places[i], e.msg);
		free(bad);
	}
	free(bytes);
	free(path);
}

static void journal_open_of_another_folder_is_refused(void **state)
{
	char *a = mem_printf("%s/a", (char *)*state), *b = mem_printf("%s/b", (char *)*state);
	char *from = mem_printf("%s/wherry.db", b), *to = mem_printf("%s/wherry.db", a);
	struct err e = ERR_INIT;

	mkdir(a, 0700);
	mkdir(b, 0700);
	journal_close(reopen(a, NULL));
	journal_close(reopen(b, NULL));
	assert_int_equal(rename(from, to), 0);
	assert_null(journal_open(a, &e));
	assert_int_equal(e.kind, ERR_CORRUPT);
	assert_has(e.msg, "belongs to state directory");
	free(a);
	free(b);
	free(from);
	free(to);
}

/* A journal as the first release made it. */
static void journal_open_older_schema_is_brought_up_to_date(void **state)
{
	struct journal *j = reopen(*state, NULL);
	char *path = mem_printf("%s/wherry.db", (char *)*state);
	struct err e = ERR_INIT;
	struct run r, got;
	sqlite3 *db;
	bool found;

	assert_int_equal(journal_run_begin(j, "web1", RUN_SYNC, &r, &e), 0);
	journal_close(j);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "ALTER TABLE runs DROP COLUMN sent_raw; ALTER TABLE runs DROP COLUMN levels;"
				      "ALTER TABLE generation_disks DROP COLUMN baseline;"
				      "PRAGMA user_version = 1", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	j = reopen(*state, NULL);
	assert_int_equal(journal_run_last(j, "web1", &got, &found, &e), 0);
	assert_true(found);
	assert_string_equal(got.id, r.id);
	assert_int_equal(got.sent_raw, 0);
	assert_string_equal(got.levels, "");
	journal_close(j);
	free(path);
}

static void journal_open_newer_schema_is_unsupported(void **state)
{
	char *path = mem_printf("%s/wherry.db", (char *)*state);
	struct err e = ERR_INIT;
	sqlite3 *db;

	journal_close(reopen(*state, NULL));
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_null(journal_open(*state, &e));
	assert_int_equal(e.kind, ERR_UNSUPPORTED);
	assert_has(e.msg, "schema 99");
	free(path);
}

/* ---- Two processes ---- */

static void many_runs(const char *dir, int from)
{
	struct err e = ERR_INIT;
	char go;
	if (read(from, &go, 1) < 0)
		_exit(2);
	struct journal *j = journal_open(dir, &e);

	for (int i = 0; i < 10; i++) {
		struct res_ref ref = a_ref("wherry-web1-x");
		struct run run;

		if (j == NULL || journal_run_begin(j, "web1", RUN_SYNC, &run, &e) < 0) {
			fprintf(stderr, "%s\n", e.msg);
			_exit(1);
		}
		intended(j, &ref);
	}
	journal_close(j);
	_exit(0);
}

static void journal_two_processes_in_a_new_folder_both_succeed(void **state)
{
	pid_t pids[3];
	int gate[2];
	struct err e = ERR_INIT;
	struct run run;
	bool found;

	assert_int_equal(pipe(gate), 0);
	for (int i = 0; i < 3; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			close(gate[1]);
			many_runs(*state, gate[0]);
		}
	}
	close(gate[1]); /* all go at once */
	close(gate[0]);
	for (int i = 0; i < 3; i++) {
		int status;

		waitpid(pids[i], &status, 0);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	struct journal *j = reopen(*state, NULL);
	assert_int_equal(journal_run_last(j, "web1", &run, &found, &e), 0);
	assert_int_equal(run.epoch, 30);
	assert_int_equal(alive(j, NULL), 30);
	journal_close(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(journal_killed_between_calls_keeps_what_returned, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(journal_killed_in_a_call_loses_no_intent, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(journal_intend_file_too_large_is_no_space, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(journal_intend_full_disk_is_no_space, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(journal_open_truncated_is_refused, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(journal_open_lost_is_refused, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(journal_open_overwritten_is_refused, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(journal_open_of_another_folder_is_refused, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(journal_open_older_schema_is_brought_up_to_date, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(journal_open_newer_schema_is_unsupported, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(journal_two_processes_in_a_new_folder_both_succeed, make_temp, drop_temp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
