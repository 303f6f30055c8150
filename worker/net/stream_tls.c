// SPDX-License-Identifier: Apache-2.0
/* Reading and writing of a TLS stream. See tls_conn.h for the threads. */
#include "net/stream_tls.h"

#include <mbedtls/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/tls_conn.h"

#define CLOSE_TIMEOUT_NS NS_PER_S

/* Messages after the handshake (RFC 8446, 4.6). */
enum {
	NEW_SESSION_TICKET = 4,
	KEY_UPDATE = 24
};
enum {
	UPDATE_NOT_REQUESTED,
	UPDATE_REQUESTED
};

struct tls *tls_new(struct stream *lower)
{
	struct tls *t = mem_alloc(sizeof *t);

	t->base.ops = &tls_ops;
	t->lower = lower;
	t->in = mem_alloc(TLS_BATCH);
	t->out = mem_alloc(TLS_BATCH);
	t->plain = mem_alloc(TLS_RECORD_DATA);
	return t;
}

void tls_free(struct tls *t)
{
	tls_keys_fini(&t->write_keys);
	tls_keys_fini(&t->read_keys);
	mem_wipe(t->plain, TLS_RECORD_DATA);
	mem_wipe(t->in, TLS_BATCH);
	free(t->plain);
	free(t->out);
	free(t->in);
	free(t->alpn);
	buf_fini(&t->peer_spki);
	stream_close(t->lower);
	free(t);
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

int tls_alert_err(int alert, const char *what, struct err *e)
{
	for (size_t i = 0; i < sizeof alerts / sizeof alerts[0]; i++)
		if (alerts[i].alert == alert)
			return err_set(
				e, alerts[i].kind, 0, "%s, says the peer: %s", what, alerts[i].meaning);
	return err_set(e, ERR_PROTOCOL, 0, "%s, says the peer (TLS alert %d)", what, alert);
}

static int canceled(struct err *e)
{
	return err_set(e, ERR_CANCELED, 0, "the TLS connection was ended by this side");
}

static int failed_before(struct err *e)
{
	return err_set(e, ERR_NETWORK, 0, "the TLS connection has failed before");
}

/* ---- Reading ---- */

int tls_fill(struct tls *t, struct err *e)
{
	t->in_len -= t->in_at;
	memmove(t->in, t->in + t->in_at, t->in_len);
	t->in_at = 0;
	ssize_t got = stream_read(t->lower, t->in + t->in_len, TLS_BATCH - t->in_len, e);
	t->in_len += got > 0 ? (size_t)got : 0;
	return got > 0 ? 1 : (int)got;
}

/* More from below, within the time since *start (0: the wait begins) that a whole record may take. */
static int wait_for_more(struct tls *t, int64_t *start, struct err *e)
{
	/* The stream below counts its own time for each piece; a peer that drips must not gain by that. */
	int64_t limit = atomic_load(&t->timeout_ns), now = limit > 0 ? clock_mono_ns() : 0;

	*start = *start == 0 ? now : *start;
	if (limit > 0 && now - *start > limit)
		return err_set(
			e, ERR_TIMEOUT, 0, "no whole TLS record came in time: is the network overloaded?");
	int more = tls_fill(t, e);
	if (more != 0)
		return more;
	t->read_failed = true;
	return err_set(e, ERR_NETWORK, 0, "the TLS connection was cut: it ended without the peer's word");
}

static int broken(struct tls *t, int alert)
{
	t->read_failed = true;
	atomic_store(&t->alert, alert);
	return -1;
}

static int unexpected(struct tls *t, const char *what, struct err *e)
{
	err_set(e, ERR_PROTOCOL, 0, "the TLS connection failed: the peer broke the protocol: %s", what);
	return broken(t, MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE);
}

static int hear_alert(struct tls *t, const struct tls_opened *o, struct err *e)
{
	if (o->rest_len != 2)
		return unexpected(t, "an alert of a wrong length", e);
	switch (o->rest[1]) {
	case MBEDTLS_SSL_ALERT_MSG_CLOSE_NOTIFY:
		t->read_ended = true;
		return 0;
	case MBEDTLS_SSL_ALERT_MSG_USER_CANCELED: /* an orderly end follows (6.1) */
		return 0;
	default:
		t->read_failed = true;
		return tls_alert_err(
			o->rest[1], t->heard ? "the TLS connection failed" : "the TLS handshake failed", e);
	}
}

/* Tickets are not asked for and not used; new keys are taken. A record holds whole messages. */
static int hear_handshake(struct tls *t, const struct tls_opened *o, struct err *e)
{
	const uint8_t *p = o->rest;

	for (size_t left = o->rest_len, size; left > 0; left -= size, p += size) {
		size = left < 4 ? SIZE_MAX : 4 + ((size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3]);
		if (size > left)
			return unexpected(t, "a message in pieces after the handshake", e);
		if (p[0] == NEW_SESSION_TICKET)
			continue;
		if (p[0] != KEY_UPDATE || size != 5 || size != left || p[4] > UPDATE_REQUESTED)
			return unexpected(t, "a message that has no place after the handshake", e);
		if (tls_keys_update(&t->read_keys, e) < 0)
			return broken(t, MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR);
		if (p[4] == UPDATE_REQUESTED)
			atomic_store(&t->update_owed, true);
	}
	return o->rest_len > 0 ? 0 : unexpected(t, "an empty message after the handshake", e);
}

/* The whole record at in_at: what of it went to p, or 0; or -1. */
static ssize_t open_record(struct tls *t, size_t size, void *p, size_t n, struct err *e)
{
	struct tls_opened o;
	int alert = tls_record_open(&t->read_keys, t->in + t->in_at, p, n, &o, e);

	if (alert != 0)
		return broken(t, alert);
	t->in_at += size;
	switch (o.type) {
	case TLS_CONTENT_DATA:
		t->heard = true;
		t->rest = o.rest;
		t->rest_len = o.rest_len;
		return (ssize_t)o.direct;
	case TLS_CONTENT_ALERT:
		return hear_alert(t, &o, e);
	case TLS_CONTENT_HANDSHAKE:
		return hear_handshake(t, &o, e);
	}
	return unexpected(t, "a record of an unknown type", e);
}

static ssize_t take_rest(struct tls *t, void *p, size_t n)
{
	n = n < t->rest_len ? n : t->rest_len;
	memcpy(p, t->rest, n);
	t->rest += n;
	t->rest_len -= n;
	return (ssize_t)n;
}

static ssize_t tls_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct tls *t = (struct tls *)s;
	int64_t start = 0;

	for (;;) {
		if (atomic_load(&t->aborted))
			return canceled(e);
		if (t->rest_len > 0)
			return take_rest(t, p, n);
		if (t->read_ended)
			return 0;
		if (t->read_failed)
			return failed_before(e);

		size_t have = t->in_len - t->in_at, size = tls_record_size(t->in + t->in_at, have);
		if (size == 0 || size > have) {
			if (wait_for_more(t, &start, e) < 0)
				return -1;
			continue;
		}
		ssize_t got = open_record(t, size, p, n, e);
		if (got != 0)
			return got;
	}
}

/* ---- Writing ---- */

static int push(struct tls *t, struct err *e)
{
	int rc = t->out_len == 0 ? 0 : stream_write(t->lower, t->out, t->out_len, e);

	t->out_len = 0;
	return rc < 0 ? -1 : stream_flush(t->lower, e);
}

/* One record behind the others; a full batch goes down. */
static int seal(struct tls *t, enum tls_content type, const void *a, size_t a_len, const void *b,
	size_t b_len, struct err *e)
{
	size_t size = tls_record_seal(&t->write_keys, type, a, a_len, b, b_len, t->out + t->out_len, e);

	t->out_len += size;
	if (size == 0)
		return -1;
	return TLS_BATCH - t->out_len < TLS_RECORD_DATA + TLS_RECORD_OVERHEAD ? push(t, e) : 0;
}

/* New keys before the old ones are worn out, or because the peer asked for them. */
static int renew_keys(struct tls *t, struct err *e)
{
	static const uint8_t message[] = {KEY_UPDATE, 0, 0, 1, UPDATE_NOT_REQUESTED};

	/* Its own record is the last one under the old key. */
	if (!atomic_exchange(&t->update_owed, false) && t->write_keys.sequence + 1 < t->records_per_key)
		return 0;
	if (seal(t, TLS_CONTENT_HANDSHAKE, message, sizeof message, NULL, 0, e) < 0)
		return -1;
	return tls_keys_update(&t->write_keys, e);
}

static int seal_data(struct tls *t, const void *p, size_t n, struct err *e)
{
	size_t waited = t->plain_len;

	t->plain_len = 0;
	if (renew_keys(t, e) < 0)
		return -1;
	return seal(t, TLS_CONTENT_DATA, t->plain, waited, p, n, e);
}

/* Full records at once; what is left over waits for more. */
static int gather(struct tls *t, const char *p, size_t n, struct err *e)
{
	while (t->plain_len + n >= TLS_RECORD_DATA) {
		size_t piece = TLS_RECORD_DATA - t->plain_len;

		if (seal_data(t, p, piece, e) < 0)
			return -1;
		p += piece;
		n -= piece;
	}
	memcpy(t->plain + t->plain_len, p, n);
	t->plain_len += n;
	return 0;
}

static int write_guard(struct tls *t, struct err *e)
{
	if (atomic_load(&t->aborted))
		return canceled(e);
	return t->write_failed || atomic_load(&t->alert) != 0 ? failed_before(e) : 0;
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

	if (write_guard(t, e) < 0)
		return -1;
	t->write_failed = (t->plain_len > 0 && seal_data(t, NULL, 0, e) < 0) || push(t, e) < 0;
	return t->write_failed ? -1 : 0;
}

/* ---- The rest ---- */

static bool tls_ready(struct stream *s)
{
	const struct tls *t = (const struct tls *)s;

	return t->rest_len > 0 || t->in_len > t->in_at || stream_ready(t->lower);
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

/* The last word: why this side could not read on, or that all is well. */
static void say_goodbye(struct tls *t, struct err *e)
{
	int alert = atomic_load(&t->alert);
	const uint8_t word[2] = {
		alert != 0 ? MBEDTLS_SSL_ALERT_LEVEL_FATAL : MBEDTLS_SSL_ALERT_LEVEL_WARNING, (uint8_t)alert};

	stream_set_timeout(t->lower, CLOSE_TIMEOUT_NS);
	if (alert == 0 && t->plain_len > 0 && seal_data(t, NULL, 0, e) < 0)
		return;
	if (seal(t, TLS_CONTENT_ALERT, word, sizeof word, NULL, 0, e) == 0)
		push(t, e);
}

static void tls_close(struct stream *s)
{
	struct tls *t = (struct tls *)s;
	struct err ignored = ERR_INIT;

	if (!atomic_load(&t->aborted) && !t->write_failed)
		say_goodbye(t, &ignored);
	tls_free(t);
}

const struct stream_ops tls_ops = {
	.read = tls_read,
	.write = tls_write,
	.flush = tls_flush,
	.ready = tls_ready,
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
	return ((const struct tls *)s)->trust_index;
}

int stream_tls_peer_spki(const struct stream *s, struct buf *der, struct err *e)
{
	const struct tls *t = (const struct tls *)s;

	if (t->peer_spki.len == 0)
		return err_set(e, ERR_INTERNAL, 0, "the peer's public key is not known");
	buf_add(der, t->peer_spki.data, t->peer_spki.len);
	return 0;
}

struct stream *stream_tls_lower(struct stream *s)
{
	return ((struct tls *)s)->lower;
}
