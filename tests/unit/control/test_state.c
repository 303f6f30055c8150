// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "state.h"
#include "state_file.h"

static int make_temp(void **state)
{
	*state = temp_make();
	return 0;
}

static int drop_temp(void **state)
{
	temp_remove(*state);
	return 0;
}

static struct state opened(const char *dir)
{
	struct err e = ERR_INIT;
	struct state s;

	if (state_open(dir, &s, &e) < 0)
		fail_msg("%s", e.msg);
	return s;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void state_open_new_folder_is_private(void **state)
{
	char *dir = mem_printf("%s/deep/er", (char *)*state);
	struct state s = opened(dir);

	assert_int_equal(mode_of(dir), 0700);
	state_fini(&s);
	free(dir);
}

static void state_open_bad_places_are_refused(void **state)
{
	char *file = mem_printf("%s/file", (char *)*state), *open_dir = mem_printf("%s/open", (char *)*state);
	char *below = mem_printf("%s/below", file);
	struct state s;
	struct err e = ERR_INIT;

	temp_write(file, "x", 1);
	mkdir(open_dir, 0777);
	chmod(open_dir, 0777);
	assert_int_equal(state_open(file, &s, &e), -1);
	assert_int_equal(e.kind, ERR_CONFIG);
	assert_int_equal(state_open(below, &s, &e), -1);
	assert_has(e.msg, "--state-dir");
	assert_int_equal(state_open(open_dir, &s, &e), -1);
	assert_int_equal(e.kind, ERR_DENIED);
	assert_has(e.msg, "chmod 700");
	free(file);
	free(open_dir);
	free(below);
}

static void state_network_fs_knows_network_file_systems(void **state)
{
	static const struct {
		unsigned long magic;
		const char *name;
	} cases[] = {
		{0x6969, "NFS"}, {0xff534d42, "CIFS"}, {0xffffffffff534d42, "CIFS"}, {0x01021997, "9P"},
		{0xef53, NULL},  {0x58465342, NULL},   {0x01021994, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *got = state_network_fs(cases[i].magic);

		assert_true((got == NULL) == (cases[i].name == NULL));
		if (got != NULL)
			assert_string_equal(got, cases[i].name);
	}
}

/* A child that holds the job until it is killed; returns when it does. */
static pid_t hold(const char *dir)
{
	int ready[2];
	char c;

	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct err e = ERR_INIT;
		struct state s;

		if (state_open(dir, &s, &e) < 0 || state_lock_job(&s, "web1", "sync web1.json", &e) < 0 ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static void state_lock_job_held_elsewhere_names_the_holder(void **state)
{
	struct state s = opened(*state);
	struct err e = ERR_INIT;
	char want[40], holder[256];

	assert_false(state_job_held(&s, "web1", holder, sizeof holder));
	pid_t pid = hold(*state);
	assert_int_equal(state_lock_job(&s, "web1", "verify web1.json", &e), -1);
	assert_int_equal(e.kind, ERR_BUSY);
	snprintf(want, sizeof want, "job web1 is held by pid %d on ", (int)pid);
	assert_starts(e.msg, want);
	assert_has(e.msg, "since 2");
	assert_has(e.msg, "wherry sync web1.json");
	assert_true(state_job_held(&s, "web1", holder, sizeof holder));
	assert_has(holder, "wherry sync web1.json");
	int other = state_lock_job(&s, "web2", "sync", &e);
	assert_true(other >= 0);
	close(other);

	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_false(state_job_held(&s, "web1", holder, sizeof holder));
	int fd = state_lock_job(&s, "web1", "verify web1.json", &e);
	assert_true(fd >= 0);
	/* Asking does not take: the lock is still ours. */
	assert_true(state_job_held(&s, "web1", holder, sizeof holder));
	assert_has(holder, "wherry verify");
	close(fd);
	state_fini(&s);
}

static void state_job_keys_are_made_once(void **state)
{
	struct state s = opened(*state);
	struct job_keys a, b, other;
	struct err e = ERR_INIT;
	uint8_t pin_a[PKI_PIN_SIZE], pin_b[PKI_PIN_SIZE];

	assert_int_equal(state_job_keys(&s, "web1", &a, &e), 0);
	assert_int_equal(state_job_keys(&s, "web1", &b, &e), 0);
	assert_int_equal(state_job_keys(&s, "web2", &other, &e), 0);
	assert_memory_equal(a.hash_secret, b.hash_secret, 32);
	assert_memory_not_equal(a.hash_secret, other.hash_secret, 32);
	assert_string_equal(a.ca_pem, b.ca_pem);
	assert_int_equal(pki_key_pin(a.controller, pin_a, &e), 0);
	assert_int_equal(pki_key_pin(other.controller, pin_b, &e), 0);
	assert_memory_equal(pin_a, pin_b, sizeof pin_a);
	static const char *const secrets[] = {"controller.key", "jobs/web1/ca.key", "jobs/web1/hash.key"};
	for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
		char *path = state_path(&s, "%s", secrets[i]);

		assert_int_equal(mode_of(path), 0600);
		free(path);
	}
	job_keys_fini(&a);
	job_keys_fini(&b);
	job_keys_fini(&other);
	state_fini(&s);
}

static void state_job_keys_bad_files_are_refused(void **state)
{
	struct state s = opened(*state);
	struct job_keys k;
	struct err e = ERR_INIT;

	assert_int_equal(state_job_keys(&s, "web1", &k, &e), 0);
	job_keys_fini(&k);
	char *hash = state_path(&s, "jobs/web1/hash.key");
	chmod(hash, 0640);
	assert_int_equal(state_job_keys(&s, "web1", &k, &e), -1);
	assert_int_equal(e.kind, ERR_DENIED);
	assert_has(e.msg, "chmod 600");
	chmod(hash, 0600);
	temp_write(hash, "abc\n", 4);
	assert_int_equal(state_job_keys(&s, "web1", &k, &e), -1);
	assert_int_equal(e.kind, ERR_CORRUPT);
	assert_has(e.msg, "hash.key");
	free(hash);
	state_fini(&s);
}

static void state_make_file_first_writer_wins(void **state)
{
	char *path = mem_printf("%s/once", (char *)*state);
	struct buf got = BUF_INIT;
	struct err e = ERR_INIT;

	assert_int_equal(state_make_file(path, "one", 3, &e), 0);
	assert_int_equal(state_make_file(path, "two", 3, &e), 0);
	assert_int_equal(state_read_file(path, true, &got, &e), 0);
	assert_string_equal(buf_str(&got), "one");
	buf_fini(&got);
	free(path);
}

static void state_paths_are_below_the_folder(void **state)
{
	struct state s = opened(*state);
	char *working = state_working_path(&s, "web1", 1), *seven = state_generation_path(&s, "web1", 0, 7);

	assert_string_equal(working + strlen(s.dir), "/manifests/web1/disk1/working");
	assert_string_equal(seven + strlen(s.dir), "/manifests/web1/disk0/7");
	temp_write(working, "", 0); /* aborts if the folder is not there */
	free(working);
	free(seven);
	state_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(state_open_new_folder_is_private, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(state_open_bad_places_are_refused, make_temp, drop_temp),
		cmocka_unit_test(state_network_fs_knows_network_file_systems),
		cmocka_unit_test_setup_teardown(state_lock_job_held_elsewhere_names_the_holder, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(state_job_keys_are_made_once, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(state_job_keys_bad_files_are_refused, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(state_make_file_first_writer_wins, make_temp, drop_temp),
		cmocka_unit_test_setup_teardown(state_paths_are_below_the_folder, make_temp, drop_temp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
