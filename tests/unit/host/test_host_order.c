// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host_order.h"
#include "net/stream_mem.h"

#define ORDER_SIZE 80

static const struct host_order order = {
	.size = UINT64_C(0x1122334455667788),
	.chunk_size = 0x40000,
	.known = true,
	.session = UINT64_C(0x99aabbccddeeff01),
	.keys = {.chunk = {1, 2, 3, [31] = 32}, .page = {9, 9, 9}, .id = {4, 5, 6, [15] = 16}},
};

struct ends {
	struct stream *end[2];
};

static struct ends ends_open(void)
{
	struct ends s;

	stream_mem_pair(4096, s.end);
	return s;
}

static void ends_close(struct ends *s)
{
	stream_close(s->end[0]);
	stream_close(s->end[1]);
}

static void host_order_send_accepted_arrives_without_page_key(void **state)
{
	static const uint8_t nothing[sizeof order.keys.page];
	struct ends s = ends_open();
	struct err e = ERR_INIT;
	struct host_order got;

	(void)state;
	assert_int_equal(host_order_accept(s.end[1], &e), 0);
	assert_int_equal(host_order_send(s.end[0], &order, &e), 0);
	assert_int_equal(host_order_recv(s.end[1], &got, &e), 0);
	assert_int_equal(got.size, order.size);
	assert_int_equal(got.chunk_size, order.chunk_size);
	assert_true(got.known);
	assert_int_equal(got.session, order.session);
	assert_memory_equal(got.keys.chunk, order.keys.chunk, sizeof order.keys.chunk);
	assert_memory_equal(got.keys.id, order.keys.id, sizeof order.keys.id);
	assert_memory_equal(got.keys.page, nothing, sizeof nothing);
	ends_close(&s);
}

static void host_order_send_refused_gives_reason_of_peer(void **state)
{
	struct ends s = ends_open();
	struct err why = ERR_INIT, e = ERR_INIT;

	(void)state;
	err_set(&why, ERR_REFUSED, 0, "too small");
	assert_int_equal(wire_send_error(s.end[1], &why, &e), 0);
	assert_int_equal(host_order_send(s.end[0], &order, &e), -1);
	assert_int_equal(e.kind, ERR_REFUSED);
	assert_non_null(strstr(e.msg, "too small"));
	ends_close(&s);
}

static void host_order_send_other_answer_is_protocol(void **state)
{
	struct wire_frame ping = {.type = WIRE_PING};
	struct ends s = ends_open();
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(wire_send(s.end[1], &ping, NULL, &e), 0);
	assert_int_equal(host_order_send(s.end[0], &order, &e), -1);
	assert_int_equal(e.kind, ERR_PROTOCOL);
	ends_close(&s);
}

static void host_order_recv_changed_byte_is_protocol(void **state)
{
	/* magic, both ends of the flags, a size with the highest bit */
	static const struct {
		unsigned at;
		uint8_t value;
	} cases[] = {{0, 'w'}, {7, '2'}, {20, 3}, {23, 0x80}, {15, 0x91}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct ends s = ends_open(), t = ends_open();
		struct err e = ERR_INIT;
		uint8_t text[ORDER_SIZE];
		struct host_order got;

		assert_int_equal(host_order_accept(s.end[1], &e), 0);
		assert_int_equal(host_order_send(s.end[0], &order, &e), 0);
		assert_int_equal(stream_read_full(s.end[1], text, sizeof text, &e), 0);
		text[cases[i].at] = cases[i].value;
		assert_int_equal(stream_write(t.end[0], text, sizeof text, &e), 0);
		assert_int_equal(host_order_recv(t.end[1], &got, &e), -1);
		assert_int_equal(e.kind, ERR_PROTOCOL);
		ends_close(&s);
		ends_close(&t);
	}
}

static void host_order_recv_cut_short_is_network(void **state)
{
	struct ends s = ends_open();
	struct err e = ERR_INIT;
	struct host_order got;

	(void)state;
	assert_int_equal(stream_write(s.end[0], "WHERRYO1", 8, &e), 0);
	stream_close(s.end[0]);
	assert_int_equal(host_order_recv(s.end[1], &got, &e), -1);
	assert_int_equal(e.kind, ERR_NETWORK);
	stream_close(s.end[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(host_order_send_accepted_arrives_without_page_key),
		cmocka_unit_test(host_order_send_refused_gives_reason_of_peer),
		cmocka_unit_test(host_order_send_other_answer_is_protocol),
		cmocka_unit_test(host_order_recv_changed_byte_is_protocol),
		cmocka_unit_test(host_order_recv_cut_short_is_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
