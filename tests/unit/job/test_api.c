// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/clock.h"
#include "job/api_fixture.h"
#include "net/api_names.h"

static void api_handle_before_enrolment_answers_two_calls_only(void **state)
{
	static const struct {
		const char *method, *path;
		int status;
	} cases[] = {
		{"GET", API_IDENTITY, 200},
		{"GET", API_STATUS, 403},
		{"GET", API_DISKS, 403},
		{"POST", API_RUN, 403},
		{"POST", API_RUN_FEED, 403},
		{"PUT", "/v1/run/disks/0/pages?first=0", 403},
		{"POST", API_RUN_STOP, 403},
		{"PUT", API_RUN_LIMITS, 403},
		{"POST", API_POWEROFF, 403},
		{"GET", "/", 404},
		{"GET", "/v1/identity/x", 404},
		{"POST", API_IDENTITY, 405},
		{"GET", API_ENROL, 405},
		{"GET", "/v1/run/disks/0/pages", 405},
	};
	struct worker *w = worker_new(WIRE_SOURCE, false);

	(void)state;
	w->conn.pinned = true;
	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		if (ask(w, cases[c].method, cases[c].path, "{}") != cases[c].status)
			fail_msg("%s %s: %d", cases[c].method, cases[c].path, w->res.status);
		assert_body_has(w, cases[c].status == 200 ? "\"epoch\":9" : "\"message\":\"");
	}
	assert_int_equal(w->off, 0);
	worker_free(w);
}

static void api_handle_enrolment_opens_the_rest_to_certificates(void **state)
{
	struct worker *w = worker_new(WIRE_SOURCE, false);

	(void)state;
	w->conn.pinned = true;
	assert_int_equal(ask(w, "POST", API_ENROL, ENROL("ca")), 204);
	assert_int_equal(w->res.body.len, 0);
	assert_int_equal(w->enrolled, 1);
	assert_true(lease_left_ns(&w->lease) > 70 * NS_PER_S);
	/* The old connection is worth nothing from now on. */
	assert_int_equal(ask(w, "GET", API_STATUS, ""), 403);
	assert_int_equal(ask(w, "POST", API_ENROL, ENROL("ca")), 403);
	w->conn.pinned = false;
	assert_int_equal(ask(w, "GET", API_STATUS, ""), 200);
	assert_body_has(w, "\"role\":\"export\"");
	assert_int_equal(ask(w, "POST", API_ENROL, ENROL("ca")), 204);
	assert_int_equal(ask(w, "POST", API_ENROL, ENROL("other")), 403);
	worker_free(w);
}

static void api_handle_wrong_body_is_refused_with_the_reason(void **state)
{
	static const struct {
		const char *method, *path, *body;
		int status;
		const char *says;
	} cases[] = {
		{"POST", API_ENROL, "", 400, "not JSON"},
		{"POST", API_ENROL, "{}", 400, "lease_seconds"},
		{"POST", API_ENROL, "{\"ca\":1,\"cert\":2,\"time_ns\":3,\"lease_seconds\":4}", 400, "PEM"},
		{"POST", API_ENROL, "{\"ca\":\"x\",\"cert\":\"y\",\"time_ns\":3,\"lease_seconds\":4}", 400,
		 "certificates"},
		{"POST", API_ENROL,
		 "{\"ca\":\"" PEM("ca") "\",\"cert\":\"" PEM("x") "\",\"time_ns\":3,\"lease_seconds\":4}", 400,
		 "time_ns"},
		{"POST", API_ENROL,
		 "{\"ca\":\"" PEM("ca") "\",\"cert\":\"" PEM("x") "\",\"time_ns\":3,\"lease_seconds\":1}", 400,
		 "604800"},
		{"POST", API_RUN, "{}", 400, "missing"},
		{"POST", API_RUN, "[", 400, "not JSON"},
		{"POST", API_RUN_FEED, FEED(0, 0), 404, "no run"},
		{"POST", API_RUN_FEED, FEED_OF("", 0, 0), 404, "no run"},
		{"POST", API_RUN_FEED, FEED(-1, 0), 400, "wait_ms"},
		{"POST", API_RUN_FEED, FEED_OF(ATTEMPT "0", 0, 0), 400, "16 hex digits"},
		{"POST", API_RUN_FEED, "{\"attempt\":\"\",\"ack\":0}", 400, "wait_ms"},
		{"POST", API_RUN_FEED, "{\"ack\":0,\"wait_ms\":0}", 400, "attempt"},
		{"POST", API_RUN_FEED, "{\"attempt\":1,\"ack\":0,\"wait_ms\":0}", 400, "attempt"},
		{"PUT", API_RUN_LIMITS, LIMITS_OF("", "{\"bandwidth\":1}"), 400, "from 256000"},
		{"PUT", API_RUN_LIMITS, LIMITS_OF("", "{\"rate\":256000}"), 400, "unknown key"},
		{"PUT", API_RUN_LIMITS, LIMITS_OF("0", "{}"), 400, "16 hex digits"},
		{"PUT", API_RUN_LIMITS, "{\"attempt\":\"\"}", 400, "limits"},
		{"POST", API_RUN_STOP, "", 400, "not JSON"},
		{"POST", API_RUN_STOP, "{}", 400, "attempt"},
		{"POST", API_RUN_STOP, STOP_OF("0"), 400, "16 hex digits"},
		{"POST", API_RUN_STOP, "{\"attempt\":\"\",\"ack\":0}", 400, "attempt"},
		{"PUT", PAGES_OF(ATTEMPT, 0, 0), "", 404, "no run"},
		{"PUT", PAGES_OF(ATTEMPT, x, 0), "", 400, "first=PAGE"},
		{"PUT", PAGES_OF(ATTEMPT, 64, 0), "", 400, "first=PAGE"},
		{"PUT", "/v1/run/disks/0/page?attempt=" ATTEMPT "&first=0", "", 400, "first=PAGE"},
		{"PUT", "/v1/run/disks/0/pages", "", 400, "first=PAGE"},
		{"PUT", "/v1/run/disks/0/pages?attempt=" ATTEMPT, "", 400, "first=PAGE"},
		{"PUT", "/v1/run/disks/0/pages?first=0", "", 400, "attempt"},
		{"PUT", PAGES_OF("zz112233445566aa", 0, 0), "", 400, "attempt"},
		{"PUT", PAGES_OF(ATTEMPT "0", 0, 0), "", 400, "attempt"},
		{"PUT", PAGES_OF(ATTEMPT, 0, -1), "", 400, "first=PAGE"},
		{"PUT", PAGES_OF(ATTEMPT, 0, 99999999999999999999), "", 400, "first=PAGE"},
	};
	struct worker *w = worker_new(WIRE_TARGET, true);

	(void)state;
	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		if (ask(w, cases[c].method, cases[c].path, cases[c].body) != cases[c].status)
			fail_msg("%s %s %s: %d", cases[c].method, cases[c].path, cases[c].body, w->res.status);
		assert_body_has(w, cases[c].says);
	}
	worker_free(w);
}

static void api_handle_every_call_renews_the_lease(void **state)
{
	struct worker *w = worker_new(WIRE_SOURCE, true);

	(void)state;
	atomic_store(&w->lease.deadline_ns, clock_mono_ns() + NS_PER_S);
	assert_int_equal(ask(w, "GET", API_DISKS, ""), 200);
	assert_body_has(w, "\"serial\":\"a\",\"size\":65536,\"logical_sector\":512,\"physical_sector\":4096");
	assert_true(lease_left_ns(&w->lease) > 50 * NS_PER_S);
	/* Nobody who is refused keeps a worker alive. */
	atomic_store(&w->lease.deadline_ns, clock_mono_ns() + NS_PER_S);
	w->conn.pinned = true;
	assert_int_equal(ask(w, "GET", API_STATUS, ""), 403);
	assert_true(lease_left_ns(&w->lease) <= NS_PER_S);
	worker_free(w);
}

static void api_handle_poweroff_asks_for_the_end(void **state)
{
	struct worker *w = worker_new(WIRE_SOURCE, true);

	(void)state;
	assert_int_equal(ask(w, "POST", API_POWEROFF, "{}"), 204);
	assert_int_equal(w->off, 1);
	worker_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(api_handle_before_enrolment_answers_two_calls_only),
		cmocka_unit_test(api_handle_enrolment_opens_the_rest_to_certificates),
		cmocka_unit_test(api_handle_wrong_body_is_refused_with_the_reason),
		cmocka_unit_test(api_handle_every_call_renews_the_lease),
		cmocka_unit_test(api_handle_poweroff_asks_for_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
