// SPDX-License-Identifier: Apache-2.0
#include "qemu_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "json_read.h"
#include "qemu_file.h"
#include "qmp.h"

#define QUIT_NS   (10 * NS_PER_S)
#define SIGNAL_NS (10 * NS_PER_S)
#define LOOK_NS   (10 * NS_PER_MS)

void qemu_boot_id(char out[40])
{
	cleanup(buf_fini) struct buf text = BUF_INIT;
	struct err e = ERR_INIT;

	out[0] = '\0';
	if (qemu_file_read("/proc/sys/kernel/random/boot_id", 64, &text, &e) == 0)
		snprintf(out, 40, "%.36s", buf_str(&text));
}

struct stat_line {
	char state;
	long threads;
	uint64_t start;
};

/* From /proc/PID/stat (proc(5)); the name in it may hold anything, so from its last ')' on. */
static bool read_stat(int pid, struct stat_line *s)
{
	cleanup(cleanup_free) char *path = mem_printf("/proc/%d/stat", pid);
	cleanup(buf_fini) struct buf text = BUF_INIT;
	struct err e = ERR_INIT;

	if (qemu_file_read(path, 4096, &text, &e) < 0)
		return false;
	const char *p = strrchr(buf_str(&text), ')');

	return p != NULL &&
	       sscanf(p + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld %*d %" SCNu64,
		      &s->state, &s->threads, &s->start) == 3;
}

enum life { LIFE_GONE, LIFE_DYING, LIFE_ALIVE };

/* Alive when one of its arguments is run_dir/qemu.pid. One that dies loses its arguments before its files. */
static enum life look_at_command(int pid, const char *run_dir)
{
	cleanup(cleanup_free) char *path = mem_printf("/proc/%d/cmdline", pid);
	cleanup(cleanup_free) char *mark = mem_printf("%s/qemu.pid", run_dir);
	cleanup(buf_fini) struct buf text = BUF_INIT;
	struct err e = ERR_INIT;

	if (qemu_file_read(path, 1 << 20, &text, &e) < 0)
		return LIFE_GONE;
	for (size_t at = 0; at < text.len; at += strlen(text.data + at) + 1)
		if (strcmp(text.data + at, mark) == 0)
			return LIFE_ALIVE;
	return text.len == 0 ? LIFE_DYING : LIFE_GONE;
}

static bool read_record(const char *run_dir, struct qemu_proc *id)
{
	cleanup(cleanup_free) char *path = mem_printf("%s/process.json", run_dir);
	struct err e = ERR_INIT;
	struct json_doc *doc = json_load(path, &e);

	if (doc == NULL)
		return false;
	struct json_at at = json_root(doc);

	id->pid = (int)json_number(&at, "pid", JSON_REQUIRED, 2, INT32_MAX, 0);
	id->start = json_number(&at, "start", JSON_REQUIRED, 0, UINT64_MAX, 0);
	snprintf(id->boot, sizeof id->boot, "%s", json_string(&at, "boot", JSON_REQUIRED, ""));
	bool ok = json_finish(doc, &e) == 0;

	json_free(doc);
	return ok;
}

static enum life look_at(const struct qemu_proc *id, const char *run_dir)
{
	struct stat_line now = {0};
	char boot[40];

	qemu_boot_id(boot);
	if (strcmp(boot, id->boot) != 0 || !read_stat(id->pid, &now) || now.start != id->start)
		return LIFE_GONE;
	/* A zombie is gone, and where PID 1 does not collect it stays for ever; but while other threads of it still die,
	 * it holds its files and their locks. */
	if (now.state == 'Z' || now.state == 'X')
		return now.threads > 1 ? LIFE_DYING : LIFE_GONE;
	return look_at_command(id->pid, run_dir);
}

bool qemu_proc_alive(const char *run_dir, struct qemu_proc *id)
{
	struct qemu_proc found = {0};

	if (!read_record(run_dir, &found) || look_at(&found, run_dir) == LIFE_GONE)
		return false;
	if (id != NULL)
		*id = found;
	return true;
}

int qemu_proc_signal(const char *run_dir, int sig, struct err *e)
{
	struct qemu_proc id = {0};

	if (!read_record(run_dir, &id))
		return 0;
	cleanup(cleanup_fd) int fd = (int)syscall(SYS_pidfd_open, id.pid, 0);

	if (look_at(&id, run_dir) != LIFE_ALIVE)
		return 0;
	if (fd < 0)
		return err_set(e, err_kind_of_errno(errno), errno, "cannot get hold of QEMU, pid %d, of %s", id.pid,
			       run_dir);
	if (syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0) < 0 && errno != ESRCH)
		return err_set(e, err_kind_of_errno(errno), errno,
			       "cannot end QEMU, pid %d, of %s: run this as the user who started it", id.pid,
			       run_dir);
	return 0;
}

bool qemu_proc_wait_gone(const char *run_dir, int64_t timeout_ns)
{
	int64_t deadline = clock_mono_ns() + timeout_ns;

	while (qemu_proc_alive(run_dir, NULL)) {
		if (clock_mono_ns() > deadline)
			return false;
		clock_sleep_ns(LOOK_NS);
	}
	return true;
}

static void ask_to_quit(const char *run_dir)
{
	struct err e = ERR_INIT;
	struct qmp *q = qmp_open(run_dir, 3 * NS_PER_S, &e);

	if (q != NULL)
		qmp_do(q, "quit", NULL, &e); /* an answer may not come any more: the signals follow */
	qmp_close(q);
}

static int remove_traces(const char *run_dir, struct err *e)
{
	static const char *const names[] = {"process.json", "qmp.sock", "serial.sock", "nbd.sock", "qemu.pid"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		cleanup(cleanup_free) char *path = mem_printf("%s/%s", run_dir, names[i]);

		if (qemu_file_unlink(path, e) < 0)
			return -1;
	}
	return 0;
}

int qemu_proc_end(const char *run_dir, struct err *e)
{
	if (qemu_proc_alive(run_dir, NULL)) {
		ask_to_quit(run_dir);
		if (!qemu_proc_wait_gone(run_dir, QUIT_NS) &&
		    (qemu_proc_signal(run_dir, SIGTERM, e) < 0 ||
		     (!qemu_proc_wait_gone(run_dir, SIGNAL_NS) && qemu_proc_signal(run_dir, SIGKILL, e) < 0)))
			return -1;
		if (!qemu_proc_wait_gone(run_dir, SIGNAL_NS))
			return err_set(e, ERR_TIMEOUT, 0,
				       "QEMU of %s does not end even on SIGKILL: its storage may hang; "
				       "look at it with ps, then run the clean-up again",
				       run_dir);
	}
	return remove_traces(run_dir, e);
}

char *qemu_tail(const char *path, char *out, size_t size)
{
	cleanup(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[1024];
	size_t n = 0;

	out[0] = '\0';
	off_t end = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	ssize_t got = end <= 0 ? 0
			       : pread(fd, text, sizeof text,
				       end > (off_t)sizeof text ? end - (off_t)sizeof text : 0);
	ssize_t from = got > (ssize_t)size - 1 ? got - ((ssize_t)size - 1) : 0;

	/* Whole words only, where there are any. */
	for (ssize_t i = from; i > 0 && i < got; i++)
		if (text[i] == ' ' || text[i] == '\n') {
			from = i;
			break;
		}
	for (ssize_t i = from; i < got; i++) {
		char c = text[i] >= ' ' && text[i] < 0x7f ? text[i] : ' ';

		if (c != ' ' || (n > 0 && out[n - 1] != ' '))
			out[n++] = c;
	}
	while (n > 0 && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
	return out;
}

/* What QEMU says of an option, without the option: that is a page of JSON which nobody wrote by hand. */
static const char *after_option(const char *words)
{
	for (const char *end; (end = strstr(words, "}: ")) != NULL;)
		words = end + strlen("}: ");
	return words[0] != '\0' ? words : "it said nothing";
}

int qemu_proc_wait_monitor(const char *run_dir, int64_t timeout_ns, struct err *e)
{
	int64_t deadline = clock_mono_ns() + timeout_ns;
	cleanup(cleanup_free) char *log = mem_printf("%s/qemu.log", run_dir);
	char words[300];

	for (;;) {
		struct err why = ERR_INIT;
		bool alive = qemu_proc_alive(run_dir, NULL);
		struct qmp *q = alive ? qmp_open(run_dir, deadline - clock_mono_ns(), &why) : NULL;

		qmp_close(q);
		if (q != NULL)
			return 0;
		if (!alive) {
			qemu_tail(log, words, sizeof words);
			return err_set(e, qemu_words_kind(words), 0, "QEMU did not start in %s: %s%s", run_dir,
				       after_option(words), qemu_words_advice(words));
		}
		if (clock_mono_ns() > deadline) {
			*e = why;
			return err_wrap(e, "QEMU in %s started, but", run_dir);
		}
		clock_sleep_ns(LOOK_NS);
	}
}
