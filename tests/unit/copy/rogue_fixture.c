// SPDX-License-Identifier: Apache-2.0
#include "copy/rogue_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/clock.h"
#include "base/mem.h"

void send_frame(struct rogue *r, struct wire_frame f, const void *payload)
{
	wire_send(r->s, &f, payload, &r->e); /* fails once the victim has hung up */
}

void send_hello(struct rogue *r, const struct wire_hello *h)
{
	uint8_t payload[WIRE_HELLO_SIZE];

	wire_hello_encode(h, payload);
	send_frame(r, (struct wire_frame){.type = WIRE_HELLO, .payload = sizeof payload}, payload);
}

void expect(struct rogue *r, enum wire_type type)
{
	struct wire_frame f;
	uint8_t payload[WIRE_HELLO_SIZE];

	assert_int_equal(wire_recv(r->s, &f, &r->e), 0);
	assert_int_equal(f.type, type);
	assert_int_equal(stream_read_full(r->s, payload, f.payload, &r->e), 0);
}

void send_chunk(struct rogue *r, struct claim c)
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
		.offset = c.offset, .length = c.length, .id = c.id != 0 ? c.id : 1,
	}, payload);
	free(plain);
	free(payload);
}

void hear_out(struct rogue *r)
{
	struct wire_frame f;
	uint8_t payload[WIRE_HELLO_SIZE];

	while (wire_recv(r->s, &f, &r->e) == 0) {
		if (f.type == WIRE_ERROR) {
			wire_recv_error(r->s, &f, &r->heard);
			return;
		}
		if (f.type == WIRE_END_OK)
			send_frame(r, (struct wire_frame){.type = WIRE_BYE}, NULL);
		if (f.payload > sizeof payload || stream_read_full(r->s, payload, f.payload, &r->e) != 0)
			return;
	}
}

void send_disk(struct rogue *r, uint16_t index, uint64_t size, uint32_t chunk, uint32_t sector)
{
	struct wire_disk d = {.size = size, .chunk_size = chunk, .sector_size = sector};
	uint8_t payload[WIRE_DISK_SIZE];

	wire_disk_encode(&d, payload);
	send_frame(r, (struct wire_frame){.type = WIRE_DISK, .disk = index, .payload = sizeof payload}, payload);
}

void announce(struct rogue *r, uint16_t channel, uint16_t channels)
{
	struct wire_hello h = fx_hello(r->f, WIRE_SOURCE);

	h.channel = channel;
	h.channels = channels;
	send_hello(r, &h);
	send_disk(r, 0, r->f->size[0], FX_CHUNK, 512);
}

void hear_ready(struct rogue *r)
{
	expect(r, WIRE_HELLO);
	expect(r, WIRE_READY);
}

void answer(struct rogue *r)
{
	struct wire_hello h = fx_hello(r->f, WIRE_TARGET);

	send_hello(r, &h);
	expect(r, WIRE_HELLO);
	expect(r, WIRE_DISK);
	send_frame(r, (struct wire_frame){.type = WIRE_READY, .id = 1}, NULL);
}

void hear_chunk(struct rogue *r)
{
	struct wire_frame f;
	uint8_t *payload = mem_alloc(WIRE_MAX_PAYLOAD);

	assert_int_equal(wire_recv(r->s, &f, &r->e), 0);
	assert_int_equal(f.type, WIRE_CHUNK);
	assert_int_equal(stream_read_full(r->s, payload, f.payload, &r->e), 0);
	free(payload);
}

static struct copy_config victim_config(struct fx *f, struct copy_disk *d, enum wire_role role)
{
	return (struct copy_config){
		.keys = &f->keys, .chunk_size = FX_CHUNK, .checkpoint_bytes = 1, .pool_bytes = 4 << 20, .read_back = true,
		.checkpoint_ns = COPY_DEFAULT_CHECKPOINT_NS, .disks = d, .disk_count = 1, .threads = 2,
		.hello = fx_hello(f, role), .cancel = &f->cancel,
	};
}

static void *import_main(void *arg)
{
	struct victim *v = arg;

	v->rc = copy_import(&v->c, &v->link, &v->e);
	return NULL;
}

static void *export_main(void *arg)
{
	struct victim *v = arg;

	v->rc = copy_export(&v->c, &v->link, v->ledger, &v->e);
	return NULL;
}

void duel_init(struct duel *u, enum wire_role role, uint64_t size)
{
	bool target = role == WIRE_TARGET;
	struct stream *end[2];

	*u = (struct duel){.f = fx_new()};
	fx_add(u->f, size, size, false);
	if (!target) {
		fx_start(u->f);
		fx_fill(u->f->source[0], 0, size, 1);
	}
	stream_mem_pair(1 << 20, end);
	u->disk = (struct copy_disk){
		.block = target ? block_mem_open(u->f->target[0], BLOCK_RW, 4) : block_mem_open(u->f->source[0], BLOCK_RO, 4),
		.size = size,
		.progress = &u->progress,
	};
	u->victim = (struct victim){
		.c = victim_config(u->f, &u->disk, role),
		.link = {.channels = 1, .dials = !target, .first = end[1]},
		.ledger = u->f->ledger,
	};
	u->rogue = (struct rogue){.f = u->f, .s = end[0]};
}

static struct stream *open_waiting(void *ctx, struct err *e)
{
	struct duel *u = ctx;
	struct stream *s = u->waiting;

	u->waiting = NULL;
	if (s == NULL) {
		clock_sleep_ns(NS_PER_MS);
		err_set(e, ERR_TIMEOUT, 0, "nobody came");
	}
	return s;
}

struct stream *duel_connect(struct duel *u)
{
	struct stream *end[2];

	stream_mem_pair(1 << 20, end);
	u->waiting = end[1];
	u->victim.link.open = open_waiting;
	u->victim.link.ctx = u;
	return end[0];
}

void duel_start(struct duel *u)
{
	void *(*run)(void *) = u->victim.c.hello.role == WIRE_TARGET ? import_main : export_main;

	assert_int_equal(pthread_create(&u->thread, NULL, run, &u->victim), 0);
}

void duel_begin(struct duel *u, enum wire_role role)
{
	duel_init(u, role, ROGUE_SIZE);
	duel_start(u);
}

void duel_join(struct duel *u, bool listens)
{
	if (listens)
		hear_out(&u->rogue);
	stream_close(u->rogue.s);
	pthread_join(u->thread, NULL);
}

void duel_end(struct duel *u)
{
	block_close(u->disk.block);
	fx_free(u->f);
}

void duel_of(struct duel *u, enum wire_role role, const struct rogue_case *c)
{
	const struct victim *v = &u->victim;

	duel_begin(u, role);
	c->act(&u->rogue);
	duel_join(u, c->kind != ERR_NETWORK);
	if (v->rc == 0 || (c->kind != 0 && v->e.kind != c->kind))
		fail_msg("%s: %d %s", c->name, v->rc, v->e.msg);
}

void duel_of_cancel(enum wire_role role, bool greeted)
{
	struct duel u;

	duel_begin(&u, role);
	struct wire_hello h = fx_hello(u.f, role == WIRE_TARGET ? WIRE_SOURCE : WIRE_TARGET);
	expect(&u.rogue, WIRE_HELLO);
	if (greeted)
		send_hello(&u.rogue, &h);
	if (greeted && role == WIRE_SOURCE)
		expect(&u.rogue, WIRE_DISK);
	atomic_store(&u.f->cancel, true);
	if (!greeted)
		send_hello(&u.rogue, &h);
	duel_join(&u, true);
	assert_int_equal(u.victim.e.kind, ERR_CANCELED);
	assert_int_equal(u.rogue.heard.kind, ERR_CANCELED);
	duel_end(&u);
}
