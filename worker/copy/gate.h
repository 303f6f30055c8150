// SPDX-License-Identifier: Apache-2.0
/*
 * Tells when a checkpoint is complete although its chunks and its MARK may overtake each other on the way. Checkpoints
 * complete in order. Not thread-safe.
 */
#ifndef WHERRY_COPY_GATE_H
#define WHERRY_COPY_GATE_H

#include <stdbool.h>
#include <stdint.h>

/* Chunks may arrive for this many checkpoints at once: those not yet durable and the open one, with room. */
#define GATE_SLOTS 8

struct gate {
	uint64_t done; /* the last complete one; ids count from 1 */
	struct {
		uint64_t arrived, expected;
		bool marked;
	} slot[GATE_SLOTS];
};

void gate_arrive(struct gate *g, uint64_t id, uint64_t chunks);
void gate_mark(struct gate *g, uint64_t id, uint64_t expected);
/* The next complete checkpoint; false when there is none now. */
bool gate_pass(struct gate *g, uint64_t *id);

#endif
