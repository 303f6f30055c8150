// SPDX-License-Identifier: Apache-2.0
#include "copy/gate.h"

#include <string.h>

void gate_arrive(struct gate *g, uint64_t id, uint64_t chunks)
{
	g->slot[id % GATE_SLOTS].arrived += chunks;
}

void gate_mark(struct gate *g, uint64_t id, uint64_t expected)
{
	g->slot[id % GATE_SLOTS].marked = true;
	g->slot[id % GATE_SLOTS].expected = expected;
}

bool gate_pass(struct gate *g, uint64_t *id)
{
	unsigned i = (g->done + 1) % GATE_SLOTS;

	if (!g->slot[i].marked || g->slot[i].arrived != g->slot[i].expected)
		return false;
	memset(&g->slot[i], 0, sizeof g->slot[i]);
	*id = ++g->done;
	return true;
}
