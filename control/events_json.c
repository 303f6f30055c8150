// SPDX-License-Identifier: Apache-2.0
/* Events for machines: JSON lines on stdout, {"event":...,"time":...,"job":...,...}. Keys are added, never changed. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "events_impl.h"
#include "json_line.h"

#define PROGRESS_NS NS_PER_S
#define ALIVE_NS    (30 * NS_PER_S)

static const char *now(const struct events *ev, char out[24])
{
	return clock_format(ev->wall(), out);
}

static void step(struct events *ev, const char *name, const char *text)
{
	char t[24];

	json_line(ev->results, "event:s time:s job:s step:s text:s", "step", now(ev, t), ev->job, name, text);
}

static void warn(struct events *ev, const char *text)
{
	char t[24];

	json_line(ev->results, "event:s time:s job:s text:s", "warning", now(ev, t), ev->job, text);
}

static void progress(struct events *ev)
{
	char t[24], limits[LIMITS_TEXT];

	for (unsigned i = 0; i < ev->count; i++) {
		const struct disk_progress *d = &ev->disks[i];
		bool last = d->scanned >= d->size && d->durable >= d->size;

		if (ev->shown_at[i] != 0 && ev->mono() - ev->shown_at[i] < PROGRESS_NS &&
		    !(last && ev->shown[i] != d->durable))
			continue;
		ev->shown_at[i] = ev->said_at = ev->mono();
		ev->shown[i] = d->durable;
		json_line(ev->results,
			  "event:s time:s job:s disk:u name:s size:u scanned:u skipped:u zero:u unchanged:u sent:u wire:u "
			  "written:u durable:u scan_rate:u sent_rate:u eta_s:i limits:j", "progress", now(ev, t), ev->job,
			  (uint64_t)d->index,
			  d->name, d->size, d->scanned, d->skipped, d->zero, d->unchanged, d->sent, d->sent_wire, d->written,
			  d->durable, meter_scan_rate(&ev->meters[i]), meter_sent_rate(&ev->meters[i]),
			  meter_eta_s(&ev->meters[i], d), limits_json(&ev->limits, limits));
	}
}

static void error(struct events *ev, const struct err *e)
{
	char t[24];

	json_line(ev->results, "event:s time:s job:s kind:s message:s exit:u", "error", now(ev, t), ev->job,
		  err_kind_name(e->kind), e->msg, (uint64_t)err_exit_status(e->kind));
}

/* Whole numbers as numbers: "0012" and "-1" are none. */
static bool is_number(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n < 20 && strspn(s, "0123456789") == n && (s[0] != '0' || n == 1);
}

static void result(struct events *ev, const char *key, const char *value)
{
	char t[24];

	if (is_number(value))
		json_line(ev->results, "event:s time:s job:s key:s value:u", "result", now(ev, t), ev->job, key,
			  (uint64_t)strtoull(value, NULL, 10));
	else
		json_line(ev->results, "event:s time:s job:s key:s value:s", "result", now(ev, t), ev->job, key, value);
}

static void tick(struct events *ev)
{
	char t[24];

	if (ev->mono() - ev->said_at < ALIVE_NS)
		return;
	ev->said_at = ev->mono();
	json_line(ev->results, "event:s time:s job:s text:s seconds:i", "alive", now(ev, t), ev->job, ev->step,
		  (ev->mono() - ev->step_at) / NS_PER_S);
}

static void end(struct events *ev)
{
	(void)ev;
}

const struct events_ops events_json_ops = {
	.step = step,
	.warn = warn,
	.progress = progress,
	.error = error,
	.result = result,
	.tick = tick,
	.end = end,
};
