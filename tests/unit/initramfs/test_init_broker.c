// SPDX-License-Identifier: Apache-2.0
/* The broker's protocol, as far as it needs no disk; tests/e2e/test-image-disks.sh has the rest. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker.h"
#include "disk_broker.h"
#include "disks.h"

static struct disk_broker broker;
static int worker;

static int open_broker(void **state)
{
	(void)state;
	return disk_broker_open(&broker, &worker);
}

static int close_broker(void **state)
{
	(void)state;
	close(broker.fd);
	close(worker);
	return 0;
}

/* Sends size bytes, lets the broker answer, returns what PID 1 is to do; the answer is in reply. */
static enum broker_order ask(const char *request, size_t size, char reply[BROKER_REPLY_MAX + 1])
{
	enum broker_order order;
	ssize_t got;

	assert_int_equal(send(worker, request, size, 0), size);
	order = disk_broker_serve(&broker);
	got = recv(worker, reply, BROKER_REPLY_MAX, MSG_DONTWAIT);
	assert_true(got > 0);
	reply[got] = '\0';
	assert_int_equal(reply[got - 1], '\n');
	return order;
}

static void serve_refused_requests_answer_err(void **state)
{
	static const struct {
		const char *request;
		const char *answer;
	} cases[] = {
		{"\n", "err 22 "}, {"hello\n", "err 22 "}, {"list", "err 90 "}, {"open\n", "err 22 "},
		{"open x\n", "err 22 "}, {"open  ro\n", "err 22 "}, {"open x rx\n", "err 22 "},
		{"open no-such-disk ro\n", "err 19 "}, {"open @no-such-disk rw\n", "err 19 "},
		{"open lun:*:*:*:77777 ro\n", "err 19 "}, {"open lun: ro\n", "err 19 "},
		{"settime\n", "err 22 "}, {"settime \n", "err 22 "}, {"settime x\n", "err 22 "}, {"settime 5\n", "err 22 "},
		{"settime -1\n", "err 22 "}, {"settime 99999999999999999999\n", "err 22 "},
		{"settime 1800000000000000000 \n", "err 22 "}, {"poweroff \n", "err 22 "},
	};
	char reply[BROKER_REPLY_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(ask(cases[i].request, strlen(cases[i].request), reply), BROKER_GO_ON);
		assert_memory_equal(reply, cases[i].answer, strlen(cases[i].answer));
	}
}

static void serve_long_or_binary_request_answers_err(void **state)
{
	char request[4 * BROKER_REQUEST_MAX];
	char reply[BROKER_REPLY_MAX + 1];

	(void)state;
	memset(request, 'x', sizeof request);
	request[sizeof request - 1] = '\n';
	assert_int_equal(ask(request, sizeof request, reply), BROKER_GO_ON);
	assert_memory_equal(reply, "err 90 ", 7);
	assert_int_equal(ask("open a\0b ro\n", 12, reply), BROKER_GO_ON);
	assert_memory_equal(reply, "err 90 ", 7);
	memset(request, 'y', BROKER_REQUEST_MAX);
	memcpy(request, "open ", 5);
	memcpy(request + BROKER_REQUEST_MAX - 4, " ro\n", 4);
	assert_int_equal(ask(request, BROKER_REQUEST_MAX, reply), BROKER_GO_ON);
	assert_memory_equal(reply, "err 19 ", 7);
}

static void serve_orders_are_acknowledged(void **state)
{
	char reply[BROKER_REPLY_MAX + 1];

	(void)state;
	assert_int_equal(ask("poweroff\n", 9, reply), BROKER_POWEROFF);
	assert_string_equal(reply, "ok\n");
	assert_int_equal(ask("reboot\n", 7, reply), BROKER_REBOOT);
	assert_string_equal(reply, "ok\n");
	assert_int_equal(ask("list\n", 5, reply), BROKER_GO_ON);
	assert_memory_equal(reply, "ok\n", 3);
}

static void serve_closed_socket_says_so(void **state)
{
	(void)state;
	shutdown(worker, SHUT_RDWR);
	assert_int_equal(disk_broker_serve(&broker), BROKER_CLOSED);
}

static void clean_serial_leaves_what_the_protocol_can_carry(void **state)
{
	static const char *const cases[][2] = {
		{"  WD-123  ", "WD-123"}, {"a b\tc", "a_b_c"}, {"", ""}, {"   ", ""}, {"\x01\xff", "__"},
		{"A.b_c:d+e=f@g,h-i", "A.b_c:d+e=f@g,h-i"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[64];

		strcpy(text, cases[i][0]);
		disk_clean_serial(text);
		assert_string_equal(text, cases[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(serve_refused_requests_answer_err, open_broker, close_broker),
		cmocka_unit_test_setup_teardown(serve_long_or_binary_request_answers_err, open_broker, close_broker),
		cmocka_unit_test_setup_teardown(serve_orders_are_acknowledged, open_broker, close_broker),
		cmocka_unit_test_setup_teardown(serve_closed_socket_says_so, open_broker, close_broker),
		cmocka_unit_test(clean_serial_leaves_what_the_protocol_can_carry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
