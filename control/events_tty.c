// SPDX-License-Identifier: Apache-2.0
/*
 * The live display: finished lines scroll up, below them one line per disk and one with the current step are redrawn in
 * place. Each redraw is one write: up to the first live line, every line rewritten and cleared to its end, no clearing
 * of the screen, so nothing flickers. No line is wider than the terminal, so the count of lines to go up is right.
 */
#include <string.h>
#include <sys/ioctl.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hex.h"
#include "events_impl.h"

#define REDRAW_NS   (200 * NS_PER_MS)
#define LIVE_DISKS  16  /* more would scroll off a small terminal; the rest is summed up */
#define BAR_MAX     20
#define BAR_MIN     5   /* shorter ones tell nothing */
#define TEXT_WIDTH  80  /* columns that the numbers need; what is left is for the bar */

static unsigned width_of(const struct events *ev)
{
	struct winsize size;

	if (ioctl(fileno(ev->talk), TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return 80;
	return size.ws_col;
}

/* Adds text cut to `width` columns: control characters become '?', UTF-8 is never cut in two. One column each is
 * assumed; the last column stays free, because some terminals wrap when it is used. */
static void add_cut(struct buf *out, const char *text, unsigned width)
{
	unsigned used = 0;

	for (const unsigned char *s = (const unsigned char *)text; *s != '\0'; s++) {
		bool begins = (*s & 0xc0) != 0x80;

		if (begins && ++used >= width)
			break;
		buf_add(out, *s < ' ' || *s == 0x7f ? "?" : (const char *)s, 1);
	}
}

static void add_line(struct buf *out, const char *text, unsigned width)
{
	buf_adds(out, "\r");
	add_cut(out, text, width);
	buf_adds(out, "\x1b[K\n");
}

/* "####......" in what the terminal has beside the numbers. */
static void draw_bar(unsigned percent, unsigned width, char out[BAR_MAX + 2])
{
	unsigned room = width > TEXT_WIDTH ? width - TEXT_WIDTH - 1 : 0, n = room < BAR_MAX ? room : BAR_MAX;

	out[0] = '\0';
	if (n < BAR_MIN)
		return;
	memset(out, '.', n);
	memset(out, '#', percent * n / 100);
	out[n] = ' ';
	out[n + 1] = '\0';
}

static void disk_line(const struct events *ev, unsigned i, unsigned width, char *out, size_t size)
{
	const struct disk_progress *d = &ev->disks[i];
	const struct meter *m = &ev->meters[i];
	char bar[BAR_MAX + 2], scanned[16], whole[16], rate[16], sent[16], eta[16];
	unsigned percent = meter_percent(d);

	draw_bar(percent, width, bar);
	if (d->scanned >= d->size)
		snprintf(eta, sizeof eta, "%s", d->durable >= d->sent ? "done" : "flush");
	else
		meter_format_s(meter_eta_s(m, d), eta);
	snprintf(out, size, "  %-6.20s %s%3u%% %s of %s %s/s sent %s left %s", d->name[0] != '\0' ? d->name : "disk",
		 bar, percent, num_format_size(d->scanned, scanned), num_format_size(d->size, whole),
		 num_format_size(meter_scan_rate(m), rate), num_format_size(d->sent, sent), eta);
}

/* The live area into `out`; returns its lines. */
static int live(struct events *ev, struct buf *out)
{
	unsigned width = width_of(ev), shown = ev->count < LIVE_DISKS ? ev->count : LIVE_DISKS;
	char line[600], elapsed[16];

	for (unsigned i = 0; i < shown; i++) {
		disk_line(ev, i, width, line, sizeof line);
		add_line(out, line, width);
	}
	if (shown < ev->count) {
		snprintf(line, sizeof line, "  and %u more disks", ev->count - shown);
		add_line(out, line, width);
	}
	snprintf(line, sizeof line, "  %s  %s%s", meter_format_s((ev->mono() - ev->step_at) / NS_PER_S, elapsed),
		 ev->step, ev->limited);
	add_line(out, line, width);
	return (int)shown + (shown < ev->count) + 1;
}

/* Replaces the live area: `above` (may be NULL) scrolls up before it, `again` draws it anew. */
static void draw(struct events *ev, const char *above, bool again)
{
	cleanup(buf_fini) struct buf out = BUF_INIT;
	bool interrupted = ev->interrupt != NULL && atomic_load(ev->interrupt);

	/* The signal's handler has written below the live area: that stays as it is, and a new one begins. */
	int before = interrupted && !ev->interrupted ? 0 : ev->lines;

	ev->interrupted = interrupted;
	if (before > 0)
		buf_addf(&out, "\x1b[%dA", before);
	if (above != NULL)
		buf_addf(&out, "\r%s\x1b[K\n", above);
	ev->lines = again ? live(ev, &out) : 0;
	/* What the old area had more of. */
	buf_adds(&out, "\x1b[J");
	fwrite(out.data, 1, out.len, ev->talk);
	fflush(ev->talk);
	ev->drawn_at = ev->mono();
}

static void say(struct events *ev, const char *fmt, const char *a, const char *b, bool again)
{
	cleanup(buf_fini) struct buf clean = BUF_INIT, text = BUF_INIT;

	buf_adds(&clean, a);
	if (b[0] != '\0')
		buf_addf(&clean, ": %s", b);
	buf_adds(&text, fmt);
	add_cut(&text, buf_str(&clean), 4096);
	draw(ev, buf_str(&text), again);
}

static void step(struct events *ev, const char *name, const char *text)
{
	say(ev, "", name, text, true);
}

static void warn(struct events *ev, const char *text)
{
	say(ev, "warning: ", text, "", ev->lines > 0);
}

static void progress(struct events *ev)
{
	if (ev->mono() - ev->drawn_at >= REDRAW_NS)
		draw(ev, NULL, true);
}

static void tick(struct events *ev)
{
	if (ev->lines > 0 && ev->mono() - ev->drawn_at >= REDRAW_NS)
		draw(ev, NULL, true);
}

static void end(struct events *ev)
{
	cleanup(buf_fini) struct buf last = BUF_INIT;
	unsigned width = width_of(ev);
	char line[400];

	if (ev->lines == 0)
		return;
	/* The disks' last state stays on the screen, the step in progress does not. */
	for (unsigned i = 0; i < ev->count && i < LIVE_DISKS; i++) {
		disk_line(ev, i, width, line, sizeof line);
		add_line(&last, line, width);
	}
	draw(ev, NULL, false);
	fwrite(buf_str(&last), 1, last.len, ev->talk);
	fflush(ev->talk);
	ev->count = 0;
}

static void error(struct events *ev, const struct err *e)
{
	end(ev);
	fprintf(ev->talk, "wherry: %s\n", e->msg);
	fflush(ev->talk);
}

static void result(struct events *ev, const char *key, const char *value)
{
	char human[48];

	end(ev);
	fprintf(ev->results, "%-12s %s\n", key, events_human_result(key, value, human));
	fflush(ev->results);
}

const struct events_ops events_tty_ops = {
	.step = step,
	.warn = warn,
	.progress = progress,
	.error = error,
	.result = result,
	.tick = tick,
	.end = end,
};
