// SPDX-License-Identifier: Apache-2.0
/*
 * The chunk: the one object that travels from stage to stage. It is owned by whoever holds it: a stage that takes one
 * passes it on or frees it. A ZERO chunk stands for a whole range of zeros and has no buffer. A MARK carries no data:
 * it says that a checkpoint is closed and how many chunks belong to it, so that order in between does not matter.
 *
 * The chunks of one read travel together, as a batch, as far as they can: handing over costs more than hashing a small
 * chunk. From the filter on a batch is whatever goes on of it, with zeros, of one checkpoint.
 */
#ifndef WHERRY_COPY_CHUNK_H
#define WHERRY_COPY_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "copy/pool.h"
#include "copy/written.h"

#define CHUNK_BATCH 64 /* chunks after which a batch is handed on, though more could join it */

enum chunk_kind { CHUNK_DATA, CHUNK_ZERO, CHUNK_MARK };

struct barrier;

struct chunk {
	enum chunk_kind kind;
	bool hole;             /* ZERO: not read, the file says so */
	bool has_ticket;
	unsigned disk;
	uint64_t seq;          /* of a batch's first: its place among the batches of its disk, from the reader: 0, 1, ... */
	struct chunk *batch;   /* the one behind it in its batch, or NULL */
	uint64_t offset;       /* bytes from the start of the disk */
	uint64_t length;       /* DATA: of one chunk; ZERO: any number of chunks */
	uint8_t hash[MANIFEST_HASH]; /* DATA */
	uint64_t ticket;       /* of the ledger: to be durable before the target is changed */
	uint64_t checkpoint;   /* the one it belongs to; MARK: the one that is closed */
	uint64_t count;        /* MARK: chunks of that checkpoint */
	struct buffer *buffer; /* DATA: a reference that keeps `data` */
	uint8_t *data;         /* DATA: `length` plain bytes; NULL while only packed */
	struct buffer *packed_buffer;
	uint8_t *packed;       /* zstd frame, or NULL */
	uint32_t packed_length;
	struct barrier *barrier; /* MARK on its way through the writing lanes */
	struct written_list *written; /* MARK behind its lane: what is to be read back; NULL: nothing */
	struct chunk *next;    /* of the stage that holds it */
};

struct chunk *chunk_new(enum chunk_kind kind, unsigned disk, uint64_t offset, uint64_t length);
void chunk_free(struct chunk *c); /* and its references, and its batch; NULL is fine */
/* Takes c out of its batch, whose rest is returned. */
struct chunk *chunk_detach(struct chunk *c);
void chunk_drop_data(struct chunk *c);
void chunk_drop_packed(struct chunk *c);

/* Where the writing lanes meet: each gets a MARK with it, the last one to leave tells that all have been there. */
struct barrier *barrier_new(unsigned lanes);
bool barrier_leave(struct barrier *b, unsigned lanes); /* true: these were the last; b is freed */

/* Batches of a disk come out in the order the reader made them, whatever order they come in. */
struct chunk_order {
	uint64_t next_seq;
	struct chunk *waiting; /* rising seq */
};
void chunk_order_put(struct chunk_order *o, struct chunk *c);
struct chunk *chunk_order_take(struct chunk_order *o); /* NULL: the next one has not come yet */
void chunk_order_fini(struct chunk_order *o);

#endif
