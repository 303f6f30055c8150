// SPDX-License-Identifier: Apache-2.0
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "say.h"

enum { CAPABILITIES_MAX = 63, FILES_MAX = 65536 };

static int set_limits(void)
{
	const struct rlimit none = { 0, 0 };
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	const struct rlimit files = { FILES_MAX, FILES_MAX };

	return setrlimit(RLIMIT_CORE, &none) < 0 || setrlimit(RLIMIT_MEMLOCK, &all) < 0 ||
	       setrlimit(RLIMIT_NOFILE, &files) < 0 ? -1 : 0;
}

// The bounding set first: it needs the capability that setresuid takes away.
static int drop_privileges(uid_t uid)
{
	for (int cap = 0; cap <= CAPABILITIES_MAX; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
			return -1;
	if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return 0;
}

static void move_fds(const struct spawn *what)
{
	if (what->stdout_fd != SPAWN_NO_FD)
		dup2(what->stdout_fd, STDOUT_FILENO);
	if (what->pass_fd != SPAWN_NO_FD && what->pass_fd == what->pass_as)
		fcntl(what->pass_fd, F_SETFD, 0);
	else if (what->pass_fd != SPAWN_NO_FD)
		dup2(what->pass_fd, what->pass_as);
}

static _Noreturn void become(const struct spawn *what)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	move_fds(what);
	if (set_limits() < 0 || (what->uid && drop_privileges(what->uid) < 0))
		say("%s cannot be given its rights: %s.", what->argv[0], strerror(errno));
	else if (execve(what->argv[0], (char *const *)what->argv, (char *const *)what->envp) < 0)
		say("%s cannot be started: %s; the image is damaged.", what->argv[0],
		    strerror(errno));
	_exit(127);
}

pid_t spawn_start(const struct spawn *what)
{
	pid_t pid = fork();

	if (pid == 0)
		become(what);
	return pid;
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

// Reads to the end of file. Returns 0, or -1 with errno EFBIG, ETIMEDOUT or read's own.
static int read_until(int fd, long long deadline, char *output, size_t size, size_t *used)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	char extra;

	for (*used = 0;;) {
		long long left = deadline - now_ms();
		if (left <= 0 || poll(&wait, 1, (int)left) == 0) {
			errno = ETIMEDOUT;
			return -1;
		}
		ssize_t n = *used < size ? read(fd, output + *used, size - *used) :
					   read(fd, &extra, 1);
		if (n <= 0)
			return (int)n;
		if (*used == size) {
			errno = EFBIG;
			return -1;
		}
		*used += (size_t)n;
	}
}

int spawn_collect(struct spawn what, int seconds, char *output, size_t size, size_t *used)
{
	int ends[2];
	int status = 0;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	what.stdout_fd = ends[1];
	pid_t pid = spawn_start(&what);
	close(ends[1]);
	int result = pid < 0 ? -1 : read_until(ends[0], now_ms() + seconds * 1000LL, output, size,
					       used);
	int saved = errno;
	close(ends[0]);
	if (pid > 0) {
		if (result < 0)
			kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	errno = saved;
	return result < 0 ? -1 : status;
}
