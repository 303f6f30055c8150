// SPDX-License-Identifier: Apache-2.0
/* From a lower stream to a TLS stream: mbedTLS makes the handshake, the verdict is ours. See tls_conn.h. */
#include <mbedtls/psa_util.h>
#include <mbedtls/ssl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/mbed.h"
#include "net/stream_tls.h"
#include "net/tls_cipher.h"
#include "net/tls_conn.h"
#include "net/tls_verdict.h"

static const uint16_t signatures[] = {MBEDTLS_TLS1_3_SIG_ECDSA_SECP256R1_SHA256, MBEDTLS_TLS1_3_SIG_NONE};
static const uint16_t groups[] = {MBEDTLS_SSL_IANA_TLS_GROUP_X25519, MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
	MBEDTLS_SSL_IANA_TLS_GROUP_NONE};

struct handshake {
	struct tls *t; /* what becomes of it */
	mbedtls_ssl_context ssl;
	mbedtls_ssl_config conf;
	mbedtls_x509_crt cert;
	mbedtls_pk_context key;
	const char *alpn_list[4]; /* borrowed */
	struct tls_verdict verdict;
	struct buf out; /* on its way down */

	/* The secrets of the data to come, by the end that sends it. */
	uint8_t secret[2][TLS_SECRET_MAX];
	size_t secret_len; /* 0: not known yet */
};

static void handshake_init(struct handshake *h, struct tls *t)
{
	*h = (struct handshake){.t = t};
	mbedtls_ssl_init(&h->ssl);
	mbedtls_ssl_config_init(&h->conf);
	mbedtls_x509_crt_init(&h->cert);
	mbedtls_pk_init(&h->key);
}

static void handshake_fini(struct handshake *h)
{
	mbedtls_ssl_free(&h->ssl);
	mbedtls_ssl_config_free(&h->conf);
	mbedtls_x509_crt_free(&h->cert);
	mbedtls_pk_free(&h->key);
	tls_verdict_fini(&h->verdict);
	buf_fini(&h->out);
	mem_wipe(h->secret, sizeof h->secret);
}

/* ---- What mbedTLS calls ---- */

static int bio_send(void *ctx, const unsigned char *p, size_t n)
{
	struct handshake *h = ctx;

	buf_add(&h->out, p, n);
	return (int)n;
}

/* Never more than mbedTLS asks for, so what follows the handshake stays in `in`. */
static int bio_recv(void *ctx, unsigned char *p, size_t n)
{
	struct tls *t = ((struct handshake *)ctx)->t;

	if (t->in_at == t->in_len)
		return MBEDTLS_ERR_SSL_WANT_READ;
	if (n > t->in_len - t->in_at)
		n = t->in_len - t->in_at;
	memcpy(p, t->in + t->in_at, n);
	t->in_at += n;
	return (int)n;
}

static void take_secret(void *ctx, mbedtls_ssl_key_export_type type, const unsigned char *secret, size_t n,
	const unsigned char client_random[32], const unsigned char server_random[32],
	mbedtls_tls_prf_types prf)
{
	struct handshake *h = ctx;

	(void)client_random;
	(void)server_random;
	(void)prf;
	if (n > TLS_SECRET_MAX)
		return;
	if (type == MBEDTLS_SSL_KEY_EXPORT_TLS1_3_CLIENT_APPLICATION_TRAFFIC_SECRET)
		memcpy(h->secret[MBEDTLS_SSL_IS_CLIENT], secret, n);
	else if (type == MBEDTLS_SSL_KEY_EXPORT_TLS1_3_SERVER_APPLICATION_TRAFFIC_SECRET)
		memcpy(h->secret[MBEDTLS_SSL_IS_SERVER], secret, n);
	else
		return;
	h->secret_len = n;
}

/* ---- Set-up ---- */

static int load_identity(struct handshake *h, const struct tls_config *c, struct err *e)
{
	int rc =
		mbedtls_x509_crt_parse(&h->cert, (const unsigned char *)c->cert_pem, strlen(c->cert_pem) + 1);

	if (rc != 0)
		return mbed_err(e, ERR_CONFIG, rc, "this side's own certificate cannot be read");
	if (mbed_key_copy(&h->key, &c->key->pk, e) < 0)
		return -1;
	rc = mbedtls_pk_check_pair(&h->cert.pk, &h->key, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
	if (rc != 0)
		return mbed_err(
			e, ERR_CONFIG, rc, "this side's own certificate belongs to another key than its own");
	return 0;
}

static int load_rules(struct handshake *h, const struct tls_config *c, struct err *e)
{
	for (size_t i = 0; i < 3 && c->alpn[i] != NULL; i++)
		h->alpn_list[i] = c->alpn[i];
	if (h->alpn_list[0] == NULL || c->trust_count == 0)
		return err_set(
			e, ERR_INTERNAL, 0, "a TLS connection needs a protocol name and somebody to trust");
	h->verdict.trust = c->trust;
	h->verdict.trust_count = c->trust_count;
	return 0;
}

static int configure(struct handshake *h, const struct tls_config *c, int endpoint, struct err *e)
{
	int rc = mbedtls_ssl_config_defaults(
		&h->conf, endpoint, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);

	mbedtls_ssl_conf_rng(&h->conf, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
	mbedtls_ssl_conf_min_tls_version(&h->conf, MBEDTLS_SSL_VERSION_TLS1_3);
	mbedtls_ssl_conf_max_tls_version(&h->conf, MBEDTLS_SSL_VERSION_TLS1_3);
	mbedtls_ssl_conf_tls13_key_exchange_modes(&h->conf, MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL);
	mbedtls_ssl_conf_ciphersuites(
		&h->conf, tls_cipher_suites(c->cipher, endpoint == MBEDTLS_SSL_IS_SERVER));
	mbedtls_ssl_conf_sig_algs(&h->conf, signatures);
	mbedtls_ssl_conf_groups(&h->conf, groups);
	/* REQUIRED wants a CA to be named; which one does not matter: check_peer() decides. */
	mbedtls_ssl_conf_authmode(&h->conf, MBEDTLS_SSL_VERIFY_REQUIRED);
	mbedtls_ssl_conf_ca_chain(&h->conf, &h->cert, NULL);
	mbedtls_ssl_conf_verify(&h->conf, tls_verdict_judge, &h->verdict);
	if (rc == 0)
		rc = mbedtls_ssl_conf_own_cert(&h->conf, &h->cert, &h->key);
	if (rc == 0)
		rc = mbedtls_ssl_conf_alpn_protocols(&h->conf, h->alpn_list);
	if (rc == 0)
		rc = mbedtls_ssl_setup(&h->ssl, &h->conf);
	if (rc == 0)
		rc = mbedtls_ssl_set_hostname(&h->ssl, NULL); /* keys are known, names mean nothing */
	if (rc != 0)
		return mbed_err(e, ERR_INTERNAL, rc, "cannot set up TLS");
	mbedtls_ssl_set_export_keys_cb(&h->ssl, take_secret, h);
	mbedtls_ssl_set_bio(&h->ssl, h, bio_send, bio_recv, NULL);
	return 0;
}

static int explain(const struct handshake *h, int rc, struct err *e)
{
	switch (rc) {
	case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE:
		/* mbedTLS 3.6 has no accessor: the alert is still in its input buffer, level first. */
		return tls_alert_err(h->ssl.MBEDTLS_PRIVATE(in_msg)[1], "the TLS handshake failed", e);
	case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE:
		return err_set(e, ERR_DENIED, 0, "the TLS handshake failed: the peer shows no certificate");
	case MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL:
		return err_set(e, ERR_PROTOCOL, 0,
			"the TLS handshake failed: the peer does not speak %s (it may be of another "
			"version of wherry)",
			h->alpn_list[0]);
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

static int push(struct handshake *h, struct err *e)
{
	int rc = h->out.len == 0 ? 0 : stream_write(h->t->lower, h->out.data, h->out.len, e);

	buf_clear(&h->out);
	return rc < 0 ? -1 : stream_flush(h->t->lower, e);
}

static int shake_hands(struct handshake *h, int64_t timeout_ns, struct err *e)
{
	struct err ignored = ERR_INIT;
	int64_t start = clock_mono_ns();

	for (;;) {
		int rc = mbedtls_ssl_handshake(&h->ssl);
		bool fatal = rc != 0 && rc != MBEDTLS_ERR_SSL_WANT_READ;
		int64_t left = timeout_ns - (clock_mono_ns() - start);

		if (timeout_ns > 0 && left <= 0)
			return out_of_time(timeout_ns, e);
		stream_set_timeout(h->t->lower, timeout_ns > 0 ? left : 0);
		if (push(h, fatal ? &ignored : e) < 0 && !fatal)
			return -1;
		if (fatal)
			return explain(h, rc, e);
		if (rc == 0)
			return 0;
		int more = tls_fill(h->t, e);
		if (more < 0)
			return e->kind == ERR_TIMEOUT ? out_of_time(timeout_ns, e) : -1;
		if (more == 0)
			return err_set(
				e, ERR_NETWORK, 0, "the peer ended the connection during the TLS handshake");
	}
}

/* The verdict, carried out (see tls_verdict.h). */
static int check_peer(struct handshake *h, struct err *e)
{
	struct err ignored = ERR_INIT;

	/* The latter two cannot be, and must not if mbedTLS ever changes its ways. */
	if (h->verdict.accepted && mbedtls_ssl_get_peer_cert(&h->ssl) != NULL &&
		mbedtls_ssl_get_verify_result(&h->ssl) == 0)
		return 0;
	if (h->verdict.why.kind == ERR_NONE)
		return err_set(
			e, ERR_DENIED, 0, "the TLS handshake failed: the peer has not proved who it is");
	mbedtls_ssl_send_alert_message(&h->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL, h->verdict.alert);
	push(h, &ignored);
	*e = h->verdict.why;
	return -1;
}

/* What was agreed is what was asked for. */
static int check_result(const struct handshake *h, struct err *e)
{
	if (mbedtls_ssl_get_version_number(&h->ssl) != MBEDTLS_SSL_VERSION_TLS1_3)
		return err_set(
			e, ERR_PROTOCOL, 0, "the TLS handshake failed: the peer does not speak TLS 1.3");
	if (mbedtls_ssl_get_alpn_protocol(&h->ssl) == NULL)
		return err_set(e, ERR_PROTOCOL, 0,
			"the TLS handshake failed: the peer names no protocol, expected %s", h->alpn_list[0]);
	return 0;
}

/* From here on mbedTLS is not needed any more. */
static int take_over(struct handshake *h, const struct tls_config *c, int endpoint, struct err *e)
{
	struct tls *t = h->t;
	int suite = mbedtls_ssl_get_ciphersuite_id_from_ssl(&h->ssl);

	t->alpn = mem_strdup(mbedtls_ssl_get_alpn_protocol(&h->ssl));
	t->trust_index = h->verdict.index;
	buf_add(&t->peer_spki, h->verdict.spki.data, h->verdict.spki.len);
	t->records_per_key = c->records_per_key > 0 ? c->records_per_key : TLS_RECORDS_PER_KEY;
	if (tls_keys_init(&t->write_keys, suite, true, h->secret[endpoint], h->secret_len, e) < 0)
		return -1;
	return tls_keys_init(&t->read_keys, suite, false, h->secret[!endpoint], h->secret_len, e);
}

static int run(struct tls *t, const struct tls_config *c, int endpoint, struct err *e)
{
	cleanup(handshake_fini) struct handshake h;

	handshake_init(&h, t);
	if (mbed_start(e) < 0 || load_identity(&h, c, e) < 0 || load_rules(&h, c, e) < 0 ||
		configure(&h, c, endpoint, e) < 0 || shake_hands(&h, c->handshake_timeout_ns, e) < 0 ||
		check_peer(&h, e) < 0 || check_result(&h, e) < 0)
		return -1;
	return take_over(&h, c, endpoint, e);
}

static struct stream *tls_open(struct stream *lower, const struct tls_config *c, int endpoint, struct err *e)
{
	struct tls *t = tls_new(lower);

	if (run(t, c, endpoint, e) < 0) {
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
