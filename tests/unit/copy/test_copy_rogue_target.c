// SPDX-License-Identifier: Apache-2.0
/* Targets that break wherry/1: an error, and nothing recorded that is not there. */
#include "copy/rogue_fixture.h"

static void nothing(struct rogue *r)
{
	(void)r; /* just hangs up */
}

static void early_ready(struct rogue *r)
{
	send_frame(r, (struct wire_frame){.type = WIRE_READY, .id = 1}, NULL);
}

static void durable_never_asked_for(struct rogue *r)
{
	answer(r);
	send_frame(r, (struct wire_frame){.type = WIRE_DURABLE, .id = 77}, NULL);
}

static void ended_at_once(struct rogue *r)
{
	answer(r);
	send_frame(r, (struct wire_frame){.type = WIRE_END_OK}, NULL);
}

static void data_from_target(struct rogue *r)
{
	struct claim c = GOOD;

	answer(r);
	send_chunk(r, c);
}

static void ready_twice(struct rogue *r)
{
	answer(r);
	send_frame(r, (struct wire_frame){.type = WIRE_READY, .id = 1}, NULL);
}

/* ROGUE_SIZE makes four frames of data, then CHECKPOINT and END. */
static void ack_beyond_what_was_sent(struct rogue *r)
{
	answer(r);
	send_frame(r, (struct wire_frame){.type = WIRE_ACK, .id = 7}, NULL);
}

static void ack_taken_back(struct rogue *r)
{
	answer(r);
	for (int i = 0; i < 4; i++)
		hear_chunk(r);
	send_frame(r, (struct wire_frame){.type = WIRE_ACK, .id = 4}, NULL);
	send_frame(r, (struct wire_frame){.type = WIRE_ACK, .id = 3}, NULL);
}

static void ready_for_what_never_came(struct rogue *r)
{
	struct wire_hello h = fx_hello(r->f, WIRE_TARGET);

	send_hello(r, &h);
	expect(r, WIRE_HELLO);
	expect(r, WIRE_DISK);
	send_frame(r, (struct wire_frame){.type = WIRE_READY, .id = 2}, NULL);
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
		{"ACK beyond what was sent", ack_beyond_what_was_sent, ERR_PROTOCOL},
		{"ACK taken back", ack_taken_back, ERR_PROTOCOL},
		{"READY for what never came", ready_for_what_never_came, ERR_PROTOCOL},
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

/* While it waits for HELLO, and for READY. */
static void copy_export_canceled_while_it_greets_tells_why(void **state)
{
	(void)state;
	duel_of_cancel(WIRE_SOURCE, false);
	duel_of_cancel(WIRE_SOURCE, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copy_export_rogue_target_is_refused),
		cmocka_unit_test(copy_export_canceled_while_it_greets_tells_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
