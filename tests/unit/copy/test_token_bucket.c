// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "copy/limiter.h"
#include "copy/token_bucket.h"

#define WINDOW_NS (5 * NS_PER_S)
#define MB        UINT64_C(1000000)

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

struct passed {
	int64_t at;
	uint64_t tokens;
};

/* The most that passed within any window, both ends included. */
static uint64_t most_in_window(const struct passed *p, size_t n)
{
	uint64_t sum = 0, most = 0;

	for (size_t from = 0, to = 0; to < n; to++) {
		sum += p[to].tokens;
		while (p[to].at - p[from].at > WINDOW_NS)
			sum -= p[from++].tokens;
		most = sum > most ? sum : most;
	}
	return most;
}

/* A sender whose link is idle, with the pauses of a machine: late wake-ups, and now and then something else to do. */
static uint64_t send_for(struct token_bucket *b, int64_t *now, int64_t ns, size_t max, int64_t late, int64_t pause,
			 struct passed *p, size_t *n, size_t room)
{
	int64_t end = *now + ns, wait;
	uint64_t x = 88172645463325252, total = 0;

	while (*now < end) {
		uint64_t tokens = next_random(&x) % max + 1;

		while ((wait = token_bucket_wait_ns(b, *now)) > 0)
			*now += wait + (int64_t)(next_random(&x) % (uint64_t)late);
		token_bucket_take(b, *now, tokens);
		assert_true(*n < room);
		p[(*n)++] = (struct passed){*now, tokens};
		total += tokens;
		if (pause > 0 && next_random(&x) % 50 == 0)
			*now += (int64_t)(next_random(&x) % (uint64_t)pause);
	}
	return total;
}

static void token_bucket_take_any_sizes_no_window_passes_three_percent_more(void **state)
{
	static const struct {
		uint64_t rate;
		size_t max;
		int64_t pause;
	} cases[] = {
		{10 * MB, LIMITER_SLICE, 0},          {100 * MB, LIMITER_SLICE, 0},
		{400 * MB, LIMITER_SLICE, 0},         {10 * MB, 1000, 0},
		{10 * MB, LIMITER_SLICE, NS_PER_S},   {400 * MB, LIMITER_SLICE, 3 * NS_PER_S},
		{100 * MB, 1 << 20, 100 * NS_PER_MS}, {500, 1, 0}, {500, 1, 2 * NS_PER_S},
	};
	const size_t room = 1 << 21;
	struct passed *p = mem_array(room, sizeof *p);

	(void)state;
	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		struct token_bucket b = {0};
		int64_t now = 77 * NS_PER_S, began = now;
		size_t n = 0;

		token_bucket_set_rate(&b, now, cases[c].rate);
		uint64_t total = send_for(&b, &now, 30 * NS_PER_S, cases[c].max, 5 * NS_PER_MS, cases[c].pause, p, &n, room);
		uint64_t most = most_in_window(p, n);
		double seconds = (double)(now - began) / (double)NS_PER_S;
		if ((double)most > 1.03 * 5 * (double)cases[c].rate)
			fail_msg("case %zu: %llu in 5 s", c, (unsigned long long)most);
		if (cases[c].pause == 0 && (double)total < 0.99 * seconds * (double)cases[c].rate)
			fail_msg("case %zu: only %llu in %.1f s", c, (unsigned long long)total, seconds);
	}
	free(p);
}

static void token_bucket_take_after_an_idle_hour_gives_no_more_than_its_depth(void **state)
{
	struct token_bucket b = {0};
	int64_t now = NS_PER_S;
	uint64_t burst = 0;

	(void)state;
	token_bucket_set_rate(&b, now, 10 * MB);
	token_bucket_take(&b, now, 1);
	now += 3600 * NS_PER_S;
	for (; token_bucket_wait_ns(&b, now) == 0; burst += 1000)
		token_bucket_take(&b, now, 1000);
	assert_in_range(burst, 10 * MB * TOKEN_BUCKET_DEPTH_NS / NS_PER_S, 10 * MB * TOKEN_BUCKET_DEPTH_NS / NS_PER_S + 1000);
}

static void token_bucket_take_more_than_its_depth_passes_and_is_owed(void **state)
{
	struct token_bucket b = {0};

	(void)state;
	token_bucket_set_rate(&b, 0, 1 * MB);
	assert_int_equal(token_bucket_wait_ns(&b, 0), 0);
	token_bucket_take(&b, 0, 4 * MB);
	assert_int_equal(token_bucket_wait_ns(&b, 0), 4 * NS_PER_S);
}

static void token_bucket_set_rate_while_waiting_counts_at_once(void **state)
{
	static const struct {
		uint64_t rate;
		int64_t wait;
	} cases[] = {
		{1 * MB, 3 * NS_PER_S}, {3 * MB, NS_PER_S}, {MB / 2, 6 * NS_PER_S}, {0, 0},
	};

	(void)state;
	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		struct token_bucket b = {0};

		token_bucket_set_rate(&b, 0, 1 * MB);
		token_bucket_take(&b, 0, 4 * MB);
		token_bucket_set_rate(&b, NS_PER_S, cases[c].rate);
		assert_int_equal(token_bucket_wait_ns(&b, NS_PER_S), cases[c].wait);
	}
}

static void token_bucket_take_without_a_rate_leaves_no_debt(void **state)
{
	struct token_bucket b = {0};

	(void)state;
	token_bucket_take(&b, 5, UINT64_C(1) << 33);
	assert_int_equal(token_bucket_wait_ns(&b, 5), 0);
	token_bucket_set_rate(&b, 5, 1);
	assert_int_equal(token_bucket_wait_ns(&b, 5), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(token_bucket_take_any_sizes_no_window_passes_three_percent_more),
		cmocka_unit_test(token_bucket_take_after_an_idle_hour_gives_no_more_than_its_depth),
		cmocka_unit_test(token_bucket_take_more_than_its_depth_passes_and_is_owed),
		cmocka_unit_test(token_bucket_set_rate_while_waiting_counts_at_once),
		cmocka_unit_test(token_bucket_take_without_a_rate_leaves_no_debt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
