// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/ring.h"

#define THREADS  4
#define ITEMS    5000 /* of each producer */
#define CAPACITY 7

static void ring_pop_of_pushed_items_gives_them_in_order(void **state)
{
	(void)state;
	struct ring *r = ring_new(4);
	int items[4];

	for (int round = 0; round < 3; round++) { /* wraps round */
		for (int i = 0; i < 3; i++)
			assert_true(ring_push(r, &items[i]));
		assert_int_equal(ring_len(r), 3);
		for (int i = 0; i < 3; i++)
			assert_ptr_equal(ring_pop(r), &items[i]);
	}
	assert_null(ring_try_pop(r));
	ring_free(r);
}

static void ring_pop_after_close_drains_and_then_fails(void **state)
{
	(void)state;
	struct ring *r = ring_new(2);
	int item;
	bool closed = true;

	assert_true(ring_push(r, &item));
	ring_close(r);
	ring_close(r);
	assert_false(ring_push(r, &item));
	assert_ptr_equal(ring_pop_wait(r, INT64_C(1000000000000), &closed), &item);
	assert_false(closed);
	assert_null(ring_pop(r));
	assert_null(ring_pop_wait(r, INT64_C(1000000000000), &closed));
	assert_true(closed);
	ring_free(r);
	ring_free(NULL);
}

static void ring_pop_wait_of_an_empty_ring_ends_open(void **state)
{
	(void)state;
	struct ring *r = ring_new(1);
	bool closed = true;

	assert_null(ring_pop_wait(r, 1000000, &closed));
	assert_false(closed);
	ring_free(r);
}

/* Every item counts how often it was popped: exactly once each, whoever got it. */
struct party {
	struct ring *ring;
	atomic_int (*seen)[ITEMS];
	int index;
	bool in_order;
};

static void *produce(void *arg)
{
	struct party *p = arg;

	for (int i = 0; i < ITEMS; i++)
		ring_push(p->ring, &p->seen[p->index][i]);
	return NULL;
}

static void *consume(void *arg)
{
	struct party *p = arg;
	atomic_int *first = &p->seen[0][0], *item, *last[THREADS] = {NULL};

	p->in_order = true;
	while ((item = ring_pop(p->ring)) != NULL) {
		ptrdiff_t producer = (item - first) / ITEMS;

		p->in_order &= last[producer] < item;
		last[producer] = item;
		atomic_fetch_add(item, 1);
	}
	return NULL;
}

static void ring_between_many_threads_hands_on_each_item_once_and_in_order(void **state)
{
	(void)state;
	atomic_int(*seen)[ITEMS] = mem_array(THREADS, sizeof *seen);
	struct ring *r = ring_new(CAPACITY);
	pthread_t producer[THREADS], consumer[THREADS];
	struct party from[THREADS], to[THREADS];

	for (int i = 0; i < THREADS; i++) {
		from[i] = to[i] = (struct party){.ring = r, .seen = seen, .index = i};
		assert_int_equal(pthread_create(&consumer[i], NULL, consume, &to[i]), 0);
		assert_int_equal(pthread_create(&producer[i], NULL, produce, &from[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(producer[i], NULL);
	ring_close(r);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(consumer[i], NULL);
		assert_true(to[i].in_order);
	}
	for (int t = 0; t < THREADS; t++)
		for (int i = 0; i < ITEMS; i++)
			assert_int_equal(seen[t][i], 1);
	ring_free(r);
	free(seen);
}

static void *push_one(void *arg)
{
	return ring_push(arg, arg) ? arg : NULL;
}

static void ring_close_with_a_waiting_producer_wakes_it(void **state)
{
	(void)state;
	struct ring *r = ring_new(1);
	pthread_t t;
	void *result = r;

	assert_true(ring_push(r, r));
	assert_int_equal(pthread_create(&t, NULL, push_one, r), 0);
	ring_close(r); /* before or during its wait: both must end */
	pthread_join(t, &result);
	assert_null(result);
	assert_int_equal(ring_len(r), 1);
	ring_free(r);
}

static void *pop_one(void *arg)
{
	return ring_pop(arg);
}

static void ring_close_with_waiting_consumers_wakes_all(void **state)
{
	(void)state;
	struct ring *r = ring_new(1);
	pthread_t t[THREADS];
	void *result = r;

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, pop_one, r), 0);
	ring_close(r);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], &result);
		assert_null(result);
	}
	ring_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ring_pop_of_pushed_items_gives_them_in_order),
		cmocka_unit_test(ring_pop_after_close_drains_and_then_fails),
		cmocka_unit_test(ring_pop_wait_of_an_empty_ring_ends_open),
		cmocka_unit_test(ring_between_many_threads_hands_on_each_item_once_and_in_order),
		cmocka_unit_test(ring_close_with_a_waiting_producer_wakes_it),
		cmocka_unit_test(ring_close_with_waiting_consumers_wakes_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
