// SPDX-License-Identifier: Apache-2.0
/* Sources that break wherry/1 in every way its header names: an error, and nothing of it written. */
#include "copy/rogue_fixture.h"

static void greet(struct rogue *r)
{
	announce(r, 0, 1);
	hear_ready(r);
}

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
	send_frame(r, (struct wire_frame){.type = WIRE_ZERO, .length = 5 * (uint64_t)FX_CHUNK, .id = 1}, NULL);
}

static void zeros_off_the_grid(struct rogue *r)
{
	greet(r);
	send_frame(r, (struct wire_frame){.type = WIRE_ZERO, .length = 512, .id = 1}, NULL);
}

static void no_zeros(struct rogue *r)
{
	greet(r);
	send_frame(r, (struct wire_frame){.type = WIRE_ZERO, .id = 1}, NULL);
}

static void checkpoint_out_of_order(struct rogue *r)
{
	greet(r);
	send_frame(r, (struct wire_frame){.type = WIRE_CHECKPOINT, .id = 2}, NULL);
}

static void checkpoint_of_less_than_came(struct rogue *r)
{
	struct claim c = GOOD;

	data(r, c);
	send_frame(r, (struct wire_frame){.type = WIRE_CHECKPOINT, .id = 1}, NULL);
}

static void more_than_the_checkpoint_has(struct rogue *r)
{
	struct claim c = GOOD;

	data(r, c);
	send_frame(r, (struct wire_frame){.type = WIRE_CHECKPOINT, .id = 1, .length = 1}, NULL);
	c.offset = FX_CHUNK;
	send_chunk(r, c);
}

static void less_than_the_checkpoint_has(struct rogue *r)
{
	struct claim c = GOOD;

	data(r, c);
	send_frame(r, (struct wire_frame){.type = WIRE_CHECKPOINT, .id = 1, .length = 2}, NULL);
	send_frame(r, (struct wire_frame){.type = WIRE_END}, NULL);
}

static void checkpoint_far_ahead(struct rogue *r)
{
	struct claim c = GOOD;

	c.id = WIRE_MAX_OPEN_CHECKPOINTS + 2;
	data(r, c);
}

static void too_many_checkpoints(struct rogue *r)
{
	greet(r);
	send_frame(r, (struct wire_frame){.type = WIRE_CHECKPOINT, .id = 1, .length = UINT64_C(1) << 32}, NULL);
}

/* A whole copy up to END. */
static void end(struct rogue *r)
{
	struct claim c = GOOD;

	greet(r);
	send_frame(r, (struct wire_frame){.type = WIRE_CHECKPOINT, .id = 1, .length = 1}, NULL);
	send_chunk(r, c);
	send_frame(r, (struct wire_frame){.type = WIRE_END}, NULL);
}

static void send_more_data(struct rogue *r)
{
	struct claim c = GOOD;

	c.offset = FX_CHUNK;
	c.id = 2;
	send_chunk(r, c);
}

static void data_after_end(struct rogue *r)
{
	end(r);
	send_more_data(r);
}

/* Everything is durable, and the target waits for nothing but BYE. */
static void hear_end_ok(struct rogue *r)
{
	end(r);
	expect(r, WIRE_DURABLE);
	expect(r, WIRE_END_OK);
}

static void data_after_end_ok(struct rogue *r)
{
	hear_end_ok(r);
	send_more_data(r);
}

static void checkpoint_after_end_ok(struct rogue *r)
{
	hear_end_ok(r);
	send_frame(r, (struct wire_frame){.type = WIRE_CHECKPOINT, .id = 2}, NULL);
}

static void end_twice(struct rogue *r)
{
	hear_end_ok(r);
	send_frame(r, (struct wire_frame){.type = WIRE_END}, NULL);
}

static void early_bye(struct rogue *r)
{
	greet(r);
	send_frame(r, (struct wire_frame){.type = WIRE_BYE}, NULL);
}

static void acknowledges(struct rogue *r)
{
	greet(r);
	send_frame(r, (struct wire_frame){.type = WIRE_ACK, .id = 1}, NULL);
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
	struct wire_frame f = {.type = WIRE_CHUNK, .payload = UINT32_MAX, .length = FX_CHUNK, .id = 1};

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
	send_disk(r, 0, ROGUE_SIZE, FX_CHUNK, 512);
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

static void other_session(struct rogue *r)
{
	struct wire_hello h = fx_hello(r->f, WIRE_SOURCE);

	h.session++;
	hello_with(r, h);
}

static void other_number_of_channels(struct rogue *r)
{
	struct wire_hello h = fx_hello(r->f, WIRE_SOURCE);

	h.channels = 2;
	hello_with(r, h);
}

static void no_channel(struct rogue *r)
{
	struct wire_hello h = fx_hello(r->f, WIRE_SOURCE);

	h.channel = WIRE_ANY_CHANNEL;
	hello_with(r, h);
}

static void channel_that_is_not_there(struct rogue *r)
{
	struct wire_hello h = fx_hello(r->f, WIRE_SOURCE);

	h.channel = 1;
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
	disk_with(r, 0, ROGUE_SIZE - 512, FX_CHUNK, 512);
}

static void other_chunk_size(struct rogue *r)
{
	disk_with(r, 0, ROGUE_SIZE, 2 * FX_CHUNK, 512);
}

static void other_sectors(struct rogue *r)
{
	disk_with(r, 0, ROGUE_SIZE, FX_CHUNK, 4096);
}

static void disk_not_asked_for(struct rogue *r)
{
	disk_with(r, 1, ROGUE_SIZE, FX_CHUNK, 512);
}

static void nothing(struct rogue *r)
{
	(void)r; /* just hangs up */
}

static void half_a_chunk(struct rogue *r)
{
	struct wire_frame f = {
		.type = WIRE_CHUNK, .payload = FX_CHUNK + WIRE_HASH_SIZE, .length = FX_CHUNK, .id = 1};
	uint8_t header[WIRE_HEADER_SIZE];

	greet(r);
	wire_frame_encode(&f, header);
	stream_write(r->s, header, sizeof header, &r->e);
	stream_write(r->s, "only some bytes", 15, &r->e);
}

static const struct rogue_case rogues[] = {
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
	{"checkpoint of less than came", checkpoint_of_less_than_came, ERR_PROTOCOL},
	{"more than the checkpoint has", more_than_the_checkpoint_has, ERR_PROTOCOL},
	{"less than the checkpoint has", less_than_the_checkpoint_has, ERR_PROTOCOL},
	{"checkpoint far ahead", checkpoint_far_ahead, ERR_PROTOCOL},
	{"a checkpoint too big", too_many_checkpoints, ERR_PROTOCOL},
	{"data after END", data_after_end, ERR_PROTOCOL},
	{"data after END_OK", data_after_end_ok, ERR_PROTOCOL},
	{"checkpoint after END_OK", checkpoint_after_end_ok, ERR_PROTOCOL},
	{"END twice", end_twice, ERR_PROTOCOL},
	{"early BYE", early_bye, ERR_PROTOCOL},
	{"acknowledges", acknowledges, ERR_PROTOCOL},
	{"other session", other_session, ERR_REFUSED},
	{"other number of channels", other_number_of_channels, ERR_REFUSED},
	{"no channel", no_channel, ERR_PROTOCOL},
	{"channel that is not there", channel_that_is_not_there, ERR_PROTOCOL},
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

/* Before they break a rule: that may be written. */
static bool sends_good_data(void (*act)(struct rogue *r))
{
	return act == end_without_checkpoint || act == checkpoint_of_less_than_came ||
	       act == more_than_the_checkpoint_has || act == less_than_the_checkpoint_has || act == data_after_end ||
	       act == data_after_end_ok || act == checkpoint_after_end_ok || act == end_twice;
}

static void copy_import_rogue_source_is_refused_unwritten(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rogues / sizeof rogues[0]; i++) {
		struct duel u;

		duel_of(&u, WIRE_TARGET, &rogues[i]);
		if (rogues[i].kind != ERR_NETWORK && u.rogue.heard.kind != u.victim.e.kind)
			fail_msg("%s: the peer was told: %s", rogues[i].name, u.rogue.heard.msg);
		if (!sends_good_data(rogues[i].act))
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
			send_frame(r, (struct wire_frame){.type = WIRE_CHECKPOINT, .id = 1, .length = 1}, NULL);
		c.id = i == 3 ? 2 : 1;
		if (i < 2)
			send_frame(r, (struct wire_frame){
				.type = WIRE_ZERO, .offset = zero_offsets[i], .length = 2 * FX_CHUNK, .id = 1}, NULL);
		else
			send_chunk(r, c);
		if (i == 3) {
			send_frame(r, (struct wire_frame){.type = WIRE_CHECKPOINT, .id = 2, .length = 1}, NULL);
			send_frame(r, (struct wire_frame){.type = WIRE_END}, NULL);
		}
		duel_join(&u, true);
		assert_int_equal(u.victim.rc, i == 3 ? 0 : -1);
		assert_int_equal(u.victim.e.kind, i == 3 ? ERR_NONE : ERR_PROTOCOL);
		duel_end(&u);
	}
}

static void copy_import_data_after_end_ok_of_another_channel_is_refused_on_all(void **state)
{
	const struct wire_frame checkpoint = {.type = WIRE_CHECKPOINT, .id = 1}, last = {.type = WIRE_END};
	struct duel u;
	struct rogue *r = &u.rogue, other;

	(void)state;
	duel_init(&u, WIRE_TARGET, ROGUE_SIZE);
	u.victim.link.channels = 2;
	other = (struct rogue){.f = u.f, .s = duel_connect(&u)};
	duel_start(&u);
	announce(r, 0, 2);
	hear_ready(r);
	announce(&other, 1, 2);
	hear_ready(&other);
	send_frame(r, checkpoint, NULL);
	send_frame(r, last, NULL);
	send_frame(&other, last, NULL);
	expect(r, WIRE_DURABLE);
	expect(r, WIRE_END_OK);
	send_more_data(&other);
	hear_out(&other);
	hear_out(r);
	stream_close(other.s);
	duel_join(&u, false);
	assert_int_equal(u.victim.e.kind, ERR_PROTOCOL);
	assert_int_equal(other.heard.kind, ERR_PROTOCOL);
	assert_int_equal(r->heard.kind, ERR_PROTOCOL);
	assert_int_equal(mem_disk_counters(u.f->target[0])->ops[MEM_WRITE], 0);
	duel_end(&u);
}

/* While it waits for HELLO, and for DISK. */
static void copy_import_canceled_while_it_greets_tells_why(void **state)
{
	(void)state;
	duel_of_cancel(WIRE_TARGET, false);
	duel_of_cancel(WIRE_TARGET, true);
}

/* What ends a session whose data are all durable: by the connection it is well, by the source's own word it is not. */
static void copy_import_after_end_ok_heeds_only_the_source(void **state)
{
	static const struct {
		const char *name;
		struct err error; /* the source's ERROR */
		bool bye;
		bool more; /* data behind BYE: never read */
	} cases[] = {
		{"hangs up", {.kind = ERR_NONE}, false, false},
		{"BYE", {.kind = ERR_NONE}, true, false},
		{"data behind BYE", {.kind = ERR_NONE}, true, true},
		{"ERROR", {.kind = ERR_IO, .msg = "the ledger failed"}, false, false},
		{"ERROR of the network", {.kind = ERR_NETWORK, .msg = "the controller is gone"}, false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct duel u;
		struct rogue *r = &u.rogue;

		duel_begin(&u, WIRE_TARGET);
		hear_end_ok(r);
		if (cases[i].error.kind != ERR_NONE)
			wire_send_error(r->s, &cases[i].error, &r->e);
		if (cases[i].bye)
			send_frame(r, (struct wire_frame){.type = WIRE_BYE}, NULL);
		if (cases[i].more)
			send_more_data(r);
		duel_join(&u, false);
		if (u.victim.rc != (cases[i].error.kind != ERR_NONE ? -1 : 0) || u.victim.e.kind != cases[i].error.kind)
			fail_msg("%s: %d %s", cases[i].name, u.victim.rc, u.victim.e.msg);
		assert_int_equal(mem_disk_counters(u.f->target[0])->bytes[MEM_WRITE], FX_CHUNK);
		duel_end(&u);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copy_import_rogue_source_is_refused_unwritten),
		cmocka_unit_test(copy_import_chunk_twice_in_a_checkpoint_is_refused),
		cmocka_unit_test(copy_import_data_after_end_ok_of_another_channel_is_refused_on_all),
		cmocka_unit_test(copy_import_canceled_while_it_greets_tells_why),
		cmocka_unit_test(copy_import_after_end_ok_heeds_only_the_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
