// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/buf.h"
#include "base/hex.h"
#include "net/net_fixture.h"
#include "net/stream_mem.h"
#include "net/wire.h"

#define KIB(n) (UINT64_C(1024) * (n))

/* ---- Frames ---- */

static const struct {
	struct wire_frame f;
	const char *hex;
} golden[] = {
	{{.type = WIRE_HELLO, .payload = 148},
		"0100000094000000000000000000000000000000000000000000000000000000"},
	{{.type = WIRE_DISK, .disk = 63, .payload = 16},
		"02003f0010000000000000000000000000000000000000000000000000000000"},
	{{.type = WIRE_READY, .id = 1}, "0300000000000000000000000000000000000000000000000100000000000000"},
	{{.type = WIRE_CHUNK,
		 .flags = 1,
		 .disk = 2,
		 .payload = 0x1234,
		 .offset = UINT64_C(0x1122334455660000),
		 .length = 0x40000,
		 .id = 7},
		"0401020034120000000066554433221100000400000000000700000000000000"},
	{{.type = WIRE_ZERO, .disk = 1, .offset = 0x80000, .length = UINT64_C(0x1000000000), .id = 7},
		"0500010000000000000008000000000000000000100000000700000000000000"},
	{{.type = WIRE_CHECKPOINT, .length = 0x321, .id = UINT64_C(0x0102030405060708)},
		"0600000000000000000000000000000021030000000000000807060504030201"},
	{{.type = WIRE_DURABLE, .id = 1}, "0700000000000000000000000000000000000000000000000100000000000000"},
	{{.type = WIRE_END}, "0800000000000000000000000000000000000000000000000000000000000000"},
	{{.type = WIRE_END_OK}, "0900000000000000000000000000000000000000000000000000000000000000"},
	{{.type = WIRE_PING}, "0a00000000000000000000000000000000000000000000000000000000000000"},
	{{.type = WIRE_ERROR, .payload = 504},
		"0b000000f8010000000000000000000000000000000000000000000000000000"},
	{{.type = WIRE_ACK, .id = 64}, "0c00000000000000000000000000000000000000000000004000000000000000"},
	{{.type = WIRE_BYE}, "0d00000000000000000000000000000000000000000000000000000000000000"},
};

static void assert_same_frame(const struct wire_frame *a, const struct wire_frame *b)
{
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->disk, b->disk);
	assert_int_equal(a->payload, b->payload);
	assert_int_equal(a->offset, b->offset);
	assert_int_equal(a->length, b->length);
	assert_int_equal(a->id, b->id);
}

static void wire_frame_golden_same_bytes_and_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof golden / sizeof golden[0]; i++) {
		uint8_t bytes[WIRE_HEADER_SIZE];
		char hex[2 * WIRE_HEADER_SIZE + 1];
		struct wire_frame f;
		struct err e = ERR_INIT;

		wire_frame_encode(&golden[i].f, bytes);
		assert_string_equal(hex_encode(bytes, sizeof bytes, hex), golden[i].hex);
		assert_done(wire_frame_decode(bytes, &f, &e), &e);
		assert_same_frame(&f, &golden[i].f);
	}
}

static void wire_frame_decode_malformed_refused(void **state)
{
	static const struct {
		struct wire_frame f;
		const char *says;
	} bad[] = {
		{{.type = 0}, "unknown type 0"},
		{{.type = 14}, "unknown type 14"},
		{{.type = 255}, "unknown type 255"},
		{{.type = WIRE_HELLO, .payload = 147}, "payload of 147"},
		{{.type = WIRE_HELLO, .payload = 149}, "payload of 149"},
		{{.type = WIRE_HELLO, .payload = 148, .flags = 1}, "flags 1"},
		{{.type = WIRE_HELLO, .payload = 148, .disk = 1}, "disk 1"},
		{{.type = WIRE_HELLO, .payload = 148, .offset = 1}, "offset 1"},
		{{.type = WIRE_HELLO, .payload = 148, .length = 1}, "length 1"},
		{{.type = WIRE_HELLO, .payload = 148, .id = 1}, "id 1"},
		{{.type = WIRE_DISK, .payload = 15}, "payload of 15"},
		{{.type = WIRE_DISK, .payload = 16, .disk = 64}, "disk 64"},
		{{.type = WIRE_DISK, .payload = 16, .offset = 1}, "offset 1"},
		{{.type = WIRE_READY, .id = 0}, "id 0"},
		{{.type = WIRE_READY, .payload = 1}, "payload of 1"},
		{{.type = WIRE_READY, .disk = 1}, "disk 1"},
		{{.type = WIRE_CHUNK, .payload = 32, .length = 65536}, "payload of 32"},
		{{.type = WIRE_CHUNK, .payload = WIRE_MAX_PAYLOAD + 1, .length = 65536},
			"payload of 4194337"},
		{{.type = WIRE_CHUNK, .payload = UINT32_MAX, .length = 65536}, "payload of 4294967295"},
		{{.type = WIRE_CHUNK, .payload = 99, .length = 65536, .flags = 2}, "flags 2"},
		{{.type = WIRE_CHUNK, .payload = 99, .length = 65536, .disk = 64}, "disk 64"},
		{{.type = WIRE_CHUNK, .payload = 99, .length = 0}, "length 0"},
		{{.type = WIRE_CHUNK, .payload = 99, .length = WIRE_MAX_CHUNK + 1}, "length 4194305"},
		{{.type = WIRE_CHUNK, .payload = 99, .length = 65536, .offset = UINT64_MAX - 1},
			"an end below 2^64"},
		{{.type = WIRE_CHUNK, .payload = 99, .length = 65536, .id = 0}, "id 0"},
		{{.type = WIRE_ZERO, .payload = 1, .length = 65536}, "payload of 1"},
		{{.type = WIRE_ZERO, .flags = 1, .length = 65536}, "flags 1"},
		{{.type = WIRE_ZERO, .length = 0}, "length 0"},
		{{.type = WIRE_ZERO, .length = UINT64_MAX, .offset = 1}, "an end below 2^64"},
		{{.type = WIRE_CHECKPOINT, .id = 0}, "id 0"},
		{{.type = WIRE_CHECKPOINT, .id = 1, .payload = 8}, "payload of 8"},
		{{.type = WIRE_CHECKPOINT, .id = 1, .disk = 1}, "disk 1"},
		{{.type = WIRE_CHECKPOINT, .id = 1, .length = 1, .offset = 1}, "offset 1"},
		{{.type = WIRE_ACK, .id = 0}, "id 0"},
		{{.type = WIRE_ACK, .id = 1, .length = 1}, "length 1"},
		{{.type = WIRE_BYE, .id = 1}, "id 1"},
		{{.type = WIRE_DURABLE, .id = 0}, "id 0"},
		{{.type = WIRE_END, .id = 1}, "id 1"},
		{{.type = WIRE_END_OK, .payload = 1}, "payload of 1"},
		{{.type = WIRE_PING, .payload = 1}, "payload of 1"},
		{{.type = WIRE_PING, .length = 1}, "length 1"},
		{{.type = WIRE_ERROR, .payload = 3}, "payload of 3"},
		{{.type = WIRE_ERROR, .payload = 505}, "payload of 505"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		uint8_t bytes[WIRE_HEADER_SIZE];
		struct wire_frame f;
		struct err e = ERR_INIT;

		wire_frame_encode(&bad[i].f, bytes);
		assert_int_equal(wire_frame_decode(bytes, &f, &e), -1);
		assert_kind(&e, ERR_PROTOCOL);
		assert_says(&e, bad[i].says);
	}
}

static void wire_sender_check_each_type_only_from_its_side(void **state)
{
	static const struct {
		uint8_t type;
		bool source, target;
	} rule[] = {
		{WIRE_HELLO, true, true},
		{WIRE_DISK, true, false},
		{WIRE_READY, false, true},
		{WIRE_CHUNK, true, false},
		{WIRE_ZERO, true, false},
		{WIRE_CHECKPOINT, true, false},
		{WIRE_DURABLE, false, true},
		{WIRE_END, true, false},
		{WIRE_END_OK, false, true},
		{WIRE_PING, true, true},
		{WIRE_ERROR, true, true},
		{WIRE_ACK, false, true},
		{WIRE_BYE, true, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rule / sizeof rule[0]; i++) {
		struct wire_frame f = {.type = rule[i].type};
		struct err e = ERR_INIT;

		assert_int_equal(wire_sender_check(&f, WIRE_SOURCE, &e), rule[i].source ? 0 : -1);
		assert_int_equal(wire_sender_check(&f, WIRE_TARGET, &e), rule[i].target ? 0 : -1);
	}
}

/* ---- HELLO ---- */

static const struct wire_hello hello = {
	.version_min = 1,
	.version_max = 2,
	.role = WIRE_SOURCE,
	.epoch = 7,
	.job = "web1",
	.run = "r-42",
	.key_id = {0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae,
		0xaf},
	.session = UINT64_C(0x1122334455667788),
	.channel = 3,
	.channels = 4,
};

static void wire_hello_golden_same_bytes_and_back(void **state)
{
	uint8_t bytes[WIRE_HELLO_SIZE], expected[WIRE_HELLO_SIZE] = {0};
	struct wire_hello h;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(hex_decode("01000200010000000700000000000000", expected, 16), 0);
	memcpy(expected + 16, "web1", 4);
	memcpy(expected + 80, "r-42", 4);
	assert_int_equal(hex_decode("887766554433221103000400", expected + 136, 12), 0);
	assert_int_equal(hex_decode("a0a1a2a3a4a5a6a7a8a9aaabacadaeaf", expected + 120, 16), 0);
	wire_hello_encode(&hello, bytes);
	assert_memory_equal(bytes, expected, sizeof bytes);
	assert_done(wire_hello_decode(bytes, sizeof bytes, &h, &e), &e);
	assert_memory_equal(&h, &hello, sizeof h);
}

static void wire_hello_decode_malformed_refused(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		const char *says;
	} bad[] = {
		{0, 0, "versions 0 to 2"},
		{0, 3, "versions 3 to 2"},
		{4, 0, "role 0"},
		{4, 3, "role 3"},
		{7, 1, "role 16777217"},
		{16, 0, "job is not text"},
		{17, 0, "job is not text"},
		{18, '\n', "job is not text"},
		{18, 0x80, "job is not text"},
		{18, ' ', "job is not text"},
		{79, 'x', "job is not text"},
		{81, 0x7f, "run is not text"},
		{119, 'x', "run is not text"},
		{144, 4, "channel 4 of 4"},
		{145, 0xff, "channel 65283 of 4"},
		{146, 0, "0 channels"},
		{146, 9, "9 channels"},
	};
	uint8_t good[WIRE_HELLO_SIZE], bytes[WIRE_HELLO_SIZE];
	struct wire_hello h;
	struct err e = ERR_INIT;

	(void)state;
	wire_hello_encode(&hello, good);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		memcpy(bytes, good, sizeof bytes);
		bytes[bad[i].at] = bad[i].value;
		assert_int_equal(wire_hello_decode(bytes, sizeof bytes, &h, &e), -1);
		assert_kind(&e, ERR_PROTOCOL);
		assert_says(&e, bad[i].says);
	}
	assert_int_equal(wire_hello_decode(good, sizeof good - 1, &h, &e), -1);
	memcpy(bytes, good, sizeof bytes);
	memset(bytes + 16, 0, 64);
	assert_int_equal(wire_hello_decode(bytes, sizeof bytes, &h, &e), -1);
	assert_says(&e, "job has 0 characters");
	memset(bytes + 16, 'j', 64);
	assert_int_equal(wire_hello_decode(bytes, sizeof bytes, &h, &e), -1);
	assert_says(&e, "job has 64 characters");
}

static void wire_hello_match_versions_highest_common_or_refused(void **state)
{
	static const struct {
		uint16_t a_min, a_max, b_min, b_max, version; /* 0: none */
	} cases[] = {
		{1, 1, 1, 1, 1},
		{1, 3, 2, 5, 3},
		{2, 5, 1, 3, 3},
		{1, 9, 4, 4, 4},
		{1, 1, 2, 3, 0},
		{2, 3, 1, 1, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct wire_hello a = hello, b = hello;
		uint16_t version = 0, channel;
		struct err e = ERR_INIT;

		a.version_min = cases[i].a_min;
		a.version_max = cases[i].a_max;
		b.version_min = cases[i].b_min;
		b.version_max = cases[i].b_max;
		b.role = WIRE_TARGET;
		b.channel = WIRE_ANY_CHANNEL;
		assert_int_equal(wire_hello_match(&a, &b, &version, &channel, &e), cases[i].version != 0 ? 0 : -1);
		assert_int_equal(version, cases[i].version);
	}
}

static void wire_hello_match_names_the_channel_of_the_dialer(void **state)
{
	struct wire_hello dialer = hello, listener = hello;
	uint16_t version, channel = 0;
	struct err e = ERR_INIT;

	(void)state;
	listener.role = WIRE_TARGET;
	listener.channel = WIRE_ANY_CHANNEL;
	assert_done(wire_hello_match(&dialer, &listener, &version, &channel, &e), &e);
	assert_int_equal(channel, 3);
	channel = 0;
	assert_done(wire_hello_match(&listener, &dialer, &version, &channel, &e), &e);
	assert_int_equal(channel, 3);
	dialer.channel = WIRE_ANY_CHANNEL;
	assert_int_equal(wire_hello_match(&listener, &dialer, &version, &channel, &e), -1);
	assert_says(&e, "neither side names");
}

static void wire_hello_match_differences_refused(void **state)
{
	struct wire_hello other[8];
	const char *says[8] = {"so is this side", "job 'web2'", "run 'r-43'", "epoch 8", "another key",
		"another session", "use 5 connections, this side 4", "each side names"};
	enum err_kind kind[8] = {ERR_PROTOCOL, ERR_REFUSED, ERR_REFUSED, ERR_REFUSED, ERR_REFUSED, ERR_REFUSED,
		ERR_REFUSED, ERR_PROTOCOL};

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		other[i] = hello;
		other[i].role = WIRE_TARGET;
		other[i].channel = WIRE_ANY_CHANNEL;
	}
	other[0].role = WIRE_SOURCE;
	strcpy(other[1].job, "web2");
	strcpy(other[2].run, "r-43");
	other[3].epoch = 8;
	other[4].key_id[15] ^= 1;
	other[5].session++;
	other[6].channels = 5;
	other[7].channel = 3;
	for (size_t i = 0; i < 8; i++) {
		uint16_t version, channel;
		struct err e = ERR_INIT;

		assert_int_equal(wire_hello_match(&hello, &other[i], &version, &channel, &e), -1);
		assert_kind(&e, kind[i]);
		assert_says(&e, says[i]);
	}
}

/* ---- DISK and data ---- */

static void wire_disk_golden_same_bytes_and_back(void **state)
{
	const struct wire_disk disk = {.size = UINT64_C(0x0102030405060000),
				       .chunk_size = 0x40000,
				       .sector_size = 512},
			       *d = &disk;
	uint8_t bytes[WIRE_DISK_SIZE];
	char hex[2 * WIRE_DISK_SIZE + 1];
	struct wire_disk back;
	struct err e = ERR_INIT;

	(void)state;
	wire_disk_encode(d, bytes);
	assert_string_equal(hex_encode(bytes, sizeof bytes, hex), "00000605040302010000040000020000");
	assert_done(wire_disk_decode(bytes, sizeof bytes, &back, &e), &e);
	assert_memory_equal(&back, d, sizeof back);
}

static void wire_disk_decode_malformed_refused(void **state)
{
	static const struct {
		struct wire_disk d;
		const char *says;
	} bad[] = {
		{{0, 65536, 512}, "DISK of 0 bytes"},
		{{513, 65536, 512}, "DISK of 513 bytes"},
		{{512, 65536, 4096}, "DISK of 512 bytes"},
		{{UINT64_MAX - 511, 65536, 512}, "whole number"},
		{{512, 32768, 512}, "chunks of 32768"},
		{{512, 65537, 512}, "chunks of 65537"},
		{{512, 3 * 65536, 512}, "chunks of 196608"},
		{{512, 8388608, 512}, "chunks of 8388608"},
		{{512, 0, 512}, "chunks of 0"},
		{{4096, 65536, 0}, "sectors of 0"},
		{{4096, 65536, 1024}, "sectors of 1024"},
	};
	uint8_t bytes[WIRE_DISK_SIZE];
	struct wire_disk d;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		wire_disk_encode(&bad[i].d, bytes);
		assert_int_equal(wire_disk_decode(bytes, sizeof bytes, &d, &e), -1);
		assert_kind(&e, ERR_PROTOCOL);
		assert_says(&e, bad[i].says);
	}
	assert_int_equal(wire_disk_decode(bytes, sizeof bytes - 1, &d, &e), -1);
}

static void wire_data_check_grid_bounds_and_payload(void **state)
{
	/* 2 whole chunks of 64 KiB and a tail of 512 bytes. */
	static const struct wire_disk d = {.size = 131072 + 512, .chunk_size = 65536, .sector_size = 512};
	static const struct {
		const char *says; /* NULL: right */
		struct wire_frame f;
	} cases[] = {
		{NULL, {.type = WIRE_CHUNK, .offset = 0, .length = KIB(64), .payload = 65568}},
		{NULL, {.type = WIRE_CHUNK, .offset = KIB(64), .length = KIB(64), .payload = 65568}},
		{NULL, {.type = WIRE_CHUNK, .offset = KIB(128), .length = 512, .payload = 544}},
		{NULL, {.type = WIRE_CHUNK, .flags = 1, .offset = 0, .length = KIB(64), .payload = 33}},
		{NULL, {.type = WIRE_CHUNK, .flags = 1, .offset = 0, .length = KIB(64), .payload = 65568}},
		{NULL, {.type = WIRE_ZERO, .offset = 0, .length = KIB(64)}},
		{NULL, {.type = WIRE_ZERO, .offset = 0, .length = KIB(128)}},
		{NULL, {.type = WIRE_ZERO, .offset = KIB(64), .length = KIB(64) + 512}},
		{NULL, {.type = WIRE_ZERO, .offset = KIB(128), .length = 512}},
		{"ends at", {.type = WIRE_CHUNK, .offset = KIB(192), .length = KIB(64), .payload = 65568}},
		{"ends at", {.type = WIRE_CHUNK, .offset = KIB(128), .length = KIB(64), .payload = 65568}},
		{"ends at", {.type = WIRE_CHUNK, .offset = KIB(128), .length = 1024, .payload = 1056}},
		{"ends at", {.type = WIRE_ZERO, .offset = KIB(64), .length = KIB(128)}},
		{"ends at", {.type = WIRE_ZERO, .offset = 131584, .length = 1}},
		{"ends at", {.type = WIRE_ZERO, .offset = KIB(64), .length = UINT64_MAX - 1}},
		{"grid", {.type = WIRE_CHUNK, .offset = 512, .length = KIB(64), .payload = 65568}},
		{"grid", {.type = WIRE_CHUNK, .offset = 0, .length = 512, .payload = 544}},
		{"grid", {.type = WIRE_CHUNK, .offset = KIB(128), .length = 511, .payload = 543}},
		{"grid", {.type = WIRE_ZERO, .offset = 0, .length = KIB(64) + 512}},
		{"grid", {.type = WIRE_ZERO, .offset = 131072 + 256, .length = 256}},
		{"chunks have", {.type = WIRE_CHUNK, .offset = 0, .length = KIB(128), .payload = 131104}},
		{"payload of 65567", {.type = WIRE_CHUNK, .offset = 0, .length = KIB(64), .payload = 65567}},
		{"payload of 65569", {.type = WIRE_CHUNK, .offset = 0, .length = KIB(64), .payload = 65569}},
		{"at most",
			{.type = WIRE_CHUNK, .flags = 1, .offset = 0, .length = KIB(64), .payload = 65569}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct err e = ERR_INIT;
		int rc = wire_data_check(&cases[i].f, &d, &e);

		if (cases[i].says == NULL) {
			assert_done(rc, &e);
			continue;
		}
		assert_int_equal(rc, -1);
		assert_kind(&e, ERR_PROTOCOL);
		assert_says(&e, cases[i].says);
	}
}

/* ---- Over a stream ---- */

static void wire_send_then_recv_same_frame_and_payload(void **state)
{
	struct stream *s[2];
	struct err e = ERR_INIT;
	struct wire_frame f = {.type = WIRE_CHUNK, .disk = 3, .payload = 35, .length = 3, .id = 1}, got,
			  zero = {.type = WIRE_PING};
	char payload[35] = "hash of three bytes, then they: abc", back[35];

	(void)state;
	stream_mem_pair(4096, s);
	assert_done(wire_send(s[0], &f, payload, &e), &e);
	assert_done(wire_send(s[0], &zero, NULL, &e), &e);
	assert_done(wire_recv(s[1], &got, &e), &e);
	assert_same_frame(&got, &f);
	assert_done(stream_read_full(s[1], back, sizeof back, &e), &e);
	assert_memory_equal(back, payload, sizeof back);
	assert_done(wire_recv(s[1], &got, &e), &e);
	assert_int_equal(got.type, WIRE_PING);
	stream_close(s[0]);
	assert_int_equal(wire_recv(s[1], &got, &e), -1);
	assert_kind(&e, ERR_NETWORK);
	stream_close(s[1]);
}

static void wire_send_gathers_only_data(void **state)
{
	struct stream *s[2], *lower[2];
	struct err e = ERR_INIT;
	struct wire_frame zero = {.type = WIRE_ZERO, .length = 65536, .id = 1}, ping = {.type = WIRE_PING};

	(void)state;
	fx_tls_pair(1 << 16, s, lower);
	uint64_t before = lower[0]->bytes_out;
	assert_done(wire_send(s[0], &zero, NULL, &e), &e);
	assert_int_equal(lower[0]->bytes_out, before);
	assert_done(wire_send(s[0], &ping, NULL, &e), &e);
	assert_true(lower[0]->bytes_out >= before + 2 * WIRE_HEADER_SIZE);
	stream_close(s[0]);
	stream_close(s[1]);
}

static void recv_error_of(struct stream *s[2], const struct err *why, struct err *e)
{
	struct wire_frame f;

	assert_done(wire_send_error(s[0], why, e), e);
	assert_done(wire_recv(s[1], &f, e), e);
	assert_int_equal(f.type, WIRE_ERROR);
	assert_int_equal(wire_recv_error(s[1], &f, e), -1);
}

static void wire_send_error_arrives_with_kind_and_sentence(void **state)
{
	struct stream *s[2];
	struct err e = ERR_INIT, why = ERR_INIT;

	(void)state;
	stream_mem_pair(4096, s);
	err_set(&why, ERR_NO_SPACE, 0, "disk 2 is full");
	recv_error_of(s, &why, &e);
	assert_kind(&e, ERR_NO_SPACE);
	assert_string_equal(e.msg, "the peer says: disk 2 is full");

	memset(why.msg, 'x', sizeof why.msg - 1);
	recv_error_of(s, &why, &e);
	assert_kind(&e, ERR_NO_SPACE);

	strcpy(why.msg, "an \x1b[2J escape");
	why.kind = (enum err_kind)99;
	recv_error_of(s, &why, &e);
	assert_kind(&e, ERR_PROTOCOL);
	assert_string_equal(e.msg, "the peer says: an ?[2J escape");
	stream_close(s[0]);
	stream_close(s[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wire_frame_golden_same_bytes_and_back),
		cmocka_unit_test(wire_frame_decode_malformed_refused),
		cmocka_unit_test(wire_sender_check_each_type_only_from_its_side),
		cmocka_unit_test(wire_hello_golden_same_bytes_and_back),
		cmocka_unit_test(wire_hello_decode_malformed_refused),
		cmocka_unit_test(wire_hello_match_versions_highest_common_or_refused),
		cmocka_unit_test(wire_hello_match_names_the_channel_of_the_dialer),
		cmocka_unit_test(wire_hello_match_differences_refused),
		cmocka_unit_test(wire_disk_golden_same_bytes_and_back),
		cmocka_unit_test(wire_disk_decode_malformed_refused),
		cmocka_unit_test(wire_data_check_grid_bounds_and_payload),
		cmocka_unit_test(wire_send_then_recv_same_frame_and_payload),
		cmocka_unit_test(wire_send_gathers_only_data),
		cmocka_unit_test(wire_send_error_arrives_with_kind_and_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
