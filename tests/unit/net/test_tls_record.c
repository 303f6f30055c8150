// SPDX-License-Identifier: Apache-2.0
/* Records of TLS 1.3: a published one, what is opened is what was sealed, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <mbedtls/ssl.h>

#include "base/hex.h"
#include "base/mem.h"
#include "net/net_fixture.h"
#include "net/tls_record.h"

#define ROOM (TLS_RECORD_MAX + 1024)

static const int suites[] = {MBEDTLS_TLS1_3_AES_128_GCM_SHA256, MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
	MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256};

/* Both ends of one direction, with the secret that RFC 8448, section 3, has for the client's data. */
struct ends {
	struct tls_keys seal, open;
	uint8_t record[ROOM], to[ROOM];
	struct tls_opened o;
	struct err e;
};

static struct ends *ends_new(int suite)
{
	struct ends *x = mem_alloc(sizeof *x);
	uint8_t secret[48] = "";
	size_t n = suite == MBEDTLS_TLS1_3_AES_256_GCM_SHA384 ? 48 : 32;

	assert_int_equal(
		hex_decode("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5", secret, 32),
		0);
	assert_done(tls_keys_init(&x->seal, suite, true, secret, n, &x->e), &x->e);
	assert_done(tls_keys_init(&x->open, suite, false, secret, n, &x->e), &x->e);
	return x;
}

static void ends_free(struct ends *x)
{
	tls_keys_fini(&x->seal);
	tls_keys_fini(&x->open);
	free(x);
}

static void seal(struct ends *x, int type, const void *p, size_t n)
{
	size_t half = n / 3;

	assert_int_equal(tls_record_seal(&x->seal, (enum tls_content)type, p, half, (const char *)p + half,
				 n - half, x->record, &x->e),
		n + TLS_RECORD_OVERHEAD);
}

static void tls_record_seal_as_in_rfc_8448(void **state)
{
	static const char published[] =
		"1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20"
		"441e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4";
	struct ends *x = ends_new(MBEDTLS_TLS1_3_AES_128_GCM_SHA256);
	uint8_t data[50], expected[72];

	(void)state;
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)i;
	assert_int_equal(hex_decode(published, expected, sizeof expected), 0);
	seal(x, TLS_CONTENT_DATA, data, sizeof data);
	assert_memory_equal(x->record, expected, sizeof expected);
	ends_free(x);
}

static void check_opened(struct ends *x, const uint8_t *data, size_t n, size_t room)
{
	assert_int_equal(tls_record_size(x->record, ROOM), n + TLS_RECORD_OVERHEAD);
	assert_int_equal(tls_record_open(&x->open, x->record, x->to, room, &x->o, &x->e), 0);
	assert_int_equal(x->o.type, TLS_CONTENT_DATA);
	assert_int_equal(x->o.direct, n < room ? n : room);
	assert_int_equal(x->o.direct + x->o.rest_len, n);
	assert_memory_equal(x->to, data, x->o.direct);
	assert_memory_equal(x->o.rest, data + x->o.direct, x->o.rest_len);
	for (size_t i = room; i < ROOM; i++)
		assert_int_equal(x->to[i], 0);
}

static void tls_record_open_of_any_size_into_any_room_as_sealed(void **state)
{
	static const size_t sizes[] = {0, 1, 15, 16, 17, 1000, 16383, TLS_RECORD_DATA};
	static const size_t rooms[] = {1, 32, 999, 1000, 1001, 16384, 16385, ROOM};
	uint8_t *data = mem_alloc(ROOM);

	(void)state;
	fx_fill(7, 0, data, ROOM);
	for (size_t s = 0; s < 3; s++) {
		struct ends *x = ends_new(suites[s]);

		for (size_t i = 0; i < 8; i++)
			for (size_t r = 0; r < 8; r++) {
				memset(x->to, 0, ROOM);
				seal(x, TLS_CONTENT_DATA, data, sizes[i]);
				check_opened(x, data, sizes[i], rooms[r]);
			}
		ends_free(x);
	}
	free(data);
}

static void tls_record_open_padded_padding_left_out(void **state)
{
	struct ends *x = ends_new(suites[0]);
	uint8_t data[200] = "abc\x17"; /* the type, and all zeros behind it are padding */

	(void)state;
	for (size_t room = 1; room < 250; room += 3) {
		seal(x, 0, data, sizeof data);
		assert_int_equal(tls_record_open(&x->open, x->record, x->to, room, &x->o, &x->e), 0);
		assert_int_equal(x->o.type, TLS_CONTENT_DATA);
		assert_int_equal(x->o.direct, room < 3 ? room : 3);
		assert_int_equal(x->o.direct + x->o.rest_len, 3);
		assert_memory_equal(x->to, "abc", x->o.direct);
		assert_memory_equal(x->o.rest, "abc" + x->o.direct, x->o.rest_len);
	}
	ends_free(x);
}

static void tls_record_open_other_than_data_stays_whole_in_record(void **state)
{
	struct ends *x = ends_new(suites[0]);
	const uint8_t zero[8] = "";

	(void)state;
	for (size_t room = 0; room <= 8; room++) {
		memset(x->to, 0, sizeof x->to);
		seal(x, TLS_CONTENT_HANDSHAKE, "ticket", 6);
		assert_int_equal(tls_record_open(&x->open, x->record, x->to, room, &x->o, &x->e), 0);
		assert_int_equal(x->o.type, TLS_CONTENT_HANDSHAKE);
		assert_int_equal(x->o.direct, 0);
		assert_int_equal(x->o.rest_len, 6);
		assert_memory_equal(x->o.rest, "ticket", 6);
		assert_memory_equal(x->to, zero, sizeof zero);
	}
	ends_free(x);
}

static void tls_record_open_changed_replayed_or_reordered_network(void **state)
{
	uint8_t data[100] = "data", zero[100] = "";

	(void)state;
	for (size_t s = 0; s < 3; s++) {
		/* Type and version are in the additional data, the text, the tag; then the record before this
		 * one. */
		static const size_t at[] = {1, 2, 5, 104, 105, 106, 121, 0};

		for (size_t i = 0; i < 8; i++) {
			struct ends *x = ends_new(suites[s]);

			seal(x, TLS_CONTENT_DATA, data, sizeof data);
			if (at[i] == 0)
				x->open.sequence++;
			else
				x->record[at[i]] ^= 1;
			assert_int_equal(tls_record_open(&x->open, x->record, x->to, 60, &x->o, &x->e),
				MBEDTLS_SSL_ALERT_MSG_BAD_RECORD_MAC);
			assert_kind(&x->e, ERR_NETWORK);
			assert_memory_equal(x->to, zero, sizeof zero);
			ends_free(x);
		}
	}
}

static void refuse(struct ends *x, int alert, const char *says)
{
	assert_int_equal(tls_record_open(&x->open, x->record, x->to, ROOM, &x->o, &x->e), alert);
	assert_kind(&x->e, ERR_PROTOCOL);
	assert_says(&x->e, says);
}

static void tls_record_open_malformed_protocol(void **state)
{
	struct ends *x = ends_new(suites[0]);
	uint8_t *zeros = mem_alloc(ROOM);

	(void)state;
	seal(x, 0, zeros, 100);
	refuse(x, MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE, "no type");
	seal(x, TLS_CONTENT_DATA, zeros, TLS_RECORD_DATA + 1);
	refuse(x, MBEDTLS_SSL_ALERT_MSG_RECORD_OVERFLOW, "longer than allowed");
	memcpy(x->record, "\x15\x03\x03\x00\x02\x02\x28", 7); /* an alert, not encrypted */
	refuse(x, MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE, "not encrypted");
	memcpy(x->record, "\x17\x03\x03\x00\x10", 5);
	refuse(x, MBEDTLS_SSL_ALERT_MSG_DECODE_ERROR, "shorter than possible");
	memcpy(x->record, "\x17\x03\x03\x41\x01", 5); /* 2^14 + 257 */
	assert_int_equal(tls_record_size(x->record, 5), TLS_RECORD_MAX);
	refuse(x, MBEDTLS_SSL_ALERT_MSG_RECORD_OVERFLOW, "longer than allowed");
	for (size_t n = 0; n < TLS_RECORD_HEADER; n++)
		assert_int_equal(tls_record_size(x->record, n), 0);
	free(zeros);
	ends_free(x);
}

static void tls_keys_update_of_both_ends_goes_on_of_one_network(void **state)
{
	(void)state;
	for (size_t s = 0; s < 3; s++) {
		struct ends *x = ends_new(suites[s]);
		uint8_t first[TLS_SECRET_MAX];

		memcpy(first, x->seal.secret, sizeof first);
		for (int i = 0; i < 3; i++) {
			assert_done(tls_keys_update(&x->seal, &x->e), &x->e);
			assert_done(tls_keys_update(&x->open, &x->e), &x->e);
			assert_int_equal(x->seal.sequence, 0);
			assert_memory_not_equal(x->seal.secret, first, 32);
			seal(x, TLS_CONTENT_DATA, "data", 4);
			assert_int_equal(tls_record_open(&x->open, x->record, x->to, 4, &x->o, &x->e), 0);
			assert_memory_equal(x->to, "data", 4);
		}
		assert_done(tls_keys_update(&x->seal, &x->e), &x->e);
		x->open.sequence = 0;
		seal(x, TLS_CONTENT_DATA, "data", 4);
		assert_int_not_equal(tls_record_open(&x->open, x->record, x->to, 4, &x->o, &x->e), 0);
		assert_kind(&x->e, ERR_NETWORK);
		ends_free(x);
	}
}

static void tls_keys_init_unknown_suite_or_short_secret_internal(void **state)
{
	struct tls_keys k = {.sends = false};
	struct err e = ERR_INIT;
	const uint8_t secret[48] = "";

	(void)state;
	tls_keys_fini(&k);
	assert_int_equal(tls_keys_init(&k, 0x1304, true, secret, 32, &e), -1);
	assert_kind(&e, ERR_INTERNAL);
	tls_keys_fini(&k);
	assert_int_equal(tls_keys_init(&k, suites[0], true, secret, 0, &e), -1);
	assert_kind(&e, ERR_INTERNAL);
	tls_keys_fini(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tls_record_seal_as_in_rfc_8448),
		cmocka_unit_test(tls_record_open_of_any_size_into_any_room_as_sealed),
		cmocka_unit_test(tls_record_open_padded_padding_left_out),
		cmocka_unit_test(tls_record_open_other_than_data_stays_whole_in_record),
		cmocka_unit_test(tls_record_open_changed_replayed_or_reordered_network),
		cmocka_unit_test(tls_record_open_malformed_protocol),
		cmocka_unit_test(tls_keys_update_of_both_ends_goes_on_of_one_network),
		cmocka_unit_test(tls_keys_init_unknown_suite_or_short_secret_internal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
