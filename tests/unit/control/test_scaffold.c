// SPDX-License-Identifier: Apache-2.0
/* What is told of the temporary resources of a run. Whole runs: test_replica.c. */
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "events_impl.h"
#include "fakes/provider_mem.h"
#include "journal_fixture.h"
#include "scaffold.h"
#include "unit.h"

struct world {
	char *dir;
	struct mem_cloud *mem;
	struct context c;
	struct run run;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	w->dir = temp_make();
	w->mem = mem_cloud_new();
	w->c.journal = reopen(w->dir, NULL);
	w->c.source_p = w->c.target_p = provider_mem_new(w->mem, NULL);
	w->c.source = (struct cloud){.p = w->c.source_p, .j = w->c.journal, .patience_ns = 20 * NS_PER_S};
	ok(journal_place(w->c.journal, "{\"provider\":\"mem\"}", &w->c.source.place, e));
	ok(journal_run_begin(w->c.journal, "web1", RUN_SYNC, &w->run, e));
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	journal_close(w->c.journal);
	provider_close(w->c.source_p);
	mem_cloud_free(w->mem);
	temp_remove(w->dir);
	free(w);
	return 0;
}

static void scaffold_snapshots_of_a_broken_promise_tells_it(void **state)
{
	static const struct {
		bool running, broken, told;
	} cases[] = {{true, true, true}, {true, false, false}, {false, true, false}};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		cleanup(cleanup_free) char *text = NULL;
		const struct batches batches = {0};
		struct scaffold *s = calloc(1, sizeof *s);
		struct machine m = {0};
		size_t size;
		FILE *talk = open_memstream(&text, &size);

		w->c.events = events_new_on(&events_plain_ops, "web1", talk, talk, clock_mono_ns, clock_wall_ns);
		ok(w->c.source_p->ops->machine_get(w->c.source_p, "web1", &m, e));
		m.running = cases[i].running;
		w->c.source_p->not_one_instant = cases[i].broken;
		scaffold_init(s, &w->c, &w->run, &batches);
		ok(scaffold_snapshots(s, &m, e));
		events_free(w->c.events);
		fclose(talk);
		assert_int_equal(strstr(text, "one after the other, not at one instant") != NULL, cases[i].told);
		assert_int_equal(strstr(text, "web1 at one instant") != NULL, !cases[i].told);
		free(s);
		machine_fini(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(scaffold_snapshots_of_a_broken_promise_tells_it, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
