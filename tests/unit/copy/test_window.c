// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "copy/window.h"

#define KIB(n) (UINT64_C(1024) * (n))

static void push(struct window *w, uint8_t type, uint64_t length)
{
	static const uint8_t hash[WIRE_HASH_SIZE] = "hash";
	const struct wire_frame f = {.type = type, .length = length, .id = 1, .offset = w->last};

	window_push(w, &f, hash);
}

static void send(struct window *w, unsigned n, bool expect_again)
{
	while (n-- > 0) {
		bool again;

		assert_non_null(window_next(w, &again));
		assert_int_equal(again, expect_again);
	}
}

static void window_full_by_bytes_has_room_after_ack(void **state)
{
	struct window w;
	struct err e = {0};

	(void)state;
	window_init(&w, KIB(256));
	for (int i = 0; i < 4; i++) {
		assert_true(window_has_room(&w, KIB(64)));
		push(&w, WIRE_CHUNK, KIB(64));
	}
	assert_false(window_has_room(&w, 1));
	assert_true(window_has_room(&w, 0)); /* zeros and checkpoints weigh nothing */
	push(&w, WIRE_ZERO, KIB(1 << 20));
	send(&w, 5, false);
	assert_int_equal(window_ack(&w, 1, &e), 0);
	assert_true(window_has_room(&w, KIB(64)));
	assert_false(window_has_room(&w, KIB(64) + 1));
	window_fini(&w);
}

static void window_one_frame_larger_than_the_limit_is_let_in(void **state)
{
	struct window w;

	(void)state;
	window_init(&w, KIB(64));
	assert_true(window_has_room(&w, KIB(4096)));
	push(&w, WIRE_CHUNK, KIB(4096));
	assert_false(window_has_room(&w, 0) && window_has_room(&w, KIB(64)));
	window_fini(&w);
}

static void window_full_by_frames_keeps_a_place_for_end(void **state)
{
	struct window w;

	(void)state;
	window_init(&w, KIB(64));
	while (window_has_room(&w, 0))
		push(&w, WIRE_ZERO, KIB(64));
	assert_int_equal(w.last, WINDOW_FRAMES - 1);
	push(&w, WIRE_END, 0);
	send(&w, WINDOW_FRAMES, false);
	assert_false(window_is_behind(&w));
	window_fini(&w);
}

static void window_resume_sends_again_what_was_not_taken(void **state)
{
	struct window w;
	struct err e = {0};
	bool again;

	(void)state;
	window_init(&w, KIB(1024));
	for (int i = 0; i < 5; i++)
		push(&w, WIRE_CHUNK, KIB(64));
	send(&w, 3, false);
	assert_int_equal(window_ack(&w, 1, &e), 0);
	assert_int_equal(window_resume(&w, 2, &e), 0);
	const struct window_frame *f = window_next(&w, &again);
	assert_int_equal(f->f.offset, 2);
	assert_string_equal((const char *)f->hash, "hash");
	assert_true(again);
	send(&w, 2, false); /* the two that no connection had seen */
	assert_null(window_next(&w, &again));
	assert_int_equal(w.bytes, KIB(3 * 64));
	window_fini(&w);
}

static void window_ack_and_resume_of_what_cannot_be_is_protocol(void **state)
{
	static const struct {
		bool resume;
		uint64_t upto;
		bool good;
	} cases[] = {
		/* Of 6 frames 4 were sent once, 2 acknowledged, and 3 again. */
		{false, 1, false}, {false, 2, true}, {false, 3, true}, {false, 4, false}, {false, 7, false},
		{true, 1, false}, {true, 2, true}, {true, 4, true}, {true, 5, false}, {true, UINT64_MAX, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct window w;
		struct err e = {0};

		window_init(&w, KIB(1024));
		for (int k = 0; k < 6; k++)
			push(&w, WIRE_ZERO, KIB(64));
		send(&w, 4, false);
		assert_int_equal(window_resume(&w, 2, &e), 0);
		send(&w, 1, true);
		int rc = cases[i].resume ? window_resume(&w, cases[i].upto, &e) : window_ack(&w, cases[i].upto, &e);
		assert_int_equal(rc, cases[i].good ? 0 : -1);
		assert_int_equal(e.kind, cases[i].good ? ERR_NONE : ERR_PROTOCOL);
		window_fini(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(window_full_by_bytes_has_room_after_ack),
		cmocka_unit_test(window_one_frame_larger_than_the_limit_is_let_in),
		cmocka_unit_test(window_full_by_frames_keeps_a_place_for_end),
		cmocka_unit_test(window_resume_sends_again_what_was_not_taken),
		cmocka_unit_test(window_ack_and_resume_of_what_cannot_be_is_protocol),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
