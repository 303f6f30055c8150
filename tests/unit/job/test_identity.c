// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "job/conns.h"
#include "job/identity.h"
#include "net/stream_mem.h"

static const struct bootdata *boot_of(enum wire_role role, struct pki_key *controller, struct bootdata *b)
{
	struct err e = ERR_INIT;

	*b = (struct bootdata){.job = "web1", .run = "r1", .epoch = 1, .role = role};
	assert_int_equal(pki_key_pin(controller, b->controller_pin, &e), 0);
	return b;
}

/* ---- Handshakes over memory ---- */

struct side {
	const struct tls_config *config;
	struct stream *lower, *tls;
	struct err e;
	pthread_t thread;
};

static void *server_main(void *arg)
{
	struct side *s = arg;
	char byte;

	s->tls = stream_tls_server(s->lower, s->config, &s->e);
	/* In TLS 1.3 a client learns that it was refused when it reads. */
	if (s->tls != NULL && (stream_write(s->tls, "x", 1, &s->e) < 0 || stream_flush(s->tls, &s->e) < 0 ||
			       stream_read(s->tls, &byte, 1, &s->e) != 1)) {
		stream_close(s->tls);
		s->tls = NULL;
	}
	return NULL;
}

/* Which trust each side found, -1: refused. */
static void shake(const struct tls_config *client, const struct tls_config *server, int *by_client, int *by_server)
{
	struct stream *end[2];
	struct err e = ERR_INIT;
	char byte;

	stream_mem_pair(65536, end);
	struct side s = {.config = server, .lower = end[1]};
	assert_int_equal(pthread_create(&s.thread, NULL, server_main, &s), 0);
	struct stream *tls = stream_tls_client(end[0], client, &e);
	if (tls != NULL && (stream_read(tls, &byte, 1, &e) != 1 || stream_write(tls, "y", 1, &e) < 0 ||
			    stream_flush(tls, &e) < 0)) {
		stream_close(tls);
		tls = NULL;
	}
	pthread_join(s.thread, NULL);
	*by_client = tls == NULL ? -1 : (int)stream_tls_trust_index(tls);
	*by_server = s.tls == NULL ? -1 : (int)stream_tls_trust_index(s.tls);
	stream_close(tls);
	stream_close(s.tls);
}

struct ca {
	struct pki_key *key;
	struct buf pem;
};

#define NOW INT64_C(1900000000) /* not this machine's time */

static void ca_init(struct ca *ca)
{
	struct err e = ERR_INIT;

	ca->pem = (struct buf)BUF_INIT;
	ca->key = pki_key_new(&e);
	assert_non_null(ca->key);
	assert_int_equal(pki_ca_new(ca->key, "web1", NOW - 100, NOW + 10000, &ca->pem, &e), 0);
}

static void ca_fini(struct ca *ca)
{
	pki_key_free(ca->key);
	buf_fini(&ca->pem);
}

static char *issue(struct ca *ca, const char *spki, size_t len, const char *role)
{
	struct buf pem = BUF_INIT;
	struct err e = ERR_INIT;

	assert_int_equal(
		pki_issue(ca->key, buf_str(&ca->pem), spki, len, role, "r1", NOW - 100, NOW + 10000, &pem, &e), 0);
	return buf_take(&pem);
}

/* The worker's certificate needs its SPKI, which it tells in base64 only; any TLS peer sees it. */
static void enrol(struct identity *i, struct pki_key *controller, struct ca *ca, const char *role)
{
	struct identity_tls t;
	struct tls_trust trust = {.kind = TLS_TRUST_PIN};
	struct buf self = BUF_INIT, spki = BUF_INIT;
	struct err e = ERR_INIT;
	struct stream *end[2];

	identity_pin(i, trust.pin);
	assert_int_equal(pki_cert_self(controller, "wherry controller", &self, &e), 0);
	struct tls_config config = {.key = controller, .cert_pem = buf_str(&self), .trust = &trust, .trust_count = 1,
				    .alpn = {TLS_ALPN_HTTP}, .handshake_timeout_ns = 10 * NS_PER_S};
	identity_tls_init(i, IDENTITY_ACCEPT, &t);
	stream_mem_pair(65536, end);
	struct side s = {.config = &t.config, .lower = end[1]};
	assert_int_equal(pthread_create(&s.thread, NULL, server_main, &s), 0);
	struct stream *tls = stream_tls_client(end[0], &config, &e);
	assert_non_null(tls);
	assert_int_equal(stream_tls_peer_spki(tls, &spki, &e), 0);
	assert_int_equal(stream_write(tls, "y", 1, &e), 0);
	stream_close(tls);
	pthread_join(s.thread, NULL);
	stream_close(s.tls);
	identity_tls_fini(&t);
	char *cert = issue(ca, spki.data, spki.len, role);
	assert_int_equal(identity_enrol(i, buf_str(&ca->pem), cert, NOW * NS_PER_S, &e), 0);
	free(cert);
	buf_fini(&self);
	buf_fini(&spki);
}

static void identity_tls_before_enrolment_believes_the_pinned_key_only(void **state)
{
	struct err e = ERR_INIT;
	struct pki_key *keys[2] = {pki_key_new(&e), pki_key_new(&e)}; /* the controller, a stranger */
	struct bootdata b;
	struct identity *i = identity_new(boot_of(WIRE_SOURCE, keys[0], &b), &e);
	struct identity_tls t;

	(void)state;
	assert_non_null(i);
	assert_false(identity_enrolled(i));
	identity_tls_init(i, IDENTITY_ACCEPT, &t);
	assert_int_equal(t.config.trust_count, 1);
	for (int k = 0; k < 2; k++) {
		struct tls_trust trust = {.kind = TLS_TRUST_PIN};
		struct buf self = BUF_INIT;
		int by_client, by_server;

		identity_pin(i, trust.pin);
		assert_int_equal(pki_cert_self(keys[k], "wherry controller", &self, &e), 0);
		struct tls_config c = {.key = keys[k], .cert_pem = buf_str(&self), .trust = &trust, .trust_count = 1,
				       .alpn = {TLS_ALPN_HTTP}, .handshake_timeout_ns = 10 * NS_PER_S};
		shake(&c, &t.config, &by_client, &by_server);
		assert_int_equal(by_server, k == 0 ? 0 : -1);
		c.alpn[0] = TLS_ALPN_CHUNKS; /* no chunks before enrolment, from nobody */
		shake(&c, &t.config, &by_client, &by_server);
		assert_int_equal(by_server, -1);
		buf_fini(&self);
	}
	identity_tls_fini(&t);
	identity_free(i);
	pki_key_free(keys[0]);
	pki_key_free(keys[1]);
}

static void identity_tls_after_enrolment_believes_roles_of_the_ca(void **state)
{
	struct err e = ERR_INIT;
	struct pki_key *controller = pki_key_new(&e);
	struct bootdata bs, bt;
	struct identity *source = identity_new(boot_of(WIRE_SOURCE, controller, &bs), &e);
	struct identity *target = identity_new(boot_of(WIRE_TARGET, controller, &bt), &e);
	struct identity *foreign = identity_new(&bs, &e);
	struct identity_tls accept, dial;
	struct ca ca, other;
	int by_client, by_server;

	(void)state;
	ca_init(&ca);
	ca_init(&other);
	enrol(source, controller, &ca, "source");
	enrol(target, controller, &ca, "target");
	enrol(foreign, controller, &other, "source");
	identity_tls_init(target, IDENTITY_ACCEPT, &accept);
	assert_int_equal(accept.config.trust_count, 2);

	identity_tls_init(source, IDENTITY_DIAL_PEER, &dial);
	shake(&dial.config, &accept.config, &by_client, &by_server);
	assert_int_equal(by_client, 0);
	assert_int_equal(by_server, 1); /* the other worker, not the controller */
	identity_tls_fini(&dial);

	identity_tls_init(target, IDENTITY_DIAL_PEER, &dial); /* two targets are no pair */
	shake(&dial.config, &accept.config, &by_client, &by_server);
	assert_int_equal(by_client, -1);
	assert_int_equal(by_server, -1);
	identity_tls_fini(&dial);

	identity_tls_init(foreign, IDENTITY_DIAL_PEER, &dial); /* another job's CA */
	shake(&dial.config, &accept.config, &by_client, &by_server);
	assert_int_equal(by_server, -1);
	identity_tls_fini(&dial);

	identity_tls_fini(&accept);
	identity_free(source);
	identity_free(target);
	identity_free(foreign);
	ca_fini(&ca);
	ca_fini(&other);
	pki_key_free(controller);
}

static void identity_enrol_other_ca_is_denied(void **state)
{
	static const char one[] = "-----BEGIN CERTIFICATE-----\n1", two[] = "-----BEGIN CERTIFICATE-----\n2";
	const int64_t time = NOW * NS_PER_S;
	struct err e = ERR_INIT;
	struct pki_key *controller = pki_key_new(&e);
	struct bootdata b;
	struct identity *i = identity_new(boot_of(WIRE_SOURCE, controller, &b), &e);

	(void)state;
	assert_int_equal(identity_enrol(i, "no pem", two, time, &e), -1);
	assert_int_equal(identity_enrol(i, one, "", time, &e), -1);
	assert_int_equal(identity_enrol(i, one, two, 0, &e), -1);
	assert_int_equal(identity_enrol(i, one, two, INT64_MAX, &e), -1);
	assert_int_equal(e.kind, ERR_CONFIG);
	assert_false(identity_enrolled(i));
	assert_int_equal(identity_enrol(i, one, two, time, &e), 0);
	assert_int_equal(identity_enrol(i, one, one, time, &e), 0);
	assert_int_equal(identity_enrol(i, two, two, time, &e), -1);
	assert_int_equal(e.kind, ERR_DENIED);
	identity_free(i);
	pki_key_free(controller);
}

/* ---- Connections ---- */

static void conns_abort_waiting_ends_only_those(void **state)
{
	struct conns *c = conns_new();
	struct stream *a[2], *b[2];
	struct err e = ERR_INIT;
	char byte;

	(void)state;
	stream_mem_pair(16, a);
	stream_mem_pair(16, b);
	struct stream *waiting = conns_track(c, a[0], CONN_WAITING), *other = conns_track(c, b[0], CONN_WAITING);
	conns_set_kind(other, CONN_OTHER);
	conns_abort_waiting(c);
	assert_true(stream_read(waiting, &byte, 1, &e) <= 0);
	assert_int_equal(stream_write(b[1], "z", 1, &e), 0);
	assert_int_equal(stream_flush(b[1], &e), 0);
	assert_int_equal(stream_read(other, &byte, 1, &e), 1);
	assert_int_equal(other->bytes_in, 1);
	stream_close(waiting);
	conns_shut(c); /* `waiting` is not on the list any more */
	assert_true(stream_read(other, &byte, 1, &e) <= 0);
	stream_close(other);
	stream_close(a[1]);
	stream_close(b[1]);
	conns_free(c);
}

static void conns_track_after_the_end_aborts_at_once(void **state)
{
	struct conns *c = conns_new();
	struct stream *a[2];
	struct err e = ERR_INIT;
	char byte;

	(void)state;
	stream_mem_pair(16, a);
	conns_shut(c);
	struct stream *s = conns_track(c, a[0], CONN_OTHER);
	assert_true(stream_read(s, &byte, 1, &e) <= 0);
	stream_close(s);
	stream_close(a[1]);
	conns_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identity_tls_before_enrolment_believes_the_pinned_key_only),
		cmocka_unit_test(identity_tls_after_enrolment_believes_roles_of_the_ca),
		cmocka_unit_test(identity_enrol_other_ca_is_denied),
		cmocka_unit_test(conns_abort_waiting_ends_only_those),
		cmocka_unit_test(conns_track_after_the_end_aborts_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
