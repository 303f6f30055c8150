// SPDX-License-Identifier: Apache-2.0
/* Reading and writing of a TLS stream. See tls_conn.h for the threads and locks. */
#include "net/stream_tls.h"

#include <string.h>

#include "base/clock.h"
#include "net/mbed.h"
#include "net/tls_conn.h"

#define CLOSE_TIMEOUT_NS NS_PER_S

int tls_bio_send(void *ctx, const unsigned char *p, size_t n)
{
	struct tls *t = ctx;

	/* Bounded: a write stops at TLS_WRITE_BATCH, and alerts are few and small. */
	buf_add(&t->out, p, n);
	return (int)n;
}

int tls_bio_recv(void *ctx, unsigned char *p, size_t n)
{
	struct tls *t = ctx;

	if (t->in_at == t->in_len)
		return MBEDTLS_ERR_SSL_WANT_READ;
	if (n > t->in_len - t->in_at)
		n = t->in_len - t->in_at;
	memcpy(p, t->in + t->in_at, n);
	t->in_at += n;
	return (int)n;
}

int tls_push(struct tls *t, struct err *e)
{
	pthread_mutex_lock(&t->lock);
	struct buf full = t->out;
	t->out = t->sending;
	t->sending = full;
	pthread_mutex_unlock(&t->lock);
	int rc = t->sending.len == 0 ? 0 : stream_write(t->lower, t->sending.data, t->sending.len, e);
	buf_clear(&t->sending);
	return rc < 0 ? -1 : stream_flush(t->lower, e);
}

int tls_fill(struct tls *t, struct err *e)
{
	ssize_t got = stream_read(t->lower, t->in, TLS_READ_AHEAD, e);

	t->in_at = 0;
	t->in_len = got > 0 ? (size_t)got : 0;
	return got > 0 ? 1 : (int)got;
}

static const struct {
	unsigned char alert;
	enum err_kind kind;
	const char *meaning;
} alerts[] = {
	{MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA, ERR_DENIED,
		"it does not know this side's key, or its CA is another job's"},
	{MBEDTLS_SSL_ALERT_MSG_CERT_EXPIRED, ERR_DENIED,
		"this side's certificate has expired: start the run again"},
	{MBEDTLS_SSL_ALERT_MSG_ACCESS_DENIED, ERR_DENIED,
		"it expects another role or run than this side's certificate has"},
	{MBEDTLS_SSL_ALERT_MSG_CERT_REQUIRED, ERR_DENIED, "it misses a certificate of this side"},
	{MBEDTLS_SSL_ALERT_MSG_NO_CERT, ERR_DENIED, "it misses a certificate of this side"},
	{MBEDTLS_SSL_ALERT_MSG_BAD_CERT, ERR_DENIED, "it refuses this side's certificate"},
	{MBEDTLS_SSL_ALERT_MSG_UNSUPPORTED_CERT, ERR_DENIED, "it refuses this side's kind of certificate"},
	{MBEDTLS_SSL_ALERT_MSG_CERT_UNKNOWN, ERR_DENIED, "it refuses this side's certificate"},
	{MBEDTLS_SSL_ALERT_MSG_DECRYPT_ERROR, ERR_DENIED,
		"this side's certificate and key do not belong together"},
	{MBEDTLS_SSL_ALERT_MSG_NO_APPLICATION_PROTOCOL, ERR_PROTOCOL,
		"it does not speak the protocol asked for; is it of "
		"another version of wherry?"},
	{MBEDTLS_SSL_ALERT_MSG_PROTOCOL_VERSION, ERR_PROTOCOL, "it does not speak TLS 1.3"},
	{MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE, ERR_PROTOCOL, "it has no cipher in common with this side"},
	{MBEDTLS_SSL_ALERT_MSG_BAD_RECORD_MAC, ERR_NETWORK, "bytes were changed on the way"},
};

int tls_alert_err(const struct tls *t, const char *what, struct err *e)
{
	/* mbedTLS 3.6 has no accessor: the alert is still in its input buffer, level first. */
	unsigned char alert = t->ssl.MBEDTLS_PRIVATE(in_msg)[1];

	for (size_t i = 0; i < sizeof alerts / sizeof alerts[0]; i++)
		if (alerts[i].alert == alert)
			return err_set(
				e, alerts[i].kind, 0, "%s, says the peer: %s", what, alerts[i].meaning);
	return err_set(e, ERR_PROTOCOL, 0, "%s, says the peer (TLS alert %u)", what, alert);
}

static int canceled(struct err *e)
{
	return err_set(e, ERR_CANCELED, 0, "the TLS connection was ended by this side");
}

static int read_error(struct tls *t, int rc, struct err *e)
{
	t->read_failed = true;
	if (rc == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE)
		return tls_alert_err(
			t, t->heard ? "the TLS connection failed" : "the TLS handshake failed", e);
	if (rc == MBEDTLS_ERR_SSL_INVALID_MAC)
		return err_set(e, ERR_NETWORK, 0, "the TLS connection failed: bytes were changed on the way");
	return mbed_err(e, ERR_PROTOCOL, rc, "the TLS connection failed: the peer broke the protocol");
}

/* One record's worth, if `in` holds one: its bytes, 0 at the orderly end, or an mbedTLS code. */
static int decrypt(struct tls *t, void *p, size_t n)
{
	int rc;

	pthread_mutex_lock(&t->lock);
	do
		rc = mbedtls_ssl_read(&t->ssl, p, n);
	while (rc == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET);
	pthread_mutex_unlock(&t->lock);
	return rc == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY ? 0 : rc;
}

static ssize_t tls_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct tls *t = (struct tls *)s;
	int64_t start = 0;

	for (;;) {
		if (atomic_load(&t->aborted))
			return canceled(e);
		if (t->read_ended)
			return 0;
		if (t->read_failed)
			return err_set(e, ERR_NETWORK, 0, "the TLS connection has failed before");
		int rc = decrypt(t, p, n);
		if (rc > 0)
			t->heard = true;
		t->read_ended = rc == 0;
		if (rc >= 0)
			return rc;
		if (rc != MBEDTLS_ERR_SSL_WANT_READ)
			return read_error(t, rc, e);

		/* The stream below counts its own time for each piece; a peer that drips must not gain by
		 * that. */
		int64_t limit = atomic_load(&t->timeout_ns), now = limit > 0 ? clock_mono_ns() : 0;
		start = start == 0 ? now : start;
		if (limit > 0 && now - start > limit)
			return err_set(e, ERR_TIMEOUT, 0,
				"no whole TLS record came in time: is the network overloaded?");
		int more = tls_fill(t, e);
		if (more < 0)
			return -1;
		if (more == 0) {
			t->read_failed = true;
			return err_set(e, ERR_NETWORK, 0,
				"the TLS connection was cut: it ended without the peer's word");
		}
	}
}

/* At most one record into `out`; a full batch goes down. */
static int encrypt(struct tls *t, const char *p, size_t n, struct err *e)
{
	if (t->records_left == 0)
		return err_set(e, ERR_NETWORK, 0,
			"the TLS connection has carried all that its cipher allows under one key; a "
			"new connection is needed");
	t->records_left--;
	pthread_mutex_lock(&t->lock);
	int rc = mbedtls_ssl_write(&t->ssl, (const unsigned char *)p, n);
	size_t waiting = t->out.len;
	pthread_mutex_unlock(&t->lock);
	if (rc != (int)n)
		return mbed_err(e, ERR_NETWORK, rc < 0 ? rc : 0, "the TLS connection has failed before");
	return waiting >= TLS_WRITE_BATCH ? tls_push(t, e) : 0;
}

/* Full records at once; what is left over waits for more. */
static int gather(struct tls *t, const char *p, size_t n, struct err *e)
{
	while (n > 0) {
		if (t->plain_len == 0 && n >= TLS_RECORD) {
			if (encrypt(t, p, TLS_RECORD, e) < 0)
				return -1;
			p += TLS_RECORD;
			n -= TLS_RECORD;
			continue;
		}
		size_t room = TLS_RECORD - t->plain_len, piece = n < room ? n : room;

		memcpy(t->plain + t->plain_len, p, piece);
		t->plain_len += piece;
		p += piece;
		n -= piece;
		if (t->plain_len < TLS_RECORD)
			break;
		t->plain_len = 0;
		if (encrypt(t, t->plain, TLS_RECORD, e) < 0)
			return -1;
	}
	return 0;
}

static int write_guard(struct tls *t, struct err *e)
{
	if (atomic_load(&t->aborted))
		return canceled(e);
	if (t->write_failed)
		return err_set(e, ERR_NETWORK, 0, "the TLS connection has failed before");
	return 0;
}

static int tls_write(struct stream *s, const void *p, size_t n, struct err *e)
{
	struct tls *t = (struct tls *)s;

	if (write_guard(t, e) < 0)
		return -1;
	t->write_failed = gather(t, p, n, e) < 0; /* a record may be half out: there is no way back */
	return t->write_failed ? -1 : 0;
}

static int tls_flush(struct stream *s, struct err *e)
{
	struct tls *t = (struct tls *)s;
	size_t n = t->plain_len;

	if (write_guard(t, e) < 0)
		return -1;
	t->plain_len = 0;
	t->write_failed = (n > 0 && encrypt(t, t->plain, n, e) < 0) || tls_push(t, e) < 0;
	return t->write_failed ? -1 : 0;
}

static void tls_abort(struct stream *s)
{
	struct tls *t = (struct tls *)s;

	atomic_store(&t->aborted, true);
	stream_abort(t->lower);
}

static void tls_set_timeout(struct stream *s, int64_t ns)
{
	struct tls *t = (struct tls *)s;

	atomic_store(&t->timeout_ns, ns);
	stream_set_timeout(t->lower, ns);
}

static void tls_close(struct stream *s)
{
	struct tls *t = (struct tls *)s;
	struct err ignored = ERR_INIT;

	if (!atomic_load(&t->aborted) && !t->write_failed) {
		stream_set_timeout(t->lower, CLOSE_TIMEOUT_NS);
		if (tls_flush(s, &ignored) == 0) {
			pthread_mutex_lock(&t->lock);
			mbedtls_ssl_close_notify(&t->ssl);
			pthread_mutex_unlock(&t->lock);
			tls_push(t, &ignored);
		}
	}
	tls_free(t);
}

const struct stream_ops tls_ops = {
	.read = tls_read,
	.write = tls_write,
	.flush = tls_flush,
	.abort = tls_abort,
	.set_timeout = tls_set_timeout,
	.close = tls_close,
};

const char *stream_tls_alpn(const struct stream *s)
{
	return ((const struct tls *)s)->alpn;
}

size_t stream_tls_trust_index(const struct stream *s)
{
	return ((const struct tls *)s)->verdict.index;
}

int stream_tls_peer_spki(const struct stream *s, struct buf *der, struct err *e)
{
	const struct tls *t = (const struct tls *)s;

	if (t->verdict.spki.len == 0)
		return err_set(e, ERR_INTERNAL, 0, "the peer's public key is not known");
	buf_add(der, t->verdict.spki.data, t->verdict.spki.len);
	return 0;
}

struct stream *stream_tls_lower(struct stream *s)
{
	return ((struct tls *)s)->lower;
}
