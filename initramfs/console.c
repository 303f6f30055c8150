// SPDX-License-Identifier: Apache-2.0
#include "console.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "sysfile.h"

enum { CONSOLES_MAX = 8, CONSOLE_UID = 991 };

static int open_consoles(int consoles[CONSOLES_MAX])
{
	char names[256];
	char path[300];
	char *rest;
	int n = 0;

	if (sysfile_text("/sys/class/tty/console/active", names, sizeof names) < 0)
		return 0;
	for (char *name = strtok_r(names, " ", &rest); name && n < CONSOLES_MAX;
	     name = strtok_r(NULL, " ", &rest)) {
		snprintf(path, sizeof path, "/dev/%s", name);
		int fd = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
		if (fd >= 0)
			consoles[n++] = fd;
	}
	return n;
}

static void write_whole(int fd, const char *bytes, ssize_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, bytes, (size_t)size);
		if (n <= 0)
			return;
		bytes += n;
		size -= n;
	}
}

static void copy_forever(int from)
{
	int consoles[CONSOLES_MAX];
	int n = open_consoles(consoles);
	char bytes[4096];
	ssize_t size;

	setsid();
	signal(SIGHUP, SIG_IGN);
	if (setgroups(0, NULL) < 0 || setresgid(CONSOLE_UID, CONSOLE_UID, CONSOLE_UID) < 0 ||
	    setresuid(CONSOLE_UID, CONSOLE_UID, CONSOLE_UID) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		_exit(1);
	while ((size = read(from, bytes, sizeof bytes)) > 0)
		for (int i = 0; i < n; i++)
			write_whole(consoles[i], bytes, size);
	_exit(0);
}

int console_start(void)
{
	int ends[2];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	pid_t pid = fork();
	if (pid < 0)
		return -1;
	if (pid == 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		close(ends[1]);
		copy_forever(ends[0]);
	}
	close(ends[0]);
	dup2(null, STDIN_FILENO);
	dup2(ends[1], STDOUT_FILENO);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	close(null);
	return 0;
}

void console_drain(int milliseconds)
{
	const struct timespec step = { .tv_nsec = 10000000 };
	int waiting = 1;

	// The last pause is for the bytes the copier has taken but not yet written.
	for (; milliseconds > 0 && waiting; milliseconds -= 10) {
		if (ioctl(STDOUT_FILENO, FIONREAD, &waiting) < 0)
			break;
		nanosleep(&step, NULL);
	}
	int console = open("/dev/console", O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (console >= 0) {
		tcdrain(console);
		close(console);
	}
}
