// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "events_impl.h"

#define SPACING (METER_WINDOW_S * NS_PER_S / (METER_SAMPLES - 1))

static const struct sample *at(const struct meter *m, unsigned i)
{
	return &m->samples[(m->first + i) % METER_SAMPLES];
}

void meter_add(struct meter *m, int64_t now, const struct disk_progress *d)
{
	struct sample s = {.at = now, .scanned = d->scanned, .sent = d->sent};

	/* A run that starts over counts from the beginning again. */
	if (m->count != 0 && s.scanned < at(m, m->count - 1)->scanned)
		m->count = 0;
	/* The newest sample is replaced until it is old enough to stay. */
	if (m->count >= 2 && now - at(m, m->count - 2)->at < SPACING)
		m->count--;
	if (m->count == METER_SAMPLES) {
		m->first = (m->first + 1) % METER_SAMPLES;
		m->count--;
	}
	m->samples[(m->first + m->count) % METER_SAMPLES] = s;
	m->count++;
	while (m->count > 2 && now - at(m, 0)->at > METER_WINDOW_S * NS_PER_S) {
		m->first = (m->first + 1) % METER_SAMPLES;
		m->count--;
	}
}

static uint64_t rate(const struct meter *m, uint64_t from, uint64_t to)
{
	int64_t ns = m->count < 2 ? 0 : at(m, m->count - 1)->at - at(m, 0)->at;

	return ns <= 0 || to <= from ? 0 : (uint64_t)((double)(to - from) * (double)NS_PER_S / (double)ns);
}

uint64_t meter_scan_rate(const struct meter *m)
{
	return m->count < 2 ? 0 : rate(m, at(m, 0)->scanned, at(m, m->count - 1)->scanned);
}

uint64_t meter_sent_rate(const struct meter *m)
{
	return m->count < 2 ? 0 : rate(m, at(m, 0)->sent, at(m, m->count - 1)->sent);
}

int64_t meter_eta_s(const struct meter *m, const struct disk_progress *d)
{
	uint64_t r = meter_scan_rate(m), left = d->size > d->scanned ? d->size - d->scanned : 0;

	if (left == 0)
		return 0;
	return r == 0 ? -1 : (int64_t)(left / r) + 1;
}

char *meter_format_s(int64_t s, char out[16])
{
	if (s < 0 || s > 99 * 3600)
		snprintf(out, 16, "-");
	else if (s >= 3600)
		snprintf(out, 16, "%d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
	else
		snprintf(out, 16, "%d:%02d", (int)(s / 60), (int)(s % 60));
	return out;
}

unsigned meter_percent(const struct disk_progress *d)
{
	if (d->size == 0 || d->scanned >= d->size)
		return 100;
	return (unsigned)((double)d->scanned * 100 / (double)d->size);
}
