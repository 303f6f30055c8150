// SPDX-License-Identifier: Apache-2.0
/* From a lower stream to a TLS stream: set-up, handshake, verdict. See tls_conn.h. */
#include <mbedtls/psa_util.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/mbed.h"
#include "net/stream_tls.h"
#include "net/tls_cipher.h"
#include "net/tls_conn.h"

/* RFC 8446, section 5.5: AES-GCM's key is worn out after about 2^24.5 records; no number of them wears ChaCha20's. */
#define GCM_RECORDS (UINT64_C(1) << 24)

static const uint16_t signatures[] = {MBEDTLS_TLS1_3_SIG_ECDSA_SECP256R1_SHA256, MBEDTLS_TLS1_3_SIG_NONE};
static const uint16_t groups[] = {MBEDTLS_SSL_IANA_TLS_GROUP_X25519, MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
	MBEDTLS_SSL_IANA_TLS_GROUP_NONE};

static struct tls *tls_new(struct stream *lower)
{
	struct tls *t = mem_alloc(sizeof *t);

	t->base.ops = &tls_ops;
	t->lower = lower;
	t->in = mem_alloc(TLS_READ_AHEAD);
	t->plain = mem_alloc(TLS_RECORD);
	pthread_mutex_init(&t->lock, NULL);
	mbedtls_ssl_init(&t->ssl);
	mbedtls_ssl_config_init(&t->conf);
	mbedtls_x509_crt_init(&t->cert);
	mbedtls_pk_init(&t->key);
	return t;
}

void tls_free(struct tls *t)
{
	mbedtls_ssl_free(&t->ssl);
	mbedtls_ssl_config_free(&t->conf);
	mbedtls_x509_crt_free(&t->cert);
	mbedtls_pk_free(&t->key);
	pthread_mutex_destroy(&t->lock);
	tls_verdict_fini(&t->verdict);
	buf_fini(&t->out);
	buf_fini(&t->sending);
	mem_wipe(t->plain, TLS_RECORD);
	free(t->plain);
	free(t->in);
	free(t->alpn);
	stream_close(t->lower);
	free(t);
}

static int load_identity(struct tls *t, const struct tls_config *c, struct err *e)
{
	int rc =
		mbedtls_x509_crt_parse(&t->cert, (const unsigned char *)c->cert_pem, strlen(c->cert_pem) + 1);

	if (rc != 0)
		return mbed_err(e, ERR_CONFIG, rc, "this side's own certificate cannot be read");
	if (mbed_key_copy(&t->key, &c->key->pk, e) < 0)
		return -1;
	rc = mbedtls_pk_check_pair(&t->cert.pk, &t->key, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
	if (rc != 0)
		return mbed_err(
			e, ERR_CONFIG, rc, "this side's own certificate belongs to another key than its own");
	return 0;
}

static int load_rules(struct tls *t, const struct tls_config *c, struct err *e)
{
	for (size_t i = 0; i < 3 && c->alpn[i] != NULL; i++)
		t->alpn_list[i] = c->alpn[i];
	if (t->alpn_list[0] == NULL || c->trust_count == 0)
		return err_set(
			e, ERR_INTERNAL, 0, "a TLS connection needs a protocol name and somebody to trust");
	t->verdict.trust = c->trust;
	t->verdict.trust_count = c->trust_count;
	return 0;
}

static int configure(struct tls *t, const struct tls_config *c, int endpoint, struct err *e)
{
	int rc = mbedtls_ssl_config_defaults(
		&t->conf, endpoint, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);

	mbedtls_ssl_conf_rng(&t->conf, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
	mbedtls_ssl_conf_min_tls_version(&t->conf, MBEDTLS_SSL_VERSION_TLS1_3);
	mbedtls_ssl_conf_max_tls_version(&t->conf, MBEDTLS_SSL_VERSION_TLS1_3);
	mbedtls_ssl_conf_tls13_key_exchange_modes(&t->conf, MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL);
	mbedtls_ssl_conf_ciphersuites(
		&t->conf, tls_cipher_suites(c->cipher, endpoint == MBEDTLS_SSL_IS_SERVER));
	mbedtls_ssl_conf_sig_algs(&t->conf, signatures);
	mbedtls_ssl_conf_groups(&t->conf, groups);
	/* REQUIRED wants a CA to be named; which one does not matter: check_peer() decides. */
	mbedtls_ssl_conf_authmode(&t->conf, MBEDTLS_SSL_VERIFY_REQUIRED);
	mbedtls_ssl_conf_ca_chain(&t->conf, &t->cert, NULL);
	mbedtls_ssl_conf_verify(&t->conf, tls_verdict_judge, &t->verdict);
	if (rc == 0)
		rc = mbedtls_ssl_conf_own_cert(&t->conf, &t->cert, &t->key);
	if (rc == 0)
		rc = mbedtls_ssl_conf_alpn_protocols(&t->conf, t->alpn_list);
	if (rc == 0)
		rc = mbedtls_ssl_setup(&t->ssl, &t->conf);
	if (rc == 0)
		rc = mbedtls_ssl_set_hostname(&t->ssl, NULL); /* keys are known, names mean nothing */
	if (rc != 0)
		return mbed_err(e, ERR_INTERNAL, rc, "cannot set up TLS");
	mbedtls_ssl_set_bio(&t->ssl, t, tls_bio_send, tls_bio_recv, NULL);
	return 0;
}

static int explain(const struct tls *t, int rc, struct err *e)
{
	switch (rc) {
	case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE:
		return tls_alert_err(t, "the TLS handshake failed", e);
	case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE:
		return err_set(e, ERR_DENIED, 0, "the TLS handshake failed: the peer shows no certificate");
	case MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL:
		return err_set(e, ERR_PROTOCOL, 0,
			"the TLS handshake failed: the peer does not speak %s (it may be of another "
			"version of wherry)",
			t->alpn_list[0]);
	case MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION:
		return err_set(
			e, ERR_PROTOCOL, 0, "the TLS handshake failed: the peer does not speak TLS 1.3");
	default:
		return mbed_err(e, ERR_PROTOCOL, rc, "the TLS handshake failed: the peer is no wherry");
	}
}

static int out_of_time(int64_t ns, struct err *e)
{
	return err_set(e, ERR_TIMEOUT, 0,
		"the TLS handshake was not over after %lld ms: is the peer overloaded, or no "
		"wherry at all?",
		(long long)(ns / NS_PER_MS));
}

static int handshake(struct tls *t, int64_t timeout_ns, struct err *e)
{
	struct err ignored = ERR_INIT;
	int64_t start = clock_mono_ns();

	for (;;) {
		int rc = mbedtls_ssl_handshake(&t->ssl);
		bool fatal = rc != 0 && rc != MBEDTLS_ERR_SSL_WANT_READ;
		int64_t left = timeout_ns - (clock_mono_ns() - start);

		if (timeout_ns > 0 && left <= 0)
			return out_of_time(timeout_ns, e);
		stream_set_timeout(t->lower, timeout_ns > 0 ? left : 0);
		if (tls_push(t, fatal ? &ignored : e) < 0 && !fatal)
			return -1;
		if (fatal)
			return explain(t, rc, e);
		if (rc == 0)
			return 0;
		int more = tls_fill(t, e);
		if (more < 0)
			return e->kind == ERR_TIMEOUT ? out_of_time(timeout_ns, e) : -1;
		if (more == 0)
			return err_set(
				e, ERR_NETWORK, 0, "the peer ended the connection during the TLS handshake");
	}
}

/* The verdict, carried out (see tls_verdict.h). */
static int check_peer(struct tls *t, struct err *e)
{
	struct err ignored = ERR_INIT;

	/* The latter two cannot be, and must not if mbedTLS ever changes its ways. */
	if (t->verdict.accepted && mbedtls_ssl_get_peer_cert(&t->ssl) != NULL &&
		mbedtls_ssl_get_verify_result(&t->ssl) == 0)
		return 0;
	if (t->verdict.why.kind == ERR_NONE)
		return err_set(
			e, ERR_DENIED, 0, "the TLS handshake failed: the peer has not proved who it is");
	mbedtls_ssl_send_alert_message(&t->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL, t->verdict.alert);
	tls_push(t, &ignored);
	*e = t->verdict.why;
	return -1;
}

/* What was agreed is what was asked for. */
static int check_result(struct tls *t, struct err *e)
{
	const char *alpn = mbedtls_ssl_get_alpn_protocol(&t->ssl);
	int suite = mbedtls_ssl_get_ciphersuite_id_from_ssl(&t->ssl);

	if (mbedtls_ssl_get_version_number(&t->ssl) != MBEDTLS_SSL_VERSION_TLS1_3)
		return err_set(
			e, ERR_PROTOCOL, 0, "the TLS handshake failed: the peer does not speak TLS 1.3");
	if (alpn == NULL)
		return err_set(e, ERR_PROTOCOL, 0,
			"the TLS handshake failed: the peer names no protocol, expected %s", t->alpn_list[0]);
	if (mbedtls_ssl_get_max_out_record_payload(&t->ssl) < (int)TLS_RECORD)
		return err_set(e, ERR_INTERNAL, 0, "this mbedTLS makes smaller TLS records than expected");
	t->alpn = mem_strdup(alpn);
	t->records_left = suite == MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256 ? UINT64_MAX : GCM_RECORDS;
	return 0;
}

static struct stream *tls_open(struct stream *lower, const struct tls_config *c, int endpoint, struct err *e)
{
	struct tls *t = tls_new(lower);

	if (mbed_start(e) < 0 || load_identity(t, c, e) < 0 || load_rules(t, c, e) < 0 ||
		configure(t, c, endpoint, e) < 0 || handshake(t, c->handshake_timeout_ns, e) < 0 ||
		check_peer(t, e) < 0 || check_result(t, e) < 0) {
		tls_free(t);
		return NULL;
	}
	stream_set_timeout(lower, 0);
	return &t->base;
}

struct stream *stream_tls_client(struct stream *lower, const struct tls_config *c, struct err *e)
{
	return tls_open(lower, c, MBEDTLS_SSL_IS_CLIENT, e);
}

struct stream *stream_tls_server(struct stream *lower, const struct tls_config *c, struct err *e)
{
	return tls_open(lower, c, MBEDTLS_SSL_IS_SERVER, e);
}
