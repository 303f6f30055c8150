// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "job/api_fixture.h"
#include "net/api_names.h"
#include "net/feed.h"
#include "net/stream_mem.h"

static void api_run_second_while_one_runs_is_409(void **state)
{
	struct worker *w = worker_new(WIRE_SOURCE, true);

	(void)state;
	assert_int_equal(ask(w, "GET", API_STATUS, ""), 200);
	assert_body_has(w, "\"state\":\"idle\"");
	assert_int_equal(ask(w, "POST", API_RUN, SCAN), 202);
	assert_int_equal(ask(w, "POST", API_RUN, SCAN), 409);
	assert_body_has(w, "\"kind\":\"busy\"");
	script.go_on = true;
	wait_for_state(w, "finished");
	assert_body_has(w, "\"index\":3,\"size\":65536,\"scanned\":4096");
	assert_int_equal(script.epoch, 9);
	assert_string_equal(script.job, "web1");
	assert_int_equal(ask(w, "POST", API_RUN_FEED, FEED(0, 20000)), 200);
	assert_int_equal(w->res.body.len, API_FEED_HEADER);
	assert_int_equal(w->res.body.data[8], API_FEED_FINISHED);
	assert_int_equal(ask(w, "POST", API_RUN, SCAN), 202);
	wait_for_state(w, "finished");
	assert_int_equal(script.started, 2);
	worker_free(w);
}

static void api_run_failed_tells_why_and_can_be_started_again(void **state)
{
	struct worker *w = worker_new(WIRE_SOURCE, true);

	(void)state;
	script.kind = ERR_IO;
	script.go_on = true;
	assert_int_equal(ask(w, "POST", API_RUN, SCAN), 202);
	wait_for_state(w, "failed");
	assert_body_has(w, "\"error\":{\"kind\":\"io\",\"message\":\"as told \\\"so\\\"\"}");
	assert_int_equal(ask(w, "POST", API_RUN_FEED, FEED(0, 20000)), 200);
	assert_int_equal(w->res.body.data[8], API_FEED_FAILED);
	assert_int_equal(ask(w, "POST", API_RUN_FEED, FEED(2, 0)), 400);
	script.kind = ERR_NONE;
	assert_int_equal(ask(w, "POST", API_RUN, SCAN), 202);
	wait_for_state(w, "finished");
	worker_free(w);
}

static void api_run_absent_disk_fails_with_not_found(void **state)
{
	struct worker *w = worker_new(WIRE_SOURCE, true);

	(void)state;
	w->disks.absent = true;
	assert_int_equal(ask(w, "POST", API_RUN, SCAN), 202);
	wait_for_state(w, "failed");
	assert_body_has(w, "\"kind\":\"not-found\"");
	assert_int_equal(script.started, 0);
	worker_free(w);
}

static void api_run_of_the_other_role_is_refused(void **state)
{
	struct worker *source = worker_new(WIRE_SOURCE, true), *target = worker_new(WIRE_TARGET, true);

	(void)state;
	assert_int_equal(ask(source, "POST", API_RUN, COPY("import", "{\"listen\":true," PAIR "}")), 409);
	assert_body_has(source, "\"kind\":\"refused\"");
	assert_int_equal(ask(target, "POST", API_RUN, COPY("export", "{\"listen\":true," PAIR "}")), 409);
	script.go_on = true;
	assert_int_equal(ask(target, "POST", API_RUN, SCAN), 202);
	wait_for_state(target, "finished");
	/* Or the broker would not give it out for writing later. */
	assert_int_equal(target->disks.mode, BLOCK_RW);
	assert_int_equal(ask(target, "POST", API_RUN, SCAN_READ_ONLY), 202);
	wait_for_state(target, "finished");
	assert_int_equal(target->disks.mode, BLOCK_RO);
	worker_free(source);
	worker_free(target);
}

static void api_stop_ends_whatever_the_run_waits_for(void **state)
{
	static const struct {
		const char *order;
		bool wants_page;
	} cases[] = {
		{SCAN, false},                                  /* the engine */
		{SCAN, true},                                   /* a page of the controller's */
		{COPY("export", "{\"listen\":true," PAIR "}"), false},   /* its peer */
	};

	(void)state;
	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		struct worker *w = worker_new(WIRE_SOURCE, true);

		script.wants_page = cases[c].wants_page;
		assert_int_equal(ask(w, "POST", API_RUN, cases[c].order), 202);
		assert_int_equal(ask(w, "POST", API_RUN_STOP, STOP), 204);
		wait_for_state(w, "failed");
		assert_body_has(w, "\"kind\":\"canceled\"");
		assert_int_equal(ask(w, "POST", API_RUN_STOP, STOP), 204);
		worker_free(w);
	}
}

static void api_run_pages_reach_the_engine(void **state)
{
	struct worker *w = worker_new(WIRE_SOURCE, true);
	char page[FEED_PAGE_BYTES + 1];

	(void)state;
	memset(page, 'p', sizeof page - 1);
	page[sizeof page - 1] = '\0';
	script.wants_page = true;
	assert_int_equal(ask(w, "POST", API_RUN, SCAN), 202);
	assert_int_equal(ask(w, "POST", API_RUN_FEED, FEED(0, 20000)), 200);
	assert_int_equal(w->res.body.data[8], API_FEED_WANT);
	assert_int_equal(ask(w, "PUT", PAGES_OF(ATTEMPT, 0, 0), page), 400); /* the controller's index is 3 */
	assert_int_equal(ask(w, "PUT", PAGES_OF(ATTEMPT, 3, 0), page), 204);
	wait_for_state(w, "finished");
	worker_free(w);
}

/* ---- What the network delivers late ---- */

#define OLD "00000000000000a1"
#define NEW "00000000000000a2"

/* A run whose queue holds one record, after one like it that was stopped. */
static struct worker *second_attempt(bool wants_page)
{
	struct worker *w = worker_new(WIRE_SOURCE, true);
	size_t one = API_FEED_HEADER + (wants_page ? 4 : 0); /* WANT has a count */

	script.wants_page = wants_page;
	script.intends = !wants_page;
	assert_int_equal(ask(w, "POST", API_RUN, SCAN_OF(OLD)), 202);
	assert_int_equal(ask(w, "POST", API_RUN_FEED, FEED_OF(OLD, 0, 20000)), 200);
	assert_int_equal(w->res.body.len, one);
	assert_int_equal(ask(w, "POST", API_RUN_STOP, STOP_OF(OLD)), 204);
	assert_int_equal(ask(w, "POST", API_RUN, SCAN_OF(NEW)), 202);
	assert_int_equal(ask(w, "POST", API_RUN_FEED, FEED_OF(NEW, 0, 20000)), 200);
	assert_int_equal(w->res.body.len, one);
	return w;
}

static void assert_refused(struct worker *w, const char *method, const char *path, const char *body)
{
	if (ask(w, method, path, body) != 409)
		fail_msg("%s %s %s: %d", method, path, body, w->res.status);
	assert_body_has(w, "\"kind\":\"refused\"");
	assert_body_has(w, NEW);
}

static void api_feed_of_an_earlier_attempt_acknowledges_nothing(void **state)
{
	struct worker *w = second_attempt(false);

	(void)state;
	assert_refused(w, "POST", API_RUN_FEED, FEED_OF(OLD, 1, 0));
	assert_refused(w, "POST", API_RUN_FEED, FEED_OF("", 1, 0));
	/* The intent still waits for whom it is meant for, and the engine for the acknowledgement. */
	assert_int_equal(ask(w, "POST", API_RUN_FEED, FEED_OF(NEW, 0, 0)), 200);
	assert_int_equal(w->res.body.len, API_FEED_HEADER);
	assert_int_equal(w->res.body.data[0], 1);
	assert_int_equal(w->res.body.data[8], API_FEED_INTENT);
	assert_int_equal(ask(w, "GET", API_STATUS, ""), 200);
	assert_body_has(w, "\"state\":\"running\"");
	assert_int_equal(ask(w, "POST", API_RUN_FEED, FEED_OF(NEW, 1, 20000)), 200);
	assert_int_equal(w->res.body.data[8], API_FEED_FINISHED);
	wait_for_state(w, "finished");
	worker_free(w);
}

static void api_pages_of_an_earlier_attempt_reach_nobody(void **state)
{
	struct worker *w = second_attempt(true);
	char page[FEED_PAGE_BYTES + 1] = "";

	(void)state;
	memset(page, 'o', sizeof page - 1);
	assert_refused(w, "PUT", PAGES_OF(OLD, 3, 0), page);
	assert_refused(w, "PUT", PAGES_OF("", 3, 0), page);
	memset(page, 'n', sizeof page - 1);
	assert_int_equal(ask(w, "PUT", PAGES_OF(NEW, 3, 0), page), 204);
	wait_for_state(w, "finished");
	assert_memory_equal(script.page, page, FEED_PAGE_BYTES);
	worker_free(w);
}

static void api_stop_of_an_earlier_attempt_stops_nothing(void **state)
{
	struct worker *w = second_attempt(false);

	(void)state;
	assert_refused(w, "POST", API_RUN_STOP, STOP_OF(OLD));
	assert_refused(w, "POST", API_RUN_STOP, STOP_OF(""));
	assert_int_equal(ask(w, "POST", API_RUN_FEED, FEED_OF(NEW, 1, 20000)), 200);
	wait_for_state(w, "finished");
	assert_refused(w, "POST", API_RUN_STOP, STOP_OF(OLD));
	assert_int_equal(ask(w, "POST", API_RUN_STOP, STOP_OF(NEW)), 204);
	worker_free(w);
}

static void api_stop_before_any_run_is_204(void **state)
{
	struct worker *w = worker_new(WIRE_SOURCE, true);

	(void)state;
	assert_int_equal(ask(w, "POST", API_RUN_STOP, STOP_OF("")), 204);
	assert_int_equal(ask(w, "POST", API_RUN_STOP, STOP_OF(OLD)), 204);
	worker_free(w);
}

/* ---- Peers ---- */

static void api_run_that_dials_tries_again(void **state)
{
	struct worker *w = worker_new(WIRE_SOURCE, true);

	(void)state;
	script.go_on = true;
	assert_int_equal(ask(w, "POST", API_RUN, COPY("export", "{\"dial\":\"there:1\"," PAIR "}")), 202);
	wait_for_state(w, "finished");
	assert_int_equal(w->dials, 3);
	assert_true(script.had_peer);
	worker_free(w);
}

struct offer {
	struct worker *w;
	struct stream *s;
	pthread_t thread;
};

static void *offer_main(void *arg)
{
	struct offer *o = arg;

	runner_offer_peer(o->w->api.runner, o->s);
	return NULL;
}

static void api_run_that_listens_takes_the_newest_connection(void **state)
{
	struct worker *w = worker_new(WIRE_TARGET, true);
	struct stream *first[2], *second[2];
	struct err e = ERR_INIT;
	char byte;

	(void)state;
	stream_mem_pair(4096, first);
	stream_mem_pair(4096, second);
	/* Both before the run is ordered. */
	struct offer one = {.w = w, .s = first[0]}, two = {.w = w, .s = second[0]};
	assert_int_equal(pthread_create(&one.thread, NULL, offer_main, &one), 0);
	clock_sleep_ns(20 * NS_PER_MS);
	assert_int_equal(pthread_create(&two.thread, NULL, offer_main, &two), 0);
	assert_int_equal(stream_read(first[1], &byte, 1, &e), 0);
	script.go_on = true;
	assert_int_equal(ask(w, "POST", API_RUN, COPY("import", "{\"listen\":true," PAIR "}")), 202);
	wait_for_state(w, "finished");
	assert_true(script.had_peer);
	pthread_join(one.thread, NULL);
	pthread_join(two.thread, NULL);
	stream_close(first[1]);
	stream_close(second[1]);
	worker_free(w);
}

/* Each would wait 200 ms: all of them a minute. */
static void api_run_at_its_end_waits_for_no_connection(void **state)
{
	struct worker *w = worker_new(WIRE_TARGET, true);
	struct stream *end[2];
	int64_t began = clock_mono_ns();

	(void)state;
	stream_mem_pair(4096, end);
	struct offer o = {.w = w, .s = end[0]};
	assert_int_equal(pthread_create(&o.thread, NULL, offer_main, &o), 0);
	script.go_on = true;
	script.opens = 300;
	assert_int_equal(ask(w, "POST", API_RUN, COPY("import", "{\"listen\":true," PAIR "}")), 202);
	wait_for_state(w, "finished");
	assert_int_equal(script.unopened, script.opens);
	assert_in_range(clock_mono_ns() - began, 0, 30 * NS_PER_S);
	pthread_join(o.thread, NULL);
	stream_close(end[1]);
	worker_free(w);
}

static void api_peer_after_a_failed_run_is_told_why(void **state)
{
	struct worker *w = worker_new(WIRE_TARGET, true);
	struct stream *end[2];
	struct wire_frame f;
	struct err e = ERR_INIT;

	(void)state;
	w->disks.absent = true;
	assert_int_equal(ask(w, "POST", API_RUN, COPY("import", "{\"listen\":true," PAIR "}")), 202);
	wait_for_state(w, "failed");
	stream_mem_pair(4096, end);
	struct offer o = {.w = w, .s = end[0]};
	assert_int_equal(pthread_create(&o.thread, NULL, offer_main, &o), 0);
	assert_int_equal(wire_recv(end[1], &f, &e), 0);
	assert_int_equal(f.type, WIRE_ERROR);
	assert_int_equal(wire_recv_error(end[1], &f, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_non_null(strstr(e.msg, "no disk a"));
	stream_close(end[1]);
	pthread_join(o.thread, NULL);
	worker_free(w);
}

/* Taken while the run is under way, and by nobody else's call. */
static void api_limits_change_the_run_they_are_for(void **state)
{
	struct worker *w = worker_new(WIRE_SOURCE, true);

	(void)state;
	assert_int_equal(ask(w, "PUT", API_RUN_LIMITS, LIMITS_OF("", "{}")), 404);
	assert_int_equal(ask(w, "POST", API_RUN, ORDER_OF(OLD, "scan", ",\"limits\":{\"disk_iops\":7}")), 202);
	assert_int_equal(ask(w, "GET", API_STATUS, ""), 200);
	assert_body_has(w, "\"limits\":{\"disk_iops\":7}");
	assert_refused(w, "PUT", API_RUN_LIMITS, LIMITS_OF(NEW, "{\"disk_iops\":8}"));
	assert_int_equal(ask(w, "PUT", API_RUN_LIMITS, LIMITS_OF(OLD, "{\"bandwidth\":256000}")), 204);
	assert_int_equal(ask(w, "GET", API_STATUS, ""), 200);
	assert_body_has(w, "\"limits\":{\"bandwidth\":256000}");
	assert_int_equal(ask(w, "PUT", API_RUN_LIMITS, LIMITS_OF(OLD, "{}")), 204);
	assert_int_equal(ask(w, "GET", API_STATUS, ""), 200);
	assert_body_has(w, "\"limits\":{}");
	script.go_on = true;
	wait_for_state(w, "finished");
	worker_free(w);
}

#define COPY_OF(attempt) "{\"attempt\":\"" attempt "\",\"kind\":\"copy\",\"key\":\"" KEY "\",\"chunk_size\":65536," \
	"\"reconnect_ms\":3600000,\"disks\":[{\"index\":3,\"serial\":\"a\",\"size\":65536," \
	"\"at\":{\"url\":\"http://127.0.0.1:1/c/b\",\"token\":\"sig=x\",\"lease\":\"\"}}]}"
#define TOKENS_OF(attempt, list) "{\"attempt\":\"" attempt "\",\"tokens\":[" list "]}"

/* The blob's service does not answer, so the run tries on until it is stopped. */
static void api_tokens_are_for_the_blobs_of_the_run_they_name(void **state)
{
	struct worker *w = worker_new(WIRE_SOURCE, true);

	(void)state;
	assert_int_equal(ask(w, "PUT", API_RUN_TOKENS, TOKENS_OF("", "{\"index\":3,\"token\":\"sig=y\"}")), 404);
	assert_int_equal(ask(w, "POST", API_RUN, COPY_OF(OLD)), 202);
	assert_int_equal(ask(w, "PUT", API_RUN_TOKENS, TOKENS_OF(OLD, "{\"index\":3,\"token\":\"sig=y\"}")), 204);
	assert_refused(w, "PUT", API_RUN_TOKENS, TOKENS_OF(NEW, "{\"index\":3,\"token\":\"sig=z\"}"));
	assert_int_equal(ask(w, "PUT", API_RUN_TOKENS, TOKENS_OF(OLD, "{\"index\":0,\"token\":\"sig=y\"}")), 400);
	assert_int_equal(ask(w, "PUT", API_RUN_TOKENS, TOKENS_OF(OLD, "{\"index\":3,\"token\":\"a\\nb\"}")), 400);
	assert_int_equal(ask(w, "PUT", API_RUN_TOKENS, TOKENS_OF(OLD, "{\"index\":3}")), 400);
	assert_int_equal(ask(w, "POST", API_RUN_STOP, "{\"attempt\":\"" OLD "\"}"), 204);
	wait_for_state(w, "failed");
	assert_body_has(w, "\"kind\":\"canceled\"");
	assert_int_equal(script.started, 0);
	worker_free(w);
}

static void api_copy_is_an_export_workers(void **state)
{
	struct worker *w = worker_new(WIRE_TARGET, true);

	(void)state;
	assert_int_equal(ask(w, "POST", API_RUN, COPY_OF(OLD)), 409);
	worker_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(api_run_second_while_one_runs_is_409),
		cmocka_unit_test(api_run_failed_tells_why_and_can_be_started_again),
		cmocka_unit_test(api_run_absent_disk_fails_with_not_found),
		cmocka_unit_test(api_run_of_the_other_role_is_refused),
		cmocka_unit_test(api_stop_ends_whatever_the_run_waits_for),
		cmocka_unit_test(api_run_pages_reach_the_engine),
		cmocka_unit_test(api_feed_of_an_earlier_attempt_acknowledges_nothing),
		cmocka_unit_test(api_pages_of_an_earlier_attempt_reach_nobody),
		cmocka_unit_test(api_stop_of_an_earlier_attempt_stops_nothing),
		cmocka_unit_test(api_stop_before_any_run_is_204),
		cmocka_unit_test(api_limits_change_the_run_they_are_for),
		cmocka_unit_test(api_tokens_are_for_the_blobs_of_the_run_they_name),
		cmocka_unit_test(api_copy_is_an_export_workers),
		cmocka_unit_test(api_run_that_dials_tries_again),
		cmocka_unit_test(api_run_that_listens_takes_the_newest_connection),
		cmocka_unit_test(api_run_at_its_end_waits_for_no_connection),
		cmocka_unit_test(api_peer_after_a_failed_run_is_told_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
