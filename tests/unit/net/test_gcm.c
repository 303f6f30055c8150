// SPDX-License-Identifier: Apache-2.0
/* AES-GCM behind mbedTLS's hook (.mk/deps/mbedtls_gcm_alt.h): every engine that this processor has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <mbedtls/gcm.h>

#include "base/hex.h"
#include "base/mem.h"

#define MESSAGE_MAX 256
#define BIG_MAX     ((size_t)20000) /* a TLS record and more */

/* McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B, by their numbers there. */
#define KEY_128 "feffe9928665731c6d6a8f9467308308"
#define KEY_192 KEY_128 "feffe9928665731c"
#define KEY_256 KEY_128 KEY_128
#define ZERO_16 "00000000000000000000000000000000"
#define ZERO_12 "000000000000000000000000"
#define IV_12   "cafebabefacedbaddecaf888"
#define IV_60                                                                                                \
	"9313225df88406e555909c5aff5269aa6a7a9538534f7da1e4c303d2a318a728c3c0c95156809539fcf0e2429a6b5254"   \
	"16aedbf5a0de6a57a637b39b"
#define AAD "feedfacedeadbeeffeedfacedeadbeefabaddad2"
#define PLAIN_60                                                                                             \
	"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525"   \
	"b16aedf5aa0de657ba637b39"

static const struct vector {
	const char *name, *key, *iv, *aad, *plain, *cipher, *tag;
} vectors[] = {
	{"1", ZERO_16, ZERO_12, "", "", "", "58e2fccefa7e3061367f1d57a4e7455a"},
	{"2", ZERO_16, ZERO_12, "", ZERO_16, "0388dace60b6a392f328c2b971b2fe78",
		"ab6e47d42cec13bdf53a67b21257bddf"},
	{"3", KEY_128, IV_12, "", PLAIN_60 "1aafd255",
		"42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
		"21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985",
		"4d5c2af327cd64a62cf35abd2ba6fab4"},
	{"4", KEY_128, IV_12, AAD, PLAIN_60,
		"42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
		"21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
		"5bc94fbc3221a5db94fae95ae7121a47"},
	{"5", KEY_128, "cafebabefacedbad", AAD, PLAIN_60,
		"61353b4c2806934a777ff51fa22a4755699b2a714fcdc6f83766e5f97b6c7423"
		"73806900e49f24b22b097544d4896b424989b5e1ebac0f07c23f4598",
		"3612d2e79e3b0785561be14aaca2fccb"},
	{"6", KEY_128, IV_60, AAD, PLAIN_60,
		"8ce24998625615b603a033aca13fb894be9112a5c3a211a8ba262a3cca7e2ca7"
		"01e4a9a4fba43c90ccdcb281d48c7c6fd62875d2aca417034c34aee5",
		"619cc5aefffe0bfa462af43c1699d050"},
	{"7", ZERO_16 "0000000000000000", ZERO_12, "", "", "", "cd33b28ac773f74ba00ed1f312572435"},
	{"10", KEY_192, IV_12, AAD, PLAIN_60,
		"3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c"
		"7d773d00c144c525ac619d18c84a3f4718e2448b2fe324d9ccda2710",
		"2519498e80f1478f37ba55bd6d27618c"},
	{"13", ZERO_16 ZERO_16, ZERO_12, "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
	{"14", ZERO_16 ZERO_16, ZERO_12, "", ZERO_16, "cea7403d4d606b6e074ec5d3baf39d18",
		"d0d1c8a799996bf0265b98b5d48ab919"},
	{"15", KEY_256, IV_12, "", PLAIN_60 "1aafd255",
		"522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
		"8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
		"b094dac5d93471bdec1a502270e3cc6c"},
	{"16", KEY_256, IV_12, AAD, PLAIN_60,
		"522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
		"8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
		"76fc6ece0f4e1768cddf8853bb2d551b"},
};

struct bytes {
	uint8_t p[MESSAGE_MAX];
	size_t n;
};

static struct bytes bytes_of(const char *hex)
{
	struct bytes b = {.n = strlen(hex) / 2};

	assert_true(b.n <= sizeof b.p);
	assert_int_equal(hex_decode(hex, b.p, b.n), 0);
	return b;
}

static void set_key(mbedtls_gcm_context *ctx, enum gcm_engine engine, const uint8_t *key, size_t key_len)
{
	mbedtls_gcm_init(ctx);
	assert_int_equal(gcm_engine_setkey(ctx, engine, key, (unsigned)key_len * 8), 0);
}

/* A whole message in pieces of at most `aad_piece` and `piece` bytes. */
static void run_message(mbedtls_gcm_context *ctx, int mode, const uint8_t *iv, size_t iv_len,
	const uint8_t *aad, size_t aad_len, size_t aad_piece, const uint8_t *in, uint8_t *out, size_t n,
	size_t piece, uint8_t tag[16])
{
	size_t done, step;

	assert_int_equal(mbedtls_gcm_starts(ctx, mode, iv, iv_len), 0);
	for (size_t at = 0; at < aad_len; at += step) {
		step = aad_len - at < aad_piece ? aad_len - at : aad_piece;
		assert_int_equal(mbedtls_gcm_update_ad(ctx, aad + at, step), 0);
	}
	for (size_t at = 0; at < n; at += step) {
		step = n - at < piece ? n - at : piece;
		assert_int_equal(mbedtls_gcm_update(ctx, in + at, step, out + at, step, &done), 0);
		assert_int_equal(done, step);
	}
	assert_int_equal(mbedtls_gcm_finish(ctx, NULL, 0, &done, tag, 16), 0);
	assert_int_equal(done, 0);
}

/* ---- Vectors ---- */

static void check_vector(enum gcm_engine engine, const struct vector *v, size_t piece)
{
	const struct bytes key = bytes_of(v->key), iv = bytes_of(v->iv), aad = bytes_of(v->aad),
			   plain = bytes_of(v->plain), cipher = bytes_of(v->cipher), tag = bytes_of(v->tag);
	uint8_t out[MESSAGE_MAX], got[16];
	mbedtls_gcm_context ctx;

	set_key(&ctx, engine, key.p, key.n);
	run_message(&ctx, MBEDTLS_GCM_ENCRYPT, iv.p, iv.n, aad.p, aad.n, piece, plain.p, out, plain.n, piece,
		got);
	assert_memory_equal(out, cipher.p, cipher.n);
	assert_memory_equal(got, tag.p, 16);
	run_message(&ctx, MBEDTLS_GCM_DECRYPT, iv.p, iv.n, aad.p, aad.n, piece, cipher.p, out, cipher.n,
		piece, got);
	assert_memory_equal(out, plain.p, plain.n);
	assert_memory_equal(got, tag.p, 16);
	assert_int_equal(
		mbedtls_gcm_auth_decrypt(&ctx, cipher.n, iv.p, iv.n, aad.p, aad.n, tag.p, 12, cipher.p, out),
		0);
	assert_memory_equal(out, plain.p, plain.n);
	mbedtls_gcm_free(&ctx);
}

static void gcm_published_vectors_in_pieces_of_any_size_exact(void **state)
{
	static const size_t pieces[] = {MESSAGE_MAX, 1, 5, 16, 33};

	(void)state;
	for (enum gcm_engine engine = 0; engine <= gcm_engine_best(); engine++)
		for (size_t v = 0; v < sizeof vectors / sizeof vectors[0]; v++)
			for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++)
				check_vector(engine, &vectors[v], pieces[p]);
}

static void gcm_auth_decrypt_of_changed_message_refused_and_wiped(void **state)
{
	const struct bytes key = bytes_of(KEY_128), iv = bytes_of(IV_12), zero = {.n = 0};

	(void)state;
	for (enum gcm_engine engine = 0; engine <= gcm_engine_best(); engine++) {
		mbedtls_gcm_context ctx;

		set_key(&ctx, engine, key.p, key.n);
		for (int changed = 0; changed < 4; changed++) {
			struct bytes aad = bytes_of(AAD), text = bytes_of(PLAIN_60), tag = {.n = 16};
			uint8_t *flip[] = {&aad.p[19], &text.p[59], &tag.p[15], &tag.p[0]};

			assert_int_equal(mbedtls_gcm_crypt_and_tag(&ctx, MBEDTLS_GCM_ENCRYPT, text.n, iv.p,
						 iv.n, aad.p, aad.n, text.p, text.p, 16, tag.p),
				0);
			*flip[changed] ^= 0x80;
			assert_int_equal(mbedtls_gcm_auth_decrypt(&ctx, text.n, iv.p, iv.n, aad.p, aad.n,
						 tag.p, 16, text.p, text.p),
				MBEDTLS_ERR_GCM_AUTH_FAILED);
			assert_memory_equal(text.p, zero.p, text.n);
		}
		mbedtls_gcm_free(&ctx);
	}
}

static void gcm_wrong_arguments_bad_input(void **state)
{
	const struct bytes key = bytes_of(KEY_128), iv = bytes_of(IV_12);
	uint8_t text[16] = "", tag[16];
	size_t done;

	(void)state;
	for (enum gcm_engine engine = 0; engine <= gcm_engine_best(); engine++) {
		mbedtls_gcm_context ctx;

		mbedtls_gcm_init(&ctx);
		assert_int_not_equal(mbedtls_gcm_starts(&ctx, MBEDTLS_GCM_ENCRYPT, iv.p, iv.n), 0);
		assert_int_not_equal(gcm_engine_setkey(&ctx, engine, key.p, 120), 0);
		assert_int_not_equal(mbedtls_gcm_setkey(&ctx, MBEDTLS_CIPHER_ID_CAMELLIA, key.p, 128), 0);
		mbedtls_gcm_free(&ctx);
		set_key(&ctx, engine, key.p, key.n);
		for (size_t n = 0; n <= 17; n++)
			assert_int_equal(mbedtls_gcm_crypt_and_tag(&ctx, MBEDTLS_GCM_ENCRYPT, 16, iv.p, iv.n,
						 NULL, 0, text, text, n, tag),
				n >= 4 && n <= 16 ? 0 : MBEDTLS_ERR_GCM_BAD_INPUT);
		assert_int_equal(mbedtls_gcm_starts(&ctx, MBEDTLS_GCM_ENCRYPT, iv.p, iv.n), 0);
		assert_int_equal(mbedtls_gcm_update(&ctx, text, 16, text, 15, &done),
			MBEDTLS_ERR_GCM_BUFFER_TOO_SMALL);
		mbedtls_gcm_free(&ctx);
		mbedtls_gcm_free(&ctx);
		mbedtls_gcm_free(NULL);
	}
}

/* ---- Against mbedTLS's own ---- */

struct dice {
	uint64_t x;
};

static uint64_t roll(struct dice *d, uint64_t sides)
{
	d->x = d->x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (d->x >> 33) % sides;
}

static void roll_bytes(struct dice *d, uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)roll(d, 256);
}

/* Mostly short, at times a record or more. */
static size_t roll_length(struct dice *d)
{
	switch (roll(d, 4)) {
	case 0:
		return (size_t)roll(d, BIG_MAX);
	case 1:
		return 16383 + (size_t)roll(d, 4);
	default:
		return (size_t)roll(d, 1200);
	}
}

struct round {
	uint8_t key[32], iv[12], aad[100];
	uint8_t plain[BIG_MAX], cipher[BIG_MAX], out[BIG_MAX + 64];
	uint8_t tag[16], got[16];
	size_t key_len, aad_len, n;
};

static void check_round(struct round *r, struct dice *d, enum gcm_engine engine)
{
	mbedtls_gcm_context ctx;
	size_t ahead =
		roll(d, 2) == 0 ? 0 : 8 + (size_t)roll(d, 40); /* of the output, as mbedtls/gcm.h allows */

	set_key(&ctx, engine, r->key, r->key_len);
	memcpy(r->out + ahead, r->plain, r->n);
	run_message(&ctx, MBEDTLS_GCM_ENCRYPT, r->iv, 12, r->aad, r->aad_len, 1 + (size_t)roll(d, 70),
		r->out + ahead, r->out, r->n, 1 + (size_t)roll(d, r->n + 1), r->got);
	assert_memory_equal(r->out, r->cipher, r->n);
	assert_memory_equal(r->got, r->tag, 16);

	memmove(r->out + ahead, r->out, r->n);
	run_message(&ctx, MBEDTLS_GCM_DECRYPT, r->iv, 12, r->aad, r->aad_len, 1 + (size_t)roll(d, 70),
		r->out + ahead, r->out, r->n, 1 + (size_t)roll(d, r->n + 1), r->got);
	assert_memory_equal(r->out, r->plain, r->n);
	assert_memory_equal(r->got, r->tag, 16);
	mbedtls_gcm_free(&ctx);
}

static void gcm_random_messages_as_mbedtls_own(void **state)
{
	struct round *r = mem_alloc(sizeof *r);
	struct dice d = {.x = 1};

	(void)state;
	for (int i = 0; i < 300; i++) {
		mbedtls_gcm_context ctx;

		r->key_len = i % 2 == 0 ? 16 : 32;
		r->aad_len = (size_t)roll(&d, sizeof r->aad);
		r->n = roll_length(&d);
		roll_bytes(&d, r->key, sizeof r->key);
		roll_bytes(&d, r->iv, sizeof r->iv);
		roll_bytes(&d, r->aad, sizeof r->aad);
		roll_bytes(&d, r->plain, r->n);
		set_key(&ctx, GCM_ENGINE_MBEDTLS, r->key, r->key_len);
		assert_int_equal(mbedtls_gcm_crypt_and_tag(&ctx, MBEDTLS_GCM_ENCRYPT, r->n, r->iv, 12, r->aad,
					 r->aad_len, r->plain, r->cipher, 16, r->tag),
			0);
		mbedtls_gcm_free(&ctx);
		for (enum gcm_engine engine = GCM_ENGINE_SSE; engine <= gcm_engine_best(); engine++)
			check_round(r, &d, engine);
	}
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gcm_published_vectors_in_pieces_of_any_size_exact),
		cmocka_unit_test(gcm_auth_decrypt_of_changed_message_refused_and_wiped),
		cmocka_unit_test(gcm_wrong_arguments_bad_input),
		cmocka_unit_test(gcm_random_messages_as_mbedtls_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
