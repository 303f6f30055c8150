// SPDX-License-Identifier: Apache-2.0
/*
 * The target side of wherry/1 against a source that breaks its rules. An input is a list of orders (enum order) that
 * are made into frames, because nobody guesses a keyed hash. Whatever happens, no byte may be on the target that was
 * not sent for its place with the right hash. RUNS: 250
 */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/mem.h"
#include "block/block_mem.h"
#include "copy/copy.h"

#define CHUNK  (UINT32_C(64) << 10)
#define CHUNKS 4
#define DISKS  2
#define SIZE   (3 * (uint64_t)CHUNK + 4096)
#define OLD    0xee /* what the target held before */
#define BYTES  16   /* chunks are of one byte each, 1 to 15; 0 is a chunk of zeros */

enum order { RAW, PACKED, ZERO, CHECKPOINT, END, PING, ERROR, BYE, VERBATIM, ORDERS };

enum {
	WRONG_HASH = 1, WRONG_LENGTH = 2, WRONG_OFFSET = 4, SHORT_PAYLOAD = 8, GARBAGE = 16
};

struct script {
	struct fuzz_input in;
	struct stream *to;
	struct manifest_keys keys;
	uint64_t next_id, came; /* checkpoints, and frames of data since the last */
	struct buf says;
	size_t waits_at;                    /* bytes of it before the answer to END is waited for; 0: it is not */
	bool verbatim;                      /* anything may have been sent */
	bool sent[DISKS][CHUNKS][BYTES];
};

static uint64_t length_of(unsigned chunk)
{
	return chunk + 1 < CHUNKS ? CHUNK : SIZE - (CHUNKS - 1) * (uint64_t)CHUNK;
}

static void send_frame(struct script *s, const struct wire_frame *f, const void *payload)
{
	struct err never = ERR_INIT; /* this stream takes everything */

	wire_send(s->to, f, payload, &never);
}

static void send_chunk(struct script *s, bool packed)
{
	uint8_t where = fuzz_byte(&s->in), how = fuzz_byte(&s->in), byte = fuzz_byte(&s->in) % (BYTES - 1) + 1;
	unsigned disk = where / CHUNKS % (DISKS + 1), chunk = where % CHUNKS;
	uint32_t plain = (uint32_t)length_of(chunk) - ((how & WRONG_LENGTH) != 0 ? 512 : 0), n = plain;
	uint8_t *bytes = mem_alloc(plain), *payload = mem_alloc(WIRE_HASH_SIZE + ZSTD_compressBound(plain));
	size_t got = 0;

	memset(bytes, byte, plain);
	manifest_hash(&s->keys, bytes, plain, payload);
	if ((how & WRONG_HASH) != 0)
		payload[0] ^= 1;
	if (!packed)
		memcpy(payload + WIRE_HASH_SIZE, bytes, plain);
	else if ((how & GARBAGE) == 0)
		n = (uint32_t)ZSTD_compress(payload + WIRE_HASH_SIZE, ZSTD_compressBound(plain), bytes, plain, 1);
	else
		memcpy(payload + WIRE_HASH_SIZE, fuzz_take(&s->in, 256, &got), got), n = (uint32_t)got;
	n -= (how & SHORT_PAYLOAD) != 0 && n > 0;
	const struct wire_frame f = {
		.type = WIRE_CHUNK,
		.flags = packed ? WIRE_ZSTD : WIRE_RAW,
		.disk = (uint16_t)disk,
		.payload = WIRE_HASH_SIZE + n,
		.offset = chunk * (uint64_t)CHUNK + ((how & WRONG_OFFSET) != 0 ? 512 : 0),
		.length = plain,
		.id = s->next_id + 1,
	};
	s->came++;
	/* With the right hash for its place, it is right whatever way it was packed. */
	if (disk < DISKS && (how & (WRONG_HASH | WRONG_LENGTH | WRONG_OFFSET)) == 0)
		s->sent[disk][chunk][byte] = true;
	send_frame(s, &f, payload);
	free(bytes);
	free(payload);
}

static void send_zero(struct script *s)
{
	uint8_t where = fuzz_byte(&s->in), count = fuzz_byte(&s->in);
	unsigned disk = where / CHUNKS % (DISKS + 1), chunk = where % CHUNKS;
	uint64_t offset = chunk * (uint64_t)CHUNK, length = count * (uint64_t)CHUNK;

	if (count % 2 == 0) /* to the disk's end */
		length = SIZE - offset;
	for (unsigned c = chunk; disk < DISKS && c < CHUNKS && c * (uint64_t)CHUNK < offset + length; c++)
		s->sent[disk][c][0] = true;
	const struct wire_frame f = {
		.type = WIRE_ZERO, .disk = (uint16_t)disk, .offset = offset, .length = length, .id = s->next_id + 1};
	s->came++;
	send_frame(s, &f, NULL);
}

static void send_verbatim(struct script *s)
{
	size_t got;
	const uint8_t *p = fuzz_take(&s->in, fuzz_byte(&s->in), &got);
	struct err never = ERR_INIT;

	s->verbatim = true;
	stream_write(s->to, p, got, &never);
}

static void send_order(struct script *s)
{
	const struct err why = {.kind = ERR_IO, .msg = "the source's disk failed"};
	struct err never = ERR_INIT;
	uint8_t skip;

	switch (fuzz_byte(&s->in) % ORDERS) {
	case RAW: send_chunk(s, false); break;
	case PACKED: send_chunk(s, true); break;
	case ZERO: send_zero(s); break;
	case CHECKPOINT:
		skip = fuzz_byte(&s->in);
		s->next_id += skip < 200 ? 1 : skip;
		s->came += skip % 32 == 31; /* a lie */
		send_frame(s, &(struct wire_frame){.type = WIRE_CHECKPOINT, .id = s->next_id, .length = s->came}, NULL);
		s->came = 0;
		break;
	case END:
		send_frame(s, &(struct wire_frame){.type = WIRE_END}, NULL);
		if (s->waits_at == 0 && fuzz_byte(&s->in) == 0)
			s->waits_at = s->says.len;
		break;
	case PING: send_frame(s, &(struct wire_frame){.type = WIRE_PING}, NULL); break;
	case BYE: send_frame(s, &(struct wire_frame){.type = WIRE_BYE}, NULL); break;
	case ERROR: wire_send_error(s->to, &why, &never); break;
	default: send_verbatim(s); break;
	}
}

static struct wire_hello hello_of(const struct script *s, enum wire_role role)
{
	struct wire_hello h = {
		.version_min = WIRE_VERSION, .version_max = WIRE_VERSION, .role = role, .epoch = 7, .job = "web1",
		.run = "run-1", .channel = 0, .channels = 1};

	memcpy(h.key_id, s->keys.id, sizeof h.key_id);
	return h;
}

static void send_greeting(struct script *s)
{
	const struct wire_disk disk = {.size = SIZE, .chunk_size = CHUNK, .sector_size = 512};
	struct wire_hello h = hello_of(s, WIRE_SOURCE);
	uint8_t payload[WIRE_HELLO_SIZE];

	wire_hello_encode(&h, payload);
	send_frame(s, &(struct wire_frame){.type = WIRE_HELLO, .payload = WIRE_HELLO_SIZE}, payload);
	wire_disk_encode(&disk, payload);
	for (uint16_t i = 0; i < DISKS; i++)
		send_frame(s, &(struct wire_frame){.type = WIRE_DISK, .disk = i, .payload = WIRE_DISK_SIZE}, payload);
}

static int import(const struct script *s, struct mem_disk *const target[DISKS], struct err *e)
{
	struct copy_progress progress[DISKS];
	struct copy_disk disks[DISKS];
	struct stream *peer = fuzz_stream(s->says.data, s->says.len, 1 << 16, NULL);
	const struct copy_config c = {
		.keys = &s->keys,
		.chunk_size = CHUNK,
		.checkpoint_bytes = COPY_DEFAULT_CHECKPOINT_BYTES,
		.checkpoint_ns = COPY_DEFAULT_CHECKPOINT_NS,
		.pool_bytes = 2 << 20,
		.read_back = true,
		.disks = disks,
		.disk_count = DISKS,
		.threads = 1,
		.hello = hello_of(s, WIRE_TARGET),
	};

	memset(progress, 0, sizeof progress);
	for (unsigned i = 0; i < DISKS; i++)
		disks[i] = (struct copy_disk){
			.block = block_mem_open(target[i], BLOCK_RW, 4), .size = SIZE, .progress = &progress[i]};
	if (s->waits_at > 0)
		fuzz_stream_hold(peer, s->says.len - s->waits_at);
	const struct copy_link link = {.channels = 1, .first = peer};
	int rc = copy_import(&c, &link, e);
	for (unsigned i = 0; i < DISKS; i++)
		block_close(disks[i].block);
	return rc;
}

static void check_chunk(const struct script *s, unsigned disk, unsigned chunk, const uint8_t *p)
{
	uint64_t n = length_of(chunk);

	fuzz_check(memcmp(p, p + 1, n - 1) == 0);
	fuzz_check(p[0] == OLD || (p[0] < BYTES && s->sent[disk][chunk][p[0]]) || (s->verbatim && p[0] == 0));
}

static struct mem_disk *make_target(void)
{
	struct mem_disk *d = mem_disk_new("target", SIZE, 512, false);
	uint8_t *old = mem_alloc(SIZE);

	memset(old, OLD, SIZE);
	mem_disk_put(d, 0, old, SIZE);
	free(old);
	return d;
}

/* What the import made of an input. */
static int run(const uint8_t *data, size_t size)
{
	static const uint8_t secret[32] = {7};
	struct script s = {.in = {.at = data, .left = size < 512 ? size : 512}};
	struct mem_disk *target[DISKS];
	struct err e = ERR_INIT;

	manifest_keys_derive(secret, &s.keys);
	s.to = fuzz_stream(NULL, 0, 1, &s.says);
	if (fuzz_byte(&s.in) != 0)
		send_greeting(&s);
	while (s.in.left > 0)
		send_order(&s);
	stream_close(s.to);
	for (unsigned i = 0; i < DISKS; i++)
		target[i] = make_target();
	int rc = import(&s, target, &e);
	if (rc < 0)
		fuzz_check(e.kind != ERR_NONE && e.kind != ERR_INTERNAL && e.kind != ERR_TIMEOUT && e.msg[0] != '\0');
	for (unsigned i = 0; i < DISKS; i++) {
		for (unsigned c = 0; c < CHUNKS; c++)
			check_chunk(&s, i, c, mem_disk_bytes(target[i]) + c * (size_t)CHUNK);
		mem_disk_free(target[i]);
	}
	buf_fini(&s.says);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	run(data, size);
	return 0;
}

void fuzz_seeds(struct fuzz_corpus *to)
{
	static const uint8_t good[] = {1, RAW, 0, 0, 1, PACKED, 1, 0, 2, ZERO, 2, 0, CHECKPOINT, 0, PING, RAW, 4, 0, 3,
				       CHECKPOINT, 0, END, 0, BYE};
	static const uint8_t bad[] = {1, RAW, 0, WRONG_HASH, 1};
	static const uint8_t garbage[] = {1, PACKED, 0, GARBAGE, 1, 0x28, 0xb5, 0x2f};
	static const uint8_t twice[] = {1, RAW, 3, 0, 1, RAW, 3, 0, 2, CHECKPOINT, 0, END, 0, BYE};
	static const uint8_t hasty[] = {1, RAW, 0, 0, 1, CHECKPOINT, 0, END, 1, RAW, 1, 0, 2, BYE};
	static const uint8_t rude[] = {0, VERBATIM, 3, 1, 0, 0}, sorry[] = {1, ZERO, 0, 0, ERROR};

	fuzz_check(run(good, sizeof good) == 0); /* else nothing here gets as far as a write */
	fuzz_seed(to, good, sizeof good);
	fuzz_seed(to, bad, sizeof bad);
	fuzz_seed(to, garbage, sizeof garbage);
	fuzz_seed(to, twice, sizeof twice);
	fuzz_seed(to, hasty, sizeof hasty);
	fuzz_seed(to, rude, sizeof rude);
	fuzz_seed(to, sorry, sizeof sorry);
}
