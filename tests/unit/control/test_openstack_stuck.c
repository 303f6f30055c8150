// SPDX-License-Identifier: Apache-2.0
/* What hangs in the volume service: the legal ways out, and what is said where there is none. */
#include "base/clock.h"
#include "openstack_fixture.h"

#define PROJECT "8d1aff806790464497953ef6d5914827"
#define VOLUME  "/8776/v3/" PROJECT "/volumes/v9"
#define TAGS    "wherry1 o=me j=web1 r=run1 e=3 p=scaffold x=0 g=0 d=0 n=x"

static int set_up(void **state)
{
	return set_up_with(state, "read.txt");
}

/* Its state is that old: seconds. */
static void volume_is(struct world *w, const char *status, int64_t age_s, unsigned times)
{
	char since[24], reply[500];

	clock_format(rest_replay_now_ns(w->cloud) - age_s * NS_PER_S, since);
	snprintf(reply, sizeof reply, "{\"volume\":{\"id\":\"v9\",\"name\":\"x\",\"status\":\"%s\",\"updated_at\":\"%.19s.000000\",\"metadata\":{"
		 "\"wherry\":\"" TAGS "\"}}}", status, since);
	rest_replay_fault(w->cloud, "GET " VOLUME, 200, reply, 0, times);
}

static void remove_each_hanging_state_has_its_way_out(void **state)
{
	enum { NOW = 5, LONG = 2 * 3600 };
	static const struct {
		const char *status;
		int64_t age_s;
		bool allowed;
		unsigned resets, deletes;
		const char *words; /* NULL: no error */
	} cases[] = {
		{"deleting", NOW, false, 0, 0, NULL},
		{"deleting", NOW, true, 0, 0, NULL},
		{"deleting", LONG, false, 0, 0, NULL},
		{"deleting", LONG, true, 1, 1, NULL},
		{"error_deleting", NOW, false, 0, 0, "where that hangs its administrator runs `openstack volume set --state error --detached v9`"},
		{"error_deleting", NOW, true, 1, 1, NULL},
		{"creating", NOW, false, 0, 1, NULL},
		{"creating", NOW, true, 1, 1, NULL},
		{"creating", LONG, false, 0, 0, "x (v9) is \"creating\" in openstack project lab"},
		{"attaching", LONG, false, 0, 0, "\"reset_stuck\" does not allow"},
		{"attaching", NOW, false, 0, 1, NULL},
		{"attaching", LONG, true, 1, 1, NULL},
		{"in-use", LONG, true, 0, 1, NULL},
		{"error", LONG, false, 0, 1, NULL},
	};
	struct world *w = *state;

	rest_replay_fault(w->cloud, "/attachments/detail", 200, "{\"attachments\":[]}", 0, sizeof cases / sizeof cases[0]);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct res_ref ref = a_ref(RES_DISK, PURPOSE_SCAFFOLD, "x", "v9");
		unsigned resets = rest_replay_seen(w->cloud, "POST " VOLUME "/action");
		unsigned deletes = rest_replay_seen(w->cloud, "DELETE " VOLUME);
		struct err why = ERR_INIT;

		ok(open_with(w, MOVER, cases[i].allowed ? ",\"reset_stuck\":true" : "", e));
		volume_is(w, cases[i].status, cases[i].age_s, 1);
		rest_replay_fault(w->cloud, "POST " VOLUME "/action", 202, "", 0, cases[i].resets);
		rest_replay_fault(w->cloud, "DELETE " VOLUME, 202, "", 0, cases[i].deletes);
		int rc = w->p->ops->remove(w->p, &ref, &why);
		if (cases[i].words == NULL && rc < 0)
			fail_msg("case %zu: %s", i, why.msg);
		if (cases[i].words != NULL) {
			assert_int_equal(rc, -1);
			assert_int_equal(why.kind, ERR_IO);
			assert_has(why.msg, cases[i].words);
		}
		assert_int_equal(rest_replay_seen(w->cloud, "POST " VOLUME "/action") - resets, cases[i].resets);
		assert_int_equal(rest_replay_seen(w->cloud, "DELETE " VOLUME) - deletes, cases[i].deletes);
		provider_close(w->p);
		w->p = NULL;
	}
	assert_string_equal(rest_replay_body(w->cloud, "POST " VOLUME "/action"),
			    "{\"os-reset_status\":{\"status\":\"error\",\"attach_status\":\"detached\"}}");
}

/* An attachment that is there is another's business: the volume is not taken from under it. */
static void remove_what_a_living_server_holds_is_not_reset(void **state)
{
	struct world *w = *state;
	struct res_ref ref = a_ref(RES_DISK, PURPOSE_SCAFFOLD, "x", "v9");

	ok(open_with(w, MOVER, ",\"reset_stuck\":true", e));
	volume_is(w, "attaching", 7200, 1);
	rest_replay_fault(w->cloud, "/attachments/detail", 200, "{\"attachments\":[{\"id\":\"a2\",\"instance\":\"s2\"}]}", 0, 1);
	rest_replay_fault(w->cloud, "GET /8774/v2.1/servers/s2", 200, "{\"server\":{\"id\":\"s2\"}}", 0, 1);
	rest_replay_fault(w->cloud, "DELETE " VOLUME, 400, "{\"badRequest\":{\"message\":\"must be available\"}}", 0, 1);
	refused(w->p->ops->remove(w->p, &ref, e), ERR_BUSY, "it is \"attaching\"");
	assert_int_equal(rest_replay_seen(w->cloud, "POST " VOLUME "/action"), 0);
}

static void remove_a_reset_that_is_refused_names_the_command(void **state)
{
	struct world *w = *state;
	struct res_ref ref = a_ref(RES_SNAPSHOT, PURPOSE_SCAFFOLD, "x", "v9");

	ok(open_with(w, MOVER, ",\"reset_stuck\":true", e));
	rest_replay_fault(w->cloud, "/snapshots/v9/action", 403, "{\"forbidden\":{\"message\":\"Policy doesn't allow it\"}}", 0, 1);
	rest_replay_fault(w->cloud, "GET /8776/v3/" PROJECT "/snapshots/v9", 200, "{\"snapshot\":{\"id\":\"v9\",\"name\":\"x\",\"status\":"
			  "\"error_deleting\",\"metadata\":{\"wherry\":\"" TAGS "\"}}}", 0, 1);
	refused(w->p->ops->remove(w->p, &ref, e), ERR_DENIED, "its administrator runs `openstack volume snapshot set --state error v9`: "
		"the volume service refused POST");
}

/* The cloud's times are by its own clock. */
static void remove_by_a_clock_that_is_wrong_is_right(void **state)
{
	static const int64_t ahead[] = {-2 * 3600, 2 * 3600};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof ahead / sizeof ahead[0]; i++) {
		struct res_ref ref = a_ref(RES_DISK, PURPOSE_SCAFFOLD, "x", "v9");
		unsigned resets = rest_replay_seen(w->cloud, "POST " VOLUME "/action");

		rest_replay_clock(w->cloud, ahead[i] * NS_PER_S);
		ok(open_with(w, MOVER, ",\"reset_stuck\":true", e));
		volume_is(w, "deleting", 5, 1);
		ok(w->p->ops->remove(w->p, &ref, e));
		assert_int_equal(rest_replay_seen(w->cloud, "POST " VOLUME "/action"), resets);
		volume_is(w, "deleting", 3700, 1);
		rest_replay_fault(w->cloud, "POST " VOLUME "/action", 202, "", 0, 1);
		rest_replay_fault(w->cloud, "DELETE " VOLUME, 202, "", 0, 1);
		ok(w->p->ops->remove(w->p, &ref, e));
		assert_int_equal(rest_replay_seen(w->cloud, "POST " VOLUME "/action"), resets + 1);
		provider_close(w->p);
		w->p = NULL;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(remove_each_hanging_state_has_its_way_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(remove_by_a_clock_that_is_wrong_is_right, set_up, tear_down),
		cmocka_unit_test_setup_teardown(remove_what_a_living_server_holds_is_not_reset, set_up, tear_down),
		cmocka_unit_test_setup_teardown(remove_a_reset_that_is_refused_names_the_command, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
