// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net/stream_tcp.h"
#include "paths.h"

static const struct endpoint loopback = {.reach = REACH_LOOPBACK, .host = "127.0.0.1", .port = 7001};
static const struct endpoint v6 = {.reach = REACH_NETWORK, .host = "2001:db8::7", .port = 4433};
static const struct endpoint none = {.reach = REACH_NETWORK, .host = "", .port = 4433};

static void path_choose_each_case_takes_the_open_way(void **state)
{
	static const struct {
		enum data_path wanted;
		const char *source_alias;
		const struct endpoint *source;
		const char *target_alias;
		const struct endpoint *target;
		int rc;
		enum data_path path;
		const char *dial;
	} cases[] = {
		{DATA_AUTO, "10.0.2.2", &loopback, "10.0.2.2", &loopback, 0, DATA_SOURCE_DIALS, "10.0.2.2:7001"},
		{DATA_AUTO, NULL, &v6, NULL, &v6, 0, DATA_SOURCE_DIALS, "[2001:db8::7]:4433"},
		{DATA_AUTO, NULL, &v6, "10.0.2.2", &loopback, 0, DATA_TARGET_DIALS, "[2001:db8::7]:4433"},
		{DATA_AUTO, "10.0.2.2", &none, NULL, &none, 0, DATA_RELAY, NULL},
		{DATA_AUTO, NULL, &none, NULL, &none, -1, DATA_RELAY, NULL},
		{DATA_TARGET_DIALS, "10.0.2.2", &loopback, NULL, &loopback, -1, DATA_AUTO, NULL},
		{DATA_SOURCE_DIALS, NULL, &loopback, "10.0.2.2", &loopback, -1, DATA_AUTO, NULL},
		{DATA_RELAY, "10.0.2.2", &loopback, NULL, &loopback, 0, DATA_RELAY, NULL},
		{DATA_RELAY, NULL, &v6, NULL, &v6, -1, DATA_AUTO, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct path_choice got;
		struct err e = ERR_INIT;
		int rc = path_choose(cases[i].wanted, cases[i].source_alias, cases[i].source, cases[i].target_alias,
				     cases[i].target, &got, &e);

		print_message("case %zu: %s\n", i, rc == 0 ? got.reason : e.msg);
		assert_int_equal(rc, cases[i].rc);
		if (rc < 0) {
			assert_int_equal(e.kind, ERR_UNSUPPORTED);
			continue;
		}
		assert_int_equal(got.path, cases[i].path);
		if (cases[i].dial != NULL)
			assert_string_equal(got.dial, cases[i].dial);
	}
}

/* A connect(2) that is late, once, towards this port; 0 again as soon as it has begun. It must be seen by a function of
 * libc's name: no context. */
static atomic_int late_port;

int connect(int fd, const struct sockaddr *to, socklen_t len)
{
	int port = to->sa_family == AF_INET ? ntohs(((const struct sockaddr_in *)to)->sin_port) : 0;

	if (port != 0 && atomic_compare_exchange_strong(&late_port, &port, 0))
		clock_sleep_ns(200 * NS_PER_MS); /* for relay_stop to get past the place of a connection */
	return (int)syscall(SYS_connect, fd, to, len);
}

static void relay_two_connections_pass_bytes_both_ways(void **state)
{
	struct err e = ERR_INIT;
	char to[64], at[64], got[8] = "";
	int listener = stream_tcp_listen("127.0.0.1:0", &e);

	(void)state;
	assert_true(listener >= 0);
	snprintf(to, sizeof to, "127.0.0.1:%d", stream_tcp_port(listener));
	struct relay *r = relay_start(to, &e);
	assert_non_null(r);
	snprintf(at, sizeof at, "127.0.0.1:%d", relay_port(r));
	for (int i = 0; i < 2; i++) {
		struct stream *a = stream_tcp_dial(at, 5 * NS_PER_S, &e);
		struct stream *b = stream_tcp_accept(listener, 5 * NS_PER_S, &e);

		assert_non_null(a);
		assert_non_null(b);
		assert_int_equal(stream_write(a, "there", 5, &e) | stream_flush(a, &e), 0);
		assert_int_equal(stream_read_full(b, got, 5, &e), 0);
		assert_memory_equal(got, "there", 5);
		assert_int_equal(stream_write(b, "back", 4, &e) | stream_flush(b, &e), 0);
		assert_int_equal(stream_read_full(a, got, 4, &e), 0);
		assert_memory_equal(got, "back", 4);
		stream_close(a);
		/* The end of one side reaches the other. */
		assert_true(stream_read(b, got, 1, &e) <= 0);
		stream_close(b);
	}
	relay_stop(r);
	close(listener);
}

static void relay_stop_with_open_connection_ends_it(void **state)
{
	struct err e = ERR_INIT;
	char to[64], at[64], got;
	int listener = stream_tcp_listen("127.0.0.1:0", &e);

	(void)state;
	snprintf(to, sizeof to, "127.0.0.1:%d", stream_tcp_port(listener));
	struct relay *r = relay_start(to, &e);
	snprintf(at, sizeof at, "127.0.0.1:%d", relay_port(r));
	struct stream *a = stream_tcp_dial(at, 5 * NS_PER_S, &e);
	struct stream *b = stream_tcp_accept(listener, 5 * NS_PER_S, &e);
	assert_non_null(b);
	relay_stop(r);
	assert_true(stream_read(a, &got, 1, &e) <= 0);
	stream_close(a);
	stream_close(b);
	close(listener);
}

static void relay_stop_while_it_dials_ends_it(void **state)
{
	struct err e = ERR_INIT;
	char to[64], at[64], got;
	int listener = stream_tcp_listen("127.0.0.1:0", &e);

	(void)state;
	snprintf(to, sizeof to, "127.0.0.1:%d", stream_tcp_port(listener));
	struct relay *r = relay_start(to, &e);
	snprintf(at, sizeof at, "127.0.0.1:%d", relay_port(r));
	atomic_store(&late_port, stream_tcp_port(listener));
	struct stream *a = stream_tcp_dial(at, 5 * NS_PER_S, &e);
	assert_non_null(a);
	while (atomic_load(&late_port) != 0)
		clock_sleep_ns(NS_PER_MS);
	relay_stop(r); /* returns: otherwise the relay waits for a connection that nobody ends */
	assert_true(stream_read(a, &got, 1, &e) <= 0);
	stream_close(a);
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(path_choose_each_case_takes_the_open_way),
		cmocka_unit_test(relay_two_connections_pass_bytes_both_ways),
		cmocka_unit_test(relay_stop_with_open_connection_ends_it),
		cmocka_unit_test(relay_stop_while_it_dials_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
