// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "journal.h"
#include "journal_db.h"
#include "journal_fixture.h"

static void journal_open_owner_is_made_once(void **state)
{
	struct journal *j = reopen(*state, NULL);
	char owner[40];
	struct stat st;
	char *db = mem_printf("%s/wherry.db", (char *)*state);

	snprintf(owner, sizeof owner, "%s", journal_owner(j));
	assert_int_equal(strlen(owner), 32);
	j = reopen(*state, j);
	assert_string_equal(journal_owner(j), owner);
	assert_int_equal(stat(db, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	free(db);
	journal_close(j);
}

static void journal_place_same_block_same_row(void **state)
{
	struct journal *j = reopen(*state, NULL);
	struct err e = ERR_INIT;
	int64_t a, b, again;
	char *json;

	assert_int_equal(journal_place(j, "{\"a\":1}", &a, &e), 0);
	assert_int_equal(journal_place(j, "{\"a\":2}", &b, &e), 0);
	j = reopen(*state, j);
	assert_int_equal(journal_place(j, "{\"a\":1}", &again, &e), 0);
	assert_int_equal(a, again);
	assert_int_not_equal(a, b);
	assert_int_equal(journal_place_json(j, b, &json, &e), 0);
	assert_string_equal(json, "{\"a\":2}");
	free(json);
	assert_int_equal(journal_place_json(j, 99, &json, &e), -1);
	journal_close(j);
}

/* Half of the ids of this second and the next ones are taken. */
static void journal_run_begin_never_takes_an_id_again(void **state)
{
	struct journal *j = reopen(*state, NULL);
	struct err e = ERR_INIT;
	struct run run;

	assert_int_equal(db_exec(j, "take ids", "WITH RECURSIVE s(t) AS (SELECT 0 UNION ALL SELECT t + 1 FROM s WHERE t < 9), "
		"n(i) AS (SELECT 0 UNION ALL SELECT i + 2 FROM n WHERE i < 65534) INSERT INTO runs (id, job, kind, epoch, state, started_s) "
		"SELECT strftime('%Y%m%d-%H%M%S', 'now', t || ' seconds') || printf('-%04x', i), 'other', 'sync', t * 65536 + i, 'done', 0 "
		"FROM s, n", &e), 0);
	for (int i = 0; i < 30; i++)
		assert_int_equal(journal_run_begin(j, "web1", RUN_SYNC, &run, &e), 0);
	journal_close(j);
}

static void journal_run_begin_epoch_rises_by_one(void **state)
{
	struct journal *j = reopen(*state, NULL);
	struct err e = ERR_INIT;
	struct run a, b, other;
	uint64_t writer;

	assert_int_equal(journal_run_begin(j, "web1", RUN_SYNC, &a, &e), 0);
	assert_int_equal(journal_run_begin(j, "web2", RUN_VERIFY, &other, &e), 0);
	j = reopen(*state, j);
	assert_int_equal(journal_last_writer(j, "web1", &writer, &e), 0);
	assert_int_equal(writer, 0);
	assert_int_equal(journal_run_begin(j, "web1", RUN_SYNC, &b, &e), 0);
	assert_int_equal(a.epoch, 1);
	assert_int_equal(b.epoch, 2);
	assert_int_equal(other.epoch, 1);
	assert_string_not_equal(a.id, b.id);
	assert_int_equal(strlen(a.id), 20);
	assert_int_equal(journal_run_state(j, &b, RUN_WRITING, &e), 0);
	assert_int_equal(journal_last_writer(j, "web1", &writer, &e), 0);
	assert_int_equal(writer, 2);
	journal_close(j);
}

static void journal_run_end_totals_are_kept(void **state)
{
	struct journal *j = reopen(*state, NULL);
	struct err e = ERR_INIT;
	struct run r, got;
	bool found;

	assert_int_equal(journal_run_last(j, "web1", &got, &found, &e), 0);
	assert_false(found);
	assert_int_equal(journal_run_begin(j, "web1", RUN_SYNC, &r, &e), 0);
	assert_int_equal(journal_run_end(j, &r, &e), -1); /* neither done nor failed */
	assert_int_equal(journal_checkpoint(j, r.id, 0, 100, &e), 0);
	assert_int_equal(journal_checkpoint(j, r.id, 0, 200, &e), 0);
	assert_int_equal(journal_checkpoint(j, r.id, 1, 50, &e), 0);
	r.state = RUN_FAILED;
	r.read = UINT64_MAX;
	r.zero = 1;
	r.unchanged = 2;
	r.sent = 3;
	r.wire = 4;
	r.written = 5;
	r.sent_raw = 6;
	snprintf(r.levels, sizeof r.levels, "none=1 zstd:-5=2");
	r.ended_s = r.started_s + 60;
	snprintf(r.error, sizeof r.error, "it broke; \"quote' here");
	assert_int_equal(journal_run_end(j, &r, &e), 0);
	j = reopen(*state, j);
	assert_int_equal(journal_run_last(j, "web1", &got, &found, &e), 0);
	assert_true(found);
	r.checkpoints = 3;
	assert_string_equal(got.id, r.id);
	assert_string_equal(got.error, r.error);
	assert_int_equal(got.sent_raw, 6);
	assert_string_equal(got.levels, r.levels);
	assert_int_equal(got.state, RUN_FAILED);
	assert_true(got.read == UINT64_MAX);
	assert_int_equal(got.zero, 1);
	assert_int_equal(got.unchanged, 2);
	assert_int_equal(got.sent, 3);
	assert_int_equal(got.wire, 4);
	assert_int_equal(got.written, 5);
	assert_int_equal(got.checkpoints, 3);
	assert_int_equal(got.ended_s, r.ended_s);
	journal_close(j);
}

static int count_run(void *ctx, const struct run *run)
{
	(void)run;
	++*(unsigned *)ctx;
	return 0;
}

static void journal_runs_end_dead_committed_is_done(void **state)
{
	struct journal *j = reopen(*state, NULL);
	struct err e = ERR_INIT;
	struct generation_disk disk = {.size = 1};
	struct run a, b, other, got;
	unsigned count, listed = 0;
	bool found;

	assert_int_equal(journal_run_begin(j, "web1", RUN_SYNC, &a, &e), 0);
	assert_int_equal(journal_commit(j, "web1", a.id, 1, false, &disk, 1, "{}", &e), 0);
	assert_int_equal(journal_run_begin(j, "web2", RUN_SYNC, &other, &e), 0);
	assert_int_equal(journal_runs_end_dead(j, "web1", &count, &e), 0);
	assert_int_equal(count, 1);
	assert_int_equal(journal_run_last(j, "web1", &got, &found, &e), 0);
	assert_int_equal(got.state, RUN_DONE);
	assert_int_equal(journal_run_begin(j, "web1", RUN_SYNC, &b, &e), 0);
	assert_int_equal(journal_runs_end_dead(j, "web1", &count, &e), 0);
	assert_int_equal(count, 1);
	assert_int_equal(journal_run_last(j, "web1", &got, &found, &e), 0);
	assert_int_equal(got.state, RUN_FAILED);
	assert_has(got.error, "ended before");
	assert_int_equal(journal_run_last(j, "web2", &got, &found, &e), 0);
	assert_int_equal(got.state, RUN_PLANNED);
	assert_int_equal(journal_runs(j, "web1", 1, count_run, &listed, &e), 0);
	assert_int_equal(listed, 1);
	assert_int_equal(journal_runs(j, "web1", 0, count_run, &listed, &e), 0);
	assert_int_equal(listed, 3);
	journal_close(j);
}

static void journal_entries_go_through_their_states(void **state)
{
	struct journal *j = reopen(*state, NULL);
	struct res_ref ref = a_ref("wherry-web1-disk0");
	struct journal_entry got;
	struct err e = ERR_INIT;
	int64_t row;
	bool found;

	ref.tags.generation = 7;
	ref.tags.dirty = true;
	ref.tags.expires_s = 1234567890123;
	row = intended(j, &ref);
	j = reopen(*state, j);
	assert_int_equal(journal_find_entry(j, "web1", PURPOSE_SCAFFOLD, ref.name, &got, &found, &e), 0);
	assert_true(found);
	assert_int_equal(got.row, row);
	assert_int_equal(got.state, ENTRY_INTENDED);
	assert_memory_equal(&got.ref.tags.expires_s, &ref.tags.expires_s, 8);
	assert_int_equal(got.ref.kind, RES_DISK);
	assert_string_equal(got.ref.tags.run, ref.tags.run);
	assert_true(got.ref.tags.dirty);
	assert_int_equal(got.ref.tags.generation, 7);
	snprintf(ref.id, sizeof ref.id, "cloud-id-1");
	assert_int_equal(journal_created(j, row, &ref, &e), 0);
	ref.tags.generation = 8;
	ref.tags.dirty = false;
	assert_int_equal(journal_retag(j, row, &ref.tags, &e), 0);
	j = reopen(*state, j);
	assert_int_equal(journal_find_entry(j, "web1", PURPOSE_SCAFFOLD, ref.name, &got, &found, &e), 0);
	assert_int_equal(got.state, ENTRY_CREATED);
	assert_string_equal(got.ref.id, "cloud-id-1");
	assert_int_equal(got.ref.tags.generation, 8);
	assert_false(got.ref.tags.dirty);
	assert_int_equal(journal_removing(j, row, &e), 0);
	assert_int_equal(alive(j, "web1"), 1);
	assert_int_equal(alive(j, "web2"), 0);
	assert_int_equal(alive(j, NULL), 1);
	assert_int_equal(journal_removed(j, row, &e), 0);
	assert_int_equal(alive(j, NULL), 0);
	assert_int_equal(journal_find_entry(j, "web1", PURPOSE_SCAFFOLD, ref.name, &got, &found, &e), 0);
	assert_false(found);
	assert_int_equal(journal_removed(j, 4711, &e), -1);
	assert_int_equal(e.kind, ERR_INTERNAL);
	journal_close(j);
}

static int remove_each(void *ctx, const struct journal_entry *entry)
{
	struct err e = ERR_INIT;

	return journal_removed(ctx, entry->row, &e);
}

static void journal_entries_callback_may_change_them(void **state)
{
	struct journal *j = reopen(*state, NULL);
	struct err e = ERR_INIT;

	for (int i = 0; i < 20; i++) {
		struct res_ref ref = a_ref("wherry-web1-x");

		intended(j, &ref);
	}
	assert_int_equal(journal_entries(j, NULL, remove_each, j, &e), 0);
	assert_int_equal(alive(j, NULL), 0);
	journal_close(j);
}

static void journal_commit_all_disks_or_none(void **state)
{
	struct journal *j = reopen(*state, NULL);
	struct generation_disk disks[3] = {
		{.index = 0, .source_disk = "a", .size = UINT64_MAX, .chunk_size = 65536, .sector_size = 512, .root = {1, 2}},
		{.index = 1, .source_disk = "b", .size = 5, .chunk_size = 65536, .sector_size = 4096, .root = {3}},
		{.index = 1, .source_disk = "twice"},
	}, got[4];
	struct err e = ERR_INIT;
	uint64_t generation;
	int64_t at;
	unsigned n;
	char *machine;

	assert_int_equal(journal_last_generation(j, "web1", &generation, &at, got, 4, &n, &machine, &e), 0);
	assert_int_equal(generation, 0);
	assert_null(machine);
	assert_int_equal(journal_commit(j, "web1", "r1", 1, false, disks, 2, "{\"m\":1}", &e), 0);
	assert_int_equal(journal_commit(j, "web1", "r2", 2, true, disks, 3, "{}", &e), -1);
	assert_int_equal(journal_commit(j, "web1", "r2", 1, true, disks, 2, "{}", &e), -1); /* a generation is made once */
	j = reopen(*state, j);
	assert_int_equal(journal_last_generation(j, "web1", &generation, &at, got, 4, &n, &machine, &e), 0);
	assert_int_equal(generation, 1);
	assert_int_equal(n, 2);
	assert_true(at > 1700000000);
	assert_string_equal(machine, "{\"m\":1}");
	assert_memory_equal(got[0].root, disks[0].root, 32);
	assert_true(got[0].size == UINT64_MAX);
	assert_string_equal(got[1].source_disk, "b");
	assert_int_equal(got[1].sector_size, 4096);
	free(machine);
	assert_int_equal(journal_last_generation(j, "web1", &generation, &at, got, 1, &n, &machine, &e), -1);
	assert_int_equal(journal_forget_replica(j, "web1", &e), 0);
	assert_int_equal(journal_last_generation(j, "web1", &generation, &at, got, 4, &n, &machine, &e), 0);
	assert_int_equal(generation, 0);
	journal_close(j);
}

static void journal_commit_describes_only_the_newest_machine(void **state)
{
	struct journal *j = reopen(*state, NULL);
	struct generation_disk disk = {.source_disk = "a", .size = 5};
	struct err e = ERR_INIT;

	assert_int_equal(journal_commit(j, "web2", "r", 1, false, &disk, 1, "another's", &e), 0);
	for (uint64_t n = 1; n < 4; n++)
		assert_int_equal(journal_commit(j, "web1", "r", n, false, &disk, 1, n == 3 ? "the newest" : "older", &e), 0);
	sqlite3_stmt *st = db_query(j, "count", &e, "SELECT group_concat(machine, ' ') FROM (SELECT machine FROM "
				    "generations ORDER BY job, generation)", "");
	assert_int_equal(db_step(j, st, "count", &e), 1);
	assert_string_equal((const char *)sqlite3_column_text(st, 0), "{} {} the newest another's");
	sqlite3_finalize(st);
	journal_close(j);
}

/* Those of the newest generation and those that could not be removed; used is what the last whole read found. */
static void journal_baselines_add_up_what_is_kept(void **state)
{
	struct journal *j = reopen(*state, NULL);
	struct generation_disk disk = {.source_disk = "a", .size = 1000, .baseline = "/s1"};
	struct res_ref ref = a_ref("snap");
	struct journal_baselines b;
	struct err e = ERR_INIT;
	struct run run;

	ref.kind = RES_SNAPSHOT;
	ref.tags.purpose = PURPOSE_BASELINE;
	snprintf(ref.id, sizeof ref.id, "/s1");
	assert_int_equal(journal_baselines(j, "web1", &b, &e), 0);
	assert_int_equal(b.count, 0);
	int64_t row = intended(j, &ref);
	assert_int_equal(journal_created(j, row, &ref, &e), 0);
	assert_int_equal(journal_run_begin(j, "web1", RUN_SYNC, &run, &e), 0);
	assert_int_equal(journal_commit(j, "web1", run.id, 1, false, &disk, 1, NULL, &e), 0);
	assert_int_equal(journal_baselines(j, "web1", &b, &e), 0);
	assert_int_equal(b.used, 0);
	run.state = RUN_DONE;
	run.read = 1000;
	run.zero = 400;
	assert_int_equal(journal_run_end(j, &run, &e), 0);
	assert_int_equal(journal_commit(j, "web1", "hinted", 2, true, &disk, 1, NULL, &e), 0);
	assert_int_equal(journal_baselines(j, "web1", &b, &e), 0);
	assert_int_equal(b.count, 1);
	assert_int_equal(b.size, 1000);
	assert_int_equal(b.used, 600);
	assert_int_equal(journal_baselines(j, "web2", &b, &e), 0);
	assert_int_equal(b.count, 0);
	assert_int_equal(journal_removed(j, row, &e), 0);
	assert_int_equal(journal_baselines(j, "web1", &b, &e), 0);
	assert_int_equal(b.count, 0);
	journal_close(j);
}

static void journal_fact_set_get_remove(void **state)
{
	struct journal *j = reopen(*state, NULL);
	struct err e = ERR_INIT;
	char *value;

	assert_int_equal(journal_fact_get(j, "web1", "promoted", &value, &e), 0);
	assert_null(value);
	assert_int_equal(journal_fact_set(j, "web1", "promoted", "a", &e), 0);
	assert_int_equal(journal_fact_set(j, "web1", "promoted", "b", &e), 0);
	j = reopen(*state, j);
	assert_int_equal(journal_fact_get(j, "web1", "promoted", &value, &e), 0);
	assert_string_equal(value, "b");
	free(value);
	assert_int_equal(journal_fact_get(j, "web2", "promoted", &value, &e), 0);
	assert_null(value);
	assert_int_equal(journal_fact_set(j, "web1", "promoted", NULL, &e), 0);
	assert_int_equal(journal_fact_get(j, "web1", "promoted", &value, &e), 0);
	assert_null(value);
	journal_close(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(journal_open_owner_is_made_once, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(journal_place_same_block_same_row, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(journal_run_begin_never_takes_an_id_again, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(journal_run_begin_epoch_rises_by_one, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(journal_run_end_totals_are_kept, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(journal_runs_end_dead_committed_is_done, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(journal_entries_go_through_their_states, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(journal_entries_callback_may_change_them, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(journal_commit_all_disks_or_none, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(journal_commit_describes_only_the_newest_machine, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(journal_baselines_add_up_what_is_kept, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(journal_fact_set_get_remove, make_temp, drop_temp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
