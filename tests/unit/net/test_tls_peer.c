// SPDX-License-Identifier: Apache-2.0
/* What both ends agree on, and what a peer may say and not say after the handshake (RFC 8446, 4.6 and 6). */
#include <mbedtls/ssl.h>
#include <string.h>

#include "net/net_fixture.h"
#include "net/stream_mem.h"
#include "net/tls_conn.h"

#define TEXT "all is well"

/* Two ends that pinned each other, with the cipher of each and its records per key. */
static void connect_with(enum tls_cipher client, enum tls_cipher server, uint64_t records,
	struct stream *s[2], struct err e[2])
{
	struct fx_side side[2] = {fx_side("client"), fx_side("server")};
	struct stream *lower[2];

	for (int i = 0; i < 2; i++) {
		fx_trust_key(&side[i], side[1 - i].key);
		side[i].config.records_per_key = records;
	}
	side[0].config.cipher = client;
	side[1].config.cipher = server;
	stream_mem_pair(1 << 20, lower);
	fx_handshake(side, lower, s, e);
	fx_side_fini(&side[0]);
	fx_side_fini(&side[1]);
}

static void close_both(struct stream *s[2])
{
	stream_close(s[0]);
	stream_close(s[1]);
}

/* A text from one end to the other. */
static void say(struct stream *from, struct stream *to)
{
	struct err e = ERR_INIT;
	char got[sizeof TEXT];

	assert_done(stream_write(from, TEXT, sizeof TEXT, &e), &e);
	assert_done(stream_flush(from, &e), &e);
	assert_done(stream_read_full(to, got, sizeof got, &e), &e);
	assert_string_equal(got, TEXT);
}

static mbedtls_cipher_type_t cipher_of(struct stream *s)
{
	return mbedtls_cipher_get_type(&((struct tls *)s)->read_keys.cipher);
}

static void stream_tls_ciphers_of_both_ends_common_one_taken(void **state)
{
	static const struct {
		enum tls_cipher client, server;
		mbedtls_cipher_type_t common;
	} cases[] = {
		{TLS_CIPHER_AES_128_GCM, TLS_CIPHER_AES_128_GCM, MBEDTLS_CIPHER_AES_128_GCM},
		{TLS_CIPHER_AES_256_GCM, TLS_CIPHER_AES_256_GCM, MBEDTLS_CIPHER_AES_256_GCM},
		{TLS_CIPHER_CHACHA20_POLY1305, TLS_CIPHER_CHACHA20_POLY1305,
			MBEDTLS_CIPHER_CHACHA20_POLY1305},
		/* An end that tries them offers all, and accepts ChaCha20 at least. */
		{TLS_CIPHER_FASTEST, TLS_CIPHER_AES_256_GCM, MBEDTLS_CIPHER_AES_256_GCM},
		{TLS_CIPHER_CHACHA20_POLY1305, TLS_CIPHER_FASTEST, MBEDTLS_CIPHER_CHACHA20_POLY1305},
		{TLS_CIPHER_AES_128_GCM, TLS_CIPHER_CHACHA20_POLY1305, MBEDTLS_CIPHER_NONE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct stream *s[2];
		struct err e[2];

		connect_with(cases[i].client, cases[i].server, 0, s, e);
		if (cases[i].common == MBEDTLS_CIPHER_NONE) {
			assert_null(s[0]);
			assert_null(s[1]);
			assert_kind(&e[0], ERR_PROTOCOL);
			assert_says(&e[0], "no cipher in common");
			continue;
		}
		for (int end = 0; end < 2; end++) {
			assert_non_null(s[end]);
			assert_int_equal(cipher_of(s[end]), cases[i].common);
			say(s[end], s[1 - end]);
		}
		close_both(s);
	}
}

static void stream_tls_keys_worn_out_renewed(void **state)
{
	(void)state;
	for (enum tls_cipher c = TLS_CIPHER_AES_128_GCM; c <= TLS_CIPHER_CHACHA20_POLY1305; c++) {
		struct stream *s[2];
		struct err e[2];

		connect_with(c, c, 4, s, e);
		struct tls *t[2] = {(struct tls *)s[0], (struct tls *)s[1]};
		uint8_t first[TLS_SECRET_MAX];
		memcpy(first, t[0]->write_keys.secret, sizeof first);
		for (int i = 0; i < 3; i++)
			say(s[0], s[1]);
		assert_memory_equal(t[0]->write_keys.secret, first, sizeof first);
		assert_int_equal(t[0]->write_keys.sequence, 3);
		say(s[0], s[1]); /* the fourth record under the key says that it was the last */
		assert_memory_not_equal(t[0]->write_keys.secret, first, 32);
		assert_int_equal(t[0]->write_keys.sequence, 1);
		assert_int_equal(t[1]->read_keys.sequence, 1);
		for (int i = 0; i < 20; i++) {
			say(s[1], s[0]);
			say(s[0], s[1]);
		}
		close_both(s);
	}
}

/* What one end writes as it is, whatever it means. */
static void send_raw(struct stream *s, int type, const void *p, size_t n)
{
	struct tls *t = (struct tls *)s;
	uint8_t record[256];
	struct err e = ERR_INIT;
	size_t size = tls_record_seal(&t->write_keys, (enum tls_content)type, p, n, NULL, 0, record, &e);

	assert_int_not_equal(size, 0);
	assert_done(stream_write(t->lower, record, size, &e), &e);
}

static void stream_tls_peer_asks_for_new_keys_gets_them(void **state)
{
	struct stream *s[2];
	struct err e[2] = {ERR_INIT, ERR_INIT};

	(void)state;
	connect_with(TLS_CIPHER_FASTEST, TLS_CIPHER_FASTEST, 0, s, e);
	struct tls *t[2] = {(struct tls *)s[0], (struct tls *)s[1]};
	uint8_t first[TLS_SECRET_MAX];
	memcpy(first, t[1]->write_keys.secret, sizeof first);
	send_raw(s[0], TLS_CONTENT_HANDSHAKE, "\x18\0\0\1\1", 5);
	assert_done(tls_keys_update(&t[0]->write_keys, &e[0]), &e[0]);
	say(s[0], s[1]);
	say(s[1], s[0]);
	assert_memory_not_equal(t[1]->write_keys.secret, first, 32);
	assert_memory_equal(t[1]->write_keys.secret, t[0]->read_keys.secret, 32);
	memcpy(first, t[1]->write_keys.secret, sizeof first);
	say(s[1], s[0]);
	assert_memory_equal(t[1]->write_keys.secret, first, 32); /* once */
	close_both(s);
}

static void stream_tls_peer_sends_tickets_and_empty_data_overheard(void **state)
{
	struct stream *s[2];
	struct err e[2];

	(void)state;
	connect_with(TLS_CIPHER_FASTEST, TLS_CIPHER_FASTEST, 0, s, e);
	send_raw(s[0], TLS_CONTENT_HANDSHAKE, "\4\0\0\2ab\4\0\0\1c", 11);
	send_raw(s[0], TLS_CONTENT_DATA, "", 0);
	send_raw(s[0], TLS_CONTENT_ALERT, "\1\x5a", 2); /* user_canceled */
	say(s[0], s[1]);
	close_both(s);
}

static void stream_tls_peer_breaks_rules_protocol_and_told(void **state)
{
	static const struct {
		int type;
		const char *bytes;
		size_t n;
		const char *says;
	} cases[] = {
		{TLS_CONTENT_HANDSHAKE, "\x18\0\0\1\2", 5, "has no place"}, /* neither asked nor not */
		{TLS_CONTENT_HANDSHAKE, "\x18\0\0\1\0\4\0\0\0", 9,
			"has no place"}, /* more under the old key */
		{TLS_CONTENT_HANDSHAKE, "\x18\0\0\0", 4, "has no place"},
		{TLS_CONTENT_HANDSHAKE, "\1\0\0\1x", 5, "has no place"}, /* a second handshake */
		{TLS_CONTENT_HANDSHAKE, "\4\0\0\3ab", 6, "in pieces"},
		{TLS_CONTENT_HANDSHAKE, "\4\0", 2, "in pieces"}, {TLS_CONTENT_HANDSHAKE, "", 0, "empty"},
		{TLS_CONTENT_ALERT, "\2", 1, "wrong length"},
		{TLS_CONTENT_ALERT, "\1\0\1\0", 4, "wrong length"}, {20, "\1", 1, "unknown type"},
		{24, "\1\0\1", 3, "unknown type"}, /* a heartbeat */
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct stream *s[2];
		struct err e[2];
		char c;

		connect_with(TLS_CIPHER_FASTEST, TLS_CIPHER_FASTEST, 0, s, e);
		say(s[0], s[1]);
		say(s[1], s[0]);
		send_raw(s[0], cases[i].type, cases[i].bytes, cases[i].n);
		assert_int_equal(stream_read(s[1], &c, 1, &e[1]), -1);
		assert_kind(&e[1], ERR_PROTOCOL);
		assert_says(&e[1], cases[i].says);
		assert_int_equal(stream_write(s[1], "x", 1, &e[1]), -1);
		assert_int_equal(stream_read(s[1], &c, 1, &e[1]), -1);
		stream_close(s[1]);
		assert_int_equal(stream_read(s[0], &c, 1, &e[0]), -1);
		assert_kind(&e[0], ERR_PROTOCOL);
		assert_says(&e[0], "says the peer (TLS alert 10)"); /* unexpected_message */
		stream_close(s[0]);
	}
}

static void stream_tls_peer_reports_alert_heard_as_it_means(void **state)
{
	static const struct {
		const char *bytes;
		enum err_kind kind;
		const char *says;
	} cases[] = {
		{"\2\x14", ERR_NETWORK, "bytes were changed on the way"},
		{"\2\x30", ERR_DENIED, "does not know this side's key"},
		{"\1\x30", ERR_DENIED,
			"does not know this side's key"}, /* the level means nothing in TLS 1.3 */
		{"\2\x50", ERR_PROTOCOL, "(TLS alert 80)"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct stream *s[2];
		struct err e[2];
		char c;

		connect_with(TLS_CIPHER_FASTEST, TLS_CIPHER_FASTEST, 0, s, e);
		send_raw(s[0], TLS_CONTENT_ALERT, cases[i].bytes, 2);
		assert_int_equal(stream_read(s[1], &c, 1, &e[1]), -1);
		assert_kind(&e[1], cases[i].kind);
		assert_says(&e[1], cases[i].says);
		assert_says(&e[1], "the TLS handshake failed"); /* as no data came before */
		close_both(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream_tls_ciphers_of_both_ends_common_one_taken),
		cmocka_unit_test(stream_tls_keys_worn_out_renewed),
		cmocka_unit_test(stream_tls_peer_asks_for_new_keys_gets_them),
		cmocka_unit_test(stream_tls_peer_sends_tickets_and_empty_data_overheard),
		cmocka_unit_test(stream_tls_peer_breaks_rules_protocol_and_told),
		cmocka_unit_test(stream_tls_peer_reports_alert_heard_as_it_means),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
