// SPDX-License-Identifier: Apache-2.0
#include "host_watch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hex.h"

#define TICK_NS (500 * NS_PER_MS)
/* Tells the thread to end. */
#define END_SIGNAL SIGUSR1

static void show(struct host_watch *w, int64_t started)
{
	struct copy_progress *p = atomic_load(&w->shown);
	uint64_t scanned = atomic_load(&p->scanned), holes = atomic_load(&p->holes), written = atomic_load(&p->written);
	double seconds = (double)(clock_mono_ns() - started) / (double)NS_PER_S;
	char size[16], rate[16], out[16];

	num_format_size(scanned, size);
	num_format_size((uint64_t)((double)(scanned - holes) / (seconds > 0 ? seconds : 1)), rate);
	num_format_size(written, out);
	if (w->total == 0)
		fprintf(stderr, "\r\033[K%s: written %s", atomic_load(&w->what), out);
	else
		fprintf(stderr, "\r\033[K%s: %3.0f %% (%s), read %s/s, written %s", atomic_load(&w->what),
			100.0 * (double)scanned / (double)w->total, size, rate, out);
	fflush(stderr);
}

static void *watch_main(void *arg)
{
	struct host_watch *w = arg;
	const struct timespec tick = {.tv_nsec = TICK_NS};
	int64_t started = clock_mono_ns();

	for (;;) {
		int sig = sigtimedwait(&w->signals, NULL, &tick);

		if (sig == END_SIGNAL)
			break;
		if (sig > 0)
			atomic_store(&w->cancel, true);
		else if (w->terminal)
			show(w, started);
	}
	if (w->terminal)
		fputs("\r\033[K", stderr);
	return NULL;
}

/* A signal that is blocked counts even when it is ignored, as nohup and shells do it for background jobs. */
static void add_unless_ignored(struct host_watch *w, int sig)
{
	struct sigaction now;

	if (sigaction(sig, NULL, &now) == 0 && now.sa_handler != SIG_IGN)
		sigaddset(&w->signals, sig);
}

int host_watch_start(struct host_watch *w, const char *what, struct copy_progress *shown, uint64_t total,
		     struct err *e)
{
	atomic_store(&w->cancel, false);
	atomic_store(&w->what, what);
	atomic_store(&w->shown, shown);
	w->total = total;
	w->terminal = isatty(STDERR_FILENO) == 1;
	sigemptyset(&w->signals);
	sigaddset(&w->signals, END_SIGNAL);
	add_unless_ignored(w, SIGINT);
	add_unless_ignored(w, SIGTERM);
	add_unless_ignored(w, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &w->signals, &w->before);
	int rc = pthread_create(&w->thread, NULL, watch_main, w);
	if (rc == 0)
		return 0;
	pthread_sigmask(SIG_SETMASK, &w->before, NULL);
	return err_set(e, ERR_NO_SPACE, rc, "cannot start a thread");
}

void host_watch_stop(struct host_watch *w)
{
	pthread_kill(w->thread, END_SIGNAL);
	pthread_join(w->thread, NULL);
	pthread_sigmask(SIG_SETMASK, &w->before, NULL);
}
