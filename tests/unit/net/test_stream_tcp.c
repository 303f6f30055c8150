// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/net_fixture.h"
#include "net/stream_tcp.h"

static void stream_tcp_dial_malformed_address_config(void **state)
{
	static const char *const bad[] = {
		"",
		"host",
		"host:",
		":80",
		"host:0",
		"host:65536",
		"host:99999999",
		"host:-1",
		"host: 80",
		"host:80x",
		"::1:80",
		"[::1:80",
		"::1]:80",
		"[]:80",
		"ho st:80",
		"[[::1]]:80",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct err e = ERR_INIT;

		if (stream_tcp_dial(bad[i], NS_PER_S, &e) != NULL || e.kind != ERR_CONFIG)
			fail_msg("'%s': %s", bad[i], e.msg);
	}
}

static void stream_tcp_dial_nobody_listens_network(void **state)
{
	struct err e = ERR_INIT;
	char address[32];
	int listener = stream_tcp_listen("127.0.0.1:0", &e);

	(void)state;
	assert_done(listener, &e);
	snprintf(address, sizeof address, "127.0.0.1:%d", stream_tcp_port(listener));
	close(listener);
	assert_null(stream_tcp_dial(address, 10 * NS_PER_S, &e));
	assert_kind(&e, ERR_NETWORK);
	assert_says(&e, address);
	assert_says(&e, "firewall");
}

static void stream_tcp_dial_unknown_name_network(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_null(stream_tcp_dial(
		"not..a..name:80", NS_PER_S, &e)); /* empty labels: needs no DNS to be wrong */
	assert_kind(&e, ERR_NETWORK);
	assert_says(&e, "not..a..name");
}

/* All interfaces by one socket: the same port answers on v4, and on v6 where the kernel has it. */
static void stream_tcp_listen_everywhere_answers_on_both_families(void **state)
{
	static const char *const host[] = {"127.0.0.1", "[::1]", "localhost"};
	struct err e = ERR_INIT;
	int listener = stream_tcp_listen(":0", &e), probe = socket(AF_INET6, SOCK_STREAM, 0);

	(void)state;
	assert_done(listener, &e);
	for (size_t i = 0; i < 3; i++) {
		char address[32];

		if (i == 1 && (probe < 0 || access("/proc/net/if_inet6", R_OK) != 0))
			continue;
		snprintf(address, sizeof address, "%s:%d", host[i], stream_tcp_port(listener));
		struct stream *a = stream_tcp_dial(address, 10 * NS_PER_S, &e);
		if (a == NULL)
			fail_msg("%s", e.msg);
		struct stream *b = stream_tcp_accept(listener, 10 * NS_PER_S, &e);
		assert_non_null(b);
		stream_close(a);
		stream_close(b);
	}
	close(listener);
	if (probe >= 0)
		close(probe);
}

static void stream_tcp_listen_port_in_use_busy(void **state)
{
	struct err e = ERR_INIT;
	char address[32], port[16];
	int listener = stream_tcp_listen("127.0.0.1:0", &e);

	(void)state;
	assert_done(listener, &e);
	snprintf(port, sizeof port, "port %d", stream_tcp_port(listener));
	snprintf(address, sizeof address, "127.0.0.1:%d", stream_tcp_port(listener));
	assert_int_equal(stream_tcp_listen(address, &e), -1);
	assert_kind(&e, ERR_BUSY);
	assert_says(&e, port);
	assert_says(&e, "choose another port");
	assert_int_equal(stream_tcp_listen(strchr(address, ':'), &e), -1);
	assert_kind(&e, ERR_BUSY);
	close(listener);
}

static void stream_tcp_listen_foreign_address_config(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(stream_tcp_listen("192.0.2.1:0", &e), -1); /* RFC 5737: nobody's */
	assert_kind(&e, ERR_CONFIG);
	assert_says(&e, "no address of this machine");
}

static void stream_tcp_accept_nobody_comes_timeout(void **state)
{
	struct err e = ERR_INIT;
	int listener = stream_tcp_listen("127.0.0.1:0", &e);

	(void)state;
	assert_done(listener, &e);
	assert_null(stream_tcp_accept(listener, NS_PER_MS, &e));
	assert_kind(&e, ERR_TIMEOUT);
	shutdown(listener, SHUT_RDWR);
	assert_null(stream_tcp_accept(listener, 0, &e));
	assert_kind(&e, ERR_CANCELED);
	close(listener);
}

static void stream_tcp_bytes_both_ways_and_counted(void **state)
{
	struct stream *s[2];
	struct err e = ERR_INIT;
	char back[5];

	(void)state;
	fx_tcp_pair(s);
	assert_done(stream_write(s[0], "hello", 5, &e), &e);
	assert_done(stream_read_full(s[1], back, 5, &e), &e);
	assert_memory_equal(back, "hello", 5);
	assert_done(stream_write(s[1], "bye", 3, &e), &e);
	assert_done(stream_read_full(s[0], back, 3, &e), &e);
	assert_memory_equal(back, "bye", 3);
	assert_int_equal(s[0]->bytes_out, 5);
	assert_int_equal(s[0]->bytes_in, 3);
	stream_close(s[0]);
	assert_int_equal(stream_read(s[1], back, 1, &e), 0);
	assert_int_equal(stream_read_full(s[1], back, 1, &e), -1);
	assert_kind(&e, ERR_NETWORK);
	assert_says(&e, "closed by the peer");
	stream_close(s[1]);
}

static void stream_tcp_silent_peer_timeout(void **state)
{
	struct stream *s[2];
	struct err e = ERR_INIT;
	char c, *many = calloc(1, 64 << 20);

	(void)state;
	fx_tcp_pair(s);
	stream_set_timeout(s[0], 10 * NS_PER_MS);
	assert_int_equal(stream_read(s[0], &c, 1, &e), -1);
	assert_kind(&e, ERR_TIMEOUT);
	assert_int_equal(stream_write(s[0], many, 64 << 20, &e), -1);
	assert_kind(&e, ERR_TIMEOUT);
	stream_close(s[0]);
	stream_close(s[1]);
	free(many);
}

static void stream_tcp_write_to_closed_peer_network(void **state)
{
	struct stream *s[2];
	struct err e = ERR_INIT;
	int rc = 0;

	(void)state;
	fx_tcp_pair(s);
	stream_close(s[1]);
	for (int i = 0; i < 100 && rc == 0; i++) /* the first ones may be taken before the reset arrives */
		rc = stream_write(s[0], "x", 1, &e);
	assert_int_equal(rc, -1);
	assert_kind(&e, ERR_NETWORK);
	stream_close(s[0]);
}

static void *abort_it(void *s)
{
	stream_abort(s);
	stream_abort(s);
	return NULL;
}

static void stream_tcp_abort_ends_a_waiting_read(void **state)
{
	struct stream *s[2];
	struct err e = ERR_INIT;
	pthread_t thread;
	char c;

	(void)state;
	fx_tcp_pair(s);
	assert_int_equal(pthread_create(&thread, NULL, abort_it, s[0]), 0);
	assert_int_equal(stream_read(s[0], &c, 1, &e), -1);
	assert_kind(&e, ERR_CANCELED);
	pthread_join(thread, NULL);
	assert_int_equal(stream_write(s[0], &c, 1, &e), -1);
	assert_kind(&e, ERR_CANCELED);
	assert_int_equal(stream_read(s[1], &c, 1, &e), 0);
	stream_close(s[0]);
	stream_close(s[1]);
	stream_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream_tcp_dial_malformed_address_config),
		cmocka_unit_test(stream_tcp_dial_nobody_listens_network),
		cmocka_unit_test(stream_tcp_dial_unknown_name_network),
		cmocka_unit_test(stream_tcp_listen_everywhere_answers_on_both_families),
		cmocka_unit_test(stream_tcp_listen_port_in_use_busy),
		cmocka_unit_test(stream_tcp_listen_foreign_address_config),
		cmocka_unit_test(stream_tcp_accept_nobody_comes_timeout),
		cmocka_unit_test(stream_tcp_bytes_both_ways_and_counted),
		cmocka_unit_test(stream_tcp_silent_peer_timeout),
		cmocka_unit_test(stream_tcp_write_to_closed_peer_network),
		cmocka_unit_test(stream_tcp_abort_ends_a_waiting_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
