// SPDX-License-Identifier: Apache-2.0
#include "copy/pack_choice.h"

#include "base/clock.h"

#define EPOCH_NS      (50 * NS_PER_MS)
#define EPOCH_CHUNKS  16
#define FIRST_BYTES   (UINT64_C(16) << 20) /* A run that sends no more ends before anything is known: few bytes count. */
#define KEEP          0.95 /* what another level must come below, of home's time */
#define UNEXPLAINED   1.15
#define SLOW_LINK     16.0 /* ns a byte, 500 Mbit/s: it is not for want of a processor that a byte takes longer */
#define OTHER_LINK    1.5
#define RECENT        8    /* probes that count */
#define FORGET_NS     (32 * NS_PER_S) /* in which `spare` grows from nothing to all processors */
#define SMOOTH_NS     (250 * NS_PER_MS)
/* The link is measured for at most 1/32 of the time, rarely for less than 1/256, and for 1/8 if something has changed. */
#define PAUSE_LEAST   32
#define PAUSE_MOST    256
#define PAUSE_URGENT  8

const int pack_ladder[PACK_RUNGS] = {0, -5, -1, 1, 3};
#define FIRST_RUNG 3

static void begin_epoch(struct pack_choice *p, int64_t now, unsigned rung)
{
	bool settled = rung == p->rung;

	p->rung = rung;
	p->epoch = (struct pack_epoch){.settled = settled, .chosen_ns = now};
}

void pack_choice_init(struct pack_choice *p, unsigned threads)
{
	*p = (struct pack_choice){
		.home = FIRST_RUNG,
		.rung = FIRST_RUNG,
		.threads = threads,
		.spare = threads,
		.pause = PAUSE_LEAST,
		.epoch.settled = true,
	};
}

unsigned pack_choice_next(struct pack_choice *p, bool *probe)
{
	uint64_t n = p->given++;
	bool measuring = p->rung != p->home;

	/* Powers of two: often at first. */
	*probe = !measuring && (n % PACK_PROBE == 0 || (n & (n - 1)) == 0);
	return p->rung;
}

void pack_choice_learn(struct pack_choice *p, uint64_t bytes, const struct pack_result of[PACK_RUNGS])
{
	p->probes += p->probes < RECENT;
	for (int i = PACK_RAW + 1; i < PACK_RUNGS; i++) {
		double cost = (double)of[i].cpu_ns / (double)bytes, ratio = (double)of[i].sent / (double)bytes;

		p->level[i].cost += (cost - p->level[i].cost) / p->probes;
		p->level[i].ratio += (ratio - p->level[i].ratio) / p->probes;
	}
}

static double larger(double a, double b)
{
	return a > b ? a : b;
}

static double time_at(const struct pack_choice *p, unsigned rung)
{
	return rung == PACK_RAW ? p->link : larger(p->link * p->level[rung].ratio, p->level[rung].cost / p->spare);
}

static void choose(struct pack_choice *p, int64_t now)
{
	unsigned best = PACK_RAW;

	for (unsigned i = PACK_RAW + 1; i < PACK_RUNGS && p->probes > 0; i++)
		if (time_at(p, i) < time_at(p, best))
			best = i;
	if (time_at(p, best) < KEEP * time_at(p, p->home)) {
		p->home = best;
		p->pause = PAUSE_LEAST;
	}
	begin_epoch(p, now, p->home);
}

/* On a busy machine two epochs differ by more than two levels. */
static double weight(int64_t ns)
{
	return (double)ns / (double)(ns + SMOOTH_NS);
}

/* true: it is another one than before. */
static bool set_link(struct pack_choice *p, int64_t now, double link)
{
	bool first = p->link == 0, tried = p->home != PACK_RAW;
	bool other = !first && tried && (link > OTHER_LINK * p->link || OTHER_LINK * link < p->link);

	p->link += (link - p->link) * (first || other ? 1 : weight(now - p->epoch.began_ns));
	p->measured_ns = now;
	p->took_ns = now - p->epoch.chosen_ns;
	if (other) /* then what was seen at any level was seen on another link */
		p->spare = p->threads;
	return other;
}

static void end_raw(struct pack_choice *p, int64_t now, double time)
{
	if (!set_link(p, now, time) && p->home != PACK_RAW && p->seen.time > UNEXPLAINED * p->link)
		p->spare = p->seen.used;
	p->pause = p->pause < PAUSE_MOST ? 2 * p->pause : PAUSE_MOST;
	choose(p, now);
}

/* time: a byte of disk took, of which `ratio` went over the wire. */
static void end_packed(struct pack_choice *p, int64_t now, double time, double ratio)
{
	const struct pack_epoch *o = &p->epoch;
	double cost = (double)o->cpu_ns / (double)o->bytes, on_link = p->link * ratio;
	double used = cost / time;

	p->seen.time = time;
	p->seen.used = used;
	if (used > p->spare)
		p->spare += (used - p->spare) * weight(now - o->began_ns);
	if (!o->starved && time > SLOW_LINK * ratio) {
		set_link(p, now, time / ratio);
		choose(p, now);
		return;
	}
	if (p->link == 0) {
		begin_epoch(p, now, p->given / o->chunks * o->bytes >= FIRST_BYTES ? PACK_RAW : p->home);
		return;
	}
	/* Where nothing waits to be packed it is the source that is slow. */
	bool slow = 2 * o->fed > o->chunks && time > UNEXPLAINED * larger(on_link, cost / p->spare);
	bool fast = UNEXPLAINED * time < on_link; /* the link is: then measuring it costs nothing */
	if (fast || now - p->measured_ns > p->took_ns * (slow ? PAUSE_URGENT : (int)p->pause)) {
		begin_epoch(p, now, PACK_RAW);
		return;
	}
	/* What does not shrink costs next to nothing to pack: on a slow link it would look as if no processor were left. */
	if (slow && (2 * o->queue < o->chunks || time > UNEXPLAINED * p->link))
		p->spare = used;
	choose(p, now);
}

/* Bytes that have left a queue of so many chunks. */
static uint64_t left_queue(const struct pack_choice *p, size_t queue)
{
	size_t n = queue < PACK_QUEUE ? queue : PACK_QUEUE;

	n = n < p->passed ? n : p->passed;
	return n == 0 ? p->sent : p->last[(p->passed - n) % PACK_QUEUE];
}

static void end_epoch(struct pack_choice *p, int64_t now, size_t queue)
{
	const struct pack_epoch *o = &p->epoch;
	int64_t ns = now - o->began_ns;
	/* What left the queue, not what was put there: it may have been filling, and chunks differ. */
	double left = (double)(o->chunks + o->queue) - (double)queue;
	double bytes = (double)o->bytes / (double)o->chunks * left;
	double wire = (double)left_queue(p, queue) - (double)o->left;

	if (left < 1 || wire < 1)
		return; /* the link stands still, and tells nothing of itself before it goes on */
	p->spare += p->threads * (double)ns / FORGET_NS;
	if (p->spare > p->threads)
		p->spare = p->threads;
	if (p->rung == PACK_RAW)
		end_raw(p, now, (double)ns / bytes);
	else
		end_packed(p, now, (double)ns / bytes, wire / bytes);
}

void pack_choice_passed(struct pack_choice *p, int64_t now, const struct pack_sample *s)
{
	struct pack_epoch *o = &p->epoch;

	p->last[p->passed++ % PACK_QUEUE] = p->sent;
	p->sent += s->result.sent;
	if (!o->settled) {
		o->chunks += s->rung == p->rung;
		if (s->to_send > o->chunks)
			return;
		*o = (struct pack_epoch){.settled = true, .chosen_ns = o->chosen_ns};
	}
	if (o->began_ns == 0) {
		o->began_ns = now;
		o->queue = s->to_send;
		o->left = left_queue(p, s->to_send);
		return;
	}
	o->chunks++;
	o->fed += s->to_pack > 0;
	o->bytes += s->bytes;
	o->starved |= s->to_send < 2;
	o->cpu_ns += s->result.cpu_ns;
	if (o->chunks >= EPOCH_CHUNKS && now - o->began_ns >= EPOCH_NS)
		end_epoch(p, now, s->to_send);
}
