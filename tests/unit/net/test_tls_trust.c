// SPDX-License-Identifier: Apache-2.0
/* Whom a TLS stream lets in, and what the others hear. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/net_fixture.h"
#include "net/stream_mem.h"
#include "net/stream_tcp.h"

static void close_both(struct stream *s[2])
{
	stream_close(s[0]);
	stream_close(s[1]);
}

static void sides_fini(struct fx_side side[2])
{
	fx_side_fini(&side[0]);
	fx_side_fini(&side[1]);
}

/* Both ends say the same after a handshake that should work: bytes pass both ways. */
static void assert_talk(struct stream *s[2], struct err e[2])
{
	char got[4];

	if (s[0] == NULL || s[1] == NULL)
		fail_msg("client: %s; server: %s", e[0].msg, e[1].msg);
	for (int i = 0; i < 2; i++) {
		assert_done(stream_write(s[i], "ping", 4, &e[i]), &e[i]);
		assert_done(stream_flush(s[i], &e[i]), &e[i]);
		assert_done(stream_read_full(s[1 - i], got, 4, &e[1 - i]), &e[1 - i]);
		assert_memory_equal(got, "ping", 4);
	}
}

/* ---- Who is let in ---- */

static void stream_tls_right_pins_connected(void **state)
{
	struct fx_side side[2] = {fx_side("a"), fx_side("b")}, stranger = fx_side("c");
	struct stream *lower[2], *s[2];
	struct buf spki = BUF_INIT, expected = BUF_INIT;
	struct err e[2];

	(void)state;
	fx_trust_key(&side[0], stranger.key);
	fx_trust_key(&side[0], side[1].key);
	fx_trust_key(&side[1], side[0].key);
	side[0].config.alpn[1] = TLS_ALPN_CHUNKS;
	side[1].config.alpn[0] = TLS_ALPN_CHUNKS;
	stream_mem_pair(1000, lower);
	fx_handshake(side, lower, s, e);
	assert_talk(s, e);
	for (int i = 0; i < 2; i++)
		assert_string_equal(stream_tls_alpn(s[i]), TLS_ALPN_CHUNKS);
	assert_int_equal(stream_tls_trust_index(s[0]), 1);
	assert_int_equal(stream_tls_trust_index(s[1]), 0);
	assert_ptr_equal(stream_tls_lower(s[0]), lower[0]);
	assert_true(lower[0]->bytes_out > s[0]->bytes_out);
	assert_done(stream_tls_peer_spki(s[0], &spki, &e[0]), &e[0]);
	assert_done(pki_key_spki(side[1].key, &expected, &e[0]), &e[0]);
	assert_int_equal(spki.len, expected.len);
	assert_memory_equal(spki.data, expected.data, spki.len);
	buf_fini(&spki);
	buf_fini(&expected);
	close_both(s);
	fx_side_fini(&stranger);
	sides_fini(side);
}

/* The other end is through with its handshake before it is refused: its first read tells it so. */
static void assert_learns_later(struct stream *refused, const char *says)
{
	struct err e = ERR_INIT;
	char c;

	assert_non_null(refused);
	assert_int_equal(stream_read(refused, &c, 1, &e), -1);
	assert_kind(&e, ERR_DENIED);
	assert_says(&e, says);
	stream_close(refused);
}

static void shake_hands(struct fx_side side[2], struct stream *s[2], struct err e[2])
{
	struct stream *lower[2];

	stream_mem_pair(1 << 16, lower);
	fx_handshake(side, lower, s, e);
}

/* The client (0) or the server (1) does. */
static void stream_tls_pins_another_key_denied(void **state)
{
	(void)state;
	for (int who = 0; who < 2; who++) {
		struct fx_side side[2] = {fx_side("a"), fx_side("b")}, other = fx_side("c");
		struct stream *s[2];
		struct err e[2];

		fx_trust_key(&side[who], other.key);
		fx_trust_key(&side[1 - who], side[who].key);
		shake_hands(side, s, e);
		assert_null(s[who]);
		assert_kind(&e[who], ERR_DENIED);
		assert_says(&e[who], "another machine");
		assert_learns_later(s[1 - who], "does not know this side's key");
		fx_side_fini(&other);
		sides_fini(side);
	}
}

/* The key of a certificate counts, not the certificate: somebody else's certificate without its key is
 * refused here already, and a name in it means nothing. */
static void stream_tls_certificate_of_another_key_config(void **state)
{
	struct fx_side side[2] = {fx_side("a"), fx_side("b")}, other = fx_side("a");
	struct stream *s[2];
	struct err e[2];

	(void)state;
	fx_trust_key(&side[0], side[1].key);
	fx_trust_key(&side[1], other.key);
	side[0].config.cert_pem = other.cert.data;
	shake_hands(side, s, e);
	assert_null(s[0]);
	assert_kind(&e[0], ERR_CONFIG);
	assert_null(s[1]);
	assert_kind(&e[1], ERR_NETWORK);
	fx_side_fini(&other);
	sides_fini(side);
}

static void stream_tls_enrolled_accepted_or_denied(void **state)
{
	static const struct {
		const char *role, *run; /* what the server has */
		const char *wants_role, *wants_run; /* what the client expects */
		bool other_ca;
		int64_t now_offset;
		const char *says; /* NULL: accepted */
	} cases[] = {
		{"target", "r1", "target", "r1", false, 0, NULL},
		{"target", "r1", "target", NULL, false, 0, NULL},
		{"target", "r1", "target", "r1", false, 3600, NULL},
		{"target", "r1", "target", "r1", false, -3600, NULL},
		{"target", "r1", "target", "r1", true, 0, "not one of this job's CA"},
		{"target", "r1", "source", "r1", false, 0, "expected the role source"},
		{"target", "r1", "controller", NULL, false, 0, "expected the role controller"},
		{"target", "r1", "target", "r2", false, 0, "expected run 'r2'"},
		{"target", "r1", "target", "r", false, 0, "expected run 'r'"},
		{"target", "r1", "target", "r1", false, 3601, "has expired"},
		{"target", "r1", "target", "r1", false, 90000, "has expired"},
		{"target", "r1", "target", "r1", false, -3601, "is not valid yet"},
		{"target", "r1", "target", "r1", false, -FX_NOW, "is not valid yet"},
	};
	struct fx_ca ca = fx_ca("web1"), other = fx_ca("web1");

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fx_side side[2] = {
			fx_enrolled(&ca, "source", "r1"), fx_enrolled(&ca, cases[i].role, cases[i].run)};
		struct stream *s[2];
		struct err e[2];

		fx_trust_role(
			&side[0], cases[i].other_ca ? &other : &ca, cases[i].wants_role, cases[i].wants_run);
		side[0].trust[0].now_s += cases[i].now_offset;
		fx_trust_role(&side[1], &ca, "source", "r1");
		shake_hands(side, s, e);
		if (cases[i].says == NULL) {
			assert_talk(s, e);
			close_both(s);
		} else {
			assert_null(s[0]);
			assert_kind(&e[0], ERR_DENIED);
			assert_says(&e[0], cases[i].says);
			assert_learns_later(s[1], "says the peer");
		}
		sides_fini(side);
	}
	fx_ca_fini(&ca);
	fx_ca_fini(&other);
}

/* The same checks when it is the client who lacks them, and the alerts that tell it so. */
static void stream_tls_server_refuses_client_it_learns_why(void **state)
{
	static const struct {
		const char *wants_role;
		int64_t now_offset;
		const char *client_hears;
	} cases[] = {
		{"controller", 0, "another role or run"},
		{"source", 7200, "has expired"},
	};
	struct fx_ca ca = fx_ca("web1");

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fx_side side[2] = {fx_enrolled(&ca, "source", "r1"), fx_enrolled(&ca, "target", "r1")};
		struct stream *s[2];
		struct err e[2];

		fx_trust_role(&side[0], &ca, "target", "r1");
		fx_trust_role(&side[1], &ca, cases[i].wants_role, "r1");
		side[1].trust[0].now_s += cases[i].now_offset;
		shake_hands(side, s, e);
		assert_null(s[1]);
		assert_kind(&e[1], ERR_DENIED);
		assert_learns_later(s[0], cases[i].client_hears);
		sides_fini(side);
	}
	fx_ca_fini(&ca);
}

/* A self-signed certificate that claims the role, and one of a CA that claims the job's name, are no
 * enrolment. */
static void stream_tls_self_made_role_denied(void **state)
{
	struct fx_ca ca = fx_ca("web1"), fake_ca = fx_ca("web1");
	struct fx_side fake[2] = {fx_side("wherry target"), fx_enrolled(&fake_ca, "target", "r1")};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct fx_side side[2] = {fx_enrolled(&ca, "source", "r1"), fake[i]};
		struct stream *s[2];
		struct err e[2];

		/* Even with its own CA, the real one, sent along. */
		buf_adds(&side[1].cert, ca.pem.data);
		side[1].config.cert_pem = side[1].cert.data;
		fx_trust_role(&side[0], &ca, "target", NULL);
		fx_trust_key(&side[1], side[0].key);
		shake_hands(side, s, e);
		assert_null(s[0]);
		assert_kind(&e[0], ERR_DENIED);
		assert_says(&e[0], "not one of this job's CA");
		assert_learns_later(s[1], "does not know this side's key");
		sides_fini(side);
	}
	fx_ca_fini(&ca);
	fx_ca_fini(&fake_ca);
}

static void stream_tls_no_common_alpn_protocol(void **state)
{
	struct fx_side side[2] = {fx_side("a"), fx_side("b")};
	struct stream *s[2];
	struct err e[2];

	(void)state;
	fx_trust_key(&side[0], side[1].key);
	fx_trust_key(&side[1], side[0].key);
	side[0].config.alpn[0] = TLS_ALPN_CHUNKS;
	shake_hands(side, s, e);
	for (int i = 0; i < 2; i++) {
		assert_null(s[i]);
		assert_kind(&e[i], ERR_PROTOCOL);
	}
	assert_says(&e[1], "does not speak http/1.1");
	sides_fini(side);
}

static void stream_tls_peer_speaks_no_tls_protocol(void **state)
{
	struct fx_side side = fx_side("a");
	struct stream *lower[2];
	struct err e = ERR_INIT;

	(void)state;
	fx_trust_key(&side, side.key);
	side.config.trust = side.trust;
	stream_mem_pair(1 << 16, lower);
	assert_done(stream_write(lower[0], "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27, &e), &e);
	assert_null(stream_tls_server(lower[1], &side.config, &e));
	assert_kind(&e, ERR_PROTOCOL);
	assert_says(&e, "no wherry");
	stream_close(lower[0]);
	fx_side_fini(&side);
}

static void stream_tls_silent_peer_timeout(void **state)
{
	struct fx_side side = fx_side("a");
	struct stream *lower[2];
	struct err e = ERR_INIT;

	(void)state;
	fx_trust_key(&side, side.key);
	side.config.trust = side.trust;
	side.config.handshake_timeout_ns = NS_PER_MS;
	stream_mem_pair(1 << 16, lower);
	assert_null(stream_tls_client(lower[1], &side.config, &e));
	assert_kind(&e, ERR_TIMEOUT);
	stream_close(lower[0]);
	fx_side_fini(&side);
}

/* ---- Another tool at the other end ---- */

struct openssl {
	struct fx_side *side;
	int listener;
	struct stream *s;
	struct err e;
};

static void *serve_openssl(void *p)
{
	struct openssl *o = p;
	struct stream *lower = stream_tcp_accept(o->listener, 20 * NS_PER_S, &o->e);

	o->side->config.trust = o->side->trust;
	o->s = lower == NULL ? NULL : stream_tls_server(lower, &o->side->config, &o->e);
	if (o->s != NULL && stream_write(o->s, "welcome\n", 8, &o->e) == 0)
		stream_flush(o->s, &o->e);
	stream_close(o->s);
	return NULL;
}

static void put_file(const char *folder, const char *name, const char *text)
{
	char *path = mem_printf("%s/%s", folder, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	free(path);
}

/* `openssl s_client OPTIONS` against our server; its output. */
static void run_openssl(
	struct fx_side side[2], const char *options, struct openssl *o, char *text, size_t size)
{
	char folder[] = "/tmp/test_tls.XXXXXX";
	struct buf pem = BUF_INIT;
	pthread_t thread;

	*o = (struct openssl){.side = &side[1]};
	o->listener = stream_tcp_listen("127.0.0.1:0", &o->e);
	assert_done(o->listener, &o->e);
	assert_non_null(mkdtemp(folder));
	assert_done(pki_key_to_pem(side[0].key, &pem, &o->e), &o->e);
	put_file(folder, "key", pem.data);
	put_file(folder, "cert", side[0].cert.data);
	char *command = mem_printf(
		"cd '%s' && openssl s_client -connect 127.0.0.1:%d -ign_eof %s </dev/null 2>&1; rm -rf '%s'",
		folder, stream_tcp_port(o->listener), options, folder);
	assert_int_equal(pthread_create(&thread, NULL, serve_openssl, o), 0);
	FILE *f = popen(command, "r");
	assert_non_null(f);
	size_t len = 0;
	for (size_t n; len < size - 1 && (n = fread(text + len, 1, size - 1 - len, f)) > 0;)
		len += n;
	text[len] = '\0';
	pclose(f);
	pthread_join(thread, NULL);
	close(o->listener);
	free(command);
	buf_fini(&pem);
}

static void stream_tls_openssl_client_as_allowed(void **state)
{
	static const struct {
		const char *options, *hears;
		enum err_kind kind;
		const char *says;
	} cases[] = {
		{"-tls1_3 -alpn http/1.1 -cert cert -key key", "welcome", ERR_NONE, ""},
		{"-tls1_2 -alpn http/1.1 -cert cert -key key", "", ERR_PROTOCOL, "does not speak TLS 1.3"},
		{"-tls1_3 -alpn http/1.1", "", ERR_DENIED, "no certificate"},
		{"-tls1_3 -alpn h2 -cert cert -key key", "", ERR_PROTOCOL, "does not speak http/1.1"},
		{"-tls1_3 -cert cert -key key", "", ERR_PROTOCOL, "names no protocol"},
	};
	struct fx_side side[2] = {fx_side("a"), fx_side("b")};
	char text[16384];

	(void)state;
	if (system("openssl version >/dev/null 2>&1") != 0) {
		print_message("skipped: openssl is not installed\n");
		skip();
	}
	fx_trust_key(&side[1], side[0].key);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct openssl o;

		run_openssl(side, cases[i].options, &o, text, sizeof text);
		if (o.e.kind != cases[i].kind || strstr(o.e.msg, cases[i].says) == NULL ||
			strstr(text, cases[i].hears) == NULL)
			fail_msg("%s: we say %s '%s', openssl says: %s", cases[i].options,
				err_kind_name(o.e.kind), o.e.msg, text);
		if (cases[i].kind != ERR_NONE)
			assert_null(strstr(text, "welcome"));
	}
	sides_fini(side);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream_tls_right_pins_connected),
		cmocka_unit_test(stream_tls_pins_another_key_denied),
		cmocka_unit_test(stream_tls_certificate_of_another_key_config),
		cmocka_unit_test(stream_tls_enrolled_accepted_or_denied),
		cmocka_unit_test(stream_tls_server_refuses_client_it_learns_why),
		cmocka_unit_test(stream_tls_self_made_role_denied),
		cmocka_unit_test(stream_tls_no_common_alpn_protocol),
		cmocka_unit_test(stream_tls_peer_speaks_no_tls_protocol),
		cmocka_unit_test(stream_tls_silent_peer_timeout),
		cmocka_unit_test(stream_tls_openssl_client_as_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
