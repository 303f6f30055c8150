// SPDX-License-Identifier: Apache-2.0
/* Frames, HELLO and DISK of a hostile peer. The first byte chooses which. RUNS: 20000 */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/wire.h"

static const struct wire_disk disk = {.size = 3 * 65536 + 512, .chunk_size = 65536, .sector_size = 512};

static struct wire_hello hello_of(enum wire_role role)
{
	return (struct wire_hello){
		.version_min = WIRE_VERSION, .version_max = WIRE_VERSION, .role = role, .epoch = 7, .job = "web1",
		.run = "run-1", .channel = role == WIRE_SOURCE ? 1 : WIRE_ANY_CHANNEL, .channels = 3};
}

static void one_frame(struct stream *s, const struct wire_frame *f, struct err *e)
{
	uint8_t header[WIRE_HEADER_SIZE];
	struct wire_frame again;

	fuzz_check(f->payload <= WIRE_MAX_PAYLOAD);
	wire_frame_encode(f, header);
	fuzz_check(wire_frame_decode(header, &again, e) == 0 && memcmp(&again, f, sizeof again) == 0);
	wire_sender_check(f, WIRE_SOURCE, e);
	if ((f->type == WIRE_CHUNK || f->type == WIRE_ZERO) && wire_data_check(f, &disk, e) == 0)
		fuzz_check(f->offset < disk.size && f->length <= disk.size - f->offset &&
			   f->payload <= WIRE_HASH_SIZE + disk.chunk_size);
	if (f->type == WIRE_ERROR) {
		fuzz_check(wire_recv_error(s, f, e) == -1 && e->kind != ERR_NONE);
		for (const char *c = e->msg; *c != '\0'; c++)
			fuzz_check((unsigned char)*c >= 0x20 && *c != 0x7f);
	}
}

static void frames(const uint8_t *data, size_t size, size_t piece)
{
	struct stream *s = fuzz_stream(data, size, piece, NULL);
	struct wire_frame f;
	struct err e = ERR_INIT;

	while (wire_recv(s, &f, &e) == 0) {
		one_frame(s, &f, &e);
		if (f.type == WIRE_ERROR)
			break;
		uint8_t *payload = mem_alloc(f.payload + 1);
		int rc = stream_read_full(s, payload, f.payload, &e);

		free(payload);
		if (rc < 0)
			break;
	}
	stream_close(s);
}

static void hello(const uint8_t *data, size_t size)
{
	struct wire_hello theirs, mine = hello_of(WIRE_TARGET);
	uint8_t again[WIRE_HELLO_SIZE];
	struct err e = ERR_INIT;
	uint16_t version = 0, channel = 0;

	if (wire_hello_decode(data, size, &theirs, &e) < 0)
		return;
	wire_hello_encode(&theirs, again);
	fuzz_check(memcmp(again, data, size) == 0);
	if (wire_hello_match(&mine, &theirs, &version, &channel, &e) == 0)
		fuzz_check(version == WIRE_VERSION && channel < mine.channels && theirs.role == WIRE_SOURCE && strcmp(theirs.job, mine.job) == 0);
}

static void one_disk(const uint8_t *data, size_t size)
{
	struct wire_disk d;
	uint8_t again[WIRE_DISK_SIZE];
	struct err e = ERR_INIT;

	if (wire_disk_decode(data, size, &d, &e) < 0)
		return;
	wire_disk_encode(&d, again);
	fuzz_check(memcmp(again, data, size) == 0 && d.size % d.sector_size == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	switch (data[0]) {
	case 0: hello(data + 1, size - 1); break;
	case 1: one_disk(data + 1, size - 1); break;
	default: frames(data + 1, size - 1, data[0]); break;
	}
	return 0;
}

void fuzz_seeds(struct fuzz_corpus *to)
{
	static const struct wire_frame fs[] = {
		{.type = WIRE_READY, .id = 1},
		{.type = WIRE_CHUNK, .payload = 40, .length = 65536, .flags = WIRE_ZSTD, .id = 1},
		{.type = WIRE_ZERO, .offset = 65536, .length = 65536, .id = 1},
		{.type = WIRE_CHECKPOINT, .id = 1, .length = 2}, {.type = WIRE_ACK, .id = 3},
		{.type = WIRE_DURABLE, .id = 1}, {.type = WIRE_END}, {.type = WIRE_PING}, {.type = WIRE_BYE},
	};
	static const uint8_t payload[40];
	const struct err why = {.kind = ERR_IO, .msg = "disk 0 cannot be read"};
	struct wire_hello h = hello_of(WIRE_SOURCE);
	struct buf heard = BUF_INIT;
	uint8_t bytes[WIRE_HELLO_SIZE];
	struct err e = ERR_INIT;

	wire_hello_encode(&h, bytes);
	fuzz_seed_choice(to, 0, bytes, WIRE_HELLO_SIZE);
	wire_disk_encode(&disk, bytes);
	fuzz_seed_choice(to, 1, bytes, WIRE_DISK_SIZE);
	struct stream *s = fuzz_stream("", 0, 1, &heard);
	for (size_t i = 0; i < sizeof fs / sizeof fs[0]; i++)
		wire_send(s, &fs[i], payload, &e);
	wire_send_error(s, &why, &e);
	stream_close(s);
	fuzz_seed_choice(to, 255, heard.data, heard.len);
	buf_fini(&heard);
}
