// SPDX-License-Identifier: Apache-2.0
#include "net/net_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/stream_mem.h"
#include "net/stream_tcp.h"

struct fx_ca fx_ca(const char *job)
{
	struct err e = ERR_INIT;
	struct fx_ca ca = {.key = pki_key_new(&e)};

	assert_non_null(ca.key);
	assert_done(pki_ca_new(ca.key, job, FX_NOW - 86400, FX_NOW + 86400, &ca.pem, &e), &e);
	return ca;
}

void fx_ca_fini(struct fx_ca *ca)
{
	pki_key_free(ca->key);
	buf_fini(&ca->pem);
}

static struct fx_side side_of(struct pki_key *key, struct buf cert)
{
	assert_non_null(key);
	return (struct fx_side){
		.key = key,
		.cert = cert,
		.config =
			{
				.key = key,
				.cert_pem = cert.data,
				.alpn = {TLS_ALPN_HTTP},
				.handshake_timeout_ns = 20 * NS_PER_S,
			},
	};
}

struct fx_side fx_side(const char *name)
{
	struct err e = ERR_INIT;
	struct pki_key *key = pki_key_new(&e);
	struct buf cert = BUF_INIT;

	assert_done(pki_cert_self(key, name, &cert, &e), &e);
	return side_of(key, cert);
}

struct fx_side fx_enrolled(const struct fx_ca *ca, const char *role, const char *run)
{
	struct err e = ERR_INIT;
	struct pki_key *key = pki_key_new(&e);
	struct buf spki = BUF_INIT, cert = BUF_INIT;

	assert_done(pki_key_spki(key, &spki, &e), &e);
	assert_done(pki_issue(ca->key, ca->pem.data, spki.data, spki.len, role, run, FX_NOW - 3600,
			    FX_NOW + 3600, &cert, &e),
		&e);
	buf_fini(&spki);
	return side_of(key, cert);
}

void fx_trust_key(struct fx_side *side, struct pki_key *peer)
{
	struct err e = ERR_INIT;
	struct tls_trust *t = &side->trust[side->config.trust_count++];

	*t = (struct tls_trust){.kind = TLS_TRUST_PIN};
	assert_done(pki_key_pin(peer, t->pin, &e), &e);
}

void fx_trust_role(struct fx_side *side, const struct fx_ca *ca, const char *role, const char *run)
{
	side->trust[side->config.trust_count++] = (struct tls_trust){
		.kind = TLS_TRUST_CA,
		.ca_pem = ca->pem.data,
		.role = role,
		.run = run,
		.now_s = FX_NOW,
	};
}

void fx_side_fini(struct fx_side *side)
{
	pki_key_free(side->key);
	buf_fini(&side->cert);
}

struct server {
	struct stream *lower, *out;
	const struct tls_config *config;
	struct err *e;
};

static void *serve(void *p)
{
	struct server *s = p;

	s->out = stream_tls_server(s->lower, s->config, s->e);
	return NULL;
}

void fx_handshake(struct fx_side side[2], struct stream *lower[2], struct stream *out[2], struct err e[2])
{
	struct server s = {.lower = lower[1], .config = &side[1].config, .e = &e[1]};
	pthread_t thread;

	e[0] = e[1] = (struct err)ERR_INIT;
	side[0].config.trust = side[0].trust;
	side[1].config.trust = side[1].trust;
	assert_int_equal(pthread_create(&thread, NULL, serve, &s), 0);
	out[0] = stream_tls_client(lower[0], &side[0].config, &e[0]);
	pthread_join(thread, NULL);
	out[1] = s.out;
}

void fx_tls_pair(size_t capacity, struct stream *out[2], struct stream *lower[2])
{
	struct fx_side side[2] = {fx_side("client"), fx_side("server")};
	struct stream *below[2];
	struct err e[2];

	fx_trust_key(&side[0], side[1].key);
	fx_trust_key(&side[1], side[0].key);
	stream_mem_pair(capacity, below);
	if (lower != NULL)
		memcpy(lower, below, sizeof below);
	fx_handshake(side, below, out, e);
	if (out[0] == NULL || out[1] == NULL)
		fail_msg("client: %s; server: %s", e[0].msg, e[1].msg);
	fx_side_fini(&side[0]);
	fx_side_fini(&side[1]);
}

void fx_tcp_pair(struct stream *out[2])
{
	struct err e = ERR_INIT;
	char address[32];
	int listener = stream_tcp_listen("127.0.0.1:0", &e);

	assert_done(listener, &e);
	snprintf(address, sizeof address, "127.0.0.1:%d", stream_tcp_port(listener));
	out[0] = stream_tcp_dial(address, 10 * NS_PER_S, &e);
	assert_non_null(out[0]);
	out[1] = stream_tcp_accept(listener, 10 * NS_PER_S, &e);
	assert_non_null(out[1]);
	close(listener);
}

uint8_t fx_byte(uint64_t seed, uint64_t i)
{
	uint64_t x = (i + seed) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint8_t)(x >> 56 ^ x >> 23);
}

void fx_fill(uint64_t seed, uint64_t from, uint8_t *to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = fx_byte(seed, from + i);
}
