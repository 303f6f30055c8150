// SPDX-License-Identifier: Apache-2.0
/* What is said when there is no reply: real sockets of this host fail in each way. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/pki.h"
#include "net/stream_tcp.h"
#include "net/stream_tls.h"
#include "rest.h"
#include "unit.h"

/* Takes one connection after the other, and does one thing with them until it is stopped. */
enum manner { SILENT, CUTS, NO_TLS, TLS };

struct service {
	enum manner manner;
	int listener, port;
	pthread_t thread;
	struct pki_key *key;
	const char *cert_pem;
};

static void *serve(void *arg)
{
	struct service *s = arg;
	struct tls_trust trust = {.kind = TLS_TRUST_PIN};
	struct tls_config config = {.key = s->key, .cert_pem = s->cert_pem, .trust = &trust, .trust_count = 1,
				    .alpn = {TLS_ALPN_HTTP}, .handshake_timeout_ns = 5 * NS_PER_S};
	struct err e = ERR_INIT;
	struct stream *c;
	char hello[8192];

	while ((c = stream_tcp_accept(s->listener, 0, &e)) != NULL) {
		stream_set_timeout(c, 20 * NS_PER_S);
		if (s->manner == CUTS || s->manner == NO_TLS)
			stream_read(c, hello, sizeof hello, &e);
		if (s->manner == NO_TLS)
			stream_write(c, "HTTP/1.1 400 Bad\r\n\r\n", 20, &e);
		if (s->manner == TLS)
			c = stream_tls_server(c, &config, &e);
		while (s->manner == SILENT && stream_read(c, hello, sizeof hello, &e) > 0)
			continue;
		stream_close(c);
	}
	return NULL;
}

static void start(struct service *s)
{
	struct err e = ERR_INIT;

	s->listener = stream_tcp_listen("127.0.0.1:0", &e);
	assert_true(s->listener >= 0);
	s->port = stream_tcp_port(s->listener);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(struct service *s)
{
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->listener);
}

struct place {
	char *dir, *bundle;
	struct pki_key *key;
	struct buf mine;        /* certificate for "here.example", which is its own authority */
	struct buf ca, old;     /* one that has expired, of another authority */
	struct service services[TLS + 1], expired;
	int closed;             /* a port where nobody listens */
};

static int set_up(void **state)
{
	struct place *p = mem_alloc(sizeof *p);
	struct buf spki = BUF_INIT;

	p->dir = temp_make();
	p->bundle = mem_printf("%s/ca.pem", p->dir);
	ok((p->key = pki_key_new(e)) == NULL ? -1 : 0);
	ok(pki_cert_self(p->key, "here.example", &p->mine, e));
	ok(pki_ca_new(p->key, "web1", 1000000000, 4000000000, &p->ca, e));
	ok(pki_key_spki(p->key, &spki, e));
	ok(pki_issue(p->key, buf_str(&p->ca), spki.data, spki.len, "target", "run", 1000000000, 1100000000, &p->old, e));
	buf_fini(&spki);
	for (int m = SILENT; m <= TLS; m++) {
		p->services[m] = (struct service){.manner = (enum manner)m, .key = p->key, .cert_pem = buf_str(&p->mine)};
		start(&p->services[m]);
	}
	p->expired = (struct service){.manner = TLS, .key = p->key, .cert_pem = buf_str(&p->old)};
	start(&p->expired);
	struct service gone = {.manner = CUTS};
	start(&gone);
	stop(&gone);
	p->closed = gone.port;
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;

	for (int m = SILENT; m <= TLS; m++)
		stop(&p->services[m]);
	stop(&p->expired);
	pki_key_free(p->key);
	buf_fini(&p->mine);
	buf_fini(&p->ca);
	buf_fini(&p->old);
	free(p->bundle);
	temp_remove(p->dir);
	free(p);
	return 0;
}

static void call_each_lack_of_a_reply_says_where_why_and_what_to_do(void **state)
{
	struct place *p = *state;
	const struct {
		const char *scheme;
		int port;           /* of 127.0.0.1; 0: the host stands in `scheme` */
		const char *ca;     /* what the file of trusted certificates holds; NULL: none is named */
		int proxy;          /* 0: none, -1: a name that is not known, else a port of 127.0.0.1 */
		enum err_kind kind;
		const char *why, *advice;
	} cases[] = {
		{"http://no-such-host.invalid", 0, NULL, 0, ERR_NETWORK, "no-such-host.invalid", "this host's name service"},
		{"http", p->closed, NULL, 0, ERR_NETWORK, "Failed to connect", "does the service run there"},
		{"http", p->services[SILENT].port, NULL, 0, ERR_TIMEOUT, "timed out", "does a firewall drop"},
		{"http", p->services[CUTS].port, NULL, 0, ERR_NETWORK, "Empty reply", "may work later"},
		{"https", p->services[NO_TLS].port, NULL, 0, ERR_NETWORK, "SSL", "does the service speak TLS"},
		{"https", p->services[TLS].port, NULL, 0, ERR_DENIED, "not correctly signed by the trusted CA", "$SSL_CERT_FILE"},
		{"https", p->services[TLS].port, buf_str(&p->mine), 0, ERR_DENIED, "does not match", "use the name that"},
		{"https", p->expired.port, buf_str(&p->ca), 0, ERR_DENIED, "has expired", "certificate renewed"},
		{"https", p->services[TLS].port, "hello", 0, ERR_CONFIG, "ca.pem", "certificates in PEM"},
		{"http://a.example", 0, NULL, -1, ERR_NETWORK, "no-such-proxy.invalid", "correct https_proxy"},
		{"http://a.example", 0, NULL, p->closed, ERR_NETWORK, "Failed to connect", "correct https_proxy"},
		{"ftp", p->closed, NULL, 0, ERR_CONFIG, "ftp", "begins with https://"},
		{"http://[", 0, NULL, 0, ERR_CONFIG, "", "correct the address"},
	};
	const struct log quiet = {.fd = -1, .level = LOG_ERROR, .name = "test"};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char *proxy = cases[i].proxy < 0 ? mem_strdup("http://no-such-proxy.invalid:3128")
						 : mem_printf("http://127.0.0.1:%d", cases[i].proxy);
		char *url = cases[i].port != 0 ? mem_printf("%s://127.0.0.1:%d/v3?secret", cases[i].scheme, cases[i].port)
					       : mem_printf("%s/v3?secret", cases[i].scheme);
		struct rest_options options = {.ca_file = cases[i].ca != NULL ? p->bundle : NULL, .timeout_s = 1, .log = &quiet};
		struct rest_call call = {.method = "GET", .url = url};
		struct rest_reply reply;
		struct err e = ERR_INIT;

		if (cases[i].ca != NULL)
			temp_write(p->bundle, cases[i].ca, strlen(cases[i].ca));
		if (cases[i].proxy != 0)
			setenv("http_proxy", proxy, 1);
		struct rest *r = rest_new(&options, &e);
		assert_non_null(r);
		assert_int_equal(rest_call(r, &call, &reply, &e), -1);
		unsetenv("http_proxy");
		assert_starts(e.msg, "GET ");
		*strchr(url, '?') = '\0';
		assert_has(e.msg, url);
		assert_has(e.msg, cases[i].why);
		assert_has(e.msg, cases[i].advice);
		assert_null(strstr(e.msg, "?secret"));
		assert_null(strchr(e.msg, '\n'));
		if (e.kind != cases[i].kind)
			fail_msg("%s: kind %s", e.msg, err_kind_name(e.kind));
		rest_reply_fini(&reply);
		rest_free(r);
		free(proxy);
		free(url);
	}
}

static void new_bundle_that_is_not_there_is_named(void **state)
{
	struct place *p = *state;
	struct rest_options options = {.ca_file = "/nowhere/ca.pem"};

	(void)p;
	refused(rest_new(&options, e) == NULL ? -1 : 0, ERR_CONFIG, "trusted certificates /nowhere/ca.pem cannot be read");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(call_each_lack_of_a_reply_says_where_why_and_what_to_do, set_up, tear_down),
		cmocka_unit_test_setup_teardown(new_bundle_that_is_not_there_is_named, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
