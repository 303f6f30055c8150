// SPDX-License-Identifier: Apache-2.0
/*
 * wherry/1, the chunk stream: chunks of disks from a source (role export) to a target (role import) over one TLS 1.3
 * connection (ALPN "wherry/1"). Which of the two dialed does not matter. All integers are little-endian.
 *
 * Frame: a header of 32 bytes, then `payload` bytes.
 *
 *    0  u8   type        below
 *    1  u8   flags       CHUNK: compression; 0 elsewhere
 *    2  u16  disk        index of the disk in the run; 0 where it means nothing
 *    4  u32  payload     bytes that follow, at most WIRE_MAX_PAYLOAD
 *    8  u64  offset      bytes from the start of the disk
 *   16  u64  length      bytes of disk the frame speaks of
 *   24  u64  id          checkpoint number; 0 where it means nothing
 *
 * type            from     meaning, and what the receiver does
 * HELLO      1    both     first frame of each side. Payload: struct wire_hello. Different job, run, epoch, or no
 *                          common version: ERROR, close.
 * DISK       2    source   one per disk after HELLO. Payload: struct wire_disk. The target compares with what its
 *                          controller told it (size, chunk size, sector size); a difference is an ERROR.
 * READY      3    target   all disks are as announced; the source may send data.
 * CHUNK      4    source   `length` bytes (one chunk) at `offset`. Payload: 32 bytes keyed BLAKE3 of the plain bytes,
 *                          then the bytes, raw (flags 0) or as one zstd frame (flags 1). The target checks the hash
 *                          before it writes anything. A zstd frame is never longer than the raw bytes.
 * ZERO       5    source   `length` bytes of zeros at `offset`, any whole number of chunks: written as zeros, never
 *                          skipped, never by a bare discard. Payload empty.
 * CHECKPOINT 6    source   `id` counts from 1. Everything sent before it belongs to checkpoint `id`: the target writes
 *                          it, flushes the device, reads it back where asked, and only then answers
 * DURABLE    7    target   with the same `id`, in order.
 * END        8    source   no more data; the last CHECKPOINT has been sent.
 * END_OK     9    target   after the DURABLE of the last checkpoint. The source closes.
 * PING      10    both     at least every 5 s when nothing else was sent. 60 s of silence mean a dead peer.
 * ERROR     11    both     payload: u32 kind (enum err_kind), then a sentence without NUL, at most 500 bytes. Last
 *                          frame of its sender.
 *
 * Limits: WIRE_MAX_CHUNK bytes plain, WIRE_MAX_PAYLOAD per frame, WIRE_MAX_DISKS disks, at most
 * WIRE_MAX_OPEN_CHECKPOINTS without their DURABLE.
 *
 * A peer may never: send a type it may not send or in the wrong state; name a disk that was not announced; leave the
 * disk (offset + length > size) or the chunk grid (offset not a multiple of the chunk size; length not the chunk's);
 * send a chunk twice within one checkpoint; declare a length other than what a chunk decompresses to; send more
 * than the limits. Each is answered with ERROR PROTOCOL and the end of the connection; nothing of that frame is written.
 *
 * Versions: HELLO carries the lowest and highest version spoken; the highest common one is used. A new version may
 * add types; within a version an unknown type is an error.
 */
#ifndef WHERRY_NET_WIRE_H
#define WHERRY_NET_WIRE_H

#include <stdint.h>

#include "base/err.h"
#include "net/stream.h"

#define WIRE_VERSION              1
#define WIRE_HEADER_SIZE          32
#define WIRE_HASH_SIZE            32
#define WIRE_MIN_CHUNK            (UINT32_C(64) << 10)
#define WIRE_MAX_CHUNK            (UINT32_C(4) << 20)
#define WIRE_MAX_PAYLOAD          (WIRE_MAX_CHUNK + WIRE_HASH_SIZE)
#define WIRE_MAX_DISKS            64
#define WIRE_MAX_OPEN_CHECKPOINTS 4
#define WIRE_PING_NS              INT64_C(5000000000)
#define WIRE_SILENCE_NS           INT64_C(60000000000)

enum wire_type {
	WIRE_HELLO = 1, WIRE_DISK, WIRE_READY, WIRE_CHUNK, WIRE_ZERO, WIRE_CHECKPOINT, WIRE_DURABLE, WIRE_END,
	WIRE_END_OK, WIRE_PING, WIRE_ERROR
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

/* On the wire: u16 version_min, u16 version_max, u32 role, u64 epoch, job[64], run[40], key_id[16] (texts NUL-padded). */
#define WIRE_HELLO_SIZE 136
struct wire_hello {
	uint16_t version_min, version_max;
	uint32_t role;
	uint64_t epoch;
	char job[64];
	char run[40];
	uint8_t key_id[16]; /* names the hash key without telling it */
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
/* Same job, run, epoch, key (else REFUSED) and opposite role; *version gets the one to speak (else PROTOCOL). */
int wire_hello_match(const struct wire_hello *mine, const struct wire_hello *theirs, uint16_t *version,
		     struct err *e);
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
