// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "copy/chunk.h"
#include "copy/gate.h"

static void chunk_order_put_in_any_order_comes_out_rising(void **state)
{
	static const uint64_t come[] = {2, 0, 1, 5, 4, 3};
	static const uint64_t ready[] = {0, 1, 3, 3, 3, 6}; /* out after each */
	struct chunk_order o = {0};
	uint64_t out = 0;

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		struct chunk *c = chunk_new(CHUNK_ZERO, 0, 0, 1);

		c->seq = come[i];
		chunk_order_put(&o, c);
		while ((c = chunk_order_take(&o)) != NULL) {
			assert_int_equal(c->seq, out++);
			chunk_free(c);
		}
		assert_int_equal(out, ready[i]);
	}
	chunk_order_put(&o, chunk_new(CHUNK_ZERO, 0, 0, 1)); /* left behind: freed by fini */
	chunk_order_fini(&o);
}

static void buffer_unref_last_of_several_gives_it_back(void **state)
{
	struct err e = ERR_INIT;
	struct pool *p = pool_new(0, 65536, 1, &e);
	struct buffer *b = pool_get(p);

	(void)state;
	buffer_ref(b, 1);
	assert_null(pool_try_get(p));
	buffer_unref(b);
	assert_null(pool_try_get(p));
	buffer_unref(b);
	b = pool_try_get(p);
	assert_non_null(b);
	assert_int_equal((uintptr_t)b->data % 4096, 0);
	buffer_unref(b);
	pool_close(p);
	assert_null(pool_get(p));
	pool_free(p);
}

static void chunk_free_batch_gives_back_what_all_of_it_held(void **state)
{
	struct err e = ERR_INIT;
	struct pool *p = pool_new(0, 65536, 1, &e);
	struct buffer *b = pool_get(p);
	struct chunk *first = NULL;

	(void)state;
	buffer_ref(b, 2);
	for (unsigned i = 0; i < 3; i++) {
		struct chunk *c = chunk_new(CHUNK_DATA, 0, 0, 1);

		c->buffer = b;
		c->batch = first;
		first = c;
	}
	struct chunk *rest = chunk_detach(first);
	chunk_free(first); /* alone now */
	assert_null(pool_try_get(p));
	chunk_free(rest);
	b = pool_try_get(p);
	assert_non_null(b);
	buffer_unref(b);
	pool_free(p);
}

static void gate_pass_chunks_overtaking_marks_keeps_order(void **state)
{
	struct gate g = {0};
	uint64_t id = 0;

	(void)state;
	gate_arrive(&g, 1, 1);
	gate_arrive(&g, 2, 1); /* of the next one, early */
	gate_mark(&g, 1, 2);
	gate_mark(&g, 2, 1); /* complete, but not its turn */
	assert_false(gate_pass(&g, &id));
	gate_arrive(&g, 1, 1);
	assert_true(gate_pass(&g, &id));
	assert_int_equal(id, 1);
	assert_true(gate_pass(&g, &id));
	assert_int_equal(id, 2);
	assert_false(gate_pass(&g, &id));
	for (uint64_t next = 3; next < 40; next++) { /* slots are used again */
		gate_mark(&g, next, 1);
		assert_false(gate_pass(&g, &id));
		gate_arrive(&g, next, 1);
		assert_true(gate_pass(&g, &id));
		assert_int_equal(id, next);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunk_order_put_in_any_order_comes_out_rising),
		cmocka_unit_test(buffer_unref_last_of_several_gives_it_back),
		cmocka_unit_test(chunk_free_batch_gives_back_what_all_of_it_held),
		cmocka_unit_test(gate_pass_chunks_overtaking_marks_keeps_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
