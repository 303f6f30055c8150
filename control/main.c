// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "commands.h"
#include "json_line.h"

/* The one thing a signal handler can reach. */
static atomic_bool interrupted;

/* The first signal asks for an orderly end, which removes what was made; the second ends at once. */
static void on_signal(int number)
{
	static const char first[] = "\nwherry: interrupted: taking away what this run made; again to stop at once\n";
	static const char second[] = "\nwherry: stopped at once: run `wherry cleanup` to remove what was left\n";

	/* The terminal is gone: nobody reads, and a shell and the kernel may both tell it. */
	if (number == SIGHUP) {
		atomic_store(&interrupted, true);
		return;
	}
	if (atomic_exchange(&interrupted, true)) {
		if (write(STDERR_FILENO, second, sizeof second - 1) < 0)
			_exit(1);
		_exit(err_exit_status(ERR_CANCELED));
	}
	if (write(STDERR_FILENO, first, sizeof first - 1) < 0)
		return; /* nobody to tell */
}

static void set_up_signals(void)
{
	struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, hup;

	sigemptyset(&act.sa_mask);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	if (sigaction(SIGHUP, NULL, &hup) == 0 && hup.sa_handler != SIG_IGN) /* as nohup sets it */
		sigaction(SIGHUP, &act, NULL);
	act = (struct sigaction){.sa_handler = SIG_IGN};
	sigaction(SIGPIPE, &act, NULL); /* a cut connection is an error with a sentence, not an end */
}

/* Keys are in this memory. */
static void forbid_core_dumps(void)
{
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
}

static void report(const struct cmd *c, const struct err *e)
{
	char now[24];

	if (c->reported)
		return;
	if (c->json)
		json_line(stdout, "event:s time:s kind:s message:s exit:u", "error", clock_format(clock_wall_ns(), now),
			  err_kind_name(e->kind), e->msg, (uint64_t)err_exit_status(e->kind));
	else
		fprintf(stderr, "wherry: %s\n", e->msg);
}

/* `wherry plan | head` has read what it wanted. */
static bool reader_left(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

	return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

static int finish(const struct cmd *c, int rc, struct err *e)
{
	/* What a full disk did not take is no success. */
	if ((fflush(stdout) != 0 || ferror(stdout)) && rc == 0 && !reader_left())
		rc = err_set(e, ERR_IO, 0, "the output could not be written");
	if (rc == 0)
		return 0;
	report(c, e);
	fflush(stdout);
	return err_exit_status(e->kind);
}

int main(int argc, char *argv[])
{
	struct log log = {.fd = STDERR_FILENO, .level = LOG_INFO, .name = "wherry"};
	struct cmd c = {.log = &log, .cancel = &interrupted};
	struct err e = ERR_INIT;

	set_up_signals();
	forbid_core_dumps();
	if (cmd_parse(argc - 1, argv + 1, &c, &e) < 0)
		return finish(&c, -1, &e);
	log.level = c.verbose ? LOG_DEBUG : c.quiet ? LOG_WARN : LOG_INFO;
	return finish(&c, c.help ? cmd_help(&c, &e) : c.command->run(&c, &e), &e);
}
