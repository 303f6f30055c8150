// SPDX-License-Identifier: Apache-2.0
/* Who waits here would wait for days: a test ends at all only because the right thing wakes it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "copy/limiter.h"

#define WAITERS 4
#define DAYS_OF_DEBT 100

struct waiter {
	struct limiter *l;
	bool reads;
	atomic_uint *through;
	pthread_t thread;
};

static const struct limits slow = {.of = {[LIMIT_BANDWIDTH] = 1, [LIMIT_DISK_THROUGHPUT] = 1}};
static const struct limits none;

static void *waiter_main(void *arg)
{
	struct waiter *w = arg;

	for (int i = 0; i < DAYS_OF_DEBT; i++) {
		if (w->reads)
			limiter_read(w->l, 3, LIMITER_SLICE);
		else
			limiter_send(w->l, LIMITER_SLICE);
		atomic_fetch_add(w->through, 1);
	}
	return NULL;
}

/* Senders and readers that have got the one piece each that a bucket without debt gives, and wait for the next. */
static void start(struct waiter w[WAITERS], struct limiter *l, atomic_uint *through)
{
	for (int i = 0; i < WAITERS; i++) {
		w[i] = (struct waiter){.l = l, .reads = i % 2 != 0, .through = through};
		assert_int_equal(pthread_create(&w[i].thread, NULL, waiter_main, &w[i]), 0);
	}
	while (atomic_load(through) < 2)
		clock_sleep_ns(NS_PER_MS);
}

static void join(struct waiter w[WAITERS], const atomic_uint *through)
{
	for (int i = 0; i < WAITERS; i++)
		pthread_join(w[i].thread, NULL);
	assert_int_equal(atomic_load(through), WAITERS * DAYS_OF_DEBT);
}

static void limiter_set_while_senders_and_readers_wait_frees_them(void **state)
{
	struct limiter *l = limiter_new(&slow);
	atomic_uint through = 0;
	struct waiter w[WAITERS];
	struct limits now;

	(void)state;
	start(w, l, &through);
	assert_int_equal(atomic_load(&through), 2);
	limiter_set(l, &none);
	join(w, &through);
	limiter_get(l, &now);
	assert_memory_equal(&now, &none, sizeof now);
	limiter_free(l);
}

static void limiter_stop_while_senders_and_readers_wait_frees_them_for_good(void **state)
{
	struct limiter *l = limiter_new(&slow);
	atomic_uint through = 0;
	struct waiter w[WAITERS];

	(void)state;
	start(w, l, &through);
	limiter_stop(l);
	join(w, &through);
	limiter_set(l, &slow);
	limiter_send(l, LIMITER_SLICE);
	limiter_send(l, LIMITER_SLICE);
	limiter_free(l);
}

static void limiter_read_of_another_disk_waits_only_for_what_they_share(void **state)
{
	struct limiter *l = limiter_new(&slow);

	(void)state;
	for (unsigned disk = 0; disk < 64; disk++)
		limiter_read(l, disk, LIMITER_SLICE);
	limiter_send(l, LIMITER_SLICE);
	limiter_free(l);
}

static void limiter_of_null_limits_nothing(void **state)
{
	(void)state;
	limiter_send(NULL, LIMITER_SLICE);
	limiter_read(NULL, 0, 1);
	limiter_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limiter_set_while_senders_and_readers_wait_frees_them),
		cmocka_unit_test(limiter_stop_while_senders_and_readers_wait_frees_them_for_good),
		cmocka_unit_test(limiter_read_of_another_disk_waits_only_for_what_they_share),
		cmocka_unit_test(limiter_of_null_limits_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
