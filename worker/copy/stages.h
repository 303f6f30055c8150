// SPDX-License-Identifier: Apache-2.0
/*
 * The stages, as their composers (export.c, import.c, local.c, scan.c) see them. Every constructor returns a stage that
 * pipeline_add takes. Configurations, pools, ledgers, peers and checkpoints are borrowed and outlive the pipeline.
 */
#ifndef WHERRY_COPY_STAGES_H
#define WHERRY_COPY_STAGES_H

#include "copy/checkpoint.h"
#include "copy/copy.h"
#include "copy/intake.h"
#include "copy/pipeline.h"
#include "copy/pool.h"
#include "copy/session.h"
#include "copy/stage.h"

#define READ_BYTES (1u << 20) /* of one request; a chunk that is larger is read at once */
#define READ_DEPTH 4

/* Source: disk `disk` from its start to its end, in order, cut into chunks; holes are not read. Of a disk with hints, once
 * their sample was checked, only their ranges. One thread, which also does the work of the stage behind it as long as it
 * keeps up with the disk. */
struct stage *reader_new(const struct copy_config *c, unsigned disk, struct ledger *l, struct pool *slabs);

/* Hashes batches of data, and turns chunks of zeros into ZERO. Any number of threads besides
 * the readers'. */
struct stage *hasher_new(const struct copy_config *c);

/* Compares with the baseline, in order per disk, and hands on what differs; announces intents, closes checkpoints.
 * Without threads of its own. */
struct stage *filter_new(const struct copy_config *c, struct ledger *l, struct checkpoints *k);

/* Records all hashes in the ledger, in order per disk: the end of a scan. Without threads of its own. */
struct stage *recorder_new(const struct copy_config *c, struct ledger *l);

/* Waits for intents and packs with zstd where that pays. As many threads as it is told, of which not all pack at once
 * where a context of zstd is large. packed: buffers of a chunk's size. */
struct stage *compressor_new(const struct copy_config *c, struct ledger *l, struct pool *packed, unsigned threads);

/* Makes the session's connections: says HELLO on them and brings them to their channels. One thread. */
struct stage *connector_new(struct session *s);

/* Source: frames to the peer, and again those that a broken connection lost. One thread per channel, of which each takes
 * whichever channel is free. again: buffers of a chunk's size, used only after a connection broke. */
struct stage *sender_new(const struct copy_config *c, struct session *s, struct pool *again);

/* Source: greets the peer, then hears what is taken and durable until END_OK. One thread per channel. */
struct stage *listener_new(struct session *s, struct checkpoints *k);

/* Target: greets the peer, then takes frames until BYE. One thread per channel. */
struct stage *receiver_new(const struct copy_config *c, struct session *s, struct intake *k, struct pool *received);

/* Unpacks and checks hashes: nothing wrong passes. Any number of threads. unpacked: buffers like the receiver's. */
struct stage *decompressor_new(const struct copy_config *c, struct pool *unpacked);

/* Divides chunks among the lanes linked behind it (lane i: disk i) and sends them the barriers of checkpoints. Without
 * threads of its own. */
struct stage *writer_new(const struct copy_config *c);

/* Writes one disk, neighbours in one request; at a MARK flushes, and hands it on with what is to be read back. At the end
 * zeroes and checks the tail. ledger may be NULL: then no chunk has a ticket. One thread each. */
struct stage *lane_new(const struct copy_config *c, unsigned disk, struct ledger *l, struct pool *read_back);

/* Reads back what one lane wrote and flushed, while the lane goes on; the last verifier to pass a barrier emits its MARK.
 * One thread each, or none where nothing is read back. */
struct stage *verifier_new(const struct copy_config *c, unsigned disk, struct pool *pool);

/* Target: answers DURABLE for each MARK and END_OK at the end. One thread. */
struct stage *replier_new(struct session *s, struct intake *k);

/* The end of a local copy: records durable checkpoints. One thread. */
struct stage *settler_new(struct checkpoints *k);

#endif
