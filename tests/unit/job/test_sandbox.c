// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "job/sandbox.h"

/* What a sandboxed child does; its exit status is 0 when the kernel let it. */
static int try_exec(void)
{
	char *const argv[] = {"true", NULL}, *const env[] = {NULL};

	execve("/bin/true", argv, env);
	return 1;
}

static int try_ptrace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? 0 : 1;
}

static void *thread_main(void *arg)
{
	free(mem_alloc(1 << 20));
	return arg;
}

static int try_thread(void)
{
	pthread_t t;
	int token = 0;
	void *back = NULL;

	return pthread_create(&t, NULL, thread_main, &token) == 0 && pthread_join(t, &back) == 0 && back == &token
		       ? 0
		       : 1;
}

static int try_file(void)
{
	return access("/proc/meminfo", R_OK);
}

static int status_of(int (*body)(void), bool filter)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct err e = ERR_INIT;

		if (sandbox_no_dumps(&e) < 0 || (filter && sandbox_filter(&e) < 0))
			_exit(99);
		_exit(body());
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void sandbox_filter_forbidden_call_kills(void **state)
{
	int (*const bodies[])(void) = {try_exec, try_ptrace};

	(void)state;
	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
		int status = status_of(bodies[i], true);

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGSYS);
		/* And without the filter the same is possible, so it is the filter that forbids it. */
		assert_int_equal(status_of(bodies[i], false), 0);
	}
}

static void sandbox_filter_work_goes_on(void **state)
{
	(void)state;
	assert_int_equal(status_of(try_thread, true), 0);
	assert_int_equal(status_of(try_file, true), 0);
}

static int core_limit(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0 ? 0 : 1;
}

static void sandbox_no_dumps_leaves_no_core(void **state)
{
	(void)state;
	assert_int_equal(status_of(core_limit, false), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sandbox_filter_forbidden_call_kills),
		cmocka_unit_test(sandbox_filter_work_goes_on),
		cmocka_unit_test(sandbox_no_dumps_leaves_no_core),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
