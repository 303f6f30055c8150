// SPDX-License-Identifier: Apache-2.0
/*
 * The choice of a level on a simulated machine: a reader, packers and a sender share its processors evenly, with the
 * receiver, too, where the copy stays on one machine; queues between them are bounded. Time is counted, not measured.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/clock.h"
#include "copy/pack_choice.h"

#define CHUNK    (UINT64_C(256) << 10)
#define GIB      (UINT64_C(1) << 30)
#define PACKERS  16
#define QUEUE    16
#define NEVER    1e30
#define ADAPTS   -1

/* ns of a processor a byte: PERF.md's figures for one of them. Those of the receiver are for what comes over the wire
 * (TLS) and for what it makes of that (unpack, hash, write, read back). */
#define READ_COST    0.25
#define SEND_COST    0.25
#define TAKE_COST    0.3
#define WRITE_COST   0.35
#define UNPACK_COST  0.4

struct content {
	double cost[PACK_RUNGS], ratio[PACK_RUNGS]; /* ns, bytes on the wire; a byte */
};
/* How much smaller a Linux system's files get at each level, of what they get at the hardest. */
static const double reached[PACK_RUNGS] = {0, 0.55, 0.75, 0.88, 1};
static const struct content files = {{0, 1.0, 1.15, 1.3, 2.2}, {1, 1 / 2.3, 1 / 2.75, 1 / 3.07, 1 / 3.35}};
static const struct content noise = {{0, 0.24, 0.24, 0.26, 0.3}, {1, 1, 1, 1, 1}};

static struct content shrinks_by(double most)
{
	struct content c = files;

	if (most <= 1)
		return noise;
	for (int i = 0; i < PACK_RUNGS; i++)
		c.ratio[i] = 1 / (1 + (most - 1) * reached[i]);
	return c;
}

struct machine {
	struct content content;
	unsigned mixed;      /* so many chunks of it, then as many of noise; 0: all of it */
	unsigned cores;
	bool alone;          /* the receiver runs on another one */
	double source, link; /* bytes a second */
	unsigned others;     /* threads of strangers that always run */
};

/* Somebody who works on one chunk: `left` ns of a processor, and not before `until`; then it waits for room. */
struct worker {
	bool busy;
	double left, until;
	unsigned rung;
	const struct content *content; /* a packer's */
	double wire;                   /* the sender's: bytes */
};

struct queue {
	double wire[QUEUE]; /* bytes of each chunk */
	unsigned rung[QUEUE], head, len;
};

struct sim {
	struct machine m;
	struct pack_choice choice;
	int fixed; /* a rung, or ADAPTS */
	double now, link_until;
	uint64_t to_read, to_write, packed;
	struct worker reader, packer[PACKERS], sender, receiver;
	struct queue to_pack, to_send, on_way;
	uint64_t chunks_at[PACK_RUNGS];
};

static void push(struct queue *q, double wire, unsigned rung)
{
	unsigned at = (q->head + q->len++) % QUEUE;

	q->wire[at] = wire;
	q->rung[at] = rung;
}

static double pop(struct queue *q, unsigned *rung)
{
	double wire = q->wire[q->head];

	*rung = q->rung[q->head];
	q->head = (q->head + 1) % QUEUE;
	q->len--;
	return wire;
}

static void begin(struct worker *w, double cpu, double until, unsigned rung)
{
	*w = (struct worker){.busy = true, .left = cpu, .until = until, .rung = rung};
}

static bool is_done(const struct worker *w, double now)
{
	return w->busy && w->left < 1e-3 && w->until <= now;
}

static bool read_one(struct sim *s)
{
	bool done = is_done(&s->reader, s->now) && s->to_pack.len < QUEUE;

	if (done) {
		push(&s->to_pack, CHUNK, 0);
		s->reader.busy = false;
	}
	if (!s->reader.busy && s->to_read > 0) {
		s->to_read--;
		begin(&s->reader, CHUNK * READ_COST, s->now + CHUNK * 1e9 / s->m.source, 0);
	}
	return done;
}

static bool hand_over(struct sim *s, struct worker *w)
{
	const struct content *c = w->content;

	if (!is_done(w, s->now) || s->to_send.len == QUEUE)
		return false;
	push(&s->to_send, CHUNK * c->ratio[w->rung], w->rung);
	w->busy = false;
	s->chunks_at[w->rung]++;
	struct pack_sample sample = {
		.rung = w->rung,
		.bytes = CHUNK,
		.result = {(int64_t)(CHUNK * c->cost[w->rung]), (uint64_t)(CHUNK * c->ratio[w->rung])},
		.to_pack = s->to_pack.len,
		.to_send = s->to_send.len,
	};
	pack_choice_passed(&s->choice, (int64_t)s->now, &sample);
	return true;
}

static double probe(struct sim *s, const struct content *c)
{
	struct pack_result of[PACK_RUNGS];
	double cost = 0;

	for (int i = 0; i < PACK_RUNGS; i++) {
		of[i].cpu_ns = (int64_t)(CHUNK * c->cost[i]);
		of[i].sent = (uint64_t)(CHUNK * c->ratio[i]);
		cost += c->cost[i];
	}
	pack_choice_learn(&s->choice, CHUNK, of);
	return cost;
}

static void pack_one(struct sim *s, struct worker *w)
{
	bool probes = false;
	unsigned rung, none;

	if (w->busy || s->to_pack.len == 0)
		return;
	pop(&s->to_pack, &none);
	const struct content *c = s->m.mixed > 0 && s->packed++ / s->m.mixed % 2 != 0 ? &noise : &s->m.content;
	rung = s->fixed == ADAPTS ? pack_choice_next(&s->choice, &probes) : (unsigned)s->fixed;
	begin(w, CHUNK * (probes ? probe(s, c) : c->cost[rung]), 0, rung);
	w->content = c;
}

static bool send_one(struct sim *s)
{
	bool done = is_done(&s->sender, s->now) && s->on_way.len < QUEUE;
	unsigned rung;

	if (done) {
		push(&s->on_way, s->sender.wire, s->sender.rung);
		s->sender.busy = false;
	}
	if (!s->sender.busy && s->to_send.len > 0) {
		double wire = pop(&s->to_send, &rung);
		begin(&s->sender, wire * SEND_COST, s->now + wire * 1e9 / s->m.link, rung);
		s->sender.wire = wire;
	}
	return done;
}

static bool take_one(struct sim *s)
{
	bool done = is_done(&s->receiver, s->now);
	unsigned rung;

	if (done) {
		s->to_write--;
		s->receiver.busy = false;
	}
	if (!s->receiver.busy && s->on_way.len > 0) {
		double wire = pop(&s->on_way, &rung);
		double cost = wire * TAKE_COST + CHUNK * (WRITE_COST + (rung == PACK_RAW ? 0 : UNPACK_COST));
		begin(&s->receiver, s->m.alone ? 0 : cost, 0, rung);
		done = true;
	}
	return done;
}

/* All that can happen now. */
static void act(struct sim *s)
{
	bool again = true;

	while (again) {
		again = take_one(s) | send_one(s);
		for (unsigned i = 0; i < s->m.cores; i++)
			again |= hand_over(s, &s->packer[i]);
		again |= read_one(s);
		for (unsigned i = 0; i < s->m.cores; i++)
			pack_one(s, &s->packer[i]);
	}
}

static struct worker *worker(struct sim *s, unsigned i)
{
	struct worker *const single[] = {&s->reader, &s->sender, &s->receiver};

	return i < 3 ? single[i] : &s->packer[i - 3];
}

/* Processors are shared evenly until the first is done with something. */
static void pass_time(struct sim *s)
{
	unsigned count = 3 + s->m.cores, running = s->m.others;
	double ns = NEVER;

	for (unsigned i = 0; i < count; i++)
		running += worker(s, i)->busy && worker(s, i)->left >= 1e-3;
	double speed = running > s->m.cores ? (double)s->m.cores / running : 1;
	for (unsigned i = 0; i < count; i++) {
		const struct worker *w = worker(s, i);
		if (!w->busy)
			continue;
		if (w->left >= 1e-3 && w->left / speed < ns)
			ns = w->left / speed;
		if (w->until > s->now && w->until - s->now < ns)
			ns = w->until - s->now;
	}
	for (unsigned i = 0; i < count; i++)
		if (worker(s, i)->busy && worker(s, i)->left >= 1e-3)
			worker(s, i)->left -= ns * speed;
	s->now += ns;
}

static void sim_init(struct sim *s, int fixed, const struct machine *m)
{
	*s = (struct sim){.fixed = fixed, .m = *m, .now = (double)NS_PER_S};
	pack_choice_init(&s->choice, m->cores);
}

/* Seconds for so many bytes. */
static double sim_copy(struct sim *s, uint64_t bytes)
{
	double began = s->now;

	s->to_read = s->to_write = bytes / CHUNK;
	for (act(s); s->to_write > 0; act(s))
		pass_time(s);
	return (s->now - began) / 1e9;
}

/* Bytes a second. */
static double best_fixed(const struct machine *m)
{
	double best = 0;

	for (int rung = 0; rung < PACK_RUNGS; rung++) {
		struct sim s;

		sim_init(&s, rung, m);
		double rate = 400 * CHUNK / sim_copy(&s, 400 * CHUNK);
		best = rate > best ? rate : best;
	}
	return best;
}

/* So many seconds of copying, if it is done well. */
static uint64_t bytes_of(double rate, double seconds)
{
	return (uint64_t)(rate * seconds) / CHUNK * CHUNK;
}

static bool comes_near(const struct machine *m, double seconds, double within)
{
	double best = best_fixed(m);
	uint64_t bytes = bytes_of(best, seconds);
	struct sim s;

	sim_init(&s, ADAPTS, m);
	double rate = (double)bytes / sim_copy(&s, bytes);
	if (rate * within >= best)
		return true;
	print_error("link of %.0f MB/s, %u cores, %u others, %s, ratio %.1f: %.0f MB/s, at a fixed level %.0f; now rung %u\n",
			 m->link / 1e6, m->cores, m->others, m->alone ? "alone" : "with the receiver",
			 1 / m->content.ratio[PACK_RUNGS - 1], rate / 1e6, best / 1e6, s.choice.home);
	return false;
}

static void pack_choice_any_machine_comes_near_the_best_fixed_level(void **state)
{
	static const double links[] = {10e6, 50e6, 200e6, 400e6, 800e6, 1.5e9, 2.5e9, 5e9};
	static const double ratios[] = {1, 2, 3.35, 5};
	static const unsigned cores[] = {1, 2, 4, 16};

	bool ok = true;

	(void)state;
	for (size_t l = 0; l < sizeof links / sizeof links[0]; l++)
		for (size_t r = 0; r < sizeof ratios / sizeof ratios[0]; r++)
			for (size_t c = 0; c < 2 * sizeof cores / sizeof cores[0]; c++) {
				struct machine m = {shrinks_by(ratios[r]), 0, cores[c / 2], c % 2 == 0, 20e9, links[l], 0};

				ok &= comes_near(&m, m.link < 100e6 ? 60 : 8, 1.1);
			}
	assert_true(ok);
}

static void pack_choice_busy_processors_are_told_from_a_slow_link(void **state)
{
	static const double links[] = {10e6, 50e6, 400e6, 1.5e9, 5e9};
	bool ok = true;

	(void)state;
	for (size_t l = 0; l < sizeof links / sizeof links[0]; l++)
		for (unsigned others = 1; others <= 8; others *= 2)
			for (int alone = 0; alone < 2; alone++) {
				struct machine m = {files, 0, 2, alone, 20e9, links[l], others};

				ok &= comes_near(&m, m.link < 100e6 ? 60 : 20, 1.1);
			}
	assert_true(ok);
}

static void pack_choice_two_cores_with_the_receiver_soon_send_raw(void **state)
{
	const struct machine m = {files, 0, 2, false, 20e9, 5e9, 0};
	struct sim s;
	uint64_t packed = 0;

	(void)state;
	sim_init(&s, ADAPTS, &m);
	sim_copy(&s, GIB);
	assert_int_equal(s.choice.home, PACK_RAW);
	for (int rung = PACK_RAW + 1; rung < PACK_RUNGS; rung++)
		packed += s.chunks_at[rung] * CHUNK;
	assert_in_range(packed, 0, 128 << 20);
}

static void pack_choice_link_that_changes_is_followed(void **state)
{
	static const double links[] = {5e9, 20e6, 400e6, 10e6, 1.5e9, 50e6, 5e9};
	struct machine m = {files, 0, 2, true, 20e9, links[0], 0};
	struct sim s;

	(void)state;
	sim_init(&s, ADAPTS, &m);
	for (size_t l = 0; l < sizeof links / sizeof links[0]; l++) {
		s.m.link = m.link = links[l];
		double best = best_fixed(&m);
		uint64_t bytes = bytes_of(best, 60);
		double rate = (double)bytes / sim_copy(&s, bytes);
		if (rate * 1.15 < best)
			fail_msg("a link that now has %.0f MB/s: %.0f MB/s, at a fixed level %.0f; now rung %u", links[l] / 1e6,
				 rate / 1e6, best / 1e6, s.choice.home);
	}
}

/* Fewer bytes are worth having where they cost no time. */
static void pack_choice_slow_source_keeps_packing(void **state)
{
	const struct machine m = {files, 0, 2, true, 100e6, 1e9, 0};
	struct sim s;

	(void)state;
	sim_init(&s, ADAPTS, &m);
	sim_copy(&s, 4 * GIB);
	assert_in_range(s.chunks_at[PACK_RAW] * CHUNK, 0, GIB / 4);
}

/* The first MiB decide what a small change costs on the wire. */
static void pack_choice_small_copy_is_packed_as_a_whole(void **state)
{
	const struct machine m = {files, 0, 2, true, 20e9, 5e9, 0};
	struct sim s;

	(void)state;
	sim_init(&s, ADAPTS, &m);
	sim_copy(&s, 16 << 20);
	assert_int_equal(s.chunks_at[PACK_RAW], 0);
}

/* There every byte that could have been packed costs time, and what shrinks and what does not take turns. */
static void pack_choice_slow_link_is_measured_while_packing(void **state)
{
	static const double links[] = {1e6, 5e6, 20e6, 50e6};

	(void)state;
	for (size_t l = 0; l < sizeof links / sizeof links[0]; l++)
		for (unsigned mixed = 0; mixed <= 40; mixed += 10) {
			struct machine m = {files, mixed, 2, true, 20e9, links[l], 0};
			struct sim s;

			sim_init(&s, ADAPTS, &m);
			sim_copy(&s, GIB);
			assert_int_equal(s.chunks_at[PACK_RAW], 0);
			assert_true(s.choice.home >= PACK_RUNGS - 2);
		}
}

/* Not so slow that it shows: then what is sent raw to measure it is a small part. */
static void pack_choice_measuring_a_link_costs_few_bytes(void **state)
{
	static const double links[] = {80e6, 125e6, 250e6};

	(void)state;
	for (size_t l = 0; l < sizeof links / sizeof links[0]; l++)
		for (unsigned mixed = 0; mixed <= 40; mixed += 10) {
			struct machine m = {files, mixed, 4, true, 20e9, links[l], 0};
			struct sim s;

			sim_init(&s, ADAPTS, &m);
			sim_copy(&s, 4 * GIB);
			assert_in_range(s.chunks_at[PACK_RAW] * CHUNK, 0, GIB / 4);
		}
}

static void pack_choice_link_that_stands_still_is_not_measured(void **state)
{
	struct machine m = {files, 0, 2, true, 20e9, 20e6, 0};
	struct sim s;

	(void)state;
	sim_init(&s, ADAPTS, &m);
	sim_copy(&s, GIB);
	double link = s.choice.link;
	int64_t now = (int64_t)s.now;
	for (size_t i = 1; i < PACK_QUEUE; i++) {
		bool probe;
		struct pack_sample sample = {
			.rung = pack_choice_next(&s.choice, &probe), .bytes = CHUNK, .result = {NS_PER_MS, CHUNK / 3},
			.to_pack = 1, .to_send = 2 + i,
		};

		pack_choice_passed(&s.choice, now += 4 * NS_PER_MS, &sample);
		assert_true(s.choice.link < 4 * link);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pack_choice_any_machine_comes_near_the_best_fixed_level),
		cmocka_unit_test(pack_choice_busy_processors_are_told_from_a_slow_link),
		cmocka_unit_test(pack_choice_two_cores_with_the_receiver_soon_send_raw),
		cmocka_unit_test(pack_choice_link_that_changes_is_followed),
		cmocka_unit_test(pack_choice_slow_source_keeps_packing),
		cmocka_unit_test(pack_choice_slow_link_is_measured_while_packing),
		cmocka_unit_test(pack_choice_link_that_stands_still_is_not_measured),
		cmocka_unit_test(pack_choice_measuring_a_link_costs_few_bytes),
		cmocka_unit_test(pack_choice_small_copy_is_packed_as_a_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
