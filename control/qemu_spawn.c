// SPDX-License-Identifier: Apache-2.0
/* The halves of qemu_proc.h that fork. Between fork and exec only calls that are safe there (signal-safety(7)). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "qemu_file.h"
#include "qemu_proc.h"

#define OUTPUT_MAX ((size_t)64 << 20)

/* Locks and sockets of the controller must not live on in a QEMU that outlives it. */
static void close_from(unsigned first)
{
	if (syscall(SYS_close_range, first, ~0U, 0) == 0)
		return;
	for (unsigned fd = first; fd < 4096; fd++)
		close((int)fd);
}

static void default_signals(void)
{
	sigset_t none;

	for (int s = 1; s < 32; s++)
		signal(s, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static const struct words {
	const char *part;
	enum err_kind kind;
	const char *advice;
} known_words[] = {
	{"No space left", ERR_NO_SPACE, "; free space in that file system, then run again"},
	{"Disk quota exceeded", ERR_NO_SPACE, "; free space in that file system, then run again"},
	{"File too large", ERR_NO_SPACE, "; free space in that file system, then run again"},
	{"\" lock", ERR_BUSY, "; another QEMU or tool has that image open: stop it, then run again"},
	{"Failed to lock", ERR_BUSY, "; another QEMU or tool has that image open: stop it, then run again"},
	{"No such file", ERR_NOT_FOUND, ""},
	{"Permission denied", ERR_DENIED, "; run this as a user who may"},
	{"Read-only file", ERR_DENIED, ""},
	{"host forwarding rule", ERR_BUSY, ""},
	{"multiple of request alignment", ERR_UNSUPPORTED,
	 "; that file system wants larger blocks: use \"format\": \"qcow2\""},
};

static const struct words *find_words(const char *words)
{
	static const struct words other = {"", ERR_IO, ""};

	for (size_t i = 0; i < sizeof known_words / sizeof known_words[0]; i++)
		if (strstr(words, known_words[i].part) != NULL)
			return &known_words[i];
	return &other;
}

enum err_kind qemu_words_kind(const char *words)
{
	return find_words(words)->kind;
}

const char *qemu_words_advice(const char *words)
{
	return find_words(words)->advice;
}

static void become_tool(const char *const argv[], const char *cwd, int out, int err, pid_t parent)
{
	int null = open("/dev/null", O_RDONLY);

	/* No tool works on for a controller that is dead: all their steps can be done again. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	setpgid(0, 0); /* Ctrl-C is for the controller, which then ends in good order */
	default_signals();
	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0 ||
	    (cwd != NULL && chdir(cwd) < 0))
		_exit(127);
	close_from(3);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(errno == ENOENT ? 126 : 127);
}

static int drain(int fd, struct buf *out, size_t max)
{
	for (;;) {
		char part[65536];
		ssize_t n = read(fd, part, sizeof part);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return (int)n;
		if (out->len + (size_t)n <= max)
			buf_add(out, part, (size_t)n);
	}
}

static int explain(const char *tool, int status, const struct buf *words, struct err *e)
{
	char line[360];
	size_t n = 0;

	if (WIFEXITED(status) && WEXITSTATUS(status) == 126)
		return err_set(e, ERR_NOT_FOUND, 0,
			       "%s is not installed: install Debian's qemu-utils and "
			       "qemu-system-x86, or put it into PATH",
			       tool);
	if (WIFSIGNALED(status))
		return err_set(e, ERR_IO, 0, "%s was killed by signal %d", tool, WTERMSIG(status));
	for (size_t i = 0; i < words->len && n + 1 < sizeof line; i++)
		line[n++] = words->data[i] == '\n' ? ' ' : words->data[i];
	while (n > 0 && line[n - 1] == ' ')
		n--;
	line[n] = '\0';
	return err_set(e, qemu_words_kind(line), 0, "%.300s%s", line[0] != '\0' ? line : tool, qemu_words_advice(line));
}

int qemu_tool(const char *const argv[], const char *cwd, struct buf *out, struct err *e)
{
	cleanup(buf_fini) struct buf ignored = BUF_INIT, words = BUF_INIT;
	/* stderr goes to memory: one pipe is enough to read, and none can fill up unread. */
	cleanup(cleanup_fd) int err_fd = memfd_create("wherry-tool", MFD_CLOEXEC);
	int pipe_fds[2], status = 0;

	if (err_fd < 0 || pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_set(e, ERR_IO, errno, "cannot prepare to run %s", argv[0]);
	cleanup(cleanup_fd) int from = pipe_fds[0];
	cleanup(cleanup_fd) int to = pipe_fds[1];
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return err_set(e, ERR_IO, errno, "cannot start %s", argv[0]);
	if (pid == 0)
		become_tool(argv, cwd, to, err_fd, parent);
	close(take_fd(&to));
	drain(from, out != NULL ? out : &ignored, OUTPUT_MAX);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	lseek(err_fd, 0, SEEK_SET);
	drain(err_fd, &words, 4096);
	return explain(argv[0], status, &words, e);
}

static void watch(int fd, const char *marker, int64_t deadline, bool *seen)
{
	cleanup(buf_fini) struct buf said = BUF_INIT;

	while (!*seen) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = deadline - clock_mono_ns();
		char part[4096];

		if (left <= 0)
			return;
		if (poll(&p, 1, (int)(left / NS_PER_MS) + 1) <= 0)
			continue;
		ssize_t n = read(fd, part, sizeof part);

		if (n <= 0)
			return;
		buf_add(&said, part, (size_t)n);
		*seen = strstr(buf_str(&said), marker) != NULL;
		if (said.len > 65536)
			buf_drop(&said, said.len - 4096);
	}
}

int qemu_tool_watch(const char *const argv[], const char *marker, int64_t timeout_ns, bool *seen, struct err *e)
{
	int pipe_fds[2];

	*seen = false;
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_set(e, ERR_IO, errno, "cannot prepare to run %s", argv[0]);
	cleanup(cleanup_fd) int from = pipe_fds[0];
	cleanup(cleanup_fd) int to = pipe_fds[1];
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return err_set(e, ERR_IO, errno, "cannot start %s", argv[0]);
	if (pid == 0)
		become_tool(argv, NULL, to, to, parent);
	close(take_fd(&to));
	watch(from, marker, clock_mono_ns() + timeout_ns, seen);
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

/* Start time of this very process without the C library's buffers. */
static const char *own_start(char text[512], size_t *len)
{
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, 511);

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return NULL;
	text[n] = '\0';
	char *p = strrchr(text, ')');

	for (int field = 2; p != NULL && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (p == NULL)
		return NULL;
	*len = strspn(p + 1, "0123456789");
	return p + 1;
}

static size_t put_number(char *out, unsigned long v)
{
	char digits[24];
	size_t n = 0, len;

	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	for (len = 0; n > 0;)
		out[len++] = digits[--n];
	return len;
}

/* {"pid":P,"start":S,"boot":"B"} into process.json of the current directory, by rename. */
static int write_own_record(const char *boot)
{
	char stat_text[512], line[256];
	size_t start_len = 0, n = 0;
	const char *start = own_start(stat_text, &start_len);

	if (start == NULL || start_len == 0)
		return -1;
	memcpy(line, "{\"pid\":", 7);
	n = 7 + put_number(line + 7, (unsigned long)getpid());
	memcpy(line + n, ",\"start\":", 9);
	memcpy(line + n + 9, start, start_len);
	n += 9 + start_len;
	memcpy(line + n, ",\"boot\":\"", 9);
	memcpy(line + n + 9, boot, strlen(boot));
	n += 9 + strlen(boot);
	memcpy(line + n, "\"}\n", 3);
	n += 3;
	int fd = open("process.json.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, line, n) != (ssize_t)n || close(fd) < 0)
		return -1;
	return rename("process.json.new", "process.json");
}

struct start {
	char *const *argv;
	const char *run_dir, *boot;
	int status; /* pipe: closed by a successful exec, else an errno comes through it */
};

static void become_qemu(const struct start *s)
{
	int null = open("/dev/null", O_RDONLY), sys;
	int log = -1;

	default_signals();
	umask(0022);
	if (chdir(s->run_dir) == 0)
		log = open("qemu.log", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
	if (null >= 0 && log >= 0 && write_own_record(s->boot) == 0 && dup2(s->status, 3) == 3 &&
	    dup2(null, 0) == 0 && dup2(log, 1) == 1 && dup2(log, 2) == 2) {
		fcntl(3, F_SETFD, FD_CLOEXEC);
		close_from(4);
		execvp(s->argv[0], s->argv);
		sys = errno;
		unlink("process.json");
		if (write(3, &sys, sizeof sys) < 0)
			_exit(1);
		_exit(127);
	}
	sys = errno;
	if (write(s->status, &sys, sizeof sys) < 0)
		_exit(1);
	_exit(127);
}

static void fork_twice(const struct start *s)
{
	setsid();
	pid_t pid = fork();

	if (pid == 0)
		become_qemu(s);
	if (pid < 0) {
		int sys = errno;

		if (write(s->status, &sys, sizeof sys) < 0)
			_exit(1);
	}
	_exit(0);
}

int qemu_proc_start(char *const argv[], const char *run_dir, struct err *e)
{
	char boot[40];
	int pipe_fds[2], sys = 0;

	qemu_boot_id(boot);
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_set(e, ERR_IO, errno, "cannot prepare to start %s", argv[0]);
	cleanup(cleanup_fd) int from = pipe_fds[0];
	cleanup(cleanup_fd) int to = pipe_fds[1];
	/* dup2 in the child goes to 0..3, which must not hit the pipe itself. */
	cleanup(cleanup_fd) int high = fcntl(to, F_DUPFD_CLOEXEC, 16);
	struct start s = {.argv = argv, .run_dir = run_dir, .boot = boot, .status = high};
	pid_t pid = high < 0 ? -1 : fork();

	if (pid < 0)
		return err_set(e, ERR_IO, errno, "cannot start %s", argv[0]);
	if (pid == 0)
		fork_twice(&s);
	close(take_fd(&to));
	close(take_fd(&high));
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	ssize_t n = read(from, &sys, sizeof sys);

	if (n <= 0)
		return 0;
	if (sys == ENOENT)
		return err_set(e, ERR_NOT_FOUND, 0,
			       "%s cannot be started in %s: install Debian's qemu-system-x86, or put "
			       "it into PATH",
			       argv[0], run_dir);
	return err_set(e, err_kind_of_errno(sys), sys, "%s cannot be started in %s", argv[0], run_dir);
}
