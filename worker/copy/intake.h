// SPDX-License-Identifier: Apache-2.0
/*
 * The target's account of what came in: which frames of data belong to which checkpoint, none of them twice, and
 * whether all has come. It bounds what the target remembers, whatever its peer does. Any thread.
 */
#ifndef WHERRY_COPY_INTAKE_H
#define WHERRY_COPY_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "net/wire.h"

struct intake;

struct intake *intake_new(unsigned disks, unsigned channels);
void intake_free(struct intake *k); /* NULL is fine */

/* Each: PROTOCOL when the frame may not come, or not now. A CHUNK or ZERO is checked against its disk before. */
int intake_data(struct intake *k, const struct wire_frame *f, struct err *e);
int intake_checkpoint(struct intake *k, const struct wire_frame *f, struct err *e);
/* END of one more channel; *all: it was the last one. */
int intake_end(struct intake *k, bool *all, struct err *e);

/* The target answers for this checkpoint: its record is forgotten. */
void intake_durable(struct intake *k, uint64_t id);

#endif
