// SPDX-License-Identifier: Apache-2.0
/*
 * wherry/1, the chunk stream: chunks of disks from a source (role export) to a target (role import) over TLS 1.3
 * connections (ALPN "wherry/1"). Which of the two dials does not matter. All integers are little-endian.
 *
 * A *session* is one copy between two workers. It has 1 to WIRE_MAX_CHANNELS *channels*: numbered series of frames, each
 * carried by one connection at a time. A connection may break at any byte; whoever dialed dials again, both ends verify
 * each other anew, and the channel goes on with the first frame that the target has not taken.
 *
 * Frame: a header of 32 bytes, then `payload` bytes.
 *
 *    0  u8   type        below
 *    1  u8   flags       CHUNK: compression; 0 elsewhere
 *    2  u16  disk        index of the disk in the run; 0 where it means nothing
 *    4  u32  payload     bytes that follow, at most WIRE_MAX_PAYLOAD
 *    8  u64  offset      bytes from the start of the disk
 *   16  u64  length      bytes of disk the frame speaks of; CHECKPOINT: frames of data that belong to it
 *   24  u64  id          number of a checkpoint or of a frame; 0 where it means nothing
 *
 * type            from     meaning, and what the receiver does
 * HELLO      1    both     first frame of each side on every connection. Payload: struct wire_hello. Different job, run,
 *                          epoch, session or number of channels, or no common version: ERROR, close.
 * DISK       2    source   one per disk after HELLO. Payload: struct wire_disk. The target compares with what its
 *                          controller told it (size, chunk size, sector size); a difference is an ERROR.
 * READY      3    target   all disks are as announced; the source goes on with the counted frame `id` of this channel (1
 *                          on the first connection): the target has taken those before it and none after.
 * CHUNK    * 4    source   `length` bytes (one chunk) at `offset`, of checkpoint `id`. Payload: 32 bytes keyed BLAKE3 of
 *                          the plain bytes, then the bytes, raw (flags 0) or as one zstd frame (flags 1). The target
 *                          checks the hash before it writes anything. A zstd frame is never longer than the raw bytes.
 * ZERO     * 5    source   `length` bytes of zeros at `offset`, any whole number of chunks, of checkpoint `id`: written
 *                          as zeros, never skipped, never by a bare discard. Payload empty.
 * CHECKPOINT*6    source   channel 0 only; `id` counts from 1. `length` CHUNK and ZERO frames belong to checkpoint `id`;
 *                          they may come before or after this, on any channel. The target writes all of them, flushes
 *                          the device, reads it back where asked, and only then answers
 * DURABLE    7    target   channel 0 only: all checkpoints up to `id`. Told again on a new connection.
 * END      * 8    source   last counted frame of each channel; all CHECKPOINTs have been sent.
 * END_OK     9    target   channel 0 only, its last frame there but ERROR: END came on all channels and the last
 *                          checkpoint is durable. Told again on a new connection. The source answers BYE.
 * PING      10    both     at least every 5 s when nothing else was sent. 60 s of silence mean a dead connection.
 * ERROR     11    both     payload: u32 kind (enum err_kind), then a sentence without NUL, at most 500 bytes. Last
 *                          frame of its sender; it ends the session, not only the connection.
 * ACK       12    target   the counted frames of this channel up to `id` are taken: handed on inside the target, where
 *                          only a failure of the target itself can lose them. At the latest after WIRE_ACK_FRAMES frames
 *                          or WIRE_ACK_BYTES of plain bytes, divided by the number of channels.
 * BYE       13    source   channel 0 only: END_OK was heard. Last frame of the session: the target closes all channels
 *                          and reads no more. A target that misses it for WIRE_LINGER_NS without a connection is done
 *                          all the same: everything is durable. Until then an ERROR or a breach still fails the session.
 *
 * Counted frames (*) are numbered 1, 2, ... on their channel, across its connections; the number is not sent. The source
 * keeps of a frame that is not acknowledged what it is, not its bytes: it reads them again from the snapshot, and what
 * has another hash then ends the session with CORRUPT. What was taken is never sent again, so nothing is taken twice.
 *
 * Connections: the dialer's HELLO names the channel, the listener's says WIRE_ANY_CHANNEL. A new connection for a channel
 * that still has one takes its place, and the old one is ended: the dialer knows best that it is dead. A connection of
 * another session is refused and does not touch this one. What the network does to a connection (it breaks, is silent,
 * or garbled as TLS sees it) is repaired; an ERROR or a breach of this protocol is not.
 *
 * Limits: WIRE_MAX_CHUNK bytes plain, WIRE_MAX_PAYLOAD per frame, WIRE_MAX_DISKS disks, at most
 * WIRE_MAX_OPEN_CHECKPOINTS without their DURABLE.
 *
 * A peer may never: send a type it may not send, in the wrong state or on the wrong channel; name a disk that was not
 * announced; leave the disk (offset + length > size) or the chunk grid (offset not a multiple of the chunk size; length
 * not the chunk's); send a chunk twice within one checkpoint, or more of a checkpoint than it says, or of one that is
 * durable; send a counted frame behind END; declare a length other than what a chunk decompresses to; acknowledge or ask for frames that were never sent,
 * or take back what it acknowledged; send more than the limits. Each is answered with ERROR PROTOCOL and the end of the
 * session; nothing of that frame is written.
 *
 * Versions: HELLO carries the lowest and highest version spoken; the highest common one is used. A new version may
 * add types; within a version an unknown type is an error.
 */
#ifndef WHERRY_NET_WIRE_H
#define WHERRY_NET_WIRE_H

#include <stdint.h>

#include "base/err.h"
#include "net/stream.h"

#define WIRE_VERSION              2
#define WIRE_HEADER_SIZE          32
#define WIRE_HASH_SIZE            32
#define WIRE_MIN_CHUNK            (UINT32_C(64) << 10)
#define WIRE_MAX_CHUNK            (UINT32_C(4) << 20)
#define WIRE_MAX_PAYLOAD          (WIRE_MAX_CHUNK + WIRE_HASH_SIZE)
#define WIRE_MAX_DISKS            64
#define WIRE_MAX_CHANNELS         8
#define WIRE_ANY_CHANNEL          UINT16_C(0xffff)
#define WIRE_MAX_OPEN_CHECKPOINTS 4
#define WIRE_ACK_FRAMES           64
#define WIRE_ACK_BYTES            (UINT64_C(4) << 20)
#define WIRE_PING_NS              INT64_C(5000000000)
#define WIRE_SILENCE_NS           INT64_C(60000000000)
#define WIRE_LINGER_NS            INT64_C(10000000000)

enum wire_type {
	WIRE_HELLO = 1, WIRE_DISK, WIRE_READY, WIRE_CHUNK, WIRE_ZERO, WIRE_CHECKPOINT, WIRE_DURABLE, WIRE_END,
	WIRE_END_OK, WIRE_PING, WIRE_ERROR, WIRE_ACK, WIRE_BYE
};

enum { WIRE_RAW = 0, WIRE_ZSTD = 1 };

struct wire_frame {
	uint8_t type;
	uint8_t flags;
	uint16_t disk;
	uint32_t payload;
	uint64_t offset;
	uint64_t length;
	uint64_t id;
};

enum wire_role { WIRE_SOURCE = 1, WIRE_TARGET = 2 };

/* On the wire: u16 version_min, u16 version_max, u32 role, u64 epoch, job[64], run[40], key_id[16] (texts NUL-padded),
 * u64 session, u16 channel, u16 channels. */
#define WIRE_HELLO_SIZE 148
struct wire_hello {
	uint16_t version_min, version_max;
	uint32_t role;
	uint64_t epoch;
	char job[64];
	char run[40];
	uint8_t key_id[16]; /* names the hash key without telling it */
	uint64_t session;   /* whoever starts both sides draws it for this attempt of the run */
	uint16_t channel;   /* the dialer's; the listener: WIRE_ANY_CHANNEL */
	uint16_t channels;  /* of the session */
};

/* On the wire: u64 size, u32 chunk_size, u32 sector_size. */
#define WIRE_DISK_SIZE 16
struct wire_disk {
	uint64_t size;        /* bytes; a multiple of sector_size */
	uint32_t chunk_size;  /* power of two within the limits */
	uint32_t sector_size; /* logical, 512 or 4096; for a file 512 */
};

void wire_frame_encode(const struct wire_frame *f, uint8_t out[WIRE_HEADER_SIZE]);
/* Checks the type, the payload limit and that fields without meaning are 0. PROTOCOL otherwise. */
int wire_frame_decode(const uint8_t in[WIRE_HEADER_SIZE], struct wire_frame *f, struct err *e);
void wire_hello_encode(const struct wire_hello *h, uint8_t out[WIRE_HELLO_SIZE]);
int wire_hello_decode(const uint8_t *in, size_t len, struct wire_hello *h, struct err *e);
/* Same job, run, epoch, key, session and number of channels (else REFUSED), opposite role, a channel named by one of the
 * two (else PROTOCOL): *channel. *version gets the one to speak (else PROTOCOL). */
int wire_hello_match(const struct wire_hello *mine, const struct wire_hello *theirs, uint16_t *version,
		     uint16_t *channel, struct err *e);
void wire_disk_encode(const struct wire_disk *d, uint8_t out[WIRE_DISK_SIZE]);
int wire_disk_decode(const uint8_t *in, size_t len, struct wire_disk *d, struct err *e);
/* A decoded frame's type is one that `sender` may send at all; PROTOCOL otherwise. */
int wire_sender_check(const struct wire_frame *f, enum wire_role sender, struct err *e);
/* A data frame (CHUNK or ZERO) against its disk: grid, bounds, payload size. */
int wire_data_check(const struct wire_frame *f, const struct wire_disk *d, struct err *e);

/* Header and payload. `payload` may be NULL when f->payload is 0. CHUNK and ZERO may wait in the stream for company until
 * the next frame of another type or stream_flush(); every other type is flushed. */
int wire_send(struct stream *s, const struct wire_frame *f, const void *payload, struct err *e);
int wire_send_error(struct stream *s, const struct err *why, struct err *e);
/* The next header; its payload is the caller's to read with stream_read_full. */
int wire_recv(struct stream *s, struct wire_frame *f, struct err *e);
/* Read the payload of an ERROR frame into *e (kind and sentence, "the peer says: ..."); always -1. */
int wire_recv_error(struct stream *s, const struct wire_frame *f, struct err *e);

#endif
