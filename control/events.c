// SPDX-License-Identifier: Apache-2.0
#include "events.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/mem.h"
#include "events_impl.h"

/* Results of a run that are bytes. */
static const char *const byte_keys[] = {"read", "zero", "unchanged", "sent", "wire", "sent_raw", "written"};

const char *events_human_result(const char *key, const char *value, char out[48])
{
	char size[16], *end;
	unsigned long long n = strtoull(value, &end, 10);

	for (size_t i = 0; i < sizeof byte_keys / sizeof byte_keys[0]; i++)
		if (strcmp(key, byte_keys[i]) == 0 && *value != '\0' && *end == '\0') {
			snprintf(out, 48, "%s (%llu bytes)", num_format_size(n, size), n);
			return out;
		}
	return value;
}

struct events *events_new_on(const struct events_ops *ops, const char *job, FILE *results, FILE *talk,
			     int64_t (*mono)(void), int64_t (*wall)(void))
{
	struct events *ev = mem_alloc(sizeof *ev);
	pthread_condattr_t attr;

	ev->ops = ops;
	ev->results = results;
	ev->talk = talk;
	ev->mono = mono;
	ev->wall = wall;
	ev->said_at = ev->step_at = mono();
	snprintf(ev->job, sizeof ev->job, "%s", job);
	pthread_mutex_init(&ev->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&ev->wake, &attr);
	pthread_condattr_destroy(&attr);
	return ev;
}

static void *tick(void *arg)
{
	struct events *ev = arg;
	struct timespec next;

	clock_gettime(CLOCK_MONOTONIC, &next);
	pthread_mutex_lock(&ev->lock);
	while (!ev->stop) {
		next.tv_sec++;
		while (!ev->stop && pthread_cond_timedwait(&ev->wake, &ev->lock, &next) == 0)
			continue;
		if (!ev->stop)
			ev->ops->tick(ev);
	}
	pthread_mutex_unlock(&ev->lock);
	return NULL;
}

static const struct events_ops *choose(enum events_style style)
{
	const char *term = getenv("TERM");

	switch (style) {
	case EVENTS_JSON:
		return &events_json_ops;
	case EVENTS_QUIET:
		return &events_quiet_ops;
	case EVENTS_AUTO:
		if (isatty(STDERR_FILENO) && term != NULL && strcmp(term, "dumb") != 0)
			return &events_tty_ops;
		return &events_plain_ops;
	default:
		return &events_plain_ops;
	}
}

struct events *events_new(enum events_style style, const char *job)
{
	struct events *ev = events_new_on(choose(style), job, stdout, stderr, clock_mono_ns, clock_wall_ns);
	sigset_t all, old;

	/* Signals are for the main thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ev->ticking = pthread_create(&ev->ticker, NULL, tick, ev) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ev;
}

void events_interrupted_by(struct events *ev, const atomic_bool *flag)
{
	pthread_mutex_lock(&ev->lock);
	ev->interrupt = flag;
	pthread_mutex_unlock(&ev->lock);
}

void events_free(struct events *ev)
{
	if (ev == NULL)
		return;
	pthread_mutex_lock(&ev->lock);
	ev->stop = true;
	pthread_cond_signal(&ev->wake);
	pthread_mutex_unlock(&ev->lock);
	if (ev->ticking)
		pthread_join(ev->ticker, NULL);
	ev->ops->end(ev);
	fflush(ev->results);
	pthread_cond_destroy(&ev->wake);
	pthread_mutex_destroy(&ev->lock);
	free(ev);
}

void events_step(struct events *ev, const char *name, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	char *text = mem_vprintf(fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&ev->lock);
	snprintf(ev->step, sizeof ev->step, "%s", text);
	ev->step_at = ev->said_at = ev->mono();
	ev->ops->step(ev, name, text);
	pthread_mutex_unlock(&ev->lock);
	free(text);
}

void events_warn(struct events *ev, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	char *text = mem_vprintf(fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&ev->lock);
	ev->said_at = ev->mono();
	ev->ops->warn(ev, text);
	pthread_mutex_unlock(&ev->lock);
	free(text);
}

void events_limits(struct events *ev, const struct limits *limits)
{
	char text[LIMITS_TEXT];

	pthread_mutex_lock(&ev->lock);
	if (!limits_equal(&ev->limits, limits)) {
		ev->limits = *limits;
		limits_describe(limits, text);
		snprintf(ev->limited, sizeof ev->limited, "%s%s", text[0] != '\0' ? ", limited to " : "", text);
		ev->said_at = ev->mono();
		ev->ops->step(ev, "limit", text[0] != '\0' ? ev->limited + 2 : "no limits any more");
	}
	pthread_mutex_unlock(&ev->lock);
}

void events_progress(struct events *ev, const struct disk_progress *disks, unsigned n)
{
	pthread_mutex_lock(&ev->lock);
	ev->count = n < EVENTS_DISKS ? n : EVENTS_DISKS;
	for (unsigned i = 0; i < ev->count; i++) {
		ev->disks[i] = disks[i];
		meter_add(&ev->meters[i], ev->mono(), &disks[i]);
	}
	ev->ops->progress(ev);
	pthread_mutex_unlock(&ev->lock);
}

void events_error(struct events *ev, const struct err *e)
{
	pthread_mutex_lock(&ev->lock);
	ev->said_at = ev->mono();
	ev->ops->error(ev, e);
	pthread_mutex_unlock(&ev->lock);
}

void events_result(struct events *ev, const char *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	char *value = mem_vprintf(fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&ev->lock);
	ev->said_at = ev->mono();
	ev->ops->result(ev, key, value);
	pthread_mutex_unlock(&ev->lock);
	free(value);
}
