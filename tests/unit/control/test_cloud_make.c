// SPDX-License-Identifier: Apache-2.0
/* What is told of what a provider made. */
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cloud.h"
#include "events_impl.h"
#include "fakes/provider_mem.h"
#include "journal_fixture.h"
#include "unit.h"

struct world {
	char *dir;
	struct mem_cloud *mem;
	struct cloud c;
	struct run run;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	w->dir = temp_make();
	w->mem = mem_cloud_new();
	w->c = (struct cloud){.p = provider_mem_new(w->mem, NULL), .j = reopen(w->dir, NULL), .patience_ns = 20 * NS_PER_S};
	ok(journal_place(w->c.j, "{\"provider\":\"mem\"}", &w->c.place, e));
	ok(journal_run_begin(w->c.j, "web1", RUN_SYNC, &w->run, e));
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	journal_close(w->c.j);
	provider_close(w->c.p);
	mem_cloud_free(w->mem);
	temp_remove(w->dir);
	free(w);
	return 0;
}

static void cloud_snapshot_machine_of_a_broken_promise_tells_it(void **state)
{
	static const struct {
		bool running, broken, told;
	} cases[] = {{true, true, true}, {true, false, false}, {false, true, false}};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct cloud_res snaps[2];
		cleanup(cleanup_free) char *text = NULL;
		struct machine m = {0};
		size_t size;
		FILE *talk = open_memstream(&text, &size);

		for (int k = 0; k < 2; k++)
			cloud_ref(&snaps[k], RES_SNAPSHOT, PURPOSE_SCAFFOLD, journal_owner(w->c.j), &w->run, k == 0 ? "snap0" : "snap1", 0);
		w->c.events = events_new_on(&events_plain_ops, "web1", talk, talk, clock_mono_ns, clock_wall_ns);
		ok(w->c.p->ops->machine_get(w->c.p, "web1", &m, e));
		m.running = cases[i].running;
		w->c.p->not_one_instant = cases[i].broken;
		ok(cloud_snapshot_machine(&w->c, &m, snaps, 2, e));
		events_free(w->c.events);
		fclose(talk);
		assert_int_equal(strstr(text, "one after the other, not at one instant") != NULL, cases[i].told);
		machine_fini(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(cloud_snapshot_machine_of_a_broken_promise_tells_it, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
