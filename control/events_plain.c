// SPDX-License-Identifier: Apache-2.0
/* Events for logs: one line each on stderr, results on stdout. And the quiet display, which tells only what went wrong. */
#include <string.h>

#include "base/clock.h"
#include "base/hex.h"
#include "events_impl.h"

#define PROGRESS_NS (5 * NS_PER_S)
#define SILENCE_NS  (30 * NS_PER_S)

/* "04:05:06 web1: " in UTC: lines of one run are read together. */
static const char *stamp(const struct events *ev, char out[24])
{
	clock_format(ev->wall(), out);
	memmove(out, out + 11, 8);
	out[8] = '\0';
	return out;
}

static void line(struct events *ev, unsigned i)
{
	const struct disk_progress *d = &ev->disks[i];
	char t[24], scanned[16], size[16], rate[16], sent[16], sent_rate[16], eta[16];

	fprintf(ev->talk, "%s %s: disk %u: %u%%, read %s of %s at %s/s, sent %s at %s/s, left %s%s\n", stamp(ev, t),
		ev->job,
		d->index, meter_percent(d), num_format_size(d->scanned, scanned), num_format_size(d->size, size),
		num_format_size(meter_scan_rate(&ev->meters[i]), rate), num_format_size(d->sent, sent),
		num_format_size(meter_sent_rate(&ev->meters[i]), sent_rate),
		meter_format_s(meter_eta_s(&ev->meters[i], d), eta), ev->limited);
	ev->shown_at[i] = ev->said_at = ev->mono();
	ev->shown[i] = d->scanned + d->sent + d->durable;
}

/* Progress lines are at most every 5 s: before something else is told, the last state is. */
static void catch_up(struct events *ev)
{
	for (unsigned i = 0; i < ev->count; i++)
		if (ev->shown[i] != ev->disks[i].scanned + ev->disks[i].sent + ev->disks[i].durable)
			line(ev, i);
}

static void step(struct events *ev, const char *name, const char *text)
{
	char t[24];

	catch_up(ev);
	fprintf(ev->talk, "%s %s: %s: %s\n", stamp(ev, t), ev->job, name, text);
}

static void warn(struct events *ev, const char *text)
{
	char t[24];

	fprintf(ev->talk, "%s %s: warning: %s\n", stamp(ev, t), ev->job, text);
}

static void progress(struct events *ev)
{
	for (unsigned i = 0; i < ev->count; i++) {
		const struct disk_progress *d = &ev->disks[i];
		bool changed = ev->shown_at[i] == 0 || ev->shown[i] != d->scanned + d->sent + d->durable;

		if (changed && (ev->shown_at[i] == 0 || ev->mono() - ev->shown_at[i] >= PROGRESS_NS))
			line(ev, i);
	}
}

static void error(struct events *ev, const struct err *e)
{
	catch_up(ev);
	fprintf(ev->talk, "wherry: %s\n", e->msg);
}

static void result(struct events *ev, const char *key, const char *value)
{
	char human[48];

	catch_up(ev);
	fprintf(ev->results, "%-12s %s\n", key, events_human_result(key, value, human));
}

static void tick(struct events *ev)
{
	char t[24];

	if (ev->mono() - ev->said_at < SILENCE_NS || ev->step[0] == '\0')
		return;
	ev->said_at = ev->mono();
	fprintf(ev->talk, "%s %s: still at work after %lld s: %s\n", stamp(ev, t), ev->job,
		(long long)((ev->mono() - ev->step_at) / NS_PER_S), ev->step);
}

const struct events_ops events_plain_ops = {
	.step = step,
	.warn = warn,
	.progress = progress,
	.error = error,
	.result = result,
	.tick = tick,
	.end = catch_up,
};

static void no_step(struct events *ev, const char *name, const char *text)
{
	(void)ev;
	(void)name;
	(void)text;
}

static void quiet_error(struct events *ev, const struct err *e)
{
	fprintf(ev->talk, "wherry: %s\n", e->msg);
}

static void nothing(struct events *ev)
{
	(void)ev;
}

const struct events_ops events_quiet_ops = {
	.step = no_step,
	.warn = warn,
	.progress = nothing,
	.error = quiet_error,
	.result = no_step,
	.tick = nothing,
	.end = nothing,
};
