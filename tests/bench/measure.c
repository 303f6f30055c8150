// SPDX-License-Identifier: Apache-2.0
/*
 * bench-measure LOG SECONDS PROGRAM ARGUMENT... [++ PROGRAM ARGUMENT...]...
 *
 * Runs the programs of one case in PID, mount and network namespaces of their own, in which the only interface is a
 * loopback that nobody else uses, and prints one line:
 *
 *     WALL CPU WIRE RSS STATUS        (seconds, seconds, bytes, KiB, a word; separated by tabs)
 *
 * A program is started when the one before it has opened a TCP listener; the last one is the client. Their output
 * goes to LOG.
 *
 * WALL    from the start of the client to its end.
 * CPU     user and system time of all processes of the case, servers and whatever they forked included, from their
 *         start to their end (wait4). Kernel threads, like those of loop devices, count for nobody.
 * WIRE    bytes that the loopback sent, in either direction: payload, TLS, TCP and IP headers, acknowledgements.
 * RSS     the sum over all processes of each one's own peak (VmHWM, looked at every 5 ms; of a program itself also
 *         ru_maxrss at its end). Shared pages count in each process.
 * STATUS  ok; exit-N or signal-N of the client, or of a server that did not outlive it in order; timeout after
 *         SECONDS.
 *
 * A server that does not end by itself within a second after the client gets SIGTERM, and that counts as order.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_PROGRAMS  4
#define MAX_PROCESSES 64
#define SAMPLE_S      0.005
#define FAREWELL_S    1.0
#define TERM_S        5.0
#define SEPARATOR     "++"

struct program {
	char **argv;
	pid_t pid; /* 0: not started; -1: ended */
	int status;
};

struct process {
	pid_t pid;
	long peak_kib;
};

struct measure {
	const char *log;
	double limit_s;
	struct program programs[MAX_PROGRAMS];
	unsigned count;
	struct process seen[MAX_PROCESSES];
	unsigned seen_count;
	sigset_t child;
};

static void die(const char *what)
{
	fprintf(stderr, "bench-measure: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- Memory ---- */

static void note_peak(struct measure *m, pid_t pid, long kib)
{
	unsigned i = 0;

	while (i < m->seen_count && m->seen[i].pid != pid)
		i++;
	if (i == MAX_PROCESSES)
		return;
	if (i == m->seen_count)
		m->seen[m->seen_count++].pid = pid;
	if (kib > m->seen[i].peak_kib)
		m->seen[i].peak_kib = kib;
}

static void sample_process(struct measure *m, pid_t pid)
{
	char path[64], line[128];
	long kib;

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	FILE *f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "VmHWM: %ld", &kib) == 1)
			note_peak(m, pid, kib);
	if (f != NULL)
		fclose(f);
}

/* Everybody in this PID namespace but us. */
static void sample(struct measure *m)
{
	DIR *d = opendir("/proc");
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL)
		if (atoi(entry->d_name) > 1)
			sample_process(m, (pid_t)atoi(entry->d_name));
	if (d != NULL)
		closedir(d);
}

/* ---- Processes ---- */

static void start(struct measure *m, struct program *p)
{
	p->pid = fork();
	if (p->pid < 0)
		die("fork");
	if (p->pid > 0)
		return;
	int out = open(m->log, O_WRONLY | O_CREAT | O_APPEND, 0600), in = open("/dev/null", O_RDONLY);
	sigprocmask(SIG_UNBLOCK, &m->child, NULL);
	if (out < 0 || in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(126);
	execvp(p->argv[0], p->argv);
	_exit(127);
}

static void reap(struct measure *m)
{
	struct rusage used;
	pid_t pid;
	int status;

	while ((pid = wait4(-1, &status, WNOHANG, &used)) > 0) {
		for (unsigned i = 0; i < m->count; i++) {
			if (m->programs[i].pid != pid)
				continue;
			m->programs[i].pid = -1;
			m->programs[i].status = status;
			note_peak(m, pid, used.ru_maxrss);
		}
	}
}

/* Until a child ends or it is time to look at their memory again. */
static void wait_a_little(struct measure *m)
{
	const struct timespec t = {.tv_nsec = (long)(SAMPLE_S * 1e9)};

	sample(m);
	sigtimedwait(&m->child, NULL, &t);
	reap(m);
}

static bool wait_end(struct measure *m, const struct program *p, double until)
{
	while (p->pid > 0 && now_s() < until)
		wait_a_little(m);
	return p->pid < 0;
}

static unsigned listeners(const char *path)
{
	char line[512];
	unsigned n = 0, state;
	FILE *f = fopen(path, "re");

	while (f != NULL && fgets(line, sizeof line, f) != NULL)
		n += sscanf(line, " %*u: %*s %*s %x", &state) == 1 && state == 0x0A;
	if (f != NULL)
		fclose(f);
	return n;
}

static bool wait_listening(struct measure *m, const struct program *p, unsigned before, double until)
{
	while (p->pid > 0 && now_s() < until) {
		if (listeners("/proc/net/tcp") + listeners("/proc/net/tcp6") > before)
			return true;
		wait_a_little(m);
	}
	return false;
}

static void word_of(int status, char *out, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(out, size, "signal-%d", WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		snprintf(out, size, "exit-%d", WEXITSTATUS(status));
}

/* Servers, the youngest first; those that had to be told to end have done nothing wrong. */
static void end_servers(struct measure *m, char *word, size_t size)
{
	for (unsigned i = m->count - 1; i-- > 0;) {
		struct program *p = &m->programs[i];

		if (wait_end(m, p, now_s() + FAREWELL_S)) {
			word_of(p->status, word, size);
			continue;
		}
		kill(p->pid, SIGTERM);
		wait_end(m, p, now_s() + TERM_S);
	}
	kill(-1, SIGKILL);
	while (wait(NULL) > 0)
		continue;
}

/* ---- The wire ---- */

static void loopback_up(void)
{
	struct ifreq r = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &r) < 0)
		die("the loopback of a new network namespace");
	r.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &r) < 0)
		die("the loopback of a new network namespace");
	close(fd);
}

static unsigned long long wire_bytes(void)
{
	unsigned long long sent = 0;
	char line[512];
	FILE *f = fopen("/proc/net/dev", "re");

	while (f != NULL && fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, " lo: %*u %*u %*u %*u %*u %*u %*u %*u %llu", &sent) == 1)
			break;
	if (f != NULL)
		fclose(f);
	return sent;
}

/* ---- All of it, as PID 1 of the namespaces ---- */

static int measure(struct measure *m)
{
	double begin = 0, end = 0, until = now_s() + m->limit_s, cpu_s;
	char word[16] = "ok";
	struct rusage used;
	long rss = 0;

	for (unsigned i = 0; i < m->count && strcmp(word, "ok") == 0; i++) {
		unsigned before = listeners("/proc/net/tcp") + listeners("/proc/net/tcp6");
		struct program *p = &m->programs[i];

		begin = now_s();
		start(m, p);
		bool good = i + 1 < m->count ? wait_listening(m, p, before, until) : wait_end(m, p, until);
		end = now_s();
		if (p->pid < 0)
			word_of(p->status, word, sizeof word);
		else if (!good)
			strcpy(word, "timeout");
	}
	end_servers(m, word, sizeof word);
	getrusage(RUSAGE_CHILDREN, &used);
	cpu_s = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
		(double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
	for (unsigned i = 0; i < m->seen_count; i++)
		rss += m->seen[i].peak_kib;
	printf("%.4f\t%.4f\t%llu\t%ld\t%s\n", end - begin, cpu_s, wire_bytes(), rss, word);
	return 0;
}

static void split(struct measure *m, char **argv)
{
	while (*argv != NULL && m->count < MAX_PROGRAMS) {
		m->programs[m->count++].argv = argv;
		while (*argv != NULL && strcmp(*argv, SEPARATOR) != 0)
			argv++;
		if (*argv != NULL)
			*argv++ = NULL;
	}
}

int main(int argc, char **argv)
{
	struct measure m = {0};
	int status;

	if (argc < 4) {
		fputs("Usage: bench-measure LOG SECONDS PROGRAM ARGUMENT... [++ PROGRAM ARGUMENT...]...\n", stderr);
		return 2;
	}
	m.log = argv[1];
	m.limit_s = atof(argv[2]);
	split(&m, argv + 3);
	if (unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET) < 0)
		die("namespaces (it needs root)");
	pid_t pid = fork();
	if (pid < 0)
		die("fork");
	if (pid > 0)
		return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* and with PID 1 the kernel ends everybody in its namespace */
	sigemptyset(&m.child);
	sigaddset(&m.child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &m.child, NULL);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("proc", "/proc", "proc", 0, NULL) < 0)
		die("a /proc of its own");
	loopback_up();
	return measure(&m);
}
