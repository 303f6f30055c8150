// SPDX-License-Identifier: Apache-2.0
/* Peers that break wherry/1 in every way its header names: an error, and nothing of it written. */
#include "copy/copy_fixture.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/wire.h"

#define SIZE (3 * (uint64_t)FX_CHUNK + 4096)

/* ---- A rogue source ---- */

struct rogue {
	struct fx *f;
	struct stream *s;
	struct err heard; /* the ERROR the victim sent */
	struct err e;
};

static void send_frame(struct rogue *r, struct wire_frame f, const void *payload)
{
	wire_send(r->s, &f, payload, &r->e); /* fails once the victim has hung up */
}

static void send_disk(struct rogue *r, uint16_t index, uint64_t size, uint32_t chunk, uint32_t sector)
{
	struct wire_disk d = {.size = size, .chunk_size = chunk, .sector_size = sector};
	uint8_t payload[WIRE_DISK_SIZE];

	wire_disk_encode(&d, payload);
	send_frame(r, (struct wire_frame){.type = WIRE_DISK, .disk = index, .payload = sizeof payload}, payload);
}

static void send_hello(struct rogue *r, const struct wire_hello *h)
{
	uint8_t payload[WIRE_HELLO_SIZE];

	wire_hello_encode(h, payload);
	send_frame(r, (struct wire_frame){.type = WIRE_HELLO, .payload = sizeof payload}, payload);
}

static void expect(struct rogue *r, enum wire_type type)
{
	struct wire_frame f;
	uint8_t payload[WIRE_HELLO_SIZE];

	assert_int_equal(wire_recv(r->s, &f, &r->e), 0);
	assert_int_equal(f.type, type);
	assert_int_equal(stream_read_full(r->s, payload, f.payload, &r->e), 0);
}

static void greet(struct rogue *r)
{
	struct wire_hello h = fx_hello(r->f, WIRE_SOURCE);

	send_hello(r, &h);
	expect(r, WIRE_HELLO);
	send_disk(r, 0, SIZE, FX_CHUNK, 512);
	expect(r, WIRE_READY);
}

/* A chunk of bytes 'x' that claims to be anything. */
struct claim {
	uint16_t disk;
	uint64_t offset, length;
	uint32_t bytes;      /* really sent */
	uint32_t plain;      /* hashed, and packed when flags say so */
	uint8_t flags;
	bool wrong_hash;
	bool trailing;       /* a second zstd frame behind the first */
};

static void send_chunk(struct rogue *r, struct claim c)
{
	uint8_t *plain = mem_alloc(c.plain + 1), *payload = mem_alloc(WIRE_HASH_SIZE + c.plain + c.bytes + 65536);
	uint32_t n = c.bytes;

	memset(plain, 'x', c.plain);
	manifest_hash(&r->f->keys, plain, c.plain, payload);
	if (c.wrong_hash)
		payload[0] ^= 1;
	if (c.flags == WIRE_ZSTD && c.bytes == 0)
		n = (uint32_t)ZSTD_compress(payload + WIRE_HASH_SIZE, c.plain + 65536, plain, c.plain, 1);
	else
		memset(payload + WIRE_HASH_SIZE, 'x', c.bytes);
	if (c.trailing)
		n += (uint32_t)ZSTD_compress(payload + WIRE_HASH_SIZE + n, 65536, "", 0, 1);
	send_frame(r, (struct wire_frame){
		.type = WIRE_CHUNK, .flags = c.flags, .disk = c.disk, .payload = WIRE_HASH_SIZE + n,
		.offset = c.offset, .length = c.length,
	}, payload);
	free(plain);
	free(payload);
}

#define GOOD {.length = FX_CHUNK, .bytes = FX_CHUNK, .plain = FX_CHUNK}

static void data(struct rogue *r, struct claim c)
{
	greet(r);
	send_chunk(r, c);
}

static void wrong_hash(struct rogue *r)
{
	struct claim c = GOOD;

	c.wrong_hash = true;
	data(r, c);
}

static void bomb(struct rogue *r)
{
	data(r, (struct claim){.length = FX_CHUNK, .plain = 64 << 20, .flags = WIRE_ZSTD});
}

static void unpacks_to_less(struct rogue *r)
{
	data(r, (struct claim){.length = FX_CHUNK, .plain = FX_CHUNK - 1, .flags = WIRE_ZSTD});
}

static void not_zstd(struct rogue *r)
{
	data(r, (struct claim){.length = FX_CHUNK, .plain = FX_CHUNK, .bytes = 1000, .flags = WIRE_ZSTD});
}

static void two_zstd_frames(struct rogue *r)
{
	data(r, (struct claim){.length = FX_CHUNK, .plain = FX_CHUNK, .flags = WIRE_ZSTD, .trailing = true});
}

static void unknown_disk(struct rogue *r)
{
	struct claim c = GOOD;

	c.disk = 1;
	data(r, c);
}

static void off_the_grid(struct rogue *r)
{
	struct claim c = GOOD;

	c.offset = 512;
	data(r, c);
}

static void behind_the_end(struct rogue *r)
{
	struct claim c = GOOD;

	c.offset = 4 * (uint64_t)FX_CHUNK;
	data(r, c);
}

static void over_the_end(struct rogue *r)
{
	struct claim c = GOOD;

	c.offset = 3 * (uint64_t)FX_CHUNK;
	data(r, c);
}

static void offset_that_wraps(struct rogue *r)
{
	struct claim c = GOOD;

	c.offset = UINT64_MAX - FX_CHUNK + 1;
	data(r, c);
}

static void short_chunk(struct rogue *r)
{
	data(r, (struct claim){.length = 512, .bytes = 512, .plain = 512});
}

static void raw_of_other_length(struct rogue *r)
{
	data(r, (struct claim){.length = FX_CHUNK, .bytes = FX_CHUNK - 512, .plain = FX_CHUNK});
}

static void zeros_over_the_end(struct rogue *r)
{
	greet(r);
	send_frame(r, (struct wire_frame){.type = WIRE_ZERO, .length = 5 * (uint64_t)FX_CHUNK}, NULL);
}

static void zeros_off_the_grid(struct rogue *r)
{
	greet(r);
	send_frame(r, (struct wire_frame){.type = WIRE_ZERO, .length = 512}, NULL);
}

static void no_zeros(struct rogue *r)
{
	greet(r);
	send_frame(r, (struct wire_frame){.type = WIRE_ZERO}, NULL);
}

static void checkpoint_out_of_order(struct rogue *r)
{
	greet(r);
	send_frame(r, (struct wire_frame){.type = WIRE_CHECKPOINT, .id = 2}, NULL);
}

static void end_without_checkpoint(struct rogue *r)
{
	struct claim c = GOOD;

	data(r, c);
	send_frame(r, (struct wire_frame){.type = WIRE_END}, NULL);
}

static void type_of_a_target(struct rogue *r)
{
	greet(r);
	send_frame(r, (struct wire_frame){.type = WIRE_DURABLE, .id = 1}, NULL);
}

static void unknown_type(struct rogue *r)
{
	greet(r);
	send_frame(r, (struct wire_frame){.type = 200}, NULL);
}

static void hello_again(struct rogue *r)
{
	struct wire_hello h = fx_hello(r->f, WIRE_SOURCE);

	greet(r);
	send_hello(r, &h);
}

static void huge_payload(struct rogue *r)
{
	uint8_t header[WIRE_HEADER_SIZE];
	struct wire_frame f = {.type = WIRE_CHUNK, .payload = UINT32_MAX, .length = FX_CHUNK};

	greet(r);
	wire_frame_encode(&f, header);
	stream_write(r->s, header, sizeof header, &r->e);
}

static void data_before_disks(struct rogue *r)
{
	struct wire_hello h = fx_hello(r->f, WIRE_SOURCE);
	struct claim c = GOOD;

	send_hello(r, &h);
	expect(r, WIRE_HELLO);
	send_chunk(r, c);
}

static void no_hello(struct rogue *r)
{
	expect(r, WIRE_HELLO);
	send_disk(r, 0, SIZE, FX_CHUNK, 512);
}

static void hello_with(struct rogue *r, struct wire_hello h)
{
	send_hello(r, &h);
	expect(r, WIRE_HELLO);
}

static void other_run(struct rogue *r)
{
	struct wire_hello h = fx_hello(r->f, WIRE_SOURCE);

	h.run[0] ^= 1;
	hello_with(r, h);
}

static void other_epoch(struct rogue *r)
{
	struct wire_hello h = fx_hello(r->f, WIRE_SOURCE);

	h.epoch++;
	hello_with(r, h);
}

static void other_key(struct rogue *r)
{
	struct wire_hello h = fx_hello(r->f, WIRE_SOURCE);

	h.key_id[3] ^= 1;
	hello_with(r, h);
}

static void same_role(struct rogue *r)
{
	hello_with(r, fx_hello(r->f, WIRE_TARGET));
}

static void newer_version(struct rogue *r)
{
	struct wire_hello h = fx_hello(r->f, WIRE_SOURCE);

	h.version_min = h.version_max = WIRE_VERSION + 1;
	hello_with(r, h);
}

static void disk_with(struct rogue *r, uint16_t index, uint64_t size, uint32_t chunk, uint32_t sector)
{
	hello_with(r, fx_hello(r->f, WIRE_SOURCE));
	send_disk(r, index, size, chunk, sector);
}

static void other_size(struct rogue *r)
{
	disk_with(r, 0, SIZE - 512, FX_CHUNK, 512);
}

static void other_chunk_size(struct rogue *r)
{
	disk_with(r, 0, SIZE, 2 * FX_CHUNK, 512);
}

static void other_sectors(struct rogue *r)
{
	disk_with(r, 0, SIZE, FX_CHUNK, 4096);
}

static void disk_not_asked_for(struct rogue *r)
{
	disk_with(r, 1, SIZE, FX_CHUNK, 512);
}

static void nothing(struct rogue *r)
{
	(void)r; /* just hangs up */
}

static void half_a_chunk(struct rogue *r)
{
	struct wire_frame f = {
		.type = WIRE_CHUNK, .payload = FX_CHUNK + WIRE_HASH_SIZE, .length = FX_CHUNK};
	uint8_t header[WIRE_HEADER_SIZE];

	greet(r);
	wire_frame_encode(&f, header);
	stream_write(r->s, header, sizeof header, &r->e);
	stream_write(r->s, "only some bytes", 15, &r->e);
}

static const struct rogue_case {
	const char *name;
	void (*act)(struct rogue *r);
	enum err_kind kind; /* 0: REFUSED or PROTOCOL or DENIED, as wire.c says */
} rogues[] = {
	{"wrong hash", wrong_hash, ERR_CORRUPT},
	{"decompression bomb", bomb, ERR_PROTOCOL},
	{"unpacks to less", unpacks_to_less, ERR_PROTOCOL},
	{"not zstd", not_zstd, ERR_PROTOCOL},
	{"two zstd frames", two_zstd_frames, ERR_PROTOCOL},
	{"unknown disk", unknown_disk, ERR_PROTOCOL},
	{"off the grid", off_the_grid, ERR_PROTOCOL},
	{"behind the end", behind_the_end, ERR_PROTOCOL},
	{"over the end", over_the_end, ERR_PROTOCOL},
	{"offset that wraps", offset_that_wraps, ERR_PROTOCOL},
	{"short chunk", short_chunk, ERR_PROTOCOL},
	{"raw of other length", raw_of_other_length, ERR_PROTOCOL},
	{"zeros over the end", zeros_over_the_end, ERR_PROTOCOL},
	{"zeros off the grid", zeros_off_the_grid, ERR_PROTOCOL},
	{"no zeros", no_zeros, ERR_PROTOCOL},
	{"checkpoint out of order", checkpoint_out_of_order, ERR_PROTOCOL},
	{"end without checkpoint", end_without_checkpoint, ERR_PROTOCOL},
	{"type of a target", type_of_a_target, ERR_PROTOCOL},
	{"unknown type", unknown_type, ERR_PROTOCOL},
	{"hello again", hello_again, ERR_PROTOCOL},
	{"huge payload", huge_payload, ERR_PROTOCOL},
	{"data before disks", data_before_disks, ERR_PROTOCOL},
	{"no hello", no_hello, ERR_PROTOCOL},
	{"other run", other_run, 0},
	{"other epoch", other_epoch, 0},
	{"other key", other_key, 0},
	{"same role", same_role, 0},
	{"newer version", newer_version, 0},
	{"other size", other_size, ERR_REFUSED},
	{"other chunk size", other_chunk_size, ERR_REFUSED},
	{"other sectors", other_sectors, ERR_REFUSED},
	{"disk not asked for", disk_not_asked_for, ERR_PROTOCOL},
	{"nothing", nothing, ERR_NETWORK},
	{"half a chunk", half_a_chunk, ERR_NETWORK},
};

struct victim {
	struct copy_config c;
	struct stream *s;
	struct ledger *ledger;
	struct err e;
	int rc;
};

static void *import_main(void *arg)
{
	struct victim *v = arg;

	v->rc = copy_import(&v->c, v->s, &v->e);
	stream_close(v->s);
	return NULL;
}

/* What the victim still says, up to its ERROR or its end. */
static void listen(struct rogue *r)
{
	struct wire_frame f;
	uint8_t payload[WIRE_HELLO_SIZE];

	while (wire_recv(r->s, &f, &r->e) == 0) {
		if (f.type == WIRE_ERROR) {
			wire_recv_error(r->s, &f, &r->heard);
			return;
		}
		if (f.payload > sizeof payload || stream_read_full(r->s, payload, f.payload, &r->e) != 0)
			return;
	}
}

static struct copy_config victim_config(struct fx *f, struct copy_disk *d, enum wire_role role)
{
	return (struct copy_config){
		.keys = &f->keys, .chunk_size = FX_CHUNK, .checkpoint_bytes = 1, .pool_bytes = 4 << 20, .read_back = true,
		.checkpoint_ns = COPY_DEFAULT_CHECKPOINT_NS, .disks = d, .disk_count = 1, .threads = 2,
		.hello = fx_hello(f, role),
	};
}

/* A rogue and its victim, which runs in a thread of its own. */
struct duel {
	struct fx *f;
	struct copy_progress progress;
	struct copy_disk disk;
	struct victim victim;
	struct rogue rogue;
	pthread_t thread;
};

static void *export_main(void *arg)
{
	struct victim *v = arg;

	v->rc = copy_export(&v->c, v->s, v->ledger, &v->e);
	stream_close(v->s);
	return NULL;
}

/* role: the victim's. */
static void duel_begin(struct duel *u, enum wire_role role)
{
	bool target = role == WIRE_TARGET;
	struct stream *end[2];

	*u = (struct duel){.f = fx_new()};
	fx_add(u->f, SIZE, SIZE, false);
	if (!target) {
		fx_start(u->f);
		fx_fill(u->f->source[0], 0, SIZE, 1);
	}
	stream_mem_pair(1 << 20, end);
	u->disk = (struct copy_disk){
		.block = target ? block_mem_open(u->f->target[0], BLOCK_RW, 4) : block_mem_open(u->f->source[0], BLOCK_RO, 4),
		.size = SIZE,
		.progress = &u->progress,
	};
	u->victim = (struct victim){.c = victim_config(u->f, &u->disk, role), .s = end[1], .ledger = u->f->ledger};
	u->rogue = (struct rogue){.f = u->f, .s = end[0]};
	assert_int_equal(pthread_create(&u->thread, NULL, target ? import_main : export_main, &u->victim), 0);
}

/* The rogue hangs up; listens: after it has heard what the victim still says. */
static void duel_join(struct duel *u, bool listens)
{
	if (listens)
		listen(&u->rogue);
	stream_close(u->rogue.s);
	pthread_join(u->thread, NULL);
}

static void duel_end(struct duel *u)
{
	block_close(u->disk.block);
	fx_free(u->f);
}

static void duel_of(struct duel *u, enum wire_role role, const struct rogue_case *c)
{
	const struct victim *v = &u->victim;

	duel_begin(u, role);
	c->act(&u->rogue);
	duel_join(u, c->kind != ERR_NETWORK);
	if (v->rc == 0 || (c->kind != 0 && v->e.kind != c->kind))
		fail_msg("%s: %d %s", c->name, v->rc, v->e.msg);
}

static void copy_import_rogue_source_is_refused_unwritten(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rogues / sizeof rogues[0]; i++) {
		struct duel u;

		duel_of(&u, WIRE_TARGET, &rogues[i]);
		if (rogues[i].kind != ERR_NETWORK && u.rogue.heard.kind != u.victim.e.kind)
			fail_msg("%s: the peer was told: %s", rogues[i].name, u.rogue.heard.msg);
		/* "end without checkpoint" sent one good chunk. */
		if (rogues[i].act != end_without_checkpoint)
			assert_int_equal(mem_disk_counters(u.f->target[0])->ops[MEM_WRITE], 0);
		assert_int_equal(mem_disk_counters(u.f->target[0])->ops[MEM_ZERO], 0);
		duel_end(&u);
	}
}

static void copy_import_chunk_twice_in_a_checkpoint_is_refused(void **state)
{
	static const uint64_t zero_offsets[] = {0, FX_CHUNK};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct claim c = GOOD;
		struct duel u;
		struct rogue *r = &u.rogue;

		duel_begin(&u, WIRE_TARGET);
		c.offset = FX_CHUNK;
		data(r, c);
		if (i == 3) /* allowed when a checkpoint lies between */
			send_frame(r, (struct wire_frame){.type = WIRE_CHECKPOINT, .id = 1}, NULL);
		if (i < 2)
			send_frame(r, (struct wire_frame){
				.type = WIRE_ZERO, .offset = zero_offsets[i], .length = 2 * FX_CHUNK}, NULL);
		else
			send_chunk(r, c);
		if (i == 3) {
			send_frame(r, (struct wire_frame){.type = WIRE_CHECKPOINT, .id = 2}, NULL);
			send_frame(r, (struct wire_frame){.type = WIRE_END}, NULL);
		}
		duel_join(&u, true);
		assert_int_equal(u.victim.rc, i == 3 ? 0 : -1);
		assert_int_equal(u.victim.e.kind, i == 3 ? ERR_NONE : ERR_PROTOCOL);
		duel_end(&u);
	}
}

/* ---- A rogue target ---- */

static void early_ready(struct rogue *r)
{
	send_frame(r, (struct wire_frame){.type = WIRE_READY}, NULL);
}

static void greet_as_target(struct rogue *r)
{
	struct wire_hello h = fx_hello(r->f, WIRE_TARGET);

	send_hello(r, &h);
	expect(r, WIRE_HELLO);
	expect(r, WIRE_DISK);
	send_frame(r, (struct wire_frame){.type = WIRE_READY}, NULL);
}

static void durable_never_asked_for(struct rogue *r)
{
	greet_as_target(r);
	send_frame(r, (struct wire_frame){.type = WIRE_DURABLE, .id = 77}, NULL);
}

static void ended_at_once(struct rogue *r)
{
	greet_as_target(r);
	send_frame(r, (struct wire_frame){.type = WIRE_END_OK}, NULL);
}

static void data_from_target(struct rogue *r)
{
	struct claim c = GOOD;

	greet_as_target(r);
	send_chunk(r, c);
}

static void ready_twice(struct rogue *r)
{
	greet_as_target(r);
	send_frame(r, (struct wire_frame){.type = WIRE_READY}, NULL);
}

static void target_for_another_run(struct rogue *r)
{
	struct wire_hello h = fx_hello(r->f, WIRE_TARGET);

	h.run[1] ^= 1;
	send_hello(r, &h);
	expect(r, WIRE_HELLO);
}

/* Takes everything, confirms nothing of it: no page may be recorded. */
static void copy_export_rogue_target_is_refused(void **state)
{
	static const struct rogue_case cases[] = {
		{"early READY", early_ready, ERR_PROTOCOL},
		{"DURABLE never asked for", durable_never_asked_for, ERR_PROTOCOL},
		{"END_OK at once", ended_at_once, ERR_PROTOCOL},
		{"data", data_from_target, ERR_PROTOCOL},
		{"READY twice", ready_twice, ERR_PROTOCOL},
		{"other run", target_for_another_run, 0},
		{"nothing", nothing, ERR_NETWORK},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct duel u;

		duel_of(&u, WIRE_SOURCE, &cases[i]);
		assert_int_equal(ledger_mem_records(u.f->ledger), 0);
		duel_end(&u);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copy_import_rogue_source_is_refused_unwritten),
		cmocka_unit_test(copy_import_chunk_twice_in_a_checkpoint_is_refused),
		cmocka_unit_test(copy_export_rogue_target_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
